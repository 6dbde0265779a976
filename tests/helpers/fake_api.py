"""A small fake of CMC's REST API on loopback: it lists the rows it was given, and fails when told to."""

from __future__ import annotations

import json
import threading
from collections import deque
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from collections.abc import Iterator

USER, KEY = "api-user@example.com", "r3st-key-0123456789abcdef"


class FakeApi:
    """`rows` by kind, composition and day; `answers` are given first, each (status, body) with headers if
    there are three, a callable that makes one, or None for a connection that is closed.

    `asked` holds the action and the fields of each request, without the credentials.
    """

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str, str], list[Any]] = {}
        self.statistics: list[dict[str, Any]] = []
        self.answers: deque[Any] = deque()
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.stuck = threading.Event()
        self.url = ""

    def wait(self) -> None:
        """An answer that never comes while the test lasts."""
        self.stuck.wait(60)

    def answer(self, action: str, fields: dict[str, str]) -> Any:
        credentials = fields.pop("api_user", None), fields.pop("api_key", None)
        self.asked.append((action, fields))
        if self.answers:
            planned = self.answers.popleft()
            return planned() if callable(planned) else planned
        if credentials != (USER, KEY):
            fault = {"code": "02-001", "field": "api_key", "message": f"{credentials[1]} is no key"}
            return 401, json.dumps({"errors": [fault]})
        kind, _, what = action.partition("/")
        if what == "cancel":
            return 200, json.dumps({"message": "success"})
        if kind == "statistics":
            return 200, json.dumps({"statistics": self.statistics})
        rows = self.rows.get((kind, fields["server_composition"], fields["date"]))
        if rows is None:
            return 204, ""
        start = int(fields["p"]) * int(fields["r"])
        return 200, json.dumps({kind: rows[start : start + int(fields["r"])]}, ensure_ascii=False)


@contextmanager
def serving() -> Iterator[FakeApi]:
    """The fake behind an address of its own."""
    api = FakeApi()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            action = self.path.removeprefix("/transaction/v2/").removesuffix(".json")
            answer = api.answer(action, dict(parse_qsl(body)))
            if answer is None:
                return
            status, text, *headers = answer
            sent = text if isinstance(text, bytes) else text.encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(sent)), **(headers[0] if headers else {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda request, client_address: None  # type: ignore[method-assign] # gone clients
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    api.url = f"http://127.0.0.1:{server.server_port}/transaction/v2"
    try:
        yield api
    finally:
        api.stuck.set()
        server.shutdown()
        server.server_close()
        thread.join()
