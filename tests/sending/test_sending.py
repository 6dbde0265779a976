from __future__ import annotations

import pytest
from django.core.mail import EmailMessage
from hypothesis import assume, given
from hypothesis import strategies as st

from cmc_webhooks import sending

PRINTABLE = st.characters(min_codepoint=32, max_codepoint=126)


def line(value):
    """The header as it stands in the bytes of a mail."""
    message = EmailMessage("Subject", "Text", headers=sending.api_data_header(value)).message()
    [found] = [text for text in message.as_bytes().splitlines() if text.startswith(b"X-Api-Data")]
    return found.decode()


class TestApiDataHeader:
    @pytest.mark.parametrize("value", ["order-1", "x" * 64, "a  b", "%s {}", '{"order": 1, "of": "a;b,c"}'])
    def test_stands_in_the_mail_as_it_is(self, value):
        assert line(value) == f"X-Api-Data: {value}"

    @given(st.text(PRINTABLE, min_size=1, max_size=64).map(str.strip).filter(bool))
    def test_stands_there_whatever_it_is(self, value):
        assume("=?" not in value)

        assert line(value) == f"X-Api-Data: {value}"

    @pytest.mark.parametrize(
        "value", ["", " a", "a ", "注文", "a\nBcc: b@x.jp", "x" * 65, "=?utf-8?q?a?=", "\0"]
    )
    def test_refuses_what_would_not_come_back_as_it_was(self, value):
        with pytest.raises(ValueError, match="1 to 64 printable"):
            sending.api_data_header(value)
