from __future__ import annotations

import io
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from cmc_webhooks import dispatch, models
from cmc_webhooks.management import base
from cmc_webhooks.statistics import recount
from tests.conftest import delivery
from tests.helpers import factories

pytestmark = pytest.mark.django_db


def run(name, *arguments, answer=None, monkeypatch=None, **options):
    """What the command printed, and its exit code."""
    out = io.StringIO()
    if monkeypatch is not None:
        monkeypatch.setattr("builtins.input", lambda prompt: answer)
    try:
        call_command(name, *arguments, stdout=out, **options)
    except base.ProblemFound as error:
        return out.getvalue(), error.returncode
    return out.getvalue(), 0


def counted(moment):
    """A mail that counts, received then."""
    event = factories.DeliveryEventFactory(mail__created_at=moment)
    models.Mail.objects.filter(pk=event.mail_id).update(delivery_event_id=event.pk)


class TestCmcRedeliver:
    def test_counts_first_and_asks(self, sent, monkeypatch):
        factories.DeliveryEventFactory()

        assert run("cmc_redeliver", answer="n", monkeypatch=monkeypatch) == ("1 events, 1 signals\n", 0)
        assert sent == []

    def test_sends_the_signals_again(self, sent, monkeypatch):
        event = factories.DeliveryEventFactory()

        printed, _ = run("cmc_redeliver", answer="y", monkeypatch=monkeypatch)

        assert printed.splitlines()[1] == "1 events, 1 signals enqueued: 1 sent, 0 failed, 0 dead"
        assert [arguments["event"] for _, _, arguments in sent] == [event]

    def test_only_counts_in_a_dry_run(self, sent):
        factories.DeliveryEventFactory()

        assert run("cmc_redeliver", "--dry-run") == ("1 events, 1 signals\n", 0)
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

        assert run("cmc_redeliver", "--dry-run", *arguments) == (f"{events} events, {events} signals\n", 0)

    @pytest.mark.parametrize(
        ("chunks", "enqueued"),
        [
            (0, "0 of 3 events are enqueued"),
            (1, "2 of 3 events are enqueued, the last of deliveries at 2023-01-25T05:00:01+00:00"),
        ],
    )
    def test_says_how_far_it_came(self, monkeypatch, chunks, enqueued):
        factories.DeliveryEventFactory(number=0)
        factories.DeliveryEventFactory(number=1)
        factories.BounceEventFactory(number=2)
        tries, enqueue = [], dispatch.enqueue

        def interrupted(*arguments, **options):
            tries.append(arguments)
            if len(tries) > chunks:
                raise KeyboardInterrupt
            return enqueue(*arguments, **options)

        monkeypatch.setattr(dispatch, "enqueue", interrupted)

        with pytest.raises(CommandError) as raised:
            run("cmc_redeliver", "--no-input")

        assert str(raised.value) == (
            f"Interrupted: signals of {enqueued}: sent 0, failed 0, dead 0; cmc_dispatch sends them. "
            "Run it again for the others, with --type and --since"
        )

    def test_takes_filters_by_their_very_text(self):
        factories.DeliveryEventFactory(mail__server_composition="pro", mail__bounce_code="1")

        for arguments in (["--composition=PRO"], ["--composition=prö"], ["--status=Bounced"]):
            assert run("cmc_redeliver", "--dry-run", *arguments) == ("0 events, 0 signals\n", 0)
            assert run("cmc_rebuild_status", "--check", *arguments) == ("0 mails, 0 differ\n", 0)

    def test_refuses_what_is_no_time(self):
        for text in ("yesterday", "2023-02-30", "2023-01-25T25:00"):
            with pytest.raises(CommandError, match="neither an ISO date nor"):
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


class TestCmcRebuildCounts:
    @pytest.mark.parametrize(
        ("arguments", "days"),
        [
            ([], 3),
            (["--since", "2023-01-25"], 2),
            (["--until", "2023-01-25"], 1),
            (["--since", "2023-01-25", "--until", "2023-01-26"], 1),
        ],
        ids=str,
    )
    def test_takes_days_of_the_project(self, settings, arguments, days):
        settings.TIME_ZONE = "Asia/Tokyo"
        midnight = datetime(2023, 1, 24, 15, tzinfo=UTC)
        for moment in (midnight - timedelta(seconds=1), midnight, midnight + timedelta(days=1)):
            counted(moment)

        assert run("cmc_rebuild_counts", *arguments)[0].startswith(f"{days} days, {days} counts put right\n")

    def test_says_with_which_day_to_go_on(self, monkeypatch):
        counted(datetime(2023, 1, 24, tzinfo=UTC))
        counted(datetime(2023, 1, 25, tzinfo=UTC))
        correct = recount._correct

        def interrupted(using, moves):
            if next(iter(moves)).day.day == 25:
                raise KeyboardInterrupt
            correct(using, moves)

        monkeypatch.setattr(recount, "_correct", interrupted)
        with pytest.raises(CommandError) as raised:
            run("cmc_rebuild_counts")
        monkeypatch.undo()

        line = "Interrupted: 1 of 2 days are counted; continue with --since 2023-01-25"
        assert (str(raised.value), raised.value.returncode) == (line, 130)
        assert run("cmc_rebuild_counts", "--since", "2023-01-25")[0].startswith("1 days, 1 counts put right")
        assert run("cmc_rebuild_counts", "--check") == ("2 days, 0 counts wrong\n", 0)


class TestCmcStatus:
    def test_is_content_with_a_healthy_app(self):
        factories.NotificationFactory(number=0)

        printed, code = run("cmc_status")

        assert code == 0
        assert printed.startswith("All is well. CMC last posted ")
        assert "last notification                    2023-01-25 05:00:00 UTC" in printed

    def test_exits_with_1_and_says_why(self):
        factories.PendingSignalFactory(items=[[]], state="dead")

        text, code = run("cmc_status")
        as_json, json_code = run("cmc_status", "--json")

        assert code == json_code == 1
        assert "1 signal is dead" in text
        assert json.loads(as_json)["problems"] == [
            "1 signal is dead. Send them again or dismiss them under Pending signals in the admin."
        ]

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
