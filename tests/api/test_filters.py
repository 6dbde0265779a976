from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from cmc_webhooks import models
from cmc_webhooks.bounce_codes import BOUNCE_CODES, BounceClass, bounce_class
from tests.api.conftest import LISTS, keys
from tests.conftest import CASES
from tests.helpers import factories

pytestmark = pytest.mark.django_db

EVENTS = {"delivery-event": factories.DeliveryEventFactory, "bounce-event": factories.BounceEventFactory}


@pytest.fixture
def wanted():
    """A mail with one event of each kind, among others."""
    others = [factories.DeliveryEventFactory(), factories.BounceEventFactory(bounce_code="5")]
    mail = factories.MailFactory(
        message_id="<wanted@example.com>",
        recipient='"Yamada, Taro" <Taro..Y@Example.jp>',
        header_from="Shop <Shop@Example.com>",
        api_data="order-7",
        server_composition="sandbox",
        delivery_status="failed",
        bounce_code="2",
    )
    delivery = factories.DeliveryEventFactory(mail=mail, status="failed")
    bounce = factories.BounceEventFactory(mail=mail, bounce_code="2")
    assert others
    return {"mail": mail, "delivery-event": delivery, "bounce-event": bounce}


@pytest.mark.parametrize("name", LISTS)
class TestFilters:
    @pytest.mark.parametrize(
        ("parameter", "value"),
        [
            ("message_id", "wanted@example.com"),
            ("message_id", " <wanted@example.com> "),
            ("recipient", "taro..y@example.jp"),
            ("recipient", "Taro <TARO..Y@EXAMPLE.JP>"),
            ("sender", "shop@example.com"),
            ("sender", "SHOP@example.com"),
            ("sender", "Another Name <shop@example.com>"),
            ("api_data", "order-7"),
            ("server_composition", "sandbox"),
        ],
    )
    def test_find_by_every_spelling(self, api, wanted, name, parameter, value):
        assert api.found(name, **{parameter: value}) == keys(wanted[name])

    @pytest.mark.parametrize(
        ("parameter", "value"),
        [
            ("message_id", "wanted@"),
            ("message_id", "WANTED@example.com"),
            ("message_id", "<>"),
            ("recipient", "y@example.jp"),
            ("recipient", "@example.jp"),
            ("sender", "op@example.com"),
            ("sender", "%"),
            ("api_data", "order"),
            ("api_data", "ORDER-7"),
            ("api_data", "order-7 "),
            ("server_composition", "Sandbox"),
        ],
    )
    def test_find_nothing_by_a_part_or_another_text(self, api, wanted, name, parameter, value):
        assert api.found(name, **{parameter: value}) == set()

    def test_narrow_together(self, api, wanted, name):
        assert api.found(name, recipient="taro..y@example.jp", api_data="order-7") == keys(wanted[name])
        assert api.found(name, recipient="taro..y@example.jp", api_data="order-8") == set()

    def test_pass_over_an_empty_value(self, api, wanted, name):
        assert api.found(name, recipient="", api_data="") == api.found(name)


class TestStatus:
    @pytest.mark.parametrize("name", ["mail", "delivery-event"])
    def test_finds_known_and_unknown_words(self, api, name):
        rows = {}
        for word in ("queued", "expired"):
            mail = factories.MailFactory(delivery_status=word)
            event = factories.DeliveryEventFactory(mail=mail, status=word)
            rows[word] = mail if name == "mail" else event

        assert api.found(name, status="queued") == keys(rows["queued"])
        assert api.found(name, status="expired") == keys(rows["expired"])
        assert api.found(name, status="Queued") == set()


class TestBounces:
    @pytest.fixture
    def bounces(self):
        return {
            code: factories.BounceEventFactory(bounce_code=code, mail__bounce_code=code)
            for code in [*BOUNCE_CODES, "77"]
        }

    @pytest.mark.parametrize("name", ["mail", "bounce-event"])
    def test_are_found_by_code(self, api, bounces, name):
        found = bounces["2"].mail if name == "mail" else bounces["2"]

        assert api.found(name, bounce_code="2") == keys(found)

    @pytest.mark.parametrize("name", ["mail", "bounce-event"])
    @pytest.mark.parametrize("kind", BounceClass.values)
    def test_are_found_by_class(self, api, bounces, name, kind):
        factories.MailFactory()
        expected = [event for code, event in bounces.items() if bounce_class(code) == kind]

        assert api.found(name, bounce_class=kind) == keys(
            *(e.mail if name == "mail" else e for e in expected)
        )

    @pytest.mark.parametrize("name", ["mail", "bounce-event"])
    def test_say_which_classes_there_are(self, api, name):
        answer = api.list(name, bounce_class="harsh")

        assert answer.status_code == 400
        assert answer.json() == {"bounce_class": [f"Must be one of: {', '.join(BounceClass.values)}."]}


@pytest.mark.parametrize("name", LISTS)
class TestTimes:
    @pytest.fixture
    def days(self, name):
        """A row at 05:00 UTC of each of five days."""
        times = [factories.START + timedelta(days=number) for number in range(5)]
        if name == "mail":
            return [factories.MailFactory(created_at=time) for time in times]
        return [EVENTS[name](occurred_at=time) for time in times]

    @pytest.mark.parametrize(
        ("after", "before", "found"),
        [
            ("2023-01-25", "2023-01-25", slice(0, 1)),
            ("2023-01-26", "", slice(1, 5)),
            ("", "2023-01-26", slice(0, 2)),
            ("2023-01-26T05:00:00Z", "2023-01-27T05:00:00Z", slice(1, 2)),
            ("2023-01-26T14:00:00+09:00", "", slice(1, 5)),
            ("2023-01-26T14:00:01+09:00", "", slice(2, 5)),
            ("2023-01-26 05:00", "2023-01-26 05:00:00.000001", slice(1, 2)),
            ("2023-01-27", "2023-01-26", slice(0, 0)),
        ],
    )
    def test_are_bounds_that_include_the_start_only(self, api, days, name, after, before, found):
        assert api.found(name, occurred_after=after, occurred_before=before) == keys(*days[found])

    def test_are_read_in_the_active_zone(self, api, days, name, settings):
        settings.TIME_ZONE = "Asia/Tokyo"

        assert api.found(name, occurred_before="2023-01-25T14:00:00") == set()
        assert api.found(name, occurred_before="2023-01-25T14:00:01") == keys(days[0])

    @pytest.mark.parametrize("parameter", ["occurred_after", "occurred_before"])
    @pytest.mark.parametrize(
        "value",
        [
            "notadate",
            "2023-02-30",
            "0000-00-00",
            "10000-01-01",
            "2023-01-25T25:00",
            "1",
            "\0",
        ],
    )
    def test_are_refused_if_they_are_none(self, api, days, name, parameter, value):
        answer = api.list(name, **{parameter: value})

        assert answer.status_code == 400
        assert list(answer.json()) == [parameter]

    def test_take_a_plus_that_was_not_escaped(self, api, days, name):
        answer = api.client.get(
            reverse(f"cmc_webhooks_api:{name}-list") + "?occurred_after=2023-01-26T14:00:00+09:00"
        )

        assert {row["id"] for row in answer.json()["results"]} == keys(*days[1:])


class TestC33:
    def test_leaves_a_far_future_out_of_a_range(self, api, open_hook):
        open_hook.file(CASES / "C33.json")
        far, near = models.DeliveryEvent.objects.order_by("-pk")

        assert api.found("delivery-event", occurred_before="2023-12-31") == keys(near)
        assert far.occurred_at.year >= 2098


class TestC58:
    @pytest.mark.parametrize("zone", ["Asia/Tokyo"])
    def test_takes_a_day_in_local_time(self, api, open_hook, settings, zone):
        settings.TIME_ZONE = zone
        open_hook.file(CASES / "C58.json")

        results = api.list(
            "delivery-event", occurred_after="2023-01-25", occurred_before="2023-01-25"
        ).json()["results"]

        assert {event["message_id"] for event in results} == {"<c58b@example.com>", "<c58c@example.com>"}

    def test_uses_a_range_of_the_primary_key(self, api):
        factories.DeliveryEventFactory()
        with CaptureQueriesContext(connection) as captured:
            api.list("delivery-event", occurred_after="2023-01-25", occurred_before="2023-01-26")

        [_, sql] = [query["sql"] for query in captured if "cmc_webhooks_deliveryevent" in query["sql"]]
        bare = sql.replace('"', "").replace("`", "")
        assert "cmc_webhooks_deliveryevent.id >=" in bare
        assert "cmc_webhooks_deliveryevent.id <" in bare


class TestApiData:
    def test_is_found_by_its_index(self, api):
        factories.MailFactory.create_batch(300, api_data="")
        factories.MailFactory(api_data="order-7")
        if connection.vendor != "mysql":  # there, ANALYZE would commit; InnoDB counts by itself
            with connection.cursor() as cursor:
                cursor.execute("ANALYZE")
        with CaptureQueriesContext(connection) as captured:
            api.list("mail", api_data="order-7")

        [sql] = [query["sql"] for query in captured if "order-7" in query["sql"]]
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {'QUERY PLAN ' if connection.vendor == 'sqlite' else ''}{sql}")
            plan = " ".join(str(row) for row in cursor.fetchall())
        assert "cmc_mail_api_data" in plan


class TestC12:
    def test_finds_a_code_sent_as_a_number(self, api, open_hook):
        open_hook.file(CASES / "C12-1.json")

        assert len(api.found("bounce-event", bounce_code="2")) == 1


class TestC34:
    @pytest.mark.parametrize("spelling", ["c34@example.com", "<c34@example.com>"])
    def test_finds_all_events_of_a_message(self, api, open_hook, spelling):
        open_hook.file(CASES / "C34-1.json")
        open_hook.file(CASES / "C34-2.json")

        assert len(api.found("delivery-event", message_id=spelling)) == 1
        assert len(api.found("bounce-event", message_id=spelling)) == 3


class TestC35:
    def test_finds_addresses_that_no_validator_likes(self, api, open_hook):
        open_hook.file(CASES / "C35.json")

        for address in models.Mail.objects.values_list("recipient", flat=True):
            assert len(api.found("mail", recipient=address)) == 1


class TestC36:
    def test_finds_a_recipient_and_a_sender_behind_their_names(self, api, open_hook):
        open_hook.file(CASES / "C36.json")

        assert len(api.found("mail", recipient="taro@example.jp")) == 1
        assert len(api.found("delivery-event", sender="info@example.com")) == 1


class TestC37:
    @pytest.mark.parametrize("spelling", ["user@example.jp", "USER@EXAMPLE.JP", "User@Example.JP"])
    def test_finds_an_address_in_any_letter_case(self, api, open_hook, spelling):
        open_hook.file(CASES / "C37.json")

        assert len(api.found("bounce-event", recipient=spelling)) == 1
        assert len(api.found("mail", recipient=spelling, status="bounced")) == 1
