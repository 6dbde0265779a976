"""The task that wakes a worker in the deferred mode. Workers run it through their Django Tasks backend.

It takes no arguments: what is owed stands in the outbox, so a lost, doubled or late wake-up does no harm.
Django has tasks from 6.0; on 5.2 the `django-tasks` package brings them (extra `tasks`).
"""

from __future__ import annotations

import django

from cmc_webhooks import store, upkeep

if django.VERSION >= (6, 0):
    from django.tasks import task
else:
    from django_tasks import task  # type: ignore[import-not-found,no-redef,unused-ignore] # an extra

__all__ = ["send_owed_signals"]


@task
def send_owed_signals() -> dict[str, int]:
    """Send every signal that is owed and due, and roll up counts; how many were sent, failed and died."""
    return upkeep.run(store.alias())._asdict()
