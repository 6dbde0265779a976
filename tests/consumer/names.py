"""The documented names, each used once as a project would."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, assert_type
from uuid import UUID

from django.contrib.auth.models import User
from django.core.mail import EmailMessage
from django.urls import include, path

import cmc_webhooks
from cmc_webhooks import erasure, feed, maintenance, sending, signals, status, suppression, tasks, testing
from cmc_webhooks.admin.panel import MailHistoryMixin
from cmc_webhooks.api.permissions import MayView
from cmc_webhooks.api.webhook import describe_webhook
from cmc_webhooks.contrib_health import CmcWebhooks
from cmc_webhooks.email_backend import SuppressingBackend
from cmc_webhooks.models import (
    BlockEvent,
    BounceEvent,
    DeliveryEvent,
    Mail,
    Notification,
    RejectedEvent,
    Suppression,
    Trail,
)
from cmc_webhooks.testing import factories

urlpatterns = [
    path("cmc/", include("cmc_webhooks.urls")),
    path("cmc/health/", include("cmc_webhooks.health_urls")),
    path("api/cmc/", include("cmc_webhooks.api.urls")),
]


class MayViewInShop(MayView):
    """A permission of the project."""


class UserMails(MailHistoryMixin):
    """A mixin of the project, beside `admin.ModelAdmin`."""

    def get_mail_addresses(self, obj: User) -> list[str]:
        return [obj.email]


class ShopBackend(SuppressingBackend):
    """A mail backend of the project."""


def addresses() -> None:
    assert_type(suppression.may_send("user@example.jp"), bool)
    assert_type(suppression.verdicts(["user@example.jp"]), dict[str, suppression.Verdict])
    verdict = suppression.verdicts(["user@example.jp"])["user@example.jp"]
    assert_type(verdict.until, datetime | None)
    assert_type(verdict.reason, str)
    assert_type(
        suppression.block("user@example.jp", until=datetime.now(UTC), note="asked for it"), Suppression
    )
    assert_type(suppression.may_send("user@example.jp", composition="pro", transactional=True), bool)
    explained = suppression.explain(["user@example.jp"])["user@example.jp"]
    assert_type(explained, suppression.Explained)
    assert_type(explained.reasons, tuple[suppression.Reason, ...])
    assert_type(suppression.release("user@example.jp", note="fixed"), Suppression)
    try:
        assert_type(suppression.lift_at_cmc("user@example.jp", "pro"), list[suppression.Lift])
    except suppression.NotAllowed:
        print(suppression.NotAllowed)
    page = suppression.listing(composition="pro", reason="hard")
    assert_type(page, suppression.Page)
    assert_type(page.rows, list[suppression.Listed])
    assert_type(next(suppression.stream()).verdict, suppression.Verdict)
    assert_type(suppression.forget("user@example.jp"), bool)
    assert_type(erasure.erase("user@example.jp"), erasure.Erased)
    assert_type(
        erasure.erase("user@example.jp", actor=erasure.Actor(who="17", reason="asked")), erasure.Erased
    )
    assert_type(erasure.address_hash("user@example.jp"), str)
    disclosed = erasure.disclose("user@example.jp", actor=erasure.Actor(who="17"))
    assert_type(disclosed, erasure.Disclosure)
    assert_type(erasure.as_html(disclosed), str)
    assert_type(Trail.Actions("erased"), Trail.Actions)
    assert_type(erasure.erase("user@example.jp", using="default", progress=print).mails, int)


def follow(cursor: str) -> str:
    """Follow the change feed."""
    try:
        changes = feed.read(cursor, limit=100, kinds=["mail", "deleted"])
    except (feed.Gone, feed.NotACursor, feed.FeedOff):
        assert_type(feed.end_epoch(), bool)
        return feed.head()
    assert_type(changes, feed.Page)
    assert_type(changes.entries, list[feed.Entry])
    assert_type([feed.as_dict(entry) for entry in changes.entries], list[dict[str, Any]])
    return changes.cursor


def sending_mails() -> None:
    EmailMessage("Hello", headers=sending.api_data_header("1")).send()
    assert_type(ShopBackend().send_messages([EmailMessage("Hello")]), int)


def maintaining() -> None:
    assert_type(maintenance.run(seconds=60, stopped=lambda: False, progress=print).sent, int)
    assert_type(tasks.send_pending_signals.call(), dict[str, int])
    assert_type(tasks.check_for_alerts.call(), dict[str, int])
    assert_type(tasks.prune.call(), dict[str, int])


def making_rows() -> None:
    assert_type(factories.MailFactory(recipient="user@example.jp"), Mail)
    assert_type(factories.MailFactory.build(), Mail)
    assert_type(factories.MailFactory.create_batch(3), list[Mail])
    assert_type(factories.DeliveryEventFactory(status="failed"), DeliveryEvent)
    assert_type(factories.BounceEventFactory(), BounceEvent)
    assert_type(factories.BlockEventFactory(), BlockEvent)
    assert_type(factories.NotificationFactory(), Notification)
    assert_type(factories.RejectedEventFactory(), RejectedEvent)


@signals.on_status("bounced", bounce_class="hard")
def mark_hard(mail: Mail, **kwargs: Any) -> None:
    """A receiver of the project."""


def test_of_a_project(cmc_webhook: testing.Webhook, cmc_signals: testing.SentSignals) -> None:
    cmc_webhook.post("deliveries", testing.delivery(to="user@example.jp"))
    cmc_webhook.post("bounces", testing.bounce(status="1"))
    cmc_webhook.post("blocks", testing.block())
    cmc_webhook.play(testing.samples.DELIVERED)
    try:
        cmc_webhook.send(b"{")
    except testing.PostFailed as failed:
        print(failed.answer.status_code)
    cmc_webhook.send(testing.notification("deliveries", testing.delivery(), form=True).body)
    testing.assert_signal_sent(cmc_signals, signals.status_changed, sender=Mail, new="bounced")
    testing.assert_replayed(cmc_signals, signals.event_recorded)
    assert_type(testing.assert_received(cmc_signals, mark_hard, new="bounced"), dict[str, Any])
    testing.assert_not_received(cmc_signals, mark_hard)
    assert_type(cmc_signals.received, list[testing.ReceivedStatus])
    print(testing.send_pending_signals().sent)
    assert_type(testing.assert_mails_pruned(cmc_signals, Mail()), list[UUID])
    testing.assert_address_erased(cmc_signals, "user@example.jp", Mail())
    print(cmc_signals.of(signals.event_recorded), testing.events(testing.samples.DELIVERED)[0].values)
    with testing.signals_sent() as sent:
        assert_type(list(sent), list[testing.SentSignal])


print(cmc_webhooks.__version__, status.DeliveryStatus.QUEUED, CmcWebhooks, describe_webhook)
