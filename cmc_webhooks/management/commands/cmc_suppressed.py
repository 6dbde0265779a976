from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from django.core.management import CommandParser

from cmc_webhooks import audit, suppression
from cmc_webhooks.downloads import csv_cells
from cmc_webhooks.management import base, options
from cmc_webhooks.models import Trail
from cmc_webhooks.suppression import rules
from cmc_webhooks.timezones import format_local, to_local

if TYPE_CHECKING:
    from cmc_webhooks.suppression import Listed, Reason, Verdict

_COLUMNS = ("address", "reason", "since", "until", "composition", "at_cmc")


class Command(base.Command):
    help = "List all addresses that may not be sent to, automatically or by hand, with the reason."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--composition",
            type=options.text,
            help="for mail through this server composition; any by default",
        )
        parser.add_argument(
            "--transactional", action="store_true", help="for mail that its recipients asked for"
        )
        parser.add_argument("--reason", choices=rules.REASONS, help="with this among their reasons")
        parser.add_argument("--domain", type=options.text, help="of this domain")
        parser.add_argument("--format", choices=tuple(_FORMATS), default="csv", help="csv by default")
        parser.add_argument(
            "--output",
            type=options.name,
            metavar="FILE",
            help="a new file, which its owner alone may read, instead of standard output",
        )

    def handle(self, *args: Any, output: str | None, **chosen: Any) -> None:
        lines = _FORMATS[chosen["format"]]
        if output is None:
            with base.one_line_errors(lambda: "the list is not complete"):
                self._print(lines, chosen)
            return
        base.refuse_existing(output)
        with (
            options.progress(None, "address") as progress,
            base.one_line_errors(lambda: f"the file ends after {progress.done} addresses"),
            base.new_file(output) as file,
            _exported(chosen) as record,
        ):
            if chosen["format"] == "csv":
                file.write(csv_cells.BOM)
            file.writelines(lines(_noted(progress, record.counted(_found(chosen)))))
        plural = "address was" if progress.done == 1 else "addresses were"
        self.stdout.write(f"{progress.done} {plural} written")

    def _print(self, lines: Lines, chosen: Mapping[str, Any]) -> None:
        try:
            with _exported(chosen) as record:
                for line in lines(record.counted(_found(chosen))):
                    self.stdout.write(line, ending="")
                self.stdout.flush()
        except BrokenPipeError:  # its reader, such as head, has enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _exported(chosen: Mapping[str, Any]) -> audit.Record:
    """Begin the record of the export."""
    filters = sorted(name for name in ("composition", "transactional", "reason", "domain") if chosen[name])
    return audit.begin(
        Trail.Actions.EXPORTED, base.actor(""), list="suppression", filters=filters, format=chosen["format"]
    )


def _found(chosen: Mapping[str, Any]) -> Iterator[Listed]:
    return suppression.stream(
        composition=chosen["composition"] or None,
        transactional=chosen["transactional"],
        reason=chosen["reason"] or "",
        domain=chosen["domain"] or "",
    )


def _noted(progress: options.Progress, found: Iterable[Listed]) -> Iterator[Listed]:
    for listed in found:
        yield listed
        progress(1)


def _as_csv(found: Iterable[Listed]) -> Iterator[str]:
    """Yield the lines of a CSV file. Times are in the project's zone, without an offset."""
    yield csv_cells.line(_COLUMNS)
    for address, verdict, _ in found:
        values = (verdict.reason, verdict.since, verdict.until, verdict.composition, verdict.at_cmc)
        yield csv_cells.line((address, *values))


def _as_json_lines(found: Iterable[Listed]) -> Iterator[str]:
    """Yield one JSON object a line, with all reasons. Times have an offset."""
    for address, verdict, reasons in found:
        row = {"address": address, **_as_dict(verdict), "reasons": [*map(_as_dict, reasons)]}
        yield json.dumps(row, ensure_ascii=False) + "\n"


def _as_dict(known: Verdict | Reason) -> dict[str, Any]:
    return {
        "reason": known.reason,
        "since": known.since and to_local(known.since).isoformat(),
        "until": known.until and to_local(known.until).isoformat(),
        "composition": known.composition,
        "at_cmc": known.at_cmc,
    }


def _as_text(found: Iterable[Listed]) -> Iterator[str]:
    """Yield one line for people for each address."""
    for address, verdict, _ in found:
        shown = address if address.isprintable() else repr(address)[1:-1]
        where = f" at {verdict.composition}" if verdict.composition else ""
        since = f" since {format_local(verdict.since)}" if verdict.since else ""
        until = f" until {format_local(verdict.until)}" if verdict.until else ""
        cmc = "; CMC itself refuses it too" if verdict.at_cmc else ""
        yield f"{shown}: {verdict.reason}{where}{since}{until}{cmc}\n"


Lines = Callable[[Iterable["Listed"]], Iterator[str]]
_FORMATS: Mapping[str, Lines] = {"csv": _as_csv, "jsonl": _as_json_lines, "text": _as_text}
