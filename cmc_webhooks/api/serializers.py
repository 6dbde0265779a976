"""Rows as JSON. Every field is named here: a new column is private until it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework import serializers

from cmc_webhooks import history
from cmc_webhooks.models import BounceEvent, DeliveryEvent, Mail

if TYPE_CHECKING:
    from cmc_webhooks.models import MailEvent

__all__ = [
    "BounceEventSerializer",
    "DeliveryEventSerializer",
    "MailDetailSerializer",
    "MailSerializer",
    "TimelineEventSerializer",
]


class MailSerializer(serializers.ModelSerializer[Mail]):
    """A mail and where it stands."""

    class Meta:
        model = Mail
        fields = (
            "id",
            "message_id",
            "recipient",
            "address",
            "header_from",
            "return_path",
            "subject",
            "api_data",
            "server_composition",
            "status",
            "previous_status",
            "delivery_status",
            "bounce_code",
            "bounce_class",
            "status_at",
            "reason",
            "version",
            "created_at",
            "first_event_at",
            "last_event_at",
        )
        read_only_fields = fields


class TimelineEventSerializer(serializers.Serializer[Any]):
    """One event of a mail, the same fields for deliveries and bounces; what the other kind has is empty.

    `status` is what this event alone says of its mail: a delivery's status, or `bounced`.
    """

    kind = serializers.SerializerMethodField()
    id = serializers.UUIDField(read_only=True)
    occurred_at = serializers.DateTimeField(read_only=True)
    received_at = serializers.DateTimeField(read_only=True)
    status = serializers.CharField(source="state.status", read_only=True)
    bounce_code = serializers.CharField(default="", read_only=True)
    bounce_class = serializers.CharField(default="", read_only=True)
    reason = serializers.CharField(read_only=True)
    source_ip = serializers.CharField(default="", read_only=True)
    sender_ip = serializers.CharField(default="", read_only=True)
    extra = serializers.JSONField(read_only=True)

    def get_kind(self, event: MailEvent) -> str:
        return "bounce" if isinstance(event, BounceEvent) else "delivery"


class MailDetailSerializer(MailSerializer):
    """A mail with its time line, oldest first."""

    timeline = serializers.SerializerMethodField()

    class Meta(MailSerializer.Meta):
        fields = (*MailSerializer.Meta.fields, "timeline")  # type: ignore[assignment] # one longer
        read_only_fields = fields  # type: ignore[assignment] # one longer

    def get_timeline(self, mail: Mail) -> Any:
        return TimelineEventSerializer(history.timeline(mail), many=True).data


_EVENT_FIELDS = ("id", "mail", "message_id", "recipient", "occurred_at", "received_at")


class DeliveryEventSerializer(serializers.ModelSerializer[DeliveryEvent]):
    """A step on a mail's way; `mail` is its key."""

    mail = serializers.UUIDField(source="mail_id", read_only=True)

    class Meta:
        model = DeliveryEvent
        fields = (*_EVENT_FIELDS, "status", "reason", "source_ip", "sender_ip", "extra")
        read_only_fields = fields


class BounceEventSerializer(serializers.ModelSerializer[BounceEvent]):
    """An error told by a server or a returned mail; `mail` is the key of its mail."""

    mail = serializers.UUIDField(source="mail_id", read_only=True)

    class Meta:
        model = BounceEvent
        fields = (*_EVENT_FIELDS, "bounce_code", "bounce_class", "reason", "extra")
        read_only_fields = fields
