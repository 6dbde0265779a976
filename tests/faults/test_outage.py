"""The database goes away under load and comes back: 200 and 503 only, and no restart is needed."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

import pytest
from django.db import connection

from tests.faults import harness

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has no server to stop"),
]


class Wire(threading.Thread):
    """A relay between the server under test and its database, which can be cut: all connections at once."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._cut = threading.Event()

    def run(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._cut.is_set():
                client.close()
                continue
            database = socket.create_connection(self._target)
            self._open += [client, database]
            for source, sink in ((client, database), (database, client)):
                threading.Thread(target=self._copy, args=(source, sink), daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        source.close()

    def cut(self) -> None:
        self._cut.set()
        for end in self._open:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def mend(self) -> None:
        self._cut.clear()

    def close(self) -> None:
        self.cut()
        self._listener.close()


@pytest.fixture
def wire():
    relay = Wire(
        int(connection.settings_dict["PORT"] or (5432 if connection.vendor == "postgresql" else 3306))
    )
    relay.start()
    yield relay
    relay.close()


@pytest.fixture
def server(tmp_path, wire):
    server = harness.Server(tmp_path, HOST="127.0.0.1", PORT=str(wire.port))
    server.start()
    yield server
    server.kill()


class TestOutage:
    def test_is_answered_with_503_and_over_without_a_restart(self, server, wire):
        with harness.Senders(server.port) as senders:
            for _ in range(max(2, harness.FAULTS // 5)):
                senders.wait_for(10)
                wire.cut()
                until = time.monotonic() + 30
                while senders.answers[-1][1] != 503 and time.monotonic() < until:
                    time.sleep(0.01)
                time.sleep(0.3)
                wire.mend()
                until = time.monotonic() + 30
                while senders.answers[-1][1] != 200 and time.monotonic() < until:
                    time.sleep(0.01)
        server.kill()

        figures = harness.check(server, senders.acknowledged)
        statuses = sorted({status for _, status in senders.answers})
        refused = sum(status == 503 for _, status in senders.answers)
        print(f"\nthe database away {max(2, harness.FAULTS // 5)} times: {figures}, {refused} answers 503")
        assert statuses == [200, 503]
        assert senders.failures == 0
