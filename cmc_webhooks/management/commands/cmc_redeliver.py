from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management import CommandParser

from cmc_webhooks import dispatch, timezones
from cmc_webhooks.event_types import EVENT_TYPES
from cmc_webhooks.management import base, options, selecting
from cmc_webhooks.models import routing
from cmc_webhooks.reprocessing import dead_signals, redeliver

if TYPE_CHECKING:
    from cmc_webhooks.reprocessing.selection import Selection


class Command(base.Command):
    help = (
        "Send the signals of stored events again, including those that are dead. With --dead, send only dead"
        " signals again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dead", action="store_true", help="only dead signals")
        selecting.add_filters(parser)
        options.add_filters(parser, "--type")
        parser.add_argument(
            "--reason", type=options.text, default="", help="stored in the trail; do not name anyone"
        )
        parser.add_argument("--dry-run", action="store_true", help="only count")
        parser.add_argument(
            "--no-input", action="store_false", dest="interactive", help="do not ask for confirmation"
        )

    def handle(self, *args: Any, **chosen: Any) -> None:
        using, wanted = routing.write_alias(), selecting.selected(chosen)
        if chosen["dead"]:
            self._send_dead(using, wanted, chosen)
            return
        count = redeliver.count(wanted.events(using))
        self.stdout.write(f"{count.events} events, {count.signals} signals")
        if chosen["dry_run"] or not count.events:
            return
        if chosen["interactive"] and not self.agreed("Send their signals again?"):
            return
        self._send(using, wanted, count.events, chosen["reason"])

    def _send_dead(self, using: str, wanted: Selection, chosen: dict[str, Any]) -> None:
        count = sum(map(dead_signals.number, dead_signals.find(using, wanted)))
        self.stdout.write(f"{count} dead signals")
        if chosen["dry_run"] or not count:
            return
        if chosen["interactive"] and not self.agreed("Send them again?"):
            return
        swept = _Swept()

        def so_far() -> str:
            left = (
                f"{progress.done} of {count} dead signals are pending: {swept.done}; cmc_dispatch sends them"
            )
            return left if progress.done == count else f"{left}. Run it again for the others"

        with base.one_line_errors(so_far):
            with options.progress(count, "signal") as progress:
                again = dead_signals.send_again(
                    using,
                    dead_signals.find(using, wanted),
                    base.actor(chosen["reason"]),
                    progress=progress,
                    filters=selecting.names(chosen),
                )
            dispatch.sweep(using, progress=swept)
        self.stdout.write(f"{again} dead signals are pending again: {swept.in_words}")

    def _send(self, using: str, wanted: Selection, count: int, reason: str) -> None:
        taken, last = 0, ""
        swept = _Swept()

        def note(events: list[Any]) -> None:
            nonlocal taken, last
            taken += len(events)
            kind = next(name for name, each in EVENT_TYPES.items() if isinstance(events[-1], each.model))
            last = f", the last of {kind} at {timezones.to_aware(events[-1].occurred_at).isoformat()}"
            progress(len(events))

        def so_far() -> str:
            left = (
                f"signals of {taken} of {count} events are enqueued{last}: {swept.done}; cmc_dispatch sends"
                " them"
            )
            return left if taken == count else f"{left}. Run it again for the others, with --type and --since"

        with base.one_line_errors(so_far):
            with options.progress(count, "event") as progress:
                enqueued = redeliver.redeliver(
                    using, wanted.events(using), actor=base.actor(reason), progress=note
                )
            dispatch.sweep(using, progress=swept)
        self.stdout.write(f"{enqueued.events} events, {enqueued.signals} signals enqueued: {swept.in_words}")


class _Swept:
    """The sum of the results of the rows that were swept."""

    def __init__(self) -> None:
        self.done = dispatch.SweepResult()

    def __call__(self, result: dispatch.SweepResult) -> None:
        self.done = self.done.plus(result)

    @property
    def in_words(self) -> str:
        return f"{self.done.sent} sent, {self.done.failed} failed, {self.done.dead} dead"
