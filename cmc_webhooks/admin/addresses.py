"""Page of one address: may it be written to, why, since when, and what people decided about it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from cmc_webhooks.admin import base, labels, markup, timeline, verdicts
from cmc_webhooks.conf import app_settings
from cmc_webhooks.models import BlockEvent, BounceEvent, Mail, Suppression, routing
from cmc_webhooks.suppression import lookup, rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.http import HttpRequest, HttpResponse
    from django.utils.safestring import SafeString
    from django_stubs_ext import StrOrPromise

    from cmc_webhooks.suppression import Explained, Reason, Verdict

CAUSES = 5
"""Maximum links to what caused one reason."""
ROWS = 20
"""Maximum decisions, operations on CMC's list and mails that the page shows."""


class ReasonRow(NamedTuple):
    """One reason, with links to the events or the decision that caused it."""

    words: str
    since: SafeString | None
    until: SafeString | None
    composition: str
    causes: list[SafeString]
    buttons: list[verdicts.Button]


class ScopeRow(NamedTuple):
    """The verdicts on mail through one server composition."""

    composition: StrOrPromise
    mail: SafeString
    transactional: SafeString


class DecisionRow(NamedTuple):
    """One decision, with the name of the person that made it."""

    mark: SafeString
    composition: str
    until: SafeString | None
    note: str
    author: str
    decided: SafeString | None
    link: list[SafeString]


class BlockRow(NamedTuple):
    """One operation on CMC's list of blocked addresses."""

    words: str
    composition: str
    occurred: SafeString | None
    link: list[SafeString]


def view(admin: base.ReadOnlyAdmin, request: HttpRequest) -> HttpResponse:
    """Return the page of the address that the request names, in any spelling; without one, only a form."""
    typed = request.GET.get("address", "").strip()
    request.current_app = admin.admin_site.name
    context = {
        **admin.admin_site.each_context(request),
        "opts": admin.opts,
        "media": admin.media,
        "title": _("Address"),
        "typed": typed,
    }
    if verdicts.is_address(typed):
        context |= _context(admin, request, typed)
    elif typed:
        context["fault"] = _("Enter an e-mail address.")
    return TemplateResponse(request, "admin/cmc_webhooks/address.html", context)


def user_names(keys: Iterable[str]) -> dict[str, str]:
    """Return the names of users by the keys that decisions keep, in one query. Other authors are left out."""
    model = get_user_model()
    valid = {}
    for key in set(filter(None, keys)):
        try:
            valid[model._meta.pk.clean(key, None)] = key
        except ValidationError:  # the login name under which a command ran
            continue
    if not valid:
        return {}
    users = model._default_manager.filter(pk__in=valid)
    return {valid[user.pk]: str(user) for user in users if user.pk in valid}


def decision_mark(decision: Suppression) -> SafeString:
    """Return the type of a decision as a mark; a block whose end has passed has ended."""
    if decision.kind == Suppression.Kinds.RELEASED:
        return markup.mark("good", decision.get_kind_display())
    if decision.kind == Suppression.Kinds.LIFTED:
        return markup.mark("other", decision.get_kind_display())
    if has_ended(decision):
        return markup.mark("waiting", _("%(type)s, ended") % {"type": decision.get_kind_display()})
    return markup.mark("bad", decision.get_kind_display())


def remark(decision: Suppression) -> str:
    """Return the note of a decision, or the reason that was kept or lifted."""
    return decision.note or (str(decision.get_reason_display()) if decision.reason else "")


def has_ended(decision: Suppression) -> bool:
    """Return whether the end of a block, or of what was kept, has passed."""
    end = decision.until
    return end is not None and verdicts.is_past(end)


def _context(admin: base.ReadOnlyAdmin, request: HttpRequest, typed: str) -> dict[str, Any]:
    known = lookup.look_up(typed)
    facts = lookup.known_facts(typed)
    offered, links = (
        verdicts.AddressLinks(admin.admin_site, request),
        timeline.Links(admin.admin_site, request),
    )
    decisions = list(known.decisions[:ROWS])
    latest = list(known.latest[:ROWS]) if links.may_view(Mail) else []
    blocks = list(known.blocks[:ROWS]) if links.may_view(BlockEvent) else []
    causes = _Causes(decisions, blocks, _bounced(typed) if links.may_view(Mail) else [], links)
    explained = rules.Explained(known.verdict, known.reasons)
    reasons = [_reason(each, causes, offered) for each in known.reasons]
    names = user_names(decision.author for decision in decisions)
    return {
        "title": known.address,
        "address": known.address,
        "statement": offered.statement(known.address, explained, known.at_cmc),
        "zone": timezone.get_current_timezone_name(),
        "reasons": reasons,
        "has_buttons": len(reasons) > 1 and any(each.buttons for each in reasons),
        "scopes": _scopes(facts, decisions, latest),
        "at_cmc": verdicts.entries(known.at_cmc),
        "lift_buttons": offered.lift_buttons(known.at_cmc),
        "asks_consent": any(each.reason == rules.UNSUBSCRIBED for each in known.at_cmc),
        "decisions": [_decision(each, names, links) for each in decisions],
        "blocks": [_block(each, links) for each in blocks],
        "may_view_mails": links.may_view(Mail),
        "may_view_blocks": links.may_view(BlockEvent),
        "latest": timeline.Others([timeline.to_mail(each, links) for each in latest], offered.mails(typed)),
        "add_url": offered.form_url(known.address),
    }


def _scopes(facts: rules.Facts, decisions: Sequence[Suppression], latest: Iterable[Mail]) -> list[ScopeRow]:
    """Return the verdicts by server composition, for all that are known of the address."""
    rule, now = app_settings.suppression, datetime.now(UTC)

    def row(name: StrOrPromise, composition: str | None) -> ScopeRow:
        asked = [rules.Question(composition, transactional) for transactional in (False, True)]
        return ScopeRow(name, *(_short_verdict(rules.judge(facts, each, rule, now)) for each in asked))

    found = {outcome.composition for outcome in facts.outcomes if outcome.composition}
    found |= {decision.server_composition for decision in decisions}
    found |= {mail.server_composition for mail in latest}
    names = sorted(filter(None, found))[:ROWS]
    return [row(_("any (the strictest verdict)"), None), *(row(markup.short(name), name) for name in names)]


def _short_verdict(explained: Explained) -> SafeString:
    verdict: Verdict = explained.verdict
    if not verdict.may_send:
        return markup.mark("bad", verdicts.stopped(explained.reasons))
    if verdict.at_cmc:
        return markup.mark("delayed", _("Allowed here, but refused by CMC"))
    return markup.mark("good", _("May be written to"))


def _reason(reason: Reason, causes: _Causes, offered: verdicts.AddressLinks) -> ReasonRow:
    return ReasonRow(
        words=verdicts.words(reason),
        since=markup.moment(reason.since),
        until=markup.moment(reason.until),
        composition=reason.composition,
        causes=causes.of(reason),
        buttons=offered.release_buttons([reason]),
    )


def _bounced(address: str) -> list[Mail]:
    """Return the mails to an address with the latest bounces."""
    mails = Mail.objects.using(routing.write_alias()).for_address(address)
    return list(mails.filter(bounce_event_id__isnull=False).order_by("-bounce_event_id")[:ROWS])


class _Causes:
    """Links to what caused a reason: decisions, operations on CMC's list, bounces."""

    def __init__(
        self,
        decisions: Sequence[Suppression],
        blocks: Sequence[BlockEvent],
        bounced: Sequence[Mail],
        links: timeline.Links,
    ) -> None:
        self._decisions, self._blocks, self._bounced, self._links = decisions, blocks, bounced, links
        keys = (
            [mail.bounce_event_id for mail in bounced if mail.bounce_event_id]
            if links.may_view(BounceEvent)
            else []
        )
        events = BounceEvent._default_manager.using(routing.write_alias()).filter(pk__in=keys)
        self._events = set(events.values_list("pk", flat=True)) if keys else set()

    def of(self, reason: Reason) -> list[SafeString]:
        """Return the links for one reason, latest first."""
        if reason.reason == rules.BY_HAND:
            return self._to_decisions(Suppression.Kinds.BLOCKED, reason, "")
        most = min(reason.number, CAUSES) if reason.reason == rules.SOFT else 1
        found = [link for mail in self._mails(reason)[:most] for link in self._to_bounce(mail)]
        if not found and reason.reason == rules.BLOCKED:
            found = self._to_block(reason)
        return found or self._to_decisions(Suppression.Kinds.KEPT, reason, reason.reason)

    def _mails(self, reason: Reason) -> list[Mail]:
        return [
            mail
            for mail in self._bounced
            if rules.reason_of_code(mail.bounce_code) == reason.reason
            and reason.composition in ("", mail.server_composition)
        ]

    def _to_bounce(self, mail: Mail) -> list[SafeString]:
        text = f"{labels.reason_of_mail(mail).words}, {verdicts.day(mail.status_at or mail.created_at)}"
        if mail.bounce_event_id in self._events:
            return self._links.to(BounceEvent, mail.bounce_event_id, text)
        return self._links.to(Mail, mail.pk, text)

    def _to_block(self, reason: Reason) -> list[SafeString]:
        return [
            link
            for block in self._blocks
            if block.server_composition == reason.composition
            for link in self._links.to(
                BlockEvent, block.pk, f"{_('block event')}, {verdicts.day(block.occurred_at)}"
            )
        ][:1]

    def _to_decisions(self, kind: str, reason: Reason, kept: str) -> list[SafeString]:
        return [
            link
            for row in self._decisions
            if (row.kind, row.reason) == (kind, kept)
            and row.server_composition in (reason.composition, reason.cause)
            for link in self._links.to(Suppression, row.pk, str(row))
        ][:1]


def _decision(decision: Suppression, names: dict[str, str], links: timeline.Links) -> DecisionRow:
    return DecisionRow(
        mark=decision_mark(decision),
        composition=decision.server_composition,
        until=markup.moment(decision.until),
        note=remark(decision),
        author=names.get(decision.author, decision.author),
        decided=markup.moment(decision.decided_at),
        link=links.to(Suppression, decision.pk, _("Open")),
    )


def _block(block: BlockEvent, links: timeline.Links) -> BlockRow:
    return BlockRow(
        words=labels.reason_of_code(block.bounce_code).words,
        composition=block.server_composition,
        occurred=markup.moment(block.occurred_at),
        link=links.to(BlockEvent, block.pk, _("Open")),
    )
