"""What a way to store a batch does, and what those by SQL of our own have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from cmc_webhooks.models import instances
from cmc_webhooks.store.sets import by_key

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from collections.abc import Set as AbstractSet
    from uuid import UUID

    from cmc_webhooks.models import BlockEvent, Mail, MailCount, MailEvent, Notification

__all__ = ["Direct", "Raced", "Way"]


class Raced(Exception):
    """A rival has inserted one of these rows meanwhile; what was seen before must be asked for again."""


class Way(ABC):
    """How a batch is stored: looked at, locked inside a transaction, and written there after the merge."""

    @abstractmethod
    def known(
        self, using: str, model: type[MailEvent | BlockEvent] | None, keys: Collection[UUID]
    ) -> set[UUID]:
        """Those of `keys` that `model` has rows for."""

    @abstractmethod
    def lock(
        self,
        using: str,
        mails: Iterable[Mail],
        model: type[MailEvent | BlockEvent] | None,
        keys: Collection[UUID],
        known_before: AbstractSet[UUID] | None,
    ) -> tuple[dict[UUID, Mail], AbstractSet[UUID]]:
        """The rows of these mails by key, locked until the transaction ends; and the known event keys.

        `known_before` are those that were seen outside the transaction, None if nobody looked.
        """

    @abstractmethod
    def write(
        self,
        using: str,
        notification: Notification,
        events: Iterable[MailEvent | BlockEvent],
        mails: Iterable[Mail],
        parts: Iterable[MailCount],
    ) -> None:
        """Insert a notification and its new events, write what merging changed in their mails, and count.

        Raises:
            Raced: a rival was quicker; the transaction must not be committed.
        """


class Direct(Way):
    """Locks the mails that are there, and writes the others once, as they are after the merge.

    What was seen before is believed until `write` proves it wrong.
    """

    def lock(
        self,
        using: str,
        mails: Iterable[Mail],
        model: type[MailEvent | BlockEvent] | None,
        keys: Collection[UUID],
        known_before: AbstractSet[UUID] | None,
    ) -> tuple[dict[UUID, Mail], AbstractSet[UUID]]:
        given = {mail.id: mail for mail in mails}
        stored = {mail.id: mail for mail in self.locked(using, by_key(given.values()))}
        if known_before is None:  # an event is known with its mail only
            known_before = self.known(using, model, keys) if stored or not given else frozenset()
        return given | stored, known_before

    def write(
        self,
        using: str,
        notification: Notification,
        events: Iterable[MailEvent | BlockEvent],
        mails: Iterable[Mail],
        parts: Iterable[MailCount],
    ) -> None:
        ordered, events = by_key(mails), by_key(events)
        new = [mail for mail in ordered if mail._state.adding]
        changed = [mail for mail in ordered if not mail._state.adding]
        self.put(using, notification, new, changed, events, by_key(parts))
        for row in (notification, *new, *events):
            instances.note_stored(row, using)

    @abstractmethod
    def locked(self, using: str, mails: Sequence[Mail]) -> list[Mail]:
        """The stored rows of these mails, which come in key order, locked in it."""

    @abstractmethod
    def put(
        self,
        using: str,
        notification: Notification,
        new: Sequence[Mail],
        changed: Sequence[Mail],
        events: Sequence[MailEvent | BlockEvent],
        parts: Sequence[MailCount],
    ) -> None:
        """Insert the notification, new mails and events, update the changed mails, add to the counts.

        All come in key order. Raises `Raced` if a mail or an event is there already.
        """
