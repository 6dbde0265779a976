from __future__ import annotations

from typing import Any

from django.core.management import CommandParser

from cmc_webhooks import erasure
from cmc_webhooks.management import base, endings, options


class Command(base.Command):
    help = "Erase the personal data of a person. Rows, statuses and counts stay; repeats bring nothing back."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("address", type=options.address, help="in any spelling")
        parser.add_argument(
            "--no-input", action="store_false", dest="ask", help="do not ask before it is erased"
        )

    def handle(self, *args: Any, address: str, ask: bool, **chosen: Any) -> None:
        if ask and not self.agreed("This cannot be undone. Erase?"):
            self.stdout.write("nothing was erased")
            return
        with (
            options.progress(None, "row") as progress,
            endings.told_shortly(lambda: f"{progress.done} rows are blank; run it again for the others"),
        ):
            erased = erasure.erase(address, progress=progress)
        self.stdout.write(
            f"{erased.mails} mails, {erased.blocks} blocks and {erased.rejected} rejected events are blank,"
            f" and so are texts of {erased.others} other rows"
        )
