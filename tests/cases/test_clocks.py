"""A clock of a server that was wrong once: nothing is held up, and no alarm is off."""

from __future__ import annotations

import io
import json
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from django.core.management import call_command
from django.test import Client

from cmc_webhooks import models, signals
from cmc_webhooks.dispatch import calls
from cmc_webhooks.ingest import pipeline
from cmc_webhooks.monitoring import clock, health
from cmc_webhooks.statistics import rollup
from tests.conftest import delivery
from tests.helpers import factories
from tests.management.test_commands import run

pytestmark = pytest.mark.django_db

TOKEN = "a-token-of-the-health-view"
WORDS = "Some receipts are in the future. Was the clock of a server wrong?"
JAPANESE = "未来の受信日時があります。サーバーの時計がずれていませんでしたか。"
YEARS = timedelta(days=3650)


@contextmanager
def clock_off_by(shift, monkeypatch):
    """The clock of this process is wrong."""

    class Shifted(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + shift

    shift_ns = int(shift.total_seconds()) * 10**9
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "datetime", Shifted)
        patch.setattr(calls, "time", SimpleNamespace(time_ns=lambda: time.time_ns() + shift_ns))
        yield


def ask(**parameters):
    return Client().get("/cmc/health", parameters, headers={"Authorization": f"Bearer {TOKEN}"})


@pytest.fixture(autouse=True)
def _tokens(settings):
    settings.CMC_WEBHOOKS_HEALTH_TOKENS = [TOKEN]


@pytest.mark.django_db(transaction=True)
class TestD20:
    @pytest.fixture
    def failing(self, receiver):
        """A receiver that raises until it is mended."""
        state = SimpleNamespace(broken=True, called=0)

        def receive(event, **kwargs):
            state.called += 1
            if state.broken:
                raise ValueError("a bug")

        receiver(signals.event_recorded, receive)
        return state

    @pytest.mark.parametrize(
        "shift",
        [YEARS, timedelta(hours=3), -timedelta(hours=3), -YEARS],
        ids=["10 y", "3 h", "-3 h", "-10 y"],
    )
    def test_a_signal_is_sent_whatever_the_clock_was(self, hook, failing, monkeypatch, shift):
        with clock_off_by(shift, monkeypatch):
            assert hook.send("deliveries", delivery()).status_code == 200
        failing.broken = False

        call_command("cmc_dispatch", "--once", stdout=io.StringIO())

        assert failing.called == 2
        assert not models.PendingSignal.objects.exists()

    def test_a_pause_is_kept_with_a_right_clock(self, hook, failing):
        hook.send("deliveries", delivery())
        models.PendingSignal.objects.update(attempts=7)

        call_command("cmc_dispatch", "--once", stdout=io.StringIO())

        assert failing.called == 1

    def test_a_lease_of_a_wrong_clock_ends_too(self, hook, failing, monkeypatch):
        hook.send("deliveries", delivery())
        failing.broken = False
        models.PendingSignal.objects.update(available_at=calls.now_ms() + 10**12)

        call_command("cmc_dispatch", "--once", stdout=io.StringIO())

        assert failing.called == 2

    def test_receipts_in_the_future_are_a_problem_until_they_are_accepted(self, hook, monkeypatch):
        hook.send("deliveries", delivery("<a@x>"))
        with clock_off_by(YEARS, monkeypatch):
            hook.send("deliveries", delivery("<b@x>"))

        before = run("cmc_status"), ask()
        accepted = run("cmc_status", "--accept-future", "NTP was off", stderr=io.StringIO())
        after = run("cmc_status"), ask()

        assert before[0][1] == 1
        assert WORDS in before[0][0]
        assert (before[1].status_code, before[1].json()["problems"][0][: len(WORDS)]) == (503, WORDS)
        assert [accepted[1], after[0][1], after[1].status_code] == [0, 0, 200]
        trail = models.Trail.objects.get()
        assert (trail.what, trail.reason, trail.rows) == ("clock", "NTP was off", 1)

    def test_the_next_wrong_receipt_is_a_problem_again(self, hook, monkeypatch):
        for name in "ab":
            with clock_off_by(YEARS, monkeypatch):
                hook.send("deliveries", delivery(f"<{name}@x>"))
            assert clock.future("default") == 1
            run("cmc_status", "--accept-future", "NTP was off", stderr=io.StringIO())
            assert clock.future("default") == 0

    def test_what_was_accepted_and_is_past_hides_no_later_receipt(self, hook, monkeypatch):
        with clock_off_by(timedelta(hours=1), monkeypatch):
            hook.send("deliveries", delivery("<a@x>"))
        run("cmc_status", "--accept-future", "NTP was off", stderr=io.StringIO())
        assert clock.future("default") == 0

        class TwoHoursLater(datetime):
            @classmethod
            def now(cls, tz=None):
                return datetime.now(tz) + timedelta(hours=2)

        monkeypatch.setattr(clock, "datetime", TwoHoursLater)
        assert clock.future("default") == 0
        factories.NotificationFactory(received_at=datetime.now(UTC) + timedelta(hours=3))
        assert clock.future("default") == 1

    def test_silence_counts_from_the_latest_receipt_that_is_not_in_the_future(self, hook, monkeypatch):
        with clock_off_by(-timedelta(hours=2), monkeypatch):
            hook.send("deliveries", delivery("<a@x>"))
        with clock_off_by(YEARS, monkeypatch):
            hook.send("deliveries", delivery("<b@x>"))

        printed, code = run("cmc_status", "--fail-if-silent", "1h")
        answer = ask(fail_if_silent="1h").json()

        assert code == 1
        assert "No notification for 2 h (limit 1 h)." in printed
        assert answer["silence"] == pytest.approx(7200, abs=60)
        assert len(answer["problems"]) == 2

    def test_no_age_is_negative(self, hook, failing, monkeypatch):
        for shift in (YEARS, timedelta(seconds=30)):
            with clock_off_by(shift, monkeypatch):
                hook.send("deliveries", delivery(f"<{shift.days}@x>"))

        now = health.look("default")

        assert now.oldest_pending == 0
        assert now.silence == 0

    def test_a_clock_that_is_a_little_ahead_is_no_problem(self, hook, monkeypatch):
        with clock_off_by(timedelta(seconds=50), monkeypatch):
            hook.send("deliveries", delivery())

        assert health.look("default").problems() == []

    def test_a_reason_is_needed(self, hook, monkeypatch):
        with clock_off_by(YEARS, monkeypatch):
            hook.send("deliveries", delivery())

        with pytest.raises(Exception, match="needs a reason"):
            call_command("cmc_status", "--accept-future", " ")
        assert clock.future("default") == 1

    @pytest.mark.parametrize("source", ["webhook", "rest", "retry"])
    def test_receipts_of_every_source_count(self, source):
        factories.NotificationFactory(received_at=datetime.now(UTC) + YEARS, source=source)

        assert [problem.code for problem in health.look("default").found()] == ["future"]

    def test_is_said_in_japanese(self, settings):
        settings.LANGUAGE_CODE = "ja"
        factories.NotificationFactory(received_at=datetime.now(UTC) + YEARS)

        assert JAPANESE in json.loads(ask().content)["problems"][0]


class TestStatistics:
    """A day that was counted or rolled up while the clock was wrong is rolled up again."""

    def mails(self):
        return models.DomainCount.objects.exclude(domain="").values_list("domain", "mails").first()

    def rolled_up(self):
        return rollup.roll_up("default", fresh=timedelta())

    def test_a_roll_up_of_the_future_is_repeated(self, open_hook):
        open_hook.send("deliveries", delivery("<a@x>"), api_key=None)
        assert self.rolled_up() == 1
        models.DomainCount.objects.update(rolled_up_at=datetime.now(UTC) + YEARS)
        open_hook.send("deliveries", delivery("<b@x>"), api_key=None)

        assert (self.rolled_up(), self.mails()) == (1, ("example.jp", 2))

    def test_a_change_of_the_future_is_rolled_up_each_hour(self, open_hook):
        open_hook.send("deliveries", delivery("<a@x>"), api_key=None)
        models.MailCount.objects.update(changed_at=datetime.now(UTC) + YEARS)
        first = self.rolled_up()
        at_once = self.rolled_up()
        models.DomainCount.objects.update(rolled_up_at=datetime.now(UTC) - timedelta(minutes=61))

        assert (first, at_once, self.rolled_up()) == (1, 0, 1)
