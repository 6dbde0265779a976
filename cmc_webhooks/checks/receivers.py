"""Checks of the connected receivers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from cmc_webhooks import event_types, signals, status
from cmc_webhooks.checks.helpers import Message, warning
from cmc_webhooks.dispatch import receivers
from cmc_webhooks.models import Mail

if TYPE_CHECKING:
    from django.apps import AppConfig
    from django.db.models import Model
    from django.dispatch import Signal


def check_receivers(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[Message]:
    """Check that each receiver has a unique name, and that `on_status` names known words (W095, W096)."""
    return [*_unnamed(), *_unknown_statuses()]


def _signals() -> Iterator[tuple[str, Signal, type[Model]]]:
    """Yield the signals that go through the outbox, with each of their senders."""
    for kind in event_types.EVENT_TYPES.values():
        yield "event_recorded", signals.event_recorded, kind.model
    yield "status_changed", signals.status_changed, Mail
    yield "mails_pruned", signals.mails_pruned, Mail
    yield "address_erased", signals.address_erased, Mail


def _unnamed() -> Iterator[Message]:
    found: dict[str, dict[str, None]] = {}
    for name, signal, sender in _signals():
        for receiver in receivers.connected(signal, sender):
            if receiver.name == receivers.UNNAMED:
                found.setdefault(name, {})[receiver.label] = None
    for name, labels in found.items():
        message = ngettext(
            "A receiver of %(signal)s has no unique name: %(receivers)s.",
            "Receivers of %(signal)s have no unique names: %(receivers)s.",
            len(labels),
        )
        yield warning(
            "W095",
            message % {"signal": name, "receivers": ", ".join(labels)},
            _("If one of them fails, all of them are called again. Give each a dispatch_uid."),
        )


def _unknown_statuses() -> Iterator[Message]:
    known = [*status.DeliveryStatus.values, status.BOUNCED]
    for receiver in receivers.connected(signals.status_changed, Mail):
        if not isinstance(receiver.function, signals.StatusReceiver):
            continue
        words = [word for word in receiver.function.statuses if word not in known]
        if words:
            yield warning(
                "W096",
                _('on_status connects %(receiver)s for an unknown status: "%(statuses)s".')
                % {"receiver": receiver.label, "statuses": '", "'.join(words)},
                _("Must be one of: %s") % ", ".join(known),
            )
