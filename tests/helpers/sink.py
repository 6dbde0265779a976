"""A server on loopback that takes what is posted and answers as it is told."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Taken(NamedTuple):
    """One request: its body, its headers, and the client's port, by which connections differ."""

    body: bytes
    headers: dict[str, str]
    port: int


class Sink:
    """`answer(number)` is status and body of that answer, counted from 1; None closes the connection."""

    def __init__(self, port: int, answer: Callable[[int], tuple[int, bytes] | None]) -> None:
        self.url = f"http://127.0.0.1:{port}/cmc/webhook"
        self.answer = answer
        self.taken: list[Taken] = []

    @property
    def bodies(self) -> list[bytes]:
        return [each.body for each in self.taken]


@contextmanager
def listening(
    answer: Callable[[int], tuple[int, bytes] | None] = lambda number: (200, b"{}"),
) -> Iterator[Sink]:
    """A sink, as long as the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # header and text are two writes

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            sink.taken.append(Taken(body, dict(self.headers), self.client_address[1]))
            said = sink.answer(len(sink.taken))
            if said is None:
                self.close_connection = True
                return
            self.send_response(said[0])
            self.send_header("Content-Length", str(len(said[1])))
            self.end_headers()
            self.wfile.write(said[1])

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    sink = Sink(server.server_port, answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield sink
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
