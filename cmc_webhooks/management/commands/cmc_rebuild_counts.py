from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management import CommandParser

from cmc_webhooks.management import base, options
from cmc_webhooks.models import routing
from cmc_webhooks.statistics import recount, rollup


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
        using, since, until = routing.write_alias(), chosen["since"], chosen["until"]
        days = [
            day
            for day in recount.days(using)
            if (since is None or day >= since) and (until is None or day < until)
        ]

        def so_far() -> str:
            counted = progress.done
            if counted == len(days):
                return "all days are counted, not all are rolled up; cmc_dispatch continues with the others"
            return f"{counted} of {len(days)} days are counted; continue with --since {days[counted]}"

        with options.progress(len(days), "day") as progress, base.one_line_errors(so_far):
            done = recount.recount(using, days, check=chosen["check"], progress=progress)
            verb = "wrong" if chosen["check"] else "put right"
            self.stdout.write(f"{done.days} days, {done.wrong} counts {verb}")
            if chosen["check"]:
                if done.wrong:
                    raise base.ProblemFound(f"{done.wrong} counts of {done.days} days are wrong")
                return
            rolled_up = rollup.roll_up(using, fresh=timedelta())
        self.stdout.write(f"{rolled_up} days rolled up")
