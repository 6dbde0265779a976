"""The interface for storing a batch, and the base class of its implementations in hand-written SQL."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

from cmc_webhooks.db import instances
from cmc_webhooks.store.bulk import by_key

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from collections.abc import Set as AbstractSet
    from uuid import UUID

    from cmc_webhooks.models import BlockEvent, Mail, MailCount, MailEvent, Notification

__all__ = ["BatchRows", "BatchWriter", "ConcurrentInsert", "LockedRows", "Lookup", "SqlWriter"]


class ConcurrentInsert(Exception):
    """Another transaction inserted one of these rows first. What was read before must be read again."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """What a batch asks the database for: the rows of its mails, and which of its events are stored.

    `stored_before` are the event keys that were found outside the transaction, or None if they were not
    looked up.
    """

    mails: Collection[Mail]
    model: type[MailEvent | BlockEvent] | None
    event_keys: Collection[UUID]
    stored_before: AbstractSet[UUID] | None = None


class LockedRows(NamedTuple):
    """The answer to a `Lookup`: its mails by key, and the event keys that are already stored."""

    mails: dict[UUID, Mail]
    stored_keys: AbstractSet[UUID]


@dataclass(frozen=True, slots=True)
class BatchRows:
    """The rows that a batch writes, after the merge: those of each kind in key order."""

    notification: Notification
    events: Sequence[MailEvent | BlockEvent]
    mails: Sequence[Mail]
    counts: Sequence[MailCount]

    @classmethod
    def of(
        cls,
        notification: Notification,
        events: Iterable[MailEvent | BlockEvent],
        mails: Iterable[Mail],
        counts: Iterable[MailCount],
    ) -> Self:
        """Return these rows in key order."""
        return cls(notification, by_key(events), by_key(mails), by_key(counts))

    @property
    def new_mails(self) -> list[Mail]:
        """Return the mails that the database has no row for."""
        return [mail for mail in self.mails if mail._state.adding]

    @property
    def changed_mails(self) -> list[Mail]:
        """Return the mails that were read from the database."""
        return [mail for mail in self.mails if not mail._state.adding]


class BatchWriter(ABC):
    """Interface for storing a batch: look up its events, lock its mails in a transaction, write it there.

    The caller merges the events into the mails between `lock` and `write`.
    """

    @abstractmethod
    def known(
        self, using: str, model: type[MailEvent | BlockEvent] | None, keys: Collection[UUID]
    ) -> set[UUID]:
        """Return those of `keys` that `model` has rows for."""

    @abstractmethod
    def lock(self, using: str, lookup: Lookup) -> LockedRows:
        """Return the rows of the mails, and the event keys that are already stored.

        Stored mails are locked until the transaction ends.
        """

    @abstractmethod
    def write(self, using: str, rows: BatchRows) -> None:
        """Insert the notification and its new events, write the merged mails, and add to the counts.

        Raises:
            ConcurrentInsert: another transaction inserted a row first; do not commit this one.
        """


class SqlWriter(BatchWriter):
    """A `BatchWriter` that locks stored mails, and writes new ones once, as they are after the merge.

    The keys in `Lookup.stored_before` are trusted until `write` proves them outdated.
    """

    def lock(self, using: str, lookup: Lookup) -> LockedRows:
        given = {mail.id: mail for mail in lookup.mails}
        stored = {mail.id: mail for mail in self.locked(using, by_key(given.values()))}
        stored_keys = lookup.stored_before
        if stored_keys is None:  # an event is stored only with its mail
            may_be_stored = stored or not given
            stored_keys = self.known(using, lookup.model, lookup.event_keys) if may_be_stored else set()
        return LockedRows(given | stored, stored_keys)

    def write(self, using: str, rows: BatchRows) -> None:
        new_mails = rows.new_mails
        self.put(using, rows)
        for row in (rows.notification, *new_mails, *rows.events):
            instances.mark_saved(row, using)

    @abstractmethod
    def locked(self, using: str, mails: Sequence[Mail]) -> list[Mail]:
        """Return the stored rows of these mails, locked in key order. The mails come in key order."""

    @abstractmethod
    def put(self, using: str, rows: BatchRows) -> None:
        """Write the rows.

        Raises:
            ConcurrentInsert: another transaction inserted a mail or an event first.
        """
