"""Cases D25 to D29, D31 and D32: for what an address is suppressed, how it is spelled, and who decided."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import django
import pytest
from django.core import mail
from django.core.mail import EmailMessage
from django.urls import reverse
from django.utils import timezone, translation

from cmc_webhooks import email_backend, erasure, models, suppression
from cmc_webhooks.suppression import form_rules, lookup
from tests import cases
from tests.conftest import bounce, delivery
from tests.helpers import factories

pytestmark = pytest.mark.django_db

LOCMEM = "django.core.mail.backends.locmem.EmailBackend"


def at(**ago):
    """CMC's wall clock that long ago."""
    moment = datetime.now(ZoneInfo("Asia/Tokyo")) - timedelta(**ago)
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def sent_by(composition, to):
    """Whether a mail to this person is sent by the backend of a composition."""
    mail.outbox = []
    backend = email_backend.SuppressingBackend(backend=LOCMEM, composition=composition)
    return backend.send_messages([EmailMessage("Password reset", "t", to=[to])]) == len(mail.outbox) == 1


class TestD25:
    """One click in a newsletter stops no password reset."""

    ADDRESS = "member@example.jp"

    def may_send(self, **question):
        return suppression.may_send(self.ADDRESS, **question)

    def test_an_unsubscribe_is_of_its_composition(self, open_hook):
        cases.play(open_hook, "D25")

        assert not self.may_send(composition="newsletter")
        assert self.may_send(composition="pro")
        assert not self.may_send()
        assert self.may_send(transactional=True)
        assert sent_by("pro", self.ADDRESS)
        assert not sent_by("newsletter", self.ADDRESS)

    def test_a_bounce_of_an_address_blocked_at_cmc_is_of_its_composition(self, open_hook):
        cases.send(
            open_hook, "bounces", bounce(to=self.ADDRESS, status="10"), server_composition="newsletter"
        )

        assert [self.may_send(composition=each) for each in ("newsletter", "pro", None)] == [
            False,
            True,
            False,
        ]
        assert not self.may_send(composition="newsletter", transactional=True)
        assert sent_by("pro", self.ADDRESS)

    def test_a_block_event_is_of_its_composition(self, open_hook):
        cases.send(
            open_hook, "blocks", {"email": self.ADDRESS, "status": "2"}, server_composition="newsletter"
        )

        assert models.BlockEvent.objects.get().server_composition == "newsletter"
        assert [self.may_send(composition=each) for each in ("newsletter", "pro", None)] == [
            False,
            True,
            False,
        ]
        assert sent_by("pro", self.ADDRESS)

    @pytest.mark.parametrize("code", ["1", "2", "9"])
    def test_a_hard_bounce_is_of_the_mailbox(self, open_hook, code):
        cases.send(
            open_hook, "bounces", bounce(to=self.ADDRESS, status=code), server_composition="newsletter"
        )

        assert [self.may_send(composition=each) for each in ("newsletter", "pro", None)] == [False] * 3
        assert not self.may_send(composition="pro", transactional=True)
        assert not sent_by("pro", self.ADDRESS)

    @pytest.mark.parametrize(("composition", "may_send"), [("newsletter", True), ("pro", False)])
    def test_a_success_lifts_it_in_its_own_composition(self, open_hook, composition, may_send):
        cases.send(
            open_hook,
            "bounces",
            bounce(to=self.ADDRESS, status="11", created=at(days=2)),
            server_composition="newsletter",
        )
        later = delivery("<later@x>", to=self.ADDRESS, status="succeeded", created=at(days=1))
        cases.send(open_hook, "deliveries", later, server_composition=composition)

        assert self.may_send(composition="newsletter") is may_send


class TestD26:
    """Released here, and still blocked at CMC."""

    def test_the_release_says_so(self, open_hook):
        cases.play(open_hook, "D26")

        decision = suppression.release("held@example.jp")

        verdict = suppression.verdicts(["held@example.jp"])["held@example.jp"]
        assert (verdict.may_send, verdict.at_cmc, verdict.composition) == (True, True, "pro")
        assert [(each.reason, each.composition) for each in decision.at_cmc] == [("blocked", "pro")]
        with translation.override("en"):
            assert form_rules.recorded(decision) == (
                "held@example.jp is released.\n"
                "Released here. CMC still blocks this address until it is removed from the list in CMC's "
                "console."
            )
        with translation.override("ja"):
            assert form_rules.recorded(decision).splitlines()[1] == (
                "このシステムでの停止を解除しました。CMC の管理コンソールで配信停止リストから削除するまで、"
                "CMC はこの宛先に送信しません。"
            )

    def test_a_release_says_nothing_of_another_composition(self, open_hook):
        cases.play(open_hook, "D26")

        assert suppression.release("held@example.jp", composition="other").at_cmc == ()

    def test_a_success_at_cmc_ends_it(self, open_hook):
        cases.play(open_hook, "D26")
        later = delivery("<later@x>", to="held@example.jp", status="succeeded", created=at(days=0))
        cases.send(open_hook, "deliveries", later)

        assert suppression.release("held@example.jp").at_cmc == ()


class TestD27:
    """One mailbox in several spellings."""

    SPELLINGS = {
        "taro..y@docomo.example": [
            '"taro..y"@docomo.example',
            'Taro <"taro..y"@DOCOMO.example>',
            "taro..y@docomo.example.",
            '"Y, Taro" <taro..y@docomo.example> (home)',
        ],
        "plain@example.jp": [
            "plain@example.jp (Plain Taro)",
            '"plain"@example.jp',
            "<@relay.example,@other.example:plain@example.jp>",
            "plain @ example.jp",
            '"pl\\ain"@example.jp',
        ],
    }
    OTHERS = ['"plain "@example.jp', "plain.@example.jp", "plain@example.jp.example", '"a@b"@example.jp']

    @pytest.mark.parametrize(
        ("address", "spelling"), [(each, one) for each, more in SPELLINGS.items() for one in more]
    )
    def test_has_one_verdict_and_one_history(self, open_hook, client, admin_user, address, spelling):
        cases.play(open_hook, "D27")
        client.force_login(admin_user)

        assert not suppression.may_send(spelling)
        assert suppression.verdicts([spelling])[spelling] == suppression.verdicts([address])[address]
        assert [found.address for found in models.Mail.objects.for_address(spelling)] == [address]
        assert models.BounceEvent.objects.for_address(spelling).count() == 1
        found = client.get(reverse("admin:cmc_webhooks_mail_changelist"), {"q": spelling})
        assert [row.address for row in found.context["cl"].result_list] == [address]

    @pytest.mark.parametrize("spelling", OTHERS)
    def test_is_no_other_mailbox(self, open_hook, spelling):
        cases.play(open_hook, "D27")

        assert suppression.may_send(spelling)
        assert not models.Mail.objects.for_address(spelling).exists()

    def test_has_one_decision(self):
        suppression.block('"taro..y"@docomo.example')

        assert not suppression.may_send("taro..y@docomo.example")
        assert suppression.forget("Taro <taro..y@docomo.example.>")
        assert suppression.may_send('"taro..y"@docomo.example')

    def test_is_stored_under_one_address_whatever_cmc_reports(self, open_hook):
        cases.send(open_hook, "bounces", bounce("<a@x>", to='"Taro..Y"@docomo.example'))
        cases.send(open_hook, "blocks", {"email": "taro..y@docomo.example (Taro)"})

        [found] = models.Mail.objects.all()
        assert (found.address, found.domain) == ("taro..y@docomo.example", "docomo.example")
        assert found.recipient == '"Taro..Y"@docomo.example'
        assert models.BlockEvent.objects.get().address == "taro..y@docomo.example"


class TestD28:
    """One outage of an hour is one fault."""

    def bounced(self, hook, address, code, *times):
        for number, ago in enumerate(times):
            cases.send(hook, "bounces", bounce(f"<{number}@x>", to=address, status=code, created=at(**ago)))

    def test_suppresses_nobody(self, open_hook):
        self.bounced(open_hook, "user@docomo.example", "7", {"minutes": 60}, {"minutes": 40}, {"minutes": 20})

        assert suppression.may_send("user@docomo.example")

    def test_is_told_from_a_full_mailbox(self, open_hook):
        self.bounced(open_hook, "full@docomo.example", "5", {"days": 9}, {"days": 6}, {"days": 3})

        verdict = suppression.verdicts(["full@docomo.example"])["full@docomo.example"]
        assert (verdict.may_send, verdict.reason) == (False, "soft")
        # Its mail was received just now, so it counts from then
        assert abs(verdict.until - timezone.now() - timedelta(days=30)) < timedelta(minutes=1)

    def test_is_counted_once_a_day(self, open_hook):
        hours = [70, 69, 47, 46.5, 45]  # counted: 70, and 45 hours ago
        self.bounced(open_hook, "a@docomo.example", "7", *({"hours": each} for each in hours))
        assert suppression.may_send("a@docomo.example")

        cases.send(
            open_hook, "bounces", bounce("<z@x>", to="a@docomo.example", status="7", created=at(hours=20))
        )
        assert not suppression.may_send("a@docomo.example")

    def test_may_stop_a_reset_no_longer(self, open_hook):
        self.bounced(open_hook, "full@docomo.example", "5", {"days": 9}, {"days": 6}, {"days": 3})

        assert suppression.may_send("full@docomo.example", transactional=True)


class TestD29:
    """What the real backend writes on the message is on the caller's message."""

    @pytest.fixture(autouse=True)
    def anymail(self, open_hook, settings):
        pytest.importorskip("anymail.backends.test", exc_type=ImportError)
        cases.play(open_hook, "D29")
        if django.VERSION >= (6, 1):
            settings.MAILERS = {
                "default": {
                    "BACKEND": "cmc_webhooks.email_backend.SuppressingBackend",
                    "OPTIONS": {"backend": "anymail.backends.test.EmailBackend"},
                }
            }
        else:
            settings.EMAIL_BACKEND = "cmc_webhooks.email_backend.SuppressingBackend"
            settings.CMC_WEBHOOKS_EMAIL_BACKEND = "anymail.backends.test.EmailBackend"
        mail.outbox = []

    def test_with_one_of_two_recipients_suppressed(self):
        message = EmailMessage("s", "t", "shop@example.com", ["user@example.jp", "gone@example.jp"])

        assert message.send() == 1
        assert message.anymail_status.message_id is not None
        assert [*message.anymail_status.recipients] == ["user@example.jp"]
        assert message.to == ["user@example.jp", "gone@example.jp"]

    def test_with_none_suppressed(self):
        message = EmailMessage("s", "t", "shop@example.com", ["user@example.jp"])

        assert message.send() == 1
        assert message.anymail_status.message_id is not None

    def test_with_all_suppressed_there_is_none(self):
        message = EmailMessage("s", "t", "shop@example.com", ["gone@example.jp"])

        assert message.send() == 0
        assert not hasattr(message, "anymail_status")


class TestD31:
    """A form refuses what it would drop."""

    def texts(self, *values, **more):
        found = {}
        for language in ("en", "ja"):
            with translation.override(language):
                found[language] = [
                    (each.field, each.message) for each in form_rules.objections(*values, **more)
                ]
        return found["en"], found["ja"]

    def test_as_an_end_of_a_release(self):
        assert self.texts("a@x.jp", "released", until=timezone.now() + timedelta(days=9)) == (
            [("until", "A release has no end: leave this empty.")],
            [("until", "解除に期限はありません。空欄にしてください。")],
        )

    def test_as_an_end_in_the_past(self):
        assert self.texts("a@x.jp", "blocked", until=timezone.now() - timedelta(seconds=1)) == (
            [("until", "This date has passed.")],
            [("until", "過去の日付です。")],
        )

    @pytest.mark.parametrize("address", ["", "a", "a@", "@x.jp", "Taro <>"])
    def test_as_no_address(self, address):
        assert [each.code for each in form_rules.objections(address, "blocked")] == ["not_an_address"]

    @pytest.mark.parametrize("kind", ["kept", "lifted", "", "other"])
    def test_as_a_kind_that_nobody_decides(self, kind):
        assert [each.code for each in form_rules.objections("a@x.jp", kind)] == ["unknown_kind"]

    def test_and_says_what_holds_now(self, settings):
        settings.TIME_ZONE = "Asia/Tokyo"
        end = datetime(2099, 12, 24, tzinfo=ZoneInfo("Asia/Tokyo"))
        assert form_rules.objections("hanako@example.jp", "blocked", until=end) == []

        with timezone.override("Asia/Tokyo"):
            decision = suppression.block("hanako@example.jp", until=end)
            with translation.override("en"):
                assert form_rules.recorded(decision) == "hanako@example.jp is blocked until 2099-12-24."
            with translation.override("ja"):
                assert (
                    form_rules.recorded(decision)
                    == "hanako@example.jp への送信を 2099-12-24 まで停止しました。"
                )

    def test_and_names_the_composition(self):
        decision = suppression.block("hanako@example.jp", composition="pro")

        with translation.override("en"):
            assert form_rules.recorded(decision) == "hanako@example.jp is blocked at pro."


class TestD32:
    """Who may only add does not lift another person's block."""

    def codes(self, **who):
        return [each.code for each in form_rules.objections("a@x.jp", "released", **who)]

    @pytest.fixture(autouse=True)
    def blocked(self):
        suppression.block("A <a@x.jp>", author="1", note="asked by phone")

    def test_without_the_permission_to_change(self):
        with translation.override("ja"):
            [objection] = form_rules.objections("a@x.jp", "released", author="2", may_change=False)

        assert objection == (
            "address",
            "needs_change",
            "このアドレスはすでに登録されています。変更には変更権限が必要です。",
        )
        assert self.codes(author="1", may_change=False) == ["needs_change"]

    def test_with_it_a_question_comes_first(self):
        assert self.codes(author="2") == ["replaces"]
        assert self.codes(author="2", is_confirmed=True) == []
        assert self.codes(author="1") == []

    def test_nor_one_whose_address_was_erased(self):
        models.Suppression.objects.update(address="", note="")

        assert self.codes(author="2", may_change=False) == ["needs_change"]

    def test_but_may_decide_for_another_composition(self):
        assert self.codes(author="2", may_change=False, composition="pro") == []

    def test_and_the_trail_says_what_it_was_before(self):
        suppression.release("a@x.jp", author="2", via="admin", note="she called")

        row = models.Trail.objects.order_by("-pk").first()
        assert (row.what, row.who, row.via, row.reason, row.rows) == (
            "released",
            "2",
            "admin",
            "she called",
            1,
        )
        assert row.details["before"]["kind"] == "blocked"
        assert row.details["before"]["author"] == "1"


class TestLookUpOfDecisions:
    def test_finds_all_compositions_and_what_was_kept(self):
        for composition in ("", "pro", "newsletter"):
            suppression.block("a@x.jp", composition=composition)
        factories.SuppressionFactory(address="b@x.jp")

        found = lookup.look_up('"a"@x.jp').decisions

        assert {row.server_composition for row in found} == {"", "pro", "newsletter"}


class TestStory:
    """From the newsletter's unsubscribe to the erasure, through HTTP and the backend."""

    ADDRESS = "member@example.jp"

    def sends(self):
        """Whether the newsletter and the reset go out."""
        return sent_by("newsletter", self.ADDRESS), sent_by("pro", self.ADDRESS)

    def test_of_a_person_who_unsubscribed(self, open_hook):
        assert self.sends() == (True, True)
        cases.play(open_hook, "D25")
        assert self.sends() == (False, True)

        suppression.block(self.ADDRESS, note="asked by phone", author="17", via="admin")
        assert self.sends() == (False, False)

        assert suppression.forget(self.ADDRESS, author="17", via="admin")
        assert self.sends() == (False, True)

        erasure.erase(self.ADDRESS)
        assert self.sends() == (False, True)
        cases.play(open_hook, "D25")
        assert self.sends() == (False, True)
        assert [row.what for row in models.Trail.objects.order_by("pk")] == ["blocked", "forgotten", "erased"]
