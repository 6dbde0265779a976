"""The signal calls of outbox rows as lines for people, with links to the event and the mail."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _

from cmc_webhooks.admin import labels, markup
from cmc_webhooks.event_types import EVENT_TYPES
from cmc_webhooks.models import Mail, PendingSignal, routing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.utils.safestring import SafeString

    from cmc_webhooks.admin.timeline import Links

__all__ = ["described"]

SHOWN = 100
"""Calls of a page at most. A row has up to 25."""


def described(rows: Sequence[PendingSignal], links: Links | None) -> list[SafeString]:
    """Return a line for each call of these rows, the first ones with links; one query for each model.

    The line says which signal it is, for which event and mail, and which error the last attempt ended with.
    Only who may view mails sees the address.
    """
    calls = [(row, fact) for row in rows for fact in row.facts]
    keys: defaultdict[type[Any], set[UUID]] = defaultdict(set)
    for _row, fact in calls[:SHOWN]:
        for model, key in _referred(fact):
            keys[model].add(key)
    using = routing.write_alias()
    found = {model: model._default_manager.using(using).in_bulk(some) for model, some in keys.items()}
    return [_line(row, fact, found, links) for row, fact in calls]


def _line(
    row: PendingSignal, fact: Mapping[str, Any], found: Mapping[Any, Mapping[UUID, Any]], links: Links | None
) -> SafeString:
    parts = [_named(fact)]
    for model, key in _referred(fact):
        stored = found.get(model, {}).get(key)
        parts.append(_link(model, key, stored, links))
    if row.last_error:
        parts.append(format_html("{}", row.last_error))
    return format_html_join(" · ", "{}", ((part,) for part in parts))


def _named(fact: Mapping[str, Any]) -> SafeString:
    """Return the name of the signal, and of a change the old and the new status."""
    name = fact.get("signal", "")
    if "version" not in fact:
        return format_html("{}", name)
    old, new = (labels.status_word(fact[each]) if fact[each] else "–" for each in ("old", "new"))
    return format_html("{}: {} → {}", name, old, new)


def _referred(fact: Mapping[str, Any]) -> list[tuple[type[Any], UUID]]:
    """Return the models and keys of the event and the mail that a call is about."""
    kind = EVENT_TYPES.get(fact.get("event_type", ""))
    pairs = [(kind.model if kind else None, fact.get("event")), (Mail, fact.get("mail"))]
    return [(model, UUID(key)) for model, key in pairs if model is not None and key]


def _link(model: type[Any], key: UUID, stored: Any, links: Links | None) -> SafeString:
    """Return a link to a row that is stored and that the user may view, otherwise its key."""
    name = str(model._meta.verbose_name)
    if stored is None:
        return format_html("{} {}: {}", name, key, _("no longer kept"))
    is_visible = links is not None and links.may_view(model)
    if links is None or not is_visible:
        return format_html("{} {}", name, key)
    text = markup.short(stored.recipient) if isinstance(stored, Mail) else ""
    return links.to(model, key, text or name)[0]
