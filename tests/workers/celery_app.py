"""The README's lines for Celery."""

from __future__ import annotations

import os

import celery
import django
from django.apps import apps

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.workers.project")
app = celery.Celery(broker=os.environ.get("AMQP_URL", "amqp://guest:guest@127.0.0.1:5672//"))
app.conf.task_default_queue = os.environ.get("WORKER_QUEUE", "cmc_webhooks_tests")


@app.task
def send_pending_signals():
    from cmc_webhooks import maintenance

    return maintenance.run()._asdict()


def wake_up():
    send_pending_signals.delay()


if not apps.ready and not apps.loading:
    django.setup()
