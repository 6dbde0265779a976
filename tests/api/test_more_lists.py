"""Blocks, notifications and rejected events; filters by several values, by domain and by time of receipt."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse

from tests import factories
from tests.api.conftest import Api, user_with

pytestmark = pytest.mark.django_db

START = factories.START
DOMAIN_COLUMNS = "domain,mails,succeeded,failed,bounced"


@pytest.fixture
def api():
    names = ("mail", "deliveryevent", "bounceevent", "blockevent", "notification", "rejectedevent")
    return Api(user_with(*(f"view_{name}" for name in names)))


class TestLists:
    def test_of_blocks_show_and_filter_them(self, api):
        hard = factories.BlockEventFactory(address="a@example.jp")
        soft = factories.BlockEventFactory(bounce_code="5", occurred_at=START + timedelta(days=9))

        (row,) = api.list("block-event", bounce_class="soft").json()["results"]

        assert (row["address"], row["bounce_class"], row["raw"]) == (soft.address, "soft", soft.raw)
        assert api.found("block-event", recipient="X <A@example.jp>") == {str(hard.pk)}
        assert api.found("block-event", bounce_code__in="2,5") == {str(hard.pk), str(soft.pk)}
        assert api.found("block-event", occurred_after="2023-01-30") == {str(soft.pk)}
        assert api.detail("block-event", hard.pk).json()["id"] == str(hard.pk)

    def test_of_notifications_show_counts(self, api):
        old = factories.NotificationFactory(new=3, repeated=2, rejected=1)
        new = factories.NotificationFactory(
            event_type="bounces", received_at=START + timedelta(days=5), source="rest"
        )

        rows = api.list("notification").json()["results"]

        assert [row["id"] for row in rows] == [str(new.pk), str(old.pk)]
        assert (rows[1]["new"], rows[1]["repeated"], rows[1]["rejected"]) == (3, 2, 1)
        assert [row["source"] for row in rows] == ["rest", "webhook"]
        assert api.found("notification", event_type="bounces") == {str(new.pk)}
        assert api.found("notification", source="rest") == {str(new.pk)}
        assert api.list("notification", source="post").json() == {
            "source": ["Allowed are: webhook, rest, retry."]
        }
        assert api.found("notification", received_before="2023-01-26") == {str(old.pk)}

    def test_of_rejected_events_show_what_was_sent(self, api):
        still_open = factories.RejectedEventFactory()
        resolved = factories.RejectedEventFactory(resolved_at=START)

        (row,) = api.list("rejected-event", resolved="false").json()["results"]

        assert (row["id"], row["raw"], row["error"]) == (str(still_open.pk), still_open.raw, still_open.error)
        assert api.found("rejected-event", resolved="true") == {str(resolved.pk)}
        assert api.list("rejected-event", resolved="AAA").json() == {
            "resolved": ["Allowed are: true, false."]
        }
        assert len(api.found("rejected-event")) == 2

    @pytest.mark.parametrize("name", ["block-event", "notification", "rejected-event"])
    def test_refuse_what_they_do_not_know(self, api, name):
        assert api.list(name, odd="1").status_code == 400
        assert api.list(name, ordering="odd").status_code == 400
        assert api.list(name, page_size="0").status_code == 400

    @pytest.mark.parametrize("name", ["block-event", "notification", "rejected-event"])
    def test_lead_from_page_to_page(self, api, name):
        factory = {
            "block-event": factories.BlockEventFactory,
            "notification": factories.NotificationFactory,
            "rejected-event": factories.RejectedEventFactory,
        }[name]
        made = {str(factory().pk) for _ in range(5)}

        page, seen = api.list(name, page_size=2).json(), []
        seen += page["results"]
        while page["next"]:
            page = api.page(page["next"])
            seen += page["results"]

        assert len(seen) == 5
        assert {row["id"] for row in seen} == made


class TestFilters:
    @pytest.fixture
    def mails(self):
        return {
            word: factories.MailFactory(
                delivery_status=word,
                recipient=f"user@{word}.example",
                created_at=START + timedelta(days=days),
                server_composition="pro" if days else "sandbox",
            )
            for days, word in enumerate(["queued", "failed", "odd"])
        }

    @pytest.mark.parametrize(
        ("parameters", "words"),
        [
            ({"status__in": "queued,odd"}, {"queued", "odd"}),
            ({"status__in": "queued"}, {"queued"}),
            ({"status__in": "none,nothing"}, set()),
            ({"status__in": "queued,failed", "status": "failed"}, {"failed"}),
            ({"server_composition__in": "sandbox,x"}, {"queued"}),
            ({"domain": "Failed.Example"}, {"failed"}),
            ({"domain": "@odd.example"}, {"odd"}),
            ({"received_after": "2023-01-26"}, {"failed", "odd"}),
            ({"received_before": "2023-01-26"}, {"queued", "failed"}),
            ({"received_after": "2023-01-26", "received_before": "2023-01-26"}, {"failed"}),
        ],
        ids=lambda value: str(value) if isinstance(value, dict) else "finds",
    )
    def test_of_mails(self, api, mails, parameters, words):
        assert api.found("mail", **parameters) == {str(mails[word].pk) for word in words}

    def test_of_bounce_classes(self, api):
        codes = {code: factories.BounceEventFactory(bounce_code=code) for code in ("2", "5", "8", "77")}

        assert api.found("bounce-event", bounce_class__in="hard,unknown") == {
            str(codes["2"].pk),
            str(codes["77"].pk),
        }
        assert api.found("bounce-event", bounce_code__in="5,8") == {str(codes["5"].pk), str(codes["8"].pk)}
        assert api.list("bounce-event", bounce_class__in="hard,odd").status_code == 400

    @pytest.mark.parametrize("name", ["bounce_class", "bounce_class__in"])
    def test_take_no_delivery_with_the_word_bounced_for_a_bounce(self, api, name):
        factories.MailFactory(delivery_status="bounced")
        odd = factories.MailFactory(bounce_code="77")

        assert api.found("mail", **{name: "unknown"}) == {str(odd.pk)}

    def test_of_events_by_the_domain_of_their_mail(self, api):
        event = factories.DeliveryEventFactory(mail=factories.MailFactory(recipient="u@one.example"))
        factories.DeliveryEventFactory()

        assert api.found("delivery-event", domain="one.example") == {str(event.pk)}

    def test_of_events_by_receipt(self, api):
        late = factories.DeliveryEventFactory(received_at=START + timedelta(days=3))
        factories.DeliveryEventFactory()

        assert api.found("delivery-event", received_after="2023-01-27") == {str(late.pk)}


class TestStatistics:
    @pytest.fixture
    def counted(self, open_hook):
        from tests.conftest import bounce, delivery

        open_hook.send("deliveries", delivery("<1@x>"), delivery("<2@x>", status="failed"), api_key=None)
        open_hook.send("bounces", bounce("<3@x>", to="u@bad.example"), api_key=None)

    def stats(self, api, **parameters):
        return api.client.get(reverse("cmc_webhooks_api:stats"), parameters)

    def test_are_the_kept_counts(self, api, counted):
        answer = self.stats(api).json()

        day = answer["to"]
        assert answer["results"] == [
            {"day": day, "status": "bounced", "mails": 1},
            {"day": day, "status": "failed", "mails": 1},
            {"day": day, "status": "queued", "mails": 1},
        ]

    def test_are_summed_by_what_is_asked(self, api, counted):
        assert self.stats(api, by="bounce_class").json()["results"] == [
            {"bounce_class": "", "mails": 2},
            {"bounce_class": "hard", "mails": 1},
        ]
        assert (
            self.stats(api, by="server_composition,status", server_composition="none").json()["results"] == []
        )

    @pytest.mark.parametrize(
        ("by", "lines"),
        [
            ("status", ["status,mails", "bounced,1", "failed,1", "queued,1"]),
            (
                "domain",
                ["domain,mails,succeeded,failed,bounced", "example.jp,2,0,1,0", "bad.example,1,0,0,1"],
            ),
        ],
    )
    def test_are_files_too(self, api, counted, by, lines):
        from cmc_webhooks import statistics

        statistics.roll_up("default")

        answer = self.stats(api, by=by, format="csv")

        text = b"".join(answer.streaming_content).decode().removeprefix("\ufeff")
        assert text.splitlines() == lines
        assert answer["Content-Disposition"] == 'attachment; filename="stats.csv"'

    def test_by_domain_come_from_the_sweep(self, api, counted):
        from cmc_webhooks import statistics

        statistics.roll_up("default")

        assert self.stats(api, by="domain").json()["results"] == [
            {"domain": "example.jp", "mails": 2, "succeeded": 0, "failed": 1, "bounced": 0},
            {"domain": "bad.example", "mails": 1, "succeeded": 0, "failed": 0, "bounced": 1},
        ]

    def test_by_domain_and_day_are_sorted_by_both(self, api, counted):
        from cmc_webhooks import statistics

        statistics.roll_up("default")

        answer = self.stats(api, by="day,domain,server_composition").json()

        shared = {"day": answer["to"], "server_composition": "pro", "succeeded": 0}
        assert answer["results"] == [
            {**shared, "domain": "example.jp", "mails": 2, "failed": 1, "bounced": 0},
            {**shared, "domain": "bad.example", "mails": 1, "failed": 0, "bounced": 1},
        ]

    @pytest.mark.parametrize(
        "parameters",
        [
            {"by": "odd"},
            {"by": "day,day"},
            {"by": "domain,status"},
            {"by": ""},
            {"from": "x"},
            {"from": "2023-02-01", "to": "2023-01-01"},
            {"from": "2000-01-01", "to": "2023-01-01"},
            {"odd": "1"},
            {"to": "0001-01-01"},
            {"from": "\0"},
            {"by": ["day", "status"]},
        ],
        ids=str,
    )
    def test_refuse_what_cannot_be_asked(self, api, parameters):
        answer = self.stats(api, **parameters)

        assert answer.status_code == 400
        assert answer.json()

    def test_cost_one_statement(self, api, counted, django_assert_max_num_queries):
        self.stats(api)
        with django_assert_max_num_queries(5):  # session, user, two of permissions, and the sums
            self.stats(api, by="day,status,bounce_class,server_composition")
