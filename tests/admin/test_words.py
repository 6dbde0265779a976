from __future__ import annotations

from uuid import UUID

import pytest

from cmc_webhooks.admin import labels
from cmc_webhooks.bounce_codes import BOUNCE_CODES
from cmc_webhooks.models import BounceEvent, DeliveryEvent, Mail
from cmc_webhooks.status import DeliveryStatus

KEY = UUID(int=1)


class TestReasonOfMail:
    @pytest.mark.parametrize("code", BOUNCE_CODES)
    def test_is_that_of_its_bounce(self, code):
        mail = Mail(status="bounced", delivery_status="succeeded", bounce_code=code, bounce_event_id=KEY)

        label, kind = BOUNCE_CODES[code]
        assert labels.reason_of_mail(mail) == (str(label), str(kind.label))

    @pytest.mark.parametrize(
        ("code", "shown"), [("77", "code 77, which CMC does not document"), ("", "no bounce code")]
    )
    def test_shows_an_unknown_code_as_sent(self, code, shown):
        mail = Mail(status="bounced", bounce_code=code, bounce_event_id=KEY)

        assert labels.reason_of_mail(mail) == (shown, "unknown")

    @pytest.mark.parametrize("status", DeliveryStatus)
    def test_is_that_of_its_delivery_without_a_bounce(self, status):
        reason = labels.reason_of_mail(Mail(status=status.value))

        assert reason.words == str(status.label)
        assert reason.meaning

    def test_says_that_a_word_is_unknown(self):
        reason = labels.reason_of_mail(Mail(status="expired"))

        assert reason == ("expired", "not documented by Customers Mail Cloud")


class TestReasonOfEvent:
    def test_is_that_of_the_event_alone(self):
        assert labels.reason_of_event(BounceEvent(bounce_code="5")).words == "mailbox full"
        reason = labels.reason_of_event(DeliveryEvent(status="succeeded"))

        assert reason.words == "delivered to the recipient's server"


class TestBeforeBounce:
    def test_tells_refused_from_returned(self):
        refused, returned, unknown = (
            Mail(delivery_status=status, bounce_event_id=KEY) for status in ("failed", "succeeded", "")
        )

        assert labels.before_bounce(refused) == "the recipient did not get the mail"
        assert "returned it later" in labels.before_bounce(returned)
        assert labels.before_bounce(unknown) == ""

    def test_is_empty_without_a_bounce(self):
        assert labels.before_bounce(Mail(delivery_status="failed")) == ""
