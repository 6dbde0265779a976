from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse
from django.utils import timezone

from cmc_webhooks import suppression
from tests import factories
from tests.conftest import bounce

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

    def test_refuse_parameters(self, api):
        answer = api.client.get(url("user@example.jp"), {"status": "queued"})

        assert answer.status_code == 400
        assert "status" in answer.content.decode()

    def test_have_an_etag(self, api, bounced):
        first = api.client.get(url("user@example.jp"))

        again = api.client.get(url("user@example.jp"), headers={"If-None-Match": first["ETag"]})

        assert again.status_code == 304
