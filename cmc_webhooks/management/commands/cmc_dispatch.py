from __future__ import annotations

import signal
import threading
from typing import Any

from django.core.management import CommandParser
from django.db import close_old_connections

from cmc_webhooks import dispatch, durable, store, upkeep
from cmc_webhooks.management import base, endings, options


class Command(base.Command):
    help = "Send the signals that are owed: until stopped by SIGTERM or SIGINT, or once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="send what is due now, then end")
        parser.add_argument(
            "--interval",
            type=options.number(3600, 0.01),
            default=1.0,
            metavar="SECONDS",
            help="pause when nothing is due; 1 by default",
        )

    def handle(self, *args: Any, once: bool, interval: float, **chosen: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        if once:
            self._once(stop)
            return
        while not stop.is_set():
            try:
                swept = upkeep.run(store.alias(), stopped=stop.is_set)
            except endings.LOST as error:
                self.stderr.write(
                    f"The database gave way ({durable.described(error)}), going on in {interval:g} s"
                )
            else:
                if any(swept):
                    self.stdout.write(str(swept))
            close_old_connections()
            stop.wait(interval)

    def _once(self, stop: threading.Event) -> None:
        swept = dispatch.Swept()

        def note(done: dispatch.Swept) -> None:
            nonlocal swept
            swept = swept.plus(done)

        with endings.told_shortly(lambda: f"{swept}; the others stay owed: run it again"):
            upkeep.run(store.alias(), stopped=stop.is_set, progress=note)
            if stop.is_set():
                raise KeyboardInterrupt
        self.stdout.write(str(swept))
