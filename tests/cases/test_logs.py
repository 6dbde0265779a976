from __future__ import annotations

import json
import logging
import re

import pytest
from django.db import DataError

from cmc_webhooks import ingest, logs, models, wire
from tests import cases
from tests.conftest import delivery

pytestmark = pytest.mark.django_db

ADDRESS = "victim@a.example"
UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
FOREIGN = f"{ADDRESS} \x1b[31m\u202e"


def texts(caplog):
    """All that the records hold, formatted as a handler does it."""
    formatter = logging.Formatter("%(message)s")
    for record in caplog.records:
        yield formatter.format(record)
        yield from (str(value) for value in (record.args or ()))
        yield from (
            str(value)
            for name, value in vars(record).items()
            if name not in ("exc_info", "exc_text", "pathname")
        )


def assert_safe(caplog, *answers):
    shown = [*texts(caplog), *(answer.content.decode() for answer in answers)]
    assert [text for text in shown if "victim" in text and "@" in text] == []
    assert [text for text in shown if UNSAFE.search(text)] == []
    assert caplog.records


class TestD07:
    """Foreign text in log lines."""

    def test_neither_a_name_nor_an_event_type_is_shown_as_it_is(self, open_hook, caplog):
        answers = cases.play(open_hook, "D07")

        assert cases.codes(answers) == [200, 400]
        assert answers[0].json() == {"new": 0, "repeated": 0, "rejected": 1}
        assert_safe(caplog, *answers)

    def test_the_stored_text_is_what_was_sent(self, open_hook):
        cases.play(open_hook, "D07")

        raw = models.RejectedEvent.objects.get().raw
        assert raw.count(r"victim@a.example \u001b[31m" + "\u202e") == 2
        assert json.loads(raw) == cases.recorded("D07-1.json")[0]

    @pytest.mark.parametrize(
        "body",
        [
            {"event_type": FOREIGN},
            {"event_type": FOREIGN, "event": {FOREIGN: 5}},
            {"event_type": FOREIGN, "event": {FOREIGN: [1] * 1001}},
            {"event_type": FOREIGN, "event": {FOREIGN: [5, {"to": ADDRESS}]}},
            {"event_type": FOREIGN, "event": f'{{"{ADDRESS}": [], "{ADDRESS}": []}}'},
            {"event_type": "deliveries", "event": {"deliveries": [], FOREIGN: [1]}},
            {"event_type": "deliveries", "event": {"deliveries": [{"to": [FOREIGN]}]}},
            {
                "event_type": "deliveries",
                "server_composition": FOREIGN,
                "event": {"deliveries": [5, delivery()]},
            },
            {
                "event_type": "deliveries",
                "server_composition": "送信\u202e",
                "event": {"deliveries": [delivery()]},
            },
            {"event_type": [FOREIGN]},
            {FOREIGN: FOREIGN},
        ],
        ids=lambda body: ascii(body)[:50],
    )
    def test_holds_for_every_text_of_a_body(self, open_hook, caplog, body):
        caplog.set_level(logging.DEBUG)

        answer = cases.post(open_hook, json.dumps(body).encode())

        assert_safe(caplog, answer)

    @pytest.mark.parametrize("names", [[FOREIGN], [FOREIGN, "status"], ["a\u2028b", "to", "x"]], ids=ascii)
    def test_holds_for_names_given_twice(self, open_hook, caplog, names):
        members = ", ".join(f"{json.dumps(name)}: 1" for name in [*names, *names])

        answer = cases.send(open_hook, "deliveries", event=f'{{"deliveries": [{{{members}}}]}}')

        known = [name for name in names if name in ("status", "to")]
        error = models.RejectedEvent.objects.get().error
        assert all(name in error for name in known)
        assert_safe(caplog, answer)

    @pytest.mark.parametrize(
        "error",
        [DataError(f"DETAIL: Key (address)=({FOREIGN})"), ValueError(FOREIGN), KeyError(FOREIGN)],
        ids=lambda error: type(error).__name__,
    )
    def test_holds_for_unexpected_errors(self, open_hook, caplog, monkeypatch, error):
        def fail(*args, **kwargs):
            raise RuntimeError(FOREIGN) from error

        monkeypatch.setattr(ingest, "receive", fail)

        answer = cases.send(open_hook, "deliveries", delivery())

        (record,) = [each for each in caplog.records if each.name.startswith("cmc_webhooks")]
        assert answer.status_code == 503
        assert record.exc_info[0] is RuntimeError
        assert "in fail" in "".join(texts(caplog))
        assert_safe(caplog, answer)

    def test_an_error_keeps_its_class_and_place(self):
        try:
            raise DataError(FOREIGN)
        except DataError as error:
            shown = logging.Formatter().formatException(logs.without_text(error))

        assert shown.endswith("django.db.utils.DataError")
        assert "test_an_error_keeps_its_class_and_place" in shown

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("deliveries", "deliveries"),
            ("送信", "送信"),
            ("\ud800", r"\ud800"),
            ("a\x1b\u202e\n", r"a\x1b\u202e\n"),
            (ADDRESS, "(16 characters)"),
            ("a\uff20b", "(3 characters)"),
            ("x" * 100, "x" * 32),
        ],
        ids=ascii,
    )
    def test_foreign_text_is_escaped_or_counted(self, text, shown):
        assert wire.shown(text) == shown
