"""The time of lists and pages with very long texts, and what they show of them."""

from __future__ import annotations

import json
import unicodedata
from importlib.util import find_spec

import pytest
from django.urls import reverse

from cmc_webhooks import models
from cmc_webhooks.admin import markup
from tests.admin.conftest import browser_of
from tests.helpers import factories
from tests.helpers.fetched import fetched

pytestmark = pytest.mark.django_db

WITH_API = find_spec("rest_framework") is not None
API_ONLY = pytest.mark.skipif(not WITH_API, reason="the API is an extra")
ROWS = 3
MARKS = "a" + "\u0300" * 40_000 + "\u0316" * 40_000
TEXTS = {
    "marks": MARKS,
    "other marks": "\u0f71\u0f72" * 40_000,
    "1 MB": "x" * 1_000_000,
    "1 MB of kanji": "漢" * 333_000,
    "1 MB of tags": "<" * 1_000_000,
    "1 MB of links": "http://a.example/ " * 60_000,
}
texts = pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
LISTS = ("mail", "deliveryevent", "bounceevent", "blockevent", "rejectedevent")
API_LISTS = {"mail": "mail", "deliveryevent": "delivery-event", "bounceevent": "bounce-event"} | {
    "blockevent": "block-event",
    "rejectedevent": "rejected-event",
}


def store(text):
    """Store rows of each kind with this text wherever one is of any length."""
    of_mail = dict.fromkeys(("header_from", "return_path", "subject", "reason"), text)
    mails = [
        factories.MailFactory(recipient=f"user@example.jp {text}", address="user@example.jp", **of_mail)
        for _ in range(ROWS)
    ]
    for number, mail in enumerate(mails):
        factories.DeliveryEventFactory(mail=mail, reason=text, extra={"note": text})
        factories.BounceEventFactory(mail=mail, reason=text, extra={"note": text})
        factories.BlockEventFactory(raw={"note": text})
        factories.RejectedEventFactory(raw=f"{number:05} {text[:63_000]}", error=text)
    return mails[0]


def clear():
    for model in (models.DeliveryEvent, models.BounceEvent, models.BlockEvent, models.RejectedEvent):
        model.objects.all().delete()
    models.Mail.objects.all().delete()


@pytest.fixture
def composed(monkeypatch):
    """Collect the lengths of the texts that are composed: the time of this grows with their square."""
    lengths = []
    compose = unicodedata.normalize

    def note(form, text):
        lengths.append(len(text))
        return compose(form, text)

    monkeypatch.setattr(unicodedata, "normalize", note)
    return lengths


@pytest.fixture
def superuser():
    return browser_of(is_staff=True, is_superuser=True)


class TestD53:
    """A list costs the same whatever its texts are, and pages show them whole.

    A list fetches so many characters of a text at most; `python -m benchmarks.long_texts` has the times.
    """

    @texts
    @pytest.mark.parametrize("name", LISTS)
    def test_the_lists_of_the_admin_fetch_the_beginnings_of_texts(self, superuser, composed, name, text):
        store(text)

        with fetched() as found:
            page = superuser.get(reverse(f"admin:cmc_webhooks_{name}_changelist"))

        assert page.status_code == 200
        assert 0 < found.longest <= markup.CUT + 1
        assert max(composed, default=0) <= markup.CUT

    @API_ONLY
    @texts
    @pytest.mark.parametrize("form", ["json", "api"])
    @pytest.mark.parametrize("name", API_LISTS.values())
    def test_the_lists_of_the_api_fetch_10_000_characters_of_a_text(
        self, superuser, composed, name, form, text
    ):
        store(text)

        with fetched() as found:
            page = superuser.get(reverse(f"cmc_webhooks_api:{name}-list"), {"format": form})

        assert page.status_code == 200
        assert 0 < found.longest <= 10_001
        assert max(composed, default=0) <= 10_001

    def test_the_page_of_a_mail_shows_a_text_of_marks_whole(self, superuser, composed):
        mail = store(MARKS)

        page = superuser.get(reverse("admin:cmc_webhooks_mail_change", args=[mail.pk]))

        assert page.content.decode().count(MARKS) >= 3
        assert max(composed, default=0) <= 10_000

    @pytest.mark.parametrize("name", LISTS)
    def test_an_exported_file_and_a_page_hold_whole_texts(self, superuser, name):
        store(TEXTS["1 MB"])
        row = {each._meta.model_name: each for each in vars(models).values() if hasattr(each, "_meta")}[name]

        page = superuser.open_page(row.objects.first()).content.decode()

        assert TEXTS["1 MB"][:63_000] in page

    def test_an_export_is_whole(self, superuser):
        store(TEXTS["1 MB"])

        for name in ("mail", "deliveryevent", "bounceevent"):
            answer = superuser.post(reverse(f"admin:cmc_webhooks_{name}_export"))
            assert b"".join(answer).count(TEXTS["1 MB"].encode()) >= ROWS

    @API_ONLY
    @pytest.mark.parametrize(
        ("name", "cut"),
        [
            ("mail", ["recipient", "header_from", "return_path", "subject", "reason"]),
            ("deliveryevent", ["reason", "extra", "recipient", "subject"]),
            ("bounceevent", ["reason", "extra", "recipient", "subject"]),
            ("blockevent", ["raw"]),
            ("rejectedevent", ["raw", "error"]),
        ],
    )
    def test_a_list_of_the_api_names_what_it_cuts(self, superuser, name, cut):
        store(TEXTS["1 MB"])
        base = f"cmc_webhooks_api:{API_LISTS[name]}"

        row = superuser.get(reverse(f"{base}-list")).json()["results"][0]
        detail = superuser.get(reverse(f"{base}-detail", args=[row["id"]])).json()
        lines = b"".join(superuser.get(reverse(f"{base}-list"), {"format": "jsonl"})).splitlines()

        assert sorted(row["truncated"]) == sorted(cut)
        for field in cut:
            assert row[field] == ({} if isinstance(detail[field], dict) else detail[field][:10_000])
            assert len(json.dumps(detail[field])) > 60_000
            assert json.loads(lines[0])[field] == detail[field]
        assert "truncated" not in detail
        assert "truncated" not in json.loads(lines[0])

    @API_ONLY
    @pytest.mark.parametrize(("length", "is_cut"), [(10_000, False), (10_001, True)])
    @pytest.mark.parametrize("letter", ["x", "漢", "😀"])
    def test_exactly_10_000_characters_are_whole(self, superuser, letter, length, is_cut):
        factories.MailFactory(subject=letter * length)

        [row] = superuser.get("/api/mails/").json()["results"]

        assert row["subject"] == letter * 10_000
        assert row.get("truncated", []) == (["subject"] if is_cut else [])

    @API_ONLY
    def test_the_latest_mails_of_an_address_are_cut_too(self, superuser):
        factories.MailFactory(recipient="a@example.jp", subject=TEXTS["1 MB"])

        [mail] = superuser.get("/api/addresses/a@example.jp/").json()["latest"]

        assert (len(mail["subject"]), mail["truncated"]) == (10_000, ["subject"])

    @pytest.mark.parametrize("text", ["", "short", "x" * 90, "x" * 91, "e\u0301" * 60, "漢" * 91])
    def test_a_short_text_is_shown_as_before(self, text):
        from django.utils.text import Truncator

        assert markup.short(text) == Truncator(text).chars(90)

    @pytest.mark.parametrize("text", ["x" * 1000, "a" + "\u0300" * 1000, MARKS])
    def test_a_cut_text_shows_that_it_goes_on(self, text):
        assert markup.short(text).endswith("…")
        assert len(markup.short(text)) <= markup.CUT + 1
