"""Tasks for a worker with a Django Tasks backend: send pending signals, check for alerts,
delete or anonymise old rows.

No task takes arguments: the work is recorded in the tables, so a lost, duplicate or late task does no harm.
Django has tasks from 6.0; on 5.2 the `django-tasks` package provides them (extra `tasks`).
"""

from __future__ import annotations

import django

from cmc_webhooks import alerts, maintenance, retention
from cmc_webhooks.models import routing

if django.VERSION >= (6, 0):
    from django.tasks import task
else:
    from django_tasks import task  # type: ignore[import-not-found,no-redef,unused-ignore] # an extra

__all__ = ["check_for_alerts", "prune", "send_pending_signals"]


@task
def send_pending_signals() -> dict[str, int]:
    """Send the pending signals that are due and roll up counts. Return the numbers sent, failed and dead."""
    return maintenance.run()._asdict()


@task
def prune() -> dict[str, int]:
    """Delete or anonymise rows older than `RETENTION` allows. Return the number of rows of each kind."""
    return retention.run(routing.write_alias())


@task
def check_for_alerts() -> dict[str, int]:
    """Check for alerts and send them. Return the numbers. Schedule it every five minutes.

    With a task backend that runs tasks at once, do not enqueue it in a request: sending may take 30 seconds.
    """
    looked = alerts.look() or alerts.Looked()
    return {
        "raised": len(looked.raised),
        "resolved": len(looked.resolved),
        "sent": looked.sent.number,
        "not_sent": len(looked.sent.errors),
    }
