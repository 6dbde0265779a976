"""Query methods that accept any spelling and use the indexes: by message, address, sender, domain, time."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self, TypeVar

from django.db import connections, models
from django.db.models import F, Q, Value
from django.db.models.functions import StrIndex
from django.db.models.lookups import GreaterThan

from cmc_webhooks import wire
from cmc_webhooks.bounce_codes import BOUNCE_CODES, BounceClass
from cmc_webhooks.db.session import keep_join_order
from cmc_webhooks.db.text import exactly, is_exactly, one_of
from cmc_webhooks.models.api_data import api_data_of
from cmc_webhooks.timezones import bound_to_stored, utc_wall_clock

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from django.db.models.fields.related_descriptors import RelatedManager

    from cmc_webhooks.models import BlockEvent, BounceEvent, DeliveryEvent, Mail, MailEvent, Notification
    from cmc_webhooks.models.events import Event

__all__ = [
    "ADDRESS_LENGTH",
    "NAME_LENGTH",
    "USUAL_STATUSES",
    "BlockEventQuerySet",
    "DeliveryEventQuerySet",
    "MailEventQuerySet",
    "MailQuerySet",
    "NotificationQuerySet",
    "may_be_cut",
    "with_bounce_class",
]

Rows = TypeVar("Rows", bound=models.QuerySet[Any])
EventRow = TypeVar("EventRow", bound="Event")
MailEventRow = TypeVar("MailEventRow", bound="MailEvent")

ADDRESS_LENGTH, NAME_LENGTH = 320, 255

MOST_KEYS = 500
"""Number of keys that a query is given at most. A number that grows with the rows ends in an error."""

USUAL_STATUSES = ("queued", "succeeded")
"""The statuses of nearly all deliveries. Deliveries with another status are found by an index."""

REPEATED = timedelta(hours=2)
"""The longest span repeated when clocks are set back. Naive times do not distinguish the two passes."""
APART = timedelta(days=1) + REPEATED
"""More than the difference between a wall clock and UTC in any zone."""


class MailQuerySet(models.QuerySet["Mail"]):
    """Mails by message, by address, by sender, and by domain."""

    def for_message(self, message_id: str) -> Self:
        """Look up the keys of a message id at once, in one query, and return its mails.

        The message id may have angle brackets. Its keys are a range of the primary key.
        """
        return self.filter(_of_message(self, message_id))

    def for_address(self, address: str) -> Self:
        """Return the mails to one address, in any spelling, with or without a display name.

        An address of 320 characters or more is looked up at once, in one query for each of its forms. Of such
        an address, at most `MOST_KEYS` rows are found.
        """
        return self.filter(_to_address(self, address))

    def for_sender(self, address: str) -> Self:
        """Return the mails whose From header has this address, in any spelling, with or without a name.

        An address of 320 characters or more is looked up at once, in one query. Of such an address, at most
        `MOST_KEYS` rows are found.
        """
        return self.filter(_from_sender(self, address))

    def for_domain(self, domain: str) -> Self:
        """Return the mails to one domain, with or without an @ and in any letter case."""
        return exactly(self, "domain", _domain_form(domain))

    def with_api_data(self, *values: str) -> Self:
        """Return the mails with exactly one of these values of `apiData`, by an index."""
        wanted = {value[:NAME_LENGTH] for value in values if value}
        return _of_partial_index(self.filter(one_of(self.db, "api_data", wanted)), "api_data", wanted)

    def for_object(self, row: models.Model) -> Self:
        """Return the mails about one of the project's objects, see `for_objects`."""
        return self.for_objects([row])

    def for_objects(self, rows: Iterable[models.Model]) -> Self:
        """Return the mails about the project's objects, such as those of a page, in one query.

        `CMC_WEBHOOKS_API_DATA_OF` says with which `apiData` they are sent. An object without has no mails.

        Raises:
            ImproperlyConfigured: the setting has no entry for the model of an object.
        """
        return self.with_api_data(*map(api_data_of, rows))

    def with_bounce_code(self, *codes: str) -> Self:
        """Return the mails whose winning bounce has exactly one of these codes."""
        return _of_partial_index(self.filter(one_of(self.db, "bounce_code", codes)), "bounce_code", codes)

    def with_bounce_class(self, *classes: str) -> Self:
        """Return the mails whose winning bounce is of one of these classes."""
        return _of_partial_index(self.filter(bounce_class__in=classes), "bounce_class", classes)


class EventQuerySet(models.QuerySet[EventRow]):
    """Events by time."""

    def occurred_between(self, after: datetime | None = None, before: datetime | None = None) -> Self:
        """Return the events with `after` <= `occurred_at` < `before`; with `after`, one query runs at once.

        The bounds are aware, or naive as the project stores times where USE_TZ is off.

        The events are found by ranges of the primary key. Keys hold CMC's wall clock, which is less than a
        day from UTC in any zone. Events without a usable `created` have no time in their key and are compared
        one by one. The query that runs at once checks whether there are any in the range.
        """
        after, before = bound_to_stored(after), bound_to_stored(before)
        exact, by_key = Q(), Q()
        if after is not None:
            # More than a day from the bound, the key alone decides: planners treat the two columns as
            # independent and would estimate hardly any rows for two ranges
            exact &= Q(pk__gte=wire.key_at(utc_wall_clock(after, APART))) | Q(occurred_at__gte=after)
            by_key &= Q(pk__gte=wire.key_at(utc_wall_clock(after, -APART)))
        if before is not None:
            inside = Q(pk__gte=wire.UNTIMED_END, pk__lt=wire.key_at(utc_wall_clock(before, -APART)))
            exact &= inside | Q(occurred_at__lt=before)
            # This bound on the key holds for untimed events too: outside the OR it limits the rows read.
            exact &= Q(pk__lt=wire.key_at(utc_wall_clock(before, APART)))
        if by_key and self._has_untimed(after, before):
            by_key |= Q(pk__lt=wire.UNTIMED_END)  # an OR, which no database reads as one range of the key
        return self.filter(by_key & exact) if exact else self

    def _has_untimed(self, after: datetime | None, before: datetime | None) -> bool:
        """Return True if events without a time in their key occurred in the range. Such events are rare."""
        untimed = self.model._default_manager.using(self.db).filter(pk__lt=wire.UNTIMED_END)
        if after is not None:
            untimed = untimed.filter(occurred_at__gte=after)
        if before is not None:
            untimed = untimed.filter(occurred_at__lt=before)
        return bool(untimed.exists())


class NotificationQuerySet(models.QuerySet["Notification"]):
    """Notifications by time."""

    def received_between(self, after: datetime | None = None, before: datetime | None = None) -> Self:
        """Return the notifications with `after` <= `received_at` < `before`.

        Their keys begin with the time of receipt, so they are found by a range of the primary key.

        The bounds are aware, or naive as the project stores times where USE_TZ is off.
        """
        after, before, found = bound_to_stored(after), bound_to_stored(before), self.all()
        if after is not None:
            found = found.filter(
                pk__gte=wire.key_at(utc_wall_clock(after, -REPEATED)), received_at__gte=after
            )
        if before is not None:
            found = found.filter(pk__lt=wire.key_at(utc_wall_clock(before, REPEATED)), received_at__lt=before)
        return found


class BlockEventQuerySet(EventQuerySet["BlockEvent"]):
    """Block events by address, and by time."""

    def for_address(self, address: str) -> Self:
        """Return the events of one address, in any spelling, with or without a display name.

        An address of 320 characters or more is looked up at once, in one query for each of its forms. Of such
        an address, at most `MOST_KEYS` rows are found.
        """
        condition = Q()
        for whole in wire.address_forms(wire.canonical_mailbox(address)):
            if may_be_cut(whole):
                alike = self.filter(address=whole[:ADDRESS_LENGTH]).order_by("-pk").values_list("pk", "raw")
                condition |= Q(pk__in=[key for key, raw in alike[:MOST_KEYS] if _blocked(raw) == whole])
            else:
                condition |= is_exactly(self.db, "address", whole)
        return self.filter(condition)


class MailEventQuerySet(EventQuerySet[MailEventRow]):
    """Deliveries or bounces by their mail, and by time."""

    _is_before_mails = False

    def before_mails(self) -> Self:
        """Return the same events, read in their order until a page is full, each with its mail.

        This is for pages of the events of many mails. MariaDB and SQLite would otherwise read all these mails
        and sort all their events. PostgreSQL knows which values are frequent.
        """
        found = self.all()
        found._is_before_mails = True
        return found

    def _clone(self) -> Self:
        clone: Self = super()._clone()  # type: ignore[misc] # not in the stubs
        clone._is_before_mails = self._is_before_mails
        return clone

    def _fetch_all(self) -> None:
        connection = connections[self.db]
        with keep_join_order(connection) if self._is_before_mails else nullcontext():
            super()._fetch_all()

    def for_message(self, message_id: str) -> Self:
        """Look up the keys of a message id at once, in one query, and return its events."""
        return self.filter(_of_message(self._mails(), message_id, "mail_id", "mail__"))

    def for_address(self, address: str) -> Self:
        """Return the events of all mails to one address, in any spelling, with or without a display name.

        An address of 320 characters or more is looked up at once, in one query for each of its forms. Of such
        an address, at most `MOST_KEYS` rows are found.
        """
        return self.filter(_to_address(self._mails(), address, "mail__"))

    def for_sender(self, address: str) -> Self:
        """Return the events of all mails whose From header has this address, in any spelling.

        An address of 320 characters or more is looked up at once, in one query. Of such an address, at most
        `MOST_KEYS` rows are found.
        """
        return self.filter(_from_sender(self._mails(), address, "mail__"))

    def for_domain(self, domain: str) -> Self:
        """Return the events of all mails to one domain, with or without an @ and in any letter case."""
        return exactly(self, "mail__domain", _domain_form(domain))

    def _mails(self) -> models.QuerySet[Mail]:
        mail: Any = self.model._meta.get_field("mail").related_model
        mails: models.QuerySet[Mail] = mail._default_manager.using(self.db)
        return mails


class DeliveryEventQuerySet(MailEventQuerySet["DeliveryEvent"]):
    """Deliveries by status, by their mail, and by time."""

    def with_status(self, *words: str) -> Self:
        """Return the deliveries with exactly one of these statuses, by an index if none of them is usual."""
        found = self.filter(one_of(self.db, "status", words))
        if set(words).isdisjoint(USUAL_STATUSES) and connections[self.db].features.supports_partial_indexes:
            for word in USUAL_STATUSES:  # SQLite uses the index if the query repeats its condition
                found = found.exclude(status=word)
        return found


if TYPE_CHECKING:
    # What `as_manager` returns, for type checkers: a manager with the methods of the queryset, which return
    # it again. Type checkers find it with the plugin of django-stubs and without.
    class MailManager(MailQuerySet, models.Manager[Mail]): ...  # type: ignore[misc]

    class DeliveryEventManager(DeliveryEventQuerySet, RelatedManager[DeliveryEvent]): ...  # type: ignore[misc]

    class BounceEventManager(MailEventQuerySet[BounceEvent], RelatedManager[BounceEvent]): ...  # type: ignore[misc]

    class BlockEventManager(BlockEventQuerySet, models.Manager[BlockEvent]): ...  # type: ignore[misc]

    class NotificationManager(NotificationQuerySet, models.Manager[Notification]): ...  # type: ignore[misc]


def may_be_cut(address: str) -> bool:
    """Return True if a column may hold only the beginning of this normalised address, or of a longer one."""
    return len(address) >= ADDRESS_LENGTH


def _domain_form(domain: str) -> str:
    """Return a domain as its column holds it."""
    return domain.removeprefix("@").lower()[:NAME_LENGTH]


def _to_address(mails: models.QuerySet[Any], address: str, prefix: str = "") -> Q:
    """Return the condition for mails to this address."""
    condition = Q()
    for whole in wire.address_forms(wire.canonical_mailbox(address)):
        condition |= _has_address(mails, "address", "recipient", whole, prefix)
    return condition


def _from_sender(mails: models.QuerySet[Any], address: str, prefix: str = "") -> Q:
    """Return the condition for mails from this address, which no mail has if it is empty."""
    whole = wire.canonical_mailbox(address)
    return _has_address(mails, "sender", "header_from", whole, prefix) if whole else Q(pk__in=[])


def _has_address(mails: models.QuerySet[Any], column: str, text: str, whole: str, prefix: str) -> Q:
    """Return the condition for a normalised address in a column. One that may be cut is compared here.

    It is compared with the text that the column was made from.
    """
    if not may_be_cut(whole):
        return is_exactly(mails.db, f"{prefix}{column}", whole)
    alike = mails.filter(**{column: whole[:ADDRESS_LENGTH]}).order_by("-created_at")
    found = alike.values_list("pk", text)[:MOST_KEYS]
    keys = [key for key, stored in found if wire.canonical_mailbox(stored) == whole]
    return Q(**{f"{prefix}pk__in": keys})


def _of_partial_index(rows: Rows, name: str, texts: Collection[str]) -> Rows:
    """Return these rows, which are found by a partial index of the texts that are not empty.

    SQLite uses the index only if the query repeats its condition. PostgreSQL infers it, and would take it for
    a further condition when it estimates the number of rows.
    """
    is_needed = connections[rows.db].vendor == "sqlite" and "" not in texts
    return rows.exclude(**{name: ""}) if is_needed else rows


def with_bounce_class(rows: Rows, kinds: Collection[str]) -> Rows:
    """Return the mails, bounces or blocks of one of these classes.

    The class of a mail is that of its winning bounce. `unknown` is every code without another class.
    """
    if isinstance(rows, MailQuerySet):
        return rows.with_bounce_class(*kinds)
    if BounceClass.UNKNOWN in kinds:
        others = [code for code, (_, kind) in BOUNCE_CODES.items() if kind not in kinds]
        return rows.exclude(one_of(rows.db, "bounce_code", others))
    codes = [code for code, (_, kind) in BOUNCE_CODES.items() if kind in kinds]
    return rows.filter(one_of(rows.db, "bounce_code", codes))


def _of_message(mails: models.QuerySet[Any], message_id: str, key: str = "pk", prefix: str = "") -> Q:
    """Return the condition for one message's mails, one for each recipient. `key` is their key's column.

    Half a key is a hash, and a database may treat different letters as equal. So the message ids of the mails
    in that range are compared here. If there are more than `MOST_KEYS`, the range alone is the condition,
    unless one of the first is of another message: chance gives no 500 mails one hash.
    """
    bare = wire.bare_message_id(message_id)
    if not bare:
        return Q(pk__in=[])
    keys = wire.message_range(bare)
    neighbours = mails.filter(pk__range=keys).order_by().values_list("pk", "message_id")
    some = list(neighbours[: MOST_KEYS + 1])
    found = [each for each, text in some if wire.bare_message_id(text) == bare]
    if len(some) <= MOST_KEYS:
        return Q(**{f"{key}__in": found})
    condition = Q(**{f"{key}__gte": keys[0], f"{key}__lte": keys[1]})
    if len(found) < len(some):
        place: Any = StrIndex(F(f"{prefix}message_id"), Value(bare))
        condition &= Q(GreaterThan(place, 0))
    return condition


def _blocked(raw: dict[str, Any]) -> str:
    """Return the whole address of a block event, from what was sent."""
    return wire.canonical_mailbox(wire.BlockRecord.of("blocks", "", 0, raw).recipient)
