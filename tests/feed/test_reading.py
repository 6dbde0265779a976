from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cmc_webhooks import feed, ingest, maintenance, models, retention, wire
from cmc_webhooks.store import changes
from tests.conftest import delivery, notification

pytestmark = pytest.mark.django_db

USING = "default"


def receive(*numbers):
    ingest.receive(
        wire.decode(notification("deliveries", *(delivery(f"<m{number}@example.com>") for number in numbers)))
    )


class TestRead:
    def test_returns_pages_in_the_order_of_numbers_without_a_gap(self, copy):
        for number in range(7):
            receive(number)

        copy.follow(limit=3)

        assert [entry.seq for entry in copy.entries] == list(range(1, 8))
        assert [entry.row.message_id for entry in copy.entries] == [f"<m{n}@example.com>" for n in range(7)]

    @pytest.mark.parametrize("limit", [1, 2, 3])
    def test_says_whether_more_follows(self, copy, limit):
        receive(1, 2)

        page = feed.read(copy.cursor, limit=limit)

        assert (len(page.entries), page.more) == (min(limit, 2), limit < 2)
        assert feed.read(page.cursor).entries == [] or page.more

    def test_chooses_kinds_and_moves_past_the_others(self, copy):
        receive(1)

        page = feed.read(copy.cursor, kinds=["suppression"])

        assert (page.entries, page.more, page.cursor) == ([], False, feed.head())

    def test_of_an_idle_feed_is_one_statement(self, copy):
        receive(1)
        copy.follow()

        with CaptureQueriesContext(connection) as queries:
            page = feed.read(copy.cursor)

        assert page == feed.Page([], copy.cursor, False)
        assert len(queries) == 1

    @pytest.mark.parametrize("number", [1, 20, 200])
    def test_takes_a_constant_number_of_statements(self, copy, number):
        receive(*range(number))
        feed.number_changes()

        with CaptureQueriesContext(connection) as queries:
            page = feed.read(copy.cursor)

        assert len(page.entries) == number
        assert len(queries) == 4

    @pytest.mark.parametrize(
        "text", ["", "x", "1", "0123456789abcdef", "0123456789abcdef.", "0123456789abcdef.01", "é.1", "\x00"]
    )
    def test_refuses_what_is_no_cursor(self, copy, text):
        with pytest.raises(feed.NotACursor):
            feed.read(text)

    def test_refuses_a_cursor_of_another_epoch(self, copy):
        receive(1)
        copy.follow()

        assert feed.end_epoch()

        with pytest.raises(feed.Gone):
            feed.read(copy.cursor)
        assert feed.read(feed.head()).entries == []

    def test_refuses_a_cursor_beyond_the_head(self, copy):
        epoch = copy.cursor.partition(".")[0]

        with pytest.raises(feed.Gone):
            feed.read(f"{epoch}.1")

    def test_refuses_while_the_feed_is_off(self, copy, settings):
        settings.CMC_WEBHOOKS_CHANGE_FEED = False

        with pytest.raises(feed.FeedOff):
            feed.read(copy.cursor)


class TestNumbering:
    def test_goes_on_where_it_ended(self, copy, monkeypatch):
        monkeypatch.setattr(feed.numbering, "AT_ONCE", 3)
        receive(*range(8))
        feed.number_changes()
        receive(8)

        assert feed.number_changes() == 1
        assert sorted(models.Change.objects.values_list("seq", flat=True)) == list(range(1, 10))
        assert models.FeedHead.objects.get().seq == 9

    def test_ends_after_the_seconds(self, copy, monkeypatch):
        monkeypatch.setattr(feed.numbering, "AT_ONCE", 3)
        receive(*range(8))

        assert feed.number_changes(seconds=0) == 3

    def test_is_part_of_maintenance(self, copy):
        receive(1)

        maintenance.run(USING)

        assert models.Change.objects.get().seq == 1

    def test_does_nothing_while_the_feed_is_off(self, settings, django_assert_num_queries):
        with django_assert_num_queries(0):
            assert feed.number_changes() == 0
        assert not models.FeedHead.objects.exists()


class TestEpoch:
    def test_ends_with_the_first_write_without_the_feed(
        self, copy, settings, django_capture_on_commit_callbacks
    ):
        receive(1)
        copy.follow()
        settings.CMC_WEBHOOKS_CHANGE_FEED = False
        changes._left.clear()

        with django_capture_on_commit_callbacks(execute=True):
            receive(2)
        epoch = models.FeedHead.objects.get().epoch
        receive(3)

        assert models.FeedHead.objects.get().epoch == epoch
        settings.CMC_WEBHOOKS_CHANGE_FEED = True
        with pytest.raises(feed.Gone):
            copy.follow()

    def test_ends_once_in_a_process(self, copy, settings, django_capture_on_commit_callbacks):
        settings.CMC_WEBHOOKS_CHANGE_FEED = False
        changes._left.clear()
        with django_capture_on_commit_callbacks(execute=True):
            receive(1)

        with CaptureQueriesContext(connection) as queries:
            receive(2)

        assert not [query for query in queries if "feedhead" in query["sql"]]


class TestRetention:
    def prune(self, before):
        return retention.prune(USING, "changes", before, pace=retention.Pace(500, 0))

    def test_deletes_old_changes_and_refuses_the_cursors_that_it_overtook(self, copy):
        receive(1, 2)
        copy.follow()
        old = copy.cursor
        models.Change.objects.update(at=datetime(2023, 1, 1, tzinfo=UTC))
        before_all = copy.cursor.partition(".")[0] + ".1"
        receive(3)
        feed.number_changes()

        assert self.prune(datetime(2023, 2, 1, tzinfo=UTC)) == 2

        assert [entry.seq for entry in feed.read(old).entries] == [3]
        with pytest.raises(feed.Gone):
            feed.read(before_all)

    def test_keeps_what_was_not_numbered(self, copy):
        receive(1)

        assert self.prune(datetime.now(UTC) + timedelta(days=1)) == 0
        assert len(copy.follow()) == 1

    def test_keeps_what_follows_a_young_change(self, copy):
        receive(1)
        receive(2)
        feed.number_changes()
        models.Change.objects.filter(seq=2).update(at=datetime(2023, 1, 1, tzinfo=UTC))

        assert self.prune(datetime(2023, 2, 1, tzinfo=UTC)) == 0

    def test_is_30_days_where_the_feed_is_on(self, settings):
        assert "changes" not in retention.ages()
        settings.CMC_WEBHOOKS_CHANGE_FEED = True
        assert retention.ages() == {"changes": 30}
        settings.CMC_WEBHOOKS_RETENTION = {"changes": 7}
        assert retention.ages() == {"changes": 7}

    def test_says_what_it_would_delete(self, copy):
        receive(1)
        feed.number_changes()

        number = retention.prune(
            USING,
            "changes",
            datetime.now(UTC) + timedelta(days=1),
            pace=retention.Pace(500, 0),
            dry_run=True,
        )

        assert (number, models.Change.objects.count()) == (1, 1)
