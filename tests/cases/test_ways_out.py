"""Cases of kind C: every state that turns a light red has a way out for people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import CommandError, call_command
from django.db import models as django_models

from cmc_webhooks import dispatch, ingest, models, retention, signals, wire
from tests import cases
from tests.admin.conftest import browser_of
from tests.admin.test_actions import act, messages_of
from tests.conftest import delivery, notification
from tests.helpers import factories
from tests.helpers.lights import Clock, lights, metric

GREEN, RED = (0, 200, 0, 0), (1, 503, 1, 0)
LONG_AGO = datetime.now(UTC) - timedelta(days=900)
PERSON = "hanako@example.jp"

pytestmark = pytest.mark.django_db


class Receiver:
    """A receiver that raises until it is mended."""

    def __init__(self):
        self.is_broken, self.reported = True, []

    def receive(self, event, **arguments):
        if self.is_broken:
            raise ValueError(PERSON)
        self.reported.append(event.pk)


@pytest.fixture
def broken():
    receiver = Receiver()
    signals.event_recorded.connect(receiver.receive, weak=False)
    yield receiver
    signals.event_recorded.disconnect(receiver.receive)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def receive(*events, at=None):
    ingest.receive(wire.decode(notification("deliveries", *events)), received_at=at or datetime.now(UTC))


def die(clock):
    """Let all attempts fail."""
    for _ in range(8):
        clock.past_every_pause()
        dispatch.sweep("default")


@pytest.fixture
def dead(broken, clock):
    """The row of a signal that is dead, with a receiver that is mended by now."""
    receive(delivery(to=PERSON))
    die(clock)
    broken.is_broken = False
    return models.PendingSignal.objects.get(state="dead")


@pytest.fixture
def operator():
    return browser_of(
        *("view_pendingsignal", "redeliver_pendingsignal", "dismiss_pendingsignal"),
        *("view_rejectedevent", "dismiss_rejectedevent", "view_mail", "view_deliveryevent", "view_trail"),
        is_staff=True,
    )


class TestD15:
    """A dead signal is a dead end."""

    def test_is_sent_again_by_an_action(self, settings, dead, broken, operator):
        assert lights(settings) == RED

        asked = act(operator, "pendingsignal", "send_again", [dead])
        done = act(operator, "pendingsignal", "send_again", [dead], confirmed="yes", reason="mended")

        page = asked.content.decode()
        assert "Send 1 dead signal again?" in page
        assert PERSON in page
        assert "event_recorded" in page
        assert messages_of(done) == ["1 signal is being sent again."]
        assert broken.reported == [models.DeliveryEvent.objects.get().pk]
        assert not models.PendingSignal.objects.exists()
        assert lights(settings) == GREEN
        assert LogEntry.objects.get().object_id == str(dead.pk)
        record = models.Trail.objects.get()
        assert (record.what, record.via, record.reason, record.rows) == ("redelivered", "admin", "mended", 1)
        assert record.who == operator.session["_auth_user_id"]

    def test_is_dismissed_by_an_action_that_asks_for_a_reason(self, settings, dead, broken, operator):
        asked = act(operator, "pendingsignal", "dismiss", [dead])
        again = act(operator, "pendingsignal", "dismiss", [dead], confirmed="yes", reason=" ")
        assert lights(settings) == RED
        done = act(operator, "pendingsignal", "dismiss", [dead], confirmed="yes", reason="a test mail")

        assert "Dismiss 1 dead signal?" in asked.content.decode()
        assert "Enter a reason." not in asked.content.decode()
        assert "Enter a reason." in again.content.decode()
        assert messages_of(done) == ["1 signal dismissed."]
        assert broken.reported == []
        assert lights(settings) == GREEN
        record = models.Trail.objects.get()
        assert (record.what, record.reason, record.rows) == ("dismissed", "a test mail", 1)
        assert LogEntry.objects.get().change_message == "Dead signals dismissed."
        assert operator.open_page(record).status_code == 200

    @pytest.mark.parametrize("action", ["send_again", "dismiss"])
    def test_needs_the_permission_of_each_action(self, settings, dead, broken, action):
        other = {"send_again": "dismiss_pendingsignal", "dismiss": "redeliver_pendingsignal"}[action]
        viewer = browser_of("view_pendingsignal", "change_pendingsignal", other, is_staff=True)

        act(viewer, "pendingsignal", action, [dead], confirmed="yes", reason="x")

        assert lights(settings) == RED
        assert broken.reported == []
        assert not LogEntry.objects.exists()

    @pytest.mark.parametrize("action", ["send_again", "dismiss"])
    def test_leaves_pending_signals_alone(self, broken, operator, action):
        receive(delivery())
        [pending] = models.PendingSignal.objects.all()

        done = act(operator, "pendingsignal", action, [pending], confirmed="yes", reason="x")

        assert messages_of(done) == ["Nothing is selected that this action applies to."]
        assert models.PendingSignal.objects.get().attempts == pending.attempts

    def test_is_sent_again_by_a_command(self, settings, dead, broken, capsys):
        call_command("cmc_redeliver", "--dead", "--dry-run")
        assert lights(settings) == RED
        call_command("cmc_redeliver", "--dead", "--address", PERSON, "--no-input", "--reason", "mended")

        assert capsys.readouterr().out.splitlines() == [
            "1 dead signals",
            "1 dead signals",
            "1 dead signals are pending again: 1 sent, 0 failed, 0 dead",
        ]
        assert len(broken.reported) == 1
        assert lights(settings) == GREEN
        assert metric(settings, "cmc_webhooks_dead_signals") == 0
        assert models.Trail.objects.get().details["filters"] == ["address"]

    def test_is_dismissed_by_a_command(self, settings, dead, broken, capsys):
        event = models.DeliveryEvent.objects.get()

        call_command("cmc_dismiss", "signals", "--dry-run")
        call_command("cmc_dismiss", "signals", "--mail", dead.pk, "--reason", "test", "--no-input")
        assert lights(settings) == RED
        call_command("cmc_dismiss", "signals", "--event", event.pk, "--reason", "test", "--no-input")

        assert capsys.readouterr().out.splitlines() == [
            "1 dead signals",
            "0 dead signals",
            "1 dead signals",
            "1 dead signals dismissed",
        ]
        assert broken.reported == []
        assert lights(settings) == GREEN
        assert models.Trail.objects.get().reason == "test"

    @pytest.mark.parametrize(
        ("arguments", "line"),
        [
            (["signals"], "--reason is required: say why they need no further action"),
            (["signals", "--reason", " "], "--reason is required: say why they need no further action"),
            (
                ["signals", "--type", "x", "--dry-run"],
                "--type: signals are about deliveries, bounces, blocks",
            ),
            (
                ["events", "--status", "failed", "--dry-run"],
                "--status is for signals: an event that could not be read has no mail",
            ),
            (
                ["events", "--message-id", "x", "--dry-run"],
                "--message-id is for signals: an event that could not be read has no mail",
            ),
        ],
    )
    def test_refuses_what_is_not_clear(self, dead, arguments, line):
        with pytest.raises(CommandError) as raised:
            call_command("cmc_dismiss", *arguments)

        assert (str(raised.value), raised.value.returncode) == (line, 2)
        assert models.PendingSignal.objects.exists()

    def test_shows_the_error_with_links_to_event_and_mail(self, dead, operator):
        page = operator.open_page(dead).content.decode()

        event = models.DeliveryEvent.objects.get()
        assert "ValueError" in page
        for link in (f"/cmc_webhooks/mail/{event.mail_id}/", f"/cmc_webhooks/deliveryevent/{event.pk}/"):
            assert link in page
        viewer = browser_of("view_pendingsignal", is_staff=True)
        page = viewer.open_page(dead).content.decode()
        assert PERSON not in page
        assert "/cmc_webhooks/mail/" not in page

    def test_names_no_address_for_who_may_view_no_mail(self, dead):
        some = browser_of("view_pendingsignal", "dismiss_pendingsignal", is_staff=True)

        page = act(some, "pendingsignal", "dismiss", [dead]).content.decode()

        assert "Dismiss 1 dead signal?" in page
        assert PERSON not in page

    def test_has_japanese_words(self, dead, operator, settings):
        settings.LANGUAGE_CODE = "ja"

        page = act(operator, "pendingsignal", "dismiss", [dead]).content.decode()
        listed = operator.open_list("pendingsignal").content.decode()

        assert "対応しないことにする" in page
        assert "再送信する" in listed

    def test_dies_again_if_the_receiver_was_not_mended(self, settings, dead, broken, clock, operator):
        broken.is_broken = True

        act(operator, "pendingsignal", "send_again", [dead], confirmed="yes")
        assert models.PendingSignal.objects.get().state == "pending"
        die(clock)

        assert lights(settings) == RED

    def test_names_nobody_after_an_erasure_and_can_still_be_sent(self, settings, dead, broken, operator):
        act(operator, "pendingsignal", "send_again", [dead], reason=PERSON)
        receive(delivery(to=[PERSON]))
        rejected = models.RejectedEvent.objects.get()
        act(operator, "rejectedevent", "dismiss", [rejected], confirmed="yes", reason=f"sent by <{PERSON}>")

        call_command("cmc_erase", PERSON, "--no-input")
        act(operator, "pendingsignal", "send_again", [dead], confirmed="yes")

        assert [text for text in texts() if PERSON in text] == []
        logged = LogEntry.objects.values_list("object_repr", "change_message")
        assert PERSON not in str(list(logged))
        assert len(broken.reported) == 1
        assert lights(settings) == GREEN

    def test_can_be_dismissed_when_its_mail_is_gone(self, settings, dead, operator):
        models.DeliveryEvent.objects.all().delete()
        models.Mail.objects.all().delete()

        page = operator.open_page(dead).content.decode()
        act(operator, "pendingsignal", "dismiss", [dead], confirmed="yes", reason="x")

        assert "no longer kept" in page
        assert lights(settings) == GREEN


class TestD16:
    """A successful redelivery leaves the dead row."""

    def test_settles_it_by_the_command(self, settings, dead, broken):
        call_command("cmc_redeliver", "--address", PERSON, "--no-input")

        assert not models.PendingSignal.objects.exists()
        assert len(broken.reported) == 1
        assert lights(settings) == GREEN

    def test_settles_it_by_the_action_of_the_mail(self, settings, dead, broken):
        support = browser_of("view_mail", "redeliver_mail", is_staff=True)

        act(support, "mail", "redeliver", [models.Mail.objects.get()], confirmed="yes")

        assert not models.PendingSignal.objects.exists()
        assert len(broken.reported) == 1
        assert lights(settings) == GREEN

    def test_leaves_the_dead_signals_of_other_mails(self, settings, dead, broken, clock):
        broken.is_broken = True
        receive(delivery("<other@x>", to="taro@example.jp"))
        die(clock)
        broken.is_broken = False

        call_command("cmc_redeliver", "--address", "taro@example.jp", "--no-input")

        assert list(models.PendingSignal.objects.all()) == [dead]


def texts():
    """Every text of every table of the app."""
    found = []
    for model in {type(row) for row in _rows()}:
        names = [
            each.attname
            for each in model._meta.concrete_fields
            if isinstance(each, (django_models.CharField, django_models.TextField, django_models.JSONField))
        ]
        found += [str(value) for row in model._base_manager.values_list(*names) for value in row]
    return found


def _rows():
    tables = (*cases.TABLES, models.Suppression, models.Trail)
    return [row for model in tables for row in model._base_manager.all()]


class TestD17:
    """Dead signals hold personal data and stop the pruning."""

    def write(self, number=23):
        for each in range(number):
            event = factories.DeliveryEventFactory(
                mail=factories.MailFactory(
                    recipient=PERSON, address=PERSON, created_at=LONG_AGO, subject=f"{PERSON} {each}"
                ),
                occurred_at=LONG_AGO,
                received_at=LONG_AGO,
                reason=PERSON,
            )
        return event

    def die(self, event, at):
        items = [["event_recorded", "deliveries", event.pk.hex, event.mail_id.hex]]
        ms = int(at.timestamp() * 1000)
        factories.PendingSignalFactory(id=wire.time_key(ms), items=items, state="dead", available_at=ms)

    def prune(self, capsys, settings, **kinds):
        settings.CMC_WEBHOOKS_RETENTION = kinds
        call_command("cmc_prune", "--pause", "0")
        return capsys.readouterr().out.splitlines()

    def test_hold_nothing_when_they_are_old(self, capsys, settings):
        self.die(self.write(), LONG_AGO)

        assert self.prune(capsys, settings, personal=180) == ["signals 1, personal 23 deleted or erased"]
        assert [text for text in texts() if PERSON in text] == []
        assert self.prune(capsys, settings, **dict.fromkeys(retention.KINDS, 180))[0].startswith("signals 0,")
        assert not models.Mail.objects.exists()

    def test_hold_their_own_rows_alone_while_they_are_young(self, capsys, settings):
        self.die(self.write(), datetime.now(UTC) - timedelta(days=29))

        assert self.prune(capsys, settings, mails=180) == [
            "mails 22 deleted or erased",
            "Some old rows stay: mails 1 held by dead signals. See cmc_status.",
        ]

    @pytest.mark.parametrize(("days", "left"), [(1, 1), (31, 0)])
    def test_stop_nothing_however_many_they_are(self, capsys, settings, days, left):
        event = self.write()
        ms = int((datetime.now(UTC) - timedelta(days=days)).timestamp() * 1000)
        items = [["event_recorded", "deliveries", event.pk.hex, event.mail_id.hex]]
        models.PendingSignal.objects.bulk_create(
            [
                models.PendingSignal(id=wire.time_key(ms), items=items, state="dead", available_at=ms)
                for _ in range(20_001)
            ],
            batch_size=1000,
        )

        lines = self.prune(capsys, settings, mails=180)

        held = ["Some old rows stay: mails 1 held by dead signals. See cmc_status."]
        removed = "" if left else "signals 20001, "
        assert lines == [f"{removed}mails {23 - left} deleted or erased", *(held if left else [])]
        assert models.Mail.objects.count() == left


class TestD18:
    """One event that nobody can read keeps the health red."""

    def test_is_dismissed_by_an_action_and_the_next_one_is_red_again(self, settings, open_hook, operator):
        assert cases.play(open_hook, "D18")[0].json() == {"new": 1, "repeated": 0, "rejected": 1}
        assert lights(settings) == (1, 503, 0, 1)
        row = models.RejectedEvent.objects.get()

        asked = act(operator, "rejectedevent", "dismiss", [row])
        refused = act(operator, "rejectedevent", "dismiss", [row], confirmed="yes")
        done = act(operator, "rejectedevent", "dismiss", [row], confirmed="yes", reason="a probe")

        assert "Dismiss 1 event?" in asked.content.decode()
        assert row.error in asked.content.decode()
        assert "Enter a reason." in refused.content.decode()
        assert messages_of(done) == ["1 event dismissed."]
        assert lights(settings) == GREEN
        dismissed = models.RejectedEvent.objects.get()
        record = models.Trail.objects.get()
        assert (dismissed.raw, dismissed.resolved_at) == (row.raw, None)
        assert (dismissed.dismissal, record.reason, record.rows) == (record.pk, "a probe", 1)
        assert record.who == operator.session["_auth_user_id"]
        assert str(record.pk) in operator.open_page(dismissed).content.decode()
        assert operator.listed("rejectedevent", state="dismissed") == [dismissed]
        assert operator.listed("rejectedevent", state="open") == []

        cases.send(open_hook, "deliveries", delivery(to=["another"]))
        assert lights(settings) == (1, 503, 0, 1)

    def test_is_dismissed_by_a_command_with_filters(self, settings, open_hook, capsys):
        cases.play(open_hook, "D18")
        cases.send(open_hook, "bounces", delivery(to=["another"]))

        call_command("cmc_dismiss", "events", "--dry-run")
        call_command("cmc_dismiss", "events", "--type", "bounces", "--reason", "known", "--no-input")
        assert lights(settings) == (1, 503, 0, 1)
        assert models.RejectedEvent.objects.get(dismissed_at=None).event_type == "deliveries"
        call_command("cmc_dismiss", "events", "--reason", "known", "--no-input")

        assert lights(settings) == GREEN
        assert metric(settings, "cmc_webhooks_open_rejected_events") == 0
        assert capsys.readouterr().out.splitlines()[-1] == "1 events that could not be read dismissed"

    def test_needs_its_permission(self, settings, open_hook):
        cases.play(open_hook, "D18")
        viewer = browser_of("view_rejectedevent", "retry_rejectedevent", is_staff=True)

        act(
            viewer,
            "rejectedevent",
            "dismiss",
            models.RejectedEvent.objects.all(),
            confirmed="yes",
            reason="x",
        )

        assert lights(settings) == (1, 503, 0, 1)

    def test_stays_dismissed_when_it_is_sent_again(self, settings, open_hook):
        cases.play(open_hook, "D18")
        call_command("cmc_dismiss", "events", "--reason", "known", "--no-input")

        cases.play(open_hook, "D18")

        assert lights(settings) == GREEN
        assert models.RejectedEvent.objects.count() == 1

    def test_can_still_be_read_again(self, settings, open_hook, capsys):
        readable = factories.RejectedEventFactory(
            raw='{"messageId": "<a@x>", "to": "a@x", "status": "failed"}'
        )
        call_command("cmc_dismiss", "events", "--reason", "later", "--no-input")

        call_command("cmc_retry_rejected")
        assert models.RejectedEvent.objects.get().resolved_at is None
        call_command("cmc_retry_rejected", "--dismissed")

        assert models.RejectedEvent.objects.get(pk=readable.pk).resolved_at is not None
        assert models.Mail.objects.get().status == "failed"
        assert capsys.readouterr().out.splitlines()[-2:] == [
            "1 open or dismissed rejected events",
            "1 stored, 0 still rejected",
        ]

    def test_leaves_room_for_others(self, monkeypatch, open_hook):
        monkeypatch.setattr("cmc_webhooks.store.rejections.MAX_OPEN_REJECTIONS", 1)
        cases.play(open_hook, "D18")
        call_command("cmc_dismiss", "events", "--reason", "known", "--no-input")

        cases.send(open_hook, "deliveries", delivery(to=["another"]))

        assert models.RejectedEvent.objects.count() == 2
