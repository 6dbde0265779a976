"""What keeping the counts costs: `python -m benchmarks.counts`; DATABASE_URL names an empty database.

Notifications of 100 new events in pairs, with and without the counts, which come first in turn. By the ORM
(`RAW_SQL = False`), where the counts are a statement of their own.
"""

from __future__ import annotations

import argparse
import gc
import statistics as numbers
from unittest import mock

from benchmarks import ingest  # sets Django up

# isort: split
from django.core.management import call_command
from django.db import connection
from django.test import override_settings

from cmc_webhooks import models
from cmc_webhooks.store import orm


class Uncounted(ingest.Site):
    """The project without its counts; other mails, since each is new once."""

    shift = 50_000_000

    def _ask(self, environ):
        with mock.patch.object(orm, "count"):
            super()._ask(environ)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=150)
    pairs = parser.parse_args().pairs
    call_command("migrate", run_syncdb=True, verbosity=0)
    gc.freeze()
    contestants = {
        name: kind("/cmc/webhook", models.Mail, models.DeliveryEvent)
        for name, kind in (("with counts", ingest.Site), ("without", Uncounted))
    }
    batches = [(100 * turn, 100, "queued", False) for turn in range(pairs + ingest.WARM_UP)]
    with override_settings(CMC_WEBHOOKS_RAW_SQL=False):
        spent = ingest.rounds(contestants, batches)
    counted = sum(models.MailCount.objects.values_list("number", flat=True))
    sent = 100 * len(batches)
    assert (counted, models.Mail.objects.count()) == (sent, 2 * sent), "something was not stored as it ought"
    slower = [one / other - 1 for one, other in zip(spent["with counts"], spent["without"], strict=True)]
    print(f"{connection.display_name}, 100 new events by the ORM, medians of {pairs} pairs:")
    for name, times in spent.items():
        print(f"{name}: {numbers.median(times):.1f} ms")
    print(f"with counts {100 * numbers.median(slower):.1f} % longer")


if __name__ == "__main__":
    main()
