from __future__ import annotations

from typing import Any

from django.core.management import BaseCommand, CommandParser

from cmc_webhooks import dispatch, redeliver, selection, store
from cmc_webhooks.event_types import EVENT_TYPES
from cmc_webhooks.management import options


class Command(BaseCommand):
    help = "Send the signals of recorded events again."

    def add_arguments(self, parser: CommandParser) -> None:
        options.add_filters(parser, "--since", "--until", "--status", "--address", "--composition", "--type")
        parser.add_argument("--dry-run", action="store_true", help="only count")
        parser.add_argument(
            "--no-input", action="store_false", dest="interactive", help="do not ask before sending"
        )

    def handle(self, *args: Any, **chosen: Any) -> None:
        using = store.alias()
        wanted = selection.Selection(
            since=chosen["since"],
            until=chosen["until"],
            status=chosen["status"],
            address=chosen["address"],
            server_composition=chosen["composition"],
            event_types=[chosen["type"]] if chosen["type"] else tuple(EVENT_TYPES),
        )
        count = redeliver.count(wanted.events(using))
        self.stdout.write(f"{count} events")
        if chosen["dry_run"] or not count:
            return
        if chosen["interactive"] and input("Send their signals again? [y/N] ").lower() != "y":
            return
        with options.progress(count, "event") as progress:
            owed = redeliver.redeliver(using, wanted.events(using), progress=progress)
        swept = dispatch.sweep(using)
        self.stdout.write(f"{owed} signals owed: {swept.sent} sent, {swept.failed} failed, {swept.dead} dead")
