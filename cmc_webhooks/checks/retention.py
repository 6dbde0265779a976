"""Checks of RETENTION and SUPPRESSION: each is valid, and both fit together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from cmc_webhooks.checks.helpers import Message, error, is_integer, warning
from cmc_webhooks.conf import SuppressionRule, app_settings
from cmc_webhooks.retention import KINDS

if TYPE_CHECKING:
    from django.apps import AppConfig

REMEMBERED_BY = ("mails", "personal")
"""Retention kinds that also remove what suppression knows about an address."""
SHORTEST_DAYS = 60
SHORT_LIVED = ("signals",)
"""Kinds that are no history, so that they need not be kept for as long."""
_WITHOUT_END = ("expires", "soft_expires")
_LEAST = {"apart": 0}


def check_keeping(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[Message]:
    """Check that data is kept and bounces are remembered for as long as needed (E013, W014, E040, W043)."""
    faults = [*_retention(), *_suppression()]
    return faults if any(message.is_serious() for message in faults) else [*faults, *_forgotten()]


def _retention() -> Iterator[Message]:
    retention = app_settings.raw("RETENTION")
    if not isinstance(retention, Mapping) or not all(
        kind in KINDS and is_integer(days, 1) for kind, days in retention.items()
    ):
        yield error(
            "E013",
            _("CMC_WEBHOOKS_RETENTION is not a dict of kind to days."),
            _("The kinds are %s. Days are integers. Kinds that are not listed are kept.") % ", ".join(KINDS),
        )
    elif any(days < SHORTEST_DAYS for kind, days in retention.items() if kind not in SHORT_LIVED):
        yield warning(
            "W014",
            _("CMC_WEBHOOKS_RETENTION keeps something for less than %d days.") % SHORTEST_DAYS,
            _("CMC's console shows 40 days: a shorter history cannot be compared with it."),
        )


def _suppression() -> Iterator[Message]:
    given = app_settings.raw("SUPPRESSION")
    if not isinstance(given, Mapping) or not all(
        name in SuppressionRule._fields
        and (is_integer(value, _LEAST.get(name, 1)) or (name in _WITHOUT_END and value is None))
        for name, value in given.items()
    ):
        yield error(
            "E040",
            _("CMC_WEBHOOKS_SUPPRESSION is not a dict of %s.") % ", ".join(SuppressionRule._fields),
            _(
                "soft is a number of bounces, the others are days. expires and soft_expires may be None, for "
                "never."
            ),
        )


def _forgotten() -> Iterator[Message]:
    """Yield W043 if a bounce is deleted or blanked before the suppression that it causes expires."""
    retention, rule = app_settings.retention, app_settings.suppression
    ends = [end for end in (rule.expires, rule.soft_expires) if end is not None]
    expires = max(ends) if len(ends) == len(_WITHOUT_END) else None
    early = [
        kind
        for kind in REMEMBERED_BY
        if kind in retention and (expires is None or retention[kind] < expires.days)
    ]
    if not early:
        return
    if expires is None:
        hint = _("Keep them, or set after how many days a bounce no longer suppresses an address.")
    else:
        hint = _("Keep them for at least %d days, or let bounces expire sooner.") % expires.days
    yield warning(
        "W043",
        _("CMC_WEBHOOKS_RETENTION is shorter for %s than the expiry in CMC_WEBHOOKS_SUPPRESSION.")
        % ", ".join(early),
        hint,
    )
