from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management import CommandParser

from cmc_webhooks.event_types import EVENT_TYPES
from cmc_webhooks.management import base, options, selecting
from cmc_webhooks.models import RejectedEvent, routing
from cmc_webhooks.models.notifications import IS_OPEN
from cmc_webhooks.reprocessing import dead_signals, rejections

if TYPE_CHECKING:
    from collections.abc import Callable

    from cmc_webhooks import audit

SIGNALS, EVENTS = "signals", "events"


class Command(base.Command):
    help = (
        "Dismiss dead signals or events that could not be read, so that they no longer count as a problem."
        " Dead signals are deleted and never sent. Events stay stored."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "what",
            choices=(SIGNALS, EVENTS),
            help=f"{SIGNALS}: dead signals; {EVENTS}: events that could not be read",
        )
        parser.add_argument(
            "--reason",
            type=options.text,
            default="",
            help="required; stored in the trail; do not name anyone",
        )
        selecting.add_filters(parser)
        parser.add_argument("--type", type=options.text, help="events of this type; all by default")
        parser.add_argument("--dry-run", action="store_true", help="only count")
        parser.add_argument(
            "--no-input", action="store_false", dest="interactive", help="do not ask for confirmation"
        )

    def handle(self, *args: Any, what: str, dry_run: bool, interactive: bool, **chosen: Any) -> None:
        if not dry_run and not chosen["reason"].strip():
            raise base.wrong("--reason is required: say why they need no further action")
        using = routing.write_alias()
        count, kind, work = (_signals if what == SIGNALS else _events)(using, chosen)
        self.stdout.write(f"{count} {kind}")
        if dry_run or not count:
            return
        if interactive and not self.agreed("Dismiss them?"):
            self.stdout.write("nothing was dismissed")
            return
        with (
            options.progress(count, "row") as progress,
            base.one_line_errors(
                lambda: f"{progress.done} of {count} are dismissed; run it again for the others"
            ),
        ):
            done = work(base.actor(chosen["reason"].strip()), progress)
        self.stdout.write(f"{done} {kind} dismissed")


Work = tuple[int, str, "Callable[[audit.Actor, options.Progress], int]"]


def _signals(using: str, chosen: dict[str, Any]) -> Work:
    """Return the number of the selected dead signals, what they are called, and how they are dismissed."""
    if chosen["type"] is not None and chosen["type"] not in EVENT_TYPES:
        raise base.wrong(f"--type: signals are about {', '.join(EVENT_TYPES)}")
    wanted = selecting.selected(chosen)

    def dismiss(actor: audit.Actor, progress: options.Progress) -> int:
        found = dead_signals.find(using, wanted)
        return dead_signals.dismiss(using, found, actor, progress=progress, filters=selecting.names(chosen))

    return sum(map(dead_signals.number, dead_signals.find(using, wanted))), "dead signals", dismiss


def _events(using: str, chosen: dict[str, Any]) -> Work:
    """Return the same for open rejected events."""
    odd = [name for name in selecting.names(chosen) if f"--{name}" in selecting.ABOUT_MAILS]
    if odd:
        raise base.wrong(f"--{odd[0]} is for signals: an event that could not be read has no mail")
    wanted = options.narrowed(
        RejectedEvent._default_manager.using(using).filter(IS_OPEN),
        chosen,
        since="received_at",
        until="received_at",
        composition="server_composition",
        type="event_type",
    )

    def dismiss(actor: audit.Actor, progress: options.Progress) -> int:
        return rejections.dismiss(using, wanted, actor, progress=progress, filters=selecting.names(chosen))

    return wanted.count(), "events that could not be read", dismiss
