from __future__ import annotations

from typing import Any

from django.core.management import CommandParser

from cmc_webhooks.management import base, options
from cmc_webhooks.models import Mail, routing
from cmc_webhooks.reprocessing import rebuild


class Command(base.Command):
    help = "Compare every mail's status with what its events say, and repair what differs."

    def add_arguments(self, parser: CommandParser) -> None:
        options.add_filters(parser, "--since", "--until", "--status", "--address", "--composition")
        parser.add_argument(
            "--check", "--dry-run", action="store_true", help="write nothing; exit with 1 if anything differs"
        )

    def handle(self, *args: Any, **chosen: Any) -> None:
        using = routing.write_alias()
        mails = Mail.objects.using(using)
        if chosen["address"] is not None:
            mails = mails.for_address(chosen["address"])
        mails = options.narrowed(
            mails,
            chosen,
            since="created_at",
            until="created_at",
            composition="server_composition",
            status="status",
        )
        count = mails.count()
        with (
            options.progress(count, "mail") as progress,
            base.one_line_errors(
                lambda: f"{progress.done} of {count} mails are done; run it again for the others"
            ),
        ):
            rebuilt = rebuild.rebuild(using, mails, check=chosen["check"], progress=progress)
        verb = "differ" if chosen["check"] else "repaired"
        self.stdout.write(f"{rebuilt.mails} mails, {rebuilt.different} {verb}")
        if chosen["check"] and rebuilt.different:
            raise base.ProblemFound(f"{rebuilt.different} of {rebuilt.mails} mails differ")
