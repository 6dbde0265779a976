"""The page of symptoms: each is provoked, and its commands show or mend it as the page says."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.conf.urls.i18n import i18n_patterns
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import override_settings
from django.urls import include, path

from cmc_webhooks import testing
from tests.conftest import HOOK, PAYLOADS, delivery, notification
from tests.helpers import mysite, pages

PAGE = "troubleshooting"
LANGUAGES = pages.LANGUAGES


@pytest.fixture
def site(mysite_template, tmp_path):
    if connection.vendor != "sqlite":
        pytest.skip("the project is on SQLite whatever the tests run on")
    return mysite.MySite(tmp_path, mysite_template)


def quoted(heading):
    """What a section quotes between backticks, the lines joined."""
    return re.findall(r"`([^`\n]+(?:\n[^`\n]+)*)`", pages.section(PAGE, heading).replace("\n  ", " "))


def by_language():
    """A URLconf whose webhook stands inside of `i18n_patterns`."""
    return type(
        "Urlconf", (), {"urlpatterns": i18n_patterns(path("cmc/webhook", include("cmc_webhooks.urls")))}
    )


@pytest.mark.django_db
class TestAnswers:
    @pytest.mark.parametrize(
        ("changed", "status", "location"),
        [
            ({"SECURE_SSL_REDIRECT": True}, 301, "https://testserver/cmc/webhook"),
            ({"PREPEND_WWW": True}, 301, "http://www.testserver/cmc/webhook"),
            (
                {"ROOT_URLCONF": by_language(), "MIDDLEWARE": ["django.middleware.locale.LocaleMiddleware"]},
                302,
                "/en",
            ),
        ],
        ids=["ssl", "www", "language"],
    )
    def test_301_and_302_are_redirects_of_the_project(self, hook, changed, status, location):
        middleware = [
            "django.middleware.security.SecurityMiddleware",
            "django.middleware.common.CommonMiddleware",
        ]
        with override_settings(**{"MIDDLEWARE": middleware, "ALLOWED_HOSTS": ["*"], **changed}):
            answer = hook.post(b"{}")

        assert answer.status_code == status
        assert answer["Location"].startswith(location)

    def test_400_is_the_host_or_no_notification(self, hook, settings):
        with override_settings(
            MIDDLEWARE=["django.middleware.common.CommonMiddleware"], ALLOWED_HOSTS=["a.jp"]
        ):
            html = hook.post(b"{}", HTTP_HOST="other.example")
        texts = [hook.post(b"").content.decode(), hook.post(b'{"api_key": ').content.decode()]
        settings.CMC_WEBHOOKS_API_KEYS = []
        settings.CMC_WEBHOOKS_ALLOW_UNAUTHENTICATED = True
        received = hook.file(PAYLOADS / "receiving_json.json")

        assert (html.status_code, b"<h1>Bad Request" in html.content) == (400, True)
        for text, begin in zip(texts, quoted("The webhook answers 400")[2:4], strict=True):
            assert text.startswith(begin)
        assert (received.status_code, b"Inbound" in received.content) == (400, True)

    def test_401_is_basic(self, hook, settings):
        settings.CMC_WEBHOOKS_BASIC_AUTH = ["user:a-password"]

        assert hook.post(b"{}").status_code == 401

    def test_403_says_which_secret(self, hook, settings):
        said = quoted("The webhook answers 403")
        answers = [hook.post(b"{}")]
        settings.CMC_WEBHOOKS_API_KEYS = []
        answers.append(hook.post(b"{}"))
        settings.CMC_WEBHOOKS_BEARER_TOKENS = ["a-token-of-sixteen"]
        answers.append(hook.post(b"{}"))
        settings.CMC_WEBHOOKS_ALLOWED_NETWORKS = ["192.0.2.0/24"]
        answers.append(hook.post(b"{}"))

        texts = [answer.content.decode() for answer in answers]
        assert {answer.status_code for answer in answers} == {403}
        for text, begin in zip(texts, (said[0], said[2], said[4], said[6]), strict=True):
            assert text.startswith(begin)

    def test_404_and_405(self, hook, client):
        assert hook.post(b"{}", path="/cmc/other").status_code == 404
        assert client.get(HOOK).status_code == 405

    def test_411_and_413_name_the_limit(self, hook, settings):
        said = quoted("The webhook answers 411 or 413")
        large = hook.post(b"x" * 2_100_000)
        many = hook.post(notification("deliveries", *[delivery(f"<{number}@x>") for number in range(1001)]))

        assert [answer.status_code for answer in (large, many)] == [413, 413]
        for answer in (large, many):
            assert answer.content.decode().strip() in said

    def test_411_is_of_runserver(self, site):
        with site.serving():
            answer = site.sh(
                "curl -s -w '%{http_code}' -H 'Transfer-Encoding: chunked' -d '{}' https://your.example.com/cmc/webhook"
            )

        assert answer.endswith("411")


class TestBlocks:
    """Each block of the page, in the project of the docs, with the symptom of its section."""

    def test_begin_with_two_commands(self, site):
        first = mysite.blocks(PAGE)[0]

        printed = site.sh(first.text, code=None)

        assert printed.startswith("All is well.")
        assert "cmc_webhooks." not in printed

    def test_ask_where_a_redirect_leads(self, site):
        [ask] = mysite.blocks(PAGE, "The webhook answers 301 or 302")
        site.set("SECURE_SSL_REDIRECT = True")

        with site.serving():
            printed = site.sh(ask.text)

        assert "Location: https://" in printed
        assert "cmc_webhooks.W082" in site.sh("python manage.py check --deploy", code=None)

    def test_print_the_url(self, site):
        [block] = mysite.blocks(PAGE, "The webhook answers 404")

        assert site.shell(block.text) == "/cmc/webhook\n"

    def test_find_and_make_missing_tables(self, site):
        [status] = mysite.blocks(PAGE, "The webhook answers 503")
        [migrate] = mysite.blocks(PAGE, "check says that tables are missing")
        (site.folder / "db.sqlite3").unlink()
        with site.serving():
            answered = site.post("deliveries", testing.delivery())
        found = site.sh(status.text, code=1)
        checked = site.sh("python manage.py check --database default")
        site.sh(migrate.text)

        assert answered == 503
        assert quoted("The webhook answers 503")[1] in found
        assert "cmc_webhooks.W081" in checked
        assert site.sh(status.text).startswith("All is well.")

    def test_say_what_arrives(self, site):
        [status] = mysite.blocks(PAGE, "Nothing arrives")
        never = site.sh(status.text)
        with site.serving():
            for _ in range(3):
                site.sh('curl -s https://your.example.com/cmc/webhook -d \'{"api_key": "wrong"}\'')
        refused = site.sh(status.text, code=1)
        with site.serving():
            site.post("deliveries", testing.delivery())
        came = site.sh("python manage.py cmc_status --json", code=None)

        assert re.search(r"last notification +-\n", never)
        assert "requests refused since" in refused
        assert json.loads(came)["last_notification"]

    def test_say_how_far_times_are_ahead(self, site):
        [shown] = mysite.blocks(PAGE, "Times are off by nine hours")
        site.set('CMC_WEBHOOKS_TIME_ZONE = "UTC"')
        in_tokyo = f"{datetime.now(UTC) + timedelta(hours=9):%Y-%m-%d %H:%M:%S}"
        with site.serving():
            for number in range(3):
                site.post("deliveries", testing.delivery(message_id=f"<{number}@x.jp>", created=in_tokyo))

        assert shown.text.strip() in site.sh("python manage.py cmc_status", code=1)

    def test_say_whether_a_receiver_is_connected(self, site):
        [listeners] = mysite.blocks(PAGE, "A receiver is not called")
        connected = site.shell(listeners.text)
        site.write("shop/receivers.py", WEAK)
        gone = site.shell(listeners.text)
        site.write(
            "shop/apps.py",
            'from django.apps import AppConfig\n\n\nclass ShopConfig(AppConfig):\n    name = "shop"\n',
        )

        assert (connected, gone, site.shell(listeners.text)) == ("True\n", "False\n", "False\n")

    def test_send_pending_signals(self, site):
        [once] = mysite.blocks(PAGE, "Signals stay pending")
        site.set('CMC_WEBHOOKS_DISPATCH = "shop.apps.ShopConfig"')
        with site.serving():
            site.post("bounces", testing.bounce())
        pending = site.rows("SELECT count(*) FROM cmc_webhooks_pendingsignal")

        assert pending == [(1,)]
        assert site.sh(once.text) == "sent 1, failed 0, dead 0\n"

    def test_send_dead_signals_again(self, site):
        [block] = mysite.blocks(PAGE, "Signals are dead")
        site.set('CMC_WEBHOOKS_DISPATCH = "shop.apps.ShopConfig"')
        with site.serving():
            site.post("bounces", testing.bounce())
        site.shell(
            "from cmc_webhooks.models import PendingSignal\nPendingSignal.objects.update(state='dead')"
        )

        assert site.sh(block.text).endswith("1 dead signals are pending again: 1 sent, 0 failed, 0 dead\n")

    def test_read_again_and_dismiss(self, site):
        [block] = mysite.blocks(PAGE, "Events could not be read")
        site.shell("from cmc_webhooks.testing import factories\nfactories.RejectedEventFactory()")

        site.sh(block.text)

        assert site.sh("python manage.py cmc_status").startswith("All is well.")

    def test_print_what_is_sent_as_api_data(self, site):
        [block] = mysite.blocks(PAGE, "apiData never matches")
        with site.serving():
            site.post("deliveries", testing.delivery(api_data="A-1001", subject="one"))
            site.post("deliveries", testing.delivery(message_id="<2@x.jp>", api_data="", subject="two"))

        assert {*site.shell(block.text).splitlines()} == {"'A-1001' one", "'' two"}

    def test_correct_counts(self, site):
        check, correct = mysite.blocks(PAGE, "Counts in the overview are wrong")[0].text.splitlines()
        site.shell("from cmc_webhooks.testing import factories\nfactories.MailFactory()")

        site.sh(check, code=1)
        site.sh(correct)
        site.sh(check)

    def test_mount_the_webhook(self, site):
        [urls] = mysite.blocks(PAGE, "check says that the webhook is not mounted")
        site.write("mysite/urls.py", "urlpatterns = []\n")
        before = site.sh("python manage.py check")
        site.put(urls)

        assert "cmc_webhooks.W015" in before
        assert "no issues" in site.sh("python manage.py check")

    def test_try_a_command_as_cron_does(self, site):
        [block] = mysite.blocks(PAGE, "A command works in the shell, but not in cron")

        assert site.sh(block.text).startswith("All is well.")

    def test_show_what_is_pruned(self, site):
        [block] = mysite.blocks(PAGE, "cmc_prune deletes nothing")

        assert quoted("cmc_prune deletes nothing")[0] in site.sh(block.text, code=2)

    def test_print_all_reasons(self, site):
        [block] = mysite.blocks(PAGE, "An address is suppressed, but works")
        site.shell('from cmc_webhooks import suppression\nsuppression.block("user@example.jp")')

        first, second = site.shell(block.text).splitlines()

        assert first == "user@example.jp False"
        assert second.startswith("by_hand ")


WEAK = """
from cmc_webhooks.models import Mail
from cmc_webhooks.signals import status_changed
from django.dispatch import receiver


def connect():
    @receiver(status_changed, sender=Mail)
    def inner(**kwargs):
        pass


connect()
"""


class TestChecks:
    def test_have_the_numbers_of_the_page(self, site):
        site.set('CMC_WEBHOOKS_API_KEY = ["x"]')
        (site.folder / ".env").unlink()

        printed = site.sh("python manage.py check", code=1)

        assert "cmc_webhooks.E001" in printed
        assert " ".join(quoted("check says that a setting is unknown")[1].split()) in " ".join(
            printed.split()
        )
        assert site.sh("python manage.py runserver --noreload 0", code=1)

    def test_ask_for_a_process_that_checks_for_alerts(self, site):
        site.shell(
            "from datetime import timedelta\nfrom django.utils import timezone\n"
            "from cmc_webhooks.testing import factories\n"
            "for days in range(3):\n"
            "    factories.NotificationFactory(received_at=timezone.now() - timedelta(days=days))"
        )

        assert "cmc_webhooks.W103" in site.sh("python manage.py check --database default")


@pytest.mark.django_db
class TestOtherSymptoms:
    def test_backfill_needs_its_user(self):
        pytest.importorskip("httpx")

        with pytest.raises(CommandError) as caught:
            call_command("cmc_backfill")

        assert str(caught.value).startswith(quoted("cmc_backfill fetches nothing")[0])

    def test_a_new_project_shows_times_in_utc(self, site):
        assert 'TIME_ZONE = "UTC"' in (site.folder / "mysite/settings.py").read_text().replace("'", '"')
