from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import resolve, reverse

from cmc_webhooks import erasure, feed, ingest, models, retention, suppression, wire
from cmc_webhooks.api import changes, feed_cursors
from cmc_webhooks.db import transactions
from tests.api.conftest import Api, user_with
from tests.conftest import bounce, delivery, notification

pytestmark = pytest.mark.django_db

BLOCK = {"created": "2023-01-25 14:06:07", "email": "user@example.jp", "type": "2", "count": "1"}


@pytest.fixture(autouse=True)
def feed_is_on(settings):
    settings.CMC_WEBHOOKS_CHANGE_FEED = True


@pytest.fixture
def api():
    return Api(user_with("view_mail", "view_blockevent", "view_suppression"))


def tomorrow():
    return datetime.now(UTC) + timedelta(days=1)


def receive(event_type, *events):
    ingest.receive(wire.decode(notification(event_type, *events)))


def answer(api, **parameters):
    response = api.list("change", **parameters)
    assert response.status_code == 200, response.content
    return response.json()


class TestList:
    def test_begins_with_a_cursor_and_no_changes(self, api):
        receive("deliveries", delivery())

        assert answer(api) == {"results": [], "cursor": feed.head(), "more": False}

    def test_shows_what_changed_as_it_is_now(self, api):
        after = answer(api)["cursor"]
        receive("deliveries", delivery())
        receive("bounces", bounce())
        receive("blocks", BLOCK)
        suppression.block("user@example.jp", note="asked by phone")

        results = answer(api, after=after)["results"]

        assert [each["kind"] for each in results] == ["mail", "mail", "block", "suppression"]
        assert [each["seq"] for each in results] == [1, 2, 3, 4]
        mail = api.detail("mail", models.Mail.objects.get().pk).json()
        del mail["timeline"]
        assert [each["mail"] for each in results] == [mail, mail, None, None]
        assert results[2]["block"]["address"] == results[3]["suppression"]["address"] == "user@example.jp"
        assert results[3]["suppression"]["note"] == "asked by phone"
        assert {each["server_composition"] for each in results} == {"pro", ""}

    def test_leads_on_until_nothing_follows(self, api):
        after = answer(api)["cursor"]
        for number in range(5):
            receive("deliveries", delivery(f"<m{number}@example.com>"))
        seen, more = [], True

        while more:
            page = answer(api, after=after, page_size=2)
            seen += [each["mail"]["message_id"] for each in page["results"]]
            after, more = page["cursor"], page["more"]

        assert seen == [f"<m{number}@example.com>" for number in range(5)]
        assert answer(api, after=after) == {"results": [], "cursor": after, "more": False}

    def test_shows_a_deleted_mail_by_its_key(self, api):
        receive("deliveries", delivery())
        after = answer(api)["cursor"]
        key = models.Mail.objects.get().pk
        retention.prune("default", "mails", tomorrow(), pace=retention.Pace(500, 0))

        [change] = answer(api, after=after)["results"]

        assert (change["kind"], change["key"], change["server_composition"]) == ("deleted", str(key), "pro")
        assert change["mail"] is change["block"] is change["suppression"] is None

    def test_shows_an_erased_mail_without_an_address(self, api):
        receive("deliveries", delivery())
        after = answer(api)["cursor"]
        erasure.erase("user@example.jp")

        change = next(each for each in answer(api, after=after)["results"] if each["kind"] == "erased")
        assert change["mail"]["address"] == change["mail"]["recipient"] == ""

    def test_cuts_long_texts_and_says_so(self, api):
        after = answer(api)["cursor"]
        receive("deliveries", delivery(reason="x" * 20_000))

        [change] = answer(api, after=after)["results"]

        assert len(change["mail"]["reason"]) == 10_000
        assert change["mail"]["truncated"] == ["reason"]

    def test_is_in_the_index_of_the_api(self, api):
        assert api.client.get(reverse("cmc_webhooks_api:api-root")).json()["changes"].endswith("/changes/")

    def test_is_no_part_of_a_transaction_of_the_request(self):
        view = resolve(reverse("cmc_webhooks_api:change-list")).func

        assert "default" in view._non_atomic_requests


class TestKinds:
    def test_are_those_that_the_user_may_see(self):
        after = feed.head()
        receive("deliveries", delivery())
        receive("blocks", BLOCK)
        suppression.block("user@example.jp")

        def kinds(*permissions):
            results = answer(Api(user_with("view_mail", *permissions)), after=after)["results"]
            return [each["kind"] for each in results]

        assert kinds() == ["mail"]
        assert kinds("view_blockevent") == ["mail", "block"]
        assert kinds("view_suppression") == ["mail", "suppression"]

    def test_show_no_block_that_was_deleted_and_sent_again_to_who_may_not_view_it(self):
        receive("blocks", BLOCK)
        after = feed.head()
        retention.prune("default", "events", tomorrow(), pace=retention.Pace(500, 0))
        receive("blocks", BLOCK)
        assert models.BlockEvent.objects.exists()

        def blocks(*permissions):
            results = answer(Api(user_with("view_mail", *permissions)), after=after, kind__in="deleted")
            return [each["block"] and each["block"]["address"] for each in results["results"]]

        assert blocks() == [None]
        assert blocks("view_blockevent") == ["user@example.jp"]

    def test_can_be_chosen(self, api):
        after = feed.head()
        receive("deliveries", delivery())
        receive("blocks", BLOCK)
        suppression.block("user@example.jp")

        page = answer(api, after=after, kind__in="block,suppression")

        assert [each["kind"] for each in page["results"]] == ["block", "suppression"]
        assert page["cursor"] == feed.head()

    def test_that_the_user_may_not_see_are_refused_if_no_other_is_chosen(self):
        api = Api(user_with("view_mail"))

        assert api.list("change", kind__in="block").status_code == 403

    def test_that_are_unknown_are_refused(self, api):
        response = api.list("change", kind__in="mail,bounce")

        assert response.status_code == 400
        assert "suppression" in response.json()["kind__in"][0]


class TestCursor:
    @pytest.mark.parametrize("text", ["x", "0123456789abcdef.", "1", "ï.1", "0" * 16 + "." + "9" * 40])
    def test_that_is_none_is_refused(self, api, text):
        response = api.list("change", after=text)

        assert (response.status_code, list(response.json())) == (400, ["after"])

    def test_of_another_epoch_is_gone(self, api):
        after = answer(api)["cursor"]
        feed.end_epoch()

        for name in ("after", "changed_after"):
            response = api.list("change" if name == "after" else "mail", **{name: after})
            assert response.status_code == 410
            assert "copy everything again" in response.json()["detail"]

    def test_that_is_empty_counts_as_not_given(self, api):
        assert answer(api, after="", kind__in="", page_size=5)["results"] == []

    def test_is_not_valid_while_the_feed_is_off(self, api, settings):
        after = answer(api)["cursor"]
        settings.CMC_WEBHOOKS_CHANGE_FEED = False

        assert api.list("change", after=after).status_code == 404
        assert api.list("mail", changed_after=after).status_code == 404

    def test_is_refused_with_503_while_the_database_is_unavailable(self, api, monkeypatch):
        def fail(*args, **kwargs):
            raise transactions.Unavailable("gone")

        monkeypatch.setattr(feed, "state", fail)

        assert api.list("change").status_code == 503


class TestEtag:
    def poll(self, api, etag, **parameters):
        return api.client.get(reverse("cmc_webhooks_api:change-list"), parameters, HTTP_IF_NONE_MATCH=etag)

    def test_answers_304_by_one_statement_while_nothing_changes(self, api):
        receive("deliveries", delivery())
        after = answer(api)["cursor"]
        etag = api.list("change", after=after)["ETag"]

        with CaptureQueriesContext(connection) as queries:
            response = self.poll(api, etag, after=after)

        assert response.status_code == 304
        assert len([query for query in queries if "cmc_webhooks_" in query["sql"]]) == 1

    def test_changes_with_each_change(self, api):
        after = answer(api)["cursor"]
        etag = api.list("change", after=after)["ETag"]

        receive("deliveries", delivery())

        response = self.poll(api, etag, after=after)
        assert (response.status_code, len(response.json()["results"])) == (200, 1)

    def test_differs_by_what_is_asked_and_by_whom(self, api):
        after = answer(api)["cursor"]
        other = Api(user_with("view_mail"))

        tags = {
            api.list("change", after=after)["ETag"],
            api.list("change", after=after, page_size=7)["ETag"],
            api.list("change", after=after, kind__in="mail")["ETag"],
            other.list("change", after=after, kind__in="mail,block")["ETag"],
        }

        assert len(tags) == 3  # the last two see the same


class TestChangedAfter:
    def test_finds_the_mails_that_changed_since(self, api):
        receive("deliveries", delivery("<old@example.com>"), delivery("<bounced@example.com>"))
        after = answer(api)["cursor"]
        receive("bounces", bounce("<bounced@example.com>"))
        receive("deliveries", delivery("<new@example.com>"))
        receive("blocks", BLOCK)

        found = api.list("mail", changed_after=after).json()["results"]

        assert {row["message_id"] for row in found} == {"<bounced@example.com>", "<new@example.com>"}

    def test_goes_with_other_filters(self, api):
        after = answer(api)["cursor"]
        receive("deliveries", delivery("<a@example.com>"), delivery("<b@example.com>", status="failed"))

        found = api.list("mail", changed_after=after, status="failed").json()["results"]

        assert [row["message_id"] for row in found] == ["<b@example.com>"]

    def test_reads_where_is_written(self):
        """A replica may lack what the cursor has passed."""
        mails = models.Mail.objects.using("replica")

        assert feed_cursors.changed_after(mails, "changed_after", feed.head()).db == "default"


class TestAtomicRequests:
    @pytest.mark.django_db(transaction=True)
    def test_are_answered_with_what_was_not_numbered_yet(self, api, monkeypatch):
        monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
        after = answer(api)["cursor"]
        receive("deliveries", delivery())

        found = api.list("mail", changed_after=after).json()["results"]

        assert [row["message_id"] for row in found] == ["<m1@example.com>"]
        assert [each["seq"] for each in answer(api, after=after)["results"]] == [1]


def test_kinds_that_need_another_permission_are_all_but_those_of_mails():
    assert set(changes._OF_MODEL) == set(models.Change.Kinds.values) - {"mail", "erased", "deleted"}
