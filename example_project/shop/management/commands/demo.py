"""The demo: a server, the notifications that CMC's article shows, and what becomes of them."""

from __future__ import annotations

import json
import logging
import os
import secrets
import sys
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.management import BaseCommand, CommandError, CommandParser, call_command
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from cmc_webhooks import maintenance, signals, suppression
from cmc_webhooks.models import Mail, routing
from example_project.shop import month
from example_project.shop.models import Order

PAYLOADS = Path(__file__).resolve().parents[2] / "payloads"
# https://blog.smtps.jp/entry/2023/01/25/173848, and the batch of CMC's reference
STORY = {
    "seed_deliveries_queued.json": "CMC has taken a mail",
    "seed_deliveries_succeeded.json": "and handed it over, 3 seconds later",
    "seed_bounces_host_unknown.json": "A mail to a host that does not exist",
    "seed_deliveries_failed_550.json": "A mail that the destination refuses",
    "seed_bounces_user_unknown.json": "and the same refusal, reported once more as a bounce",
    "v2_deliveries_batch.form": "Two events in one form-encoded request, for order CMC00123",
}

LOG_SECONDS = 5.0


class Handler(WSGIRequestHandler):
    """Leaves the terminal to the story."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass


class LogLines(logging.Handler):
    """Keeps what the project logs, so that it stands under the notification that it is about."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.name}: {record.getMessage()}")

    def take(self, ending: str) -> list[str]:
        """Return the lines so far, once one has `ending`. The server may write it after its answer."""
        deadline = time.monotonic() + LOG_SECONDS
        while time.monotonic() < deadline and not any(ending in line for line in self.lines):
            time.sleep(0.01)
        lines, self.lines = self.lines, []
        return lines


class Command(BaseCommand):
    help = (
        "Make a database and a user, start a server, play six notifications through HTTP and a month of "
        "invented mails, show the admin."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="on 127.0.0.1; 8000 by default")
        parser.add_argument("--stop", action="store_true", help="stop after the play")
        parser.add_argument("--no-history", action="store_true", help="leave out the month of invented mails")
        parser.add_argument("--verbose", action="store_true", help="show what is logged as well")

    def handle(
        self, *args: Any, port: int, stop: bool, no_history: bool, verbose: bool, **options: Any
    ) -> None:
        server = self._server(port)
        log = LogLines()
        loggers = [logging.getLogger(name) for name in ("cmc_webhooks", "example_project")]
        usual = [logger.handlers for logger in loggers]
        for logger in loggers:
            logger.handlers = [log]
        self._prepare_database()
        password = self._prepare_user()
        base = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            self._play(base, log if verbose else None)
            if not no_history:
                self._play_month()
            self._show_history()
            for logger, handlers in zip(loggers, usual, strict=True):
                logger.handlers = handlers
            if not stop:
                self._wait(base, password)
        finally:
            server.shutdown()
            server.server_close()

    def _server(self, port: int) -> ThreadedWSGIServer:
        try:
            server = ThreadedWSGIServer(("127.0.0.1", port), Handler)
        except OSError as error:
            raise CommandError(f"Port {port} of 127.0.0.1 is taken: choose another with --port") from error
        server.set_app(StaticFilesHandler(get_wsgi_application()))
        return server

    def _prepare_database(self) -> None:
        database = settings.DATABASES["default"]
        if "DATABASE_URL" not in os.environ:  # the demo's own file: each run begins with an empty one
            connection.close()
            for name in (database["NAME"], f"{database['NAME']}-wal", f"{database['NAME']}-shm"):
                Path(name).unlink(missing_ok=True)
        call_command("migrate", verbosity=0)
        Order.objects.get_or_create(number="CMC00123")
        self.stdout.write(f"Database: {database['NAME']} ({database['ENGINE'].rpartition('.')[2]})")

    def _prepare_user(self) -> str:
        password = secrets.token_urlsafe(9)
        user, _ = get_user_model().objects.get_or_create(
            username="demo", defaults={"is_staff": True, "is_superuser": True}
        )
        user.set_password(password)
        user.save()
        return password

    def _play(self, base: str, log: LogLines | None) -> None:
        fired: list[str] = []
        self._played: set[Any] = set()

        def note_event(sender: type, event: Any, **kwargs: Any) -> None:
            fired.append(f"event_recorded  {sender.__name__}: {event}")
            self._played.add(event.mail_id)

        def note_change(mail: Mail, old: str, new: str, version: int, **kwargs: Any) -> None:
            fired.append(f"status_changed  {old or 'new'} -> {new} (version {version}) for {mail.recipient}")

        signals.event_recorded.connect(note_event)
        signals.status_changed.connect(note_change)
        for name, title in STORY.items():
            fired.clear()
            self.stdout.write(self.style.MIGRATE_HEADING(f"\n{title}  [{name}]"))
            self.stdout.flush()
            answer = self._post(base, PAYLOADS / name)
            self.stdout.write(
                "  stored  {new} new, {repeated} repeated, {rejected} rejected".format(**answer)
            )
            for line in fired:
                self.stdout.write(f"  signal  {line}")
            for line in log.take(ending="Stored:") if log else ():
                self.stdout.write(f"  log     {line}")
            if answer["rejected"] or not (fired or answer["repeated"]):
                raise CommandError(f"{name} was not stored as it should be")
        signals.event_recorded.disconnect(note_event)
        signals.status_changed.disconnect(note_change)

    def _play_month(self) -> None:
        self.stdout.write(self.style.MIGRATE_HEADING(f"\nThe last {month.DAYS} days, invented"))
        self.stdout.flush()
        before = Mail.objects.count()
        events = month.receive(timezone.now())
        suppression.block("customer042@example.com", note="asked by phone to be left alone", author="demo")
        self.stdout.write(f"  stored  {events} events of {Mail.objects.count() - before} mails")

    def _post(self, base: str, payload: Path) -> dict[str, int]:
        key = settings.CMC_WEBHOOKS_API_KEYS[0]
        if payload.suffix == ".form":
            body = payload.read_bytes() + b"&" + urllib.parse.urlencode({"api_key": key}).encode()
            content_type = "application/x-www-form-urlencoded"
        else:
            body = json.dumps(json.loads(payload.read_bytes()) | {"api_key": key}).encode()
            content_type = "application/json"
        request = urllib.request.Request(  # noqa: S310 - the server that was just started
            base + reverse("cmc_webhooks:webhook"), body, {"Content-Type": content_type}
        )
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - as above
            answer: dict[str, int] = json.load(response)
        return answer

    def _show_history(self) -> None:
        maintenance.run(routing.write_alias())  # what cmc_dispatch does each minute: here, the overview
        self.stdout.write(self.style.MIGRATE_HEADING("\nThe history of the six notifications"))
        for mail in Mail.objects.filter(pk__in=self._played).order_by("created_at", "id"):
            code = f" code {mail.bounce_code} ({mail.bounce_class})" if mail.bounce_class else ""
            events = mail.delivery_events.count(), mail.bounce_events.count()
            counts = f"delivery events: {events[0]}, bounces: {events[1]}"
            self.stdout.write(f"  {mail.recipient:22} {mail.status}{code}; {counts}")
        order = Order.objects.get(number="CMC00123")
        self.stdout.write(f"  order {order.number}: its mail has {order.mail_status}, says our receiver")

    def _wait(self, base: str, password: str) -> None:
        hook = base + reverse("cmc_webhooks:webhook")
        refused = Mail.objects.for_address("no-user@example.jp").get()
        self.stdout.write(
            self.style.SUCCESS(
                f"\nLook at it: {base}{reverse('admin:cmc_webhooks_mail_changelist')}\n"
                f"The overview: {base}{reverse('admin:cmc_webhooks_mail_overview')}\n"
                f"The refused mail: {base}{reverse('admin:cmc_webhooks_mail_change', args=[refused.pk])}\n"
                f"User: demo   Password: {password}\n"
                f"More mails: {sys.executable} manage.py cmc_simulate {hook}\n"
                "Ctrl+C stops the server."
            )
        )
        self.stdout.flush()
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            self.stdout.write("")
