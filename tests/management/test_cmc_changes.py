from __future__ import annotations

import json
import os
import signal
import threading
from importlib.util import find_spec

import pytest
from django.core.management import CommandError
from django.db import OperationalError

from cmc_webhooks import feed, ingest, models, suppression, wire
from tests.conftest import bounce, delivery, notification
from tests.management.test_cmc_dispatch import handlers  # noqa: F401 - a fixture
from tests.management.test_commands import run

pytestmark = pytest.mark.django_db

BLOCK = {"created": "2023-01-25 14:06:07", "email": "user@example.jp", "type": "2", "count": "1"}


@pytest.fixture(autouse=True)
def feed_is_on(settings):
    settings.CMC_WEBHOOKS_CHANGE_FEED = True


def receive(event_type, *events):
    ingest.receive(wire.decode(notification(event_type, *events)))


def lines(*arguments):
    printed, code = run("cmc_changes", *arguments)
    assert code == 0
    return [json.loads(line) for line in printed.splitlines()]


class TestCmcChanges:
    def test_prints_the_newest_cursor(self):
        receive("deliveries", delivery())

        assert run("cmc_changes") == (f"{feed.head()}\n", 0)

    def test_prints_what_changed_after_a_cursor(self):
        after = feed.head()
        receive("deliveries", delivery())
        receive("bounces", bounce())
        receive("blocks", BLOCK)
        suppression.block("user@example.jp")

        printed = lines("--after", after)

        assert [line["kind"] for line in printed] == ["mail", "mail", "block", "suppression"]
        assert printed[0]["mail"]["status"] == "bounced"
        assert printed[2]["block"]["raw"]["email"] == "user@example.jp"
        assert printed[3]["suppression"]["kind"] == "blocked"
        assert lines("--after", printed[1]["cursor"]) == printed[2:]
        assert lines("--after", printed[-1]["cursor"]) == []

    def test_prints_chosen_kinds(self):
        after = feed.head()
        receive("deliveries", delivery())
        receive("blocks", BLOCK)
        suppression.block("user@example.jp")

        printed = lines("--after", after, "--kind", "block", "--kind", "suppression")

        assert [line["kind"] for line in printed] == ["block", "suppression"]

    def test_prints_all_pages(self, monkeypatch):
        monkeypatch.setattr(feed.read, "__kwdefaults__", {**feed.read.__kwdefaults__, "limit": 2})
        after = feed.head()
        receive("deliveries", *(delivery(f"<m{number}@example.com>") for number in range(5)))

        assert [line["seq"] for line in lines("--after", after)] == [1, 2, 3, 4, 5]

    @pytest.mark.skipif(not find_spec("rest_framework"), reason="the extra of the API is not installed")
    def test_prints_the_values_of_the_api(self, admin_client):
        after = feed.head()
        receive("deliveries", delivery(reason="250 ok"))
        receive("blocks", BLOCK)
        suppression.block("user@example.jp", note="by phone")

        printed = lines("--after", after)

        shown = admin_client.get("/api/changes/", {"after": after}).json()["results"]
        assert [{**line, "cursor": ""} for line in printed] == [{**each, "cursor": ""} for each in shown]

    def test_records_the_export(self):
        after = feed.head()
        receive("deliveries", delivery())

        lines("--after", after)

        row = models.Trail.objects.get(what="exported")
        assert (row.rows, row.details["list"], row.via) == (1, "change", "command")

    def test_makes_cursors_invalid_and_prints_a_new_one(self):
        receive("deliveries", delivery())
        before = feed.head()

        printed, code = run("cmc_changes", "--new-epoch")

        assert (printed, code) == (f"{feed.head()}\n", 0)
        with pytest.raises(CommandError, match="copy everything again") as failed:
            run("cmc_changes", "--after", before)
        assert failed.value.returncode == 4

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["--after", "x"], "not a cursor"),
            (["--after", ""], "not a cursor"),
            (["--new-epoch", "--follow"], "--new-epoch goes without"),
        ],
    )
    def test_refuses_wrong_arguments(self, arguments, words):
        with pytest.raises(CommandError, match=words) as failed:
            run("cmc_changes", *arguments)

        assert failed.value.returncode == 2
        assert not models.Trail.objects.exists()

    def test_says_that_the_feed_is_off(self, settings):
        settings.CMC_WEBHOOKS_CHANGE_FEED = False

        with pytest.raises(CommandError, match="CMC_WEBHOOKS_CHANGE_FEED = True") as failed:
            run("cmc_changes")

        assert failed.value.returncode == 2


@pytest.mark.usefixtures("handlers")
class TestFollow:
    def test_goes_on_until_it_is_stopped(self, monkeypatch):
        pauses = []

        def wait(stop, interval):
            pauses.append(interval)
            if len(pauses) == 3:
                os.kill(os.getpid(), signal.SIGTERM)
            else:
                receive("deliveries", delivery(f"<m{len(pauses)}@example.com>"))

        monkeypatch.setattr(
            "cmc_webhooks.management.commands.cmc_changes.close_old_connections", lambda: None
        )
        monkeypatch.setattr(threading.Event, "wait", wait)
        receive("deliveries", delivery("<before@example.com>"))

        printed = lines("--follow", "--interval", "0.25")

        assert [line["mail"]["message_id"] for line in printed] == ["<m1@example.com>", "<m2@example.com>"]
        assert pauses == [0.25] * 3
        assert models.Trail.objects.get(what="exported").rows == 2

    def test_waits_for_the_database(self, monkeypatch, capsys):
        after = feed.head()
        receive("deliveries", delivery())
        read, tries = feed.read, []

        def fail_once(*args, **kwargs):
            tries.append(args)
            if len(tries) == 1:
                raise OperationalError("gone")
            return read(*args, **kwargs)

        def wait(stop, interval):
            if len(tries) > 1:
                stop.set()

        monkeypatch.setattr(
            "cmc_webhooks.management.commands.cmc_changes.close_old_connections", lambda: None
        )
        monkeypatch.setattr(feed, "read", fail_once)
        monkeypatch.setattr(threading.Event, "wait", wait)

        assert [line["seq"] for line in lines("--follow", "--after", after)] == [1]
        assert "The database is unavailable (OperationalError), retrying in 2 s" in capsys.readouterr().err
