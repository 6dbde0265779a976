from __future__ import annotations

import pytest
from django.core.mail import EmailMessage

from cmc_webhooks import sending


class TestApiDataHeader:
    @pytest.mark.parametrize("value", ["order-1", "x" * 255, "a b", "%s {}"])
    def test_stands_in_the_mail_as_it_is(self, value):
        message = EmailMessage("Subject", "Text", headers=sending.api_data_header(value)).message()

        assert message["X-Api-Data"].replace("\n", "") == value

    @pytest.mark.parametrize("value", ["", " a", "a ", "注文", "a\nBcc: b@x.jp", "x" * 256, "\0"])
    def test_refuses_what_would_not_come_back_as_it_was(self, value):
        with pytest.raises(ValueError, match="1 to 255 printable"):
            sending.api_data_header(value)
