from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django.core.management import CommandParser
from django.utils.translation import gettext, ngettext

from cmc_webhooks.conf import app_settings
from cmc_webhooks.management import base, options
from cmc_webhooks.models import routing
from cmc_webhooks.monitoring import clock, health, refusals, silence
from cmc_webhooks.monitoring.problems import duration, local_time


class Command(base.Command):
    help = (
        "Say whether all is well or what is wrong. Then show signals, events that could not be read and the"
        " last notification. Exit with 1 if there is a problem."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object instead of text")
        parser.add_argument(
            "--max-age",
            type=options.number(1e12),
            default=health.MAX_AGE,
            metavar="SECONDS",
            help="how long a signal may be pending before this is a problem; 900 by default",
        )
        parser.add_argument(
            "--fail-if-silent",
            type=options.duration,
            metavar="DURATION",
            help="how long CMC may be silent before this is a problem: 90s, 30m, 2h, 1d; "
            "CMC_WEBHOOKS_MAX_SILENCE by default",
        )
        parser.add_argument(
            "--accept-future",
            metavar="REASON",
            help="accept the receipts in the future, after the clocks have been corrected",
        )
        parser.add_argument(
            "--accept-refused",
            metavar="REASON",
            help="accept the requests refused so far, after the cause was found",
        )

    def handle(
        self,
        *args: Any,
        max_age: float,
        fail_if_silent: float | None,
        accept_future: str | None,
        accept_refused: str | None,
        **options: Any,
    ) -> None:
        using = routing.write_alias()
        with base.one_line_errors(lambda: "the state of signals and notifications is unknown"):
            if accept_future is not None:
                self._accept_future(using, accept_future)
            if accept_refused is not None:
                self._accept_refused(using, accept_refused)
            now = health.look(using)
            learnt = silence.learn(using) if app_settings.learns_max_silence else None
        problems = now.problems(max_age, fail_if_silent)
        if options["json"]:
            self.stdout.write(json.dumps({**now.as_dict(), "problems": problems}))
        else:
            style = self.style.ERROR if problems else self.style.SUCCESS
            for line in now.verdict(max_age, fail_if_silent).splitlines():
                self.stdout.write(style(line))
            limit = fail_if_silent or app_settings.max_silence or learnt
            rows = list(_rows(now, limit))
            widest = max(len(name) for name, _ in rows)
            for name, value in rows:
                self.stdout.write(f"{name:{widest}}  {value}")
        if problems:
            raise base.ProblemFound(" ".join(problems))

    def _accept_refused(self, using: str, reason: str) -> None:
        if not reason.strip():
            raise base.wrong("--accept-refused needs a reason")
        number = refusals.accept(using, base.actor(reason))
        line = ngettext(
            "%(number)s refused request accepted.", "%(number)s refused requests accepted.", number
        )
        self.stderr.write(line % {"number": f"{number:,}"})

    def _accept_future(self, using: str, reason: str) -> None:
        if not reason.strip():
            raise base.wrong("--accept-future needs a reason")
        number = clock.accept_future(using, base.actor(reason))
        line = ngettext(
            "%(number)s receipt in the future accepted.",
            "%(number)s receipts in the future accepted.",
            number,
        )
        self.stderr.write(line % {"number": f"{number:,}"})


def _rows(now: health.Health, limit: float | None) -> Iterator[tuple[str, str]]:
    """Yield the names and values of the lines below the verdict."""
    least = "" if now.counted_all else "≥ "
    last = local_time(now.last_notification) if now.last_notification else "-"
    yield gettext("pending signals"), f"{least}{now.pending:,}"
    yield gettext("oldest pending signal"), _age(now.oldest_pending)
    yield gettext("dead signals"), f"{least}{now.dead:,}"
    yield gettext("events that could not be read, open"), f"{least}{now.rejected:,}"
    yield gettext("last notification"), last
    yield gettext("silence from CMC"), _age(now.silence)
    yield gettext("silence limit"), _age(limit) if limit else gettext("none")


def _age(seconds: float | None) -> str:
    return "-" if seconds is None else duration(seconds)
