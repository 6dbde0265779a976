from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse
from django.utils import timezone

from cmc_webhooks import suppression
from tests.api.conftest import Api, user_with
from tests.conftest import bounce
from tests.helpers import factories
from tests.helpers.ids import ordered

pytestmark = pytest.mark.django_db


def url(address):
    return reverse("cmc_webhooks_api:address-detail", args=[address])


@pytest.fixture
def bounced():
    """Two mails to an address that does not exist, the later one yesterday."""
    yesterday = timezone.now() - timedelta(days=1)
    factories.MailFactory(recipient="User@Example.jp", delivery_status="succeeded")
    return factories.MailFactory(
        recipient="user@example.jp", bounce_code="2", status_at=yesterday, created_at=yesterday
    )


class TestAddresses:
    @pytest.mark.parametrize("spelling", ["user@example.jp", "USER@EXAMPLE.JP", "User <user@example.jp>"])
    def test_tell_whether_one_may_send_and_why_not(self, api, bounced, spelling):
        answer = api.client.get(url(spelling)).json()

        assert answer["address"] == "user@example.jp"
        assert (answer["may_send"], answer["forbidden_by"]) == (False, "hard")
        assert answer["forbidden_since"] == bounced.status_at.isoformat().replace("+00:00", "Z")
        assert answer["bounces"] == [{"bounce_class": "hard", "mails": 1}]
        assert [mail["status"] for mail in answer["latest"]] == ["bounced", "succeeded"]

    @pytest.mark.parametrize("address", ["a/b@example.jp", "ünï@例え.jp", "x+y@example.jp", "none"])
    def test_allow_what_was_never_written_to(self, api, address):
        answer = api.client.get(url(address))

        assert answer.status_code == 200
        assert answer.json() == {
            "address": address,
            "may_send": True,
            "forbidden_by": "",
            "forbidden_since": None,
            "forbidden_until": None,
            "composition": "",
            "at_cmc": False,
            "reasons": [],
            "cmc_entries": [],
            "bounces": [],
            "latest": [],
        }

    def test_tell_until_when_one_may_not_send(self, api):
        until = timezone.now().replace(microsecond=0) + timedelta(days=3)
        suppression.block("user@example.jp", until=until)

        answer = api.client.get(url("user@example.jp")).json()

        assert (answer["may_send"], answer["forbidden_by"]) == (False, "by_hand")
        assert answer["forbidden_until"] == until.isoformat().replace("+00:00", "Z")

    def test_tell_times_alike_where_they_are_naive(self, api, settings, open_hook):
        settings.USE_TZ, settings.TIME_ZONE = False, "Asia/Tokyo"
        moment = datetime.now(ZoneInfo("Asia/Tokyo")) - timedelta(days=1)
        event = bounce(to="user@example.jp", created=f"{moment:%Y-%m-%d %H:%M:%S}")
        open_hook.send("bounces", event, api_key=None)

        answer = api.client.get(url("user@example.jp")).json()

        assert answer["forbidden_since"] == answer["latest"][0]["status_at"] == f"{moment:%Y-%m-%dT%H:%M:%S}"

    @pytest.mark.parametrize("address", ["%20", "%0A"])
    def test_are_none_without_letters(self, api, address):
        answer = api.client.get(f"/api/addresses/{address}/")

        assert (answer.status_code, answer["Content-Type"]) == (404, "application/json")

    def test_may_hold_a_line_break(self, api):
        assert api.client.get("/api/addresses/a%0Ab/").json()["may_send"] is True

    def test_cost_three_statements_however_many_mails(self, api, bounced, django_assert_num_queries):
        factories.MailFactory.create_batch(30, recipient="user@example.jp")

        with django_assert_num_queries(4 + 3):  # session, user, permissions; ends, what was told, latest
            answer = api.client.get(url("user@example.jp"))

        assert len(answer.json()["latest"]) == 20

    @pytest.mark.parametrize(
        "parameters",
        [
            {"status": "queued"},
            {"transactional": "perhaps"},
            {"composition": "x" * 256},
            {"composition": "a\0"},
            {"composition": ["pro", "pro"]},
        ],
        ids=str,
    )
    def test_refuse_parameters(self, api, parameters):
        answer = api.client.get(url("user@example.jp"), parameters)

        assert answer.status_code == 400
        assert next(iter(parameters)) in answer.content.decode()

    @pytest.mark.parametrize("code", ["10", "11"])
    @pytest.mark.parametrize(
        ("question", "forbidden"),
        [
            ({}, {"10", "11"}),
            ({"composition": ""}, {"10", "11"}),
            ({"composition": "newsletter"}, {"10", "11"}),
            ({"composition": "newsletter", "transactional": "true"}, {"10"}),
            ({"transactional": "true"}, {"10"}),
            ({"transactional": ""}, {"10", "11"}),
            ({"composition": "pro"}, set()),
            ({"composition": "pro", "transactional": "false"}, set()),
        ],
        ids=ordered,
    )
    def test_are_asked_about_for_a_composition_and_a_purpose(self, api, code, question, forbidden):
        yesterday = timezone.now() - timedelta(days=1)
        values = {"status_at": yesterday, "created_at": yesterday, "bounce_code": code}
        factories.MailFactory(recipient="a@x.jp", server_composition="newsletter", **values)

        answer = api.client.get(url("a@x.jp"), question).json()

        assert answer["may_send"] is (code not in forbidden)
        assert answer["at_cmc"] is (question.get("composition") != "pro")
        assert [each["composition"] for each in answer["cmc_entries"]] == ["newsletter"]
        assert answer["forbidden_by"] == (
            {"10": "blocked", "11": "unsubscribed"}[code] if code in forbidden else ""
        )

    def test_count_soft_bounces_in_a_row(self, api):
        for days in (9, 6, 3):
            at = timezone.now() - timedelta(days=days)
            factories.MailFactory(recipient="a@x.jp", bounce_code="5", status_at=at, created_at=at)

        answer = api.client.get(url("a@x.jp")).json()

        assert [(each["forbidden_by"], each["number"]) for each in answer["reasons"]] == [("soft", 3)]

    def test_say_what_cmc_refuses_after_a_release(self, api):
        yesterday = timezone.now() - timedelta(days=1)
        values = {"status_at": yesterday, "created_at": yesterday, "bounce_code": "10"}
        factories.MailFactory(recipient="held@example.jp", server_composition="pro", **values)
        suppression.release("held@example.jp")

        answer = api.client.get(url("held@example.jp")).json()

        assert (answer["may_send"], answer["at_cmc"], answer["composition"]) == (True, True, "pro")
        assert [each["forbidden_by"] for each in answer["cmc_entries"]] == ["blocked"]

    def test_show_decisions_to_those_who_may_view_them(self, api):
        suppression.block("a@x.jp", note="asked by phone", author="17")
        may = Api(user_with("view_mail", "view_suppression"))

        [decision] = may.client.get(url("A@X.jp")).json()["decisions"]
        others = api.client.get(url("a@x.jp")).json()

        assert (decision["kind"], decision["note"], decision["author"]) == ("blocked", "asked by phone", "17")
        assert "decisions" not in others
        assert "asked by phone" not in str(others)

    def test_have_an_etag(self, api, bounced):
        first = api.client.get(url("user@example.jp"))

        again = api.client.get(url("user@example.jp"), headers={"If-None-Match": first["ETag"]})

        assert again.status_code == 304
