"""Helpers for sending mails that can be identified in CMC's events."""

from __future__ import annotations

__all__ = ["API_DATA_HEADER", "api_data_header"]

API_DATA_HEADER = "X-Api-Data"
_LONGEST = 64


def api_data_header(value: str) -> dict[str, str]:
    """Return the header that makes CMC send `value` back as `apiData` with each event of a mail.

    It is for `EmailMessage(headers=...)`. A valid value is 1 to 64 printable ASCII characters, without blanks
    around it and without `=?`. It is one line of the mail. Longer values would be folded or encoded, and
    other characters would be encoded.

    Raises:
        ValueError: the value is not valid.

    Source: https://smtps.jp/docs-en/apiv2/te/deliveries
    """
    is_plain = value.isascii() and value.isprintable() and value == value.strip() and "=?" not in value
    if not is_plain or not 0 < len(value) <= _LONGEST:
        raise ValueError(f"API data is 1 to {_LONGEST} printable characters of ASCII")
    return {API_DATA_HEADER: value}
