"""What holds for all commands: arguments that are wrong, a database that is away, names of people."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
from importlib.util import find_spec
from itertools import islice

import pytest
from django.core.management import BaseCommand, CommandError, call_command, get_commands, load_command_class
from django.db import connection

from cmc_webhooks import dispatch, ingest, retention, signals, wire
from cmc_webhooks.dispatch import calls
from cmc_webhooks.management import base
from cmc_webhooks.simulator import sender
from tests.conftest import bounce, delivery, notification
from tests.helpers import factories
from tests.helpers.pages import ROOT

ALL = sorted(name for name, app in get_commands().items() if app == "cmc_webhooks")
NAMES = [name for name in ALL if name != "cmc_backfill" or find_spec("httpx")]  # which is an extra
PERSON = "hanako@example.jp"
DISCLOSING = ("cmc_disclose", "cmc_suppressed")
"""The commands whose output is personal data."""
SECRET = "s3cret-of-the-database"

# What a command is given so that it does its work, and ends.
GIVEN = {
    "cmc_alerts": [],
    "cmc_backfill": ["2023-01-25"],
    "cmc_changes": [],
    "cmc_disclose": [PERSON],
    "cmc_dismiss": ["events", "--reason=known", "--no-input"],
    "cmc_dispatch": ["--once"],
    "cmc_erase": [PERSON, "--no-input"],
    "cmc_prune": ["--kind=events", "--days=9", "--pause=0"],
    "cmc_rebuild_counts": [],
    "cmc_rebuild_status": [],
    "cmc_redeliver": ["--no-input"],
    "cmc_retry_rejected": [],
    "cmc_simulate": ["http://127.0.0.1:1/cmc/webhook"],
    "cmc_status": [],
    "cmc_suppressed": [],
}
HOSTILE = [
    *("", " ", "-1", "0", "nan", "inf", "-inf", "1e400", "1e-300", "٣", "9" * 5000, "0x10", "1_0"),
    *("\0", "pro\0", "\ud800", "\udcff", "a\nb@example.jp", "%s%(x)d{0}", "' OR 1=1 --", "é" * 70_000, "😀"),
    *("0000-00-00", "2023-02-30", "0001-01-01", "0001-01-01T00:00+14:00", "9999-12-31", "10000-01-01"),
    *("9999-12-31T23:59:59-23:59", "2023-01-25T14:00+99:00", "2023-01-25T14:00:00.0000000001", "9999-W53-7"),
    *("@", "@example.jp", "hanako@", "hanako", "a@b\0", "a@\udcff", "x" * 70_000 + "@example.jp"),
    *("http://", "http://[::1", "http://127.0.0.1:99999/", "http://a..b.localhost/", "http://\udcff/", "ftp://x/"),
    *("http://127.0.0.1:x/", "http://user:password@127.0.0.1/", f"http://{'a' * 64}.localhost/"),
]  # fmt: skip


def command(name):
    return load_command_class("cmc_webhooks", name)


def options_of(name):
    """The options of ours that take a value; a positional one without dashes."""
    theirs = {action.dest for action in BaseCommand().create_parser("", "")._actions}
    ours = command(name).create_parser("", name)._actions
    return [
        action.option_strings[0] if action.option_strings else action.dest
        for action in ours
        if action.dest not in theirs and action.nargs != 0
    ]


def with_value(name, option, value):
    """The arguments of a command with this value for an option, or in the place of a positional argument."""
    given = GIVEN[name]
    if option.startswith("--"):
        return [*given, f"{option}={value}"]
    return [value, *given[1:]] if option != "last" else [*given, value]


def run(name, *arguments):
    """What the command printed, and the error that it ended with."""
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command(name, *arguments, stdout=out, stderr=err)
    except base.ProblemFound:  # such as of a check that found something
        return out.getvalue() + err.getvalue(), None
    except CommandError as error:
        return out.getvalue() + err.getvalue(), error
    return out.getvalue() + err.getvalue(), None


def manage(*arguments, **environment):
    """The command in a process of its own, begun."""
    return subprocess.Popen(  # noqa: S603 - our own words
        [sys.executable, "-m", "django", *arguments],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process):
    """Its exit code, and what it wrote."""
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


@pytest.fixture(autouse=True)
def feed_is_on(settings):
    settings.CMC_WEBHOOKS_CHANGE_FEED = True


@pytest.fixture
def harmless(monkeypatch, rest_api):
    """No pauses, nothing posted but made, signal handlers as they were."""
    monkeypatch.setattr(retention.time, "sleep", lambda seconds: None)
    monkeypatch.setattr("signal.signal", lambda *arguments: None)
    monkeypatch.setattr(
        sender, "post_all", lambda target, posts, tally, **options: list(islice(posts, 2)) and None
    )


@pytest.fixture
def history():
    """Rows of every kind, each with the person wherever one can be named."""
    for event_type, event in (("deliveries", delivery), ("bounces", bounce)):
        sent = wire.decode(notification(event_type, event(to=PERSON), event(to=[PERSON])))
        ingest.receive(sent, received_at=factories.START)
    texts = {"recipient": PERSON, "header_from": PERSON, "subject": PERSON}
    mail = factories.MailFactory(**texts, delivery_status="queued")
    event = factories.DeliveryEventFactory(mail=mail, reason=f"550 <{PERSON}>", extra={"to": PERSON})
    factories.BounceEventFactory(mail=mail, reason=PERSON)
    factories.BlockEventFactory(address=PERSON, raw=PERSON)
    factories.SuppressionFactory(address=PERSON, note=PERSON)
    factories.RejectedEventFactory(raw=json.dumps(delivery(to=PERSON)), error=PERSON)
    factories.RejectedEventFactory(raw=json.dumps(delivery(to=[PERSON])))
    dispatch.enqueue("default", [calls.SignalCall("event_recorded", event, mail)], leased=False)
    dead = ["event_recorded", "deliveries", event.pk.hex, mail.pk.hex]
    factories.PendingSignalFactory(items=[dead], state="dead")


class TestEveryCommand:
    def test_is_given_here_what_it_needs(self):
        assert sorted(GIVEN) == ALL, "add the new command to GIVEN"

    @pytest.mark.parametrize("name", NAMES)
    def test_is_built_on_ours(self, name):
        assert isinstance(command(name), base.Command)
        assert not command(name).requires_system_checks

    @pytest.mark.parametrize(("name", "option"), [(name, o) for name in NAMES for o in options_of(name)])
    @pytest.mark.django_db
    def test_takes_any_value_or_refuses_it_in_one_line(
        self, harmless, history, name, option, tmp_path, monkeypatch
    ):
        monkeypatch.chdir(tmp_path)  # one option names a file that is made
        refused = 0
        for value in HOSTILE:
            printed, error = run(name, *with_value(name, option, value))

            assert error is None or (error.returncode, str(error).count("\n")) == (2, 0), (value, error)
            assert "Traceback" not in printed
            refused += error is not None
        assert refused

    @pytest.mark.parametrize("name", NAMES)
    def test_refuses_what_it_does_not_know(self, name):
        for arguments in (["--nonsense"], [*GIVEN[name], "x", "a\nb", PERSON]):
            _, error = run(name, *arguments)

            assert error.returncode == 2
            assert "\n" not in str(error)
            assert PERSON not in str(error)

    @pytest.mark.parametrize("name", NAMES)
    def test_refuses_wrong_settings(self, settings, name):
        settings.CMC_WEBHOOKS_RETENTION = {"events": -1}

        _, error = run(name, *GIVEN[name])

        assert str(error).endswith("(cmc_webhooks.E013)")
        assert error.returncode == 2
        assert "\n" not in str(error)

    @pytest.mark.parametrize("arguments", [[], ["-v0"]], ids=["default", "-v0"])
    @pytest.mark.parametrize("name", [name for name in NAMES if name not in DISCLOSING])
    @pytest.mark.django_db(transaction=True)
    def test_names_nobody(self, harmless, history, capfd, name, arguments):
        logging.getLogger("cmc_webhooks").propagate = True

        def raises(**kwargs):
            raise ValueError(PERSON)

        signals.event_recorded.connect(raises, weak=False)
        try:
            printed, error = run(name, *GIVEN[name], *arguments)
        finally:
            signals.event_recorded.disconnect(raises)

        told = capfd.readouterr()
        everything = printed + str(error) + told.out + told.err
        assert error is None
        assert "@" not in everything
        assert "hanako" not in everything


class TestAgreed:
    @pytest.mark.parametrize("fault", [EOFError(), RuntimeError("input(): lost sys.stdin")], ids=repr)
    @pytest.mark.parametrize(
        ("name", "arguments"),
        [
            ("cmc_erase", [PERSON]),
            ("cmc_redeliver", []),
            ("cmc_redeliver", ["--dead"]),
            ("cmc_dismiss", ["events", "--reason=known"]),
            ("cmc_dismiss", ["signals", "--reason=known"]),
        ],
    )
    @pytest.mark.django_db
    def test_needs_somebody_who_answers(self, history, monkeypatch, name, arguments, fault):
        def nobody(prompt):
            raise fault

        monkeypatch.setattr("builtins.input", nobody)

        _, error = run(name, *arguments)

        assert (str(error), error.returncode) == ("Refusing to prompt without a terminal; pass --no-input", 2)


class TestProcess:
    def test_ends_with_2_and_one_line(self):
        wrong = {
            (
                "cmc_status",
                "--max-age",
                "nan",
            ): "argument --max-age: 'nan' must be a number between 0 and 1e+12",
            ("cmc_erase", PERSON, PERSON): "unrecognized arguments: [hidden]",
            ("cmc_erase",): "the following arguments are required: address",
            (
                "cmc_prune",
                "--days",
                "-1",
            ): "argument --days: '-1' must be an integer between 0 and 1000000000",
            ("cmc_redeliver", "--since", "yesterday"): (
                "argument --since: 'yesterday' is neither an ISO date nor an ISO date and time"
            ),
            ("cmc_redeliver", "--address", b"\xff@example.jp"): (
                "argument --address: the text has a NUL or a lone surrogate"
            ),
        }
        begun = {arguments: manage(*arguments) for arguments in wrong}

        for arguments, line in wrong.items():
            code, out, err = ended(begun[arguments])
            assert (code, out) == (2, "")
            assert err == f"__main__.py {arguments[0]}: error: {line}\n"

    def test_ends_with_1_and_one_line_where_the_database_is_away(self):
        away = {
            "sqlite": "sqlite:////nowhere/at/all.sqlite3",
            "postgresql": f"postgres://nobody:{SECRET}@127.0.0.1:1/x",
            "mysql": f"mysql://nobody:{SECRET}@127.0.0.1:1/x",
        }
        others = ("cmc_backfill", "cmc_changes", "cmc_simulate")  # something else is wrong with these first
        names = [name for name in NAMES if name not in others]
        begun = [manage(name, *GIVEN[name], DATABASE_URL=away[connection.vendor]) for name in names]

        for process in begun:
            code, out, err = ended(process)
            assert (code, out) == (1, "")
            assert err.startswith("CommandError: The database is unavailable (OperationalError")
            assert err.count("\n") == 1
            assert PERSON not in err
            assert SECRET not in err
