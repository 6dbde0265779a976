"""Removal of an address from CMC's own lists, by its REST API. Only a person or a program asks for it."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import transaction

from cmc_webhooks import audit, timezones, wire
from cmc_webhooks.conf import app_settings
from cmc_webhooks.models import Suppression, Trail, routing
from cmc_webhooks.models.querysets import ADDRESS_LENGTH, NAME_LENGTH
from cmc_webhooks.store import suppressions
from cmc_webhooks.suppression import decisions, lookup, rules

if TYPE_CHECKING:
    from cmc_webhooks.suppression.rules import Facts

__all__ = ["Lift", "NotAllowed", "lift_at_cmc", "why_not"]

_LISTS = {rules.BLOCKED: "blocks", rules.UNSUBSCRIBED: "unsubscribes"}


class NotAllowed(Exception):
    """The project does not allow to change CMC's lists, or has no credentials for its REST API."""


class Lift(NamedTuple):
    """One attempt to remove an entry: which, whether CMC did it, and CMC's answer as it came."""

    reason: str
    composition: str
    is_done: bool
    answer: str


def why_not() -> str:
    """Return why nothing can be lifted in this project; "" if it can."""
    if not app_settings.rest_may_lift:
        return "CMC_WEBHOOKS_REST_MAY_LIFT is not True."
    if not app_settings.rest_user or not app_settings.rest_key:
        return "CMC_WEBHOOKS_REST_USER and CMC_WEBHOOKS_REST_KEY are not set."
    if find_spec("httpx") is None:
        return "httpx is not installed: install django-cmc-webhooks[backfill]."
    return ""


def lift_at_cmc(
    address: str,
    composition: str,
    *,
    reason: str = "",
    note: str = "",
    author: str = "",
    via: str = Trail.Ways.PYTHON.value,
) -> list[Lift]:
    """Remove an address from CMC's own lists of a server composition, and return one result for each list.

    `reason` names the list: `blocked` or `unsubscribed`. Without it, these are the lists that are known to
    have the address. What CMC removed no longer suppresses the address here. A decision by hand stays.

    An unsubscribed person asked for no more mail: lift it with their consent only. This sends requests to
    CMC, so call it outside a transaction.

    Raises:
        NotAllowed: `CMC_WEBHOOKS_REST_MAY_LIFT` is not True, or there are no credentials.
        ValueError: `reason` is not the name of a list.
        rest.Unreachable: CMC did not answer. What was removed before is recorded.
    """
    if fault := why_not():
        raise NotAllowed(fault)
    if reason and reason not in _LISTS:
        raise ValueError(f"reason must be one of {', '.join(_LISTS)}")
    from cmc_webhooks import rest  # needs the extra httpx

    composition = composition[:NAME_LENGTH]
    facts = lookup.known_facts(address)
    held = rules.at_cmc(facts, app_settings.suppression, datetime.now(UTC))
    known = [each.reason for each in held if each.composition == composition]
    actor, lifts = audit.Actor(via, author, note), list[Lift]()
    settings = app_settings.rest_url, app_settings.rest_user, app_settings.rest_key
    with rest.Client(*settings) as client:
        for listed in [reason] if reason else known:
            done, answer = client.cancel(_LISTS[listed], composition, lookup.sent_form(address))
            lift = Lift(listed, composition, done, answer)
            _record(address, lift, facts, actor)
            lifts.append(lift)
    return lifts


def _record(address: str, lift: Lift, facts: Facts, actor: audit.Actor) -> None:
    """Record the attempt in `Trail`, and that the entry no longer holds if CMC removed it."""
    using, bare = routing.write_alias(), wire.canonical_mailbox(address)
    details: dict[str, Any] = {"address": bare, "using": using, "composition": lift.composition}
    details |= {"list": lift.reason, "done": lift.is_done}
    if not lift.is_done:
        audit.add(Trail.Actions.LIFTED, actor, 0, **details)
        return
    now = datetime.now(UTC)
    at = [
        each.at for each in facts.outcomes if (each.word, each.composition) == (lift.reason, lift.composition)
    ]
    row = Suppression(
        id=wire.decision_key(bare, lift.composition, Suppression.Kinds.LIFTED.value, lift.reason),
        address_key=wire.address_key(bare),
        address=bare[:ADDRESS_LENGTH],
        server_composition=lift.composition,
        kind=Suppression.Kinds.LIFTED,
        reason=lift.reason,
        forgiven_until=timezones.to_stored(max(at, default=now)),
        note=actor.reason,
        author=actor.who,
        decided_at=timezones.to_stored(now),
    )
    with transaction.atomic(using=using):
        suppressions.add_lifts(using, [row])
        audit.add(Trail.Actions.LIFTED, actor, 1, **details)
        decisions.send_later(using, "lifted", bare, lift.composition, row)
