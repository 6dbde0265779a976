"""Seconds for the verdicts about many addresses: `python -m benchmarks.suppression --events 1000000`.

On the empty database that DATABASE_URL names. Nearly all addresses have had mails, a few were blocked by CMC
or by hand, a few are unknown. Medians of rounds in which the two ways take turns: SQL of our own, the ORM.
"""

from __future__ import annotations

import argparse
import random
import statistics as numbers
import time
from datetime import timedelta

from benchmarks import history  # sets Django up

# isort: split
from django.db import connection
from django.test import override_settings
from django.utils import timezone

from cmc_webhooks import models, suppression

ROUNDS = 5
BLOCKED_BY_CMC, BY_HAND, UNKNOWN = 0.01, 0.002, 0.02


def addresses(number):
    """That many addresses, in no order; their blocks and decisions are stored."""
    dice = random.Random(number)
    unknown = int(number * UNKNOWN)
    known = models.Mail.objects.order_by("address").values_list("address", flat=True).distinct()
    asked = dice.sample(list(known), number - unknown)
    now = timezone.now()
    models.BlockEvent.objects.bulk_create(
        models.BlockEvent(
            id=history.key(at), notification_id=history.key(at), occurred_at=at, received_at=at,
            address=address, bounce_code="1", occurrences="1", raw={},
        )
        for address in asked[: int(number * BLOCKED_BY_CMC)]
        if (at := now - timedelta(days=dice.randrange(history.DAYS)))
    )  # fmt: skip
    for address in asked[-int(number * BY_HAND) :]:
        dice.choice([suppression.block, suppression.release])(address)
    asked += [f"nobody{place}@{dice.choice(history.DOMAINS)}" for place in range(unknown)]
    dice.shuffle(asked)
    return asked


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--addresses", type=int, default=100_000)
    options = parser.parse_args()
    history.make(options.events)
    asked = addresses(options.addresses)
    history.analyse()
    taken = {True: [], False: []}
    for turn in range(ROUNDS * 2):
        raw = turn % 2 == 0
        with override_settings(CMC_WEBHOOKS_RAW_SQL=raw):
            began = time.perf_counter()
            found = suppression.verdicts(asked)
            taken[raw].append(time.perf_counter() - began)
    suppressed = sum(not verdict.may_send for verdict in found.values())
    print(f"{connection.display_name}: {len(found):,} addresses, {suppressed:,} suppressed, among"
          f" {models.Mail.objects.count():,} mails; medians of {ROUNDS} rounds\n")  # fmt: skip
    print("| seconds | median | slowest |\n|---|---|---|")
    for raw, name in ((True, "SQL of our own"), (False, "the ORM")):
        print(f"| {name} | {numbers.median(taken[raw]):.2f} | {max(taken[raw]):.2f} |")


if __name__ == "__main__":
    main()
