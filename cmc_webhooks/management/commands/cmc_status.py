from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management import BaseCommand, CommandParser

from cmc_webhooks import health, store


class Command(BaseCommand):
    help = "Say what is owed, dead and rejected, and when CMC last spoke. Exits with 1 if something is wrong."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object instead of text")
        parser.add_argument(
            "--max-age",
            type=float,
            default=900.0,
            metavar="SECONDS",
            help="how long a signal may be owed before it is wrong; 900 by default",
        )

    def handle(self, *args: Any, max_age: float, **options: Any) -> None:
        now = health.look(store.alias())
        wrong = now.problems(max_age)
        if options["json"]:
            self.stdout.write(json.dumps({**now.as_dict(), "problems": wrong}))
        else:
            for name, value in now.as_dict().items():
                self.stdout.write(f"{name.replace('_', ' '):18} {'-' if value is None else value}")
            for problem in wrong:
                self.stdout.write(self.style.ERROR(problem))
        if wrong:
            sys.exit(1)
