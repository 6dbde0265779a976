"""Events -> body, byte for byte as CMC writes it: the inverse of `body` and `notification`.

Source: https://smtps.jp/docs-en/apiv2/webhook/event, https://smtps.jp/docs/apiv1/webhook/event (version 1,
which is never JSON), https://blog.smtps.jp/entry/2023/02/24/110310 (the bytes of a form).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"

_VERSION_1_NAMES = {"returnPath": "envelopeFrom", "to": "envelopeTo"}
_NOT_IN_VERSION_1 = frozenset({"from", "apiData"})
_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Encoded(NamedTuple):
    """The body of one POST and its Content-Type."""

    body: bytes
    content_type: str


def encode(
    event_type: str,
    events: Iterable[Mapping[str, Any]],
    *,
    server_composition: str = "pro",
    api_key: str | None = None,
    form: bool = False,
    version: int = 2,
) -> Encoded:
    """Return one notification. `events` use CMC's names of version 2. Version 1 is always a form."""
    event = {event_type: [_as_version_1(each) if version == 1 else each for each in events]}
    frame: dict[str, Any] = {} if api_key is None else {"api_key": api_key}
    frame |= {"server_composition": server_composition, "event_type": event_type}
    if not (form or version == 1):
        return Encoded(_dumps(frame | {"event": event}).encode(), JSON)
    text = _dumps(event).replace("<", r"\u003C").replace(">", r"\u003E")
    return Encoded(urlencode(frame | {"event": text}).encode(), FORM)


def _as_version_1(event: Mapping[str, Any]) -> dict[str, Any]:
    return {
        _VERSION_1_NAMES.get(name, name): value
        for name, value in event.items()
        if name not in _NOT_IN_VERSION_1
    }
