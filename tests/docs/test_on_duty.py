"""The operator's page: each light of health stands on it, in its words, and its commands put it out."""

from __future__ import annotations

import re
import shlex
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.utils import translation

from cmc_webhooks import models, signals
from cmc_webhooks.dispatch import calls
from cmc_webhooks.monitoring import health, problems, refusals
from tests.conftest import delivery, notification
from tests.helpers import factories, mysite, pages
from tests.helpers.pages import blocks
from tests.helpers.receiving import receive

pytestmark = pytest.mark.django_db

PAGE = "howto/on-duty"
PAGES = {language: pages.text(PAGE, language) for language in pages.LANGUAGES}
WITH_COMMANDS = ("dead_signals", "late_signals", "rejected_events", "future", "refused_calls")


def section(code, language="en"):
    """What stands below the heading of a code."""
    return PAGES[language].partition(f"\n## `{code}`\n")[2].partition("\n## ")[0]


def run(block):
    for line in block.replace("\\\n", " ").splitlines():
        words = shlex.split(line)
        assert words[:2] == ["python", "manage.py"]
        call_command(*words[2:])


def lit():
    return {problem.code for problem in health.look("default").found()}


def old_signal(**values):
    mail = factories.MailFactory()
    event = factories.DeliveryEventFactory(mail=mail)
    item = ["event_recorded", "deliveries", event.id.hex, mail.id.hex]
    return factories.PendingSignalFactory(items=[item], **values)


def make(code):
    """Light the lamp of a code."""
    now = datetime.now(UTC)
    if code == "dead_signals":
        for _ in range(3):
            old_signal(state="dead")
    elif code == "late_signals":
        born = now - timedelta(minutes=16)
        old_signal(id=calls.new_row([], int(born.timestamp() * 1000), 0, 0, 0).pk, available_at=0)
    elif code == "rejected_events":
        receive("deliveries", delivery("<a@x.jp>", to=["x"]), received_at=now)
    elif code == "refused_calls":
        refusals.count(403, models.RefusalCount.Reasons.API_KEY)
        refusals.flush()
    elif code == "future":
        factories.NotificationFactory(received_at=now + timedelta(days=3650))
    elif code == "silence":
        factories.NotificationFactory(received_at=now - timedelta(hours=7))
    elif code == "wrong_zone":
        ahead = f"{now + timedelta(hours=18):%Y-%m-%d %H:%M:%S}"
        events = [delivery(f"<{number}@x.jp>", created=ahead) for number in range(3)]
        receive("deliveries", *events, received_at=now)


def patterns(language):
    """The beginnings of lines that the page's table quotes, by code; each number stands for any."""
    quotes = re.findall(r"^\| [\"「](.+?)[\"」] \| \[`(\w+)`\]", PAGES[language], re.MULTILINE)
    return {code: re.sub(r"\d+(?::\d+)?", r"[\\d:]+", re.escape(text)) for text, code in quotes}


class TestPage:
    @pytest.mark.parametrize("language", PAGES)
    def test_has_every_problem(self, language):
        headings = re.findall(r"^## `(\w+)`$", PAGES[language], re.MULTILINE)

        assert {*headings} == {*problems.CODES} == patterns(language).keys()

    @pytest.mark.parametrize("language", PAGES)
    @pytest.mark.parametrize("code", sorted({*problems.CODES} - {"refused_calls"}))
    def test_quotes_what_health_says(self, code, language, settings):
        settings.CMC_WEBHOOKS_MAX_SILENCE = 6 * 3600
        make(code)

        with translation.override(language):
            [said] = [each for each in health.look("default").found() if each.code == code]

        assert re.match(patterns(language)[code].replace("min", r"\w+"), said.sentence)

    @pytest.mark.parametrize("language", PAGES)
    def test_quotes_what_health_says_of_refused_calls(self, language, hook):
        for _ in range(3):
            hook.post(notification("deliveries", delivery(), api_key="another-key-than-ours"))
        refusals.flush()

        with translation.override(language):
            [said] = [each for each in health.look("default").found() if each.code == "refused_calls"]

        assert re.match(patterns(language)["refused_calls"], said.sentence)

    @pytest.mark.parametrize("code", WITH_COMMANDS)
    def test_has_commands_that_put_the_light_out(self, code):
        def listen(**arguments):
            pass

        signals.event_recorded.connect(listen)
        *_, last = ways = blocks(section(code), "sh")
        for way in dict.fromkeys([ways[0], last]):
            models.PendingSignal.objects.all().delete()
            make(code)
            assert code in lit()
            if code == "rejected_events" and way != last:  # an upgrade would read it
                models.RejectedEvent.objects.update(raw='{"messageId": "<a@x.jp>", "to": "a@x.jp"}')
            run(way)
            assert code not in lit()
            models.RejectedEvent.objects.all().delete()
        signals.event_recorded.disconnect(listen)

    def test_is_the_same_in_both_languages(self):
        english, japanese = (
            re.findall(r"^ *```sh\n(.*?)```", text, re.MULTILINE | re.DOTALL) for text in PAGES.values()
        )

        assert english == japanese
        assert PAGES["en"].count("\n## ") == PAGES["ja"].count("\n## ")


class TestOtherBlocks:
    """Those that put no light out, in the project of the docs."""

    @pytest.fixture
    def site(self, mysite_template, tmp_path):
        return mysite.MySite(tmp_path, mysite_template)

    def test_begin_with_the_verdict(self, site):
        first = mysite.blocks(PAGE)[0]

        assert site.sh(first.text).startswith("All is well. CMC has not posted yet.\n")

    def test_ask_from_outside_without_a_secret(self, site):
        [ask] = [block.text for block in mysite.blocks(PAGE) if "curl" in block.text]

        with site.serving():
            answer = site.sh(ask)

        assert "HTTP/1.1 403" in answer
        assert "api_key is missing or wrong" in answer

    def test_fetch_what_was_missed(self, rest_api):
        pytest.importorskip("httpx")
        [fetch] = [block for block in blocks(section("silence"), "sh") if "cmc_backfill" in block]

        run(fetch)

        assert {action for action, _ in rest_api.asked} >= {"deliveries/list", "bounces/list"}

    def test_make_the_tables(self, site):
        (site.folder / "db.sqlite3").unlink()
        [migrate] = [block.text for block in mysite.blocks(PAGE) if "migrate" in block.text]
        before = site.sh("python manage.py cmc_status", code=1)

        site.sh(migrate)

        assert "The tables of cmc_webhooks are missing" in before
        assert site.sh("python manage.py cmc_status").startswith("All is well.")

    def test_show_alerts_without_raising_them(self, site):
        [dry] = [block.text for block in mysite.blocks(PAGE) if "cmc_alerts" in block.text]

        site.sh(dry)

        assert site.rows("SELECT count(*) FROM cmc_webhooks_alert") == [(0,)]
