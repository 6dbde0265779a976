"""What OpenAPI says of the API: each field with what it means, its unit or zone, and an example."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Described", "HistorySchema", "StatisticsSchema"]

FIELDS: Mapping[str, tuple[str, Any]] = {
    "id": ("The key of the row, a UUID of version 8 (RFC 9562).", "0185e93d-4990-8006-b576-638a9971be14"),
    "mail": ("The key of the event's mail.", "2b1c2d9e-57a4-8c1f-b0a1-5d2f5a0c9e77"),
    "message_id": ("The Message-ID header as first sent, with its angle brackets.", "<1f2e@shop.example.jp>"),
    "recipient": ("The envelope recipient (RCPT TO) as first sent.", "Hanako@example.jp"),
    "address": ("The bare address in lower case.", "hanako@example.jp"),
    "header_from": ("The From header, not the envelope sender.", "info@shop.example.jp"),
    "return_path": ("The envelope sender (MAIL FROM), where bounces go.", "bounce@shop.example.jp"),
    "subject": ("The decoded subject; empty where the project does not store subjects.", "ご予約の確認"),
    "api_data": ("The sending project's own reference, from its X-Api-Data header.", "order-20314"),
    "server_composition": ("The server composition at CMC that sent the mail.", "pro"),
    "status": (
        "queued, deferred, succeeded (handed over, no proof of reading), failed, bounced, or any other word.",
        "bounced",
    ),
    "previous_status": ("The status before the last change; empty for a new mail.", "failed"),
    "delivery_status": (
        "What the deliveries alone say; beside bounced it tells refused from returned.",
        "failed",
    ),
    "bounce_code": ("CMC's number of the cause as text; empty without a bounce.", "2"),
    "bounce_class": ("hard, soft, policy, message, suppressed or unknown; empty without a bounce.", "hard"),
    "status_at": (
        "When the event that decided the status happened, by CMC's clock.",
        "2023-01-25T14:06:07+09:00",
    ),
    "reason": ("The remote server's answer, unparsed.", "550 5.1.1 user unknown"),
    "version": ("The number of changes of the status so far: the greater one is the later.", 2),
    "created_at": ("When the mail's first event was received.", "2023-01-25T14:03:07.123456+09:00"),
    "first_event_at": ("The earliest time of its events, by CMC's clock.", "2023-01-25T14:03:06+09:00"),
    "last_event_at": ("The latest time of its events, by CMC's clock.", "2023-01-25T14:06:07+09:00"),
    "occurred_at": (
        "When it happened, by CMC's clock; the time of receipt if none was sent.",
        "2023-01-25T14:06:07+09:00",
    ),
    "received_at": ("When it was received.", "2023-01-25T14:06:08.654321+09:00"),
    "source_ip": ("The address that handed the mail to CMC.", "192.0.2.10"),
    "sender_ip": ("The address that CMC sent the mail from.", "198.51.100.7"),
    "extra": (
        "By CMC's names: what has no field, differs from the mail's, or was cut; any JSON.",
        {"campaign": "7"},
    ),
    "kind": ("delivery or bounce.", "bounce"),
    "timeline": ("All events of the mail, oldest first by CMC's clock, the latest 500 of each kind.", None),
    "may_send": ("Whether one may send to the address, as far as its mails and CMC's own list tell.", False),
    "forbidden_by": (
        "What forbids it: the bounce class hard, soft or suppressed, or by_hand; empty where one may send.",
        "hard",
    ),
    "forbidden_since": ("When that bounce happened, by CMC's clock.", "2023-01-25T14:06:07+09:00"),
    "bounces": ("How many of the latest 1,000 mails to it bounced, by class.", None),
    "latest": ("The latest 20 mails to it, the one received last first.", None),
    "occurrences": ("How often CMC says it occurred, as sent.", "1"),
    "raw": ("What was sent, without secrets.", None),
    "source": (
        "webhook (posted by CMC), rest (fetched by cmc_backfill) or retry (rejected events, read again).",
        "webhook",
    ),
    "event_type": ("CMC's word for the kind of the events.", "deliveries"),
    "new": ("Events that were new, a number.", 98),
    "repeated": ("Events that were known already, a number.", 2),
    "rejected": ("Events that could not be stored, a number.", 0),
    "position": ("The place of the event in its list, from 0.", 3),
    "error": ("What was wrong, and where.", "event.deliveries[3]: to is not text"),
    "resolved_at": ("When it was read and stored after all; null while it is open.", None),
    "mails": ("How many mails, a number.", 1205),
    "succeeded": ("How many of them were handed over, a number.", 1180),
    "failed": ("How many of them were refused without a bounce, a number.", 5),
    "bounced": ("How many of them bounced, a number.", 20),
    "day": ("The day of the mails' first receipt, in the project's zone.", "2023-01-25"),
    "domain": ("The recipients' domain; empty for all that are not among the largest.", "example.jp"),
}
"""By name: what a field means, and an example."""


class Described:
    """Gives each field of a serializer its description."""

    def get_fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = super().get_fields()  # type: ignore[misc] # a serializer's
        for name, field in fields.items():
            if name in FIELDS and not field.help_text:
                field.help_text = FIELDS[name][0]
        return fields


class HistorySchema(AutoSchema):
    """Examples beside the descriptions, whatever schema class the project has by default."""

    def _map_serializer(self, serializer: Any, direction: Any, bypass_extensions: bool = False) -> Any:
        mapped: Any = super()._map_serializer  # type: ignore[no-untyped-call,unused-ignore]
        schema = mapped(serializer, direction, bypass_extensions)
        if always := getattr(serializer, "always", None):
            schema["required"] = sorted(always)
        for name, field in schema.get("properties", {}).items():
            example = FIELDS.get(name, ("", None))[1]
            if example is not None and "$ref" not in field and "allOf" not in field:
                field["examples"] = [example]
        return schema

    def _get_parameters(self) -> Any:
        parameters = super()._get_parameters()  # type: ignore[no-untyped-call,unused-ignore]
        for parameter in parameters:
            values = parameter["schema"].get("enum")
            if parameter["in"] == "query" and values and "" not in values:
                parameter["schema"]["enum"] = [*values, ""]  # as if it was not given: forms send such fields
            if parameter["name"] == "format":
                parameter["description"] = "Instead of the Accept header; csv and jsonl are all rows at once."
        return parameters


class StatisticsSchema(HistorySchema):
    """`stats/`: one answer, not a list of rows of a table."""

    def get_override_parameters(self) -> list[Any]:
        return [
            OpenApiParameter("from", OpenApiTypes.DATE, description="The first day, in the project's zone."),
            OpenApiParameter("to", OpenApiTypes.DATE, description="The last day; today by default."),
            OpenApiParameter("server_composition", description="The very text."),
            OpenApiParameter(
                "by",
                description="day, status, bounce_class, server_composition, with commas between them; or"
                " domain alone. By default: day,status.",
            ),
        ]

    def _is_list_view(self, serializer: Any = None) -> bool:
        return False
