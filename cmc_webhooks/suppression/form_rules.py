"""What a form or an API says before it takes a decision about an address, and after it took one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from django.utils.translation import gettext as _

from cmc_webhooks import timezones, wire
from cmc_webhooks.models import Suppression, routing
from cmc_webhooks.models.suppressions import DECIDED
from cmc_webhooks.suppression import decisions, rules

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Objection", "objections", "recorded"]


class Objection(NamedTuple):
    """One reason why a decision is not taken as it is: the field, a code for programs, and a sentence.

    The only one that a person can confirm is `replaces`.
    """

    field: str
    code: str
    message: str


def objections(
    address: str,
    kind: str,
    *,
    composition: str = "",
    until: datetime | None = None,
    author: str = "",
    may_change: bool = True,
    is_confirmed: bool = False,
) -> list[Objection]:
    """Return what speaks against a decision; none if `block` or `release` may be called with these values.

    `until` is aware or as stored. `may_change` is whether the author may replace a decision: there is one for
    each address and server composition. Another author's is replaced only if that `is_confirmed`.
    """
    found = [*_of_values(address, kind, until)]
    return found or [*_of_replacing(address, composition, author, may_change, is_confirmed)]


def _of_values(address: str, kind: str, until: datetime | None) -> Iterator[Objection]:
    local, _at, domain = wire.canonical_mailbox(address).rpartition("@")
    if not local or not domain:
        yield Objection("address", "not_an_address", _("Enter an e-mail address."))
    if kind not in DECIDED:
        allowed = ", ".join(map(str, DECIDED))
        yield Objection("kind", "unknown_kind", _("Must be one of: %s") % allowed)
    if until is None:
        return
    if kind == Suppression.Kinds.RELEASED:
        message = _("A release has no end: leave this empty.")
        yield Objection("until", "release_has_no_end", message)
    elif timezones.to_aware(until) <= datetime.now(UTC):
        yield Objection("until", "end_has_passed", _("This date has passed."))


def _of_replacing(
    address: str, composition: str, author: str, may_change: bool, is_confirmed: bool
) -> Iterator[Objection]:
    rows = Suppression._default_manager.using(routing.write_alias())
    before = rows.filter(pk=decisions.key_of(address, composition), kind__in=DECIDED).first()
    if before is None:
        return
    if not may_change:
        message = _(
            "There is a decision about this address already; changing it takes the permission to change."
        )
        yield Objection("address", "needs_change", message)
    elif before.author != author and not is_confirmed:
        values = {"decision": _described(before), "at": timezones.format_local(before.decided_at)}
        message = _("There is a decision about this address already: %(decision)s (%(at)s). Replace it?")
        yield Objection("", "replaces", message % values)


def recorded(decision: Suppression) -> str:
    """Return what holds after `block` or `release` returned this row, in one or more sentences."""
    values = {"address": decision.address, "composition": decision.server_composition}
    values["until"] = _day(decision.until) if decision.until else ""
    if decision.kind == Suppression.Kinds.BLOCKED:
        if values["until"] and values["composition"]:
            text = _("%(address)s is blocked at %(composition)s until %(until)s.")
        elif values["until"]:
            text = _("%(address)s is blocked until %(until)s.")
        elif values["composition"]:
            text = _("%(address)s is blocked at %(composition)s.")
        else:
            text = _("%(address)s is blocked.")
        return text % values
    if values["composition"]:
        text = _("%(address)s is released at %(composition)s.")
    else:
        text = _("%(address)s is released.")
    return "\n".join([text % values, *map(_still_at_cmc, _reasons_at_cmc(decision))])


def _reasons_at_cmc(decision: Suppression) -> list[str]:
    return list(dict.fromkeys(reason.reason for reason in decision.at_cmc))


def _still_at_cmc(reason: str) -> str:
    """Return the sentence about an entry of CMC's own lists, which a release here does not remove."""
    if reason == rules.UNSUBSCRIBED:
        return _(
            "This person unsubscribed at CMC. CMC still sends nothing to this address through that server "
            "composition."
        )
    return _(
        "Released here. CMC still blocks this address until it is removed from the list in CMC's console."
    )


def _described(decision: Suppression) -> str:
    end = _("until %(until)s") % {"until": _day(decision.until)} if decision.until else ""
    return ", ".join(filter(None, [str(decision.get_kind_display()), end, decision.note]))


def _day(moment: datetime) -> str:
    """Return a time for people: the day alone where it begins."""
    text = timezones.format_local(moment)
    local = timezones.to_local(moment)
    return f"{local:%Y-%m-%d}" if (local.hour, local.minute, local.second) == (0, 0, 0) else text
