from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from cmc_webhooks import dispatch, durable, models
from cmc_webhooks.management.commands import cmc_dispatch
from tests import factories
from tests.conftest import delivery

pytestmark = pytest.mark.django_db


def run(name, *arguments, answer=None, monkeypatch=None, **options):
    """What the command printed, and its exit code."""
    out = io.StringIO()
    if monkeypatch is not None:
        monkeypatch.setattr("builtins.input", lambda prompt: answer)
    try:
        call_command(name, *arguments, stdout=out, **options)
    except SystemExit as error:
        return out.getvalue(), error.code
    return out.getvalue(), 0


def owe(number=1):
    for _ in range(number):
        event = factories.DeliveryEventFactory()
        dispatch.owe("default", [dispatch.calls.Call("event_recorded", event, event.mail)], leased=False)


class TestCmcDispatch:
    def test_sends_what_is_due_once(self, sent):
        owe(3)

        assert run("cmc_dispatch", "--once") == ("sent 3, failed 0, dead 0\n", 0)
        assert len(sent) == 3

    def test_goes_on_until_it_is_stopped(self, sent, monkeypatch):
        owe()
        rounds = []

        def stop_after_three(stop, interval):
            rounds.append(interval)
            if len(rounds) == 3:
                os.kill(os.getpid(), signal.SIGTERM)

        monkeypatch.setattr(cmc_dispatch, "close_old_connections", lambda: None)
        monkeypatch.setattr(threading.Event, "wait", stop_after_three)
        handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
        try:
            printed, code = run("cmc_dispatch", "--interval", "0.25")
        finally:
            for number, handler in zip((signal.SIGTERM, signal.SIGINT), handlers, strict=True):
                signal.signal(number, handler)

        assert (printed, code, rounds) == ("sent 1, failed 0, dead 0\n", 0, [0.25] * 3)

    def test_outlives_a_database_that_is_away(self, monkeypatch):
        def away(*args, **kwargs):
            raise durable.Unavailable("OperationalError")

        monkeypatch.setattr(dispatch, "sweep", away)
        monkeypatch.setattr(cmc_dispatch, "close_old_connections", lambda: None)
        monkeypatch.setattr(threading.Event, "wait", lambda stop, interval: stop.set())
        errors = io.StringIO()
        handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
        try:
            run("cmc_dispatch", stderr=errors)
            with pytest.raises(durable.Unavailable):
                run("cmc_dispatch", "--once")
        finally:
            for number, handler in zip((signal.SIGTERM, signal.SIGINT), handlers, strict=True):
                signal.signal(number, handler)

        assert "The database gave way (OperationalError)" in errors.getvalue()


class TestCmcRedeliver:
    def test_counts_first_and_asks(self, sent, monkeypatch):
        factories.DeliveryEventFactory()

        assert run("cmc_redeliver", answer="n", monkeypatch=monkeypatch) == ("1 events\n", 0)
        assert sent == []

    def test_sends_the_signals_again(self, sent, monkeypatch):
        event = factories.DeliveryEventFactory()

        printed, _ = run("cmc_redeliver", answer="y", monkeypatch=monkeypatch)

        assert printed.splitlines()[1] == "1 signals owed: 1 sent, 0 failed, 0 dead"
        assert [arguments["event"] for _, _, arguments in sent] == [event]

    def test_only_counts_in_a_dry_run(self, sent):
        factories.DeliveryEventFactory()

        assert run("cmc_redeliver", "--dry-run") == ("1 events\n", 0)
        assert not models.PendingSignal.objects.exists()

    @pytest.mark.parametrize(
        ("arguments", "events"),
        [
            (["--since", "2023-01-25T14:00:00+09:00"], 2),
            (["--since", "2023-01-26"], 1),
            (["--until", "2023-01-26T00:00Z", "--type", "bounces"], 0),
            (["--status", "bounced"], 1),
            (["--composition", "sandbox"], 0),
            (["--address", "Who <WHO@example.jp>"], 1),
        ],
        ids=str,
    )
    def test_takes_filters(self, arguments, events):
        factories.DeliveryEventFactory(number=0)
        mail = factories.MailFactory(bounce_code="1", recipient="who@example.jp")
        factories.BounceEventFactory(mail=mail, number=24 * 3600)

        assert run("cmc_redeliver", "--dry-run", *arguments) == (f"{events} events\n", 0)

    def test_refuses_what_is_no_time(self):
        for text in ("yesterday", "2023-02-30", "2023-01-25T25:00"):
            with pytest.raises(CommandError, match="neither a date nor"):
                run("cmc_redeliver", "--since", text)


class TestCmcRetryRejected:
    def test_stores_what_can_be_read(self, django_capture_on_commit_callbacks):
        factories.RejectedEventFactory(raw=json.dumps(delivery()))
        factories.RejectedEventFactory(raw="1", event_type="opens")

        dry, _ = run("cmc_retry_rejected", "--dry-run")
        wet, _ = run("cmc_retry_rejected")

        assert dry == "2 open rejected events\n1 can be stored now, 1 still rejected\n"
        assert wet == "2 open rejected events\n1 stored, 1 still rejected\n"
        assert models.DeliveryEvent.objects.count() == 1

    @pytest.mark.parametrize(
        ("arguments", "count"),
        [(["--type", "opens"], 0), (["--since", "2023-01-26"], 0), (["--composition", "pro"], 1)],
        ids=str,
    )
    def test_takes_filters(self, arguments, count):
        factories.RejectedEventFactory(number=0)

        assert run("cmc_retry_rejected", "--dry-run", *arguments)[0].startswith(f"{count} open")


class TestCmcRebuildStatus:
    def test_exits_with_1_where_a_check_finds_a_difference(self):
        event = factories.DeliveryEventFactory(status="queued", mail__delivery_status="", mail__status="")

        checked = run("cmc_rebuild_status", "--check")
        rebuilt = run("cmc_rebuild_status")
        again = run("cmc_rebuild_status", "--check")

        assert checked == ("1 mails, 1 differ\n", 1)
        assert rebuilt == ("1 mails, 1 repaired\n", 0)
        assert again == ("1 mails, 0 differ\n", 0)
        assert models.Mail.objects.get().delivery_event_id == event.pk

    @pytest.mark.parametrize(
        ("arguments", "count"),
        [(["--address", "USER0@example.jp"], 1), (["--status", "failed"], 0), (["--until", "2023-01-25"], 0)],
        ids=str,
    )
    def test_takes_filters(self, arguments, count):
        factories.MailFactory(number=0)

        assert run("cmc_rebuild_status", "--check", *arguments)[0].startswith(f"{count} mails")


class TestCmcStatus:
    def test_is_content_with_a_healthy_app(self):
        factories.NotificationFactory(number=0)

        printed, code = run("cmc_status")

        assert code == 0
        assert "last notification  2023-01-25T05:00:" in printed

    def test_exits_with_1_and_says_why(self):
        factories.PendingSignalFactory(items=[[]], state="dead")

        text, code = run("cmc_status")
        as_json, json_code = run("cmc_status", "--json")

        assert code == json_code == 1
        assert "1 signals are dead" in text
        assert json.loads(as_json)["problems"] == ["1 signals are dead: see Pending signals in the admin"]

    def test_lets_the_operator_say_how_long_is_too_long(self):
        factories.PendingSignalFactory(items=[[]])

        assert run("cmc_status")[1] == 1
        assert run("cmc_status", "--max-age", "1e12")[1] == 0


class TestProgress:
    def test_needs_no_tqdm_and_no_terminal(self):
        script = """
import sys
sys.modules["tqdm"] = None
from cmc_webhooks.management.options import progress
with progress(3, "event") as advance:
    advance(3)
print("done")
"""
        root = Path(__file__).parents[2]
        code = f"import django; django.setup()\n{script}"
        ran = subprocess.run(  # noqa: S603 - our own words
            [sys.executable, "-c", code],
            cwd=root,
            env={"DJANGO_SETTINGS_MODULE": "tests.settings", "PATH": ""},
            capture_output=True,
            text=True,
            timeout=60,
        )

        assert (ran.stdout, ran.stderr) == ("done\n", "")
