"""Bounds of time at the ends of the calendar, in API, admin, commands and query methods."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from importlib.util import find_spec

import pytest

from cmc_webhooks import models
from tests.admin.conftest import browser_of
from tests.api.conftest import Api, user_with
from tests.helpers import factories
from tests.management.test_commands import run

pytestmark = pytest.mark.django_db

WITH_API = find_spec("rest_framework") is not None
ZONES = ["Asia/Tokyo", "America/New_York", "Pacific/Kiritimati", "Etc/GMT+12"]
LISTS = {
    "mail": factories.MailFactory,
    "delivery-event": factories.DeliveryEventFactory,
    "bounce-event": factories.BounceEventFactory,
    "block-event": factories.BlockEventFactory,
    "notification": factories.NotificationFactory,
    "rejected-event": factories.RejectedEventFactory,
}
OCCUR = {"mail", "delivery-event", "bounce-event", "block-event"}
EVERYTHING = [
    *(("after", "0001-01-01"), ("before", "9999-12-31"), ("after", "0001-01-01T00:00:00Z")),
    *(("before", "9999-12-31T23:59:59Z"), ("after", "0001-01-01T00:00:00+14:00"), ("after", "1899-12-31")),
    *(("before", "9999-12-31T23:59:59-23:59"), ("after", "0001-01-01T00:00:00"), ("before", "99991231")),
    ("after", "0001-01-01T00:00:00-12:00"),
]
NOTHING = [
    *(("after", "9999-12-31"), ("before", "0001-01-01"), ("after", "9999-12-31T23:59:59Z")),
    *(("before", "0001-01-01T00:00:00+14:00"), ("after", "9999-12-31T23:59:59.999999-23:59")),
]
NO_DATES = [
    "2023-02-30",
    "0000-01-01",
    "10000-01-01",
    "-0001-01-01",
    "2023-13-01",
    "9999-12-32",
    "0001-02-30Z",
]


@pytest.fixture
def everything():
    names = ("mail", "deliveryevent", "bounceevent", "blockevent", "notification", "rejectedevent")
    return Api(user_with(*(f"view_{name}" for name in names)))


def parameters(name):
    return ("received", "occurred") if name in OCCUR else ("received",)


class TestD58:
    """A bound outside of what can be stored has every row behind it, or none."""

    @pytest.mark.skipif(not WITH_API, reason="the API is an extra")
    @pytest.mark.parametrize("use_tz", [True, False], ids=["USE_TZ", "no USE_TZ"])
    @pytest.mark.parametrize("zone", ZONES)
    @pytest.mark.parametrize("name", LISTS)
    def test_every_list_takes_the_ends_of_the_calendar(self, everything, settings, name, zone, use_tz):
        rows = LISTS[name].create_batch(3)
        settings.USE_TZ, settings.TIME_ZONE = use_tz, zone
        keys = {str(row.pk) for row in rows}

        for clock in parameters(name):
            for word, text in EVERYTHING:
                assert everything.found(name, **{f"{clock}_{word}": text}) == keys, (clock, word, text)
            for word, text in NOTHING:
                assert everything.found(name, **{f"{clock}_{word}": text}) == set(), (clock, word, text)

    @pytest.mark.skipif(not WITH_API, reason="the API is an extra")
    @pytest.mark.parametrize("name", LISTS)
    def test_both_ends_together_bound_nothing(self, everything, name):
        keys = {str(row.pk) for row in LISTS[name].create_batch(3)}

        for clock in parameters(name):
            bounds = {f"{clock}_after": "0001-01-01", f"{clock}_before": "9999-12-31"}
            assert everything.found(name, **bounds) == keys

    @pytest.mark.skipif(not WITH_API, reason="the API is an extra")
    @pytest.mark.parametrize("text", NO_DATES)
    @pytest.mark.parametrize("name", LISTS)
    def test_what_is_no_date_is_refused(self, everything, name, text):
        for clock in parameters(name):
            for word in ("after", "before"):
                assert everything.list(name, **{f"{clock}_{word}": text}).status_code == 400

    @pytest.mark.skipif(not WITH_API, reason="the API is an extra")
    @pytest.mark.parametrize("zone", ZONES)
    @pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
    def test_statistics_of_such_days_are_empty(self, everything, settings, zone, day):
        settings.TIME_ZONE = zone

        for days in ({"to": day}, {"from": day, "to": day}):
            answer = everything.client.get("/api/stats/", days)
            assert (answer.status_code, answer.json().get("results")) == (200, [])

    @pytest.mark.parametrize("zone", ZONES)
    @pytest.mark.parametrize("name", ["mail", "deliveryevent", "bounceevent", "notification"])
    def test_the_lists_of_the_admin_take_them_too(self, settings, name, zone):
        settings.TIME_ZONE = zone
        rows = LISTS[name.replace("event", "-event")].create_batch(3)
        browser = browser_of(is_staff=True, is_superuser=True)

        assert len(browser.listed(name, **{"from": "0001-01-01", "to": "9999-12-31"})) == len(rows)
        assert browser.listed(name, **{"from": "9999-12-31"}) == []
        assert browser.listed(name, to="0001-01-01") == []

    @pytest.mark.parametrize("zone", ZONES)
    def test_the_commands_take_them_too(self, settings, zone):
        settings.TIME_ZONE = zone
        factories.DeliveryEventFactory.create_batch(3)

        for since, until, number in (
            ("0001-01-01", "9999-12-31T23:59:59-12:00", 3),
            ("0001-01-01T00:00:00+14:00", "9999-12-31", 3),
            ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z", 0),
            ("0001-01-01", "0001-01-01T00:00:00+14:00", 0),
        ):
            asked = ["--since", since, "--until", until]
            assert run("cmc_redeliver", "--dry-run", *asked) == (f"{number} events, {number} signals\n", 0)
            found, _ = run("cmc_rebuild_status", "--check", *asked)
            assert found.startswith(f"{number} mails, ")

    @pytest.mark.parametrize("offset", [-12, 0, 14])
    def test_query_methods_take_them_too(self, offset):
        zone = timezone(timedelta(hours=offset))
        first, last = datetime.min.replace(tzinfo=zone), datetime.max.replace(tzinfo=zone)
        factories.DeliveryEventFactory.create_batch(3)  # each with a notification

        for between in (
            models.DeliveryEvent.objects.occurred_between,
            models.Notification.objects.received_between,
        ):
            assert between(first, last).count() == 3
            assert between(last, None).count() == between(None, first).count() == 0
