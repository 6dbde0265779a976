from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from rest_framework.throttling import UserRateThrottle
from rest_framework.views import APIView

from cmc_webhooks import models
from tests.api.conftest import LISTS, Api, user_with
from tests.conftest import CASES, bounce, delivery
from tests.helpers import factories

pytestmark = pytest.mark.django_db

FACTORIES = {
    "mail": factories.MailFactory,
    "delivery-event": factories.DeliveryEventFactory,
    "bounce-event": factories.BounceEventFactory,
}


class TwoAMinute(UserRateThrottle):
    rate = "2/min"


@pytest.fixture
def refused(open_hook):
    """A refused mail, told as failed and as a bounce."""
    failed = delivery(
        status="failed", created="2023-01-25 14:06:06", senderIp="100.100.100.3", reason="550 no"
    )
    open_hook.send("bounces", bounce(newKey=1), api_key=None)
    open_hook.send("deliveries", failed, api_key=None)
    return models.Mail.objects.get()


def cost(work):
    with CaptureQueriesContext(connection) as captured:
        work()
    return [query["sql"] for query in captured.captured_queries]


class TestMailViewSet:
    def test_shows_a_mail_and_where_it_stands(self, api, refused):
        [mail] = api.list("mail").json()["results"]

        assert mail["id"] == str(refused.pk)
        assert (mail["message_id"], mail["recipient"]) == ("<m1@example.com>", "user@example.jp")
        assert (mail["status"], mail["previous_status"], mail["version"]) == ("bounced", "", 1)
        assert (mail["delivery_status"], mail["bounce_code"], mail["bounce_class"]) == ("failed", "2", "hard")
        assert (mail["status_at"], mail["reason"]) == ("2023-01-25T05:06:07Z", "550 5.1.1 user unknown")
        assert (mail["first_event_at"], mail["last_event_at"]) == (
            "2023-01-25T05:06:06Z",
            "2023-01-25T05:06:07Z",
        )
        assert "timeline" not in mail

    def test_has_the_time_line_of_one_mail_oldest_first(self, api, refused):
        mail = api.detail("mail", refused.pk).json()

        told = [
            (event["kind"], event["status"], event["bounce_code"], event["sender_ip"])
            for event in mail["timeline"]
        ]
        assert told == [("delivery", "failed", "", "100.100.100.3"), ("bounce", "bounced", "2", "")]
        assert [event["bounce_class"] for event in mail["timeline"]] == ["", "hard"]
        assert mail["timeline"][1]["extra"] == {"newKey": "1"}

    def test_has_no_bounce_class_without_a_bounce(self, api):
        mail = factories.MailFactory()

        assert api.detail("mail", mail.pk).json()["bounce_class"] == ""

    def test_costs_the_same_for_any_time_line(self, api, refused):
        few = cost(lambda: api.detail("mail", refused.pk))
        factories.DeliveryEventFactory.create_batch(20, mail=refused)

        assert len(cost(lambda: api.detail("mail", refused.pk))) == len(few)
        assert sum("cmc_webhooks_" in sql and "auth_" not in sql for sql in few) == 3


class TestEventViewSets:
    def test_show_a_delivery_with_its_mail(self, api, refused):
        [event] = api.list("delivery-event").json()["results"]

        stored = models.DeliveryEvent.objects.get()
        assert event == {
            "id": str(stored.pk),
            "mail": str(refused.pk),
            "message_id": "<m1@example.com>",
            "recipient": "user@example.jp",
            "subject": refused.subject,
            "api_data": "",
            "server_composition": "pro",
            "occurred_at": "2023-01-25T05:06:06Z",
            "received_at": event["received_at"],
            "status": "failed",
            "reason": "550 no",
            "source_ip": "",
            "sender_ip": "100.100.100.3",
            "extra": {},
        }
        assert api.detail("delivery-event", stored.pk).json() == event

    def test_show_a_bounce_with_its_class(self, api, refused):
        [event] = api.list("bounce-event").json()["results"]

        assert (event["bounce_code"], event["bounce_class"], event["mail"]) == ("2", "hard", str(refused.pk))
        assert event["extra"] == {"newKey": "1"}
        assert api.detail("bounce-event", event["id"]).json() == event

    @pytest.mark.parametrize("name", ["delivery-event", "bounce-event"])
    @pytest.mark.parametrize("output", ["json", "csv"])
    def test_show_the_mails_texts_to_those_who_may_view_mails(self, refused, name, output):
        model = name.replace("-", "")
        for permissions, is_shown in (((), False), (("view_mail",), True)):
            answer = Api(user_with(f"view_{model}", *permissions)).list(name, format=output)

            text = (b"".join(answer) if answer.streaming else answer.content).decode()
            assert (refused.subject in text) is is_shown
            assert ("api_data" in text) is is_shown
            assert "server_composition" in text

    def test_name_no_cut_text_that_is_not_shown(self, api):
        factories.DeliveryEventFactory(mail=factories.MailFactory(subject="x" * 10_001))

        [hidden] = Api(user_with("view_deliveryevent")).list("delivery-event").json()["results"]
        [shown] = Api(user_with("view_deliveryevent", "view_mail")).list("delivery-event").json()["results"]

        assert "truncated" not in hidden
        assert shown["truncated"] == ["subject"]


class TestEtagOfLists:
    @pytest.mark.parametrize("name", LISTS)
    def test_is_the_same_until_a_row_changes(self, api, refused, name):
        first = api.list(name)

        again = api.client.get(first.wsgi_request.get_full_path(), HTTP_IF_NONE_MATCH=first["ETag"])
        FACTORIES[name]()
        later = api.client.get(first.wsgi_request.get_full_path(), HTTP_IF_NONE_MATCH=first["ETag"])

        assert (again.status_code, again.content) == (304, b"")
        assert again["ETag"] == first["ETag"] != later["ETag"]
        assert len(later.json()["results"]) == len(first.json()["results"]) + 1

    def test_is_not_that_of_a_download_or_an_html_page(self, api, refused):
        assert "ETag" not in api.list("mail", format="csv")
        assert "ETag" not in api.list("mail", format="api")


class TestOddEvents:
    @pytest.mark.parametrize("case", ["C02", "C05", "C09", "C13", "C32"])
    def test_are_shown_like_all_others(self, api, open_hook, case):
        open_hook.file(CASES / f"{case}.json")

        pages = [api.list(name) for name in LISTS]

        assert {page.status_code for page in pages} == {200}
        assert len(pages[0].json()["results"]) == models.Mail.objects.count() > 0


@pytest.mark.parametrize("name", LISTS)
class TestAll:
    def test_cost_as_much_for_100_rows_as_for_10(self, api, name):
        FACTORIES[name].create_batch(10)
        few = cost(lambda: api.list(name))
        FACTORIES[name].create_batch(90)

        many = cost(lambda: api.list(name, page_size=100))

        assert len(many) == len(few)
        assert sum("cmc_webhooks_" in sql and "auth_" not in sql for sql in many) == 1

    @pytest.mark.parametrize("key", ["abc", "1", "00000000-0000-0000-0000-000000000000", "\0", "x" * 3000])
    def test_answer_404_for_a_key_that_is_none(self, api, name, key):
        FACTORIES[name]()

        assert api.detail(name, key).status_code == 404

    def test_refuse_unknown_parameters_and_name_them(self, api, name):
        row = FACTORIES[name]()

        for answer in (api.list(name, statuss="queued"), api.detail(name, row.pk, status="queued")):
            assert answer.status_code == 400
            assert "Unknown parameter 'status" in answer.json()["detail"]

    def test_refuse_a_parameter_given_twice(self, api, name):
        FACTORIES[name]()

        answer = api.client.get(reverse(f"cmc_webhooks_api:{name}-list") + "?message_id=a&message_id=b")

        assert answer.status_code == 400

    @pytest.mark.parametrize("charset", ["utf-7", "utf-16", "unicode_escape"])
    @pytest.mark.parametrize("text", ["a", "\\ud800", "%5Cud800", "+2AA-"])
    def test_read_a_query_as_utf8_whatever_charset_is_declared(self, api, name, charset, text):
        path = f"{reverse(f'cmc_webhooks_api:{name}-list')}?api_data={text}&page_size=1"

        answer = api.client.get(path, CONTENT_TYPE=f"text/plain; charset={charset}")

        assert answer.status_code == 200
        assert answer.json()["results"] == []

    def test_follow_the_throttles_of_the_project(self, api, monkeypatch, name):
        monkeypatch.setattr(APIView, "throttle_classes", [TwoAMinute])
        cache.clear()

        statuses = [
            api.client.get(
                reverse(f"cmc_webhooks_api:{name}-list"), headers={"X-Forwarded-For": f"192.0.2.{n}"}
            ).status_code
            for n in range(3)
        ]

        assert statuses == [200, 200, 429]

    def test_show_pages_to_people_and_escape_markup(self, api, open_hook, name):
        open_hook.file(CASES / "C52.json")
        open_hook.send(
            "deliveries", delivery("<x@y>", reason="<img src=x>", subject="<script>alert(1)"), api_key=None
        )
        row = FACTORIES[name]._meta.model.objects.first()

        for path in (
            reverse(f"cmc_webhooks_api:{name}-list"),
            reverse(f"cmc_webhooks_api:{name}-detail", args=[row.pk]),
            reverse("cmc_webhooks_api:api-root"),
        ):
            page = api.client.get(path, headers={"accept": "text/html"})
            assert page.status_code == 200
            assert page.headers["Content-Type"].startswith("text/html")
            for raw in (b"<script>alert", b"<img src=x", b"<svg/onload", b"<b>x</b>"):
                assert raw not in page.content

    @pytest.mark.parametrize("key", ["x", "0.5", "a%2Fb", "%0A", "x%0Ay", "%00"])
    def test_say_in_json_that_there_is_no_such_row(self, api, name, key):
        path = reverse(f"cmc_webhooks_api:{name}-list") + f"{key}/"

        answer = api.client.get(path)

        assert (answer.status_code, answer["Content-Type"]) == (404, "application/json")

    def test_read_from_the_database_that_is_written_to(self, api, name):
        row = FACTORIES[name]()
        type(row).objects.filter(pk=row.pk).update(reason="now")

        assert api.detail(name, row.pk).json()["reason"] == "now"

    def test_work_where_times_are_naive(self, api, settings, name):
        settings.USE_TZ = False
        start = factories.START.replace(tzinfo=None)
        times = {"created_at": start} if name == "mail" else {"occurred_at": start, "mail__created_at": start}
        if name != "mail":
            times["notification__received_at"] = start
        row = FACTORIES[name](**times)

        answer = api.list(name, occurred_after="2023-01-25", occurred_before=str(start + timedelta(days=1)))

        assert [each["id"] for each in answer.json()["results"]] == [str(row.pk)]
