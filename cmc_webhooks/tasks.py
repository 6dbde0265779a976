"""Work for a worker, which runs it through its Django Tasks backend: what is owed, and what is old.

No task takes arguments: what is to do stands in the tables, so a lost, doubled or late one does no harm.
Django has tasks from 6.0; on 5.2 the `django-tasks` package brings them (extra `tasks`).
"""

from __future__ import annotations

import django

from cmc_webhooks import retention, store, upkeep

if django.VERSION >= (6, 0):
    from django.tasks import task
else:
    from django_tasks import task  # type: ignore[import-not-found,no-redef,unused-ignore] # an extra

__all__ = ["prune", "send_owed_signals"]


@task
def send_owed_signals() -> dict[str, int]:
    """Send every signal that is owed and due, and roll up counts; how many were sent, failed and died."""
    return upkeep.run()._asdict()


@task
def prune() -> dict[str, int]:
    """Let go what is older than `RETENTION` says; how many rows of each kind went."""
    return retention.run(store.alias())
