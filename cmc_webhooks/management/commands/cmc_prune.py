from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.core.management import CommandError, CommandParser

from cmc_webhooks import retention
from cmc_webhooks.conf import MOST_DAYS, app_settings
from cmc_webhooks.management import base, options
from cmc_webhooks.models import routing

if TYPE_CHECKING:
    from collections.abc import Callable


class Command(base.Command):
    help = (
        "Delete or anonymise rows older than CMC_WEBHOOKS_RETENTION. May be interrupted and run again."
        " Exit with 3 if other rows of the project hold some of them."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--kind", action="append", choices=tuple(retention.KINDS), help="this kind only; may be repeated"
        )
        parser.add_argument(
            "--days",
            type=options.integer_type(0),
            help="delete rows older than this number of days, instead of the setting; requires --kind",
        )
        parser.add_argument("--dry-run", action="store_true", help="only count the rows")
        parser.add_argument(
            "--batch-size",
            type=options.integer_type(1, 10_000),
            default=retention.BATCH,
            metavar="ROWS",
            help=f"rows of one statement and one transaction at most; {retention.BATCH} by default",
        )
        parser.add_argument(
            "--pause",
            type=options.number(3600),
            default=retention.PAUSE,
            metavar="SECONDS",
            help=f"after each transaction; {retention.PAUSE} by default",
        )

    def handle(self, *args: Any, days: int | None, dry_run: bool, **chosen: Any) -> None:
        asked = _ages(chosen["kind"], days)
        ages = retention.with_signals(asked)
        now, using = datetime.now(UTC), routing.write_alias()
        pace = retention.Pace(chosen["batch_size"], chosen["pause"])
        verb = "to delete or erase" if dry_run else "deleted or erased"
        done = dict.fromkeys(ages, 0)
        held: dict[str, Counter[str]] = {kind: Counter() for kind in ages}

        def summary() -> str:
            shown = (f"{kind} {number}" for kind, number in done.items() if number or kind in asked)
            return f"{', '.join(shown)} {verb}"

        with base.one_line_errors(summary), options.progress(None, "row") as progress:
            for kind, age in ages.items():

                def note(number: int, kind: str = kind) -> None:
                    done[kind] += number
                    progress(number)

                def note_held(holder: str, number: int, kind: str = kind) -> None:
                    held[kind][holder] += number

                retention.prune(
                    using,
                    kind,
                    now - timedelta(days=age),
                    pace=pace,
                    dry_run=dry_run,
                    progress=note,
                    on_held=note_held,
                )
        self.stdout.write(summary())
        own = set(retention.HOLDING_SIGNALS.values())
        if waiting := _held_line(held, lambda holder: holder in own):
            self.stdout.write(f"{waiting}. See cmc_status.")
        if others := _held_line(held, lambda holder: holder not in own):
            raise CommandError(others, returncode=base.HELD)


def _held_line(held: dict[str, Counter[str]], is_meant: Callable[[str], bool]) -> str:
    """Return the line that says how many rows of each kind these holders hold; "" if they hold none."""
    of_kind = [
        f"{kind} {number} held by {holder}"
        for kind, holders in held.items()
        for holder, number in sorted(holders.items())
        if is_meant(holder)
    ]
    return f"Some old rows stay: {', '.join(of_kind)}" if of_kind else ""


def _ages(kinds: list[str] | None, days: int | None) -> dict[str, int]:
    """Return the days to keep, by kind.

    Raises:
        CommandError: no kind has an age, a chosen one has none, an age exceeds MOST_DAYS, or `days` is given
            without `kinds`.
    """
    if days is not None and not kinds:
        raise base.wrong("--days requires --kind, since each kind has its own age")
    ages = retention.ages()
    if kinds:
        ages = {"signals": app_settings.dead_signal_days} | ages
        missing = [kind for kind in kinds if days is None and kind not in ages]
        if missing:
            raise base.wrong(f"no age for {', '.join(missing)}: set RETENTION or give --days")
        ages = {kind: ages[kind] if days is None else days for kind in retention.KINDS if kind in kinds}
    if not ages:
        raise base.wrong("CMC_WEBHOOKS_RETENTION names no kind, so everything is kept")
    if max(ages.values()) > MOST_DAYS:
        raise base.wrong(f"at most {MOST_DAYS} days")
    return ages
