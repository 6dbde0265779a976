"""Bodies far over the limit: refused, and the worker does not grow with them."""

from __future__ import annotations

import contextlib
import http.client
import socket
from pathlib import Path

import pytest

from cmc_webhooks.conf import DEFAULTS
from tests.conftest import FORM, HOOK, delivery, notification
from tests.faults import harness

pytestmark = pytest.mark.django_db(transaction=True)

MAX_BODY = DEFAULTS["MAX_BODY"]
HUNDRED_MB = 100 * 1024 * 1024
CHUNK = b"x" * 65536


@pytest.fixture
def server(tmp_path):
    server = harness.Server(tmp_path, workers=1)
    server.start()
    yield server
    server.kill()


def resident(server):
    """Bytes that the worker holds in memory now, by its process."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    pages = [int(Path(f"/proc/{child}/statm").read_text().split()[1]) for child in children]
    return dict(zip(children, (page * 4096 for page in pages), strict=True))


def post_without_end(port, headers, frame=lambda chunk: chunk):
    """Send 100 MB as fast as they are taken; the status, or None if the connection was closed unread."""
    with contextlib.closing(socket.create_connection(("127.0.0.1", port), timeout=60)) as peer:
        lines = [f"POST {HOOK} HTTP/1.1", "Host: x", *headers]
        peer.sendall("\r\n".join([*lines, "", ""]).encode())
        with contextlib.suppress(OSError):
            for _ in range(HUNDRED_MB // len(CHUNK)):
                peer.sendall(frame(CHUNK))
            peer.sendall(b"0\r\n\r\n")
        answer = http.client.HTTPResponse(peer)
        with contextlib.suppress(OSError, http.client.HTTPException):
            answer.begin()
            return answer.status
    return None


SHAPES = {
    "JSON": ["Content-Type: application/json", f"Content-Length: {HUNDRED_MB}"],
    "form": [f"Content-Type: {FORM}", f"Content-Length: {HUNDRED_MB}"],
    "multipart": ["Content-Type: multipart/form-data; boundary=b", f"Content-Length: {HUNDRED_MB}"],
    "gzip": ["Content-Encoding: gzip", f"Content-Length: {HUNDRED_MB}"],
    "short length": ["Content-Type: application/json", f"Content-Length: {MAX_BODY}"],
}


class TestLarge:
    def test_bodies_of_100_mb_leave_the_worker_as_it_was(self, server):
        for number in range(5):  # it has seen bodies of the largest size that is taken
            event = delivery(f"<warm{number}@x>", reason="x" * (MAX_BODY - 2000))
            assert harness.request(server.port, "POST", notification("deliveries", event)) == 200
            assert harness.request(server.port, "POST", b"x" * MAX_BODY) == 400
        before = resident(server)

        answers = {shape: post_without_end(server.port, headers) for shape, headers in SHAPES.items()}
        answers["chunked"] = post_without_end(
            server.port,
            ["Content-Type: application/json", "Transfer-Encoding: chunked"],
            lambda chunk: b"%x\r\n%s\r\n" % (len(chunk), chunk),
        )

        after = resident(server)
        grown = {child: after[child] - before[child] for child in before}
        print(f"\n100 MB in six shapes: {answers}, the worker grew by {sum(grown.values())} bytes")
        assert set(answers.values()) <= {400, 413, None}
        assert after.keys() == before.keys()
        assert max(grown.values()) < 2 * MAX_BODY
        assert harness.request(server.port, "POST", notification("deliveries", delivery())) == 200
