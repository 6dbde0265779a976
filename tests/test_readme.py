"""The README's examples of suppression, own objects, retention and erasure, run as they stand there."""

from __future__ import annotations

import re
import shlex

import django
import pytest
from django.core import mail as outbox
from django.core.mail import EmailMessage
from django.core.management import call_command
from django.test import override_settings
from django.utils import timezone

from cmc_webhooks import models, suppression
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
