from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management import CommandError, CommandParser

from cmc_webhooks import retention, store
from cmc_webhooks.conf import MOST_DAYS
from cmc_webhooks.management import base, endings, options


class Command(base.Command):
    help = "Let go what is older than CMC_WEBHOOKS_RETENTION says. It may be interrupted and run again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--kind", action="append", choices=tuple(retention.KINDS), help="this kind only; may be repeated"
        )
        parser.add_argument(
            "--days",
            type=options.whole(0),
            help="older than this, instead of what the setting says; wants --kind",
        )
        parser.add_argument("--dry-run", action="store_true", help="only say how many rows would go")
        parser.add_argument(
            "--batch-size",
            type=options.whole(1, 10_000),
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
        ages = _ages(chosen["kind"], days)
        now, using = datetime.now(UTC), store.alias()
        pace = retention.Pace(chosen["batch_size"], chosen["pause"])
        verb = "would go" if dry_run else "gone"
        done = dict.fromkeys(ages, 0)

        def told() -> str:
            return ", ".join(f"{kind} {number}" for kind, number in done.items()) + f" {verb}"

        with endings.told_shortly(told), options.progress(None, "row") as progress:
            for kind, age in ages.items():

                def note(number: int, kind: str = kind) -> None:
                    done[kind] += number
                    progress(number)

                try:
                    retention.prune(
                        using, kind, now - timedelta(days=age), pace=pace, dry_run=dry_run, progress=note
                    )
                except retention.TooMuchOwed as error:
                    raise CommandError(f"{error}; {told()}. See cmc_status.") from None
        self.stdout.write(told())


def _ages(kinds: list[str] | None, days: int | None) -> dict[str, int]:
    """Days by kind.

    Raises:
        CommandError: there are none.
    """
    if days is not None and not kinds:
        raise base.wrong("--days wants --kind: each kind has an age of its own")
    ages = retention.ages()
    if kinds:
        missing = [kind for kind in kinds if days is None and kind not in ages]
        if missing:
            raise base.wrong(f"no age for {', '.join(missing)}: set RETENTION or give --days")
        ages = {kind: ages[kind] if days is None else days for kind in retention.KINDS if kind in kinds}
    if not ages:
        raise base.wrong("CMC_WEBHOOKS_RETENTION names no kind, so everything is kept")
    if max(ages.values()) > MOST_DAYS:
        raise base.wrong(f"at most {MOST_DAYS} days")
    return ages
