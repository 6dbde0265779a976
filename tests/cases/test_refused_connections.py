"""A wrong password, user or database: a mistake of the set-up, which must not read like an outage."""

from __future__ import annotations

import re
import socket
import threading

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection, connections
from django.urls import reverse

from cmc_webhooks import models
from cmc_webhooks.db import connecting, transactions
from tests.conftest import delivery

WORDS = "The database refuses the connection: check NAME, USER and PASSWORD of the setting DATABASES."
JAPANESE = "データベースが接続を拒否しました。設定 DATABASES の NAME、USER、PASSWORD を確認してください。"

pytestmark = pytest.mark.django_db(transaction=True)


class Refusing(threading.Thread):
    """A server that speaks as PostgreSQL, asks for a password, and refuses it."""

    def __init__(self, sqlstate, text):
        super().__init__(daemon=True)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._refusal = f"SFATAL\0VFATAL\0C{sqlstate}\0M{text}\0\0".encode()

    def run(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client:
                start = client.recv(1024)
                if start[4:8] == (80877103).to_bytes(4):  # SSLRequest
                    client.sendall(b"N")
                    client.recv(1024)
                client.sendall(b"R" + (8).to_bytes(4) + (3).to_bytes(4))  # AuthenticationCleartextPassword
                client.recv(1024)
                client.sendall(b"E" + (len(self._refusal) + 4).to_bytes(4) + self._refusal)

    def close(self):
        self._listener.close()


@pytest.fixture
def connects(monkeypatch):
    """Return the connections that were attempted."""
    made = []
    real = type(connections["default"])
    get = real.get_new_connection
    monkeypatch.setattr(real, "get_new_connection", lambda self, params: made.append(1) or get(self, params))
    return made


@pytest.fixture
def connect(monkeypatch):
    """Connect the app with other settings of its database."""
    made = []
    real = connections["default"]

    def other(**values):
        monkeypatch.setattr(type(real), "_connection_pools", {}, raising=False)
        wrapper = type(real)(real.settings_dict | values, "default")
        connections["default"] = wrapper
        made.append(wrapper)
        return wrapper

    yield other
    connections["default"] = real
    for wrapper in made:
        wrapper.close()
        if hasattr(wrapper, "close_pool"):
            wrapper.close_pool()
    connecting._failed_pools.clear()


@pytest.fixture
def stranger():
    """Return the name and password of a user of MariaDB who may read nothing."""
    real = connections["default"]
    name = f"{real.settings_dict['NAME']}_stranger"
    with real.cursor() as cursor:
        cursor.execute(f"CREATE OR REPLACE USER {name} IDENTIFIED BY 'secret'")
    yield {"USER": name, "PASSWORD": "secret"}
    with real.cursor() as cursor:
        cursor.execute(f"DROP USER {name}")


@pytest.fixture(params=["database", "user", "password", "privileges"])
def wrong(request):
    """Return settings of a database that are wrong in one thing."""
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has no server")
    if request.param == "database":
        yield {"NAME": "no_such_database"}
    elif request.param == "user":
        yield {"USER": "no_such_user"}
    elif connection.vendor == "mysql":
        stranger = {"PASSWORD": "wrong"} if request.param == "password" else None
        yield stranger or request.getfixturevalue("stranger")
    else:
        refused = {
            "password": ("28P01", 'password authentication failed for user "postgres"'),
            "privileges": ("28000", 'no pg_hba.conf entry for host "127.0.0.1", user "postgres"'),
        }
        server = Refusing(*refused[request.param])
        server.start()
        yield {"HOST": "127.0.0.1", "PORT": str(server.port), "PASSWORD": "wrong"}
        server.close()


def faults(caplog):
    """Return the log records that name the mistake, and their levels."""
    return [
        (each.levelname, WORDS in each.getMessage()) for each in caplog.records if "cmc_event" in vars(each)
    ]


class TestRefusedConnection:
    def test_is_said_at_once(self, hook, connect, wrong, connects, caplog):
        connect(**wrong)

        answer = hook.send("deliveries", delivery())

        assert (answer.status_code, answer.content.decode()) == (503, f"{WORDS}\n")
        assert int(answer.headers["Retry-After"]) > 0
        assert len(connects) == 1
        assert faults(caplog) == [("ERROR", True)]

    def test_is_said_by_commands(self, connect, wrong, connects):
        connect(**wrong)

        with pytest.raises(CommandError, match=r"^The database refuses the connection"):
            call_command("cmc_status")
        assert len(connects) == 1

    def test_is_said_by_the_health_view(self, client, settings, connect, wrong, caplog):
        settings.CMC_WEBHOOKS_HEALTH_TOKENS = ["a-token-of-the-health-view"]
        connect(**wrong)

        answer = client.get(
            reverse("cmc_webhooks_health:health"),
            headers={"Authorization": "Bearer a-token-of-the-health-view"},
        )

        assert (answer.status_code, answer.json()["problems"]) == (503, [WORDS])
        assert faults(caplog) == [("ERROR", True)]

    def test_is_said_in_japanese(self, settings, connect, wrong):
        settings.LANGUAGE_CODE = "ja"
        connect(**wrong)

        with pytest.raises(CommandError, match=re.escape(JAPANESE)):
            call_command("cmc_status")

    def test_is_over_as_soon_as_the_setting_is_right(self, hook, connect, wrong):
        connect(**wrong)
        hook.send("deliveries", delivery())
        connect()

        answer = hook.send("deliveries", delivery())

        assert answer.json()["new"] == 1
        assert models.DeliveryEvent.objects.count() == 1

    @pytest.mark.skipif(connection.vendor != "postgresql", reason="Django has pools for PostgreSQL alone")
    def test_is_said_behind_a_pool(self, hook, connect, connects, monkeypatch):
        pytest.importorskip("psycopg_pool")
        monkeypatch.setattr(connecting, "CONNECT_SECONDS", 0.5)
        options = {"pool": {"min_size": 1, "max_size": 2, "timeout": 3}}
        connect(NAME="no_such_database", CONN_MAX_AGE=0, OPTIONS=options)

        answer = hook.send("deliveries", delivery())

        assert (answer.status_code, answer.content.decode()) == (503, f"{WORDS}\n")


@pytest.mark.parametrize(
    "text",
    [
        'FATAL:  database "cmc" does not exist',
        'FATAL:  role "cmc" does not exist',
        'FATAL:  role "cmc" is not permitted to log in',
        'FATAL:  Peer authentication failed for user "cmc"',
        'FATAL:  SCRAM authentication failed for user "cmc"',
        'FATAL:  pg_hba.conf rejects connection for host "10.0.0.1", user "cmc"',
        "FATAL: no such database: cmc",
        "fe_sendauth: no password supplied",
    ],
)
def test_words_of_servers_that_refuse(text):
    error = OperationalError(f'connection to server at "10.0.0.1", port 5432 failed: {text}')

    assert transactions.setup_fault(error) == transactions.CONNECTION_REFUSED


@pytest.mark.parametrize(
    "text",
    [
        "FATAL:  the database system is starting up",
        "FATAL:  the database system is shutting down",
        "FATAL:  the database system is in recovery mode",
        "FATAL:  sorry, too many clients already",
        "FATAL:  terminating connection due to administrator command",
        "Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?",
        "FATAL:  query_wait_timeout",
    ],
)
def test_words_of_servers_that_are_unavailable(text):
    error = OperationalError(f'connection to server at "10.0.0.1", port 5432 failed: {text}')

    assert transactions.setup_fault(error) == ""
