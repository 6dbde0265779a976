from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connections
from django.urls import reverse
from django.utils.html import escape

from cmc_webhooks import models
from cmc_webhooks.admin import actions
from cmc_webhooks.db import transactions
from cmc_webhooks.reprocessing import redeliver
from tests.admin.conftest import browser_of
from tests.conftest import delivery
from tests.helpers import factories

pytestmark = pytest.mark.django_db


def act(browser, name, action, rows, *, follow=True, **values):
    """Choose rows of a list and an action; `confirmed="yes"` is what the page that asks sends."""
    return browser.post(
        reverse(f"admin:cmc_webhooks_{name}_changelist"),
        {"action": action, "_selected_action": [str(row.pk) for row in rows], **values},
        follow=follow,
    )


def messages_of(answer):
    return [str(message) for message in answer.context["messages"]]


@pytest.fixture
def support():
    """Staff who see everything and may do both actions."""
    views = [f"view_{model._meta.model_name}" for model in (models.Mail, models.RejectedEvent)]
    return browser_of("redeliver_mail", "retry_rejectedevent", *views, is_staff=True)


@pytest.fixture
def readable(hook):
    """A rejected event that can be read by now."""
    return factories.RejectedEventFactory(raw='{"messageId": "<a@x>", "to": "a@x", "status": "failed"}')


class TestRedeliver:
    def test_asks_with_the_number_of_events_first(self, support, sent):
        mail = factories.DeliveryEventFactory().mail
        factories.BounceEventFactory(mail=mail)

        answer = act(support, "mail", "redeliver", [mail])

        assert "Send these signals again? 2 events, 2 signals" in answer.content.decode()
        assert "The history does not change." in answer.content.decode()
        assert sent == []
        assert not LogEntry.objects.exists()

    def test_sends_them_when_confirmed_and_notes_it(self, support, sent):
        chosen, other = factories.DeliveryEventFactory(), factories.DeliveryEventFactory()

        answer = act(support, "mail", "redeliver", [chosen.mail], confirmed="yes")

        assert [arguments["event"] for _, _, arguments in sent] == [chosen]
        assert messages_of(answer) == ["Sent again: 1 event, 1 signal"]
        entry = LogEntry.objects.get()
        assert (entry.object_id, entry.object_repr) == (str(chosen.mail.pk), str(chosen.mail.pk))
        assert str(entry.user_id) == support.session["_auth_user_id"]
        assert support.get(entry.get_admin_url()).status_code == 200
        assert other.mail.address not in entry.object_repr

    def test_keeps_addresses_out_of_the_log(self, support):
        event = factories.DeliveryEventFactory(mail=factories.MailFactory(message_id=""))

        act(support, "mail", "redeliver", [event.mail], confirmed="yes")

        assert event.mail.address not in LogEntry.objects.get().object_repr

    def test_wakes_a_worker_in_the_deferred_mode(self, support, sent, settings):
        settings.CMC_WEBHOOKS_DISPATCH = "tests.admin.test_actions.wake_up"
        woken.clear()
        event = factories.DeliveryEventFactory()

        act(support, "mail", "redeliver", [event.mail], confirmed="yes")

        assert (woken, sent) == ([True], [])
        assert models.PendingSignal.objects.count() == 1

    def test_does_nothing_more_than_a_page_can_hold(self, support, monkeypatch, sent):
        monkeypatch.setattr(actions, "LIMIT", 1)
        mails = [factories.DeliveryEventFactory().mail for _ in range(2)]

        answer = act(support, "mail", "redeliver", mails, confirmed="yes")

        assert messages_of(answer) == ["At most 1 rows at once. For more, use cmc_redeliver."]
        assert sent == []

    def test_says_so_where_the_database_gives_way(self, support, monkeypatch):
        def away(*args, **kwargs):
            raise transactions.Unavailable("OperationalError")

        monkeypatch.setattr(redeliver, "redeliver", away)
        event = factories.DeliveryEventFactory()

        answer = act(support, "mail", "redeliver", [event.mail], confirmed="yes")

        assert messages_of(answer) == ["The database is unavailable. Please try again."]
        assert not LogEntry.objects.exists()


woken = []


def wake_up():
    woken.append(True)


class TestRetry:
    def test_asks_first(self, support, readable):
        answer = act(support, "rejectedevent", "retry", [readable])

        assert "Read 1 event again?" in answer.content.decode()
        assert not models.Mail.objects.exists()

    @pytest.mark.django_db(transaction=True)
    def test_stores_what_can_be_read_and_notes_it(self, support, readable, sent):
        odd = factories.RejectedEventFactory()

        answer = act(support, "rejectedevent", "retry", [readable, odd], confirmed="yes")

        readable.refresh_from_db()
        assert messages_of(answer) == ["1 stored, 1 still cannot be read."]
        assert readable.resolved_at is not None
        assert models.Mail.objects.get().status == "failed"
        assert [name for name, _, _ in sent] == ["event_recorded", "status_changed"]
        assert {entry.object_id for entry in LogEntry.objects.all()} == {str(readable.pk), str(odd.pk)}

    def test_leaves_what_is_resolved_alone(self, support, readable):
        models.RejectedEvent.objects.update(resolved_at=factories.START)

        answer = act(support, "rejectedevent", "retry", [readable], confirmed="yes")

        assert messages_of(answer) == ["Nothing is selected that this action applies to."]
        assert not models.Mail.objects.exists()

    @pytest.mark.django_db(transaction=True)
    def test_commits_by_itself_under_atomic_requests(self, support, readable, monkeypatch, sent):
        for database in connections.settings.values():
            monkeypatch.setitem(database, "ATOMIC_REQUESTS", True)

        answer = act(support, "rejectedevent", "retry", [readable], confirmed="yes")

        assert messages_of(answer) == ["1 stored, 0 still cannot be read."]


class TestActions:
    @pytest.mark.parametrize(("name", "action"), [("mail", "redeliver"), ("rejectedevent", "retry")])
    def test_are_for_those_with_their_permission_alone(self, name, action, sent, hook):
        hook.send("deliveries", delivery(), delivery(to=[]))
        sent.clear()
        row = {"mail": models.Mail, "rejectedevent": models.RejectedEvent}[name].objects.get()
        viewer = browser_of(f"view_{name}", f"change_{name}", is_staff=True)

        answer = act(viewer, name, action, [row], confirmed="yes")

        assert f'value="{action}"' not in viewer.open_list(name).content.decode()
        assert answer.status_code == 200
        assert sent == []
        assert not LogEntry.objects.exists()

    def test_survive_any_key(self, support):
        answer = support.post(
            reverse("admin:cmc_webhooks_mail_changelist"),
            {"action": "redeliver", "_selected_action": ["no key", "\x00"]},
        )

        assert answer.status_code == 400


class TestConfirmPages:
    """A question names whom or what it is about, the first ones of many."""

    def ask(self, browser, name, action, rows):
        keys = [str(row.pk) for row in rows]
        asked = {"action": action, "_selected_action": keys, "index": "0"}
        return browser.post(reverse(f"admin:cmc_webhooks_{name}_changelist"), asked).content.decode()

    def test_name_the_mails(self, browser):
        mails = factories.MailFactory.create_batch(23, subject="ご予約の確認")

        page = self.ask(browser, "mail", "redeliver", mails)

        details = page.partition('class="cmc-details"')[2].partition("</ul>")[0]
        assert details.count("ご予約の確認") == 20
        assert "and 3 more" in details
        assert any(mail.recipient in details for mail in mails)

    def test_name_the_events_that_are_read_again(self, browser):
        page = self.ask(
            browser, "rejectedevent", "retry", [factories.RejectedEventFactory(error="no such thing")]
        )

        assert "no such thing" in page.partition('class="cmc-details"')[2]

    def test_name_the_alerts(self, browser):
        alert = factories.AlertFactory()

        page = self.ask(browser, "alert", "acknowledge", [alert])

        assert escape(alert.sentence) in page.partition('class="cmc-details"')[2]
