from __future__ import annotations

import threading
from typing import Any

from django.core.management import CommandParser
from django.db import close_old_connections

from cmc_webhooks import alerts, dispatch, maintenance
from cmc_webhooks.db import transactions
from cmc_webhooks.management import base, options
from cmc_webhooks.models import routing


class Command(base.Command):
    help = "Send pending signals and alerts until stopped by SIGTERM or SIGINT, or once."

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
        with base.stopping_by_signal(stop):
            if once:
                self._once(stop)
            else:
                self._loop(stop, interval)

    def _loop(self, stop: threading.Event, interval: float) -> None:
        while not stop.is_set():
            try:
                swept = maintenance.run(routing.write_alias(), stopped=stop.is_set)
                if not stop.is_set():
                    alerts.look_if_due()
            except base.LOST as error:
                self.stderr.write(
                    f"The database is unavailable ({transactions.described(error)}),"
                    f" retrying in {interval:g} s"
                )
            else:
                if any(swept):
                    self.stdout.write(str(swept))
            close_old_connections()
            stop.wait(interval)

    def _once(self, stop: threading.Event) -> None:
        swept = dispatch.SweepResult()

        def note(done: dispatch.SweepResult) -> None:
            nonlocal swept
            swept = swept.plus(done)

        with base.one_line_errors(lambda: f"{swept}; the others stay pending, run the command again"):
            maintenance.run(routing.write_alias(), stopped=stop.is_set, progress=note)
            if stop.is_set():
                raise KeyboardInterrupt
            alerts.look_if_due()
        self.stdout.write(str(swept))
