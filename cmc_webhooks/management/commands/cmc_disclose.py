from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.core.management import CommandParser
from django.utils import translation

from cmc_webhooks.erasure import disclosure
from cmc_webhooks.management import base, options


class Command(base.Command):
    help = "Show all stored data about a person, to be handed over to that person."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "address", type=options.address_or_stdin, help="in any spelling; - reads it from standard input"
        )
        parser.add_argument("--format", choices=("json", "html"), default="json", help="json by default")
        parser.add_argument(
            "--language",
            choices=[code for code, _ in settings.LANGUAGES],
            help="of the page; LANGUAGE_CODE by default",
        )
        parser.add_argument(
            "--output",
            type=options.name,
            metavar="FILE",
            help="a new file, which its owner alone may read, instead of standard output",
        )
        parser.add_argument(
            "--reason", type=options.text, default="", help="stored in the trail; do not name anyone"
        )

    def handle(self, *args: Any, address: str, output: str | None, **chosen: Any) -> None:
        if output is not None:
            base.refuse_existing(output)
        with base.one_line_errors(lambda: "nothing was disclosed"):
            found = disclosure.disclose(address, actor=base.actor(chosen["reason"]))
        with translation.override(chosen["language"] or settings.LANGUAGE_CODE):
            if chosen["format"] == "html":
                text = disclosure.as_html(found)
            else:
                text = json.dumps(found.as_dict(), ensure_ascii=False, indent=2)
        if output is None:
            self.stdout.write(text)
            return
        with base.new_file(output) as file:
            file.write(text)
        self.stdout.write(f"written: rows about the person {found.rows}, passages {len(found.passages)}")
