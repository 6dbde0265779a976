"""Rows as JSON. Every field is named here: a new column is private until it is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from cmc_webhooks import figures, history, keyset, rows, suppression
from cmc_webhooks.api.schema import Described
from cmc_webhooks.models import (
    BlockEvent,
    BounceEvent,
    DeliveryEvent,
    Mail,
    MailEvent,
    Notification,
    RejectedEvent,
)
from cmc_webhooks.status import bounce_class

__all__ = [
    "AddressSerializer",
    "BlockEventSerializer",
    "BounceEventSerializer",
    "DeliveryEventSerializer",
    "MailDetailSerializer",
    "MailSerializer",
    "NotificationSerializer",
    "RejectedEventSerializer",
    "StatisticsQuerySerializer",
    "TimelineEventSerializer",
]


class MailSerializer(Described, serializers.ModelSerializer[Mail]):
    """A mail and where it stands."""

    may_be_empty = frozenset({"bounce_class"})

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


class TimelineEventSerializer(Described, serializers.Serializer[Any]):
    """One event of a mail, the same fields for deliveries and bounces; what the other kind has is empty.

    `status` is what this event alone says of its mail: a delivery's status, or `bounced`.
    """

    may_be_empty = frozenset({"bounce_class"})

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

    @extend_schema_field(TimelineEventSerializer(many=True))
    def get_timeline(self, mail: Mail) -> Any:
        return TimelineEventSerializer(history.timeline(mail), many=True).data


_EVENT_FIELDS = ("id", "mail", "message_id", "recipient", "occurred_at", "received_at")


class DeliveryEventSerializer(Described, serializers.ModelSerializer[DeliveryEvent]):
    """A step on a mail's way; `mail` is its key."""

    mail = serializers.UUIDField(source="mail_id", read_only=True)

    class Meta:
        model = DeliveryEvent
        fields = (*_EVENT_FIELDS, "status", "reason", "source_ip", "sender_ip", "extra")
        read_only_fields = fields


class BounceEventSerializer(Described, serializers.ModelSerializer[BounceEvent]):
    """An error told by a server or a returned mail; `mail` is the key of its mail."""

    mail = serializers.UUIDField(source="mail_id", read_only=True)

    class Meta:
        model = BounceEvent
        fields = (*_EVENT_FIELDS, "bounce_code", "bounce_class", "reason", "extra")
        read_only_fields = fields


class BlockEventSerializer(Described, serializers.ModelSerializer[BlockEvent]):
    """An operation on CMC's list of blocked addresses; `raw` is all that was sent."""

    bounce_class = serializers.SerializerMethodField()

    class Meta:
        model = BlockEvent
        fields = (
            *("id", "address", "occurred_at", "received_at"),
            *("bounce_code", "bounce_class", "occurrences", "raw"),
        )
        read_only_fields = fields

    def get_bounce_class(self, block: BlockEvent) -> str:
        return bounce_class(block.bounce_code).value


class NotificationSerializer(Described, serializers.ModelSerializer[Notification]):
    """Events that came together, as counts."""

    # A plain text, whose words the schema names; DRF takes the field out of the class
    source = serializers.CharField(read_only=True)  # type: ignore[assignment] # see above

    class Meta:
        model = Notification
        fields = (
            *("id", "received_at", "source", "event_type", "server_composition"),
            *("new", "repeated", "rejected"),
        )
        read_only_fields = fields


class RejectedEventSerializer(Described, serializers.ModelSerializer[RejectedEvent]):
    """An event that could not be stored: what was sent, and why not."""

    examples = {"raw": '{"to": [], "status": "queued"}'}

    class Meta:
        model = RejectedEvent
        fields = (
            *("id", "received_at", "event_type", "server_composition"),
            *("position", "error", "raw", "resolved_at"),
        )
        read_only_fields = fields


class _MomentField(serializers.DateTimeField):
    """An aware time, told as times of rows are, also where USE_TZ is off."""

    def to_representation(self, value: Any) -> Any:
        return super().to_representation(rows.stored(value))


class ClassCountSerializer(Described, serializers.Serializer[Any]):
    """How many of the latest mails bounced with one class."""

    bounce_class = serializers.CharField(read_only=True)
    mails = serializers.IntegerField(read_only=True)


class AddressSerializer(Described, serializers.Serializer[suppression.Address]):
    """An address: whether one may send to it, its bounces by class, and the latest mails to it."""

    may_be_empty = frozenset({"forbidden_by"})

    address = serializers.CharField(read_only=True)
    may_send = serializers.BooleanField(source="verdict.may_send", read_only=True)
    forbidden_by = serializers.CharField(source="verdict.reason", read_only=True)
    forbidden_since = _MomentField(source="verdict.since", read_only=True, allow_null=True)
    forbidden_until = _MomentField(source="verdict.until", read_only=True, allow_null=True)
    bounces = serializers.SerializerMethodField()
    latest = MailSerializer(many=True, read_only=True)

    @extend_schema_field(ClassCountSerializer(many=True))
    def get_bounces(self, address: suppression.Address) -> Any:
        counts = [{"bounce_class": kind, "mails": mails} for kind, mails in sorted(address.bounces.items())]
        return ClassCountSerializer(counts, many=True).data


class StatisticsRowSerializer(Described, serializers.Serializer[Any]):
    """A sum: the columns that were asked for, and how many mails; of a domain also what became of them."""

    may_be_empty = frozenset({"bounce_class"})
    always = ("mails",)
    """What no row lacks."""

    day = serializers.DateField(required=False, read_only=True)
    status = serializers.CharField(required=False, read_only=True)
    bounce_class = serializers.CharField(required=False, read_only=True)
    server_composition = serializers.CharField(required=False, read_only=True)
    domain = serializers.CharField(required=False, read_only=True)
    mails = serializers.IntegerField(read_only=True)
    succeeded = serializers.IntegerField(required=False, read_only=True)
    failed = serializers.IntegerField(required=False, read_only=True)
    bounced = serializers.IntegerField(required=False, read_only=True)


class _DaysSerializer(serializers.Serializer[Any]):
    """The days that are counted; `from` is no name that Python has for a field."""

    def get_fields(self) -> dict[str, Any]:
        days = {name: serializers.DateField(read_only=True) for name in ("from", "to")}
        return {**days, **super().get_fields()}


class StatisticsSerializer(Described, _DaysSerializer):
    """The sums of some days."""

    results = StatisticsRowSerializer(many=True, read_only=True)


class StatisticsQuerySerializer(serializers.Serializer[Any]):
    """What `stats/` is asked: days of the project's TIME_ZONE, both ends among them, and what to sum by."""

    GROUPS = ("day", "status", "bounce_class", "server_composition", "domain")
    MOST_DAYS = 366

    by = serializers.CharField(default="day,status")
    server_composition = serializers.CharField(default=None, trim_whitespace=False, max_length=255)

    def get_fields(self) -> dict[str, Any]:
        days = {name: serializers.DateField(required=False) for name in ("from", "to")}
        return {**super().get_fields(), **days}

    def validate_by(self, text: str) -> list[str]:
        groups = text.split(",")
        if not set(groups) <= set(self.GROUPS) or len(set(groups)) != len(groups):
            raise serializers.ValidationError(f"A list of these is allowed: {', '.join(self.GROUPS)}.")
        if "domain" in groups and not set(groups) <= set(figures.OF_DOMAINS):
            raise serializers.ValidationError(
                f"With domain these are allowed: {', '.join(figures.OF_DOMAINS)}."
            )
        return groups

    def validate(self, values: Any) -> Any:
        last = values.get("to") or figures.today()
        if last.year not in keyset.YEARS:
            allowed = f"The years {keyset.YEARS.start} to {keyset.YEARS.stop - 1} are allowed."
            raise serializers.ValidationError({"to": [allowed]})
        first = values.get("from") or last - timedelta(days=29)
        if not 0 <= (last - first).days < self.MOST_DAYS:
            raise serializers.ValidationError(
                {
                    "from": [
                        f"From 1 to {self.MOST_DAYS} days are allowed, and `to` must not come before `from`."
                    ]
                }
            )
        return {**values, "from": first, "to": last}

    def chosen(self) -> figures.Range:
        """The valid values."""
        values = self.validated_data
        return figures.Range(values["from"], values["to"], values["server_composition"])
