from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any

from django.core.management import CommandError, CommandParser
from django.db import close_old_connections

from cmc_webhooks import audit, feed
from cmc_webhooks.db import transactions
from cmc_webhooks.management import base, options
from cmc_webhooks.models import Change, Trail

GONE = 4
"""The exit code if changes behind the cursor are missing from the feed."""


class Command(base.Command):
    help = "Print what changed after a cursor as JSON lines; without a cursor, print the newest one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--after", type=options.text, metavar="CURSOR", help="the cursor of the last line that was kept"
        )
        parser.add_argument(
            "--follow",
            action="store_true",
            help="go on until stopped by SIGTERM or SIGINT; without --after, from now on",
        )
        parser.add_argument(
            "--kind",
            action="append",
            choices=Change.Kinds.values,
            help="changes of this kind; may be repeated, all by default",
        )
        parser.add_argument(
            "--interval",
            type=options.number(3600, 0.01),
            default=2.0,
            metavar="SECONDS",
            help="pause when nothing follows; 2 by default",
        )
        parser.add_argument(
            "--new-epoch",
            action="store_true",
            help="make every cursor invalid, as after the database was restored, and print a new one",
        )

    def handle(self, *args: Any, after: str | None, follow: bool, **chosen: Any) -> None:
        if chosen["new_epoch"]:
            if follow or after is not None:
                raise base.wrong("--new-epoch goes without --after and --follow.")
            with base.one_line_errors(lambda: "the cursors are still valid"):
                feed.end_epoch()
        try:
            with base.one_line_errors(lambda: "go on after the cursor of the last line"):
                cursor = feed.head() if after is None else after
                if follow or after is not None:
                    self._print(cursor, chosen, follow=follow)
                else:
                    self.stdout.write(cursor)
        except feed.FeedOff:
            raise base.wrong("The change feed is off: set CMC_WEBHOOKS_CHANGE_FEED = True.") from None
        except feed.NotACursor:
            raise base.wrong("--after is not a cursor that the feed returned.") from None
        except feed.Gone as error:
            raise CommandError(str(error), returncode=GONE) from None

    def _print(self, cursor: str, chosen: dict[str, Any], *, follow: bool) -> None:
        stop = threading.Event()
        feed.check(cursor, feed.state())  # before the export is recorded
        record = audit.begin(
            Trail.Actions.EXPORTED, base.actor(""), list="change", filters=[], format="jsonl"
        )
        try:
            with base.stopping_by_signal(stop), record:
                self._lines(cursor, chosen, record, stop, follow=follow)
        except BrokenPipeError:  # its reader, such as head, has enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def _lines(
        self,
        cursor: str,
        chosen: dict[str, Any],
        record: audit.Record,
        stop: threading.Event,
        *,
        follow: bool,
    ) -> None:
        while not stop.is_set():
            try:
                page = feed.read(cursor, kinds=chosen["kind"] or ())
            except base.LOST as error:
                if not follow:
                    raise
                self.stderr.write(
                    f"The database is unavailable ({transactions.described(error)}),"
                    f" retrying in {chosen['interval']:g} s"
                )
                close_old_connections()
                stop.wait(chosen["interval"])
                continue
            epoch = feed.Cursor.parse(page.cursor).epoch
            for entry in page.entries:
                line = {**feed.as_dict(entry), "cursor": str(feed.Cursor(epoch, entry.seq))}
                self.stdout.write(json.dumps(line, ensure_ascii=False))
                record.add(1)
            self.stdout.flush()
            cursor = page.cursor
            if page.more:
                continue
            if not follow:
                return
            close_old_connections()
            stop.wait(chosen["interval"])
