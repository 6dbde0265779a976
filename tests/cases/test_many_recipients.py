from __future__ import annotations

from contextlib import contextmanager

import pytest
from django.contrib.auth import get_user_model
from django.db import connection

from cmc_webhooks import models, wire
from cmc_webhooks.models import querysets
from cmc_webhooks.statistics import rollup
from tests import cases
from tests.conftest import bounce, delivery
from tests.helpers import factories

pytestmark = pytest.mark.django_db

MANY = 260_000


@contextmanager
def parameters():
    """Collect the number of parameters of each statement."""
    numbers = []

    def note(execute, sql, params, many, context):
        numbers.append(0 if many or not params else len(params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield numbers


def multiply(model, row, number, **columns):
    """Insert this many copies of a row, with other keys. `columns` are SQL expressions of `n`."""
    names = [field.column for field in model._meta.concrete_fields]
    table = model._meta.db_table
    values = ", ".join(columns.get(name, name) for name in names)
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {number})"  # noqa: S608 - our own words
            f" INSERT INTO {table} ({', '.join(names)}) SELECT {values} FROM numbers, {table} WHERE id = %s",
            [row.pk.hex],
        )


@pytest.fixture
def admin(client):
    client.force_login(get_user_model().objects.create_superuser("a", "a@example.jp", "x"))
    return client


class TestD14:
    """A message with very many recipients."""

    @pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite has the lowest limit of parameters")
    def test_is_found_by_page_and_api(self, admin):
        mail = factories.MailFactory(message_id="<many@example.com>")
        event = factories.DeliveryEventFactory(mail=mail)
        first = wire.message_range("many@example.com")[0].hex[:17]
        mail_key, event_key = f"'{first}' || printf('%%015x', n)", "printf('%%032x', n)"
        multiply(models.Mail, mail, MANY, id=mail_key, address="'u' || n || '@example.jp'")
        multiply(models.DeliveryEvent, event, MANY, id=event_key, mail_id=mail_key)

        with parameters() as numbers:
            for path in (
                "/api/mails/?message_id=many@example.com",
                "/api/delivery-events/?message_id=many@example.com",
                "/admin/cmc_webhooks/mail/?q=many@example.com",
                "/admin/cmc_webhooks/deliveryevent/?q=many@example.com",
            ):
                assert admin.get(path).status_code == 200

        assert models.Mail.objects.for_message("<many@example.com>").count() > MANY
        assert max(numbers) < 1000

    @pytest.mark.parametrize("recipients", [3, 11, 40])
    def test_is_found_whole_by_a_bounded_number_of_parameters(self, open_hook, monkeypatch, recipients):
        monkeypatch.setattr(querysets, "MOST_KEYS", 10)
        cases.send(open_hook, "deliveries", *[delivery(to=f"u{n}@x.jp") for n in range(recipients)])
        cases.send(open_hook, "bounces", bounce(to="u1@x.jp"), bounce("<other@example.com>", to="u1@x.jp"))

        with parameters() as numbers:
            found = [
                models.Mail.objects.for_message("m1@example.com").count(),
                models.DeliveryEvent.objects.for_message("<m1@example.com>").count(),
                models.BounceEvent.objects.for_message("m1@example.com").count(),
            ]

        assert found == [recipients, recipients, 1]
        assert max(numbers) <= 12

    def test_is_kept_apart_from_another_message_whose_keys_are_its_neighbours(self, monkeypatch):
        monkeypatch.setattr(querysets, "MOST_KEYS", 3)
        least, _ = wire.message_range("m1@example.com")
        other = factories.MailFactory(id=least, message_id="<other@example.com>")
        mine = [
            factories.MailFactory(message_id="<m1@example.com>", recipient=f"u{n}@x.jp") for n in range(9)
        ]
        events = [factories.DeliveryEventFactory(mail=mail) for mail in [other, *mine]]

        assert set(models.Mail.objects.for_message("m1@example.com")) == set(mine)
        assert set(models.DeliveryEvent.objects.for_message("m1@example.com")) == set(events[1:])

    @pytest.mark.parametrize("letters", [320, 400])
    def test_a_long_address_with_many_mails_is_found_by_a_bounded_number(self, monkeypatch, letters):
        monkeypatch.setattr(querysets, "MOST_KEYS", 10)
        long = f"{'x' * letters}@example.jp"
        for number in range(25):
            factories.MailFactory(message_id=f"<{number}@x>", recipient=long, address=long[:320])
            factories.BlockEventFactory(address=long[:320], raw={"to": long})

        with parameters() as numbers:
            found = [
                models.Mail.objects.for_address(long).count(),
                models.BlockEvent.objects.for_address(long).count(),
            ]

        assert found[0] == 10
        assert max(numbers) <= 12

    def test_counters_of_a_day_are_joined_by_a_bounded_number(self, open_hook):
        statuses = [f"word{number}" for number in range(300)]
        for start in range(0, 300, 100):
            cases.send(
                open_hook,
                "deliveries",
                *[delivery(f"<{word}@x>", status=word) for word in statuses[start : start + 100]],
            )
        models.MailCount.objects.update(shard=3, day="2023-01-25")
        models.Mail.objects.update(created_at="2023-01-25T05:00:00Z")

        with parameters() as numbers:
            rollup.roll_up("default")

        assert models.MailCount.objects.filter(shard=3).count() == 0
        assert sum(models.MailCount.objects.values_list("number", flat=True)) == 300
        assert max(numbers) < 5000
