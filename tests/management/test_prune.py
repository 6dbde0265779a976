from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from cmc_webhooks import models, retention
from tests import factories

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

        assert prune(capsys) == "notifications 1, mails 0 gone\n"

    def test_goes_by_days_for_one_kind(self, settings, capsys):
        settings.CMC_WEBHOOKS_RETENTION = {"events": 400}
        factories.DeliveryEventFactory.create_batch(3, occurred_at=LONG_AGO)

        assert prune(capsys, "--kind", "events", "--days", "99") == "events 3 gone\n"
        assert not models.DeliveryEvent.objects.exists()

    def test_only_counts_in_a_dry_run(self, capsys):
        factories.DeliveryEventFactory.create_batch(3, occurred_at=LONG_AGO)

        assert prune(capsys, "--kind=events", "--days=99", "--dry-run") == "events 3 would go\n"
        assert models.DeliveryEvent.objects.count() == 3

    @pytest.mark.parametrize(
        ("arguments", "error"),
        [
            ([], "names no kind"),
            (["--days", "9"], "wants --kind"),
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
            (KeyboardInterrupt(), 130, "Interrupted: events 2 gone"),
            (OperationalError("secret"), 1, "The database gave way (OperationalError): events 2 gone"),
            (
                retention.TooMuchOwed("more than 5 rows"),
                1,
                "more than 5 rows; events 2 gone. See cmc_status.",
            ),
        ],
        ids=["Ctrl-C", "no database", "too much owed"],
    )
    def test_says_how_far_it_came(self, monkeypatch, fault, code, text):
        def prune(using, kind, before, *, progress, **options):
            progress(2)
            raise fault

        monkeypatch.setattr(retention, "prune", prune)

        with pytest.raises(CommandError) as raised:
            call_command("cmc_prune", "--kind=events", "--days=99")

        assert (str(raised.value), raised.value.returncode) == (text, code)
