"""docs/partitions.sql: the event tables by month hold what they held, and take what comes."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from django.db import connection

from cmc_webhooks import ingest, models, wire
from tests.conftest import bounce, delivery, notification
from tests.helpers import pages

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="partitions of PostgreSQL"),
]
SQL = Path(__file__).parents[2] / "docs" / "partitions.sql"
EVENTS = (models.DeliveryEvent, models.BounceEvent)
CREATED = {
    "before": "2023-01-25 14:03:06",
    "untimed": "",
    "first moment": "2023-02-01 00:00:00",
    "last moment": "2023-03-31 23:59:59",
    "after all": "2033-01-01 00:00:00",
}


def receive(mark):
    """Every kind of time once, as a delivery and as a bounce."""
    deliveries = [delivery(f"<{mark}{n}@x>", created=at) for n, at in enumerate(CREATED.values())]
    bounces = [bounce(f"<{mark}{n}@x>", created=at) for n, at in enumerate(CREATED.values())]
    for event_type, events in (("deliveries", deliveries), ("bounces", bounces)):
        yield ingest.receive(wire.decode(notification(event_type, *events)))


def partition():
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(SQL.read_text(), None)
        cursor.execute("SELECT cmc_partition('2023-02-10', 2)")
    connection.check_constraints()


def names():
    """Of indexes and foreign keys of the tables by their names."""
    with connection.cursor() as cursor:
        return {
            model: {
                name: (tuple(told["columns"]), told["primary_key"], told["foreign_key"])
                for name, told in connection.introspection.get_constraints(
                    cursor, model._meta.db_table
                ).items()
            }
            for model in EVENTS
        }


def partitions(model):
    """How many rows each partition holds, by the end of its name."""
    table = model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT tableoid::regclass::text, count(*) FROM {table} GROUP BY 1")  # noqa: S608 - a table of ours
        return {name.removeprefix(table): number for name, number in cursor.fetchall()}


def rows():
    return [list(model.objects.order_by("pk").values()) for model in EVENTS]


class TestPartitions:
    def test_hold_what_the_tables_held_under_the_same_names(self):
        list(receive("a"))
        before, named = rows(), names()

        partition()

        assert rows() == before
        assert names() == named
        for model in EVENTS:
            assert partitions(model) == {"_before": 2, "_2023_02": 1, "_2023_03": 1, "_other": 1}

    def test_take_new_events_and_know_repeated_ones(self):
        list(receive("a"))
        partition()

        again, new = list(receive("a")), list(receive("b"))

        assert again == [ingest.Receipt(new=0, repeated=5, rejected=0)] * 2
        assert new == [ingest.Receipt(new=5, repeated=0, rejected=0)] * 2
        for model in EVENTS:
            assert partitions(model) == {"_before": 4, "_2023_02": 2, "_2023_03": 2, "_other": 2}

    def test_are_added_by_month(self):
        partition()
        with connection.cursor() as cursor:
            cursor.execute("SELECT cmc_add_months('2023-03-01', 12)")

        list(receive("a"))
        late = delivery("<late@x>", created="2024-02-29 23:59:59")
        ingest.receive(wire.decode(notification("deliveries", late)))

        assert partitions(models.DeliveryEvent)["_2024_02"] == 1

    @pytest.mark.parametrize("language", pages.LANGUAGES)
    def test_are_made_and_dropped_as_the_guide_says(self, language):
        list(receive("a"))
        guide = pages.text("explanation/scaling", language)
        commands = "".join(pages.blocks(guide, "sh"))
        [drop] = pages.blocks(guide, "sql")
        assert "--file docs/partitions.sql" in commands

        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute(SQL.read_text(), None)
            for statement in re.findall(r'--command "(.+)"', commands):
                cursor.execute(statement.replace("2027-01", "2023-02").replace("2028-01", "2024-02"), None)
        made = {model: partitions(model) for model in EVENTS}
        with connection.cursor() as cursor:
            cursor.execute(drop.replace("_2027_01", "_2023_02"), None)

        assert [each["_2023_02"] for each in made.values()] == [1, 1]
        assert [partitions(model).get("_2023_02") for model in EVENTS] == [None, None]
        assert [model.objects.count() for model in EVENTS] == [4, 4]

    def test_begin_with_the_key_of_their_month(self):
        with connection.cursor() as cursor:
            cursor.execute(SQL.read_text(), None)
            cursor.execute("SELECT cmc_event_key('2023-02-01')")
            (key,) = cursor.fetchone()

        assert UUID(str(key)) == wire.key_at(datetime(2023, 2, 1, tzinfo=UTC))
