from __future__ import annotations

import html
import json

import pytest
from django.apps import apps
from django.utils import translation

from cmc_webhooks import audit, erasure, models, suppression
from cmc_webhooks.erasure import blanking, disclosure, matching
from cmc_webhooks.models import Trail
from tests.conftest import bounce, delivery
from tests.erasure import test_matching
from tests.erasure.test_blanking import ADDRESS, HISTORY, receive
from tests.helpers import factories

pytestmark = pytest.mark.django_db

OTHER = "taro.suzuki@example.com"
BOTH = [
    f"550 <{ADDRESS}> and <{OTHER}> are unknown",
    f"<{OTHER}>,<{ADDRESS}>",
    f"{OTHER};{ADDRESS}",
    "bounce+taro.suzuki=example.com@x.jp bounce+hanako=example.jp@x.jp",
    "https://x.jp/?a=taro.suzuki%40example.com&b=hanako%40example.jp",
    f"Hanako <HANAKO@example.jp>\r\nTaro <{OTHER.upper()}>",
    f"mailto:{ADDRESS}?cc={OTHER}",
    f'"{OTHER}"@x.jp {ADDRESS}',
    r"hanako\u0040example.jp taro.suzuki\u0040example.com",
    "taro.suzuki%40example.com%2Chanako%40example.jp",
    "hanako&#64;example.jp, &lt;taro.suzuki&#x40;example.com&gt;",
    "taro&#46;suzuki@example.com ｈａｎａｋｏ＠ｅｘａｍｐｌｅ．ｊｐ",
]


def found():
    return disclosure.disclose(ADDRESS)


def as_text(given):
    """Return a disclosure as JSON and as a page, in lower case."""
    return (json.dumps(given.as_dict(), ensure_ascii=False) + erasure.as_html(given)).lower()


def leaves(value):
    """Return the texts of a stored value. A rejected event is read as JSON."""
    if isinstance(value, str):
        return {value}
    if isinstance(value, dict):
        return {text for item in value.items() for each in item for text in leaves(each)}
    return {text for each in value for text in leaves(each)} if isinstance(value, list) else set()


def stored():
    """Return the texts of all rows, by model, key and field."""
    return {
        (model._meta.model_name, row.pk, field.attname): leaves(getattr(row, field.attname))
        for model in apps.get_app_config("cmc_webhooks").get_models()
        for row in model._default_manager.all()
        for field in model._meta.concrete_fields
    }


@pytest.fixture
def history():
    for event_type, *events in HISTORY:
        receive(event_type, *events)
    suppression.block(ADDRESS, note="hanako@example.jp called")
    suppression.block(OTHER, note=f"asked by {ADDRESS}")
    receive(
        "deliveries", delivery("<s@x>", to=f"{ADDRESS}, {OTHER}", subject="for two", reason=f"no {OTHER}")
    )
    receive("bounces", bounce("<o@x>", to=OTHER, reason=f"550 <{ADDRESS}> is full, said {OTHER}"))
    receive("deliveries", delivery("<t@x>", to=[OTHER], cc=ADDRESS))
    receive("blocks", {"email": OTHER, "status": "2", "note": f"with {ADDRESS}"})


class TestDisclose:
    def test_has_all_that_erasing_blanks(self, history):
        given = found()
        disclosed = leaves(json.loads(json.dumps(given.as_dict())))
        passages = {(passage.model._meta.model_name, passage.field) for passage in given.passages}
        before = stored()

        erasure.erase(ADDRESS)

        after = stored()
        lost = {place: texts - after[place] for place, texts in before.items() if texts - after[place]}
        assert len(lost) > 20
        for (model, _key, field), texts in lost.items():
            alone = {text for text in texts if not matching.names(text, OTHER)}
            parts = {part for text in texts - alone for part in matching.passages(text, ADDRESS)}
            whole = alone | parts <= disclosed
            assert whole or (model, field) in passages, (model, field, texts - disclosed)

    def test_has_no_address_of_another_recipient(self, history):
        text = as_text(found())

        assert ADDRESS in text
        assert "taro" not in text
        assert "other@example.jp" not in text

    @pytest.mark.parametrize("both", BOTH)
    @pytest.mark.parametrize("field", ["reason", "subject", "return_path", "header_from", "message_id"])
    def test_takes_the_passage_alone_out_of_another_row(self, both, field):
        factories.MailFactory(recipient=OTHER, **{field: both})

        [passage] = {passage.text for passage in found().passages}

        assert matching.names(passage, ADDRESS)
        assert "suzuki" not in as_text(found())

    @pytest.mark.parametrize("both", BOTH)
    def test_takes_the_passage_alone_out_of_other_tables(self, both):
        event = factories.DeliveryEventFactory(mail__recipient=OTHER, reason=both, extra={"cc": [both]})
        factories.BounceEventFactory(mail=event.mail, extra={both: OTHER})
        factories.BlockEventFactory(address=OTHER, raw={"email": OTHER, "note": both})
        factories.RejectedEventFactory(raw=json.dumps({"to": OTHER, "x": {"cc": both}}), error=both)
        factories.SuppressionFactory(address=OTHER, note=both)

        given = found()

        assert {(passage.model, passage.field) for passage in given.passages} == {
            (models.DeliveryEvent, "reason"),
            (models.DeliveryEvent, "extra"),
            (models.BounceEvent, "extra"),
            (models.BlockEvent, "raw"),
            (models.RejectedEvent, "raw"),
            (models.RejectedEvent, "error"),
            (models.Suppression, "note"),
        }
        assert "suzuki" not in as_text(given)

    @pytest.mark.parametrize("spelled", ["taro.suzuki%40example.com", "taro.suzuki＠example.com"])
    def test_takes_an_escaped_address_of_another_for_another(self, spelled):
        factories.RejectedEventFactory(raw=json.dumps({"to": [ADDRESS, spelled]}))

        given = found()

        assert [passage.text for passage in given.passages] == [ADDRESS]
        assert "suzuki" not in as_text(given)

    @pytest.mark.parametrize("text", test_matching.ALL.values(), ids=test_matching.ALL)
    def test_shows_each_spelling_that_erasing_blanks(self, text):
        factories.DeliveryEventFactory(mail__recipient=OTHER, reason=text, extra={"cc": [text]})
        factories.RejectedEventFactory(raw=json.dumps({"to": [OTHER], "cc": text}))
        factories.SuppressionFactory(address=OTHER, note=text)
        own = factories.MailFactory(recipient=text, subject="hello")

        given = found()

        kinds = [(passage.model, passage.field) for passage in given.passages]
        assert sorted((model._meta.model_name, field) for model, field in kinds) == [
            ("deliveryevent", "extra"),
            ("deliveryevent", "reason"),
            ("rejectedevent", "raw"),
            ("suppression", "note"),
        ]
        assert [(each["id"], each["subject"]) for each in given.as_dict()["mail"]] == [(str(own.pk), "hello")]

    def test_takes_a_sender_once(self):
        receive("deliveries", delivery(to=OTHER, **{"from": f"Hanako <{ADDRESS}>"}))

        [passage] = found().passages

        assert (passage.field, passage.text) == ("header_from", ADDRESS)

    def test_reads_json_in_a_rejected_event(self):
        text = json.dumps({"to": OTHER, "x": f"{ADDRESS} or {OTHER}"})
        factories.RejectedEventFactory(raw=text.replace("hanako@", r"\u0068anako\u0040"))

        assert [passage.text for passage in found().passages] == [ADDRESS]

    def test_shows_a_few_words_of_what_a_server_wrote(self):
        factories.MailFactory(
            recipient=OTHER, reason=f"550 5.1.1 <{ADDRESS}>: User unknown, see {OTHER} or 花子"
        )

        [passage] = found().passages

        assert passage.text == f"550 5.1.1 {ADDRESS} User unknown, see … or …"
        assert passage.title == "mail: reason"

    @pytest.mark.parametrize(
        "to",
        [
            f"{ADDRESS}, {OTHER}",
            f'"Suzuki, Taro" <{OTHER}>; Hanako <{ADDRESS.upper()}>',
            f"{ADDRESS}, taro.suzuki%40example.com",
            f"taro.suzuki&#64;example.com, {ADDRESS}",
            r"hanako\u0040example.jp, taro.suzuki\u0040example.com",
        ],
    )
    def test_keeps_others_out_of_a_row_about_several_people(self, to):
        values = {"subject": "for two", "header_from": "info@x.jp", "reason": f"no {OTHER}\nno {ADDRESS}"}
        mail = factories.MailFactory(recipient=to, **values)
        factories.DeliveryEventFactory(mail=mail, reason="250 ok", extra={"cc": OTHER, "n": 1, OTHER: 2})

        given = found()

        [entry] = given.entries
        assert entry.values["subject"] == "for two"
        assert matching.names(entry.values["recipient"], ADDRESS)
        assert (entry.events[0].values["reason"], entry.events[0].values["extra"]["n"]) == ("250 ok", 1)
        assert entry.values["domain"] == "example.jp"
        assert given.passages == []
        assert "suzuki" not in as_text(given)

    def test_has_rows_about_the_person_whole(self):
        mail = factories.MailFactory(recipient=ADDRESS, subject="hello", api_data="17", reason="550 no")
        event = factories.BounceEventFactory(mail=mail, bounce_code="2", extra={"n": "1"})
        block = factories.BlockEventFactory(address=ADDRESS, raw={"email": ADDRESS})
        rejected = factories.RejectedEventFactory(raw=json.dumps({"to": [ADDRESS], "n": 1}), error="odd")
        suppression.block(ADDRESS, note="called")
        factories.MailFactory(recipient=OTHER)

        given = found().as_dict()

        [shown] = given["mail"]
        assert set(shown) == {field.attname for field in models.Mail._meta.concrete_fields} | {"events"}
        assert (shown["id"], shown["subject"], shown["api_data"]) == (str(mail.pk), "hello", "17")
        assert [(each["kind"], each["id"]) for each in shown["events"]] == [("bounceevent", str(event.pk))]
        assert [each["id"] for each in given["blockevent"]] == [str(block.pk)]
        assert [each["raw"] for each in given["rejectedevent"]] == [rejected.raw]
        assert [each["note"] for each in given["suppression"]] == ["called"]
        assert given["passages"] == []

    def test_finds_any_spelling_and_an_erased_person(self):
        factories.MailFactory(recipient=f"Hanako <{ADDRESS.upper()}>")

        assert len(disclosure.disclose(f"X <{ADDRESS}>").as_dict()["mail"]) == 1
        erasure.erase(ADDRESS)
        given = found().as_dict()

        assert given["mail"] == []
        assert [each["what"] for each in given["trail"]] == ["disclosed", "erased"]

    def test_refuses_what_is_no_address(self):
        with pytest.raises(ValueError, match="not a valid address"):
            disclosure.disclose("hanako")

    def test_holds_decisions_of_all_compositions_and_what_was_kept(self):
        suppression.block(ADDRESS, composition="pro")
        suppression.block(ADDRESS)
        factories.SuppressionFactory(address=ADDRESS, kind="kept", reason="hard", since=factories.START)
        suppression.block(OTHER, composition="pro")

        given = found().as_dict()["suppression"]

        assert sorted((each["kind"], each["server_composition"]) for each in given) == [
            ("blocked", ""), ("blocked", "pro"), ("kept", ""),
        ]  # fmt: skip

    @pytest.mark.parametrize("asked", ['"taro..y"@docomo.example', "taro..y@docomo.example"])
    def test_is_whole_of_a_person_whose_address_has_quotes(self, asked):
        mail = factories.MailFactory(recipient='"Taro..Y"@docomo.example', subject="hers")

        [entry] = disclosure.disclose(asked).entries

        assert (entry.values["recipient"], entry.values["subject"]) == (mail.recipient, "hers")
        assert entry.values["address"] == "taro..y@docomo.example"

    def test_leaves_a_trail(self, history, caplog):
        caplog.set_level("INFO", "cmc_webhooks")

        given = disclosure.disclose(ADDRESS, actor=erasure.Actor(who="17"))

        row = Trail.objects.get(what="disclosed")
        [record] = [each for each in caplog.records if each.cmc_event == "personal_data_disclosed"]
        rows = len(given.entries) + sum(len(entry.events) for entry in given.entries)
        assert (row.what, row.who, row.rows) == ("disclosed", "17", rows)
        assert record.address_hash == audit.address_hash(ADDRESS)
        assert record.passages == row.details["passages"] == len(given.passages) > 0
        values = Trail.objects.filter(pk=row.pk).values()
        assert "hanako" not in f"{record.getMessage()} {vars(record)} {values}".lower()

    def test_changes_nothing(self, history):
        before = stored()

        found()

        assert stored().items() >= before.items()
        assert {place[0] for place in stored().keys() - before.keys()} == {"trail"}


class TestAsHtml:
    @pytest.mark.parametrize(
        ("language", "words"),
        [
            ("en", ["Stored data about a person", "Subject", "Bounce code", "Other places that name"]),
            ("ja", ["保存されている個人データ", "件名", "不達コード", "このアドレスが現れるほかの箇所"]),
        ],
    )
    def test_speaks_the_language(self, history, language, words):
        with translation.override(language):
            page = erasure.as_html(found())

        assert f'<html lang="{language}">' in page
        assert [word for word in words if word not in page] == []
        assert "http://" not in page
        assert "<script" not in page

    def test_shows_values_as_people_read_them(self):
        mail = factories.MailFactory(recipient=ADDRESS, created_at=factories.START)
        factories.DeliveryEventFactory(mail=mail, extra={"件名": "花子"})
        suppression.block(ADDRESS)

        with translation.override("ja"):
            page = html.unescape(erasure.as_html(found()))

        assert '{"件名": "花子"}' in page
        assert "2023-01-25 05:00:00 (UTC)" in page
        assert str(models.Suppression.Kinds.BLOCKED) not in page
        assert str(mail.pk) not in page

    def test_escapes_what_others_wrote(self):
        factories.MailFactory(recipient=ADDRESS, subject="<script>alert(1)</script>")

        assert "<script" not in erasure.as_html(found())

    def test_says_that_nothing_is_stored(self):
        given = disclosure.Disclosure(ADDRESS, factories.START, [], [])

        assert "Nothing is stored about this address." in erasure.as_html(given)


class TestTexts:
    def test_are_those_of_erasing(self):
        assert set(blanking.WHOM) <= {name for names in blanking.TEXTS.values() for name in names}
