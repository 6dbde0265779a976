"""Sentences that say whether mail may be sent to an address, and the buttons that change it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.dateformat import format as format_date
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from cmc_webhooks import timezones, wire
from cmc_webhooks.admin import labels, markup
from cmc_webhooks.conf import app_settings
from cmc_webhooks.models import Mail, Suppression
from cmc_webhooks.suppression import lifting, lookup, rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.contrib.admin import AdminSite
    from django.db.models import Model
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

    from cmc_webhooks.suppression import Explained, Reason

BLOCK, RELEASE, LIFT = "block", "release", "lift"
SCOPES = 3
"""Maximum server compositions with a sentence and buttons of their own. The address's page has all."""


class Button(NamedTuple):
    """A button that asks for a decision about an address, for one server composition or for all ("")."""

    name: str
    label: str
    url: str
    composition: str


class Sentence(NamedTuple):
    """A sentence about an address, and since when that holds."""

    text: str
    since: SafeString | None = None


class Statement(NamedTuple):
    """What is known about sending to an address: sentences, the main one first, and what can be done.

    `url` is that of the address's page, "" if the user may not open it.
    """

    address: str
    tone: str
    sentences: list[Sentence]
    at_cmc: str
    buttons: list[Button]
    url: str


def is_address(text: str) -> bool:
    """Return whether a text is an address for which there can be a verdict."""
    return len(text) <= wire.LONGEST_MAILBOX and "@" in wire.canonical_mailbox(text).strip("@")


def ask(address: str) -> tuple[Explained, list[Reason]]:
    """Return the strictest verdict on an address, and the entries that CMC's lists still have of it.

    It takes one query, or none for a text that is not an address.
    """
    if not is_address(address):
        return rules.FREE, []
    facts, rule, now = lookup.known_facts(address), app_settings.suppression, datetime.now(UTC)
    return rules.judge(facts, rules.Question(), rule, now), rules.at_cmc(facts, rule, now)


def stops(reasons: Iterable[Reason], composition: str) -> bool:
    """Return whether one of these reasons stops mail through a server composition."""
    return any(reason.composition in ("", composition) for reason in reasons)


def advice(mail: Mail, *, is_stopped: bool, is_at_cmc: bool) -> str:
    """Return what to do about a bounced mail; "" if there is no advice. See `labels.advice`."""
    if not mail.bounce_event_id:
        return ""
    return labels.advice(mail.bounce_code, is_stopped=is_stopped, is_at_cmc=is_at_cmc)


def words(reason: Reason) -> str:
    """Return a reason as a part of a sentence."""
    if reason.reason == rules.SOFT:
        number = max(reason.number, 1)
        text = ngettext("%(number)d temporary bounce", "%(number)d temporary bounces in a row", number)
        return text % {"number": number}
    return {
        rules.BY_HAND: _("blocked by hand"),
        rules.HARD: _("the address is not valid"),
        rules.BLOCKED: _("it is on CMC's list of blocked addresses"),
        rules.UNSUBSCRIBED: _("this person unsubscribed at CMC"),
    }.get(reason.reason, reason.reason)


def sentences(reasons: Sequence[Reason], composition: str = "") -> list[Sentence]:
    """Return a sentence for everywhere, and one for each server composition that is stopped besides.

    That for `composition` stands before those for other server compositions.
    """
    everywhere = [reason for reason in reasons if not reason.composition]
    ends = latest_end(everywhere) if everywhere else None
    scopes = dict.fromkeys(reason.composition for reason in reasons if reason.composition)
    besides = []
    for scope in sorted(scopes, key=lambda name: name != composition):
        here = [reason for reason in reasons if reason.composition == scope]
        if not everywhere or (ends is not None and _is_later(latest_end(here), ends)):
            besides.append(_sentence(here))
    found = [*([_sentence(everywhere)] if everywhere else []), *besides[:SCOPES]]
    if not found:
        return [Sentence(_("May be written to."))]
    if len(besides) > SCOPES:
        rest = _("%(number)d server compositions are stopped in all.")
        found.append(Sentence(rest % {"number": len(besides)}))
    if everywhere:
        return found
    return [*found, Sentence(_("It may be written to through other server compositions."))]


def latest_end(reasons: Iterable[Reason]) -> datetime | None:
    """Return when none of these reasons is left; None if one of them has no end."""
    ends = [reason.until for reason in reasons]
    return None if None in ends else max(end for end in ends if end is not None)


def until(end: datetime) -> str:
    """Return the end of a suppression as a day, with the time if it is today."""
    local = timezones.to_local(end)
    is_today = local.date() == timezones.to_local(datetime.now(UTC)).date()
    return format_date(local, "Y-m-d H:i" if is_today else "Y-m-d")


def is_past(end: datetime) -> bool:
    """Return whether a stored time has passed."""
    return timezones.to_aware(end) <= datetime.now(UTC)


def day(moment: datetime) -> str:
    """Return the day of a stored time, in the active zone."""
    return format_date(timezones.to_local(moment), "Y-m-d")


def list_name(reason: str) -> str:
    """Return the name of the list of CMC that makes this reason."""
    return _("unsubscribed addresses") if reason == rules.UNSUBSCRIBED else _("blocked addresses")


def entries(held: Iterable[Reason]) -> list[tuple[str, str, SafeString | None]]:
    """Return the list, the server composition and the time of each entry of CMC's own lists."""
    return [(list_name(each.reason), each.composition, markup.moment(each.since)) for each in held]


def at_cmc_text() -> str:
    """Return what a release cannot change: CMC's own list."""
    return _(
        "Released here. CMC still blocks this address until it is removed from the list in CMC's console."
    )


def refused_text(held: Iterable[Reason]) -> str:
    """Return what CMC goes on refusing after a release; "" without entries of its lists."""
    names = dict.fromkeys(markup.short(entry.composition) for entry in held)
    if not names:
        return ""
    text = _("CMC goes on refusing mail through %(compositions)s until its own entry is removed.")
    return text % {"compositions": ", ".join(names)}


def stopped(reasons: Sequence[Reason], composition: str = "") -> str:
    """Return a sentence for reasons that stop mail, everywhere or through one server composition."""
    end = latest_end(reasons)
    values = {
        "reason": words(reasons[0]),
        "composition": markup.short(composition),
        "until": end and until(end),
    }
    if composition and end:
        return _("Not written to through %(composition)s until %(until)s: %(reason)s.") % values
    if composition:
        return _("Not written to through %(composition)s: %(reason)s.") % values
    if end:
        return _("Not written to until %(until)s: %(reason)s.") % values
    return _("Not written to: %(reason)s.") % values


def _sentence(reasons: Sequence[Reason]) -> Sentence:
    first = reasons[0]
    return Sentence(stopped(reasons, first.composition), markup.moment(first.since))


def _is_later(one: datetime | None, other: datetime) -> bool:
    return one is None or one > other


class AddressLinks:
    """URLs and buttons about addresses that a user may use, in one admin site."""

    def __init__(self, site: AdminSite, request: HttpRequest) -> None:
        self._site, self._request = site, request
        is_there = site.is_registered(Suppression)
        self._admin: Any = site.get_model_admin(Suppression) if is_there else None

    def is_open(self) -> bool:
        """Return whether the user may see verdicts: with the permission to see mails, or decisions."""
        return self._may_view(Mail) or self._may_view(Suppression)

    def suppressed(self) -> str:
        """Return the URL of the list of suppressed addresses; "" if the user may not open it."""
        return self.url("suppressed") if self._may_view(Suppression) else ""

    def list_of_mails(self) -> str:
        """Return the URL of the list of mails; "" if the user may not open it."""
        if not self._may_view(Mail):
            return ""
        return reverse("admin:cmc_webhooks_mail_changelist", current_app=self._site.name)

    def page(self, address: str) -> str:
        """Return the URL of an address's page; "" if the user may not open it."""
        if not self._may_view(Suppression):
            return ""
        return f"{self.url('address')}?{urlencode({'address': wire.canonical_mailbox(address)})}"

    def url(self, name: str) -> str:
        """Return the URL of one of the pages about addresses."""
        return reverse(f"admin:cmc_webhooks_suppression_{name}", current_app=self._site.name)

    def statement(
        self, address: str, explained: Explained, held: Sequence[Reason], composition: str = ""
    ) -> Statement:
        """Return the sentences about an address with their buttons, for a mail through `composition`.

        `held` are the entries of CMC's own lists. Of those that do not stop mail here, a sentence says so.
        """
        reasons = explained.reasons
        stopping = {(reason.reason, reason.composition) for reason in reasons}
        is_released = any((entry.reason, entry.composition) not in stopping for entry in held)
        return Statement(
            address=wire.canonical_mailbox(address),
            tone="good" if not reasons else "bad" if stops(reasons, composition) else "delayed",
            sentences=sentences(reasons, composition),
            at_cmc=at_cmc_text() if is_released else "",
            buttons=self.buttons(reasons, held),
            url=self.page(address),
        )

    def buttons(self, reasons: Sequence[Reason], held: Iterable[Reason]) -> list[Button]:
        """Return the buttons for these reasons that the user may use."""
        return [
            *self.release_buttons(reasons)[:SCOPES],
            *self.block_buttons(reasons),
            *self.lift_buttons(held)[:SCOPES],
        ]

    def release_buttons(self, reasons: Sequence[Reason]) -> list[Button]:
        """Return the buttons that release the address from these reasons.

        A release for all server compositions lifts everything but a block by hand for one of them. So there
        is one button, or one for each server composition if such a block is among the reasons.
        """
        if self._admin is None:
            return []
        scopes = list(dict.fromkeys(reason.composition for reason in reasons))
        if len(scopes) > 1 and not any(each.reason == rules.BY_HAND and each.composition for each in reasons):
            scopes = [""]
        label, url = _("Release"), self.url(RELEASE)
        return [
            Button(RELEASE, label if len(scopes) == 1 else _labelled(label, scope), url, scope)
            for scope in scopes
            if self._may_decide(reasons, scope)
        ]

    def block_buttons(self, reasons: Sequence[Reason]) -> list[Button]:
        """Return the button that blocks the address everywhere, unless a person did so already."""
        if _is_by_hand(reasons, "") or not self._may_decide(reasons, ""):
            return []
        return [Button(BLOCK, _("Block"), self.url(BLOCK), "")]

    def lift_buttons(self, held: Iterable[Reason]) -> list[Button]:
        """Return a button for each server composition of which a list of CMC has the address."""
        if self._admin is None or not self._admin.has_lift_permission(self._request) or lifting.why_not():
            return []
        places = dict.fromkeys(reason.composition for reason in held)
        label, url = _("Lift at CMC"), self.url(LIFT)
        if len(places) == 1:
            return [Button(LIFT, label, url, *places)]
        return [Button(LIFT, _labelled(label, each), url, each) for each in places]

    def mails(self, address: str) -> str:
        """Return the URL of the list of mails to an address; "" if the user may not open it."""
        url = self.list_of_mails()
        return f"{url}?{urlencode({'q': address})}" if url else ""

    def form_url(self, address: str) -> str:
        """Return the URL of the form for a decision about this address; "" if the user may not open it."""
        if self._admin is None or not self._admin.has_add_permission(self._request):
            return ""
        return f"{self.url('add')}?{urlencode({'address': address})}"

    def _may_view(self, model: type[Model]) -> bool:
        if not self._site.is_registered(model):
            return False
        return self._site.get_model_admin(model).has_view_permission(self._request)

    def _may_decide(self, reasons: Iterable[Reason], scope: str) -> bool:
        if self._admin is None:
            return False
        replaces = _is_by_hand(reasons, scope)
        allowed: bool = self._admin.may_decide(self._request, replaces=replaces)
        return allowed


def _is_by_hand(reasons: Iterable[Reason], composition: str) -> bool:
    return any((each.reason, each.composition) == (rules.BY_HAND, composition) for each in reasons)


def _labelled(label: str, composition: str) -> str:
    return f"{label} ({markup.short(composition) or _('all')})"
