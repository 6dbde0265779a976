"""Look-ups in any spelling that use the indexes: by message, by address, by time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any, Self, TypeVar

from django.conf import settings
from django.db import connections, models
from django.db.models import Q
from django.db.models.functions import MD5
from django.utils import timezone

from cmc_webhooks import wire

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

__all__ = [
    "ADDRESS_LENGTH",
    "NAME_LENGTH",
    "USUAL_STATUSES",
    "BlockEventQuerySet",
    "DeliveryEventQuerySet",
    "MailEventQuerySet",
    "MailQuerySet",
    "NotificationQuerySet",
    "exactly",
    "grouped",
    "may_be_cut",
    "one_of",
]

Rows = TypeVar("Rows", bound=models.QuerySet[Any])

ADDRESS_LENGTH, NAME_LENGTH = 320, 255

USUAL_STATUSES = ("queued", "succeeded")
"""Those that nearly all deliveries have; the others have an index."""

NO_TIME = timedelta()
REPEATED = timedelta(hours=2)
"""What a clock that is set back repeats at most: naive times do not tell the first hour from the second."""
APART = timedelta(days=1) + REPEATED
"""What a wall clock is less than away from UTC in any zone."""


class MailQuerySet(models.QuerySet[Any]):
    """Mails by what people know of them."""

    def for_message(self, message_id: str) -> Self:
        """The mails of one message, with or without angle brackets; a range of the primary key."""
        return self.filter(pk__in=keys_of_message(self, message_id))

    def for_address(self, address: str) -> Self:
        """The mails to one address, in any spelling, with or without a display name."""
        return self.filter(_to_address(self, address))

    def for_domain(self, domain: str) -> Self:
        """The mails to one domain, with or without an @ and in any letter case."""
        return exactly(self, "domain", _domain_form(domain))


class EventQuerySet(models.QuerySet[Any]):
    """Events by time."""

    def occurred_between(self, after: datetime | None = None, before: datetime | None = None) -> Self:
        """The events with `after` <= `occurred_at` < `before`; found by ranges of the primary key.

        The bounds are aware, or naive as the project stores times where USE_TZ is off.

        Keys carry CMC's wall clock, which is less than a day from UTC in any zone; events without a usable
        `created` have no time in their key and are looked at one by one: whether there are any is asked at
        once, with one statement, if `after` is given.
        """
        after, before = _as_stored(after), _as_stored(before)
        exact, by_key = Q(), Q()
        if after is not None:
            # Further than a day from the bound the key decides alone: planners, who take the two columns for
            # independent, would expect next to nothing of two ranges
            exact &= Q(pk__gte=wire.key_at(_wall_clock(after, APART))) | Q(occurred_at__gte=after)
            by_key &= Q(pk__gte=wire.key_at(_wall_clock(after, -APART)))
        if before is not None:
            inside = Q(pk__gte=wire.UNTIMED_END, pk__lt=wire.key_at(_wall_clock(before, -APART)))
            exact &= inside | Q(occurred_at__lt=before)
            # This bound on the key holds for untimed events too: outside the OR it ends what is read.
            exact &= Q(pk__lt=wire.key_at(_wall_clock(before, APART)))
        if by_key and self._has_untimed(after, before):
            by_key |= Q(pk__lt=wire.UNTIMED_END)  # an OR, which no database reads as one range
        return self.filter(by_key & exact) if exact else self

    def _has_untimed(self, after: datetime | None, before: datetime | None) -> bool:
        """Whether events without a time in their key happened then; there are hardly ever any."""
        untimed = self.model._default_manager.using(self.db).filter(pk__lt=wire.UNTIMED_END)
        if after is not None:
            untimed = untimed.filter(occurred_at__gte=after)
        if before is not None:
            untimed = untimed.filter(occurred_at__lt=before)
        return bool(untimed.exists())


class NotificationQuerySet(models.QuerySet[Any]):
    """Notifications by time."""

    def received_between(self, after: datetime | None = None, before: datetime | None = None) -> Self:
        """Those with `after` <= `received_at` < `before`, which their keys begin with: a range of them.

        The bounds are aware, or naive as the project stores times where USE_TZ is off.
        """
        after, before, found = _as_stored(after), _as_stored(before), self.all()
        if after is not None:
            found = found.filter(pk__gte=wire.key_at(_wall_clock(after, -REPEATED)), received_at__gte=after)
        if before is not None:
            found = found.filter(pk__lt=wire.key_at(_wall_clock(before, REPEATED)), received_at__lt=before)
        return found


class BlockEventQuerySet(EventQuerySet):
    """Blocks by address, and by time."""

    def for_address(self, address: str) -> Self:
        """The events of one address, in any spelling, with or without a display name."""
        condition = Q()
        for whole in wire.address_forms(wire.normalise_address(address)):
            if may_be_cut(whole):
                alike = self.filter(address=whole[:ADDRESS_LENGTH]).order_by().values_list("pk", "raw")
                condition |= Q(pk__in=[key for key, raw in alike if _blocked(raw) == whole])
            else:
                condition |= _is_exactly(self.db, "address", whole)
        return self.filter(condition)


class MailEventQuerySet(EventQuerySet):
    """Events by their mail, and by time."""

    def for_message(self, message_id: str) -> Self:
        """The events of one message, with or without angle brackets."""
        return self.filter(mail_id__in=keys_of_message(self._mails(), message_id))

    def for_address(self, address: str) -> Self:
        """The events of all mails to one address, in any spelling, with or without a display name."""
        return self.filter(_to_address(self._mails(), address, "mail__"))

    def for_domain(self, domain: str) -> Self:
        """The events of all mails to one domain, with or without an @ and in any letter case."""
        return exactly(self, "mail__domain", _domain_form(domain))

    def _mails(self) -> models.QuerySet[Any]:
        mail: Any = self.model._meta.get_field("mail").related_model
        mails: models.QuerySet[Any] = mail._default_manager.using(self.db)
        return mails


class DeliveryEventQuerySet(MailEventQuerySet):
    """Deliveries by their status as well."""

    def with_status(self, *words: str) -> Self:
        """Those with one of these very words; by an index, if none of them is usual."""
        found = self.filter(one_of(self.db, "status", words))
        if set(words).isdisjoint(USUAL_STATUSES) and connections[self.db].features.supports_partial_indexes:
            for word in USUAL_STATUSES:  # SQLite takes the index where the query repeats its condition
                found = found.exclude(status=word)
        return found


def may_be_cut(address: str) -> bool:
    """Whether a column may hold the beginning of this normalised address only, or of a longer one too."""
    return len(address) >= ADDRESS_LENGTH


def _domain_form(domain: str) -> str:
    """A domain as its column holds it."""
    return domain.removeprefix("@").lower()[:NAME_LENGTH]


def _to_address(mails: models.QuerySet[Any], address: str, prefix: str = "") -> Q:
    """The condition for mails to this address. One that was cut to its column is compared whole, here."""
    condition = Q()
    for whole in wire.address_forms(wire.normalise_address(address)):
        if may_be_cut(whole):
            alike = mails.filter(address=whole[:ADDRESS_LENGTH]).order_by().values_list("pk", "recipient")
            keys = [key for key, recipient in alike if wire.normalise_address(recipient) == whole]
            condition |= Q(**{f"{prefix}pk__in": keys})
        else:
            condition |= _is_exactly(mails.db, f"{prefix}address", whole)
    return condition


def _is_exactly(using: str, name: str, text: str) -> Q:
    condition = Q(**{name: text})
    if connections[using].vendor == "mysql":
        condition &= Q(**{f"{name}__startswith": text, f"{name}__endswith": text})
    return condition


def exactly(rows: Rows, name: str, text: str) -> Rows:
    """Those rows whose column holds this very text.

    The collations of MariaDB and MySQL take é for e and A for a: they find by index, then bytes are compared.
    """
    return rows.filter(_is_exactly(rows.db, name, text))


def one_of(using: str, name: str, texts: Iterable[str]) -> Q:
    """The condition that a column holds one of these very texts."""
    texts = sorted(set(texts))
    if connections[using].vendor != "mysql":
        return Q(**{f"{name}__in": texts})
    return reduce(or_, [_is_exactly(using, name, text) for text in texts], Q(pk__in=[]))


def grouped(rows: models.QuerySet[Any], *columns: str, **values: Any) -> models.QuerySet[Any]:
    """Groups of equal values; of texts by their bytes also where the collation of MariaDB takes é for e."""
    exact = {}
    if connections[rows.db].vendor == "mysql":
        texts = [each for each in columns if isinstance(rows.model._meta.get_field(each), models.CharField)]
        exact = {f"exact_{column}": MD5(column) for column in texts}
    made: models.QuerySet[Any] = rows.order_by().annotate(**values, **exact).values(*columns, *values, *exact)
    return made


def keys_of_message(mails: models.QuerySet[Any], message_id: str) -> list[UUID]:
    """The keys of one message's mails, one for each recipient.

    Half a key is a hash, and a database may take different letters for equal: the text decides, here.
    """
    bare = wire.bare_message_id(message_id)
    if not bare:
        return []
    neighbours = mails.filter(pk__range=wire.message_range(bare)).order_by().values_list("pk", "message_id")
    return [key for key, text in neighbours if wire.bare_message_id(text) == bare]


def _blocked(raw: dict[str, Any]) -> str:
    """The whole address of a block, by what was sent."""
    return wire.normalise_address(wire.BlockRecord.of("blocks", "", 0, raw).recipient)


def _as_stored(moment: datetime | None) -> datetime | None:
    """A moment as the project stores times, at the end of the calendar that it lies beyond."""
    if moment is None or timezone.is_naive(moment):
        return moment
    zone = UTC if settings.USE_TZ else timezone.get_default_timezone()
    try:
        here = moment.astimezone(zone)
    except OverflowError:
        end = datetime.max if moment.year > 1 else datetime.min  # noqa: DTZ901 - in the zone of the next line
        here = end.replace(tzinfo=zone)
    return here if settings.USE_TZ else here.replace(tzinfo=None)


def _wall_clock(moment: datetime, shift: timedelta) -> datetime:
    """`moment` in UTC, without its zone and moved by `shift`, within the years that exist."""
    zone = timezone.get_default_timezone()
    aware = timezone.make_aware(moment, zone) if timezone.is_naive(moment) else moment
    try:
        return aware.astimezone(UTC).replace(tzinfo=None) + shift
    except OverflowError:
        return datetime.max if shift > NO_TIME else datetime.min  # noqa: DTZ901 - compared with wall clocks
