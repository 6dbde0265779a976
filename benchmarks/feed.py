"""What the change feed costs: `python -m benchmarks.feed`; DATABASE_URL names an empty database.

Notifications of 100 new events, with the feed and without it, which come first in turn; then pruning deletes
these mails, 100 in a batch, with the feed and without it in turn.
"""

from __future__ import annotations

import argparse
import gc
import statistics as numbers
import time
from datetime import UTC, datetime, timedelta
from unittest import mock

from benchmarks import ingest  # sets Django up

# isort: split
from django.core.management import call_command
from django.db import connection
from django.test import override_settings

from cmc_webhooks import models, retention

ON, OFF = "with the feed", "without"


class Fed(ingest.Site):
    """The project with its feed; other mails, since each is new once."""

    shift = 50_000_000

    def _ask(self, environ):
        with override_settings(CMC_WEBHOOKS_CHANGE_FEED=True):
            super()._ask(environ)


class Steady(retention.Pace):
    """Batches that are all as large."""

    def __post_init__(self):
        self.size = self.batch

    def after(self, took):
        pass


def pruned():
    """The milliseconds of each batch of mails that is deleted, with the feed and without it in turn."""
    spent, prune = {OFF: [], ON: []}, retention._Held.prune

    def timed(held, keys):
        name = OFF if len(spent[OFF]) == len(spent[ON]) else ON
        gc.collect()
        with override_settings(CMC_WEBHOOKS_CHANGE_FEED=name == ON):
            began = time.perf_counter()
            number = prune(held, keys)
            spent[name].append(1000 * (time.perf_counter() - began))
        return number

    with mock.patch.object(retention._Held, "prune", timed):
        retention.prune("default", "mails", datetime.now(UTC) + timedelta(days=1), pace=Steady(100, 0))
    return spent


def show(work, spent):
    """Print the medians, and their ratio."""
    on, off = (numbers.median(spent[name]) for name in (ON, OFF))
    print(f"{work}: {on:.1f} ms with the feed, {off:.1f} ms without, {on / off:.2f} times")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=150)
    pairs = parser.parse_args().pairs
    call_command("migrate", run_syncdb=True, verbosity=0)
    assert not models.Mail.objects.exists(), "DATABASE_URL must name an empty database"
    gc.freeze()
    contestants = {
        name: kind("/cmc/webhook", models.Mail, models.DeliveryEvent)
        for name, kind in ((ON, Fed), (OFF, ingest.Site))
    }
    batches = [(100 * turn, 100, "queued", False) for turn in range(pairs + ingest.WARM_UP)]
    spent = ingest.rounds(contestants, batches)
    sent = 100 * len(batches)
    assert (models.Mail.objects.count(), models.Change.objects.count()) == (2 * sent, sent), (
        "not all is stored"
    )
    print(f"{connection.display_name}, medians of {pairs} pairs:")
    show("100 new events", spent)
    show("100 mails deleted", pruned())
    assert not models.Mail.objects.exists(), "not all is deleted"


if __name__ == "__main__":
    main()
