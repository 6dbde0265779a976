"""Forms of decisions about addresses, and what they say about a decision that stands already."""

from __future__ import annotations

from datetime import time as clock_time
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.utils.translation import gettext, pgettext
from django.utils.translation import gettext_lazy as _

from cmc_webhooks import wire
from cmc_webhooks.admin import addresses, verdicts
from cmc_webhooks.models import Suppression, routing
from cmc_webhooks.suppression import decisions, form_rules

if TYPE_CHECKING:
    from collections.abc import Sequence


class EndField(forms.SplitDateTimeField):
    """The end of a block. A day without a time means the beginning of that day."""

    def compress(self, data_list: Any) -> Any:
        if not data_list:
            return None
        day, at = data_list
        return super().compress((day, clock_time.min if day and at in self.empty_values else at))


class SuppressionForm(forms.ModelForm):  # type: ignore[type-arg] # no subscript at run time
    """A form for a decision about an address in any spelling.

    `seen` is the time of the decision that the form showed. If another person decided meanwhile, or before,
    the form asks once before it replaces that decision.
    """

    may_change: ClassVar[bool] = False
    user_key: ClassVar[str] = ""
    seen = forms.CharField(required=False, widget=forms.HiddenInput)
    replaced: Suppression | None = None

    class Meta:
        model = Suppression
        fields = ("address", "server_composition", "kind", "until", "note")
        field_classes: ClassVar[dict[str, Any]] = {"until": EndField}
        widgets: ClassVar[dict[str, Any]] = {
            "server_composition": forms.TextInput(attrs={"list": "cmc-compositions", "class": "vTextField"})
        }

    def clean_address(self) -> str:
        return wire.canonical_mailbox(self.cleaned_data["address"])

    def clean(self) -> dict[str, Any]:
        """Refuse what `form_rules` objects to, and ask where it asks."""
        given: dict[str, Any] = super().clean() or self.cleaned_data
        if self.errors:
            return given
        address = given.get("address", self.instance.address)
        composition = given.get("server_composition", self.instance.server_composition)
        self.replaced = decision_about(address, composition)
        for objection in form_rules.objections(
            address,
            given["kind"],
            composition=composition,
            until=given.get("until"),
            author=self.user_key,
            may_change=self.may_change,
            is_confirmed=self.replaced is not None and self._is_shown(self.replaced, given["seen"]),
        ):
            self._refuse(objection)
        return given

    def _refuse(self, objection: form_rules.Objection) -> None:
        text = objection.message
        if objection.code == "replaces" and self.replaced:
            hint = gettext("To replace it, submit this form once more.")
            text = pgettext("between sentences", "%(one)s %(other)s") % {"one": text, "other": hint}
            data: Any = self.data
            self.data = data = data.copy()
            data[self.add_prefix("seen")] = seen_token(self.replaced)
        self.add_error(objection.field if objection.field in self.fields else None, text)

    def _is_shown(self, existing: Suppression, seen: str) -> bool:
        """Return whether the form showed this decision: by `seen`, or as the page of this very row."""
        is_its_page = existing.pk == self.instance.pk and self.add_prefix("seen") not in self.data
        return is_its_page or seen == seen_token(existing)


class LiftForm(forms.Form):
    """A form to remove an address from CMC's lists of a server composition: those that have it."""

    address = forms.CharField(widget=forms.HiddenInput)
    server_composition = forms.CharField(required=False, widget=forms.HiddenInput)
    note = forms.CharField(
        label=_("note"), required=False, max_length=255, widget=forms.TextInput(attrs={"class": "vTextField"})
    )

    def __init__(self, *arguments: Any, lists: Sequence[str], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._lists = lists
        if len(lists) > 1:
            self.fields["lists"] = forms.MultipleChoiceField(
                label=_("CMC's own lists"),
                choices=[(name, verdicts.list_name(name)) for name in lists],
                initial=lists[:1],
                widget=forms.CheckboxSelectMultiple,
            )

    @property
    def chosen(self) -> Sequence[str]:
        """Return the lists to remove the address from."""
        chosen: Sequence[str] = self.cleaned_data.get("lists", self._lists)
        return chosen


def decision_about(address: str, composition: str) -> Suppression | None:
    """Return the decision about an address and a server composition as it was last written."""
    rows = Suppression._default_manager.using(routing.write_alias())
    return rows.filter(pk=decisions.key_of(address, composition)).first()


def seen_token(decision: Suppression) -> str:
    """Return a text that changes when the decision does."""
    return decision.decided_at.isoformat()


def described(decision: Suppression) -> str:
    """Return a decision as a part of a sentence, with its author and note."""
    parts = [short_description(decision)]
    if who := addresses.user_names([decision.author]).get(decision.author, decision.author):
        parts.append(gettext("by %(who)s") % {"who": who})
    parts.append(verdicts.day(decision.decided_at))
    if decision.note:
        parts.append(gettext("“%s”") % decision.note)
    return pgettext("between parts of a description", ", ").join(parts)


def short_description(decision: Suppression) -> str:
    """Return a decision in a few words, without the address, names and the note."""
    kind = decision.get_kind_display()
    if decision.until:
        values = {"type": kind, "until": verdicts.until(decision.until)}
        return gettext("%(type)s until %(until)s") % values
    return str(kind)
