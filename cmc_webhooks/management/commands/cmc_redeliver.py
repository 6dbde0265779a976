from __future__ import annotations

from typing import Any

from django.core.management import CommandParser

from cmc_webhooks import dispatch, redeliver, rows, selection, store
from cmc_webhooks.event_types import EVENT_TYPES
from cmc_webhooks.management import base, endings, options


class Command(base.Command):
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
        if chosen["interactive"] and not self.agreed("Send their signals again?"):
            return
        self._send(using, wanted, count)

    def _send(self, using: str, wanted: selection.Selection, count: int) -> None:
        taken, last = 0, ""
        swept = dispatch.Swept()

        def note(events: list[Any]) -> None:
            nonlocal taken, last
            taken += len(events)
            kind = next(name for name, each in EVENT_TYPES.items() if isinstance(events[-1], each.model))
            last = f", the last of {kind} at {rows.aware(events[-1].occurred_at).isoformat()}"
            progress(len(events))

        def note_sent(done: dispatch.Swept) -> None:
            nonlocal swept
            swept = swept.plus(done)

        def so_far() -> str:
            left = f"signals of {taken} of {count} events are owed{last}: {swept}; cmc_dispatch sends them"
            return left if taken == count else f"{left}. Run it again for the others, with --type and --since"

        with endings.told_shortly(so_far):
            with options.progress(count, "event") as progress:
                owed = redeliver.redeliver(using, wanted.events(using), progress=note)
            dispatch.sweep(using, progress=note_sent)
        self.stdout.write(f"{owed} signals owed: {swept.sent} sent, {swept.failed} failed, {swept.dead} dead")
