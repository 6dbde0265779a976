from __future__ import annotations

import os
import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError, connections

from cmc_webhooks import audit, models
from cmc_webhooks.db import transactions
from cmc_webhooks.monitoring import health, refusals
from tests.conftest import HOOK, delivery, notification
from tests.helpers import factories
from tests.helpers.projects import Project, new_databases

USING = "default"

pytestmark = pytest.mark.django_db


def stored():
    rows = models.RefusalCount.objects.order_by("status", "reason").values_list("status", "reason", "number")
    return list(rows)


def counted(number, reason="api_key", ago=timedelta(), status=403):
    """That many refused requests, stored as if they had come some time ago."""
    moment = datetime.now(UTC) - ago
    key = (int(moment.timestamp()) // 3600, status, reason)
    row = refusals._row(key, refusals.Refused(status, reason, number, moment, moment))
    row.save(force_insert=True)
    return moment


class TestCount:
    @pytest.mark.parametrize(
        ("sending", "expected"),
        [
            ({"api_key": "wr0ng"}, (403, "api_key")),
            ({"api_key": None}, (403, "no_api_key")),
        ],
        ids=str,
    )
    def test_tells_a_wrong_key_from_a_missing_one(self, hook, sending, expected):
        hook.send("deliveries", delivery(), **sending)
        hook.send("deliveries", delivery(), **sending)

        refusals.flush()

        assert stored() == [(*expected, 2)]

    @pytest.mark.parametrize(
        ("setting", "header", "expected"),
        [
            ("BASIC_AUTH", "Basic eDp5", (401, "basic")),
            ("BASIC_AUTH", "", (401, "no_basic")),
            ("BASIC_AUTH", "Bearer x", (401, "no_basic")),
            ("BEARER_TOKENS", "Bearer x", (403, "token")),
            ("BEARER_TOKENS", "", (403, "no_token")),
        ],
        ids=str,
    )
    def test_tells_wrong_credentials_from_missing_ones(self, hook, settings, setting, header, expected):
        setattr(settings, f"CMC_WEBHOOKS_{setting}", ["user:a-long-password"])

        hook.post(notification("deliveries", delivery()), HTTP_AUTHORIZATION=header)
        refusals.flush()

        assert stored() == [(*expected, 1)]

    def test_has_a_reason_for_every_answer(self, hook, settings, monkeypatch):
        from cmc_webhooks import ingest, views

        hook.post(b"nonsense", "application/json")
        hook.client.get(HOOK)
        hook.post(b"x", HTTP_CONTENT_ENCODING="gzip")
        hook.post(b"x", CONTENT_LENGTH=str(10**9))
        hook.post(b"x", "application/json; charset=klingon")
        hook.send("deliveries", *[delivery()] * 1001)
        for error in (transactions.Unavailable("x"), transactions.WrongSetup("x"), RuntimeError("x")):
            monkeypatch.setattr(ingest, "receive", lambda frame, error=error: (_ for _ in ()).throw(error))
            hook.send("deliveries", delivery())
        settings.CMC_WEBHOOKS_ALLOWED_NETWORKS = ["192.0.2.0/24"]
        hook.send("deliveries", delivery())
        settings.CMC_WEBHOOKS_ALLOWED_NETWORKS = None
        settings.CMC_WEBHOOKS_API_KEYS = []
        hook.send("deliveries", delivery())
        refusals.flush()

        assert stored() == [
            (400, "not_ours", 1),
            (403, "address", 1),
            (403, "no_secret", 1),
            (405, "method", 1),
            (413, "too_large", 1),
            (413, "too_many", 1),
            (415, "charset", 1),
            (415, "encoding", 1),
            (503, "database", 1),
            (503, "failed", 1),
            (503, "setup", 1),
        ]
        assert set(views._REASONS) | {views.auth.Refused} >= set(views._ANSWERS) - {views.auth.Unauthorized}

    def test_makes_no_more_rows_whatever_is_sent(self, hook):
        for number in range(60):
            hook.send("x" * number, {}, api_key=f"wrong-{number}")
            hook.client.generic(f"METHOD{number}", f"{HOOK}?{number}", HTTP_USER_AGENT=str(number))

        refusals.flush()

        assert stored() == [(403, "api_key", 60), (405, "method", 60)]

    def test_counts_nothing_that_was_answered_200(self, hook):
        hook.send("deliveries", delivery())
        hook.client.options(HOOK)

        assert refusals.flush() == 0

    def test_uses_no_statement_on_the_path_of_a_request(self, hook, django_assert_num_queries):
        with django_assert_num_queries(0):
            answer = hook.send("deliveries", delivery(), api_key="wrong")

        assert answer.status_code == 403

    def test_never_fails(self, hook, monkeypatch, caplog):
        def fail(*args):
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(refusals, "_start_thread", fail)

        answer = hook.send("deliveries", delivery(), api_key="wrong")

        assert answer.status_code == 403
        assert [record.cmc_event for record in caplog.records if record.name.endswith("refusals")] == [
            "refusals_failed"
        ]

    def test_loses_none_among_threads(self, hook):
        def work():
            for _ in range(200):
                refusals.count(403, "api_key")

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)

        assert refusals.flush() == 1600

    def test_keeps_a_bounded_number_while_the_database_is_away(self, monkeypatch):
        monkeypatch.setattr(refusals, "MOST_KEYS", 3)
        tally = refusals._Tally()
        now = datetime.now(UTC)

        for hour in range(9):
            tally.add({(hour, 403, "api_key"): refusals.Refused(403, "api_key", 1, now, now)})

        assert sorted(hour for hour, _, _ in tally.counts) == [6, 7, 8]


class TestFlush:
    def test_adds_up_what_several_processes_counted(self, hook):
        for _ in range(3):
            refusals.count(403, "api_key")
            refusals.flush()

        (row,) = models.RefusalCount.objects.all()
        assert row.number == 3
        assert row.first_at < row.last_at

    def test_keeps_the_earliest_and_the_latest_time_in_any_order(self):
        now = datetime.now(UTC)
        key = (int(now.timestamp()) // 3600, 403, "api_key")
        for shift in (5, -5, 0):
            moment = now + timedelta(seconds=shift)
            refused = refusals.Refused(403, "api_key", 1, moment, moment)
            refusals.store.count(USING, [refusals._row(key, refused)])

        row = models.RefusalCount.objects.get()
        assert (row.first_at, row.last_at) == (now - timedelta(seconds=5), now + timedelta(seconds=5))

    def test_keeps_the_counts_where_the_database_is_away(self, monkeypatch, caplog):
        refusals.count(403, "api_key")

        def away(*args):
            raise OperationalError("the server of example.com is gone")

        with monkeypatch.context() as patch:
            patch.setattr(refusals.store, "count", away)
            patch.setattr(transactions.time, "sleep", lambda seconds: None)
            assert refusals.flush() == 0
        refusals.count(403, "api_key")
        assert refusals.flush() == 2

        (record,) = [record for record in caplog.records if record.name.endswith("refusals")]
        assert (record.cmc_event, record.levelname) == ("refusals_failed", "WARNING")
        assert "example.com" not in record.getMessage()
        assert stored() == [(403, "api_key", 2)]

    def test_prunes_old_counts_and_those_of_a_wrong_clock(self):
        for ago in (timedelta(days=31), timedelta(days=29), timedelta(days=-3650)):
            counted(1, ago=ago)

        refusals.count(403, "api_key")
        refusals.flush()

        assert models.RefusalCount.objects.count() == 2

    def test_stores_once_what_could_be_stored_but_not_pruned(self, monkeypatch, caplog):
        def away(*args):
            raise OperationalError("gone")

        refusals.count(403, "api_key")
        with monkeypatch.context() as patch:
            patch.setattr(refusals.store, "prune", away)
            patch.setattr(transactions.time, "sleep", lambda seconds: None)
            assert refusals.flush() == 1

        assert refusals.flush() == 0
        assert stored() == [(403, "api_key", 1)]
        assert "refusals_failed" in [getattr(record, "cmc_event", "") for record in caplog.records]

    def test_asks_for_nothing_where_nothing_was_counted(self, django_assert_num_queries):
        with django_assert_num_queries(0):
            assert refusals.flush() == 0


@pytest.mark.django_db(transaction=True)
class TestThread:
    """Outside of tests a thread stores the counts in a minute."""

    @pytest.fixture(autouse=True)
    def _as_outside_of_tests(self, monkeypatch):
        monkeypatch.setattr(refusals, "_is_test", lambda: False)
        monkeypatch.setattr(refusals, "_tally", refusals._Tally())

    def test_stores_and_ends(self, monkeypatch):
        monkeypatch.setattr(refusals.time, "sleep", lambda seconds: None)

        refusals.count(403, "api_key")
        thread = refusals._tally.thread
        if thread is not None:
            thread.join(timeout=60)

        assert stored() == [(403, "api_key", 1)]
        assert refusals._tally.thread is None

    def test_is_one_however_many_requests_are_refused(self, monkeypatch):
        go_on = threading.Event()
        monkeypatch.setattr(refusals.time, "sleep", lambda seconds: go_on.wait(60))
        before = threading.active_count()

        for _ in range(50):
            refusals.count(403, "api_key")
        started = threading.active_count() - before
        thread = refusals._tally.thread
        go_on.set()
        thread.join(timeout=60)

        assert started == 1
        assert stored() == [(403, "api_key", 50)]

    def test_another_one_begins_where_one_has_failed(self, monkeypatch):
        monkeypatch.setattr(refusals.time, "sleep", lambda seconds: None)
        monkeypatch.setattr(threading, "excepthook", lambda failed: None)

        close_all = connections.close_all

        def fail():
            close_all()
            raise OSError("a connection cannot be closed")

        with monkeypatch.context() as patch:
            patch.setattr(refusals.connections, "close_all", fail)
            refusals.count(403, "api_key")
            failed = refusals._tally.thread
            failed.join(timeout=60)
        refusals.count(403, "api_key")
        thread = refusals._tally.thread
        if thread is not None:
            thread.join(timeout=60)

        assert stored() == [(403, "api_key", 2)]

    def test_waits_a_minute(self, monkeypatch):
        pauses = []
        monkeypatch.setattr(refusals.time, "sleep", pauses.append)

        refusals.count(403, "api_key")
        thread = refusals._tally.thread
        if thread is not None:
            thread.join(timeout=60)

        assert pauses == [60.0]


class TestProcesses:
    @pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
    def test_a_child_starts_from_nothing(self):
        refusals.count(403, "api_key")
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            left = sum(each.number for each in refusals._tally.counts.values())
            os.write(writing, str(left).encode())
            os._exit(0)
        os.waitpid(child, 0)

        assert os.read(reading, 10) == b"0"
        assert refusals.flush() == 1

    def test_an_exit_stores_what_is_left(self):
        refusals.count(403, "api_key")

        refusals._at_exit()

        assert stored() == [(403, "api_key", 1)]

    def test_an_exit_leaves_another_database_alone(self, monkeypatch):
        refusals.count(403, "api_key")
        monkeypatch.setitem(connections[USING].settings_dict, "NAME", "another")

        refusals._at_exit()

        assert stored() == []


SERVING = """
import os, sys, threading
from django.test import Client

def refuse(number):
    for _ in range(number):
        answer = Client().post("/cmc/webhook", '{"api_key": "wrong"}', content_type="application/json")
        assert answer.status_code == 403

refuse(2)
child = os.fork()
if child == 0:
    refuse(3)
    sys.exit(0)  # a regular exit
assert os.waitpid(child, 0)[1] == 0
killed = os.fork()
if killed == 0:
    refuse(100)
    os._exit(0)  # as if it were killed
os.waitpid(killed, 0)
threads = [threading.Thread(target=refuse, args=[5]) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.django_db(transaction=True)
class TestServers:
    def test_a_parent_and_a_child_store_their_own_at_exit(self, tmp_path):
        with new_databases("refusals") as urls:
            project = Project(tmp_path, url=urls["refusals"])
            assert project.manage("migrate", "--verbosity=0").returncode == 0

            project.python(SERVING)
            printed = project.python(
                "from cmc_webhooks.models import RefusalCount\n"
                "print(sum(row.number for row in RefusalCount.objects.filter(reason='api_key')))"
            )

        assert printed == "25"

    def test_an_exit_is_quiet_where_the_database_is_gone(self, tmp_path):
        project = Project(tmp_path)  # without tables

        ran = project.python(
            "from cmc_webhooks.monitoring import refusals\nrefusals.count(403, 'api_key')\nprint('served')"
        )

        assert ran == "served"


class TestRecent:
    def test_joins_hours_and_leaves_out_what_is_old(self):
        first = counted(20, ago=timedelta(hours=3))
        counted(17, ago=timedelta(minutes=1))
        counted(1000, ago=timedelta(hours=26))

        (refused,) = refusals.recent(USING)

        assert (refused.number, refused.reason) == (37, "api_key")
        assert abs(refused.first - first) < timedelta(seconds=1)

    def test_has_what_this_process_has_not_stored_yet(self, hook):
        hook.send("deliveries", delivery(), api_key="wrong")

        assert [refused.number for refused in refusals.recent(USING)] == [1]
        assert stored() == []

    def test_costs_one_statement(self, django_assert_num_queries):
        counted(1)

        with django_assert_num_queries(1):
            refusals.recent(USING)


class TestSerious:
    def wrong(self, posted=None):
        """The problems with refused calls, where CMC posted last so long ago."""
        if posted is not None:
            factories.NotificationFactory(received_at=datetime.now(UTC) - posted)
        return [each for each in health.look(USING).found() if each.code == "refused_calls"]

    def test_says_how_many_since_when_and_what_to_do(self, settings):
        settings.TIME_ZONE = "Asia/Tokyo"
        moment = counted(37)

        (problem,) = self.wrong()

        since = health.problems.local_time(moment, with_zone=False)
        assert problem.text == (
            f"37 requests refused since {since}: wrong api_key. Do CMC's key and yours differ?"
        )

    @pytest.mark.parametrize(
        ("number", "reason", "ago", "posted", "is_wrong"),
        [
            (1, "api_key", timedelta(hours=20), None, True),
            (1, "api_key", timedelta(hours=20), timedelta(hours=21), True),
            (1, "api_key", timedelta(hours=2), timedelta(hours=1), False),
            (1, "api_key", timedelta(minutes=2), timedelta(minutes=1), False),
            (3, "api_key", timedelta(minutes=2), timedelta(minutes=1), True),
            (3, "api_key", timedelta(hours=2), timedelta(hours=1), False),
            (2, "no_api_key", timedelta(hours=1), None, False),
            (3, "no_api_key", timedelta(hours=1), None, True),
            (3, "no_api_key", timedelta(hours=1), timedelta(minutes=59), False),
            (900, "method", timedelta(minutes=1), None, False),
            (900, "not_ours", timedelta(minutes=1), None, False),
            (900, "a reason of a later version", timedelta(minutes=1), None, False),
        ],
        ids=str,
    )
    def test_depends_on_reason_number_and_what_came_since(self, number, reason, ago, posted, is_wrong):
        counted(number, reason[:16], ago=ago)

        assert bool(self.wrong(posted)) == is_wrong

    @pytest.mark.parametrize(
        ("before", "after", "expected"), [(5, 40, "40"), (900, 3, "3"), (900, 2, None), (2, 900, "900")]
    )
    def test_of_scanners_hide_none_that_come_in_later_hours(self, before, after, expected):
        counted(before, "no_api_key", ago=timedelta(hours=20))
        counted(after, "no_api_key", ago=timedelta(minutes=1))

        found = self.wrong(posted=timedelta(hours=2))

        assert [problem.sentence.split()[0] for problem in found] == [expected] * bool(expected)

    def test_of_scanners_that_were_accepted_hide_none_that_come_in_later_hours(self):
        counted(900, "no_api_key", ago=timedelta(hours=20))
        refusals.accept(USING, audit.Actor("command", "", "a scanner"))
        models.Trail.objects.update(at=datetime.now(UTC) - timedelta(hours=19))
        counted(7, "no_api_key", ago=timedelta(minutes=1))

        assert [problem.sentence.split()[0] for problem in self.wrong()] == ["7"]

    def test_has_a_remedy_for_each_reason_that_may_be_one(self):
        for reason in refusals.OF_CMC | refusals.OF_ANYBODY:
            counted(5, reason)

        problems = self.wrong()

        assert len({problem.remedy for problem in problems}) == len(problems) == 11

    def test_goes_out_with_the_right_key(self, hook):
        hook.send("deliveries", delivery(), api_key="wrong")
        before = self.wrong()
        hook.send("deliveries", delivery())

        assert (len(before), self.wrong()) == (1, [])

    @pytest.mark.parametrize(("reason", "again"), [("api_key", True), ("basic", True), ("no_api_key", False)])
    def test_is_none_once_accepted(self, reason, again):
        counted(5, reason, ago=timedelta(minutes=1))
        before = self.wrong()

        assert refusals.accept(USING, audit.Actor("command", "", "a scanner")) == 5

        assert (len(before), self.wrong()) == (1, [])
        assert models.Trail.objects.get().what == "refused"
        refusals.count(403, reason)
        refusals.flush()
        assert bool(self.wrong()) is again

    def test_nothing_to_accept_leaves_no_record(self):
        assert refusals.accept(USING, audit.Actor("command", "", "none")) == 0
        assert not models.Trail.objects.exists()

    def test_is_seen_in_the_overview(self, browser_of_staff):
        counted(37)

        page = browser_of_staff.get("/admin/cmc_webhooks/mail/overview/").content.decode()

        assert "37 requests refused since" in page
        assert "Requests refused in the past 24 hours: wrong api_key" in page


@pytest.fixture
def browser_of_staff():
    from tests.admin.conftest import browser_of

    return browser_of(is_staff=True, is_superuser=True)


class TestStatement:
    def test_is_one_upsert(self, django_assert_num_queries):
        now = datetime.now(UTC)
        rows = [
            refusals._row((hour, 403, "api_key"), refusals.Refused(403, "api_key", 1, now, now))
            for hour in range(5)
        ]

        with django_assert_num_queries(1):
            refusals.store.count(USING, rows)

        assert models.RefusalCount.objects.count() == 5
