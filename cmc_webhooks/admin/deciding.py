"""The pages that ask before an address is blocked, released or removed from CMC's own lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cmc_webhooks import suppression, wire
from cmc_webhooks.admin import suppression_forms, verdicts
from cmc_webhooks.db import transactions
from cmc_webhooks.models import Suppression
from cmc_webhooks.suppression import lifting, rules

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.http import HttpRequest, HttpResponse
    from django_stubs_ext import StrOrPromise

    from cmc_webhooks.admin.suppressions import SuppressionAdmin

_CONFIRMED = "confirmed"
_KINDS = {
    verdicts.BLOCK: Suppression.Kinds.BLOCKED.value,
    verdicts.RELEASE: Suppression.Kinds.RELEASED.value,
}

_QUESTIONS: dict[str, tuple[StrOrPromise, Sequence[Any], StrOrPromise, StrOrPromise]] = {
    verdicts.BLOCK: (
        _("Block an address"),
        (_("Block %(address)s?"), _("Block %(address)s for mail through %(composition)s?")),
        _("No mail is sent to it, whatever CMC reports, until the end of the block or until it is released."),
        _("Yes, block it"),
    ),
    verdicts.RELEASE: (
        _("Release an address"),
        (_("Release %(address)s?"), _("Release %(address)s for mail through %(composition)s?")),
        _("Bounces so far are ignored, and mail is sent to it again. A newer bounce suppresses it again."),
        _("Yes, release it"),
    ),
    verdicts.LIFT: (
        _("Lift at CMC"),
        (
            _("Remove %(address)s from CMC's own lists?"),
            _("Remove %(address)s from CMC's own lists for mail through %(composition)s?"),
        ),
        _("CMC then sends mail to it again. A decision made here stays as it is."),
        _("Yes, remove it at CMC"),
    ),
}
"""Title, question (for all server compositions, for one), meaning and button of the pages that ask."""


def decide(model_admin: SuppressionAdmin, request: HttpRequest, name: str) -> HttpResponse:
    """Ask whether to block or release an address; when that is confirmed, store the decision."""
    if not model_admin.may_decide(request, replaces=False):
        raise PermissionDenied
    address, composition = _asked(request)
    existing = suppression_forms.decision_about(address, composition)
    form_class = model_admin.get_form(request)
    if _CONFIRMED in request.POST:
        data = request.POST.copy()
        data["kind"] = _KINDS[name]
        form = form_class(data)
        if form.is_valid():
            return _store(model_admin, request, form)
    else:
        seen = suppression_forms.seen_token(existing) if existing else ""
        form = form_class(initial={**_given(request), "seen": seen})
    for field in ("address", "server_composition"):
        form.fields[field].widget = forms.HiddenInput()
    del form.fields["kind"]
    if name == verdicts.RELEASE and "until" not in form.errors:
        del form.fields["until"]
    is_refused = existing is not None and not model_admin.may(request, "change")
    return _ask(model_admin, request, name, form, existing, is_refused=is_refused)


def _store(model_admin: SuppressionAdmin, request: HttpRequest, form: Any) -> HttpResponse:
    decision = form.save(commit=False)
    try:
        model_admin.save_model(request, decision, form, change=False)
    except transactions.Unavailable:
        model_admin.say(request, gettext("The database is unavailable. Please try again."), messages.ERROR)
        return model_admin.leave(request, decision.address)
    note = model_admin.construct_change_message(request, form, [], add=form.replaced is None)
    log = model_admin.log_addition if form.replaced is None else model_admin.log_change
    log(request, decision, note)
    return model_admin.answer_saved(request, decision)


def _ask(
    model_admin: SuppressionAdmin,
    request: HttpRequest,
    name: str,
    form: Any,
    existing: Suppression | None = None,
    *,
    is_refused: bool = False,
) -> TemplateResponse:
    """Return the page that asks before it is done, with what holds now."""
    address, composition = _asked(request)
    offered = verdicts.AddressLinks(model_admin.admin_site, request)
    explained, held = verdicts.ask(address)
    here = [entry for entry in held if composition in ("", entry.composition)]
    statement = offered.statement(address, explained, held)
    title, question, meaning, button = _QUESTIONS[name]
    request.current_app = model_admin.admin_site.name
    values = {"address": address, "composition": composition}
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "media": model_admin.media + form.media,
        "title": title,
        "question": question[bool(composition)] % values,
        "meaning": meaning,
        "button": button,
        "form": form,
        "statement": statement._replace(buttons=[]),
        "existing": existing and suppression_forms.described(existing),
        "asks_consent": name != verdicts.BLOCK and rules.UNSUBSCRIBED in {each.reason for each in here},
        "lists": verdicts.entries(here) if name == verdicts.LIFT else [],
        "goes_on_refusing": name == verdicts.RELEASE and verdicts.refused_text(here),
        "is_refused": is_refused,
        "confirmed": _CONFIRMED,
        "back": statement.url
        or offered.mails(address)
        or reverse("admin:index", current_app=model_admin.admin_site.name),
    }
    return TemplateResponse(request, "admin/cmc_webhooks/decide.html", context)


def lift(model_admin: SuppressionAdmin, request: HttpRequest) -> HttpResponse:
    """Ask whether to remove an address from CMC's own lists; when that is confirmed, ask CMC to do so."""
    address, composition = _asked(request)
    if fault := lifting.why_not():
        model_admin.say(request, fault, messages.ERROR)
        return model_admin.leave(request, address)
    _explained, held = verdicts.ask(address)
    lists = sorted(entry.reason for entry in held if entry.composition == composition)
    data = request.POST if _CONFIRMED in request.POST else None
    form = suppression_forms.LiftForm(data, initial=_given(request), lists=lists)
    if form.is_bound and form.is_valid():
        _lift(model_admin, request, address, composition, form)
        return model_admin.leave(request, address)
    return _ask(model_admin, request, verdicts.LIFT, form)


def _lift(
    model_admin: SuppressionAdmin,
    request: HttpRequest,
    address: str,
    composition: str,
    form: suppression_forms.LiftForm,
) -> None:
    """Ask CMC to remove the address from the chosen lists, and show its answers as they came."""
    from cmc_webhooks import rest  # needs the extra httpx, which `why_not` looked for

    if not form.chosen:
        text = gettext("CMC's lists of %(composition)s are not known to have this address.")
        model_admin.say(request, text % {"composition": composition}, messages.WARNING)
    by = {"note": form.cleaned_data["note"], **model_admin.by(request)}
    try:
        for name in form.chosen:
            for lift in suppression.lift_at_cmc(address, composition, reason=name, **by):
                _say_answer(model_admin, request, lift)
    except (suppression.NotAllowed, rest.Failed) as error:
        model_admin.say(request, gettext("CMC did not do it: %s") % error, messages.ERROR)


def _say_answer(model_admin: SuppressionAdmin, request: HttpRequest, lift: suppression.Lift) -> None:
    if lift.is_done:
        text = gettext("CMC removed the address from its list of %(list)s. Its answer: %(answer)s")
    else:
        text = gettext("CMC did not remove the address from its list of %(list)s. Its answer: %(answer)s")
    values = {"list": verdicts.list_name(lift.reason), "answer": lift.answer}
    model_admin.say(request, text % values, messages.SUCCESS if lift.is_done else messages.ERROR)


def _asked(request: HttpRequest) -> tuple[str, str]:
    """Return the address and the server composition that a button names.

    Raises:
        SuspiciousOperation: it does not name an address; no page has such a button.
    """
    given = _given(request)
    if not verdicts.is_address(given["address"]):
        raise SuspiciousOperation("not an address")
    return wire.canonical_mailbox(given["address"]), given["server_composition"]


def _given(request: HttpRequest) -> dict[str, str]:
    return {name: wire.clean(request.POST.get(name, "")) for name in ("address", "server_composition")}
