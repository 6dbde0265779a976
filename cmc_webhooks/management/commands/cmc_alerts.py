from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management import CommandParser

from cmc_webhooks import alerts
from cmc_webhooks.management import base
from cmc_webhooks.models import routing


class Command(base.Command):
    help = "Check for alerts and send them. Exit with 1 if a message could not be sent."

    def add_arguments(self, parser: CommandParser) -> None:
        chosen = parser.add_mutually_exclusive_group()
        chosen.add_argument(
            "--dry-run",
            action="store_true",
            help="show the alerts that would be raised or resolved; send nothing",
        )
        chosen.add_argument(
            "--test", action="store_true", help="send an example of each kind of alert by mail and to Slack"
        )

    def handle(self, *args: Any, dry_run: bool, test: bool, **options: Any) -> None:
        if test:
            self._test()
            return
        using = routing.write_alias()
        with base.one_line_errors(
            lambda: "alerts raised so far are stored and will be sent at the next check"
        ):
            looked = alerts.expected(using) if dry_run else alerts.look(using, every=timedelta())
        if looked is None:
            self.stdout.write("Another process is checking for alerts now.")
            return
        for alert in looked.raised:
            self.stdout.write(f"raised: {alert.sentence}")
        for alert in looked.resolved:
            self.stdout.write(f"resolved: {alert.sentence}")
        if dry_run:
            return
        self.stdout.write(str(looked))
        if looked.sent.errors:
            raise base.ProblemFound("A message could not be sent")

    def _test(self) -> None:
        sent = alerts.send_test()
        if not sent.number and not sent.errors:
            raise base.wrong("Set CMC_WEBHOOKS_ALERT_EMAILS or CMC_WEBHOOKS_ALERT_SLACK_URL")
        self.stdout.write(str(sent))
        if sent.errors:
            raise base.ProblemFound("A message could not be sent")
