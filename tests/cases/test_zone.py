"""A `TIME_ZONE` that is not the one chosen in CMC's console, seen from the events."""

from __future__ import annotations

import io
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from cmc_webhooks.monitoring import clock
from tests.admin.conftest import browser_of
from tests.conftest import bounce, delivery
from tests.helpers import factories

pytestmark = pytest.mark.django_db

WORDS = "CMC's times are 9 h ahead of ours. Is CMC_WEBHOOKS_TIME_ZONE the zone chosen in CMC's console?"
JAPANESE = (
    "CMC の時刻が 9 時間進んでいます。"
    "CMC_WEBHOOKS_TIME_ZONE は CMC の管理コンソールで選んだタイムゾーンですか。"
)
TOKEN = "a-token-of-the-health-view"


def created(console, late):
    return f"{datetime.now(ZoneInfo(console)) - late:%Y-%m-%d %H:%M:%S}"


def post(hook, console, delays, kind="deliveries"):
    make = delivery if kind == "deliveries" else bounce
    for number, late in enumerate(delays):
        event = make(f"<{kind}{number}@x>", created=created(console, timedelta(hours=late)))
        assert hook.send(kind, event).status_code == 200


def status(settings):
    out = io.StringIO()
    try:
        call_command("cmc_status", stdout=out)
    except CommandError as error:
        return out.getvalue(), str(error)
    return out.getvalue(), ""


class TestD78:
    """Times ahead of ours are reported as a wrong zone; late ones are not."""

    @pytest.mark.parametrize(
        "delays",
        [[0] * 20, [0, 5] * 10, [0.25] * 3 + [30] * 17, [0, 0, 0]],
        ids=["now", "half late", "few", "3"],
    )
    @pytest.mark.parametrize("kind", ["deliveries", "bounces"])
    def test_in_three_places(self, hook, settings, delays, kind):
        settings.CMC_WEBHOOKS_TIME_ZONE = "UTC"
        settings.CMC_WEBHOOKS_HEALTH_TOKENS = [TOKEN]
        hours = 9 if 0.25 not in delays else 8
        expected = WORDS if hours == 9 else WORDS.replace("9 h", "8 h 45 min")
        post(hook, "Asia/Tokyo", delays, kind)
        factories.DeliveryEventFactory()  # as one that cmc_backfill fetched

        printed, error = status(settings)
        health = Client().get("/cmc/health", headers={"Authorization": f"Bearer {TOKEN}"})
        page = browser_of(is_staff=True, is_superuser=True).get("/admin/cmc_webhooks/mail/overview/")

        assert expected in printed
        assert expected in error
        assert (health.status_code, health.json()["problems"]) == (503, [expected])
        assert page.context["wrong_zone"] == expected
        assert 'class="errornote"' in page.content.decode()

    def test_in_japanese(self, hook, settings):
        settings.CMC_WEBHOOKS_TIME_ZONE, settings.LANGUAGE_CODE = "UTC", "ja"
        post(hook, "Asia/Tokyo", [0] * 5)

        page = browser_of(is_staff=True, is_superuser=True).get("/admin/cmc_webhooks/mail/overview/")

        assert JAPANESE in page.content.decode()

    @pytest.mark.parametrize(
        ("zone", "console", "delays"),
        [
            ("Asia/Tokyo", "Asia/Tokyo", [0] * 20),
            ("Asia/Tokyo", "Asia/Tokyo", [0, 9] * 10),
            ("UTC", "UTC", [-0.1] * 20),
            ("UTC", "Asia/Tokyo", [0, 0] + [30] * 18),
            ("UTC", "UTC", []),
        ],
        ids=["right", "late", "a clock that is 6 min ahead", "two alone", "no events"],
    )
    def test_no_alarm(self, hook, settings, zone, console, delays):
        settings.CMC_WEBHOOKS_TIME_ZONE = zone
        post(hook, console, delays)

        assert not clock.latest("default").ahead
