"""Decisions made by hand about an address: block it, release it, forget the decision.

Each is recorded in `Trail`, and `suppression_changed` is sent when it is committed.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import transaction

from cmc_webhooks import audit, signals, timezones, wire
from cmc_webhooks.conf import app_settings
from cmc_webhooks.models import Suppression, Trail, routing
from cmc_webhooks.models.querysets import ADDRESS_LENGTH, NAME_LENGTH
from cmc_webhooks.store import suppressions
from cmc_webhooks.suppression import lookup, rules

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from cmc_webhooks.suppression.rules import Facts, Reason

__all__ = ["block", "forget", "forget_row", "keep", "key_of", "release", "send_later"]

_PYTHON = Trail.Ways.PYTHON.value


def block(
    address: str,
    *,
    composition: str = "",
    until: datetime | None = None,
    note: str = "",
    author: str = "",
    via: str = _PYTHON,
) -> Suppression:
    """Suppress an address, whatever the outcomes of its mails; `until` is aware or as stored.

    With a `composition`, mail through other server compositions is not stopped. Bounces that were forgiven
    before stay forgiven after the end of the block. `author` and `via` are recorded: the key of a user, see
    `audit.user_key`, and the way, see `Trail.Ways`.
    """
    end = until and timezones.to_stored(timezones.to_aware(until))
    return _decide(address, composition, Suppression.Kinds.BLOCKED, audit.Actor(via, author, note), until=end)


def release(
    address: str, *, composition: str = "", note: str = "", author: str = "", via: str = _PYTHON
) -> Suppression:
    """Forgive what suppresses an address so far, and lift a block by hand of the same composition.

    Without a `composition` everything is forgiven. With one, what is forgiven are the entries of CMC's lists
    and the soft bounces of that server composition. Only a newer bounce, or a newer entry of CMC's lists,
    suppresses the address again. "Newer" is by CMC's clock: a bounce that is reported again stays forgiven.

    CMC goes on refusing mail to an address on its own lists. The attribute `at_cmc` of the returned row lists
    these entries, for the composition or, without one, for all. See `lift_at_cmc`.
    """
    composition = composition[:NAME_LENGTH]
    facts = lookup.known_facts(address)
    decision = _decide(
        address,
        composition,
        Suppression.Kinds.RELEASED,
        audit.Actor(via, author, note),
        forgiven_until=_forgiven_until(facts, composition),
    )
    decision.at_cmc = tuple(_at_cmc(facts, composition))
    return decision


def forget(
    address: str, *, composition: str = "", note: str = "", author: str = "", via: str = _PYTHON
) -> bool:
    """Delete the decision about an address and a composition; return whether there was one.

    Then only what CMC reported counts, and what an erasure kept of it. `note` is recorded in `Trail`.
    """
    row = _manager().filter(pk=key_of(address, composition)).first()
    return row is not None and forget_row(row, address=address, note=note, author=author, via=via)


def forget_row(
    row: Suppression, *, address: str = "", note: str = "", author: str = "", via: str = _PYTHON
) -> bool:
    """Delete a decision; return whether it was still there. `address` is for one whose address was erased."""
    using = routing.write_alias()
    address = address or row.address
    details = {"composition": row.server_composition, "before": _described(row)}
    with transaction.atomic(using=using):
        if not suppressions.forget_decision(using, row.pk):
            return False
        actor = audit.Actor(via, author, note)
        audit.add(Trail.Actions.FORGOTTEN, actor, 1, address=address, using=using, **details)
        send_later(using, "forgotten", address, row.server_composition, None)
    return True


def keep(using: str, address: str) -> None:
    """Keep the reasons that suppress an address, for when its mails are blanked. Rows keep no address."""
    bare, now = wire.canonical_mailbox(address), datetime.now(UTC)
    reasons = rules.to_keep(lookup.known_facts(bare), app_settings.suppression, now)
    kind = Suppression.Kinds.KEPT
    rows = [
        Suppression(
            id=wire.decision_key(bare, each.cause, kind.value, each.reason),
            address_key=wire.address_key(bare),
            server_composition=each.cause,
            kind=kind,
            reason=each.reason,
            since=timezones.to_stored(each.since),
            until=each.until and timezones.to_stored(each.until),
            decided_at=timezones.to_stored(now),
        )
        for each in reasons
    ]
    suppressions.keep(using, wire.address_key(bare), rows)


def key_of(address: str, composition: str = "") -> UUID:
    """Return the key of the decision about an address, in any spelling, and a composition."""
    return wire.decision_key(wire.canonical_mailbox(address), composition[:NAME_LENGTH])


def _decide(
    address: str, composition: str, kind: Suppression.Kinds, actor: audit.Actor, **values: Any
) -> Suppression:
    using, bare = routing.write_alias(), wire.canonical_mailbox(address)
    composition = composition[:NAME_LENGTH]
    decision = Suppression(
        id=key_of(bare, composition),
        address_key=wire.address_key(bare),
        address=bare[:ADDRESS_LENGTH],
        server_composition=composition,
        kind=kind,
        note=actor.reason,
        author=actor.who,
        decided_at=timezones.to_stored(datetime.now(UTC)),
        **values,
    )
    until = decision.until and timezones.to_aware(decision.until).isoformat()
    with transaction.atomic(using=using):
        before = _manager().filter(pk=decision.pk).first()
        details = {"composition": composition, "until": until, "before": before and _described(before)}
        suppressions.decide(using, decision)
        audit.add(Trail.Actions(kind.value), actor, 1, address=bare, using=using, **details)
        send_later(using, kind.value, bare, composition, decision)
    return decision


def _described(row: Suppression) -> dict[str, Any]:
    """Return a decision for `Trail`, which names nobody."""
    return {
        "kind": row.kind,
        "until": row.until and timezones.to_aware(row.until).isoformat(),
        "author": row.author,
        "decided_at": timezones.to_aware(row.decided_at).isoformat(),
    }


def _forgiven_until(facts: Facts, composition: str) -> datetime | None:
    """Return the time, as stored, of the latest outcome that a release forgives; never an earlier one."""
    of_it = [
        outcome.at
        for outcome in facts.outcomes
        if outcome.word in rules.REASONS and composition in ("", outcome.composition)
    ]
    before = [
        decision.forgiven_until
        for decision in facts.decisions
        if decision.composition == composition and decision.kind in ("blocked", "released")
    ]
    latest = max(filter(None, [*of_it, *before]), default=None)
    return latest and timezones.to_stored(latest)


def _at_cmc(facts: Facts, composition: str) -> Iterable[Reason]:
    held = rules.at_cmc(facts, app_settings.suppression, datetime.now(UTC))
    return [each for each in held if composition in ("", each.composition)]


def send_later(using: str, action: str, address: str, composition: str, decision: Suppression | None) -> None:
    """Send `suppression_changed` when the decision is committed."""
    if not signals.suppression_changed.has_listeners(Suppression):
        return
    send = partial(
        signals.suppression_changed.send_robust,
        Suppression,
        address=address,
        composition=composition,
        action=action,
        decision=decision,
    )
    transaction.on_commit(send, using=using, robust=True)


def _manager() -> Any:
    return Suppression._default_manager.using(routing.write_alias())
