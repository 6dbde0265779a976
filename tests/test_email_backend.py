from __future__ import annotations

import django
import pytest
from django.core import mail
from django.core.mail import EmailMessage, send_mail
from django.db import OperationalError
from django.utils.module_loading import import_string

from cmc_webhooks import email_backend, signals, suppression

pytestmark = pytest.mark.django_db

PATH = "cmc_webhooks.email_backend.SuppressingBackend"
LOCMEM = "django.core.mail.backends.locmem.EmailBackend"


@pytest.fixture(autouse=True)
def backend(settings):
    """The project's mails go through ours into the outbox; one address is blocked."""
    if django.VERSION >= (6, 1):
        settings.MAILERS = {"default": {"BACKEND": PATH}}
    else:
        settings.EMAIL_BACKEND = PATH
    settings.CMC_WEBHOOKS_EMAIL_BACKEND = LOCMEM
    mail.outbox = []
    suppression.block("no@x.jp")


@pytest.fixture
def told():
    heard = []

    def listen(sender, message, verdicts, **kwargs):
        heard.append((message.subject, {one: verdict.reason for one, verdict in verdicts.items()}))

    signals.recipients_suppressed.connect(listen)
    yield heard
    signals.recipients_suppressed.disconnect(listen)


class TestSendMessages:
    def test_leaves_suppressed_recipients_out_and_tells_of_them(self, told):
        message = EmailMessage(
            "s", "t", to=["a@x.jp", "No <NO@x.jp>"], cc=["no@x.jp", "c@x.jp"], bcc=["no@x.jp"]
        )

        assert message.send() == 1

        [sent] = mail.outbox
        assert (sent.to, sent.cc, sent.bcc) == (["a@x.jp"], ["c@x.jp"], [])
        assert (message.to, message.cc) == (["a@x.jp", "No <NO@x.jp>"], ["no@x.jp", "c@x.jp"])
        assert told == [("s", {"No <NO@x.jp>": "by_hand", "no@x.jp": "by_hand"})]

    def test_sends_nothing_to_nobody(self, told):
        assert send_mail("s", "t", "f@x.jp", ["no@x.jp"]) == 0
        assert mail.outbox == []
        assert len(told) == 1

    def test_only_tells_where_the_project_wants_that(self, settings, told):
        settings.CMC_WEBHOOKS_DROP_SUPPRESSED = False

        assert send_mail("s", "t", "f@x.jp", ["no@x.jp", "a@x.jp"]) == 1
        assert mail.outbox[0].to == ["no@x.jp", "a@x.jp"]
        assert len(told) == 1

    def test_asks_once_for_all(self, django_assert_num_queries):
        messages = [EmailMessage("s", "t", to=[f"{number}@x.jp", "no@x.jp"]) for number in range(20)]

        with django_assert_num_queries(1):
            sent = email_backend.SuppressingBackend().send_messages(messages)

        assert sent == 20
        assert {len(message.to) for message in mail.outbox} == {1}

    def test_sends_all_if_nobody_can_be_asked(self, monkeypatch, caplog):
        def away(addresses):
            raise OperationalError("no@x.jp")

        monkeypatch.setattr(suppression, "verdicts", away)

        assert send_mail("s", "t", "f@x.jp", ["no@x.jp"]) == 1
        assert [record.cmc_event for record in caplog.records] == ["suppression_unread"]

    def test_names_nobody_in_the_log(self, caplog):
        caplog.set_level("INFO", "cmc_webhooks")

        send_mail("s", "t", "f@x.jp", ["no@x.jp", "a@x.jp"])

        [record] = caplog.records
        assert (record.cmc_event, record.number, record.dropped) == ("recipients_suppressed", 1, True)
        assert "x.jp" not in caplog.text


class TestBackend:
    def test_is_opened_and_closed_with_the_one_behind_it(self, monkeypatch):
        calls = []
        behind = import_string(LOCMEM)
        monkeypatch.setattr(behind, "open", lambda self: calls.append("open"))
        monkeypatch.setattr(behind, "close", lambda self: calls.append("close"))

        with email_backend.SuppressingBackend():
            calls.append("in")

        assert calls == ["open", "in", "close"]
