from __future__ import annotations

import threading
import time

import pytest
from django.core.checks import run_checks
from django.db import connection, connections

from cmc_webhooks import models
from cmc_webhooks.db import connecting, transactions
from tests import cases
from tests.conftest import delivery
from tests.helpers.relay import before_the_database

RECOMMENDED = {"min_size": 2, "max_size": 4, "timeout": 3}
MOST_SECONDS = 30
"""Ten are promised. A busy machine may add to them; more means that a wait has no bound."""

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="Django has pools for PostgreSQL alone"),
]


@pytest.fixture
def relay():
    with before_the_database() as relay:
        yield relay


@pytest.fixture
def through(relay, monkeypatch):
    """Connect the app through the relay, with these options."""
    made = []

    def connect(pool=None, **values):
        if pool is not None:
            pytest.importorskip("psycopg_pool")
        real = connections["default"]
        options = {**real.settings_dict["OPTIONS"]}
        if pool is not None:
            options["pool"] = pool
        settings = real.settings_dict | {
            "HOST": "127.0.0.1",
            "PORT": str(relay.port),
            "CONN_MAX_AGE": 60 if pool is None else 0,
            "OPTIONS": options,
            **values,
        }
        wrapper = type(real)(settings, "default")
        if pool is not None:
            monkeypatch.setattr(type(real), "_connection_pools", {})
        monkeypatch.setattr(connections._connections, "default", wrapper)
        made.append(wrapper)
        return wrapper

    yield connect
    for wrapper in made:
        wrapper.close()
        wrapper.close_pool()
    connecting._failed_pools.clear()


def filled(wrapper, number):
    """Have this number of idle connections in the pool."""
    wrapper.close()
    wrapper.pool.open()
    taken = [wrapper.pool.getconn() for _ in range(number)]
    for each in taken:
        wrapper.pool.putconn(each)
    return wrapper.pool.get_stats()["pool_available"]


def number_stored(wrapper):
    """Return the number of deliveries, read over a new connection outside the pool."""
    connector = connecting.Connector(wrapper)
    connector.bypass_pool()
    try:
        return models.DeliveryEvent.objects.count()
    finally:
        connector.close()


def post(hook, message_id, wrapper):
    """Post one event, and end the request as Django does. Return the status and the seconds."""
    began = time.monotonic()
    answer = cases.send(hook, "deliveries", delivery(message_id))
    seconds = time.monotonic() - began
    wrapper.close_if_unusable_or_obsolete()
    return answer, seconds


class TestD12:
    """A pool whose connections are all dead."""

    @pytest.mark.parametrize("size", [4, 6, 8, 10, 25])
    def test_refuses_no_notification_while_the_database_is_up(self, open_hook, through, relay, size):
        wrapper = through({"min_size": size})
        assert filled(wrapper, size) >= size

        relay.cut()
        relay.mend()
        answers = [post(open_hook, f"<{number}@x>", wrapper) for number in range(3)]

        assert [answer.status_code for answer, _ in answers] == [200] * 3
        assert max(seconds for _, seconds in answers) < MOST_SECONDS
        assert number_stored(wrapper) == 3

    @pytest.mark.parametrize(
        ("pool", "limit"),
        [(RECOMMENDED, 10), (True, 4), ({"min_size": 8}, 4)],
        ids=str,
    )
    def test_answers_in_time_while_the_database_is_down(
        self, open_hook, through, relay, monkeypatch, pool, limit
    ):
        monkeypatch.setattr(transactions, "SECONDS_IN_ALL", limit)
        wrapper = through(pool)
        filled(wrapper, 2)

        relay.cut()
        (down, seconds), (down_again, seconds_again) = (post(open_hook, f"<{n}@x>", wrapper) for n in "ab")
        relay.mend()
        up, seconds_up = post(open_hook, "<c@x>", wrapper)

        assert [each.status_code for each in (down, down_again, up)] == [503, 503, 200]
        assert int(down.headers["Retry-After"]) > 0
        assert max(seconds, seconds_again) < MOST_SECONDS
        assert seconds_up < MOST_SECONDS
        assert number_stored(wrapper) == 1

    def test_whose_connections_are_all_in_use_answers_within_ten_seconds(self, open_hook, through):
        wrapper = through({"min_size": 1, "max_size": 1})
        wrapper.close()
        wrapper.pool.open()
        taken = wrapper.pool.getconn()

        answer, seconds = post(open_hook, "<a@x>", wrapper)
        wrapper.pool.putconn(taken)

        assert answer.status_code == 200
        assert seconds < MOST_SECONDS

    def test_gets_no_connection_that_was_opened_beside_it(self, open_hook, through, relay):
        wrapper = through({"min_size": 4})
        filled(wrapper, 4)
        relay.cut()
        relay.mend()

        post(open_hook, "<a@x>", wrapper)

        assert wrapper.connection is None
        assert wrapper.settings_dict["OPTIONS"]["pool"] == {"min_size": 4}
        assert wrapper.pool.get_stats()["pool_size"] <= 4

    def test_that_is_read_only_is_left_for_a_new_connection(self, open_hook, through):
        wrapper = through({"min_size": 6})
        filled(wrapper, 6)
        taken = [wrapper.pool.getconn() for _ in range(6)]
        for each in taken:
            each.execute("SET default_transaction_read_only = on")
            wrapper.pool.putconn(each)

        answers = [post(open_hook, f"<{number}@x>", wrapper)[0] for number in range(3)]

        assert [answer.status_code for answer in answers] == [200] * 3

    def test_that_is_recommended_has_no_warning(self, through):
        through(RECOMMENDED)

        assert not [each.id for each in run_checks() if each.id in ("cmc_webhooks.W018", "cmc_webhooks.W070")]

    def test_that_waits_long_has_a_warning_that_names_a_time_limit(self, through):
        through(True)

        (found,) = [each for each in run_checks() if each.id == "cmc_webhooks.W070"]

        assert '"timeout": 3' in found.hint


class TestD12KeptConnections:
    """Kept connections, through the same faults."""

    def test_refuse_no_notification_after_a_cut(self, open_hook, through, relay):
        wrapper = through()
        post(open_hook, "<a@x>", wrapper)
        relay.cut()
        relay.mend()

        answer, seconds = post(open_hook, "<b@x>", wrapper)

        assert answer.status_code == 200
        assert seconds < MOST_SECONDS

    def test_bridge_a_restart_of_some_seconds(self, open_hook, through, relay):
        wrapper = through()
        post(open_hook, "<a@x>", wrapper)
        relay.cut()
        timer = threading.Timer(3, relay.mend)
        timer.start()

        answer, seconds = post(open_hook, "<b@x>", wrapper)
        timer.join()

        assert answer.status_code == 200
        assert seconds > 2.5

    def test_answer_within_ten_seconds_where_no_host_answers(self, open_hook, through):
        wrapper = through(HOST="192.0.2.1", PORT="5432")  # RFC 5737: a network for documentation

        answer, seconds = post(open_hook, "<a@x>", wrapper)

        assert answer.status_code == 503
        assert seconds < MOST_SECONDS

    @pytest.mark.parametrize(("seconds", "limit"), [(None, 3), (2, 2), (60, 3)])
    def test_keep_a_shorter_limit_of_the_project(self, through, seconds, limit):
        own = {"connect_timeout": seconds} if seconds else {}
        wrapper = through(OPTIONS=own)
        seen = []

        transactions.run("default", lambda: seen.append(wrapper.settings_dict["OPTIONS"]))

        assert seen == [{"connect_timeout": limit}]
        assert wrapper.settings_dict["OPTIONS"] == own
