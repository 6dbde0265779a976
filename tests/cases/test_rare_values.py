"""D10: a filter alone is a range of an index, by a value of a few rows and by one of half of the rows.

What is measured are the statements of the page itself: their plans, and how much they read.
"""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from cmc_webhooks import models
from cmc_webhooks.statistics import recount
from tests.helpers import factories

pytestmark = pytest.mark.django_db
pytest.importorskip("rest_framework")

FEW = 400
MANY = 100
MAILS = 2_000
MOST_ROWS = 500
"""Rows that a statement may read: some pages of 50 or 100 rows, but not all mails."""
MOST_STEPS = 6_000
"""The same as steps of SQLite's machine, which counts no rows. It takes 10,000 to look at all mails."""
MOST = {
    ("sqlite", "rare"): MOST_STEPS,
    ("sqlite", "common"): MOST_STEPS,
    ("mysql", "common"): MAILS // 2 + MOST_ROWS,
}
"""MariaDB sorts the thousand rows of a common value by itself; of some thousands it takes the newest."""
LOOK_UP = re.compile(r"\bWITH given\b|json_table|\bkind_\b", re.IGNORECASE)
"""The verdicts of the addresses on a page, whose plans `tests/suppression/test_lookup.py` has."""
READS = re.compile(r"\b(?:SELECT|WITH)\b.*|\(SELECT\b.*", re.DOTALL)
"""A statement that reads, without the settings before it. Those of UNION begin with a bracket on MariaDB."""

OF_MAILS = {
    "id__in": {"rare": "0185e93d-4990-8006-b576-638a9971be14,2b1c2d9e-57a4-8c1f-b0a1-5d2f5a0c9e77"},
    "message_id": {"rare": "<rare@example.com>"},
    "recipient": {"rare": "user@rare.example", "common": "user@half.example"},
    "sender": {"rare": "Rare <rare@shop.example>", "common": "half@shop.example"},
    "domain": {"rare": "rare.example", "common": "half.example"},
    "api_data": {"rare": "rare", "common": "half"},
    "server_composition": {"rare": "rare", "common": "half"},
    "server_composition__in": {"rare": "none,rare", "common": "half,rare"},
    "status": {"rare": "expired", "common": "succeeded"},
    "status__in": {"rare": "expired,none", "common": "expired,succeeded"},
    "bounce_code": {"rare": "8", "common": "2"},
    "bounce_code__in": {"rare": "8,77", "common": "2,8"},
    "bounce_class": {"rare": "message", "common": "hard"},
    "bounce_class__in": {"rare": "message,unknown", "common": "hard,message"},
}


OF_EVENTS = {
    name: OF_MAILS[name]
    for name in ("id__in", "message_id", "recipient", "sender", "domain", "api_data", "server_composition")
} | {
    "mail": {"rare": "2b1c2d9e-57a4-8c1f-b0a1-5d2f5a0c9e77"},
    "server_composition__in": OF_MAILS["server_composition__in"],
}
OF_DELIVERIES = OF_EVENTS | {
    "status": {"rare": "expired", "common": "succeeded"},
    "status__in": {"rare": "expired,none", "common": "expired,succeeded"},
}
OF_BOUNCES = OF_EVENTS | {
    "bounce_code": OF_MAILS["bounce_code"],
    "bounce_code__in": OF_MAILS["bounce_code__in"],
    "bounce_class": OF_MAILS["bounce_class"],
    "bounce_class__in": {"rare": "message,suppressed", "common": "hard,message"},
}


def plan_of(sql):
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {'QUERY PLAN ' if connection.vendor == 'sqlite' else ''}{sql}")
        return " ".join(str(row) for row in cursor.fetchall())


def statements_of(work):
    """Return the statements of `work`, as the database gets them, and what it returned."""
    run = []
    if connection.vendor == "sqlite":
        connection.connection.set_trace_callback(run.append)
    with CaptureQueriesContext(connection) as captured:
        result = work()
    if connection.vendor == "sqlite":
        connection.connection.set_trace_callback(None)
    else:
        run = [query["sql"] for query in captured.captured_queries]
    return run, result


def statements(browser, url, **parameters):
    """Return the statements of a page that read mails, events or notifications, as the database gets them."""
    run, answer = statements_of(lambda: browser.get(reverse(url), parameters))
    assert answer.status_code == 200
    found = [READS.search(sql)[0] for sql in run if READS.search(sql) and not LOOK_UP.search(sql)]
    found = [sql for sql in found if "cmc_webhooks_" in sql and "mailcount" not in sql]
    assert found
    return found


@pytest.fixture(scope="module", autouse=True)
def _counted_at_once(django_db_setup, django_db_blocker):
    """Let InnoDB count rows at each change, not up to ten seconds later: its plans depend on them."""
    if connection.vendor != "mysql":
        return
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        for model in (
            models.Mail,
            models.DeliveryEvent,
            models.BounceEvent,
            models.BlockEvent,
            models.Notification,
        ):
            cursor.execute(f"ALTER TABLE {model._meta.db_table} STATS_PERSISTENT=0")


def analyse():
    if connection.vendor != "mysql":  # there, ANALYZE would commit
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")


def plans(browser, url, **parameters):
    """Return the plans of the statements of a page that read mails, events or notifications."""
    analyse()
    return [plan_of(sql) for sql in statements(browser, url, **parameters)]


def scans(plan):
    """The tables that a plan reads as a whole."""
    if connection.vendor == "mysql":
        return re.findall(r"'(cmc_webhooks_\w+)', '(?:ALL|index)'", plan)
    return re.findall(r"(?:Seq Scan on|SCAN) \"?(cmc_webhooks_\w+)(?!\S* USING)", plan)


def amount_read(sql):
    """Return how many rows a statement reads, on SQLite how many steps it takes."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")
            [[plan]] = cursor.fetchall()
            return sum(rows_of(json.loads(plan)[0]["Plan"] if isinstance(plan, str) else plan[0]["Plan"]))
        if connection.vendor == "mysql":
            before = handled(cursor)
            cursor.execute(sql)
            cursor.fetchall()
            return handled(cursor) - before
        steps = []
        connection.connection.set_progress_handler(lambda: steps.append(100), 100)
        cursor.execute(sql)
        cursor.fetchall()
        connection.connection.set_progress_handler(None, 0)
        return sum(steps)


def rows_of(node):
    """Yield the numbers of rows that the scans of a plan have read."""
    if "Scan" in node["Node Type"]:
        removed = [value for name, value in node.items() if name.startswith("Rows Removed by")]
        yield (node["Actual Rows"] + sum(removed)) * node["Actual Loops"]
    for inner in node.get("Plans", ()):
        yield from rows_of(inner)


def handled(cursor):
    """Return the number of rows that this connection has read by indexes and sorts."""
    cursor.execute("SHOW SESSION STATUS LIKE 'Handler_read%%'")
    return sum(int(value) for name, value in cursor.fetchall() if "rnd_next" not in name)


def wrong(browser, url, values, way):
    """Return the plans of a list, by filter and value, that read a whole table or much more than a page."""
    found = {}
    most = MOST.get((connection.vendor, way), MOST_ROWS)
    for name, value in values:
        for sql in statements(browser, url, **{name: value}):
            plan, number = plan_of(sql), amount_read(sql)
            if number > most or re.search(r"Seq Scan|'ALL'", plan):
                found[name, value] = number, plan
    return found


def asked(filters, way):
    """Yield each filter with its rare or common value."""
    for name, values in filters.items():
        # SQLite knows only how many rows a value has on average, and no index has the order of several values
        if way in values and not (connection.vendor == "sqlite" and way == "rare" and name.endswith("__in")):
            yield name, values[way]


@pytest.fixture
def history():
    """Mails of which half have a value, and a few old ones have another one."""
    half = {
        "recipient": "user@half.example",
        "header_from": "half@shop.example",
        "api_data": "half",
        "server_composition": "half",
    }
    build = factories.MailFactory.build
    mails = [
        build(
            delivery_status="succeeded" if each % 2 else "queued",
            number=each,
            **(half if each % 2 else {}),
            **bounced(each),
        )
        for each in range(MAILS)
    ]
    old = factories.START - timedelta(days=1)
    rare = {
        "recipient": "user@rare.example",
        "header_from": "rare@shop.example",
        "api_data": "rare",
        "server_composition": "rare",
        "bounce_code": "8",
        "created_at": old,
    }
    mails += [build(message_id="<rare@example.com>", **rare), build(**rare)]
    mails += [build(delivery_status="expired", created_at=old) for _ in range(2)]
    models.Mail.objects.bulk_create(mails)
    deliveries, bounces, notification = [], [], factories.NotificationFactory()
    for mail in mails:
        events = {"mail": mail, "notification": notification, "occurred_at": mail.created_at}
        deliveries.append(factories.DeliveryEventFactory.build(status=mail.delivery_status, **events))
        if mail.bounce_code:
            bounces.append(factories.BounceEventFactory.build(bounce_code=mail.bounce_code, **events))
    models.DeliveryEvent.objects.bulk_create(deliveries)
    models.BounceEvent.objects.bulk_create(bounces)
    recount.recount("default", recount.days("default"))
    analyse()


def bounced(number):
    return {"bounce_code": "2"} if number % 4 < 2 else {}


class TestMails:
    @pytest.mark.parametrize("way", ["rare", "common"])
    def test_by_each_filter_alone_read_no_more_than_some_pages(self, admin_client, history, way):
        assert wrong(admin_client, "cmc_webhooks_api:mail-list", [*asked(OF_MAILS, way)], way) == {}

    @pytest.mark.parametrize("way", ["rare", "common"])
    def test_in_the_admin_read_no_more_than_some_pages(self, admin_client, history, way):
        names = ("status", "bounce_class", "server_composition")
        values = [(name, OF_MAILS[name][way].replace("expired", "other")) for name in names]

        assert wrong(admin_client, "admin:cmc_webhooks_mail_changelist", values, way) == {}

    def test_are_measured_by_each_filter(self):
        from cmc_webhooks.api import filters

        bounds = {"received_after", "received_before", "occurred_after", "occurred_before"}
        of_the_feed = {"changed_after"}  # in tests/feed/test_plans.py

        assert OF_MAILS.keys() == filters.MailFilter.base_filters.keys() - bounds - of_the_feed

    @pytest.mark.parametrize(
        ("name", "index"),
        [
            ("sender", "cmc_mail_sender"),
            ("domain", "cmc_mail_domain"),
            ("api_data", "cmc_mail_api_data"),
            ("status", "cmc_mail_status"),
            ("server_composition", "cmc_mail_composition"),
            ("bounce_code", "cmc_mail_bounce_code"),
            ("bounce_class", "cmc_mail_bounce_class"),
        ],
    )
    def test_by_a_rare_value_are_a_range_of_its_index(self, admin_client, history, name, index):
        [plan] = plans(admin_client, "cmc_webhooks_api:mail-list", **{name: OF_MAILS[name]["rare"]})

        assert index in plan


class TestEvents:
    @pytest.fixture(autouse=True)
    def few_are_many(self, monkeypatch):
        from cmc_webhooks.api import filters

        monkeypatch.setattr(filters, "MANY", MANY)

    @pytest.mark.parametrize("way", ["rare", "common"])
    @pytest.mark.parametrize(("kind", "values"), [("delivery", OF_DELIVERIES), ("bounce", OF_BOUNCES)])
    def test_by_each_filter_alone_read_no_more_than_some_pages(
        self, admin_client, history, kind, values, way
    ):
        if connection.vendor == "sqlite" and way == "rare":
            # It reads these few events rather than the mails of a value that may be frequent
            values = {name: each for name, each in values.items() if name not in OF_EVENTS}
        url = f"cmc_webhooks_api:{kind}-event-list"

        assert wrong(admin_client, url, [*asked(values, way)], way) == {}

    def test_are_measured_by_each_filter(self):
        from cmc_webhooks.api import filters

        bounds = {"received_after", "received_before", "occurred_after", "occurred_before"}

        assert OF_DELIVERIES.keys() == filters.DeliveryEventFilter.base_filters.keys() - bounds
        assert OF_BOUNCES.keys() == filters.BounceEventFilter.base_filters.keys() - bounds

    @pytest.mark.parametrize("ordering", ["occurred_at", "-occurred_at", "received_at", "-received_at"])
    def test_of_a_common_value_are_the_same_in_any_order(self, admin_client, history, ordering, monkeypatch):
        from cmc_webhooks.api import filters

        url = reverse("cmc_webhooks_api:delivery-event-list")
        query = {"sender": "half@shop.example", "ordering": ordering, "page_size": 7}
        found = admin_client.get(url, query).json()
        following = admin_client.get(found["next"]).json()
        monkeypatch.setattr(filters, "MANY", MAILS)

        assert admin_client.get(url, query).json() == found
        assert admin_client.get(found["next"]).json() == following
        assert len(following["results"]) == 7


class TestD10:
    @pytest.fixture
    def mails(self):
        factories.MailFactory.create_batch(FEW)
        rare = [
            factories.MailFactory(server_composition="rare", created_at=factories.START - timedelta(days=n))
            for n in range(3)
        ]
        for mail in rare:
            factories.DeliveryEventFactory(mail=mail, occurred_at=mail.created_at)
            factories.BounceEventFactory(mail=mail, occurred_at=mail.created_at)
        return rare

    def test_a_rare_composition_in_the_api(self, admin_client, mails):
        [plan] = plans(admin_client, "cmc_webhooks_api:mail-list", server_composition="rare")

        assert "cmc_mail_composition" in plan
        assert scans(plan) == []

    def test_a_rare_composition_in_the_admin(self, admin_client, mails):
        found = plans(admin_client, "admin:cmc_webhooks_mail_changelist", server_composition="rare")

        assert any("cmc_mail_composition" in plan for plan in found)
        assert [scans(plan) for plan in found] == [[] for _ in found]

    def test_a_rare_composition_of_notifications(self, admin_client):
        factories.NotificationFactory.create_batch(FEW)
        factories.NotificationFactory(server_composition="rare")

        [plan] = plans(admin_client, "cmc_webhooks_api:notification-list", server_composition="rare")

        assert "cmc_notification_compo" in plan

    def test_a_rare_type_of_notifications(self, admin_client):
        factories.NotificationFactory.create_batch(FEW)
        factories.NotificationFactory(event_type="blocks")

        [plan] = plans(admin_client, "cmc_webhooks_api:notification-list", event_type="blocks")

        assert "cmc_notification_type" in plan

    @pytest.mark.parametrize("kind", ["bounce", "block"])
    def test_a_rare_code_of_events(self, admin_client, kind):
        make = factories.BounceEventFactory if kind == "bounce" else factories.BlockEventFactory
        make.create_batch(FEW, bounce_code="2")
        make(bounce_code="8")

        [plan] = plans(admin_client, f"cmc_webhooks_api:{kind}-event-list", bounce_code="8")

        assert f"cmc_{kind}_code" in plan

    @pytest.mark.parametrize("column", ["event_type", "server_composition"])
    def test_a_rare_word_of_rejected_events(self, admin_client, column):
        factories.RejectedEventFactory.create_batch(FEW)
        factories.RejectedEventFactory(**{column: "rare"})

        [plan] = plans(admin_client, "cmc_webhooks_api:rejected-event-list", **{column: "rare"})

        assert f"cmc_rejected_{'type' if column == 'event_type' else 'composition'}" in plan
