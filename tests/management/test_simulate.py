from __future__ import annotations

import io
import re

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from cmc_webhooks import models
from cmc_webhooks.management.commands import cmc_simulate
from cmc_webhooks.simulator import sender
from tests.helpers.sink import listening

EXAMPLE = "http://127.0.0.1:8000/cmc/webhook"
SECRET = "another-secret-for-tests"


def run(url, *arguments):
    """What the command printed, and the error that it ended with."""
    out = io.StringIO()
    try:
        call_command("cmc_simulate", url, *arguments, stdout=out)
    except CommandError as error:
        return out.getvalue(), error
    return out.getvalue(), None


def same(sink_of_one, sink_of_other):
    return sorted(sink_of_one.bodies) == sorted(sink_of_other.bodies)


class TestCmcSimulate:
    def test_says_how_it_went(self):
        with listening(lambda number: (200, b'{"new": 20, "repeated": 0, "rejected": 0}')) as sink:
            printed, error = run(sink.url, "--events", "100", "--batch", "20")

        first, requests, events, answers, latency = printed.splitlines()
        number = len(sink.taken)
        assert error is None
        assert re.fullmatch(r"The same again with --seed \d+ --start \S+\+09:00", first)
        assert re.fullmatch(rf"requests  {number} in \d+\.\d s", requests)
        assert re.fullmatch(
            rf"events    100 \({20 * number} new, 0 repeated, 0 rejected\), \d+ a second", events
        )
        assert answers == f"answers   200: {number}"
        assert re.fullmatch(r"latency   median [\d.]+ ms, p99 [\d.]+ ms", latency)

    def test_posts_the_same_again(self):
        arguments = ["--events", "300", "--duplicates", "0.05", "--reorder"]
        with listening() as sink, listening() as other:
            printed, _ = run(sink.url, *arguments)
            run(other.url, *arguments, *printed.splitlines()[0].removeprefix("The same again with ").split())

        assert same(sink, other)

    @pytest.mark.parametrize("arguments", [["--form"], ["--event-version", "1"]], ids=["form", "version 1"])
    def test_posts_forms(self, arguments):
        with listening() as sink:
            run(sink.url, "--events", "10", *arguments)

        assert {each.headers["Content-Type"] for each in sink.taken} == {"application/x-www-form-urlencoded"}
        assert (b"envelopeTo" in sink.bodies[0]) is ("1" in arguments)

    def test_fills_a_notification_with_what_happens_in_a_second(self, monkeypatch):
        plans = []
        monkeypatch.setattr(cmc_simulate, "posts", lambda plan, credentials: plans.append(plan) or [])

        with listening() as sink:
            for rate in ("0", "0.2", "40", "5000"):
                run(sink.url, "--rate", rate)

        assert [plan.batch for plan in plans] == [100, 1, 40, 100]

    def test_fails_where_an_answer_was_not_2xx(self):
        with listening(lambda number: (403, b"no") if number == 2 else (200, b"{}")) as sink:
            printed, error = run(sink.url, "--events", "40", "--batch", "10")

        number = len(sink.taken)
        assert f"answers   200: {number - 1}, 403: 1" in printed
        assert str(error) == f"1 of {number} requests were not answered with 2xx"
        assert error.returncode == 1

    @pytest.mark.parametrize(
        ("url", "arguments", "reason"),
        [
            ("http://192.0.2.1/cmc/webhook", [], "say --allow-remote"),
            ("127.0.0.1:8000", [], "not an address"),
            ("http://127.0.0.1/", ["--api-key-env", "CMC_NO_SUCH"], "The environment has no CMC_NO_SUCH"),
            ("http://127.0.0.1/", ["--start", "1950-01-01"], "--start is not from"),
            ("http://a..b.localhost/", [], "not an address"),
            (f"http://{'a' * 64}.localhost/", [], "not an address"),
            ("http://127.0.0.1:99999/", [], "Port out of range"),
            ("http://127.0.0.1/", ["--rate", "1e-9"], "--rate is less than 0.001, and not 0"),
            ("http://127.0.0.1/", ["--bearer-env", ""], "'' is not a valid name"),
        ],
        ids=[
            "remote",
            "no URL",
            "no secret",
            "no time",
            "no label",
            "long label",
            "no port",
            "slow",
            "no name",
        ],
    )
    def test_refuses_wrong_arguments(self, url, arguments, reason):
        _, error = run(url, *arguments)

        assert reason in str(error)
        assert error.returncode == 2

    @pytest.mark.parametrize("kind", ["api-key", "basic", "bearer"])
    def test_refuses_a_secret_that_is_no_text(self, monkeypatch, kind):
        monkeypatch.setenv("CMC_OTHER", "s3cret-\udcff")

        _, error = run("http://127.0.0.1/", f"--{kind}-env", "CMC_OTHER")

        assert (str(error), error.returncode) == ("CMC_OTHER holds no text in UTF-8", 2)

    @pytest.mark.parametrize(
        "argument", ["--events=0", "--batch=x", "--senders=65", "--rate=-1", "--duplicates=nan", "--seed=-1"]
    )
    def test_takes_no_numbers_out_of_bounds(self, argument):
        _, error = run("http://127.0.0.1/", argument)

        assert "must be an integer" in str(error) or "must be a number" in str(error)

    def test_asks_other_hosts_when_it_may(self, monkeypatch):
        targets = []
        monkeypatch.setattr(sender, "post_all", lambda target, *args, **options: targets.append(target))

        run("https://192.0.2.1/cmc/webhook", "--allow-remote")

        assert [target.host for target in targets] == ["192.0.2.1"]

    def test_tells_where_it_was_interrupted(self, monkeypatch):
        def interrupted(target, posts, tally, **options):
            tally.note(100, "200", b"{}", 0.1)
            raise KeyboardInterrupt

        monkeypatch.setattr(sender, "post_all", interrupted)

        _, error = run("http://127.0.0.1/")

        assert str(error) == "Interrupted: 1 requests with 100 events were posted"
        assert error.returncode == 130

    def test_says_that_nobody_listens(self, monkeypatch):
        def refuse(*args, **options):
            raise ConnectionRefusedError(111, "Connection refused")

        monkeypatch.setattr(sender, "post_all", refuse)

        _, error = run("http://127.0.0.1/")

        assert str(error) == "Nothing answers at 127.0.0.1:80 (ConnectionRefusedError)"
        assert error.returncode == 1

    @pytest.mark.parametrize("kind", ["api-key", "basic", "bearer"])
    def test_presents_secrets_of_the_environment_and_shows_none(self, kind, monkeypatch, settings):
        settings.CMC_WEBHOOKS_API_KEYS = ["the-key-of-the-settings"]
        monkeypatch.setenv("CMC_OTHER", f"user:{SECRET}" if kind == "basic" else SECRET)

        with listening(lambda number: (500, b"oops")) as sink:
            printed, error = run(sink.url, "--events", "5", f"--{kind}-env", "CMC_OTHER")

        header = sink.taken[0].headers.get("Authorization", "")
        assert (SECRET.encode() in sink.bodies[0]) is (kind == "api-key")
        assert header.partition(" ")[0] == {"api-key": "", "basic": "Basic", "bearer": "Bearer"}[kind]
        assert b"the-key-of-the-settings" not in sink.bodies[0]
        assert SECRET not in printed + str(error)

    def test_presents_the_secrets_of_the_settings_otherwise(self, settings):
        settings.CMC_WEBHOOKS_API_KEYS = [SECRET, "an-older-one"]
        settings.CMC_WEBHOOKS_BEARER_TOKENS = ["tökén"]

        with listening() as sink:
            run(sink.url, "--events", "5")

        assert SECRET.encode() in sink.bodies[0]
        assert sink.taken[0].headers["Authorization"].encode("latin-1").decode() == "Bearer tökén"

    def test_sends_no_token_that_no_header_takes(self, settings):
        settings.CMC_WEBHOOKS_BEARER_TOKENS = ["s3cret\nX-Other: 1"]

        _, error = run("http://127.0.0.1/")

        assert "no header takes" in str(error)
        assert "s3cret" not in str(error)


class TestTheWebhook:
    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("form", [False, True], ids=["json", "form"])
    def test_takes_all_of_it_and_every_event_once(self, live_server, settings, form):
        settings.CMC_WEBHOOKS_BASIC_AUTH = ["user:a-password-for-tests"]
        arguments = ["--events", "200", "--batch", "20", "--duplicates", "0.2", "--reorder", "--senders", "2"]

        printed, error = run(
            live_server.url + reverse("cmc_webhooks:webhook"), *arguments, *(["--form"] if form else [])
        )

        stored = models.DeliveryEvent.objects.count() + models.BounceEvent.objects.count()
        assert error is None, printed
        assert "events    2" in printed
        assert (stored, models.RejectedEvent.objects.count()) == (200, 0)
