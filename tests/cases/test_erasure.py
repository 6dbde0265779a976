"""Cases of kind D: erasing a person, what it asks and what it leaves behind."""

from __future__ import annotations

import html
import re

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import call_command
from django.urls import reverse

from cmc_webhooks import audit, erasure, models, suppression
from tests.admin.conftest import browser_of
from tests.admin.test_actions import act, messages_of
from tests.conftest import delivery
from tests.helpers import factories

pytestmark = pytest.mark.django_db

PEOPLE = {"hanako@example.jp": 4, "taro@example.com": 1}


@pytest.fixture
def browser():
    """Return the browser of a superuser."""
    return browser_of(is_staff=True, is_superuser=True)


def text_of(answer):
    """Return the text of a page, without its tags."""
    return html.unescape(re.sub(r"<[^>]+>", " ", answer.content.decode()))


def mail_with_events(events=1, **values):
    """Return a mail with events. The last one decides its status."""
    mail = factories.MailFactory(**values)
    made = factories.DeliveryEventFactory.create_batch(events, mail=mail)
    mail.delivery_event_id = made[-1].pk
    mail.save()
    return mail


class TestD23:
    """The question does not say whom."""

    @pytest.fixture
    def mails(self):
        return [
            factories.MailFactory(recipient=address)
            for address, number in PEOPLE.items()
            for _ in range(number)
        ]

    @pytest.mark.parametrize(
        ("language", "question"),
        [
            ("en", "This erases the personal data of: hanako@example.jp (4 mails). It cannot be undone."),
            ("ja", "次の宛先の個人データを消去します：hanako@example.jp（メール 4 通）。元に戻せません。"),
        ],
    )
    def test_names_the_person_and_the_number_of_mails(self, browser, mails, settings, language, question):
        settings.LANGUAGE_CODE = language

        assert question in text_of(act(browser, "mail", "erase", mails[:2]))

    @pytest.mark.parametrize(
        ("language", "people"),
        [
            ("en", "hanako@example.jp (4 mails), taro@example.com (1 mail)"),
            ("ja", "hanako@example.jp（メール 4 通）、taro@example.com（メール 1 通）"),
        ],
    )
    def test_names_each_of_several_people(self, browser, mails, settings, language, people):
        settings.LANGUAGE_CODE = language

        assert people in text_of(act(browser, "mail", "erase", mails))

    def test_counts_what_the_result_counts(self, browser, mails):
        models.Mail.objects.filter(pk=mails[0].pk).update(erased_at=factories.START)
        factories.MailFactory(recipient='"Hanako" <HANAKO@example.jp>')

        asked = text_of(act(browser, "mail", "erase", mails[1:2]))
        answer = act(browser, "mail", "erase", mails[1:2], confirmed="yes")

        assert "hanako@example.jp (4 mails)" in asked
        assert messages_of(answer) == ["The texts of 4 mails were erased."]

    def test_escapes_what_a_sender_wrote(self, browser):
        mail = factories.MailFactory(recipient="<script>x</script>@example.jp")

        page = act(browser, "mail", "erase", [mail]).content.decode()

        assert "<script>x</script>@" not in page

    @pytest.mark.parametrize(
        ("language", "numbers"), [("en", "2 events, 3 signals"), ("ja", "イベント 2 件、シグナル 3 件")]
    )
    def test_counts_events_and_signals_before_and_after(self, browser, sent, settings, language, numbers):
        settings.LANGUAGE_CODE = language
        mail = mail_with_events(2)

        asked = text_of(act(browser, "mail", "redeliver", [mail]))
        [result] = messages_of(act(browser, "mail", "redeliver", [mail], confirmed="yes"))

        assert numbers in asked
        assert numbers in result
        assert len(sent) == 3

    def test_counts_the_bounce_that_decides(self, browser, sent):
        mail = mail_with_events(1)
        bounce = factories.BounceEventFactory(mail=mail)
        models.Mail.objects.filter(pk=mail.pk).update(bounce_event_id=bounce.pk)

        asked = text_of(act(browser, "mail", "redeliver", [mail]))
        act(browser, "mail", "redeliver", [mail], confirmed="yes")

        assert "2 events, 3 signals" in asked
        assert len(sent) == 3

    def test_counts_the_same_in_the_command(self, sent, capsys):
        mail_with_events(2)
        factories.BlockEventFactory()

        call_command("cmc_redeliver", "--no-input")

        first, last = capsys.readouterr().out.splitlines()
        assert first == "3 events, 4 signals"
        assert last == "3 events, 4 signals enqueued: 4 sent, 0 failed, 0 dead"

    @pytest.mark.parametrize(("number", "mails"), [(1, "1 mail"), (2, "2 mails")])
    def test_names_the_person_on_the_terminal(self, monkeypatch, number, mails):
        factories.MailFactory.create_batch(number, recipient="hanako@example.jp")
        asked = []
        monkeypatch.setattr("builtins.input", lambda prompt: asked.append(prompt) or "n")

        call_command("cmc_erase", "Hanako <HANAKO@example.jp>")

        whom = f"This erases the personal data of: hanako@example.jp ({mails})."
        assert asked == [f"{whom} It cannot be undone. Erase? [y/N] "]

    @pytest.mark.parametrize(
        ("language", "question"),
        [
            ("en", "Withdraw the decision about hanako@example.jp?"),
            ("ja", "hanako@example.jp についての登録を取り消しますか？"),
        ],
    )
    def test_names_the_address_of_a_decision_that_is_withdrawn(self, browser, settings, language, question):
        settings.LANGUAGE_CODE = language
        decision = suppression.block("hanako@example.jp")

        page = browser.get(reverse("admin:cmc_webhooks_suppression_delete", args=[decision.pk]))

        assert question in text_of(page)

    def test_names_nobody_to_those_who_may_not_withdraw_it(self):
        decision = suppression.block("hanako@example.jp")
        page = reverse("admin:cmc_webhooks_suppression_delete", args=[decision.pk])

        answer = browser_of("add_suppression", is_staff=True).get(page)

        assert answer.status_code == 403
        assert b"hanako" not in answer.content


class TestD24:
    """The admin's log keeps what was erased."""

    ADDRESS = "victim@a.example"
    SPELLINGS = ("victim", "a.example")

    def log(self):
        return " ".join(
            f"{entry.object_id} {entry.object_repr} {entry.change_message}"
            for entry in LogEntry.objects.all()
        )

    def test_has_no_message_id(self, browser, hook, sent):
        hook.send("deliveries", delivery("<victim=a.example@verp>", to=self.ADDRESS))
        mail = models.Mail.objects.get()
        act(browser, "mail", "redeliver", [mail], confirmed="yes")

        call_command("cmc_erase", self.ADDRESS, "--no-input")

        assert LogEntry.objects.get().object_id == str(mail.pk)
        assert not any(spelling in self.log() for spelling in self.SPELLINGS)

    def test_has_no_error_of_a_rejected_event(self, browser, hook):
        event = factories.RejectedEventFactory(
            error=f"event.deliveries[0].{self.ADDRESS}: unexpected", raw='{"to": ["x"]}'
        )
        act(browser, "rejectedevent", "retry", [event], confirmed="yes")

        call_command("cmc_erase", self.ADDRESS, "--no-input")

        assert LogEntry.objects.get().object_id == str(event.pk)
        assert not any(spelling in self.log() for spelling in self.SPELLINGS)

    def test_has_nothing_of_a_decision(self, browser):
        values = {"address": self.ADDRESS, "kind": "blocked", "note": f"asked by {self.ADDRESS}"}
        browser.post(reverse("admin:cmc_webhooks_suppression_add"), values)
        decision = models.Suppression.objects.get()
        page = reverse("admin:cmc_webhooks_suppression_change", args=[decision.pk])
        browser.post(page, {**values, "kind": "released"})
        browser.post(reverse("admin:cmc_webhooks_suppression_delete", args=[decision.pk]), {"post": "yes"})

        assert LogEntry.objects.count() == 3
        assert not any(spelling in self.log() for spelling in self.SPELLINGS)

    def test_has_nothing_of_a_search_that_was_exported(self, browser):
        factories.MailFactory(recipient=self.ADDRESS)

        browser.post(f"{reverse('admin:cmc_webhooks_mail_export')}?q={self.ADDRESS}")

        assert LogEntry.objects.count() == 1
        assert not any(spelling in self.log() for spelling in self.SPELLINGS)

    def test_has_nothing_of_the_person_that_was_erased(self, browser):
        mail = factories.MailFactory(recipient=self.ADDRESS, message_id="<victim=a.example@verp>")

        act(browser, "mail", "erase", [mail], confirmed="yes")

        assert LogEntry.objects.get().object_id == str(mail.pk)
        assert not any(spelling in self.log() for spelling in self.SPELLINGS)


HANAKO = "hanako@example.jp"


@pytest.fixture
def logged(caplog):
    """Return the log records about personal data, by a function."""
    caplog.set_level("INFO", "cmc_webhooks")

    def records():
        return [each for each in caplog.records if each.cmc_event.startswith("personal_data")]

    return records


def said(records):
    """Return everything that some log records hold, as text."""
    return " ".join(f"{record.getMessage()} {vars(record)}" for record in records)


def rows_of_trail():
    """Return everything that the trail holds, as text."""
    return " ".join(map(str, models.Trail.objects.values()))


class TestD22:
    """Erasing and downloading leave no trace."""

    @pytest.fixture
    def history(self):
        mail = factories.MailFactory(recipient=HANAKO)
        factories.DeliveryEventFactory.create_batch(2, mail=mail)
        factories.BounceEventFactory(mail=mail)
        factories.MailFactory(recipient="taro@example.com", reason=f"550 {HANAKO} is unknown")
        factories.BlockEventFactory(address=HANAKO)
        factories.RejectedEventFactory(raw=f'{{"to": ["{HANAKO}"]}}')
        return mail

    @pytest.fixture
    def clerk(self):
        """A browser of staff who may read, export and erase, and the key of its user."""
        views = [f"view_{name}" for name in ("mail", "deliveryevent", "bounceevent")]
        browser = browser_of("export_csv", "erase_mail", *views, is_staff=True)
        return browser, browser.session["_auth_user_id"]

    def erased(self, records, via, who):
        [record], [row] = records, models.Trail.objects.all()
        assert (record.cmc_event, record.levelname) == ("personal_data_erased", "INFO")
        assert (record.mails, record.events, record.blocks, record.rejected) == (1, 3, 1, 1)
        assert record.address_hash == row.address_hash == audit.address_hash(HANAKO)
        assert (row.what, row.via, row.rows) == ("erased", via, 4)
        assert record.who == row.who == who
        assert "hanako" not in said(records).lower() + rows_of_trail().lower()
        return row

    def test_names_the_command(self, history, logged):
        call_command("cmc_erase", "Hanako <HANAKO@example.jp>", "--no-input", "--reason=ticket 17")

        row = self.erased(logged(), "command", audit.login_name())
        assert row.reason == "ticket 17"

    @pytest.mark.parametrize(
        ("login", "logged_name"),
        [
            ("staff@example.com", "(17 characters)"),
            ("ｓｔａｆｆ＠example.com", "(17 characters)"),
            ("cron", "cron"),
            ("cron\x1b[31m\u202e", r"cron\x1b[31m\u202e"),
        ],
    )
    @pytest.mark.parametrize("command", ["cmc_erase", "cmc_disclose"])
    def test_keeps_a_login_name_that_is_an_address_out_of_the_log(
        self, history, logged, monkeypatch, capsys, command, login, logged_name
    ):
        monkeypatch.setattr(audit, "getuser", lambda: login)

        call_command(command, HANAKO, *(["--no-input"] if command == "cmc_erase" else []))

        assert [record.who for record in logged()] == [logged_name]
        assert models.Trail.objects.get().who == login

    def test_keeps_an_address_of_a_program_out_of_the_log(self, history, logged):
        erasure.erase(HANAKO, actor=erasure.Actor(who="staff@example.com"))

        assert "staff@" not in said(logged())
        assert models.Trail.objects.get().who == "staff@example.com"

    def test_names_the_button(self, history, logged, clerk):
        browser, key = clerk

        act(browser, "mail", "erase", [history], confirmed="yes")

        self.erased(logged(), "admin", key)

    def test_names_a_program(self, history, logged):
        erasure.erase(HANAKO)

        self.erased(logged(), "python", "")

    def test_takes_who_and_why_from_a_program(self, history, logged):
        erasure.erase(HANAKO, actor=erasure.Actor(who="17", reason=f"asked by {HANAKO}"))

        row = models.Trail.objects.get()
        assert (row.who, row.reason) == ("17", "")
        assert "hanako" not in said(logged()).lower() + rows_of_trail().lower()

    def test_holds_what_an_interrupted_run_erased(self, history, logged):
        def stop(number):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            erasure.erase(HANAKO, progress=stop)

        row = models.Trail.objects.get()
        assert (row.rows, row.details) == (1, {"events": 3, "interrupted": True})
        assert logged()[0].interrupted is True

    def test_depends_on_the_secret_key(self, settings):
        first = audit.address_hash(HANAKO)
        settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another"

        assert audit.address_hash(HANAKO) != first
        assert audit.address_hashes("Hanako <HANAKO@example.jp>") == [audit.address_hash(HANAKO), first]
        assert audit.address_hash(f"X <{HANAKO.upper()}>") == audit.address_hash(HANAKO)

    @pytest.mark.parametrize("name", ["mail", "deliveryevent", "bounceevent"])
    def test_names_an_export_of_the_admin(self, history, logged, clerk, name):
        browser, key = clerk

        url = reverse(f"admin:cmc_webhooks_{name}_export")
        lines = b"".join(browser.post(f"{url}?q={HANAKO}").streaming_content).splitlines()

        [record], [row] = logged(), models.Trail.objects.all()
        assert record.cmc_event == "personal_data_exported"
        assert (record.who, record.list, record.filters) == (key, name, ["q"])
        assert record.rows == row.rows == len(lines) - 1 > 0
        assert (row.what, row.via, row.who) == ("exported", "admin", key)
        assert "hanako" not in said(logged()) + rows_of_trail()

    def test_is_listed_and_found_by_address(self, history, browser):
        erasure.erase(HANAKO)
        erasure.erase("taro@example.com")

        assert len(browser.listed("trail")) == 2
        [found] = browser.listed("trail", q="Hanako <HANAKO@example.jp>")
        assert found.details["mails"] == 1
        page = browser.open_page(found).content.decode()
        assert "personal data erased" in page
        assert "hanako" not in page

    def test_is_read_only(self, history, browser):
        erasure.erase(HANAKO)
        row = models.Trail.objects.get()

        for action in ("delete", "change"):
            page = reverse(f"admin:cmc_webhooks_trail_{action}", args=[row.pk])
            assert browser.post(page, {"post": "yes", "who": "else"}).status_code == 403
        assert models.Trail.objects.get().who == row.who
