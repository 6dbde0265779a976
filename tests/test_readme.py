"""The README's examples of suppression, own objects, retention and erasure, run as they stand there."""

from __future__ import annotations

import re
import shlex
import sys
import tomllib
from datetime import timedelta
from types import SimpleNamespace

import django
import pytest
from django.core import mail as outbox
from django.core.mail import EmailMessage
from django.core.management import call_command
from django.test import override_settings
from django.utils import timezone

from cmc_webhooks import models, signals, suppression
from cmc_webhooks.testing import samples
from tests import factories, readme

pytestmark = pytest.mark.django_db

LOCMEM = "django.core.mail.backends.locmem.EmailBackend"


def blocks(title, language="python"):
    """The blocks of code of a chapter."""
    return readme.blocks(readme.chapter(title), language)


def settings_of(block):
    """The settings that a block assigns."""
    values = {}
    exec(block, {}, values)  # noqa: S102 - our own words
    return values


class TestInstallItInYourProject:
    def test_has_settings_that_stand_alone(self, monkeypatch):
        monkeypatch.setenv("CMC_API_KEY", "a-secret-of-the-environment")

        values = settings_of(blocks("Install it in your project")[0])

        assert values["INSTALLED_APPS"][-1] == "cmc_webhooks"
        assert values["CMC_WEBHOOKS_API_KEYS"] == ["a-secret-of-the-environment"]

    def test_has_addresses_that_stand_alone(self):
        pytest.importorskip("django_filters")

        patterns = settings_of(blocks("Install it in your project")[1])["urlpatterns"]

        found = [pattern.app_name for pattern in patterns]
        assert found == ["cmc_webhooks", "cmc_webhooks_api"]

    def test_names_every_extra(self):
        extras = tomllib.loads((readme.ROOT / "pyproject.toml").read_text())["project"][
            "optional-dependencies"
        ]
        named = readme.chapter("Install it in your project").partition("```")[0]

        assert set(re.findall(r"`(\w+)`", named)) == set(extras)


class TestSignals:
    def test_mark_an_order(self, cmc_webhook, monkeypatch):
        marked = []
        orders = SimpleNamespace(
            filter=lambda **what: SimpleNamespace(update=lambda **to: marked.append(what | to))
        )
        module = SimpleNamespace(Order=SimpleNamespace(objects=orders))
        monkeypatch.setitem(sys.modules, "shop", SimpleNamespace(models=module))
        monkeypatch.setitem(sys.modules, "shop.models", module)
        names = {}
        exec(blocks("Signals")[0], names)  # noqa: S102 - our own words
        try:
            cmc_webhook.play(samples.REFUSED, api_data="CMC-7")
        finally:
            signals.status_changed.disconnect(names["mark_order"], sender=models.Mail)

        assert marked == [{"number": "CMC-7", "mail_bounced": True}]


class TestLookUps:
    def test_stand_alone(self):
        mail, day = factories.MailFactory(), timedelta(days=1)
        names = {"mail": mail, "after": timezone.now() - day, "before": timezone.now()}

        exec(blocks("Look-ups")[0], names)  # noqa: S102 - our own words


class TestWhatToEnterInTheConsole:
    def test_asks_whether_the_webhook_is_there(self, client, settings):
        commands = blocks("What to enter in CMC's console", "sh")[1]
        commands = commands.replace("'$CMC_API_KEY'", settings.CMC_WEBHOOKS_API_KEYS[0])
        lines = [shlex.split(line) for line in commands.splitlines()]
        body = lines[0][0].removeprefix("BODY=")
        answers = [
            client.post("/cmc/webhook", line[-1].replace("$BODY", body), content_type="application/json")
            for line in lines[1:]
        ]

        assert [line[2] for line in lines[1:]] == ["https://your.example.com/cmc/webhook"] * 2
        assert [answer.status_code for answer in answers] == [403, 200]


class TestMayISendToIt:
    def test_asks_about_one_and_about_many(self, capsys):
        factories.MailFactory(recipient="user@example.jp", bounce_code="2", created_at=timezone.now())
        addresses = ["user@example.jp", "other@example.jp"]

        exec(blocks("May I send to it?")[0], {"addresses": addresses})  # noqa: S102 - our own words

        first, second = capsys.readouterr().out.splitlines()
        assert first.startswith("user@example.jp False hard ")
        assert second == "other@example.jp True  None None"

    def test_decides_and_takes_back(self):
        exec(blocks("May I send to it?")[1], {"suppression": suppression})  # noqa: S102 - our own words

        assert not models.Suppression.objects.exists()

    def test_sends_mails_without_suppressed_recipients(self):
        suppression.block("no@x.jp")
        values = settings_of(blocks("May I send to it?")[2])
        values.pop("EMAIL_BACKEND" if django.VERSION >= (6, 1) else "MAILERS")
        if "MAILERS" in values:
            values["MAILERS"]["default"].pop("OPTIONS")  # no host in a test
        values["CMC_WEBHOOKS_EMAIL_BACKEND"] = LOCMEM
        outbox.outbox = []

        with override_settings(**values):
            EmailMessage("s", "t", to=["no@x.jp", "yes@x.jp"]).send()

        assert [message.to for message in outbox.outbox] == [["yes@x.jp"]]


class Order:
    """Stands for a project's model."""

    pk, number, email = 7, "order-7", "a@x.jp"

    class objects:  # noqa: N801 - as Django's models have it
        @staticmethod
        def filter(number):
            return Order.objects if number == Order.number else Order.nothing

        @staticmethod
        def first():
            return Order

    class nothing:  # noqa: N801 - an empty one of these
        @staticmethod
        def first():
            return None


class TestYourOwnObjects:
    def test_are_named_when_sending_and_found_again(self, settings):
        if django.VERSION >= (6, 1):
            settings.MAILERS = {"default": {"BACKEND": LOCMEM}}
        sending, finding = blocks("Your own objects")
        outbox.outbox = []
        names = {"EmailMessage": EmailMessage, "order": Order, "Order": Order, "subject": "s", "text": "t"}

        exec(sending, names)  # noqa: S102 - our own words
        [sent] = outbox.outbox
        mail = factories.MailFactory(api_data=sent.extra_headers["X-Api-Data"])
        exec(finding, names | {"mail": mail, "Mail": models.Mail})  # noqa: S102 - our own words

        assert mail.api_data == Order.number


class TestWhatIsOldGoes:
    def test_as_its_commands_say(self, settings, capsys):
        settings.CMC_WEBHOOKS_RETENTION = settings_of(blocks("What is old goes")[0])["CMC_WEBHOOKS_RETENTION"]
        commands = re.findall(
            r"python manage.py (.*?)(?:\s+#.*)?$", blocks("What is old goes", "sh")[0], re.MULTILINE
        )

        for command in commands:
            call_command(*shlex.split(command))

        assert len(commands) == 3
        assert capsys.readouterr().out.count("events 0") == 3


class TestAPersonWhoWantsToBeForgotten:
    def test_is_erased_by_the_command(self):
        factories.MailFactory(recipient="hanako@example.jp")
        [block] = blocks("A person who wants to be forgotten", "sh")

        call_command(*shlex.split(block.removeprefix("python manage.py ")), ask=False)

        assert models.Mail.objects.get().address == ""
