from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
import traceback
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from cmc_webhooks import conf, ingest, models
from cmc_webhooks.backfill import fetch
from cmc_webhooks.management import base
from tests.conftest import bounce, delivery
from tests.helpers import fake_api
from tests.helpers.pages import ROOT

pytest.importorskip("httpx")

from cmc_webhooks import rest as client

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(client, "FIRST_PAUSE", 0)


def run(*arguments):
    """What the command printed, what it warned of, and its exit code."""
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("cmc_backfill", *arguments, stdout=out, stderr=err)
    except base.ProblemFound as error:
        return out.getvalue(), err.getvalue(), error.returncode
    return out.getvalue(), err.getvalue(), 0


def failing(*arguments):
    with pytest.raises(CommandError) as caught:
        run(*arguments)
    return str(caught.value), caught.value.returncode


class TestCmcBackfill:
    def test_says_what_a_dry_run_misses(self, rest_api):
        rest_api.rows["bounces", "pro", "2023-01-25"] = [bounce()]

        printed, _, code = run("2023-01-25", "--kind", "bounces", "--dry-run")

        assert printed == "2023-01-25 pro: 1 bounces, 1 missing, 0 known, 0 rejected\n"
        assert code == 0
        assert not models.BounceEvent.objects.exists()

    @pytest.mark.parametrize(("arguments", "code"), [([], 0), (["--strict"], 1)], ids=["plain", "strict"])
    def test_exits_with_1_for_a_difference_only_where_that_is_wanted(self, rest_api, arguments, code):
        rest_api.statistics = [{"date": "2023-01-25", "queued": 1}]

        printed, _, exit_code = run("2023-01-25", *arguments)

        assert "2023-01-25 pro: 1 queued by CMC's statistics, 0 here" in printed.splitlines()
        assert exit_code == code

    def test_takes_compositions_instead_of_those_of_the_settings(self, rest_api):
        run("2023-01-25", "--composition", "sandbox", "--composition", "other")

        asked = {fields["server_composition"] for _, fields in rest_api.asked}
        assert asked == {"sandbox", "other"}

    def test_warns_of_days_that_are_gone_and_of_today(self, rest_api, settings):
        settings.CMC_WEBHOOKS_REST_TIME_ZONE = "UTC"
        today = datetime.now(UTC).date()

        gone = run(str(today - timedelta(days=41)))[1]
        kept = run(str(today - timedelta(days=40)))[1]
        current = run(str(today))[1]

        assert gone == f"CMC keeps 40 days: there may be nothing before {today - timedelta(days=40)}\n"
        assert kept == ""
        assert current == f"{today} is not over: fetch it again tomorrow\n"

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["2999-01-01"], "2999-01-01 is in the future"),
            (["2023-01-26", "2023-01-25"], "2023-01-25 is before 2023-01-26"),
            (["2020-01-01", "2023-01-25"], "1121 days are more than 366"),
        ],
        ids=str,
    )
    def test_refuses_days_with_exit_code_2(self, rest_api, arguments, message):
        told, code = failing(*arguments)

        assert told.startswith(message)
        assert code == 2
        assert rest_api.asked == []

    @pytest.mark.parametrize("text", ["yesterday", "2023-02-30", "25.1.2023"])
    def test_refuses_what_is_no_day(self, rest_api, text):
        assert f"{text!r} is not an ISO date" in failing(text)[0]

    @pytest.mark.parametrize(
        ("missing", "message"),
        [
            (["REST_COMPOSITIONS"], "No server composition"),
            (["REST_USER", "REST_KEY"], "CMC_WEBHOOKS_REST_USER is not set"),
            (["REST_USER"], "CMC_WEBHOOKS_REST_USER is not set"),
            (["REST_KEY"], "CMC_WEBHOOKS_REST_KEY is not set"),
        ],
        ids=str,
    )
    def test_says_which_setting_is_missing(self, rest_api, settings, missing, message):
        for name in missing:
            setattr(settings, conf.PREFIX + name, conf.DEFAULTS[name])

        told, code = failing("2023-01-25")

        assert told.startswith(message)
        assert f"CMC_WEBHOOKS_{missing[0]}" in told
        assert code == 2

    def test_sends_no_key_where_others_could_read_it(self, rest_api, settings):
        settings.CMC_WEBHOOKS_REST_URL = "http://api.smtps.jp/transaction/v2"

        told, code = failing("2023-01-25")

        assert told.endswith("(cmc_webhooks.E030)")
        assert code == 2

    def test_goes_on_where_it_was_interrupted(self, rest_api, monkeypatch):
        rest_api.rows["deliveries", "pro", "2023-01-26"] = [delivery(created="2023-01-26 00:00:00")]
        take = ingest.take

        def interrupted(sent, **how):
            take(sent, **how)
            raise KeyboardInterrupt

        monkeypatch.setattr(ingest, "take", interrupted)
        told, code = failing("2023-01-25", "2023-01-27")
        monkeypatch.setattr(ingest, "take", take)
        *_, rest_of_it = told.partition("cmc_backfill ")
        printed, _, _ = run(*rest_of_it.split())

        assert told.startswith(
            "Interrupted: 2023-01-26 of pro is not done; go on with: cmc_backfill 2023-01-26"
        )
        assert code == 130
        assert "2023-01-26 pro: 1 deliveries, 0 new, 1 known, 0 rejected" in printed.splitlines()

    def test_says_where_it_was_when_the_database_went_away(self, rest_api, monkeypatch):
        def away(*arguments):
            raise OperationalError("user@example.jp")

        monkeypatch.setattr(fetch.matching, "of", away)
        rest_api.rows["deliveries", "pro", "2023-01-25"] = [delivery()]

        told, code = failing("2023-01-25")

        assert told.startswith(
            "The database is unavailable (OperationalError): 2023-01-25 of pro is not done"
        )
        assert code == 1

    def test_says_where_it_was_when_the_api_went_away(self, rest_api):
        rest_api.answers.extend([(500, "")] * 4)

        told, code = failing("2023-01-25")

        assert told == (
            "deliveries/list: HTTP 500, 4 times "
            "(2023-01-25 of pro is not done; go on with: cmc_backfill 2023-01-25 2023-01-25)"
        )
        assert code == 1

    def test_says_what_to_install(self, rest_api, monkeypatch):
        monkeypatch.delitem(sys.modules, "cmc_webhooks.rest")
        monkeypatch.delattr("cmc_webhooks.rest")
        monkeypatch.setitem(sys.modules, "httpx", None)

        assert 'pip install "django-cmc-webhooks[backfill]"' in failing("2023-01-25")[0]

    def test_ends_in_one_line_and_shows_no_key(self, rest_api, settings, tmp_path):
        wrong = "wr0ng-key-of-somebody"
        code = f"""
import sys
from django.conf import settings
from django.core.management import execute_from_command_line
settings.CMC_WEBHOOKS_REST_URL = {rest_api.url!r}
settings.CMC_WEBHOOKS_REST_USER = {fake_api.USER!r}
settings.CMC_WEBHOOKS_REST_KEY = {wrong!r}
settings.CMC_WEBHOOKS_REST_COMPOSITIONS = ["pro"]
execute_from_command_line(["manage.py", "cmc_backfill", *sys.argv[1:]])
"""
        environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "NO_PROXY": "*"}

        ran = [
            subprocess.run(  # noqa: S603 - our own words
                [sys.executable, "-c", code, *arguments],
                cwd=ROOT,
                env=environment,
                capture_output=True,
                text=True,
                timeout=60,
            )
            for arguments in (
                ["2023-01-25"],
                ["2023-01-25", "--verbosity", "3", "--traceback"],
                ["2999-01-01"],
            )
        ]

        assert [each.returncode for each in ran] == [1, 1, 2]
        *_, warning, error = ran[0].stderr.splitlines()  # before them, MariaDB's warnings by checks
        assert warning.startswith("CMC keeps 40 days")
        assert error.startswith(
            "CommandError: deliveries/list: 02-001 api_key [hidden] is no key (2023-01-25"
        )
        assert "Traceback" in ran[1].stderr
        shown = "".join(each.stdout + each.stderr for each in ran)
        assert wrong not in shown
        assert fake_api.USER not in shown


class TestKey:
    def test_is_nowhere_whatever_fails(self, rest_api, caplog, capfd):
        caplog.set_level(logging.DEBUG)
        rest_api.rows["deliveries", "pro", "2023-01-25"] = [delivery(), "odd"]
        told = []

        for answers in ([], [(500, fake_api.KEY)] * 4, [(200, fake_api.KEY)], [(400, fake_api.KEY)]):
            rest_api.answers.extend(answers)
            try:
                told.extend(run("2023-01-25", "--verbosity", "3", "--traceback")[:2])
            except CommandError:
                told.append(traceback.format_exc())
            rest_api.answers.clear()

        told += [repr(sorted(record.__dict__.items(), key=str)) for record in caplog.records]
        told += [
            repr(list(model._base_manager.values())) for model in (models.RejectedEvent, models.DeliveryEvent)
        ]
        told += capfd.readouterr()
        assert len(told) > 20
        assert [text for text in told if fake_api.KEY in text or fake_api.USER in text] == []
