"""Bodies as text for people: what is kept of a body that is not a notification."""

from __future__ import annotations

import re
from typing import Any

from cmc_webhooks.wire import api_keys, body
from cmc_webhooks.wire.records import json_text
from cmc_webhooks.wire.text import clean

__all__ = ["MASKED_KEY", "is_empty", "readable"]

MASKED_KEY = "[api_key]"
_KEY = re.compile(r'("api_key"\s*+:\s*+")(?:[^"\\]|\\.)*+', re.DOTALL)


def is_empty(sent: bytes, content_type: str = "") -> bool:
    """Return whether a body has nothing in it, or nothing but an API key."""
    try:
        fields = _fields(sent, content_type)
    except (body.BadBody, body.UnsupportedCharset):
        return not sent.strip(b" \t\r\n\v\f\xef\xbb\xbf")
    return fields is not None and {name for name, _ in fields} <= {api_keys.API_KEY}


def readable(sent: bytes, content_type: str = "", most: int = 2**20) -> str:
    """Return the text of a body without its API key, at most about `most` characters.

    A form becomes a JSON object of its fields, so that `decode` reads it again and its words are not escaped
    twice. What cannot be parsed is returned as it came. Other secrets are not removed.
    """
    keys = _keys(sent, content_type)
    try:
        fields = _fields(sent, content_type)
        charset = body.layout(sent, content_type).charset
    except (body.BadBody, body.UnsupportedCharset):
        fields, charset = None, "utf-8"
    if fields is None or _is_json(sent, content_type):
        text = sent[: 4 * most].decode(charset, "replace")
    else:
        members = (f"{json_text(name)}: {json_text(value)}" for name, value in fields)
        text = f"{{{', '.join(members)}}}"  # a field that is given twice still is
    text = _KEY.sub(rf"\g<1>{MASKED_KEY}", clean(text[:most]))
    for key in keys:
        text = text.replace(json_text(key)[1:-1], MASKED_KEY).replace(key, MASKED_KEY)
    return text


def _keys(sent: bytes, content_type: str) -> list[str]:
    """Return the API keys of a body, the longest first."""
    found = []
    try:
        for value in api_keys.api_keys_in(sent, content_type):
            if isinstance(value, str) and value:
                found.append(value)
    except (body.BadBody, body.UnsupportedCharset):
        pass  # those before the fault are known
    return sorted(found, key=len, reverse=True)


def _is_json(sent: bytes, content_type: str) -> bool:
    return body.layout(sent, content_type).is_json


def _fields(sent: bytes, content_type: str) -> list[tuple[str, Any]] | None:
    """Return the names and values of the fields of a body, None if it is JSON but not an object.

    Raises:
        BadBody, UnsupportedCharset: as for `body.decode`.
    """
    start, charset, is_json, boundary = body.layout(sent, content_type)
    if boundary:
        return [(name, value.decode(charset, "replace")) for name, _, value in body.parts(start, boundary)]
    if is_json:
        document = body.load(start.decode(charset, "replace"), "the body")
        return [*document.items()] if isinstance(document, dict) else None
    return body.form_fields(start, charset)
