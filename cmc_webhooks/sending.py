"""What a project does when it sends, so that its mails can be told apart when CMC speaks of them."""

from __future__ import annotations

__all__ = ["API_DATA_HEADER", "api_data_header"]

API_DATA_HEADER = "X-Api-Data"
_LONGEST = 64


def api_data_header(value: str) -> dict[str, str]:
    """The header that makes CMC send `value` back as `apiData` with each event of a mail.

    For `EmailMessage(headers=...)`. It is 1 to 64 printable characters of ASCII, without blanks around it and
    without `=?`: then it is one line of the mail. What is longer is folded or encoded, as other letters are.

    Raises:
        ValueError: it is not.

    Source: https://smtps.jp/docs-en/apiv2/te/deliveries
    """
    is_plain = value.isascii() and value.isprintable() and value == value.strip() and "=?" not in value
    if not is_plain or not 0 < len(value) <= _LONGEST:
        raise ValueError(f"API data is 1 to {_LONGEST} printable characters of ASCII")
    return {API_DATA_HEADER: value}
