from __future__ import annotations

import os
import secrets
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.core.management import CommandError, CommandParser

from cmc_webhooks import wire
from cmc_webhooks.conf import app_settings
from cmc_webhooks.management import base, options
from cmc_webhooks.management.base import one_line_errors
from cmc_webhooks.simulator import sender
from cmc_webhooks.simulator.credentials import Credentials
from cmc_webhooks.simulator.plan import Plan, posts

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST_YEAR, LAST_YEAR = 1971, 9000
SLOWEST = 0.001


class Command(base.Command):
    help = (
        "Simulate CMC: post invented mail histories to a webhook of this project or another, and report the "
        "answers. The events stay in that webhook's history. Exits with 1 if an answer was not 2xx."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("url", help="the webhook's URL: http://127.0.0.1:8000/cmc/webhook")
        parser.add_argument(
            "--allow-remote", action="store_true", help="post to a host that is not this machine, too"
        )
        parser.add_argument(
            "--events",
            type=options.integer_type(1),
            default=1000,
            metavar="N",
            help="in all; 1000 by default",
        )
        parser.add_argument(
            "--rate",
            type=options.number(1e9),
            default=0.0,
            metavar="N",
            help="events a second; a notification then holds what happens within a second, as CMC's do. "
            "0, the default: as fast as possible",
        )
        parser.add_argument(
            "--batch",
            type=options.integer_type(1),
            default=100,
            metavar="N",
            help="events in one; 100 by default",
        )
        parser.add_argument(
            "--senders",
            type=options.integer_type(1, 64),
            default=4,
            metavar="N",
            help="connections at once; 4 by default",
        )
        parser.add_argument(
            "--duplicates",
            type=options.number(1),
            default=0.0,
            metavar="SHARE",
            help="send this share of the events twice, such as 0.05",
        )
        parser.add_argument("--reorder", action="store_true", help="send the events out of order")
        parser.add_argument("--form", action="store_true", help="as forms, not as JSON")
        parser.add_argument(
            "--event-version", type=int, choices=(1, 2), default=2, help="CMC's; version 1 is always a form"
        )
        parser.add_argument("--seed", type=options.integer_type(0), metavar="N", help="the same events again")
        parser.add_argument(
            "--start",
            type=options.moment,
            metavar="TIME",
            help="CMC's clock at the first event; by default so that the last ones are of now",
        )
        for kind in ("api-key", "basic", "bearer"):
            parser.add_argument(
                f"--{kind}-env",
                type=options.name,
                metavar="NAME",
                help="the variable with this secret; without all three, the secrets of the settings",
            )

    def handle(self, *args: Any, url: str, **chosen: Any) -> None:
        credentials = _presented(chosen)
        try:
            target = sender.Target.of(url, credentials.authorization())
        except ValueError as error:
            raise base.wrong(f"{error}") from None
        if not (target.is_loopback or chosen["allow_remote"]):
            raise base.wrong(
                f"{target.host} is not this machine: invented mails would get into its history. "
                "If that is what you want, say --allow-remote"
            )
        plan = _plan(chosen)
        start = plan.start.replace(tzinfo=app_settings.time_zone).isoformat()
        self.stdout.write(f"The same again with --seed {plan.seed} --start {start}")
        self._post(plan, target, credentials, chosen)

    def _post(
        self,
        plan: Plan,
        target: sender.Target,
        credentials: Credentials,
        chosen: dict[str, Any],
    ) -> None:
        tally = sender.Tally()
        with (
            one_line_errors(lambda: f"{tally.requests} requests with {tally.events} events were posted"),
            options.progress(round(plan.events * (1 + plan.duplicates)), "event") as progress,
        ):
            try:
                sender.post_all(
                    target,
                    posts(plan, credentials),
                    tally,
                    senders=chosen["senders"],
                    rate=chosen["rate"],
                    progress=progress,
                )
            except OSError as error:
                place = f"{target.host}:{target.connection().port}"
                raise CommandError(f"Nothing answers at {place} ({type(error).__name__})") from None
        for line in _report(tally):
            self.stdout.write(line)
        if tally.failed:
            raise CommandError(f"{tally.failed} of {tally.requests} requests were not answered with 2xx")


def _presented(chosen: dict[str, Any]) -> Credentials:
    """Return the secrets from the named environment variables, or the project's own if none is named."""
    names = {kind: chosen[f"{kind}_env"] for kind in ("api_key", "basic", "bearer") if chosen[f"{kind}_env"]}
    missing = [name for name in names.values() if not os.environ.get(name)]
    if missing:
        raise base.wrong(f"The environment has no {missing[0]}")
    if not names:
        return Credentials.configured()
    given = {kind: os.environ[name] for kind, name in names.items()}
    for kind, secret in given.items():
        if wire.clean(secret) != secret:
            raise base.wrong(f"{names[kind]} holds no text in UTF-8")
    return Credentials(**given)


def _plan(chosen: dict[str, Any]) -> Plan:
    """Return the plan that the options ask for. Without `--start`, its last events happen now."""
    if chosen["start"] and not FIRST_YEAR <= chosen["start"].year <= LAST_YEAR:
        raise base.wrong(f"--start is not from {FIRST_YEAR} to {LAST_YEAR}")
    if 0 < chosen["rate"] < SLOWEST:
        raise base.wrong(f"--rate is less than {SLOWEST}, and not 0")
    plan = Plan(
        seed=secrets.randbelow(10**9) if chosen["seed"] is None else chosen["seed"],
        start=datetime.now(UTC) if chosen["start"] is None else chosen["start"],
        events=chosen["events"],
        batch=min(chosen["batch"], max(1, round(chosen["rate"] or chosen["batch"]))),
        duplicates=chosen["duplicates"],
        reorder=chosen["reorder"],
        form=chosen["form"],
        version=chosen["event_version"],
    )
    start = plan.start if chosen["start"] else plan.start - plan.span
    return replace(plan, start=start.astimezone(app_settings.time_zone).replace(microsecond=0, tzinfo=None))


def _report(tally: sender.Tally) -> Iterator[str]:
    rate = tally.events / tally.seconds if tally.seconds else 0
    answers = ", ".join(f"{answer}: {number}" for answer, number in sorted(tally.answers.items()))
    stored = ", ".join(f"{number} {name}" for name, number in tally.stored.items())
    yield f"requests  {tally.requests} in {tally.seconds:.1f} s"
    yield f"events    {tally.events}{f' ({stored})' if stored else ''}, {rate:.0f} a second"
    yield f"answers   {answers}"
    yield f"latency   median {_ms(tally.latency(0.5))} ms, p99 {_ms(tally.latency(0.99))} ms"


def _ms(seconds: float) -> str:
    """Return milliseconds with three significant digits, without an exponent."""
    milliseconds = seconds * 1000
    return f"{milliseconds:.3g}" if milliseconds < 100 else f"{milliseconds:.0f}"
