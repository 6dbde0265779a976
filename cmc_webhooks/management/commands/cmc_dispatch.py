from __future__ import annotations

import signal
import threading
from typing import Any

from django.core.management import BaseCommand, CommandParser
from django.db import close_old_connections

from cmc_webhooks import durable, store, upkeep


class Command(BaseCommand):
    help = "Send the signals that are owed: until stopped by SIGTERM or SIGINT, or once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="send what is due now, then end")
        parser.add_argument(
            "--interval", type=float, default=1.0, metavar="SECONDS", help="pause when nothing is due"
        )

    def handle(self, *args: Any, once: bool, interval: float, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        while not stop.is_set():
            try:
                swept = upkeep.run(store.alias(), stopped=stop.is_set)
            except durable.Unavailable as error:
                if once:
                    raise
                self.stderr.write(f"The database gave way ({error}), going on in {interval} s")
            else:
                if once or any(swept):
                    self.stdout.write("sent {sent}, failed {failed}, dead {dead}".format(**swept._asdict()))
            if once:
                return
            close_old_connections()
            stop.wait(interval)
