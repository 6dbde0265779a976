"""Every record of the app's loggers has a documented name, and documented fields."""

from __future__ import annotations

import ast
import logging
import re
from pathlib import Path

import pytest

import cmc_webhooks
from cmc_webhooks.ingest import pipeline
from tests.conftest import delivery
from tests.helpers import pages

PACKAGE = Path(cmc_webhooks.__file__).parent
METHODS = {"debug", "info", "warning", "error", "critical", "exception", "log"}


def calls():
    """Each call of a method of `logger`: its place, the call, the innermost scope around it."""
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text())
        scopes = {
            node: scope
            for scope in ast.walk(tree)  # inner ones come later
            if isinstance(scope, ast.Module | ast.FunctionDef)
            for node in ast.walk(scope)
        }
        for node, scope in scopes.items():
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in METHODS
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "logger"
            ):
                yield f"{path.name}:{node.lineno}", node, scope


def members(written, scope):
    """The values of a dict by their names. `**name` is the dict that the scope assigns to that name."""
    found = {}
    for key, value in zip(written.keys, written.values, strict=True):
        if key is not None:
            found[key.value] = value
            continue
        assert isinstance(value, ast.Name), f"line {value.lineno}: the keys are not written out"
        (assigned,) = (
            node.value
            for node in ast.walk(scope)
            if isinstance(node, ast.Assign) and [ast.unparse(each) for each in node.targets] == [value.id]
        )
        found |= members(assigned, scope)
    return found


def fields(call, scope):
    """The keys of `extra`, and the value of `cmc_event`; nothing where they are not written out."""
    (extra,) = [keyword.value for keyword in call.keywords if keyword.arg == "extra"] or [ast.Dict([], [])]
    written = members(extra, scope)
    return set(written), getattr(written.get("cmc_event"), "value", None)


def documented():
    """The fields of each name, from the lists of the docs."""
    found = re.findall(r"^`(\w+)` \([A-Z]+\)\n((?:[: ] .+\n)+)", pages.text("reference/logs"), re.MULTILINE)
    return {
        name: set(re.findall(r"`(\w+)`", below.partition("\n: Fields: ")[2] if ": Fields" in below else ""))
        for name, below in found
    }


class TestFields:
    """The reading of the calls above."""

    @pytest.mark.parametrize(
        ("extra", "names"),
        [
            ('{"cmc_event": "x", "a": 1}', {"cmc_event", "a"}),
            ('{"cmc_event": "x", **common, "a": 1}', {"cmc_event", "a", "b", "c"}),
            ('{"cmc_event": "x", **common, **other}', {"cmc_event", "b", "c", "d"}),
        ],
    )
    def test_are_read_through_a_name(self, extra, names):
        source = f"""
def function():
    other = {{"d": 1}}
    common = {{"b": 1, "c": 2}}
    logger.info("x", extra={extra})
"""
        (function,) = ast.parse(source).body

        assert fields(function.body[-1].value, function) == (names, "x")

    def test_cannot_be_read_through_anything_else(self):
        (function,) = ast.parse('def f():\n    logger.info("x", extra={"cmc_event": "x", **made()})').body

        with pytest.raises(AssertionError, match="not written out"):
            fields(function.body[0].value, function)


class TestRecords:
    def test_have_each_a_documented_name_and_its_fields(self):
        known = documented()
        wrong = []

        for place, *call in calls():
            names, event = fields(*call)
            if event not in known or names != {"cmc_event", *known[event]}:
                wrong.append((place, event, names))

        assert wrong == [], "reference/logs.md"

    def test_are_all_made_somewhere(self):
        made = {fields(*call)[1] for _, *call in calls()}

        assert made == set(documented()), "reference/logs.md"

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
        monkeypatch.setattr(pipeline.logger, "info", lambda *args, **kwargs: 1 / 0)
        caplog.set_level(logging.WARNING, "cmc_webhooks")

        assert hook.send("deliveries", delivery()).status_code == 200
