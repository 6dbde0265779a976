"""The verdict of `cmc_status`, which the health view and the overview say word for word."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import translation

from cmc_webhooks.monitoring import health, problems
from tests.admin.conftest import browser_of
from tests.helpers import factories
from tests.management.test_commands import run

pytestmark = pytest.mark.django_db

TOKEN = "a-token-of-the-health-view"
FIELDS = {"pending", "oldest_pending", "dead", "rejected", "last_notification", "silence", "counted_all"}


@pytest.fixture(autouse=True)
def _project(settings):
    settings.CMC_WEBHOOKS_HEALTH_TOKENS = [TOKEN]
    settings.TIME_ZONE = "Asia/Tokyo"


def asked():
    return Client().get("/cmc/health", headers={"Authorization": f"Bearer {TOKEN}"}).json()


def dead_and_unread():
    """Two dead signals, an old pending one, and three unreadable events."""
    factories.PendingSignalFactory(items=[[]] * 2, state="dead")
    factories.PendingSignalFactory(items=[[]])
    factories.RejectedEventFactory.create_batch(3)


class TestD19:
    def test_says_that_all_is_well(self):
        posted = factories.NotificationFactory(received_at=datetime.now(UTC) - timedelta(seconds=3))

        printed, code = run("cmc_status")

        first = printed.splitlines()[0]
        assert code == 0
        assert re.fullmatch(
            r"All is well\. CMC last posted [345] s ago \((\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d Asia/Tokyo\)\.",
            first,
        )
        assert problems.local_time(posted.received_at) in first
        assert "UTC" not in printed
        assert "." not in printed.split(")", 1)[1].lstrip(".")

    def test_says_that_nothing_came_yet(self):
        assert run("cmc_status")[0].startswith("All is well. CMC has not posted yet.\n")

    def test_has_a_line_for_each_problem_with_what_to_do(self, settings):
        settings.CMC_WEBHOOKS_MAX_SILENCE = 3600
        factories.NotificationFactory(received_at=datetime.now(UTC) - timedelta(hours=2))
        dead_and_unread()

        printed, code = run("cmc_status")

        lines = printed.splitlines()
        assert code == 1
        assert lines[0] == (
            "2 signals are dead. Send them again or dismiss them under Pending signals in the admin."
        )
        assert re.fullmatch(
            r"The oldest pending signal is \d+ d( \d+ h)? old\. Is cmc_dispatch or a worker running\?",
            lines[1],
        )
        assert lines[2] == "3 events could not be read. Read them again or dismiss them in the admin."
        assert lines[3] == "No notification for 2 h (limit 1 h). Can CMC still reach the webhook?"

    @pytest.mark.parametrize("is_well", [True, False])
    def test_view_and_page_agree_word_for_word(self, settings, is_well, monkeypatch):
        settings.CMC_WEBHOOKS_MAX_SILENCE = None
        factories.NotificationFactory(received_at=datetime.now(UTC) - timedelta(days=2, hours=3, minutes=30))
        if not is_well:
            dead_and_unread()

        printed, _ = run("cmc_status")
        answer = asked()
        page = browser_of(is_staff=True, is_superuser=True).get("/admin/cmc_webhooks/mail/overview/").context

        number = len(answer["problems"]) or 1
        assert printed.splitlines()[:number] == answer["verdict"].splitlines() == page["verdict"].splitlines()
        assert answer["problems"] == [text for text, *_ in page["unusual"]]
        assert bool(answer["problems"]) != is_well

    def test_page_shows_it(self):
        factories.NotificationFactory(received_at=datetime.now(UTC))
        browser = browser_of(is_staff=True, is_superuser=True)

        well = browser.get("/admin/cmc_webhooks/mail/overview/").content.decode()
        dead_and_unread()
        wrong = browser.get("/admin/cmc_webhooks/mail/overview/").content.decode()

        assert "All is well. CMC last posted" in well
        assert "2 signals are dead. Send them again" in wrong

    def test_keeps_the_fields_of_json(self):
        factories.NotificationFactory()
        dead_and_unread()

        printed, code = run("cmc_status", "--json")

        assert code == 1
        assert set(json.loads(printed)) == FIELDS | {"problems"}
        assert set(asked()) == FIELDS | {"problems", "status", "verdict"}

    def test_is_data_for_programs(self):
        dead_and_unread()

        found = health.look("default").found()

        assert [problem.code for problem in found] == ["dead_signals", "late_signals", "rejected_events"]
        assert all(problem.sentence.endswith(".") and problem.remedy for problem in found)
        assert [problem.text for problem in found] == health.look("default").problems()

    def test_names_the_limits_in_help(self, capsys):
        with pytest.raises(SystemExit):
            call_command("cmc_status", "--help")

        assert "Exit with 1 if there is a problem" in " ".join(capsys.readouterr().out.split())


class TestDuration:
    @pytest.mark.parametrize(
        ("seconds", "text"),
        [
            (-5, "0 s"),
            (0, "0 s"),
            (0.9, "0 s"),
            (3, "3 s"),
            (60, "1 min"),
            (61, "1 min 1 s"),
            (900, "15 min"),
            (7200, "2 h"),
            (7205, "2 h"),
            (86_400 + 4 * 3600, "1 d 4 h"),
            (86_400 * 3650, "3650 d"),
        ],
    )
    def test_has_units(self, seconds, text):
        assert problems.duration(seconds) == text

    def test_has_units_of_the_language(self):
        with translation.override("ja"):
            assert problems.duration(86_400 + 4 * 3600) == "1 日 4 時間"
            assert problems.duration(61) == "1 分 1 秒"
            assert problems.duration(0) == "0 秒"


class TestLocalTime:
    def test_has_its_day_unless_that_is_today(self, settings):
        settings.TIME_ZONE = "Asia/Tokyo"
        now = datetime.now(UTC)

        assert re.fullmatch(r"\d\d:\d\d:\d\d Asia/Tokyo", problems.local_time(now))
        assert problems.local_time(datetime(2023, 1, 25, 5, 3, 6, tzinfo=UTC)) == (
            "2023-01-25 14:03:06 Asia/Tokyo"
        )
        assert problems.local_time(datetime(2023, 1, 25, 5, 3, 6, tzinfo=UTC), with_zone=False) == (
            "2023-01-25 14:03"
        )
