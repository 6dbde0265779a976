"""suppressions/: all that may not be sent to; blocks, releases, forgetting and lifts."""

from __future__ import annotations

import base64
import csv
import io
import json
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.utils import timezone, translation

from cmc_webhooks import audit, models, signals, suppression
from cmc_webhooks.suppression import lists
from tests.admin.conftest import statements
from tests.api.conftest import Api, user_with
from tests.helpers.ids import ordered
from tests.helpers.suppressed import bounced, one_for_each_reason

pytestmark = pytest.mark.django_db

URL = "/api/suppressions/"
ADDRESS = "hanako@example.jp"
YESTERDAY = timedelta(days=1)


def post(api, path="", **body):
    return api.client.post(URL + path, json.dumps(body), content_type="application/json")


def listed(api, **parameters):
    answer = api.client.get(URL, parameters)
    assert answer.status_code == 200, answer.content
    return answer.json()


def addresses(api, **parameters):
    return [row["address"] for row in listed(api, **parameters)["results"]]


def text_of(answer):
    assert answer.status_code == 200, answer.content
    return b"".join(answer.streaming_content).decode()


@pytest.fixture
def viewer():
    return Api(user_with("view_suppression"))


@pytest.fixture
def clerk():
    """One who may add decisions, and change none."""
    return Api(user_with("add_suppression"))


@pytest.fixture
def chief():
    """One who may do everything with decisions."""
    verbs = ("view", "add", "change", "delete", "lift")
    return Api(user_with(*(f"{verb}_suppression" for verb in verbs)))


@pytest.fixture
def everyone():
    one_for_each_reason()
    suppression.block("hard@x.jp")


class TestTheList:
    def test_has_all_that_may_not_be_sent_to(self, viewer, everyone):
        rows = {row["address"]: row for row in listed(viewer)["results"]}

        assert {address: row["forbidden_by"] for address, row in rows.items()} == {
            "hard@x.jp": "by_hand",
            "held@x.jp": "blocked",
            "reader@x.jp": "unsubscribed",
            "full@y.jp": "soft",
            "by-hand@y.jp": "by_hand",
        }
        assert [each["forbidden_by"] for each in rows["hard@x.jp"]["reasons"]] == ["by_hand", "hard"]
        assert rows["reader@x.jp"]["composition"] == "newsletter"
        assert rows["held@x.jp"]["at_cmc"] is True
        assert not any(row["may_send"] for row in rows.values())

    @pytest.mark.parametrize(
        ("parameters", "expected"),
        [
            ({"reason": "hard"}, {"hard@x.jp"}),
            ({"reason": "by_hand"}, {"hard@x.jp", "by-hand@y.jp"}),
            ({"reason": "blocked"}, {"held@x.jp"}),
            ({"reason": "unsubscribed"}, {"reader@x.jp"}),
            ({"reason": "soft"}, {"full@y.jp"}),
            ({"composition": "newsletter"}, {"hard@x.jp", "reader@x.jp", "full@y.jp"}),
            ({"composition": "pro"}, {"hard@x.jp", "held@x.jp", "full@y.jp", "by-hand@y.jp"}),
            ({"composition": "pro", "transactional": "true"}, {"hard@x.jp", "held@x.jp", "by-hand@y.jp"}),
            ({"domain": "y.jp"}, {"full@y.jp", "by-hand@y.jp"}),
            ({"domain": "@Y.JP", "reason": "soft"}, {"full@y.jp"}),
            ({"domain": "jp"}, set()),
            ({"reason": "", "composition": "", "domain": ""},
             {"hard@x.jp", "held@x.jp", "reader@x.jp", "full@y.jp", "by-hand@y.jp"}),
        ],
        ids=ordered,
    )  # fmt: skip
    def test_is_filtered(self, viewer, everyone, parameters, expected):
        assert set(addresses(viewer, **parameters)) == expected

    @pytest.mark.parametrize("size", [1, 2, 3])
    def test_has_pages(self, viewer, everyone, size):
        whole, url, found = addresses(viewer), f"{URL}?page_size={size}", []

        for _ in range(20):
            page = viewer.page(url)
            found += [row["address"] for row in page["results"]]
            assert len(page["results"]) <= size
            url = page["next"]
            if url is None:
                break

        assert (found, url) == (whole, None)

    def test_goes_on_where_a_page_has_none(self, viewer, monkeypatch):
        monkeypatch.setattr(lists, "LOOKED_AT", 3)
        for number in range(5):
            suppression.release(f"a{number}@x.jp")
        suppression.block("z@x.jp")

        page, found = listed(viewer), []
        pages = [page]
        while page["next"]:
            page = viewer.page(page["next"])
            pages.append(page)
            found += [row["address"] for row in page["results"]]

        assert pages[0]["results"] == []
        assert found == ["z@x.jp"]

    @pytest.mark.parametrize("kind", ["csv", "jsonl"])
    @pytest.mark.parametrize("looked_at", [2, 2000])
    def test_is_downloaded_whole(self, viewer, everyone, monkeypatch, kind, looked_at):
        monkeypatch.setattr(lists, "LOOKED_AT", looked_at)
        expected = sorted(addresses(viewer, composition="pro", page_size=200)) if looked_at > 2 else None

        answer = viewer.client.get(URL, {"format": kind, "composition": "pro", "page_size": 1})
        text = text_of(answer)

        if kind == "csv":
            rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
        else:
            rows = [json.loads(line) for line in text.splitlines()]
        found = sorted(row["address"] for row in rows)
        assert found == ["by-hand@y.jp", "full@y.jp", "hard@x.jp", "held@x.jp"]
        assert expected in (None, found)
        assert answer.headers["Content-Disposition"] == f'attachment; filename="suppression.{kind}"'

    def test_is_downloaded_from_a_cursor_on(self, viewer, everyone):
        page = listed(viewer, page_size=2)

        rest = text_of(viewer.client.get(page["next"] + "&format=jsonl")).splitlines()

        first = [row["address"] for row in page["results"]]
        assert [json.loads(line)["address"] for line in rest] == addresses(viewer)[len(first) :]

    def test_leaves_a_trace_when_it_is_downloaded(self, viewer, everyone):
        text_of(viewer.client.get(URL, {"format": "csv", "reason": "hard"}))

        row = models.Trail.objects.get(what="exported")
        assert (row.via, row.rows) == ("api", 1)
        assert row.details == {"list": "suppression", "format": "csv", "filters": ["format", "reason"]}

    def test_reads_one_page_for_head(self, viewer, everyone, monkeypatch):
        calls = []
        read = suppression.listing
        monkeypatch.setattr(suppression, "listing", lambda **asked: calls.append(asked) or read(**asked))

        answer = viewer.client.head(f"{URL}?format=csv")

        assert (b"".join(answer.streaming_content), len(calls)) == (b"", 1)
        assert not models.Trail.objects.filter(what="exported").exists()

    def test_costs_as_many_statements_for_many_as_for_few(self, viewer):
        counts = []
        for number in (2, 40):
            for each in range(number):
                suppression.block(f"user{each}@x.jp")
            counts.append(len(statements(lambda: listed(viewer, page_size=100))))

        assert counts[0] == counts[1]
        assert (
            counts[0] <= 4 + 8
        )  # session, user, permissions; three sources, and what is known of their addresses

    @pytest.mark.parametrize(
        "parameters",
        [
            {"reason": "suppressed"},
            {"reason": "hard,soft"},
            {"composition": "x" * 256},
            {"composition": "a\0"},
            {"domain": "x" * 300},
            {"domain": "a\0"},
            {"transactional": "perhaps"},
            {"page_size": "0"},
            {"page_size": "201"},
            {"cursor": "x"},
            {"cursor": base64.urlsafe_b64encode(b"9x").decode()},
            {"cursor": base64.urlsafe_b64encode(b"0a\0b").decode()},
            {"cursor": base64.urlsafe_b64encode("²a".encode()).decode()},
            {"status": "bounced"},
            {"ordering": "address"},
            {"reason": ["hard", "hard"]},
        ],
        ids=str,
    )
    @pytest.mark.parametrize("kind", ["", "csv", "jsonl"])
    def test_refuses_what_it_does_not_know(self, viewer, parameters, kind):
        answer = viewer.client.get(URL, {**parameters, "format": kind} if kind else parameters)

        assert (answer.status_code, answer["Content-Type"]) == (400, "application/json")
        assert next(iter(parameters)) in answer.content.decode()

    def test_has_a_page_for_people(self, chief, everyone):
        page = chief.client.get(URL, headers={"Accept": "text/html"})

        assert page.status_code == 200
        assert "held@x.jp" in page.content.decode()


class TestDeciding:
    @pytest.mark.parametrize("spelling", [ADDRESS, "Hanako <HANAKO@example.jp>", '"hanako"@example.jp'])
    def test_blocks_an_address(self, clerk, spelling):
        answer = post(clerk, address=spelling, kind="blocked", note="asked by phone")

        assert answer.status_code == 201
        body, row = answer.json(), models.Suppression.objects.get()
        assert (row.address, row.kind, row.note, row.until) == (ADDRESS, "blocked", "asked by phone", None)
        user = User.objects.get(pk=clerk.client.session["_auth_user_id"])
        assert row.author == body["decision"]["author"] == str(user.pk)
        assert body["now"]["address"] == ADDRESS
        assert (body["now"]["may_send"], body["now"]["forbidden_by"]) == (False, "by_hand")
        assert (body["replaced"], body["cmc_entries"]) == (None, [])
        assert not suppression.may_send(ADDRESS, composition="pro", transactional=True)

    def test_blocks_for_one_composition_and_until_a_time(self, clerk):
        until = (timezone.now() + timedelta(days=3)).replace(microsecond=0)

        answer = post(
            clerk, address=ADDRESS, kind="blocked", composition="newsletter", until=until.isoformat()
        ).json()

        assert answer["decision"]["composition"] == answer["now"]["composition"] == "newsletter"
        assert datetime.fromisoformat(answer["decision"]["until"]) == until
        assert not suppression.may_send(ADDRESS, composition="newsletter")
        assert suppression.may_send(ADDRESS, composition="pro")

    def test_releases_an_address_and_says_what_cmc_still_refuses(self, clerk):
        bounced(ADDRESS, "10", "pro")

        answer = post(clerk, address=ADDRESS, kind="released").json()

        assert (answer["now"]["may_send"], answer["now"]["at_cmc"]) == (True, True)
        assert [(each["forbidden_by"], each["composition"]) for each in answer["cmc_entries"]] == [
            ("blocked", "pro")
        ]

    def test_says_what_holds_although_it_was_released(self, clerk, chief):
        suppression.block(ADDRESS, author="1")

        answer = post(clerk, address=ADDRESS, kind="released", composition="pro").json()

        assert (answer["now"]["may_send"], answer["now"]["forbidden_by"]) == (False, "by_hand")

    def test_leaves_a_trace_and_sends_a_signal(self, clerk, django_capture_on_commit_callbacks, receiver):
        sent = []
        receiver(signals.suppression_changed, lambda **values: sent.append(values))

        with django_capture_on_commit_callbacks(execute=True):
            post(clerk, address=ADDRESS, kind="blocked", composition="pro", note="ticket 17")

        row, [call] = models.Trail.objects.get(), sent
        assert (row.what, row.via, row.who) == ("blocked", "api", models.Suppression.objects.get().author)
        assert row.address_hash == audit.address_hash(ADDRESS)
        assert (call["action"], call["address"], call["composition"]) == ("blocked", ADDRESS, "pro")

    @pytest.mark.parametrize("kind", ["blocked", "released"])
    @pytest.mark.parametrize("before", ["blocked", "released"])
    def test_with_add_alone_replaces_nothing(self, clerk, kind, before):
        decide = suppression.block if before == "blocked" else suppression.release
        decide(ADDRESS, note="hers", author="another")

        answer = post(clerk, address=f"X <{ADDRESS}>", kind=kind, replace=True, note="his")

        assert answer.status_code == 403
        assert answer.json()["detail"] == (
            "There is a decision about this address already; changing it takes the permission to change."
        )
        row = models.Suppression.objects.get()
        assert (row.kind, row.note, row.author) == (before, "hers", "another")

    def test_with_add_alone_decides_for_another_composition(self, clerk):
        suppression.block(ADDRESS, author="another")

        assert post(clerk, address=ADDRESS, kind="blocked", composition="pro").status_code == 201
        assert models.Suppression.objects.count() == 2

    def test_asks_before_it_replaces_another_persons(self, chief):
        suppression.block(ADDRESS, note="hers", author="another")

        asked = post(chief, address=ADDRESS, kind="released")
        assert asked.status_code == 409
        assert "hers" in asked.json()["detail"]
        assert models.Suppression.objects.get().kind == "blocked"

        done = post(chief, address=ADDRESS, kind="released", replace=True)
        assert done.status_code == 201
        before = done.json()["replaced"]
        assert (before["kind"], before["note"], before["author"]) == ("blocked", "hers", "another")
        assert models.Trail.objects.get(what="released").details["before"]["author"] == "another"

    def test_replaces_ones_own_without_a_question(self, chief):
        assert post(chief, address=ADDRESS, kind="blocked", note="first").json()["replaced"] is None

        again = post(chief, address=ADDRESS, kind="blocked", note="second")

        assert (again.status_code, again.json()["replaced"]["note"]) == (201, "first")

    @pytest.mark.parametrize(
        ("values", "field", "text"),
        [
            ({"kind": "released", "until": "2099-12-24T00:00:00Z"}, "until",
             "A release has no end: leave this empty."),
            ({"until": "2020-01-01T00:00:00Z"}, "until", "This date has passed."),
            ({"until": "2020-01-01"}, "until", "This date has passed."),
            ({"until": "0001-01-01T00:00:00"}, "until", "This date has passed."),
            ({"until": "0001-01-01T00:00:00+14:00"}, "until", ""),
            ({"until": "tomorrow"}, "until", ""),
            ({"until": ""}, "until", ""),
            ({"until": 5}, "until", ""),
            ({"until": ["2099-12-24"]}, "until", ""),
            ({"kind": "kept"}, "kind", ""),
            ({"kind": "lifted"}, "kind", ""),
            ({"kind": None}, "kind", ""),
            ({"address": "hanako"}, "address", "Enter an e-mail address."),
            ({"address": "@example.jp"}, "address", "Enter an e-mail address."),
            ({"address": "hanako@"}, "address", "Enter an e-mail address."),
            ({"address": " "}, "address", ""),
            ({"address": "a\0@x.jp"}, "address", ""),
            ({"address": "a\ud800@x.jp"}, "address", ""),
            ({"address": "x" * 320 + "@x.jp"}, "address", "An address has at most 320 characters."),
            ({"address": "x" * 5000 + "@x.jp"}, "address", ""),
            ({"composition": "x" * 256}, "composition", ""),
            ({"composition": None}, "composition", ""),
            ({"note": "x" * 256}, "note", ""),
            ({"note": None}, "note", ""),
            ({"replace": "perhaps"}, "replace", ""),
            ({"server_composition": "pro"}, "detail", "Unknown field 'server_composition'."),
            ({"author": "1"}, "detail", "Unknown field 'author'."),
        ],
        ids=lambda value: str(value)[:50].encode("ascii", "replace").decode(),
    )  # fmt: skip
    def test_refuses_what_it_would_drop(self, chief, values, field, text):
        answer = post(chief, **{"address": ADDRESS, "kind": "blocked", **values})

        assert answer.status_code == 400
        assert list(answer.json()) == [field]
        assert text in str(answer.json()[field])
        assert not models.Suppression.objects.exists()
        assert not models.Trail.objects.exists()

    def test_names_all_fields_that_are_wrong(self, chief):
        answer = post(chief, address="hanako", kind="blocked", until="2020-01-01")

        assert (answer.status_code, set(answer.json())) == (400, {"address", "until"})

    def test_refuses_in_the_language_of_the_reader(self, chief):
        with translation.override("ja"):
            answer = post(chief, address=ADDRESS, kind="released", until="2099-12-24T00:00:00Z")

        assert answer.json() == {"until": ["解除に期限はありません。空欄にしてください。"]}

    @pytest.mark.parametrize(
        "text", ["9999-12-31T23:59:59-12:00", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59"]
    )
    def test_takes_the_last_of_all_times(self, chief, text):
        answer = post(chief, address=ADDRESS, kind="blocked", until=text)

        assert answer.status_code in (201, 400)
        assert suppression.may_send(ADDRESS) is (answer.status_code == 400)

    @pytest.mark.parametrize(
        ("text", "hours"), [("{:%Y-%m-%dT12:00:00}", 3), ("{:%Y-%m-%dT12:00:00+00:00}", 12)]
    )
    @pytest.mark.parametrize("use_tz", [True, False])
    def test_reads_a_time_without_an_offset_in_the_active_zone(self, chief, settings, text, hours, use_tz):
        settings.USE_TZ, settings.TIME_ZONE = use_tz, "Asia/Tokyo"
        day = datetime.now(ZoneInfo("Asia/Tokyo")) + timedelta(days=3)
        expected = datetime(day.year, day.month, day.day, hours, tzinfo=UTC)

        answer = post(chief, address=ADDRESS, kind="blocked", until=text.format(day))

        assert answer.status_code == 201, answer.content
        until = suppression.verdicts([ADDRESS])[ADDRESS].until
        assert until == expected

    def test_costs_the_same_whatever_was_decided_before(self, chief):
        post(chief, address="first@x.jp", kind="blocked")
        new = statements(lambda: post(chief, address=ADDRESS, kind="blocked"))
        for number in range(5):
            suppression.block(ADDRESS, composition=f"c{number}", author="another")
        again = statements(lambda: post(chief, address=ADDRESS, kind="blocked"))

        assert len(new) == len(again)
        assert len(new) <= 4 + 12

    def test_is_not_streamed(self, chief):
        answer = chief.client.post(
            URL,
            json.dumps({"address": ADDRESS, "kind": "blocked"}),
            content_type="application/json",
            headers={"Accept": "text/csv"},
        )

        assert answer.status_code == 406
        assert not models.Suppression.objects.exists()

    def test_obeys_a_throttle_of_the_project(self, chief, monkeypatch):
        from rest_framework.throttling import UserRateThrottle
        from rest_framework.views import APIView

        monkeypatch.setattr(UserRateThrottle, "rate", "2/min", raising=False)
        monkeypatch.setattr(APIView, "throttle_classes", [UserRateThrottle])
        cache.clear()

        codes = [post(chief, address=f"a{n}@x.jp", kind="blocked").status_code for n in range(3)]

        assert codes == [201, 201, 429]
        assert models.Suppression.objects.count() == 2

    def test_obeys_the_limit_of_bodies(self, chief, settings):
        settings.CMC_WEBHOOKS_MAX_BODY = 60

        assert post(chief, address=ADDRESS, kind="blocked", note="x" * 90).status_code == 413
        assert not models.Suppression.objects.exists()

    def test_takes_no_parameters(self, chief):
        body = json.dumps({"address": ADDRESS, "kind": "blocked"})

        answer = chief.client.post(f"{URL}?composition=pro", body, content_type="application/json")

        assert answer.status_code == 400
        assert not models.Suppression.objects.exists()


class TestForgetting:
    @pytest.mark.parametrize("spelling", [ADDRESS, "Hanako <HANAKO@example.jp>"])
    def test_withdraws_the_decision_of_the_composition(self, chief, spelling):
        suppression.block(ADDRESS, author="another")
        suppression.block(ADDRESS, composition="pro")

        answer = post(chief, "forget/", address=spelling, note="mistaken").json()

        assert (answer["forgotten"], answer["now"]["composition"]) == (True, "pro")
        assert models.Suppression.objects.get().server_composition == "pro"
        row = models.Trail.objects.get(what="forgotten")
        assert (row.via, row.reason) == ("api", "mistaken")

    def test_leaves_what_cmc_reported(self, chief):
        bounced(ADDRESS, "2")
        suppression.release(ADDRESS)

        answer = post(chief, "forget/", address=ADDRESS).json()

        assert (answer["forgotten"], answer["now"]["forbidden_by"]) == (True, "hard")

    @pytest.mark.parametrize("values", [{}, {"composition": "newsletter"}], ids=str)
    def test_says_that_there_was_none(self, chief, values):
        suppression.block(ADDRESS, composition="pro")

        answer = post(chief, "forget/", address=ADDRESS, **values)

        assert (answer.status_code, answer.json()["forgotten"]) == (200, False)
        assert models.Suppression.objects.count() == 1

    def test_reaches_a_decision_about_an_erased_address(self, chief):
        from cmc_webhooks import erasure

        suppression.block(ADDRESS)
        erasure.erase(ADDRESS)

        assert post(chief, "forget/", address=ADDRESS).json()["forgotten"] is True
        assert suppression.may_send(ADDRESS)

    @pytest.mark.parametrize("values", [{"kind": "blocked"}, {"address": ""}, {"composition": None}], ids=str)
    def test_refuses_what_it_does_not_know(self, chief, values):
        assert post(chief, "forget/", **{"address": ADDRESS, **values}).status_code == 400


@pytest.mark.skipif(not find_spec("httpx"), reason="CMC's REST API takes an extra")
class TestLifting:
    @pytest.fixture
    def allowed(self, rest_api, settings):
        settings.CMC_WEBHOOKS_REST_MAY_LIFT = True
        return rest_api

    @pytest.mark.parametrize("reason", ["", "blocked"])
    def test_removes_an_entry_at_cmc(self, chief, allowed, reason):
        bounced(ADDRESS, "10", "pro")
        allowed.answers.append((200, '{"result": "ok"}'))

        answer = post(chief, "lift/", address=ADDRESS, composition="pro", reason=reason, note="ticket 17")

        assert answer.status_code == 200
        assert answer.json()["results"] == [{"reason": "blocked", "done": True, "answer": '{"result": "ok"}'}]
        assert (answer.json()["now"]["may_send"], answer.json()["now"]["at_cmc"]) == (True, False)
        [(action, fields)] = allowed.asked
        assert (action, fields["server_composition"], fields["email"]) == ("blocks/cancel", "pro", ADDRESS)
        row = models.Trail.objects.get(what="lifted")
        assert (row.via, row.reason, row.details["done"]) == ("api", "ticket 17", True)

    def test_gives_cmcs_refusal_as_it_came(self, chief, allowed):
        bounced(ADDRESS, "11", "newsletter")
        allowed.answers.append((400, '{"errors": [{"code": "12-001"}]}'))

        answer = post(chief, "lift/", address=ADDRESS, composition="newsletter").json()

        assert answer["results"] == [
            {"reason": "unsubscribed", "done": False, "answer": '{"errors": [{"code": "12-001"}]}'}
        ]
        assert answer["now"]["at_cmc"] is True

    def test_asks_for_nothing_where_nothing_is_known(self, chief, allowed):
        answer = post(chief, "lift/", address=ADDRESS, composition="pro")

        assert (answer.json()["results"], allowed.asked) == ([], [])

    def test_says_that_cmc_did_not_answer(self, chief, allowed, monkeypatch):
        monkeypatch.setattr("time.sleep", lambda seconds: None)
        bounced(ADDRESS, "10", "pro")
        allowed.answers.extend([(500, "")] * 4)

        answer = post(chief, "lift/", address=ADDRESS, composition="pro")

        assert (answer.status_code, answer.json()) == (
            502,
            {"detail": "Customers Mail Cloud did not answer."},
        )

    def test_is_refused_where_the_project_does_not_allow_it(self, chief, rest_api):
        answer = post(chief, "lift/", address=ADDRESS, composition="pro")

        assert answer.status_code == 403
        assert "REST_MAY_LIFT" in answer.json()["detail"]
        assert rest_api.asked == []

    @pytest.mark.parametrize("values", [{"composition": ""}, {"reason": "hard"}, {"until": None}], ids=str)
    def test_refuses_what_it_does_not_know(self, chief, allowed, values):
        answer = post(chief, "lift/", **{"address": ADDRESS, "composition": "pro", **values})

        assert (answer.status_code, allowed.asked) == (400, [])

    def test_holds_no_transaction_while_cmc_answers(self, chief, allowed, monkeypatch, settings):
        from cmc_webhooks.api import urls

        view = next(each for each in urls.urlpatterns if each.name == "suppression-lift").callback

        assert "default" in view._non_atomic_requests


WAYS = {
    "list": ("get", "", {}),
    "block": ("post", "", {"address": ADDRESS, "kind": "blocked"}),
    "release": ("post", "", {"address": ADDRESS, "kind": "released"}),
    "forget": ("post", "forget/", {"address": ADDRESS}),
    "lift": ("post", "lift/", {"address": ADDRESS, "composition": "pro"}),
}
NEEDED = {"list": "view", "block": "add", "release": "add", "forget": "delete", "lift": "lift"}
REFUSED_BY_THE_PROJECT = "REST_MAY_LIFT"


def outcome(api, name):
    """200 or 201 of those that may, 403 of others. A lift that may is refused by the project's settings."""
    method, path, body = WAYS[name]
    text = json.dumps(body) if method == "post" else None
    answer = api.client.generic(method.upper(), URL + path, text or "", content_type="application/json")
    if name == "lift" and REFUSED_BY_THE_PROJECT in answer.content.decode():
        return 200
    return answer.status_code


class TestPermissions:
    @pytest.mark.parametrize("name", WAYS)
    @pytest.mark.parametrize("verb", ["view", "add", "change", "delete", "lift"])
    def test_are_one_for_each_way(self, name, verb):
        found = outcome(Api(user_with(f"{verb}_suppression")), name)

        assert found == ({"block": 201, "release": 201}.get(name, 200) if verb == NEEDED[name] else 403)

    @pytest.mark.parametrize("name", WAYS)
    def test_are_not_those_of_others(self, name):
        strangers = [
            Api(),
            Api(user_with()),
            Api(user_with(is_staff=True)),
            Api(user_with("view_mail", "add_mail", "change_mail", "delete_mail", "view_blockevent")),
        ]

        assert [outcome(api, name) for api in strangers] == [403] * 4
        assert outcome(Api(User.objects.create_superuser("root")), name) in (200, 201)
        assert models.Suppression.objects.count() == (name in ("block", "release"))

    @pytest.mark.parametrize("name", WAYS)
    @pytest.mark.parametrize("is_chosen", [True, False])
    def test_to_decide_hold_beside_the_projects_own(self, settings, name, is_chosen):
        settings.CMC_WEBHOOKS_API_PERMISSIONS = ["tests.api.test_permissions.Nobody"]
        may, may_not = User.objects.create_user("chosen"), user_with(f"{NEEDED[name]}_suppression")
        if is_chosen:
            may.user_permissions.set(may_not.user_permissions.all())

        assert outcome(Api(may_not), name) == 403
        assert (outcome(Api(may), name) in (200, 201)) is (is_chosen or name == "list")

    @pytest.mark.parametrize("path", ["", "forget/", "lift/"])
    def test_leave_no_other_method(self, chief, path):
        methods = ["put", "patch", "delete", *(["get"] if path else [])]

        codes = {method: getattr(chief.client, method)(URL + path).status_code for method in methods}

        assert set(codes.values()) == {405}

    @pytest.mark.parametrize("path", ["", "forget/", "lift/"])
    def test_are_asked_for_whatever_the_method(self, path):
        methods = ("get", "head", "options", "put", "patch", "delete", "post")

        for api in (Api(), Api(user_with("view_mail"))):
            assert {getattr(api.client, each)(URL + path).status_code for each in methods} == {403}

    def test_let_viewers_ask_for_options(self, viewer, chief):
        for api in (viewer, chief):
            for path in ("", "forget/", "lift/"):
                assert api.client.options(URL + path).status_code == 200
