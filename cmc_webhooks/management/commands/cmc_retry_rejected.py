from __future__ import annotations

from typing import Any

from django.core.management import CommandParser

from cmc_webhooks import retry, store
from cmc_webhooks.management import base, endings, options
from cmc_webhooks.models import RejectedEvent


class Command(base.Command):
    help = "Read rejected events again, after an upgrade or a change of settings."

    def add_arguments(self, parser: CommandParser) -> None:
        options.add_filters(parser, "--since", "--until", "--composition")
        parser.add_argument("--type", type=options.text, help="rejected events of this type; all by default")
        parser.add_argument("--dry-run", action="store_true", help="only say how many can be read now")

    def handle(self, *args: Any, **chosen: Any) -> None:
        using = store.alias()
        wanted = options.narrowed(
            RejectedEvent._default_manager.using(using),
            chosen,
            since="received_at",
            until="received_at",
            composition="server_composition",
            type="event_type",
        )
        count = wanted.filter(resolved_at=None).count()
        self.stdout.write(f"{count} open rejected events")
        with (
            options.progress(count, "event") as progress,
            endings.told_shortly(
                lambda: f"{progress.done} of {count} were read; run it again for the others"
            ),
        ):
            retried = retry.retry(using, wanted, dry_run=chosen["dry_run"], progress=progress)
        verb = "can be stored now" if chosen["dry_run"] else "stored"
        self.stdout.write(f"{retried.resolved} {verb}, {retried.rejected} still rejected")
