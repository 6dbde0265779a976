from __future__ import annotations

import pytest
from django.core.management import call_command
from django.db import connection

from cmc_webhooks import models
from tests import cases
from tests.cases import DELIVERY_FIELDS, REPLACEMENT
from tests.conftest import delivery

pytestmark = pytest.mark.django_db


@pytest.fixture
def three_byte_tables(transactional_db):
    """The app's tables in MySQL's 3-byte charset, for as long as the test runs."""
    if connection.vendor != "mysql":
        pytest.skip("only MariaDB has a 3-byte charset")
    tables = [table for table in connection.introspection.table_names() if table.startswith("cmc_webhooks_")]

    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} CONVERT TO CHARACTER SET utf8mb3")
    yield
    call_command("migrate", "cmc_webhooks", "zero", verbosity=0)
    call_command("migrate", "cmc_webhooks", verbosity=0)


@pytest.mark.usefixtures("three_byte_tables")
class TestC04OnThreeByteTables:
    def test_the_row_is_kept_with_replacement_characters(self, open_hook, sent):
        answers = cases.play(open_hook, "C04")

        assert cases.codes(answers) == [200]
        assert cases.row("delivery")["subject"] == f"{REPLACEMENT}野家 {REPLACEMENT} テスト"
        assert len(sent.of("event_recorded")) == 1

    def test_its_neighbours_are_untouched(self, open_hook):
        before, after = delivery("<a@x>", subject="前"), delivery("<c@x>", subject="後")

        answer = cases.send(open_hook, "deliveries", before, delivery("<b@x>", subject="😀"), after)

        assert answer.json() == {"new": 3, "repeated": 0, "rejected": 0}
        assert [row["subject"] for row in cases.rows("delivery")] == ["前", REPLACEMENT, "後"]

    def test_a_repeat_is_known(self, open_hook):
        cases.play(open_hook, "C04")

        (answer,) = cases.play(open_hook, "C04")

        assert answer.json() == {"new": 0, "repeated": 1, "rejected": 0}

    def test_holds_for_each_field_of_an_event(self, open_hook):
        odd = [delivery(**{"messageId": f"<{field}@x>", field: "𠮷 😀"}) for field in DELIVERY_FIELDS]

        answer = cases.send(open_hook, "deliveries", delivery("<good@x>"), *odd)

        right = f"{REPLACEMENT} {REPLACEMENT}"
        stored = {row["messageId"]: row for row in cases.rows("delivery")}
        replaced = [stored.get(f"<{field}@x>", stored.get(right, {})).get(field) for field in DELIVERY_FIELDS]
        assert answer.json() == {"new": 11, "repeated": 0, "rejected": 0}
        assert replaced == [right] * 10
        assert stored["<good@x>"]["subject"] == delivery()["subject"]

    def test_fields_never_seen_are_kept_whole(self, open_hook):
        answer = cases.send(open_hook, "deliveries", delivery(new="𠮷 😀"))

        assert answer.json() == {"new": 1, "repeated": 0, "rejected": 0}
        assert models.DeliveryEvent.objects.get().extra == {"new": "𠮷 😀"}

    def test_a_block_is_kept(self, open_hook):
        answer = cases.send(open_hook, "blocks", {"email": "😀@example.jp"}, {"email": "b@example.jp"})

        stored = {block.address for block in models.BlockEvent.objects.all()}
        assert answer.json() == {"new": 2, "repeated": 0, "rejected": 0}
        assert stored == {f"{REPLACEMENT}@example.jp", "b@example.jp"}

    def test_an_odd_event_harms_no_neighbour(self, open_hook):
        answer = cases.send(open_hook, "deliveries", delivery("<a@x>"), {"to": ["😀@example.jp"]})

        assert answer.status_code == 200, answer.content
        assert answer.json() == {"new": 1, "repeated": 0, "rejected": 1}
        assert cases.row("delivery")["messageId"] == "<a@x>"
        assert "@example.jp" in models.RejectedEvent.objects.get().raw

    def test_the_server_composition_harms_no_event(self, open_hook):
        answer = cases.send(open_hook, "deliveries", delivery(), server_composition="pro 😀")

        assert answer.status_code == 200, answer.content
        assert answer.json() == {"new": 1, "repeated": 0, "rejected": 0}
        assert cases.row("delivery")["server_composition"] == f"pro {REPLACEMENT}"

    def test_an_event_type_never_seen_is_kept(self, open_hook):
        answer = cases.send(open_hook, "opens 😀", {"to": "user@example.jp"})

        assert answer.status_code == 200, answer.content
        assert answer.json() == {"new": 0, "repeated": 0, "rejected": 1}
        assert models.RejectedEvent.objects.get().event_type == f"opens {REPLACEMENT}"
