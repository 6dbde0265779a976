from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from cmc_webhooks import models
from cmc_webhooks.statistics import recount
from tests.conftest import bounce, delivery
from tests.helpers import factories
from tests.statistics.test_deltas import TODAY, USING, counted, receive

pytestmark = pytest.mark.django_db


class TestRecount:
    def test_finds_nothing_wrong_after_ingests(self):
        receive(
            "deliveries", delivery("<1@x>"), delivery("<2@x>", status="QUEUED"), delivery("<3@x>", status="é")
        )
        receive("bounces", bounce("<1@x>", status="nonsense"), bounce("<2@x>", status=""))

        assert recount.recount(USING, recount.days(USING), check=True) == (1, 0)

    def test_tells_cells_apart_that_a_collation_takes_for_equal(self):
        receive("deliveries", *(delivery(f"<{n}@x>", status=s) for n, s in enumerate(["é", "e", "E", "e"])))

        assert recount.recount(USING, recount.days(USING), check=True).wrong == 0

    def test_counts_a_mail_in_the_class_that_is_stored(self):
        receive("bounces", bounce("<1@x>", status="5"))
        models.Mail.objects.update(bounce_class="hard")

        assert recount.recount(USING, recount.days(USING)).wrong == 2
        assert counted()[TODAY, "pro", "bounced", "hard"] == 1

    @pytest.mark.parametrize("check", [True, False])
    def test_puts_right_what_is_wrong_unless_it_checks(self, check):
        receive("deliveries", delivery("<1@x>"), delivery("<2@x>", status="failed"))
        right = counted()
        models.MailCount.objects.filter(status="queued").update(number=7)
        models.MailCount.objects.filter(status="failed").delete()

        done = recount.recount(USING, recount.days(USING), check=check)

        assert done == (1, 7)
        assert (counted() == right) is not check

    def test_counts_days_that_have_mails_or_counts_alone(self):
        factories.MailFactory(created_at=datetime(2023, 1, 23, tzinfo=UTC))
        receive("deliveries", delivery())

        days = recount.days(USING)

        assert days == [date(2023, 1, 23), date(2023, 1, 24), TODAY]
        assert recount.recount(USING, days).wrong == 1
        assert counted()[date(2023, 1, 23), "pro", "queued", ""] == 1
