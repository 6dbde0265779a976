"""Serializers of rows. Every field is listed here, so a new column is private until it is added."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from cmc_webhooks import history, timezones, wire
from cmc_webhooks.api import permissions
from cmc_webhooks.api.descriptions import DECISION_KINDS, Words
from cmc_webhooks.api.schema import Described
from cmc_webhooks.bounce_codes import bounce_class
from cmc_webhooks.db import long_texts
from cmc_webhooks.models import (
    BlockEvent,
    BounceEvent,
    DeliveryEvent,
    Mail,
    MailEvent,
    Notification,
    RejectedEvent,
    Suppression,
)
from cmc_webhooks.models.querysets import ADDRESS_LENGTH, NAME_LENGTH
from cmc_webhooks.models.suppressions import DECIDED
from cmc_webhooks.statistics import reports
from cmc_webhooks.suppression import lookup, rules

if TYPE_CHECKING:
    from django.db.models import Model

__all__ = [
    "LONGEST_TEXT",
    "AddressSerializer",
    "BlockEventSerializer",
    "BounceEventSerializer",
    "DecisionRecordedSerializer",
    "DecisionSerializer",
    "DeliveryEventSerializer",
    "ForgetSerializer",
    "ForgottenSerializer",
    "LiftSerializer",
    "LiftedSerializer",
    "LookUpSerializer",
    "LookedUp",
    "LookedUpSerializer",
    "MailDetailSerializer",
    "MailSerializer",
    "NotificationSerializer",
    "QuestionSerializer",
    "RejectedEventSerializer",
    "StatisticsQuerySerializer",
    "SuppressionQuerySerializer",
    "TimelineEventSerializer",
    "VerdictSerializer",
]


LONGEST_TEXT = 10_000
"""Characters of a text in a list. Details and files hold texts whole."""


def _shows(serializer: Any, model: type[Model]) -> bool:
    """Return whether the user may view rows of a model. Where the API is described, all is shown."""
    request, view = (serializer.context.get(name) for name in ("request", "view"))
    is_described = getattr(view, "swagger_fake_view", False)  # set by drf-spectacular
    return request is None or is_described or permissions.holds(request, "view", model)


class _ListedSerializer(serializers.Serializer[Any]):
    """Base of the serializers of rows whose long texts are cut in lists. `truncated` names those, if any."""

    sometimes: tuple[str, ...] = ("truncated",)
    """Fields that not every row has."""

    truncated = serializers.SerializerMethodField()

    def to_representation(self, instance: Any) -> Any:
        shown = super().to_representation(instance)
        if not shown.get("truncated"):
            shown.pop("truncated", None)
        return shown

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_truncated(self, row: Any) -> list[str]:
        return [name for name in long_texts.names_of_cut(row) if name in self.fields]


class MailSerializer(Described, _ListedSerializer, serializers.ModelSerializer[Mail]):
    """A mail and its current status."""

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
            "erased_at",
            "truncated",
        )
        read_only_fields = fields


class TimelineEventSerializer(Described, serializers.Serializer[Any]):
    """An event of a mail. Deliveries and bounces have the same fields; those of the other kind are empty.

    `status` is the mail's status by this event alone: a delivery's status, or `bounced`.
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
    """A mail with its timeline, oldest event first."""

    timeline = serializers.SerializerMethodField()

    class Meta(MailSerializer.Meta):
        fields = (*MailSerializer.Meta.fields, "timeline")  # type: ignore[assignment] # one longer
        read_only_fields = fields  # type: ignore[assignment] # one longer

    @extend_schema_field(TimelineEventSerializer(many=True))
    def get_timeline(self, mail: Mail) -> Any:
        return TimelineEventSerializer(history.timeline(mail), many=True).data


_OF_WHO_VIEWS_MAILS = ("subject", "api_data")
_EVENT_FIELDS = (
    *("id", "mail", "message_id", "recipient", *_OF_WHO_VIEWS_MAILS, "server_composition"),
    *("occurred_at", "received_at"),
)


class _OfMailSerializer(Described, _ListedSerializer):
    """Base of the serializers of events: what they share with their mail, as far as the user may see it."""

    sometimes = (*_ListedSerializer.sometimes, *_OF_WHO_VIEWS_MAILS)
    meanings = {
        "subject": "The mail's decoded subject; only for users with the permission view_mail.",
        "api_data": "The mail's own reference at the sender; only for users with the permission view_mail.",
    }

    mail = serializers.UUIDField(source="mail_id", read_only=True)
    subject = serializers.CharField(source="mail.subject", read_only=True)
    api_data = serializers.CharField(source="mail.api_data", read_only=True)
    server_composition = serializers.CharField(source="mail.server_composition", read_only=True)

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        if not _shows(self, Mail):
            for name in _OF_WHO_VIEWS_MAILS:
                del fields[name]
        return fields


class DeliveryEventSerializer(_OfMailSerializer, serializers.ModelSerializer[DeliveryEvent]):
    """A step in the delivery of a mail; `mail` is the key of its mail."""

    class Meta:
        model = DeliveryEvent
        fields = (*_EVENT_FIELDS, "status", "reason", "source_ip", "sender_ip", "extra", "truncated")
        read_only_fields = fields


class BounceEventSerializer(_OfMailSerializer, serializers.ModelSerializer[BounceEvent]):
    """An error reported by a server or a returned mail; `mail` is the key of its mail."""

    class Meta:
        model = BounceEvent
        fields = (*_EVENT_FIELDS, "bounce_code", "bounce_class", "reason", "extra", "truncated")
        read_only_fields = fields


class BlockEventSerializer(Described, _ListedSerializer, serializers.ModelSerializer[BlockEvent]):
    """An operation on CMC's list of blocked addresses; `raw` holds everything that was sent."""

    meanings = {"server_composition": "The server composition at CMC whose list it is."}

    bounce_class = serializers.SerializerMethodField()

    class Meta:
        model = BlockEvent
        fields = (
            *("id", "address", "server_composition", "occurred_at", "received_at"),
            *("bounce_code", "bounce_class", "occurrences", "raw", "truncated"),
        )
        read_only_fields = fields

    def get_bounce_class(self, block: BlockEvent) -> str:
        return bounce_class(block.bounce_code).value


class NotificationSerializer(Described, serializers.ModelSerializer[Notification]):
    """A notification, as numbers of the events that arrived together."""

    # A plain text, whose values the schema lists; DRF removes the field from the class
    source = serializers.CharField(read_only=True)  # type: ignore[assignment] # see above

    class Meta:
        model = Notification
        fields = (
            *("id", "received_at", "source", "event_type", "server_composition"),
            *("new", "repeated", "rejected"),
        )
        read_only_fields = fields


class RejectedEventSerializer(Described, _ListedSerializer, serializers.ModelSerializer[RejectedEvent]):
    """An event that could not be stored: the event as sent, and the error."""

    examples = {"raw": '{"to": [], "status": "queued"}'}

    class Meta:
        model = RejectedEvent
        fields = (
            *("id", "received_at", "event_type", "server_composition"),
            *("position", "error", "raw", "resolved_at", "dismissed_at", "truncated"),
        )
        read_only_fields = fields


class _MomentField(serializers.DateTimeField):
    """An aware time, serialised like the times of rows, also where USE_TZ is off."""

    def to_representation(self, value: Any) -> Any:
        return super().to_representation(timezones.to_stored(value))


class ClassCountSerializer(Described, serializers.Serializer[Any]):
    """The number of the latest mails that bounced with one class."""

    bounce_class = serializers.CharField(read_only=True)
    mails = serializers.IntegerField(read_only=True)


class ReasonSerializer(Described, serializers.Serializer[rules.Reason]):
    """One reason why mail may not be sent to an address."""

    forbidden_by = serializers.CharField(source="reason", read_only=True)
    forbidden_since = _MomentField(source="since", read_only=True)
    forbidden_until = _MomentField(source="until", read_only=True, allow_null=True)
    composition = serializers.CharField(read_only=True)
    at_cmc = serializers.BooleanField(read_only=True)
    number = serializers.IntegerField(read_only=True)


class VerdictSerializer(Described, serializers.Serializer[Any]):
    """Whether mail may be sent to an address, and all that forbids it."""

    may_be_empty = frozenset({"forbidden_by"})

    address = serializers.CharField(read_only=True)
    may_send = serializers.BooleanField(source="verdict.may_send", read_only=True)
    forbidden_by = serializers.CharField(source="verdict.reason", read_only=True)
    forbidden_since = _MomentField(source="verdict.since", read_only=True, allow_null=True)
    forbidden_until = _MomentField(source="verdict.until", read_only=True, allow_null=True)
    composition = serializers.CharField(source="verdict.composition", read_only=True)
    at_cmc = serializers.BooleanField(source="verdict.at_cmc", read_only=True)
    reasons = ReasonSerializer(many=True, read_only=True)


class LookedUp(NamedTuple):
    """An address that was looked up: as it was asked for, as it is stored, the verdict and its reasons."""

    asked: str
    address: str
    verdict: rules.Verdict
    reasons: tuple[rules.Reason, ...]


class LookedUpSerializer(VerdictSerializer):
    """The verdict on an address, as it was asked for."""

    asked = serializers.CharField(read_only=True)


class LookUpResultsSerializer(Described, serializers.Serializer[Any]):
    """The verdicts on addresses, in the order of the question."""

    meanings = {"results": "One for each address, in the same order; also for one that is given twice."}

    results = LookedUpSerializer(many=True, read_only=True)


class DecisionSerializer(Described, serializers.ModelSerializer[Suppression]):
    """A decision about an address, or what an erasure or a lift at CMC left of it."""

    may_be_empty = frozenset({"forbidden_by"})
    words = {"kind": DECISION_KINDS}
    examples = {"kind": "blocked", "forbidden_by": ""}
    meanings = {
        "kind": "blocked and released are decisions; kept is what an erasure left, lifted was undone at CMC.",
        "composition": "The server composition that it is about; empty for all.",
        "forbidden_by": "The reason that is kept or was lifted; empty for a decision.",
        "until": "When a block, or what is kept, ends; null where it has no end.",
    }

    # Plain texts, whose values the schema lists
    kind = serializers.CharField(read_only=True)
    composition = serializers.CharField(source="server_composition", read_only=True)
    forbidden_by = serializers.CharField(source="reason", read_only=True)

    class Meta:
        model = Suppression
        fields = ("kind", "composition", "forbidden_by", "until", "note", "author", "decided_at")
        read_only_fields = fields


class AddressSerializer(VerdictSerializer):
    """An address: whether mail may be sent to it, its bounces by class, and the latest mails to it."""

    sometimes = ("decisions",)

    cmc_entries = ReasonSerializer(source="at_cmc", many=True, read_only=True)
    bounces = serializers.SerializerMethodField()
    latest = serializers.SerializerMethodField()
    decisions = DecisionSerializer(many=True, read_only=True)

    def get_fields(self) -> dict[str, Any]:
        """Return the fields: the decisions, whose notes are personal, only for who may view them."""
        fields = super().get_fields()
        if not _shows(self, Suppression):
            del fields["decisions"]
        return fields

    @extend_schema_field(MailSerializer(many=True))
    def get_latest(self, address: lookup.Address) -> Any:
        texts = long_texts.LongTexts(address.latest, LONGEST_TEXT)
        mails = list(texts.queryset)
        texts.fill(mails)
        return MailSerializer(mails, many=True, context=self.context).data

    @extend_schema_field(ClassCountSerializer(many=True))
    def get_bounces(self, address: lookup.Address) -> Any:
        counts = [{"bounce_class": kind, "mails": mails} for kind, mails in sorted(address.bounces.items())]
        return ClassCountSerializer(counts, many=True).data


class QuestionSerializer(serializers.Serializer[Any]):
    """The parameters of a question: what is the mail for that is to be sent?"""

    composition = serializers.CharField(
        default=None, trim_whitespace=False, allow_blank=True, max_length=NAME_LENGTH
    )
    transactional = serializers.BooleanField(default=False)

    def validate_composition(self, name: str | None) -> str | None:
        return name or None


class SuppressionQuerySerializer(QuestionSerializer):
    """The parameters of `suppressions/`: the question, and which of the addresses are listed."""

    reason = serializers.ChoiceField(
        choices=rules.REASONS,
        default="",
        error_messages={"invalid_choice": f"Must be one of: {', '.join(rules.REASONS)}."},
    )
    domain = serializers.CharField(default="", max_length=NAME_LENGTH + 1)


class _Body(Described, serializers.Serializer[Any]):
    """Base of the bodies of requests, in which a field that is unknown is rejected, never ignored."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            for name in data.keys() - self.fields.keys():
                allowed = ", ".join(sorted(self.fields))
                raise serializers.ValidationError(
                    {"detail": [f"Unknown field {name[:64]!a}. Must be one of: {allowed}."]}
                )
        return super().to_internal_value(data)


class AddressField(serializers.CharField):
    """An address in any spelling, short enough to be looked up together with others, and to be stored.

    Longer ones are compared one at a time, which `addresses/{address}/` does.
    """

    LONGEST = 500
    """Characters with the display name and comments, which are read one by one."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=self.LONGEST, **kwargs)

    def run_validators(self, value: Any) -> None:
        super().run_validators(value)
        if len(wire.canonical_mailbox(value)) > ADDRESS_LENGTH:
            raise serializers.ValidationError(f"An address has at most {ADDRESS_LENGTH} characters.")


class LookUpSerializer(QuestionSerializer, _Body):
    """The addresses to look up, and what the mail is for."""

    MOST = 1000

    meanings = {
        "composition": "The server composition that the mail is to be sent through; null for any.",
        "transactional": "Whether its recipient asked for the mail, such as a password reset.",
    }

    addresses = serializers.ListField(
        child=AddressField(trim_whitespace=False),
        min_length=1,
        max_length=MOST,
    )
    composition = serializers.CharField(
        default=None, allow_null=True, trim_whitespace=False, allow_blank=True, max_length=NAME_LENGTH
    )


class _AboutAddress(_Body):
    """The fields of every request that decides about an address."""

    address = AddressField()
    composition = serializers.CharField(
        default="", allow_blank=True, trim_whitespace=False, max_length=NAME_LENGTH
    )
    note = serializers.CharField(default="", allow_blank=True, max_length=255)


class _EndField(serializers.DateTimeField):
    """A time as an aware one within the calendar, also where USE_TZ is off."""

    def default_timezone(self) -> Any:
        return timezone.get_current_timezone()

    def to_internal_value(self, value: Any) -> Any:
        try:
            return timezones.within_calendar(super().to_internal_value(value))
        except OverflowError:
            self.fail("overflow")


class DecideSerializer(_AboutAddress):
    """A decision: that no mail is sent to an address, or that what forbids it so far is forgiven."""

    words = {
        "kind": Words(
            "CmcBlockOrRelease",
            "blocked: no mail is sent. released: what was reported so far no longer forbids it.",
            [*DECIDED],
        )
    }
    examples = {"kind": "blocked"}
    meanings = {
        "address": "An address in any spelling.",
        "composition": "The server composition that it is about; empty for all.",
        "kind": "blocked or released.",
        "until": "When a block ends, in ISO 8601; without an offset, in the active zone; null for no end."
        " A release has none.",
    }

    kind = serializers.ChoiceField(choices=list(DECIDED))
    until = _EndField(default=None, allow_null=True)
    replace = serializers.BooleanField(default=False)


class ForgetSerializer(_AboutAddress):
    """Which decision is withdrawn."""

    meanings = {
        "address": "An address in any spelling, also of a person whose data was erased.",
        "composition": "The server composition that the decision is about; empty for all.",
        "note": "Kept in the trail of personal data; do not name anyone here.",
    }


class LiftSerializer(_AboutAddress):
    """Which entry of CMC's own lists is removed at CMC."""

    may_be_empty = frozenset({"reason"})
    words = {"reason": Words("CmcList", "One of CMC's own lists.", (rules.BLOCKED, rules.UNSUBSCRIBED))}
    examples = {"reason": "blocked", "composition": "pro"}
    meanings = {
        "address": "An address in any spelling.",
        "composition": "The server composition whose list has the address.",
        "reason": "Which list; empty for each that is known to have the address.",
        "note": "Kept in the trail of personal data; do not name anyone here.",
    }

    composition = serializers.CharField(trim_whitespace=False, max_length=NAME_LENGTH)
    reason = serializers.ChoiceField(
        choices=(rules.BLOCKED, rules.UNSUBSCRIBED), default="", allow_blank=True
    )


class DecisionRecordedSerializer(Described, serializers.Serializer[Any]):
    """A decision that was recorded, and what holds now."""

    decision = DecisionSerializer(read_only=True)
    replaced = DecisionSerializer(read_only=True, allow_null=True)
    cmc_entries = ReasonSerializer(many=True, read_only=True)
    now = VerdictSerializer(read_only=True)


class ForgottenSerializer(Described, serializers.Serializer[Any]):
    """Whether there was a decision to withdraw, and what holds now."""

    forgotten = serializers.BooleanField(read_only=True)
    now = VerdictSerializer(read_only=True)


class LiftResultSerializer(Described, serializers.Serializer[Any]):
    """One attempt to remove an entry at CMC."""

    words = LiftSerializer.words
    examples = {"reason": "blocked"}
    meanings = {"reason": "The list."}

    reason = serializers.CharField(read_only=True)
    done = serializers.BooleanField(source="is_done", read_only=True)
    answer = serializers.CharField(read_only=True)


class LiftedSerializer(Described, serializers.Serializer[Any]):
    """What CMC answered, and what holds now."""

    meanings = {"results": "One for each list; none if no list is known to have the address."}

    results = LiftResultSerializer(many=True, read_only=True)
    now = VerdictSerializer(read_only=True)


class StatisticsRowSerializer(Described, serializers.Serializer[Any]):
    """A statistics row: the requested columns and the number of mails; of domains also the outcomes."""

    may_be_empty = frozenset({"bounce_class"})
    always = ("mails",)
    """Fields that every row has."""

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
    """The first and last day counted. `from` is a Python keyword, which cannot name a class attribute."""

    def get_fields(self) -> dict[str, Any]:
        days = {name: serializers.DateField(read_only=True) for name in ("from", "to")}
        return {**days, **super().get_fields()}


class StatisticsSerializer(Described, _DaysSerializer):
    """The statistics of a range of days."""

    results = StatisticsRowSerializer(many=True, read_only=True)


class StatisticsQuerySerializer(serializers.Serializer[Any]):
    """The parameters of `stats/`: what to sum by, and days of the project's TIME_ZONE, both ends included."""

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
            raise serializers.ValidationError(f"Must be one or more of: {', '.join(self.GROUPS)}.")
        if "domain" in groups and not set(groups) <= set(reports.OF_DOMAINS):
            raise serializers.ValidationError(f"With domain, must be among: {', '.join(reports.OF_DOMAINS)}.")
        return groups

    def validate(self, values: Any) -> Any:
        last = timezones.day_within_calendar(values.get("to") or timezones.today())
        first = timezones.day_within_calendar(values.get("from") or last - timedelta(days=29))
        if not 0 <= (last - first).days < self.MOST_DAYS:
            raise serializers.ValidationError(
                {
                    "from": [
                        f"From 1 to {self.MOST_DAYS} days are allowed, and `to` must not come before `from`."
                    ]
                }
            )
        return {**values, "from": first, "to": last}

    def chosen(self) -> reports.Scope:
        """Return the validated days and server composition as a range."""
        values = self.validated_data
        days = timezones.DateRange(values["from"], values["to"])
        return reports.Scope(days, values["server_composition"])
