from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from cmc_webhooks import models, retention
from tests.helpers import factories

pytestmark = pytest.mark.django_db

LONG_AGO = datetime.now(UTC) - timedelta(days=100)


def prune(capsys, *arguments):
    """What the command printed."""
    call_command("cmc_prune", "--pause", "0", *arguments)
    return capsys.readouterr().out


class TestCmcPrune:
    def test_goes_by_the_setting(self, settings, capsys):
        settings.CMC_WEBHOOKS_RETENTION = {"notifications": 90, "mails": 400}
        factories.DeliveryEventFactory(mail__created_at=LONG_AGO, notification__received_at=LONG_AGO)

        assert prune(capsys) == "notifications 1, mails 0 deleted or erased\n"

    def test_goes_by_days_for_one_kind(self, settings, capsys):
        settings.CMC_WEBHOOKS_RETENTION = {"events": 400}
        factories.DeliveryEventFactory.create_batch(3, occurred_at=LONG_AGO)

        assert prune(capsys, "--kind", "events", "--days", "99") == "events 3 deleted or erased\n"
        assert not models.DeliveryEvent.objects.exists()

    def test_removes_long_dead_signals_with_what_they_needed(self, settings, capsys):
        settings.CMC_WEBHOOKS_RETENTION = {"mails": 90}
        event = factories.DeliveryEventFactory(mail__created_at=LONG_AGO, occurred_at=LONG_AGO)
        items = [["event_recorded", "deliveries", event.pk.hex, event.mail_id.hex]]
        factories.PendingSignalFactory(items=items, state="dead")

        assert prune(capsys, "--dry-run") == "signals 1, mails 1 to delete or erase\n"
        assert prune(capsys) == "signals 1, mails 1 deleted or erased\n"
        assert prune(capsys, "--kind", "signals") == "signals 0 deleted or erased\n"
        assert not models.PendingSignal.objects.exists()

    def test_says_what_waits_for_signals_and_exits_with_0(self, settings, capsys):
        settings.CMC_WEBHOOKS_RETENTION = {"events": 90, "mails": 90}
        now_ms = int(datetime.now(UTC).timestamp() * 1000)
        for state in ("dead", "pending", None):
            event = factories.DeliveryEventFactory(mail__created_at=LONG_AGO, occurred_at=LONG_AGO)
            items = [["event_recorded", "deliveries", event.pk.hex, event.mail_id.hex]]
            if state:
                factories.PendingSignalFactory(items=items, state=state, available_at=now_ms)

        assert prune(capsys) == (
            "events 1, mails 1 deleted or erased\n"
            "Some old rows stay: events 1 held by dead signals, events 1 held by pending signals,"
            " mails 1 held by dead signals, mails 1 held by pending signals. See cmc_status.\n"
        )

    def test_only_counts_in_a_dry_run(self, capsys):
        factories.DeliveryEventFactory.create_batch(3, occurred_at=LONG_AGO)

        assert prune(capsys, "--kind=events", "--days=99", "--dry-run") == "events 3 to delete or erase\n"
        assert models.DeliveryEvent.objects.count() == 3

    @pytest.mark.parametrize(
        ("arguments", "error"),
        [
            ([], "names no kind"),
            (["--days", "9"], "requires --kind"),
            (["--kind", "events"], "no age for events"),
            (["--kind", "events", "--days", "99999"], "at most 36500 days"),
        ],
    )
    def test_exits_with_2_where_it_does_not_know_what_to_do(self, arguments, error):
        with pytest.raises(CommandError, match=error) as raised:
            call_command("cmc_prune", *arguments)

        assert raised.value.returncode == 2

    @pytest.mark.parametrize(
        "arguments",
        [
            ["--kind", "nothing"],
            ["--kind", "events", "--days", "-1"],
            ["--days", "many"],
            ["--batch-size", "0"],
            ["--batch-size", "10001"],
            ["--pause", "nan"],
            ["--pause", "inf"],
        ],
    )
    def test_refuses_arguments_that_mean_nothing(self, arguments):
        with pytest.raises(CommandError, match="argument"):
            call_command("cmc_prune", *arguments)

    @pytest.mark.parametrize(
        ("fault", "code", "text"),
        [
            (KeyboardInterrupt(), 130, "Interrupted: events 2 deleted or erased"),
            (
                OperationalError("secret"),
                1,
                "The database is unavailable (OperationalError): events 2 deleted or erased",
            ),
        ],
        ids=["Ctrl-C", "no database"],
    )
    def test_says_how_far_it_came(self, monkeypatch, fault, code, text):
        def prune(using, kind, before, *, progress, **options):
            if kind == "events":
                progress(2)
                raise fault

        monkeypatch.setattr(retention, "prune", prune)

        with pytest.raises(CommandError) as raised:
            call_command("cmc_prune", "--kind=events", "--days=99")

        assert (str(raised.value), raised.value.returncode) == (text, code)
