from __future__ import annotations

from typing import Any

from django.core.management import CommandError, CommandParser

from cmc_webhooks import erasure, wire
from cmc_webhooks.erasure import blanking
from cmc_webhooks.management import base, options


class Command(base.Command):
    help = "Erase a person's data from every table. Rows and counts are kept. Repeated events stay blank."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "address", type=options.address_or_stdin, help="in any spelling; - reads it from standard input"
        )
        parser.add_argument(
            "--reason", type=options.text, default="", help="stored in the trail; do not name anyone"
        )
        parser.add_argument(
            "--no-input", action="store_false", dest="ask", help="do not ask before it is erased"
        )

    def handle(self, *args: Any, address: str, ask: bool, **chosen: Any) -> None:
        if ask and not self.agreed(_question(address)):
            self.stdout.write("nothing was erased")
            return
        with (
            options.progress(None, "row") as progress,
            base.one_line_errors(
                lambda: f"{progress.done} rows were erased; run the command again for the others"
            ),
        ):
            erased = erasure.erase(address, progress=progress, actor=base.actor(chosen["reason"]))
        self.stdout.write(
            f"{erased.mails} mails, {erased.blocks} blocks and {erased.rejected} unreadable events"
            f" were erased, and texts in {erased.others} other rows"
        )
        if erased.refused:
            raise CommandError(
                f"{erased.refused} rows stay: the database refused to change them", returncode=base.HELD
            )


def _question(address: str) -> str:
    whom, number = wire.canonical_mailbox(address), blanking.count_mails(address)
    mails = "1 mail" if number == 1 else f"{number} mails"
    return f"This erases the personal data of: {whom} ({mails}). It cannot be undone. Erase?"
