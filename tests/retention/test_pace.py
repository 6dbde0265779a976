"""What the setting prunes, and how fast."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cmc_webhooks import models, retention
from tests.conftest import delivery
from tests.helpers import factories
from tests.retention.test_retention import OLD, USING

pytestmark = pytest.mark.django_db


class TestRun:
    def test_prunes_what_the_setting_names(self, settings):
        settings.CMC_WEBHOOKS_RETENTION = {"mails": 400, "notifications": 90}
        long_ago = datetime.now(UTC) - timedelta(days=100)
        factories.DeliveryEventFactory(mail__created_at=long_ago, notification__received_at=long_ago)

        assert retention.run(USING) == {"notifications": 1, "mails": 0}

    def test_keeps_for_ever_what_no_calendar_is_long_enough_for(self, settings, open_hook):
        settings.CMC_WEBHOOKS_RETENTION = {"events": 999_999, "mails": 10**12}

        assert open_hook.send("deliveries", delivery(), api_key=None).status_code == 200
        assert retention.run(USING) == {"events": 0, "mails": 0}

    def test_does_nothing_without_the_setting(self):
        factories.NotificationFactory(received_at=OLD)

        assert retention.run(USING) == {}
        assert models.Notification.objects.count() == 1


class TestPace:
    def test_begins_with_few_and_takes_more_after_quick_ones(self):
        pace = retention.Pace(1000, 0)
        sizes = [pace.size]

        for took in (0.01, 0.01, 0.04, 0.01, 0.01, 0.01, 0.01):
            pace.after(took)
            sizes.append(pace.size)

        assert sizes == [50, 100, 200, 200, 400, 800, 1000, 1000]

    def test_takes_at_once_less_by_as_much_as_a_batch_was_too_slow(self):
        pace = retention.Pace(1000, 0)
        pace.size = 1000
        sizes = []

        for took in (0.125, 2, 0.2):
            pace.after(took)
            sizes.append(pace.size)

        assert sizes == [240, 10, 10]

    def test_never_takes_less_than_a_few_nor_more_than_it_may(self):
        slow, small = retention.Pace(1000, 0), retention.Pace(3, 0)

        for _ in range(20):
            slow.after(9)
            small.after(9)

        assert (slow.size, small.size) == (retention.SMALLEST, 3)
