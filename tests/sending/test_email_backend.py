from __future__ import annotations

import django
import pytest
from django.core import mail
from django.core.mail import EmailMessage, send_mail, send_mass_mail
from django.db import OperationalError, connection, transaction
from django.utils import timezone
from django.utils.module_loading import import_string

from cmc_webhooks import email_backend, models, signals, suppression
from tests.helpers import factories, smtp

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
        def away(addresses, **question):
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


def is_reset(message):
    return message.subject == "reset"


def fails(message):
    raise LookupError(message.recipients())


class Keeping:
    """A backend that keeps the messages, to send them later, and writes on them."""

    kept = []

    def __init__(self, **options):
        self.options = options

    def send_messages(self, messages):
        self.kept[:] = messages
        for message in messages:
            message.status = "queued"
            message.subject = f"[{message.subject}]"
            message.to = [*message.to, "added@x.jp"]
        if "fail" in self.options:
            raise ConnectionError
        return len(messages)


class TestOptions:
    @pytest.fixture(autouse=True)
    def unsubscribed(self):
        """One person unsubscribed from the newsletter."""
        factories.MailFactory(
            recipient="her@x.jp", bounce_code="11", server_composition="news", created_at=timezone.now()
        )

    def sent(self, subject="s", to=("her@x.jp",), **options):
        """The number of messages that are sent, and their recipients."""
        backend = email_backend.SuppressingBackend(**options)
        number = backend.send_messages([EmailMessage(subject, "t", to=[*to])])
        assert number == len(mail.outbox)
        return [message.to for message in mail.outbox]

    @pytest.mark.parametrize(("composition", "number"), [("news", 0), ("pro", 1), (None, 0)])
    def test_name_the_composition(self, settings, composition, number):
        assert len(self.sent(composition=composition)) == number
        mail.outbox = []
        settings.CMC_WEBHOOKS_COMPOSITION = composition
        assert len(self.sent()) == number

    def test_go_before_the_settings(self, settings):
        settings.CMC_WEBHOOKS_COMPOSITION = "news"
        settings.CMC_WEBHOOKS_TRANSACTIONAL = f"{__name__}.is_reset"

        assert self.sent(composition="pro") != []
        mail.outbox = []
        assert self.sent("reset", transactional=False) == []

    @pytest.mark.parametrize(
        "transactional", [True, is_reset, f"{__name__}.is_reset"], ids=["value", "function", "path"]
    )
    def test_say_which_mail_is_transactional(self, transactional):
        assert self.sent("reset", composition="news", transactional=transactional) != []

    def test_ask_the_setting_about_each_message(self, settings, django_assert_num_queries):
        settings.CMC_WEBHOOKS_TRANSACTIONAL = f"{__name__}.is_reset"
        messages = [
            EmailMessage(subject, "t", to=["her@x.jp", "a@x.jp"]) for subject in ("reset", "news") * 9
        ]

        with django_assert_num_queries(2):  # one for each purpose
            email_backend.SuppressingBackend().send_messages(messages)

        assert {(message.subject, len(message.to)) for message in mail.outbox} == {("reset", 2), ("news", 1)}

    def test_send_all_if_that_function_fails(self, caplog):
        assert self.sent(transactional=fails) != []
        assert [record.cmc_event for record in caplog.records] == ["suppression_unread"]
        assert "x.jp" not in caplog.text

    def test_wrap_the_backend_that_they_name(self):
        message = EmailMessage("s", "t", to=["no@x.jp", "a@x.jp"])
        backend = email_backend.SuppressingBackend(backend=Keeping, host="h")

        assert backend.send_messages([message]) == 1
        assert backend.options == {"host": "h"}

    @pytest.mark.skipif(django.VERSION < (6, 1), reason="MAILERS")
    def test_stand_in_mailers(self, settings):
        options = {"backend": LOCMEM, "composition": "pro"}
        settings.MAILERS = {"default": {"BACKEND": PATH, "OPTIONS": options}}

        assert send_mail("s", "t", "f@x.jp", ["her@x.jp", "no@x.jp"]) == 1
        assert mail.outbox[0].to == ["her@x.jp"]


class TestMessageOfTheCaller:
    @pytest.mark.parametrize("options", [{}, {"fail": True}], ids=["sent", "failed"])
    def test_gets_what_the_backend_writes_but_keeps_its_recipients(self, options):
        message = EmailMessage("s", "t", to=["no@x.jp", "a@x.jp"], cc=["no@x.jp"], bcc=["b@x.jp"])
        before = message.to, message.cc, message.bcc
        backend = email_backend.SuppressingBackend(backend=Keeping, **options)

        try:
            backend.send_messages([message])
        except ConnectionError:
            assert options

        assert (message.status, message.subject) == ("queued", "[s]")
        assert (message.to, message.cc, message.bcc) == (["no@x.jp", "a@x.jp"], ["no@x.jp"], ["b@x.jp"])
        assert all(
            now is then for now, then in zip((message.to, message.cc, message.bcc), before, strict=True)
        )

    def test_is_not_what_a_backend_keeps_to_send_it_later(self):
        message = EmailMessage("s", "t", to=["no@x.jp", "a@x.jp"])

        email_backend.SuppressingBackend(backend=Keeping).send_messages([message])

        assert Keeping.kept[0].to == ["a@x.jp", "added@x.jp"]

    def test_is_as_it_was_if_nothing_is_sent(self):
        message = EmailMessage("s", "t", to=["no@x.jp"])
        before = dict(vars(message))

        assert email_backend.SuppressingBackend(backend=Keeping).send_messages([message]) == 0
        assert vars(message) == before


class TestBySmtp:
    """Django's own backend, over a socket."""

    @pytest.fixture
    def server(self, settings):
        wrapped = "django.core.mail.backends.smtp.EmailBackend"
        with smtp.accepting() as server:
            if django.VERSION >= (6, 1):
                options = {"backend": wrapped, "host": "127.0.0.1", "port": server.port}
                settings.MAILERS = {"default": {"BACKEND": PATH, "OPTIONS": options}}
            else:
                settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
                settings.CMC_WEBHOOKS_EMAIL_BACKEND = wrapped
            yield server

    def test_the_envelope_lacks_the_suppressed(self, server):
        message = EmailMessage("s", "t", to=["a@x.jp", "No <no@x.jp>"], cc=["no@x.jp"], bcc=["b@x.jp"])

        assert message.send() == 1

        [(recipients, text)] = server.mails
        assert recipients == ["a@x.jp", "b@x.jp"]
        assert "no@x.jp" not in text.lower()
        assert message.recipients() == ["a@x.jp", "No <no@x.jp>", "no@x.jp", "b@x.jp"]

    def test_many_mails_use_one_connection(self, server):
        mails = [("s", "t", "f@x.jp", [f"{number}@x.jp", "no@x.jp"]) for number in range(3)]

        assert send_mass_mail(mails) == 3
        assert server.connections == 1
        assert [recipients for recipients, _ in server.mails] == [["0@x.jp"], ["1@x.jp"], ["2@x.jp"]]


class TestSendMassMail:
    def test_counts_what_was_sent(self):
        mails = [("s", "t", "f@x.jp", [to]) for to in ("a@x.jp", "no@x.jp", "b@x.jp")]

        assert send_mass_mail(mails) == 2
        assert [message.to for message in mail.outbox] == [["a@x.jp"], ["b@x.jp"]]


@pytest.mark.django_db(transaction=True)
class TestInsideATransaction:
    def test_the_transaction_goes_on(self):
        with transaction.atomic():
            factories.NotificationFactory()
            assert send_mail("s", "t", "f@x.jp", ["no@x.jp", "a@x.jp"]) == 1
            assert connection.savepoint_ids == []
            factories.NotificationFactory()

        assert models.Notification.objects.count() == 2
        assert mail.outbox[0].to == ["a@x.jp"]

    def test_it_goes_on_after_a_failed_check(self, monkeypatch):
        def fails(*arguments, **more):
            with connection.cursor() as cursor:
                cursor.execute("SELECT no_such_column")

        monkeypatch.setattr("cmc_webhooks.store.address_facts.load", fails)

        with transaction.atomic():
            factories.NotificationFactory()
            assert send_mail("s", "t", "f@x.jp", ["no@x.jp"]) == 1
            factories.NotificationFactory()

        assert models.Notification.objects.count() == 2

    def test_its_rollback_takes_nothing_of_the_mail_back(self):
        with transaction.atomic():
            send_mail("s", "t", "f@x.jp", ["no@x.jp", "a@x.jp"])
            transaction.set_rollback(True)

        assert mail.outbox[0].to == ["a@x.jp"]
