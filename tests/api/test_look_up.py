"""POST addresses/look-up/: the verdicts on up to 1,000 addresses."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.utils import timezone

from cmc_webhooks import suppression
from tests.api.conftest import Api, user_with
from tests.helpers import factories

pytestmark = pytest.mark.django_db

URL = "/api/addresses/look-up/"


def post(api, body, content_type="application/json", **headers):
    text = body if isinstance(body, str | bytes) else json.dumps(body)
    return api.client.generic("POST", URL, text, content_type=content_type, **headers)


def results(api, **body):
    answer = post(api, body)
    assert answer.status_code == 200, answer.content
    return answer.json()["results"]


@pytest.fixture
def unsubscribed():
    """A mail of the newsletter, which its recipient unsubscribed from."""
    return factories.MailFactory(
        recipient="hanako@example.jp",
        server_composition="newsletter",
        bounce_code="11",
        status_at=timezone.now() - timedelta(days=1),
        created_at=timezone.now() - timedelta(days=1),
    )


class TestLookUp:
    def test_answers_in_the_order_and_the_spellings_of_the_question(self, api, unsubscribed):
        asked = ["other@example.jp", "Hanako <HANAKO@example.jp>", "hanako@example.jp", "other@example.jp"]

        found = results(api, addresses=asked)

        assert [each["asked"] for each in found] == asked
        assert [each["address"] for each in found] == [
            *("other@example.jp", "hanako@example.jp", "hanako@example.jp", "other@example.jp")
        ]
        assert [each["may_send"] for each in found] == [True, False, False, True]
        assert {each["forbidden_by"] for each in found if not each["may_send"]} == {"unsubscribed"}

    @pytest.mark.parametrize(
        ("question", "may_send", "at_cmc"),
        [
            ({}, False, True),
            ({"composition": None}, False, True),
            ({"composition": ""}, False, True),
            ({"composition": "newsletter"}, False, True),
            ({"composition": "pro"}, True, False),
            ({"transactional": True}, True, True),
            ({"transactional": True, "composition": "pro"}, True, False),
            ({"transactional": False, "composition": "newsletter"}, False, True),
        ],
        ids=str,
    )
    def test_is_about_a_composition_and_a_purpose(self, api, unsubscribed, question, may_send, at_cmc):
        [found] = results(api, addresses=["hanako@example.jp"], **question)

        assert (found["may_send"], found["at_cmc"]) == (may_send, at_cmc)
        assert found["composition"] == ("newsletter" if at_cmc else "")

    def test_gives_all_reasons_with_that_of_the_verdict_first(self, api, unsubscribed):
        suppression.block("hanako@example.jp", note="asked by phone")

        [found] = results(api, addresses=["hanako@example.jp"])

        assert [(each["forbidden_by"], each["composition"]) for each in found["reasons"]] == [
            ("by_hand", ""),
            ("unsubscribed", "newsletter"),
        ]
        assert [each["at_cmc"] for each in found["reasons"]] == [False, True]
        assert found["forbidden_by"] == "by_hand"
        assert "asked by phone" not in str(found)

    @pytest.mark.parametrize(
        "spelling", ["{:x>313}@x.jp", "({:(>230}" + ")" * 231 + "a@x.jp", '"{:"<5}"@x.jp']
    )
    def test_costs_one_statement_for_odd_addresses_too(self, api, django_assert_num_queries, spelling):
        addresses = [spelling.format(number) for number in range(10)]

        with django_assert_num_queries(4 + 1):
            assert len(results(api, addresses=addresses)) == 10

    @pytest.mark.parametrize("number", [1, 1000])
    def test_costs_one_statement(self, api, unsubscribed, django_assert_num_queries, number):
        addresses = ["hanako@example.jp", *(f"user{n}@example.jp" for n in range(number - 1))]

        with django_assert_num_queries(4 + 1):  # session, user, permissions; what is known of all addresses
            found = results(api, addresses=addresses)

        assert [each["may_send"] for each in found] == [False] + [True] * (number - 1)

    def test_is_not_kept_by_caches_that_are_shared(self, api):
        assert "private" in post(api, {"addresses": ["a@x.jp"]})["Cache-Control"]


class TestRefusals:
    @pytest.mark.parametrize(
        ("body", "name"),
        [
            ({}, "addresses"),
            ({"addresses": []}, "addresses"),
            ({"addresses": "hanako@example.jp"}, "addresses"),
            ({"addresses": {"a": "b"}}, "addresses"),
            ({"addresses": None}, "addresses"),
            ({"addresses": [""]}, "addresses"),
            ({"addresses": [None]}, "addresses"),
            ({"addresses": [["a@x.jp"]]}, "addresses"),
            ({"addresses": ["a\0@x.jp"]}, "addresses"),
            ({"addresses": ["a\ud800@x.jp"]}, "addresses"),
            ({"addresses": ["x" * 501]}, "addresses"),
            ({"addresses": ["x" * 321]}, "addresses"),
            ({"addresses": ["a@x.jp"] * 1001}, "addresses"),
            ({"addresses": ["a@x.jp"], "composition": "x" * 256}, "composition"),
            ({"addresses": ["a@x.jp"], "composition": "a\0"}, "composition"),
            ({"addresses": ["a@x.jp"], "transactional": "perhaps"}, "transactional"),
            ({"addresses": ["a@x.jp"], "transactional": None}, "transactional"),
            ({"addresses": ["a@x.jp"], "compositions": "pro"}, "detail"),
            ({"addresses": ["a@x.jp"], "\ud800": "pro"}, "detail"),
            ([], "non_field_errors"),
            ('"text"', "non_field_errors"),
            ("", "detail"),
            ("{", "detail"),
            (b"\xff", "detail"),
            ("[" * 100_000, "detail"),
            ('{"addresses": [' + "[" * 50 + "]" * 50 + "]}", "detail"),
            ('{"addresses": ["a@x.jp"], "addresses": ["b@x.jp"]}', "detail"),
            ('{"addresses": [NaN]}', "detail"),
            ('{"addresses": [' + "1" * 5000 + "]}", "detail"),
        ],
        ids=lambda value: str(value)[:40].encode("ascii", "replace").decode(),
    )
    def test_name_what_is_wrong(self, api, body, name):
        answer = post(api, body)

        assert (answer.status_code, answer["Content-Type"]) == (400, "application/json")
        if body != "":
            assert list(answer.json()) == [name]

    def test_name_the_item_that_is_wrong(self, api):
        answer = post(api, {"addresses": ["a@x.jp", "", "b@x.jp"]})

        assert answer.json() == {"addresses": {"1": ["This field may not be blank."]}}

    @pytest.mark.parametrize(
        "kind", ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"]
    )
    def test_of_bodies_that_are_not_json(self, api, kind):
        answer = post(api, "addresses=a%40x.jp", f"{kind}; boundary=x")

        assert answer.status_code == 415

    def test_of_bodies_that_are_too_large(self, api, settings):
        settings.CMC_WEBHOOKS_MAX_BODY = 100
        small, large = ({"addresses": [f"{'x' * length}@x.jp"]} for length in (10, 90))

        assert post(api, small).status_code == 200
        answer = post(api, large)
        assert (answer.status_code, answer.json()) == (
            413,
            {"detail": "The body is larger than 100 bytes."},
        )

    def test_of_bodies_larger_than_django_takes(self, api, settings):
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100

        assert post(api, {"addresses": ["x" * 90]}).status_code == 413

    @pytest.mark.parametrize("query", ["?composition=pro", "?addresses=a@x.jp", "?format=json&format=json"])
    def test_of_parameters(self, api, query):
        answer = api.client.post(URL + query, {"addresses": ["a@x.jp"]}, content_type="application/json")

        assert answer.status_code == 400

    def test_of_formats_that_are_streamed(self, api):
        for kind in ("text/csv", "application/x-ndjson"):
            assert post(api, {"addresses": ["a@x.jp"]}, headers={"Accept": kind}).status_code == 406

    def test_by_a_throttle_of_the_project(self, api, monkeypatch):
        from rest_framework.throttling import UserRateThrottle
        from rest_framework.views import APIView

        monkeypatch.setattr(UserRateThrottle, "rate", "2/min", raising=False)
        monkeypatch.setattr(APIView, "throttle_classes", [UserRateThrottle])
        cache.clear()

        codes = [post(api, {"addresses": ["a@x.jp"]}).status_code for _ in range(3)]

        assert codes == [200, 200, 429]


class TestPermissions:
    def test_are_those_of_mails(self):
        others = ("view_suppression", "add_suppression", "change_mail", "add_mail", "view_bounceevent")
        strangers = [Api(), Api(user_with()), Api(user_with(is_staff=True)), Api(user_with(*others))]
        readers = [Api(user_with("view_mail")), Api(User.objects.create_superuser("root"))]

        assert [post(api, {"addresses": ["a@x.jp"]}).status_code for api in strangers] == [403] * 4
        assert [post(api, {"addresses": ["a@x.jp"]}).status_code for api in readers] == [200] * 2

    def test_are_asked_for_before_the_body_is_read(self):
        assert [post(Api(user_with()), body).status_code for body in ("{", "[" * 100_000)] == [403] * 2

    @pytest.mark.parametrize("method", ["get", "head", "put", "patch", "delete"])
    def test_leave_no_other_method(self, api, method):
        assert getattr(api.client, method)(URL).status_code == 405

    def test_of_the_project_take_their_place(self, settings):
        settings.CMC_WEBHOOKS_API_PERMISSIONS = ["tests.api.test_permissions.Nobody"]
        chosen = Api(User.objects.create_user("chosen"))

        assert post(chosen, {"addresses": ["a@x.jp"]}).status_code == 200
        assert post(Api(User.objects.create_superuser("root")), {"addresses": ["a@x.jp"]}).status_code == 403
