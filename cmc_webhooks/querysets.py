"""Look-ups in any spelling that use the indexes: by message, by address, by time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self, TypeVar

from django.conf import settings
from django.db import connections, models
from django.db.models import Q
from django.utils import timezone

from cmc_webhooks import wire

if TYPE_CHECKING:
    from uuid import UUID

__all__ = [
    "ADDRESS_LENGTH",
    "NAME_LENGTH",
    "BlockEventQuerySet",
    "MailEventQuerySet",
    "MailQuerySet",
    "exactly",
    "may_be_cut",
]

Rows = TypeVar("Rows", bound=models.QuerySet[Any])

ADDRESS_LENGTH, NAME_LENGTH = 320, 255


class MailQuerySet(models.QuerySet[Any]):
    """Mails by what people know of them."""

    def for_message(self, message_id: str) -> Self:
        """The mails of one message, with or without angle brackets; a range of the primary key."""
        return self.filter(pk__in=keys_of_message(self, message_id))

    def for_address(self, address: str) -> Self:
        """The mails to one address, in any spelling, with or without a display name."""
        return self.filter(_to_address(self, address))

    def for_domain(self, domain: str) -> Self:
        """The mails to one domain, without its @ and in any letter case."""
        return exactly(self, "domain", domain.lower()[:NAME_LENGTH])


class EventQuerySet(models.QuerySet[Any]):
    """Events by time."""

    def occurred_between(self, after: datetime | None = None, before: datetime | None = None) -> Self:
        """The events with `after` <= `occurred_at` < `before`; found by ranges of the primary key.

        The bounds are aware, or naive as the project stores times where USE_TZ is off.

        Keys carry CMC's wall clock, which is less than a day from UTC in any zone; events without a usable
        `created` have no time in their key and are looked at one by one: whether there are any is asked at
        once, with one statement, if `after` is given.
        """
        exact, by_key = Q(), Q()
        after, before = _as_stored(after), _as_stored(before)
        if after is not None:
            exact &= Q(occurred_at__gte=after)
            by_key &= Q(pk__gte=wire.key_at(_wall_clock(after, days=-1)))
        if before is not None:
            # This bound on the key holds for untimed events too: outside the OR it ends what is read.
            exact &= Q(occurred_at__lt=before, pk__lt=wire.key_at(_wall_clock(before, days=1)))
        if by_key and self._has_untimed(exact):
            by_key |= Q(pk__lt=wire.UNTIMED_END)  # an OR, which no database reads as one range
        return self.filter(by_key & exact) if exact else self

    def _has_untimed(self, exact: Q) -> bool:
        """Whether events without a time in their key happened then; there are hardly ever any."""
        untimed = self.model._default_manager.using(self.db).filter(pk__lt=wire.UNTIMED_END)
        return bool(untimed.filter(exact).exists())


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

    def _mails(self) -> models.QuerySet[Any]:
        mail: Any = self.model._meta.get_field("mail").related_model
        mails: models.QuerySet[Any] = mail._default_manager.using(self.db)
        return mails


def may_be_cut(address: str) -> bool:
    """Whether a column may hold the beginning of this normalised address only, or of a longer one too."""
    return len(address) >= ADDRESS_LENGTH


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


def _wall_clock(moment: datetime, *, days: int) -> datetime:
    """`moment` in UTC, without its zone and moved by `days`, within the years that exist."""
    zone = timezone.get_default_timezone()
    aware = timezone.make_aware(moment, zone) if timezone.is_naive(moment) else moment
    try:
        return aware.astimezone(UTC).replace(tzinfo=None) + timedelta(days=days)
    except OverflowError:
        return datetime.max if days > 0 else datetime.min  # noqa: DTZ901 - compared with wall clocks
