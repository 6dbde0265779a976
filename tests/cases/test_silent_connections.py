"""A connection that stays open and says nothing: its host is gone, or a firewall has forgotten it."""

from __future__ import annotations

import socket

import pytest
from django.db import OperationalError, connection, connections

from cmc_webhooks import models
from cmc_webhooks.db import transactions
from tests.conftest import delivery
from tests.helpers import pages
from tests.helpers.relay import before_the_database

pytestmark = pytest.mark.django_db(transaction=True)

LANGUAGES = pages.LANGUAGES


def recommended(vendor, language="en"):
    """Return the options that the page of databases names for a vendor."""
    heading = {"en": f"{vendor} options", "ja": f"{vendor} のオプション"}[language]
    _, _, text = pages.text("explanation/databases", language).partition(f"\n### {heading}\n")
    databases = {"default": {}}
    exec(pages.blocks(text)[0], {"DATABASES": databases})  # noqa: S102 - our own words
    return databases["default"]["OPTIONS"]


@pytest.fixture
def relay():
    with before_the_database() as relay:
        yield relay


@pytest.fixture
def through(relay):
    """Connect the app through the relay, with these options beside those of the tests."""
    real = connections["default"]

    def connect(**options):
        values = {"HOST": "127.0.0.1", "PORT": str(relay.port), "CONN_MAX_AGE": 60}
        options = {**real.settings_dict["OPTIONS"], **options}
        connections["default"] = type(real)({**real.settings_dict, **values, "OPTIONS": options}, "default")
        return connections["default"]

    yield connect
    connections["default"].close()
    connections["default"] = real


@pytest.mark.skipif(connection.vendor != "mysql", reason="the options of MariaDB")
class TestMariaDB:
    def test_is_left_for_a_new_connection(self, open_hook, through, relay):
        wrapper = through(**recommended("MariaDB"))
        open_hook.send("deliveries", delivery("<a@x>"))
        process = wrapper.connection.thread_id()

        relay.silence()
        answer = open_hook.send("deliveries", delivery("<b@x>"))

        assert answer.json() == {"new": 1, "repeated": 0, "rejected": 0}
        assert wrapper.connection.thread_id() != process
        assert models.DeliveryEvent.objects.count() == 2

    def test_leaves_time_for_a_second_attempt_and_for_the_wait_for_a_lock(self):
        limit = recommended("MariaDB")["read_timeout"]

        assert limit > transactions.LOCK_SECONDS
        assert 2 * limit + transactions.LONGEST_PAUSE < transactions.SECONDS_IN_ALL


@pytest.mark.skipif(connection.vendor != "postgresql", reason="the options of PostgreSQL")
class TestPostgreSQL:
    """What the kernel does with these options is tried by hand: it needs a network that drops packets."""

    def test_has_the_options_of_its_socket(self, through):
        wrapper = through(**recommended("PostgreSQL"))
        wrapper.ensure_connection()

        with socket.socket(fileno=socket.dup(wrapper.connection.fileno())) as opened:
            found = {
                "keepalives_idle": opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
                "keepalives_interval": opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
                "keepalives_count": opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
                "tcp_user_timeout": opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
            }

        assert found == recommended("PostgreSQL")

    def test_that_the_kernel_gave_up_is_left_for_a_new_connection(self, open_hook, through, relay):
        """The error is the one that libpq reports when it was tried."""
        wrapper = through()
        open_hook.send("deliveries", delivery("<a@x>"))
        text = "consuming input failed: could not receive data from server: Connection timed out"
        failed = []

        def give_up(execute, sql, params, many, context):
            if not failed:
                failed.append(relay.cut())
                relay.mend()
                raise OperationalError(text) from wrapper.Database.OperationalError(text)
            return execute(sql, params, many, context)

        with wrapper.execute_wrapper(give_up):
            answer = open_hook.send("deliveries", delivery("<b@x>"))

        assert answer.json() == {"new": 1, "repeated": 0, "rejected": 0}
        assert models.DeliveryEvent.objects.count() == 2


@pytest.mark.parametrize("vendor", ["PostgreSQL", "MariaDB"])
def test_both_languages_recommend_the_same(vendor):
    english, japanese = (recommended(vendor, language) for language in LANGUAGES)

    assert english == japanese != {}
