"""Every record of the app's loggers has a documented name, and documented fields."""

from __future__ import annotations

import ast
import logging
import re
from pathlib import Path

import pytest

import cmc_webhooks
from cmc_webhooks import ingest
from tests.conftest import delivery

PACKAGE = Path(cmc_webhooks.__file__).parent
README = PACKAGE.parent / "README.md"
METHODS = {"debug", "info", "warning", "error", "critical", "exception", "log"}


def calls():
    """Each call of a method of `logger` in the package, with its place."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in METHODS
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "logger"
            ):
                yield f"{path.name}:{node.lineno}", node


def fields(call):
    """The keys of `extra`, and the value of `cmc_event`; nothing where they are not written out."""
    (extra,) = [keyword.value for keyword in call.keywords if keyword.arg == "extra"] or [ast.Dict([], [])]
    written = {key.value: value for key, value in zip(extra.keys, extra.values, strict=True)}
    return set(written), getattr(written.get("cmc_event"), "value", None)


def documented():
    """The README's table: the fields of each name."""
    table = README.read_text().partition("| `cmc_event` | level | fields | when |")[2].partition("\n\n")[0]
    rows = [line.split("|")[1:4] for line in table.splitlines()[2:]]
    return {
        name: set(re.findall(r"`(\w+)`", its_fields))
        for names, _, its_fields in rows
        for name in re.findall(r"`(\w+)`", names)
    }


class TestRecords:
    def test_have_each_a_documented_name_and_its_fields(self):
        known = documented()
        wrong = []

        for place, call in calls():
            names, event = fields(call)
            if event not in known or names != {"cmc_event", *known[event]}:
                wrong.append((place, event, names))

        assert wrong == [], "README.md, table of cmc_event"

    def test_are_all_made_somewhere(self):
        made = {fields(call)[1] for _, call in calls()}

        assert made == set(documented()), "README.md, table of cmc_event"

    def test_come_from_loggers_that_are_called_so(self):
        source = {path: path.read_text() for path in PACKAGE.rglob("*.py")}

        odd = [
            (path.name, line)
            for path, text in source.items()
            for line in text.splitlines()
            if re.search(r"getLogger|logging\.(debug|info|warning|error|critical|exception|log)\(", line)
            and line != "logger = logging.getLogger(__name__)"
        ]

        assert odd == []

    def test_overwrite_nothing_of_a_record(self):
        own = set(vars(logging.makeLogRecord({}))) | {"message", "asctime"}

        assert own & set().union(*documented().values()) == set()


@pytest.mark.django_db
class TestNotificationStored:
    def test_says_what_a_notification_brought(self, hook, caplog):
        caplog.set_level(logging.INFO, "cmc_webhooks")
        hook.send("deliveries", delivery("<a@x>"))
        caplog.clear()

        hook.send("deliveries", delivery("<a@x>"), delivery("<b@x>"), delivery("<c@x>"), 17)

        told = vars(caplog.records[-1])
        names = ("cmc_event", "levelname", "event_type", "server_composition", "new", "repeated", "rejected")
        assert [told[name] for name in names] == ["notification_stored", "INFO", "deliveries", "pro", 2, 1, 1]
        assert 0 < told["seconds"] < 60
        assert told["message"] == "Stored: 2 new, 1 repeated, 1 rejected"

    def test_says_so_of_a_repeat_too(self, hook, caplog):
        caplog.set_level(logging.INFO, "cmc_webhooks")
        for _ in range(2):
            hook.send("deliveries", delivery())

        told = [(record.cmc_event, record.new, record.repeated) for record in caplog.records]

        assert told == [("notification_stored", 1, 0), ("notification_stored", 0, 1)]

    def test_names_no_person(self, hook, caplog):
        caplog.set_level(logging.DEBUG, "cmc_webhooks")

        hook.send("deliveries", delivery(), delivery(to=["list@example.jp"]))

        assert [str(vars(record)) for record in caplog.records if "@" in str(vars(record))] == []

    def test_is_not_made_where_nobody_listens(self, hook, caplog, monkeypatch):
        monkeypatch.setattr(ingest.logger, "info", lambda *args, **kwargs: 1 / 0)
        caplog.set_level(logging.WARNING, "cmc_webhooks")

        assert hook.send("deliveries", delivery()).status_code == 200
