from __future__ import annotations

import sys
from datetime import timedelta
from typing import Any

from django.core.management import BaseCommand, CommandParser

from cmc_webhooks import statistics, store
from cmc_webhooks.management import options


class Command(BaseCommand):
    help = "Count the mails of each day anew, and roll up their domains and latencies."

    def add_arguments(self, parser: CommandParser) -> None:
        options.add_filters(parser, "--since", "--until")
        parser.add_argument(
            "--check", "--dry-run", action="store_true", help="write nothing; exit with 1 if anything differs"
        )

    def handle(self, *args: Any, **chosen: Any) -> None:
        using = store.alias()
        days = [
            day
            for day in statistics.days(using)
            if (chosen["since"] is None or day >= chosen["since"].date())
            and (chosen["until"] is None or day < chosen["until"].date())
        ]
        with options.progress(len(days), "day") as progress:
            done = statistics.recount(using, days, check=chosen["check"], progress=progress)
        verb = "wrong" if chosen["check"] else "put right"
        self.stdout.write(f"{done.days} days, {done.wrong} counts {verb}")
        if chosen["check"]:
            sys.exit(1 if done.wrong else 0)
        rolled_up = statistics.roll_up(using, fresh=timedelta())
        self.stdout.write(f"{rolled_up} days rolled up")
