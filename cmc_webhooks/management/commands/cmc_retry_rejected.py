from __future__ import annotations

from typing import Any

from django.core.management import CommandParser

from cmc_webhooks.management import base, options
from cmc_webhooks.models import RejectedEvent, routing
from cmc_webhooks.models.notifications import IS_OPEN
from cmc_webhooks.reprocessing import rejections


class Command(base.Command):
    help = "Read rejected events again, after an upgrade or a change of settings."

    def add_arguments(self, parser: CommandParser) -> None:
        options.add_filters(parser, "--since", "--until", "--composition")
        parser.add_argument("--type", type=options.text, help="rejected events of this type; all by default")
        parser.add_argument("--dismissed", action="store_true", help="also events that were dismissed")
        parser.add_argument("--dry-run", action="store_true", help="only say how many can be read now")

    def handle(self, *args: Any, **chosen: Any) -> None:
        using = routing.write_alias()
        wanted = options.narrowed(
            RejectedEvent._default_manager.using(using),
            chosen,
            since="received_at",
            until="received_at",
            composition="server_composition",
            type="event_type",
        )
        wanted = wanted.filter(resolved_at=None) if chosen["dismissed"] else wanted.filter(IS_OPEN)
        count = wanted.count()
        kind = "open or dismissed" if chosen["dismissed"] else "open"
        self.stdout.write(f"{count} {kind} rejected events")
        with (
            options.progress(count, "event") as progress,
            base.one_line_errors(
                lambda: f"{progress.done} of {count} were read; run it again for the others"
            ),
        ):
            retried = rejections.retry(using, wanted, dry_run=chosen["dry_run"], progress=progress)
        verb = "can be stored now" if chosen["dry_run"] else "stored"
        self.stdout.write(f"{retried.resolved} {verb}, {retried.rejected} still rejected")
