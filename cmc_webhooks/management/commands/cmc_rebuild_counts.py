from __future__ import annotations

import sys
from datetime import timedelta
from typing import Any

from django.core.management import CommandParser

from cmc_webhooks import statistics, store
from cmc_webhooks.management import base, endings, options


class Command(base.Command):
    help = "Count the mails of each day anew, and roll up their domains and latencies."

    def add_arguments(self, parser: CommandParser) -> None:
        for name, meaning in (("--since", "from this day on"), ("--until", "before this day")):
            parser.add_argument(
                name,
                type=options.day,
                metavar="DAY",
                help=f"{meaning}, of the project's TIME_ZONE (2023-01-25)",
            )
        parser.add_argument(
            "--check", "--dry-run", action="store_true", help="write nothing; exit with 1 if anything differs"
        )

    def handle(self, *args: Any, **chosen: Any) -> None:
        using, since, until = store.alias(), chosen["since"], chosen["until"]
        days = [
            day
            for day in statistics.days(using)
            if (since is None or day >= since) and (until is None or day < until)
        ]

        def so_far() -> str:
            counted = progress.done
            if counted == len(days):
                return "all days are counted, not all are rolled up; cmc_dispatch goes on with that"
            return f"{counted} of {len(days)} days are counted; go on with --since {days[counted]}"

        with options.progress(len(days), "day") as progress, endings.told_shortly(so_far):
            done = statistics.recount(using, days, check=chosen["check"], progress=progress)
            verb = "wrong" if chosen["check"] else "put right"
            self.stdout.write(f"{done.days} days, {done.wrong} counts {verb}")
            if chosen["check"]:
                sys.exit(1 if done.wrong else 0)
            rolled_up = statistics.roll_up(using, fresh=timedelta())
        self.stdout.write(f"{rolled_up} days rolled up")
