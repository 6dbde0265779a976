"""Personal data that is older than it may be."""

from __future__ import annotations

import pytest

from cmc_webhooks import models
from cmc_webhooks.models.mails import PERSONAL_FIELDS
from tests.conftest import bounce, delivery
from tests.helpers import factories
from tests.retention.test_retention import (
    ODD_TIMES,
    OLD,
    YOUNG,
    prune,
    receive,
    rows,
    wall_clock,
)

pytestmark = pytest.mark.django_db


class TestPrunePersonal:
    def test_blanks_texts_and_leaves_history_and_counts(self):
        receive("deliveries", delivery(created=wall_clock(OLD), reason="250 ok", apiData="a", more="b"))
        receive("bounces", bounce(created=wall_clock(OLD)))
        before = rows()

        assert prune("personal") == 1

        mail, [queued] = models.Mail.objects.get(), models.DeliveryEvent.objects.all()
        assert {getattr(mail, name) for name in PERSONAL_FIELDS} == {""}
        assert (mail.domain, mail.status, mail.message_id) == ("example.jp", "bounced", "<m1@example.com>")
        assert mail.erased_at is not None
        assert (queued.reason, queued.extra, models.BounceEvent.objects.get().reason) == ("", {}, "")
        assert rows()["MailCount"] == before["MailCount"]

    def test_is_not_undone_by_repeats_or_later_events(self):
        events = [
            delivery(created=wall_clock(OLD)),
            delivery(created=wall_clock(OLD), status="failed", reason="r"),
        ]
        receive("deliveries", events[0])
        prune("personal")

        receive("deliveries", *events, at=YOUNG)

        mail = models.Mail.objects.get()
        assert (mail.status, mail.reason, mail.subject, mail.address) == ("failed", "", "", "")
        assert {event.reason for event in models.DeliveryEvent.objects.all()} == {""}

    def test_blanks_old_blocks_and_rejected_events_for_good(self):
        factories.BlockEventFactory(occurred_at=OLD)
        factories.RejectedEventFactory(received_at=OLD)

        assert (prune("personal"), prune("personal")) == (2, 0)
        assert models.BlockEvent.objects.values_list("address", "raw").get() == ("", {})
        rejected = models.RejectedEvent.objects.get()
        assert (rejected.raw, rejected.resolved_at is not None) == ("", True)

    @pytest.mark.parametrize(("at", "number"), [(OLD, 1), (YOUNG, 0)], ids=["old", "young"])
    @pytest.mark.parametrize("fields", [{}, {"email": ""}, {"email": "", "elsewhere": "taro@example.jp"}])
    @pytest.mark.parametrize("created", ODD_TIMES)
    def test_takes_blocks_without_a_time_that_can_be_by_their_receipt(self, at, number, fields, created):
        receive("blocks", {"email": "taro@example.jp", "status": "1", "created": created} | fields, at=at)

        assert prune("personal") == number
        assert prune("personal") == 0

    def test_leaves_young_mails(self):
        factories.MailFactory(created_at=YOUNG)

        assert prune("personal") == 0
        assert models.Mail.objects.get().erased_at is None
