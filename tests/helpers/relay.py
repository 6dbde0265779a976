"""A relay before a server, which can be cut."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

from django.db import connection


class Wire(threading.Thread):
    """A relay between the server under test and its database, which can be cut: all connections at once."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._cut = threading.Event()
        self._silent: set[int] = set()

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
                if id(source) not in self._silent:
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
        self._silent.clear()

    def silence(self) -> None:
        """Let the open connections fall silent: they stay open, and nothing passes any more."""
        self._silent |= {id(end) for end in self._open}

    def mend(self) -> None:
        self._cut.clear()

    def close(self) -> None:
        self.cut()
        self._listener.close()


@contextlib.contextmanager
def before_the_database() -> Iterator[Wire]:
    """Run a relay before the server of the tests' database."""
    usual = 5432 if connection.vendor == "postgresql" else 3306
    relay = Wire(int(connection.settings_dict["PORT"] or usual))
    relay.start()
    try:
        yield relay
    finally:
        relay.close()
