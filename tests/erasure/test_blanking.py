from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.apps import apps
from django.utils import timezone

from cmc_webhooks import erasure, ingest, models, suppression, wire
from cmc_webhooks.erasure import matching
from cmc_webhooks.store import deletion
from cmc_webhooks.suppression import lookup
from tests.conftest import bounce, delivery, notification
from tests.erasure import test_matching
from tests.helpers import factories

USING = "default"
ADDRESS = "hanako@example.jp"
SPELLINGS = ("hanako@example.jp", "hanako=example.jp", "HANAKO", "花子への件名", "花子への返事")

pytestmark = pytest.mark.django_db


def receive(event_type, *events):
    return ingest.receive(wire.decode(notification(event_type, *events)))


HISTORY = [
    (
        "deliveries",
        delivery(
            "<a@x>",
            to="Hanako <HANAKO@example.jp>",
            subject="花子への件名",
            returnPath="bounce+hanako=example.jp@x.jp",
            reason="花子への返事",
            more="hanako@example.jp",
        ),
        delivery("<b@x>", to="taro@example.jp", reason="forwarded to <Hanako@Example.jp>", cc=ADDRESS, n="1"),
        delivery("<c@x>", to=["hanako@example.jp"]),
        delivery("<d@x>", to=["\u0068anako@example.jp", {"花子への件名": 1}]),
        delivery("<e@x>", to=["other@example.jp"]),
    ),
    ("bounces", bounce("<a@x>", to="hanako@example.jp", reason="no hanako@example.jp here")),
    ("blocks", {"email": "Hanako@example.jp", "status": "2"}),
    ("unheard-of", {"x": {"y": "to hanako@example.jp"}}),
]


@pytest.fixture
def history():
    for event_type, *events in HISTORY:
        receive(event_type, *events)
    suppression.block(ADDRESS, note="hanako@example.jp called")


def everything():
    """All that is stored but the trail, as one text in which nothing is escaped."""
    tables = [
        list(model._default_manager.order_by("pk").values())
        for model in apps.get_app_config("cmc_webhooks").get_models()
        if model is not models.Trail
    ]
    return json.dumps(tables, default=str, ensure_ascii=False)


def counts():
    return list(models.MailCount.objects.order_by("pk").values_list("pk", "number"))


class TestErase:
    def test_leaves_nothing_of_the_person_in_any_table(self, history):
        assert "hanako@example.jp" in everything()
        before = counts()

        erased = erasure.erase("Hanako <HANAKO@Example.jp>")

        assert erased == erasure.Erased(
            mails=1, blocks=1, rejected=3, others=3
        )  # a mail, its event, a reason
        assert [spelling for spelling in SPELLINGS if spelling.lower() in everything().lower()] == []
        assert counts() == before

    def test_leaves_others_whole_but_for_the_texts_that_name_the_person(self, history):
        erasure.erase(ADDRESS)

        mail = models.Mail.objects.get(message_id="<b@x>")
        [event] = mail.delivery_events.all()
        assert (mail.address, mail.subject) == ("taro@example.jp", "メールマガジンのテスト")
        assert (mail.reason, event.reason, event.extra) == ("", "", {"n": "1"})
        assert models.RejectedEvent.objects.exclude(raw="").get().raw.count("other@example.jp") == 1

    @pytest.mark.parametrize(
        "header",
        [
            ADDRESS,
            f"Hanako <{ADDRESS}>",
            f'"{ADDRESS}" <shop@example.jp>',
            f"{'x' * 400}@example.jp, {ADDRESS}",
        ],
    )
    def test_blanks_the_address_of_a_sender_with_its_header(self, header):
        receive("deliveries", delivery(to="taro@x.jp", **{"from": header}))

        erased = erasure.erase(ADDRESS)

        mail = models.Mail.objects.get()
        assert (mail.recipient, mail.header_from, mail.sender) == ("taro@x.jp", "", "")
        assert erased == erasure.Erased(others=1)

    def test_keeps_the_address_of_a_sender_that_is_another(self):
        receive("deliveries", delivery(to="taro@x.jp", subject=ADDRESS, **{"from": "Shop <shop@x.jp>"}))

        erasure.erase(ADDRESS)

        mail = models.Mail.objects.get()
        assert (mail.subject, mail.header_from, mail.sender) == ("", "Shop <shop@x.jp>", "shop@x.jp")

    @pytest.mark.parametrize(
        ("address", "text"),
        [
            pytest.param("josé@example.jp", "JOSÉ@EXAMPLE.JP", id="letters beyond ASCII"),
            pytest.param("花子@例え.jp", "花子@例え.JP", id="hardly any ASCII"),
            pytest.param('"john smith"@example.jp', '"John Smith"@Example.jp', id="a quoted name"),
            pytest.param(r'"a\\b"@example.jp', r'"A\\b"@example.jp', id="a backslash"),
            pytest.param("100%_a@example.jp", "100%_A@example.jp", id="marks of LIKE"),
            pytest.param(f"{'a' * 60_000}@example.jp", f"{'A' * 60_000}@example.jp", id="long"),
        ],
    )
    def test_finds_any_letters(self, address, text):
        told = delivery(to="taro@x.jp", reason=f"no {text}", more=text, odd=[{text: "1"}])
        receive("deliveries", told, delivery("<odd@x>", to=[text]), delivery("<hers@x>", to=text))

        erased = erasure.erase(address)

        assert erased == erasure.Erased(mails=1, rejected=1, others=2)
        assert text.lower() not in everything().lower()

    @pytest.mark.parametrize("asked", ["a@例え.jp", "a@xn--r8jz45g.jp"])
    def test_finds_a_domain_in_either_of_its_forms(self, asked):
        forms = ["a@例え.jp", "a@xn--r8jz45g.jp"]
        receive("deliveries", *[delivery(f"<{form}>", to=form) for form in forms])
        receive("deliveries", delivery(to="taro@x.jp", reason=f"no {forms[0]}", more=f"no {forms[1]}"))
        receive("blocks", *[{"email": form} for form in forms])

        erasure.erase(asked)

        assert [form for form in forms if form in everything()] == []

    def test_takes_what_went_to_several_for_the_persons_own(self):
        several = "taro@x.jp, Hanako <hanako@example.jp>, jiro@x.jp"
        receive("deliveries", delivery("<a@x>", to=several))
        receive("blocks", {"email": several, "to": "x"})

        erasure.erase(ADDRESS)
        receive("bounces", bounce("<a@x>", to=several))

        assert models.Mail.objects.get().status == "bounced"
        assert [name for name in ("hanako", "taro@x.jp") if name in everything()] == []

    @pytest.mark.parametrize("how", ["blanked", "deleted"])
    def test_undoes_nothing_that_is_done_meanwhile(self, how):
        for number in (1, 2):
            told = {"to": "taro@x.jp", "cc": ADDRESS, "more": f"of taro {number}"}
            receive("deliveries", delivery(f"<{number}@x>", **told))
        mails = set(models.Mail.objects.values_list("pk", flat=True))

        def meanwhile(done):
            others = mails - {models.DeliveryEvent.objects.exclude(extra__has_key="cc").get().mail_id}
            if how == "deleted":
                deletion.remove_mails(USING, list(others))
            else:
                deletion.blank_mails(USING, list(others))

        calls = iter([meanwhile])
        erasure.erase(ADDRESS, progress=lambda done: next(calls, id)(done) if done else None)

        assert everything().count("of taro") == 1

    def test_reads_notes_about_others_too(self):
        suppression.block("mother@example.jp", note="asks for hanako@example.jp too")
        suppression.block("other@example.jp", note="asked by phone")

        erasure.erase(ADDRESS)

        assert models.Suppression.objects.get(note="").address == "mother@example.jp"
        assert models.Suppression.objects.get(address="other@example.jp").note == "asked by phone"

    @pytest.mark.parametrize(
        "text",
        [
            "susan@example.jp",
            "jo.an@example.jp",
            "jo..an@example.jp",
            "an+an@example.jp",
            "o'an@example.jp",
            "jo-an@example.jp or jo_an@example.jp",
            "an@example.jp.com",
            "an@example.jpn.com",
            "an@example.jp-an.com",
            "bounce+susan=example.jp@x.jp",
            "an@example",
        ],
    )
    def test_leaves_names_that_only_contain_the_name(self, text):
        values = {"reason": text, "subject": text, "from": text, "returnPath": text, "more": text}
        receive("deliveries", delivery(to=text, **values), delivery("<odd@x>", to=[text]))
        receive("blocks", {"email": text})
        before = everything()

        erasure.erase("an@example.jp")

        assert everything() == before

    @pytest.mark.parametrize(
        "text",
        [
            "an@example.jp",
            "550-an@example.jp 550 unknown",
            "<an@example.jp>... unknown.",
            "宛先an@example.jpは不明",
            "no an@example.jp, nor susan@example.jp",
            "no susan@example.jp, nor an@example.jp.",
            "rcpt=AN@example.jp;",
            "an@example.jp-unknown",
            "return-12-an=example.jp@x.jp",
            "https://x.jp/?to=an%40example.jp&n=1",
        ],
    )
    def test_finds_the_name_in_any_company(self, text):
        receive("deliveries", delivery(to="taro@x.jp", reason=text, more=text, odd=[{text: "1"}]))

        assert erasure.erase("an@example.jp").others == 2
        assert text not in everything()

    @pytest.mark.parametrize("text", test_matching.ALL.values(), ids=test_matching.ALL)
    def test_finds_each_spelling_in_each_text(self, text):
        more = {"subject": text, "from": text, "returnPath": text, "apiData": text, "cc": [text]}
        receive("deliveries", delivery("<a@x>", to="taro@x.jp", reason=text, **more), delivery(to=[text]))
        receive("bounces", bounce(f"<{text}>", to="taro@x.jp", reason=f"<{text}>: unknown", more={text: "1"}))
        receive("blocks", {"email": "taro@x.jp", "status": "2", "note": {"x": [text]}})
        suppression.block("taro@x.jp", note=text)
        rejected = models.RejectedEvent.objects.get()
        factories.RejectedEventFactory(raw=rejected.raw[:-5], error=text)  # cut, as a long one is

        erased = erasure.erase(ADDRESS)

        assert text.lower() not in everything().lower()
        assert not matching.names(json.loads(everything()), ADDRESS)
        assert erased == erasure.Erased(rejected=2, others=8)  # one is the row of `Trail` about the block

    @pytest.mark.parametrize("text", test_matching.OTHERS.values(), ids=test_matching.OTHERS)
    def test_leaves_whole_what_only_contains_it_when_decoded(self, text):
        receive("deliveries", delivery("<a@x>", to="taro@x.jp", reason=text, cc=text), delivery(to=[text]))
        receive("blocks", {"email": text, "status": "2"})
        before = everything()

        assert erasure.erase(ADDRESS) == erasure.Erased()
        assert everything() == before

    @pytest.mark.parametrize("to", ["hanako%40example.jp", r"hanako\u0040example.jp", "hanako＠example.jp"])
    def test_takes_a_recipient_in_any_spelling_for_the_person(self, to):
        receive("deliveries", delivery("<a@x>", to=to, subject="花子への件名"))

        assert erasure.erase(ADDRESS).others == 1
        assert "花子への件名" not in everything()

    @pytest.mark.parametrize(
        "other",
        ["shanako@example.jp", "taro.hanako@example.jp", "s-hanako@example.jp", "hanako@example.jp.x.com"],
    )
    def test_leaves_those_whole_whose_addresses_hold_that_of_the_person(self, other):
        mine = delivery("<m@x>", to=other, reason=f"<{other}>")
        # in a return path any mark may stand before the person
        in_path = f"b-{other.replace('@', '=')}@x.jp" if other.startswith("shanako") else ""
        receive("deliveries", {**mine, "from": other, "cc": other, "returnPath": in_path})
        receive("blocks", {"email": other, "status": "2"})
        suppression.block(other, note=f"{other} called")
        before = everything()

        erased = erasure.erase(ADDRESS)

        assert erased == erasure.Erased()
        assert everything() == before

    @pytest.mark.parametrize(
        "text", ["mailto:hanako@example.jp", "宛先hanako@example.jpは不明です", "a@x.jp, hanako@example.jp."]
    )
    def test_finds_the_person_in_any_text(self, text):
        receive("deliveries", delivery("<m@x>", to=text, reason=text))
        receive("blocks", {"email": text, "status": "2"})
        suppression.block("a@x.jp", note=text)

        erasure.erase(ADDRESS)

        assert ADDRESS not in everything()

    def test_is_not_undone_when_all_is_told_again(self, history):
        erasure.erase(ADDRESS)

        receipts = [receive(event_type, *events) for event_type, *events in HISTORY]

        assert sum(receipt.new for receipt in receipts) == 0
        assert [spelling for spelling in SPELLINGS if spelling.lower() in everything().lower()] == []

    def test_keeps_what_was_suppressed_suppressed(self):
        factories.MailFactory(recipient=ADDRESS, bounce_code="2", created_at=timezone.now())
        until = lookup.look_up(ADDRESS).verdict.until

        erasure.erase(ADDRESS)

        verdict = lookup.look_up(ADDRESS).verdict
        assert (verdict.may_send, verdict.until) == (False, until)
        assert ADDRESS not in everything()

    @pytest.mark.parametrize("days", [1, 999, None])
    def test_keeps_a_block_by_hand_and_what_its_mails_forbid_behind_it(self, days):
        factories.MailFactory(recipient=ADDRESS, bounce_code="2", created_at=timezone.now())
        told = lookup.look_up(ADDRESS).verdict.until
        by_hand = days and timezone.now() + timedelta(days=days)
        suppression.block(ADDRESS, until=by_hand)

        erasure.erase(ADDRESS)
        erasure.erase(ADDRESS)

        assert lookup.look_up(ADDRESS).verdict.until == (by_hand and max(told, by_hand))

    def kept(self):
        rows = models.Suppression.objects.filter(kind="kept").order_by("reason", "server_composition")
        return [(row.reason, row.server_composition, row.address, row.note) for row in rows]

    def test_keeps_each_reason_with_its_composition_and_never_as_a_block_by_hand(self):
        now = timezone.now()
        for code, composition in (("2", "pro"), ("10", "pro"), ("11", "news"), ("11", "pro")):
            factories.MailFactory(
                recipient=ADDRESS, bounce_code=code, server_composition=composition, created_at=now
            )
        for days in (1, 2, 3):
            at = now - timedelta(days=days)
            factories.MailFactory(recipient=ADDRESS, bounce_code="5", created_at=at, status_at=at)

        erasure.erase(f'"{ADDRESS.partition("@")[0]}"@example.jp')

        assert self.kept() == [
            ("blocked", "pro", "", ""),
            ("hard", "", "", ""),
            ("soft", "pro", "", ""),
            ("unsubscribed", "news", "", ""),
            ("unsubscribed", "pro", "", ""),
        ]
        assert not models.Suppression.objects.filter(kind="blocked").exists()
        assert {row.reason for row in suppression.explain([ADDRESS])[ADDRESS].reasons} == {
            "hard", "blocked", "unsubscribed", "soft",
        }  # fmt: skip

    def test_lets_a_reset_go_to_a_person_who_unsubscribed_from_a_newsletter(self):
        factories.MailFactory(
            recipient=ADDRESS, bounce_code="11", server_composition="news", created_at=timezone.now()
        )

        erasure.erase(ADDRESS)

        assert suppression.may_send(ADDRESS, composition="pro")
        assert not suppression.may_send(ADDRESS, composition="news")
        assert suppression.may_send(ADDRESS, composition="news", transactional=True)

    @pytest.mark.parametrize("again", [1, 2])
    def test_keeps_what_is_lifted_as_its_reason_is(self, again):
        factories.MailFactory(recipient=ADDRESS, bounce_code="2", created_at=timezone.now())
        for _ in range(again):
            erasure.erase(ADDRESS)
        later = timezone.now() + timedelta(seconds=1)
        factories.MailFactory(
            recipient=ADDRESS, delivery_status="succeeded", created_at=later, status_at=later
        )

        assert suppression.may_send(ADDRESS)
        erasure.erase(ADDRESS)
        assert suppression.may_send(ADDRESS)
        assert self.kept() == []

    def test_keeps_what_a_release_lifts(self):
        factories.MailFactory(recipient=ADDRESS, bounce_code="2", created_at=timezone.now())
        erasure.erase(ADDRESS)

        suppression.release(ADDRESS)

        assert suppression.may_send(ADDRESS)
        assert not suppression.forget("other@example.jp")
        suppression.forget(ADDRESS)
        assert not suppression.may_send(ADDRESS)

    def test_keeps_a_release_and_what_cmc_still_refuses(self):
        factories.MailFactory(
            recipient=ADDRESS, bounce_code="10", server_composition="pro", created_at=timezone.now()
        )
        suppression.release(ADDRESS)
        before = suppression.verdicts([ADDRESS])

        erasure.erase(ADDRESS)

        assert (
            suppression.verdicts([ADDRESS])
            == before
            == {ADDRESS: suppression.Verdict(True, composition="pro", at_cmc=True)}
        )

    def test_keeps_decisions_of_all_compositions_without_the_address(self):
        suppression.block(ADDRESS, note="hers", author="17")
        suppression.block(ADDRESS, composition="pro", note="hers")

        erasure.erase(ADDRESS)

        rows = models.Suppression.objects.order_by("server_composition")
        assert [(row.kind, row.address, row.note) for row in rows] == [("blocked", "", "")] * 2
        assert suppression.forget(ADDRESS)
        assert not suppression.may_send(ADDRESS)
        assert suppression.forget(ADDRESS, composition="pro")
        assert suppression.may_send(ADDRESS)

    def test_lets_be_sent_to_what_was_not_suppressed(self):
        factories.MailFactory(recipient=ADDRESS)

        erasure.erase(ADDRESS)

        assert suppression.may_send(ADDRESS)

    def test_does_nothing_the_second_time(self, history):
        erasure.erase(ADDRESS)

        again = erasure.erase(ADDRESS)

        assert (again.mails, again.rejected, again.others) == (0, 0, 0)

    @pytest.mark.parametrize("text", ["", "@", "a@", "@x.jp", "hanako", "example.jp"])
    def test_refuses_what_is_no_address(self, text):
        with pytest.raises(ValueError, match="not a valid address"):
            erasure.erase(text)

    @pytest.mark.parametrize(
        "raw",
        [
            pytest.param('{"to": "hanako@example.jp', id="cut"),
            pytest.param('{"to": "hanako@example.jp", "to": "b"}', id="a name twice"),
            pytest.param(r'{"to": "\u0048anako\u0040example.jp", "reason": "\ud83d', id="cut and escaped"),
            pytest.param(r'"{\"to\": \"\\u0068anako@example.jp\"}"', id="JSON in JSON"),
            pytest.param(r'{"to": "C:\\users <\u0068anako@example.jp>", "n": ', id="beside a backslash"),
        ],
    )
    def test_reads_rejected_events_whatever_they_are(self, raw):
        factories.RejectedEventFactory(raw=raw)
        other = factories.RejectedEventFactory(raw=r'{"to": "\u0061n@example.jp", "x": "\u')

        assert erasure.erase(ADDRESS).rejected == 1
        assert models.RejectedEvent.objects.exclude(raw="").get() == other
