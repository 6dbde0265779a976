from __future__ import annotations

import csv
import io
import json

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient

from cmc_webhooks.db import keyset
from tests.admin.conftest import statements
from tests.helpers import factories

pytestmark = pytest.mark.django_db


def text_of(answer):
    assert answer.status_code == 200, answer.content
    return b"".join(answer.streaming_content).decode()


class TestJsonLines:
    @pytest.mark.parametrize("name", ["mail", "delivery-event", "bounce-event"])
    def test_are_the_rows_of_the_pages(self, api, name):
        factory = {
            "mail": factories.MailFactory,
            "delivery-event": factories.DeliveryEventFactory,
            "bounce-event": factories.BounceEventFactory,
        }[name]
        factory.create_batch(5)

        answer = api.list(name, format="jsonl")
        rows = [json.loads(line) for line in text_of(answer).splitlines()]

        assert answer.headers["Content-Type"] == "application/x-ndjson; charset=utf-8"
        assert rows == api.list(name).json()["results"]

    def test_are_asked_for_by_the_accept_header_too(self, api):
        mail = factories.MailFactory(subject="件名")

        answer = api.client.get("/api/mails/", headers={"Accept": "application/x-ndjson"})

        assert json.loads(text_of(answer))["subject"] == mail.subject

    def test_hold_all_that_is_filtered_in_order(self, api):
        mails = factories.MailFactory.create_batch(4, delivery_status="failed")
        factories.MailFactory()

        answer = api.list("mail", format="jsonl", status="failed", ordering="created_at", page_size="1")

        assert [json.loads(line)["id"] for line in text_of(answer).splitlines()] == [
            str(mail.pk) for mail in mails
        ]

    def test_begin_where_a_cursor_says(self, api):
        factories.MailFactory.create_batch(4)
        page = api.list("mail", page_size="1").json()

        answer = api.client.get(page["next"] + "&format=jsonl")

        assert len(text_of(answer).splitlines()) == 3


class TestCsv:
    def test_opens_in_a_spreadsheet_without_formulas(self, api):
        factories.MailFactory(subject="=1+1", reason="a\nb,c")

        answer = api.list("mail", format="csv")
        text = text_of(answer)
        (row,) = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""))

        assert text.startswith("\ufeff")
        assert (row["subject"], row["reason"]) == ("'=1+1", "a\nb,c")
        assert answer.headers["Content-Disposition"] == 'attachment; filename="mail.csv"'

    def test_has_its_head_alone_without_rows(self, api):
        assert text_of(api.list("delivery-event", format="csv")).count("\r\n") == 1


class TestStreams:
    @pytest.mark.parametrize("kind", ["csv", "jsonl"])
    def test_refuse_in_json_what_pages_refuse(self, api, kind):
        for parameters in ({"odd": "1"}, {"cursor": "x"}, {"ordering": "x"}, {"occurred_after": "x"}):
            answer = api.list("mail", format=kind, **parameters)

            assert answer.status_code == 400
            assert answer["Content-Type"] == "application/json"
            assert json.loads(answer.content)

    @pytest.mark.parametrize("kind", ["csv", "jsonl"])
    def test_read_a_thousand_rows_at_a_time(self, api, monkeypatch, kind):
        read = keyset.read
        monkeypatch.setattr(keyset, "read", lambda *a, **options: read(*a, **{**options, "size": 10}))
        factories.DeliveryEventFactory.create_batch(35)

        sent = statements(lambda: text_of(api.list("delivery-event", format=kind)))

        assert len([sql for sql in sent if "LIMIT 11" in sql]) == 4

    @pytest.mark.parametrize("kind", ["csv", "jsonl"])
    def test_begin_with_the_page_that_a_link_leads_back_to(self, api, kind):
        factories.MailFactory.create_batch(7)
        page = api.page(api.list("mail", page_size=3).json()["next"])
        last = api.page(page["next"])

        back = api.page(last["previous"])
        text = text_of(api.client.get(f"{last['previous']}&format={kind}"))

        lines = text.splitlines()[kind == "csv" :]
        assert len(lines) == 4
        assert back["results"][0]["id"] in lines[0]

    @pytest.mark.parametrize("size", ["0", "201", "x"])
    def test_refuse_a_size_that_pages_refuse(self, api, size):
        assert api.list("mail", format="jsonl", page_size=size).status_code == 400

    def test_leave_details_alone(self, api):
        mail = factories.MailFactory()

        assert api.detail("mail", mail.pk, format="json").json()["id"] == str(mail.pk)
        assert api.detail("mail", mail.pk, format="jsonl").status_code == 404

    @pytest.mark.parametrize("kind", ["csv", "jsonl"])
    def test_read_no_further_page_for_head(self, api, monkeypatch, kind):
        read = keyset.read
        monkeypatch.setattr(keyset, "read", lambda *a, **options: read(*a, **{**options, "size": 10}))
        factories.MailFactory.create_batch(35)

        sent = statements(lambda: list(api.client.head(f"/api/mails/?format={kind}").streaming_content))

        assert len([sql for sql in sent if "LIMIT 11" in sql]) == 1

    def test_are_streams_under_asgi_too(self, api):
        mail = factories.MailFactory()
        client = AsyncClient()
        client.cookies = api.client.cookies

        async def read():
            answer = await client.get("/api/mails/", {"format": "jsonl"})
            return [part async for part in answer.streaming_content]

        (part,) = async_to_sync(read)()

        assert json.loads(part)["id"] == str(mail.pk)


class TestETag:
    def test_tells_that_nothing_changed(self, api):
        event = factories.DeliveryEventFactory()
        url = f"/api/mails/{event.mail.pk}/"
        first = api.client.get(url)

        same = api.client.get(url, headers={"If-None-Match": first.headers["ETag"]})
        factories.DeliveryEventFactory(mail=event.mail, status="deferred")
        changed = api.client.get(url, headers={"If-None-Match": first.headers["ETag"]})

        assert (same.status_code, same.content) == (304, b"")
        assert changed.status_code == 200
        assert changed.headers["ETag"] != first.headers["ETag"]

    def test_is_another_for_another_form(self, api):
        url = f"/api/mails/{factories.MailFactory().pk}/"

        kinds = ("application/json", "application/json; indent=4")
        forms = [api.client.get(url, headers={"Accept": each}) for each in kinds]

        assert len({answer.headers["ETag"] for answer in forms}) == 2

    def test_is_none_of_a_page_for_people(self, api):
        url = f"/api/mails/{factories.MailFactory().pk}/"

        assert "ETag" not in api.client.get(url, headers={"Accept": "text/html"})

    def test_is_on_events_too(self, api):
        event = factories.BounceEventFactory()

        assert api.detail("bounce-event", event.pk).headers["ETag"].startswith('"')


class TestCaches:
    def test_that_are_shared_keep_nothing(self, api):
        mail = factories.MailFactory()

        answers = [api.list("mail"), api.list("mail", format="csv"), api.detail("mail", mail.pk)]
        answers.append(api.client.get("/api/stats/"))

        assert {answer["Cache-Control"] for answer in answers} == {"private, no-cache"}
