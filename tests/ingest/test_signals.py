"""What receivers are told of a notification."""

from __future__ import annotations

import pytest

from cmc_webhooks import models
from tests.conftest import bounce, delivery
from tests.helpers.receiving import batch_of, receive


@pytest.mark.django_db(transaction=True)
class TestSignals:
    def test_tell_each_event_and_then_the_change_it_decided(self, sent):
        receive("deliveries", delivery(), delivery(status="succeeded", created="2023-01-25 14:03:09"))
        receive("bounces", bounce())

        told = [
            (name, sender.__name__, arguments.get("old"), arguments.get("new"))
            for name, sender, arguments in sent
        ]
        assert told == [
            ("event_recorded", "DeliveryEvent", None, None),
            ("event_recorded", "DeliveryEvent", None, None),
            ("status_changed", "Mail", "", "succeeded"),
            ("event_recorded", "BounceEvent", None, None),
            ("status_changed", "Mail", "succeeded", "bounced"),
        ]
        assert [arguments["version"] for arguments in sent.of("status_changed")] == [1, 2]
        assert sent.of("status_changed")[1]["event"] == models.BounceEvent.objects.get()

    def test_are_silent_about_what_changes_nothing(self, sent):
        receive("deliveries", delivery(status="succeeded"))
        sent.clear()

        receive("deliveries", delivery(status="succeeded"))
        receive("deliveries", delivery(status="queued"))

        assert [name for name, _, _ in sent] == ["event_recorded"]

    def test_have_no_mail_for_blocks(self, sent):
        receive("blocks", {"email": "a@example.jp"})

        [arguments] = sent.of("event_recorded")
        assert arguments["mail"] is None
        assert arguments["event"] == models.BlockEvent.objects.get()

    def test_find_no_row_owed_afterwards(self, sent):
        receive("deliveries", *batch_of(60))

        assert len(sent) == 120
        assert not models.PendingSignal.objects.exists()
