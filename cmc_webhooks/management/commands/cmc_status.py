from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management import CommandParser

from cmc_webhooks import health, store
from cmc_webhooks.conf import app_settings
from cmc_webhooks.management import base, endings
from cmc_webhooks.management import options as common


class Command(base.Command):
    help = "Say what is owed, dead and rejected, and when CMC last spoke. Exits with 1 if something is wrong."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object instead of text")
        parser.add_argument(
            "--max-age",
            type=common.number(1e12),
            default=health.MAX_AGE,
            metavar="SECONDS",
            help="how long a signal may be owed before it is wrong; 900 by default",
        )
        parser.add_argument(
            "--fail-if-silent",
            type=common.duration,
            metavar="DURATION",
            help="how long CMC may be silent before it is wrong: 90s, 30m, 2h, 1d; "
            "CMC_WEBHOOKS_MAX_SILENCE by default",
        )

    def handle(self, *args: Any, max_age: float, fail_if_silent: float | None, **options: Any) -> None:
        with endings.told_shortly(lambda: "nothing is known of signals and notifications"):
            now = health.look(store.alias())
        silent = app_settings.max_silence if fail_if_silent is None else fail_if_silent
        wrong = now.problems(max_age, silent)
        if options["json"]:
            self.stdout.write(json.dumps({**now.as_dict(), "problems": wrong}))
        else:
            for name, value in now.as_dict().items():
                self.stdout.write(f"{name.replace('_', ' '):18} {'-' if value is None else value}")
            for problem in wrong:
                self.stdout.write(self.style.ERROR(problem))
        if wrong:
            sys.exit(1)
