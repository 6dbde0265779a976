"""How long things are kept and remembered: does RETENTION fit to itself, and to SUPPRESSION?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from cmc_webhooks.checks.messages import Message, error, warning
from cmc_webhooks.checks.values import is_integer
from cmc_webhooks.conf import app_settings
from cmc_webhooks.verdicts import Rule

if TYPE_CHECKING:
    from django.apps import AppConfig

KINDS = ("notifications", "rejected", "events", "mails", "personal")
REMEMBERED_BY = ("mails", "personal")
"""Kinds with which goes what suppression knows of an address."""
SHORTEST_DAYS = 60


def check_keeping(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[Message]:
    """E013, W014, E040 and W043: is everything kept and remembered for as long as it is needed?"""
    faults = [*_retention(), *_suppression()]
    return faults if any(message.is_serious() for message in faults) else [*faults, *_forgotten()]


def _retention() -> Iterator[Message]:
    retention = app_settings.raw("RETENTION")
    if not isinstance(retention, Mapping) or not all(
        kind in KINDS and is_integer(days, 1) for kind, days in retention.items()
    ):
        yield error(
            "E013",
            _("CMC_WEBHOOKS_RETENTION is not a dict of days by kind."),
            _("Kinds are %s; days are integers; a kind left out is kept.") % ", ".join(KINDS),
        )
    elif any(days < SHORTEST_DAYS for days in retention.values()):
        yield warning(
            "W014",
            _("CMC_WEBHOOKS_RETENTION keeps something for less than %d days.") % SHORTEST_DAYS,
            _("CMC's console shows 40 days: a shorter history cannot be compared with it."),
        )


def _suppression() -> Iterator[Message]:
    given = app_settings.raw("SUPPRESSION")
    if not isinstance(given, Mapping) or not all(
        name in Rule._fields and (is_integer(value, 1) or (name == "expires" and value is None))
        for name, value in given.items()
    ):
        yield error(
            "E040",
            _("CMC_WEBHOOKS_SUPPRESSION is not a dict of soft, window and expires."),
            _("soft is a number of bounces, window and expires are days; expires may be None, for never."),
        )


def _forgotten() -> Iterator[Message]:
    """Where a bounce goes before it has ceased to forbid."""
    retention, expires = app_settings.retention, app_settings.suppression.expires
    early = [
        kind
        for kind in REMEMBERED_BY
        if kind in retention and (expires is None or retention[kind] < expires.days)
    ]
    if not early:
        return
    if expires is None:
        hint = _("Keep them, or say after how many days a bounce forbids no more.")
    else:
        hint = _("Keep them for %d days at least, or let bounces expire sooner.") % expires.days
    yield warning(
        "W043",
        _("CMC_WEBHOOKS_RETENTION is shorter for %s than CMC_WEBHOOKS_SUPPRESSION remembers.")
        % ", ".join(early),
        hint,
    )
