from __future__ import annotations

from uuid import UUID

import pytest

from cmc_webhooks.admin import words
from cmc_webhooks.models import BounceEvent, DeliveryEvent, Mail
from cmc_webhooks.status import BOUNCE_CODES, DeliveryStatus

KEY = UUID(int=1)


class TestReasonOfMail:
    @pytest.mark.parametrize("code", BOUNCE_CODES)
    def test_is_that_of_its_bounce(self, code):
        mail = Mail(status="bounced", delivery_status="succeeded", bounce_code=code, bounce_event_id=KEY)

        label, kind = BOUNCE_CODES[code]
        assert words.reason_of_mail(mail) == (str(label), str(kind.label))

    @pytest.mark.parametrize(("code", "shown"), [("77", "77"), ("", "no bounce code")])
    def test_shows_an_unknown_code_as_sent(self, code, shown):
        mail = Mail(status="bounced", bounce_code=code, bounce_event_id=KEY)

        assert words.reason_of_mail(mail) == (shown, "unknown")

    @pytest.mark.parametrize("status", DeliveryStatus)
    def test_is_that_of_its_delivery_without_a_bounce(self, status):
        reason = words.reason_of_mail(Mail(status=status.value))

        assert reason.words == str(status.label)
        assert reason.meaning

    def test_says_that_a_word_is_unknown(self):
        reason = words.reason_of_mail(Mail(status="expired"))

        assert reason == ("expired", "not a status that Customers Mail Cloud documents")


class TestReasonOfEvent:
    def test_is_that_of_the_event_alone(self):
        assert words.reason_of_event(BounceEvent(bounce_code="5")).words == "over capacity"
        assert words.reason_of_event(DeliveryEvent(status="succeeded")).words == "handed over"


class TestBeforeBounce:
    def test_tells_refused_from_returned(self):
        refused, returned, unknown = (
            Mail(delivery_status=status, bounce_event_id=KEY) for status in ("failed", "succeeded", "")
        )

        assert "refused" in words.before_bounce(refused)
        assert "returned it later" in words.before_bounce(returned)
        assert words.before_bounce(unknown) == ""

    def test_is_empty_without_a_bounce(self):
        assert words.before_bounce(Mail(delivery_status="failed")) == ""
