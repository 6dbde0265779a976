from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest
from django.core import mail
from django.core.management import CommandError, call_command

from cmc_webhooks import alerts, models, timezones
from cmc_webhooks.alerts import looking, sending
from cmc_webhooks.management import base
from tests.alerts.conftest import past, refused
from tests.helpers import factories, sink

pytestmark = pytest.mark.django_db(transaction=True)


def run(name="cmc_alerts", *arguments):
    out = io.StringIO()
    call_command(name, *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def refusal():
    now = datetime.now(UTC)
    past(before=now)
    refused(140, at=now - timedelta(hours=1))


@pytest.mark.usefixtures("refusal")
class TestCmcAlerts:
    def test_raises_and_sends(self):
        text = run()

        assert text.startswith("raised: docomo.ne.jp refused 140 of 140 mails")
        assert text.endswith("1 raised, 0 resolved; 2 messages sent\n")
        assert len(mail.outbox) == 1
        assert run() == "0 raised, 0 resolved; 0 messages sent\n"

    def test_dry_run_writes_and_sends_nothing(self):
        assert run("cmc_alerts", "--dry-run").startswith("raised: docomo.ne.jp refused 140 of 140 mails")
        assert not models.Alert.objects.exists()
        assert mail.outbox == []

    def test_says_that_another_process_looks(self):
        now = datetime.now(UTC)
        until = timezones.to_stored(now + timedelta(minutes=9))
        models.AlertLook.objects.create(id=1, claimed_until=until)

        assert run() == "Another process is checking for alerts now.\n"

    def test_exits_with_1_if_a_message_was_not_sent(self, settings):
        with sink.listening(lambda number: (500, b"")) as server:
            settings.CMC_WEBHOOKS_ALERT_SLACK_URL = server.url
            with pytest.raises(base.ProblemFound) as found:
                run()

        assert found.value.returncode == 1
        assert len(mail.outbox) == 1


class TestTest:
    def test_sends_one_of_each(self, settings):
        with sink.listening() as server:
            settings.CMC_WEBHOOKS_ALERT_SLACK_URL = server.url
            text = run("cmc_alerts", "--test")

        assert text == f"{2 * len(models.Alert.Kinds)} messages sent\n"
        subjects = [each.subject.removeprefix("CMC: Test: ") for each in mail.outbox]
        assert [subject.partition(".")[0] for subject in subjects] == [
            "example",
            "3 signals are dead",
            "1 event could not be read",
            "No notification for 7 h (limit 6 h)",
            "Some receipts are in the future",
            subjects[5].partition(".")[0],
        ]
        assert subjects[0].startswith("example.com refused 84 of 100 mails")
        assert subjects[5].startswith("37 requests refused since")
        assert {each.body.splitlines()[-1] for each in mail.outbox} == {
            "This is a test with invented numbers. Alerts will arrive here."
        }
        assert len(server.bodies) == len(models.Alert.Kinds)
        assert not models.Alert.objects.exists()

    def test_has_an_example_of_each_kind(self):
        assert {each.kind for each in sending._examples()} == {*models.Alert.Kinds}

    def test_names_the_channel_that_fails(self, settings):
        with sink.listening(lambda number: (404, b"no_team")) as server:
            settings.CMC_WEBHOOKS_ALERT_SLACK_URL = server.url
            with pytest.raises(base.ProblemFound):
                run("cmc_alerts", "--test")

        assert len(server.bodies) == 1
        assert len(mail.outbox) == len(models.Alert.Kinds)

    def test_needs_a_channel(self, settings):
        settings.CMC_WEBHOOKS_ALERT_EMAILS = []

        with pytest.raises(CommandError, match="CMC_WEBHOOKS_ALERT_EMAILS") as found:
            run("cmc_alerts", "--test")

        assert found.value.returncode == 2


@pytest.mark.usefixtures("refusal")
class TestOthers:
    def test_cmc_dispatch_looks(self):
        run("cmc_dispatch", "--once")

        assert models.Alert.objects.count() == 1
        assert len(mail.outbox) == 1

    def test_the_task_looks(self):
        tasks = pytest.importorskip("cmc_webhooks.tasks", exc_type=ImportError)

        assert tasks.check_for_alerts.call() == {"raised": 1, "resolved": 0, "sent": 2, "not_sent": 0}

    def test_a_web_request_does_not(self, hook, monkeypatch):
        looked = []
        monkeypatch.setattr(looking, "look", lambda *args, **kwargs: looked.append(1))

        from cmc_webhooks import maintenance

        maintenance.run_or_wake("default")

        assert looked == []
        assert not models.AlertLook.objects.exists()


class TestRetention:
    def test_deletes_what_was_resolved_long_ago(self, settings):
        from cmc_webhooks import retention

        settings.CMC_WEBHOOKS_RETENTION = {"alerts": 365}
        now = datetime.now(UTC)
        old, young = (timezones.to_stored(now - timedelta(days=days)) for days in (366, 364))
        gone, kept, still_open = (
            factories.AlertFactory(raised_at=old, resolved_at=end) for end in (old, young, None)
        )
        for alert in (gone, kept):
            models.AlertMessage.objects.create(
                id=alert.pk, alert=alert, event="raised", channel="mail", created_at=old
            )

        assert retention.prune("default", "alerts", now - timedelta(days=365), dry_run=True) == 1
        assert retention.run("default") == {"alerts": 1}
        assert {*models.Alert.objects.all()} == {kept, still_open}
        assert models.AlertMessage.objects.get().alert == kept


class TestChecks:
    @pytest.mark.parametrize(
        ("name", "value", "found"),
        [
            ("ALERT_EMAILS", [], []),
            ("ALERT_EMAILS", ["duty@example.com"], []),
            ("ALERT_EMAILS", "duty@example.com", ["E101"]),
            ("ALERT_EMAILS", ["duty"], ["E101"]),
            ("ALERT_EMAILS", [None], ["E101"]),
            ("ALERT_EMAILS", None, ["E101"]),
            ("ALERT_SLACK_URL", "", []),
            ("ALERT_SLACK_URL", None, []),
            ("ALERT_SLACK_URL", "https://hooks.example.com/T0PS3CRET", []),
            ("ALERT_SLACK_URL", "http://127.0.0.1:8065/T0PS3CRET", []),
            ("ALERT_SLACK_URL", "http://hooks.example.com/T0PS3CRET", ["E102"]),
            ("ALERT_SLACK_URL", "T0PS3CRET", ["E102"]),
        ],
    )
    def test_of_settings(self, settings, name, value, found):
        from cmc_webhooks import checks

        setattr(settings, f"CMC_WEBHOOKS_{name}", value)

        messages = checks.check_alert_settings(None)

        assert [message.id.partition(".")[2] for message in messages] == found
        assert not any("T0PS3CRET" in f"{message.msg}{message.hint}" for message in messages)

    def test_says_that_nobody_looks(self):
        from cmc_webhooks import checks

        def found():
            return [message.id for message in checks.check_alert_looks(None, databases=["default"])]

        before = found()
        factories.NotificationFactory()
        never = found()
        alerts.look()
        just_now = found()
        shifts = (timedelta(hours=-2, minutes=-1), timedelta(days=3650))
        for shift in shifts:
            models.AlertLook.objects.update(looked_at=timezones.to_stored(datetime.now(UTC) + shift))
            assert found() == ["cmc_webhooks.W103"]

        assert (before, never, just_now, found()) == (
            [],
            ["cmc_webhooks.W103"],
            [],
            ["cmc_webhooks.W103"],
        )
        assert checks.check_alert_looks(None) == []
