"""A check for django-health-check, version 4 or newer: name it in the `checks` of its HealthCheckView."""

from __future__ import annotations

import dataclasses

from health_check.base import HealthCheck
from health_check.exceptions import ServiceUnavailable, ServiceWarning

from cmc_webhooks import durable, health, store
from cmc_webhooks.conf import app_settings

__all__ = ["CmcWebhooks"]


@dataclasses.dataclass
class CmcWebhooks(HealthCheck):  # type: ignore[misc,unused-ignore] # that package is not typed
    """Says what `cmc_status` says.

    `max_age` are seconds that a signal may be owed, `fail_if_silent` seconds without a notification;
    `CMC_WEBHOOKS_MAX_SILENCE` by default.
    """

    max_age: float = health.MAX_AGE
    fail_if_silent: float | None = None

    def run(self) -> None:
        """Look, in a thread of the event loop.

        Raises:
            ServiceWarning: an operator must see to something.
            ServiceUnavailable: the database is away.
        """
        silent = app_settings.max_silence if self.fail_if_silent is None else self.fail_if_silent
        try:
            problems = health.look_apart(store.alias()).problems(self.max_age, silent)
        except durable.Unavailable as error:
            raise ServiceUnavailable("the database is away") from error
        if problems:
            raise ServiceWarning("; ".join(problems))
