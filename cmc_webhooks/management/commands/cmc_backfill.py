from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.core.management import CommandError, CommandParser

from cmc_webhooks.backfill import fetch
from cmc_webhooks.conf import app_settings
from cmc_webhooks.management import base, options
from cmc_webhooks.models import routing

if TYPE_CHECKING:
    from cmc_webhooks.rest import Client


class Command(base.Command):
    help = "Fetch what was missed from CMC's REST API: deliveries and bounces of yesterday, or of other days."

    def add_arguments(self, parser: CommandParser) -> None:
        for name, meaning in (
            ("first", "in the API user's zone (2023-01-25); yesterday by default"),
            ("last", "the last day of several"),
        ):
            parser.add_argument(name, nargs="?", type=options.day, metavar="DAY", help=meaning)
        parser.add_argument(
            "--composition",
            action="append",
            type=options.name,
            metavar="NAME",
            help="of this server composition; may be repeated; by default CMC_WEBHOOKS_REST_COMPOSITIONS",
        )
        parser.add_argument("--kind", choices=fetch.KINDS, help="fetch only these")
        parser.add_argument("--dry-run", action="store_true", help="fetch and compare, store nothing")
        parser.add_argument(
            "--no-statistics",
            action="store_false",
            dest="statistics",
            help="do not compare with CMC's statistics",
        )
        parser.add_argument("--strict", action="store_true", help="exit with 1 if the statistics differ")

    def handle(self, *args: Any, **chosen: Any) -> None:
        _require_credentials()
        compositions = chosen["composition"] or list(app_settings.rest_compositions)
        if not compositions:
            raise base.wrong(
                "No server composition: pass --composition or set CMC_WEBHOOKS_REST_COMPOSITIONS"
            )
        days = self._days(chosen["first"], chosen["last"])
        differs = False
        left = [(day, composition) for day in days for composition in compositions]

        def where() -> str:
            if not left:
                return "all days are done"
            day, composition = left[0]
            return f"{day} of {composition} is not done; go on with: cmc_backfill {day} {days[-1]}"

        client, failed = _client()
        with client, base.one_line_errors(where), options.progress(None, "row") as progress:
            try:
                for done in fetch.backfill(
                    routing.write_alias(),
                    client,
                    days,
                    compositions,
                    [chosen["kind"]] if chosen["kind"] else fetch.KINDS,
                    dry_run=chosen["dry_run"],
                    compare=chosen["statistics"],
                    progress=progress,
                ):
                    del left[0]
                    differs = differs or bool(done.differences)
                    self._report(done, dry_run=chosen["dry_run"])
            except failed as error:
                raise CommandError(f"{error} ({where()})") from error
        if differs and chosen["strict"]:
            raise base.ProblemFound("CMC's statistics differ from the stored events")

    def _days(self, first: date | None, last: date | None) -> Sequence[date]:
        today = datetime.now(app_settings.rest_time_zone).date()
        try:
            days = fetch.days_between(first, last, today)
        except ValueError as error:
            raise base.wrong(str(error)) from error
        kept = today - timedelta(days=fetch.KEPT_DAYS)
        if days[0] < kept:
            self.stderr.write(f"CMC keeps {fetch.KEPT_DAYS} days: there may be nothing before {kept}")
        if days[-1] == today:
            self.stderr.write(f"{today} is not over: fetch it again tomorrow")
        return days

    def _report(self, done: fetch.Day, *, dry_run: bool) -> None:
        title = f"{done.day} {done.composition}"
        for kind, fetched in done.fetched.items():
            new = "missing" if dry_run else "new"
            numbers = f"{fetched.new} {new}, {fetched.known} known, {fetched.rejected} rejected"
            self.stdout.write(f"{title}: {fetched.rows} {kind}, {numbers}")
        for status, there, here in done.differences:
            self.stdout.write(f"{title}: {there} {status} by CMC's statistics, {here} here")


def _client() -> tuple[Client, type[Exception]]:
    """Return the client that the settings describe, and the base class of the exceptions that it raises.

    Raises:
        CommandError: httpx is not installed.
    """
    try:
        from cmc_webhooks.rest import Client, Failed  # httpx is an extra
    except ModuleNotFoundError as error:
        if error.name != "httpx":
            raise
        raise CommandError('httpx is not installed: pip install "django-cmc-webhooks[backfill]"') from None
    return Client(app_settings.rest_url, app_settings.rest_user, app_settings.rest_key), Failed


def _require_credentials() -> None:
    """Raise `CommandError` that names the first of the two settings that is not set."""
    if not app_settings.rest_user:
        raise base.wrong("CMC_WEBHOOKS_REST_USER is not set.")
    if not app_settings.rest_key:
        raise base.wrong("CMC_WEBHOOKS_REST_KEY is not set.")
