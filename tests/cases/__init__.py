"""Recorded cases (`cases/public.md`, kinds A to T) through HTTP, and the adapter that they are checked with.

Values go by CMC's names: `rows("delivery")` are stored rows as dicts, `links(bounce)` the deliveries of the
mail that a bounce is tied to. What is posted through here has sent its signals when the answer is back.
"""

from __future__ import annotations

import json
from typing import Any

from django.test import TestCase

from cmc_webhooks import models
from tests.conftest import CASES, Hook

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
"""Stands where characters were that no database takes."""
DELIVERY_FIELDS = (
    "messageId",
    "from",
    "to",
    "returnPath",
    "subject",
    "apiData",
    "status",
    "reason",
    "sourceIp",
    "senderIp",
)
"""The fields of a delivery that are texts, as CMC names them."""

INDEX = json.loads((CASES / "index.json").read_text())

_TYPES = {"delivery": models.DeliveryEvent, "bounce": models.BounceEvent}
_MAIL_COLUMNS = {
    "messageId": "message_id",
    "from": "header_from",
    "to": "recipient",
    "returnPath": "return_path",
    "subject": "subject",
    "apiData": "api_data",
    "server_composition": "server_composition",
}
_EVENT_COLUMNS = {
    "delivery": {"reason": "reason", "status": "status", "sourceIp": "source_ip", "senderIp": "sender_ip"},
    "bounce": {"reason": "reason", "status": "bounce_code"},
}
TABLES = (
    models.Mail,
    models.DeliveryEvent,
    models.BounceEvent,
    models.BlockEvent,
    models.RejectedEvent,
    models.Notification,
    models.PendingSignal,
)


def post(hook: Hook, body: bytes, content_type: str = "application/json", **headers: str) -> Any:
    """POST a body byte for byte, then do what waits for the commit."""
    with TestCase.captureOnCommitCallbacks(execute=True):
        return hook.post(body, content_type, **headers)


def send(hook: Hook, event_type: str, *events: Any, **frame: Any) -> Any:
    """POST these events as JSON without a key; `frame` are further or other fields of the frame."""
    body = {"event_type": event_type, "server_composition": "pro", "event": {event_type: events}} | frame
    return post(hook, json.dumps(body).encode())


def notification(*deliveries: dict[str, Any]) -> bytes:
    """The JSON body of a notification of these deliveries, in UTF-8."""
    frame = {"event_type": "deliveries", "server_composition": "pro", "event": {"deliveries": deliveries}}
    return json.dumps(frame, ensure_ascii=False).encode()


def play(hook: Hook, case: str) -> list[Any]:
    """POST the recorded bodies of a case in their order, as the index says; the answers."""
    return [
        post(
            hook,
            (CASES / request["file"]).read_bytes(),
            request["content_type"],
            **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in request["headers"].items()},
        )
        for request in INDEX[case]["requests"]
    ]


def codes(answers: list[Any]) -> list[int]:
    return [answer.status_code for answer in answers]


def recorded(name: str) -> list[dict[str, Any]]:
    """The events inside a recorded JSON body, as they were sent."""
    frame = json.loads((CASES / name).read_text())
    return frame["event"][frame["event_type"]]


def rows(kind: str) -> list[dict[str, Any]]:
    """All stored events of a kind by CMC's names, `created` aware, ordered by message, recipient, time."""
    events = _TYPES[kind].objects.select_related("mail")
    return sorted((_row(kind, event) for event in events), key=_place)


def row(kind: str) -> dict[str, Any]:
    """The only stored event of a kind."""
    (only,) = rows(kind)
    return only


def links(bounce: dict[str, Any]) -> list[dict[str, Any]]:
    """The deliveries of the mail that a bounce belongs to."""
    return [_row("delivery", event) for event in bounce["event"].mail.delivery_events.all()]


def stored() -> dict[str, int]:
    """How many rows each table holds, those that hold none left out."""
    return {model.__name__: number for model in TABLES if (number := model.objects.count())}


def _row(kind: str, event: Any) -> dict[str, Any]:
    values = {
        **{name: getattr(event.mail, column) for name, column in _MAIL_COLUMNS.items()},
        **{name: getattr(event, column) for name, column in _EVENT_COLUMNS[kind].items()},
    }
    whole = {name: value for name, value in event.extra.items() if name in values}
    return values | whole | {"created": event.occurred_at, "event": event}


def _place(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["messageId"], row["to"], row["created"], row["event"].pk
