"""A check for django-health-check 4 or newer. Name it in the `checks` of its HealthCheckView."""

from __future__ import annotations

import dataclasses

from django.db import DatabaseError
from health_check.base import HealthCheck
from health_check.exceptions import ServiceUnavailable, ServiceWarning

from cmc_webhooks.db import transactions
from cmc_webhooks.models import routing
from cmc_webhooks.monitoring import health

__all__ = ["CmcWebhooks"]


@dataclasses.dataclass
class CmcWebhooks(HealthCheck):  # type: ignore[misc,unused-ignore] # the package is not typed
    """A check that reports the same problems as `cmc_status`.

    `max_age` is the maximum age of a pending signal in seconds. `fail_if_silent` is the maximum time without
    a notification in seconds, by default `CMC_WEBHOOKS_MAX_SILENCE`.
    """

    max_age: float = health.MAX_AGE
    fail_if_silent: float | None = None

    def run(self) -> None:
        """Check the app's health. The event loop runs this in a thread.

        Raises:
            ServiceWarning: there are problems that an operator must resolve.
            ServiceUnavailable: the database is unavailable.
        """
        try:
            now = health.look_apart(routing.write_alias())
            problems = now.problems(self.max_age, self.fail_if_silent)
        except (transactions.Unavailable, DatabaseError) as error:
            fault = transactions.setup_fault(error) or "the database is unavailable"
            raise ServiceUnavailable(fault) from error
        if problems:
            raise ServiceWarning(" ".join(problems))
