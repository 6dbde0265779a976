from __future__ import annotations

from datetime import timedelta

import pytest

from cmc_webhooks import history
from tests.helpers import factories

pytestmark = pytest.mark.django_db


class TestTimeline:
    def test_merges_deliveries_and_bounces_by_time(self):
        mail = factories.MailFactory()
        start = mail.created_at
        bounce = factories.BounceEventFactory(mail=mail, occurred_at=start + timedelta(seconds=1))
        failed = factories.DeliveryEventFactory(mail=mail, status="failed", occurred_at=start)
        queued = factories.DeliveryEventFactory(mail=mail, status="queued", occurred_at=start)

        timeline = history.timeline(mail)

        assert timeline == [queued, failed, bounce]

    def test_holds_no_event_of_another_mail(self, django_assert_num_queries):
        mail = factories.MailFactory()
        factories.BounceEventFactory()

        with django_assert_num_queries(2):
            timeline = history.timeline(mail)

        assert timeline == []
