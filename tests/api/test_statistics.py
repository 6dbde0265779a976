"""Statistics: sums of the counts that are kept."""

from __future__ import annotations

import json

import pytest
from django.urls import reverse

from cmc_webhooks import ingest, wire
from cmc_webhooks.statistics import rollup
from tests.conftest import bounce, delivery, notification

pytestmark = pytest.mark.django_db

DOMAIN_COLUMNS = "domain,mails,succeeded,failed,bounced"


class TestStatistics:
    @pytest.fixture
    def counted(self, open_hook):
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
        rollup.roll_up("default")

        answer = self.stats(api, by=by, format="csv")

        text = b"".join(answer.streaming_content).decode().removeprefix("\ufeff")
        assert text.replace('"', "").splitlines() == lines
        assert answer["Content-Disposition"] == 'attachment; filename="stats.csv"'

    def test_by_domain_come_from_the_sweep(self, api, counted):
        rollup.roll_up("default")

        assert self.stats(api, by="domain").json()["results"] == [
            {"domain": "example.jp", "mails": 2, "succeeded": 0, "failed": 1, "bounced": 0},
            {"domain": "bad.example", "mails": 1, "succeeded": 0, "failed": 0, "bounced": 1},
        ]

    def test_by_domain_and_day_are_sorted_by_both(self, api, counted):
        rollup.roll_up("default")

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
            {"from": "x"},
            {"from": "2023-02-01", "to": "2023-01-01"},
            {"from": "2000-01-01", "to": "2023-01-01"},
            {"odd": "1"},
            {"from": "\0"},
            {"from": ["2023-01-01", "2023-01-02"]},
        ],
        ids=str,
    )
    def test_refuse_what_cannot_be_asked(self, api, parameters):
        answer = self.stats(api, **parameters)

        assert answer.status_code == 400
        assert answer.json()

    def test_take_an_empty_parameter_for_one_that_was_not_given(self, api, counted):
        empty = dict.fromkeys(("from", "to", "by", "server_composition"), "")

        assert self.stats(api, **empty).json() == self.stats(api).json()

    def test_end_today_where_times_are_naive(self, api, counted, settings):
        settings.USE_TZ = False

        answer = self.stats(api)

        assert answer.status_code == 200
        assert len(answer.json()["results"]) == 3

    @pytest.mark.parametrize(
        ("by", "told"),
        [
            ("server_composition", {"Pro": 1, "pro": 1, "pró": 1}),
            ("status", {"Pro": 1, "pro": 1, "pró": 1}),
            ("domain", {"pro.example": 2, "pró.example": 1}),
        ],
    )
    def test_tell_texts_apart_that_a_database_takes_for_equal(self, api, by, told):
        for number, name in enumerate(("Pro", "pro", "pró")):
            event = delivery(f"<{number}@x>", to=f"u@{name}.example", status=name)
            frame = json.loads(notification("deliveries", event)) | {"server_composition": name}
            ingest.receive(wire.decode(json.dumps(frame).encode()))
        rollup.roll_up("default")

        rows = self.stats(api, by=by).json()["results"]

        assert {row[by]: row["mails"] for row in rows} == told

    def test_are_sorted_by_characters_on_every_database(self, api):
        words = ["z", "É", "e", "Z", "é", "B", "a"]
        events = [delivery(f"<{number}@x>", status=word) for number, word in enumerate(words)]
        ingest.receive(wire.decode(notification("deliveries", *events)))

        found = [row["status"] for row in self.stats(api, by="status").json()["results"]]

        assert found == ["B", "Z", "a", "e", "z", "É", "é"]

    def test_cost_one_statement(self, api, counted, django_assert_max_num_queries):
        self.stats(api)
        with django_assert_max_num_queries(5):  # session, user, two of permissions, and the sums
            self.stats(api, by="day,status,bounce_class,server_composition")
