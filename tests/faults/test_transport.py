"""Bodies over a socket: chunked, slow, cut off, under each worker of gunicorn and under uvicorn."""

from __future__ import annotations

import contextlib
import socket
import time
from importlib.util import find_spec

import pytest

from cmc_webhooks import models
from cmc_webhooks.conf import DEFAULTS
from tests import cases
from tests.cases.test_transport import BODIES
from tests.conftest import CASES, HOOK, delivery, notification
from tests.faults import harness

pytestmark = pytest.mark.django_db(transaction=True)

SERVERS = {
    "sync": ["gunicorn", "-k", "sync"],
    "gthread": ["gunicorn", "-k", "gthread", "--threads", "2"],
    "gevent": ["gunicorn", "-k", "gevent"],
    "uvicorn": ["uvicorn", "tests.faults.asgi:application"],
}
CHUNKED = "Transfer-Encoding: chunked"
NEEDS = {"gevent": "gevent", "uvicorn": "uvicorn"}


@pytest.fixture(scope="module", params=SERVERS)
def server(request, tmp_path_factory, django_db_setup):
    """A server that asks for no secret."""
    if request.param in NEEDS and not find_spec(NEEDS[request.param]):
        pytest.skip(f"{NEEDS[request.param]} is not installed")
    server = harness.Server(tmp_path_factory.mktemp(request.param), workers=1)
    server.environment["FAULTS_OPEN"] = "1"
    try:
        server.start(SERVERS[request.param])
        yield server
    finally:
        server.kill()


def talk(server, *pieces, pause=0.0, close=False):
    """Write these pieces to a socket; the status of the answer, or None if there is none."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as peer:
        for piece in pieces:
            with contextlib.suppress(OSError):
                peer.sendall(piece)
            time.sleep(pause)
        if close:
            peer.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(OSError):
            while piece := peer.recv(65536):
                answer += piece
        lines = [line for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
        return int(lines[-1].split()[1]) if lines else None


def head(content_type, *lines):
    first = [f"POST {HOOK} HTTP/1.1", "Host: testserver", "Connection: close"]
    return "\r\n".join([*first, f"Content-Type: {content_type}", *lines, "", ""]).encode()


def chunks(body, size=100):
    return [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in
            (body[place : place + size] for place in range(0, len(body), size))]  # fmt: skip


class TestD04:
    """A chunked body is not empty."""

    def test_the_recorded_request_is_stored(self, server):
        assert talk(server, (CASES / "D04.http").read_bytes()) == 200
        assert cases.row("delivery")["messageId"] == "<d04@example.com>"

    @pytest.mark.parametrize("kind", BODIES)
    def test_holds_for_every_format(self, server, kind):
        body, content_type = BODIES[kind]

        status = talk(server, head(content_type, CHUNKED), *chunks(body, 7), b"0\r\n\r\n")

        assert status == 200
        assert models.Mail.objects.count() == 1

    @pytest.mark.parametrize("kind", BODIES)
    def test_max_body_holds(self, server, kind):
        body, content_type = BODIES[kind]
        long = body + b" " * DEFAULTS["MAX_BODY"]

        status = talk(server, head(content_type, CHUNKED), *chunks(long, 65536), b"0\r\n\r\n")

        assert status in (413, None)  # None: the server closed the connection while it was written to
        assert cases.stored() == {}

    @pytest.mark.parametrize("kind", BODIES)
    @pytest.mark.parametrize(
        "end", [b"", b"64\r\nabc", b"xyz\r\n"], ids=["no end", "half a chunk", "no size"]
    )
    def test_one_that_is_cut_off_is_not_stored(self, server, kind, end):
        body, content_type = BODIES[kind]

        status = talk(server, head(content_type, CHUNKED), *chunks(body), end, close=True)

        assert status in (400, None)
        assert cases.stored() == {}

    @pytest.mark.parametrize("kind", BODIES)
    @pytest.mark.parametrize("missing", [1, 50])
    def test_one_shorter_than_announced_is_not_stored(self, server, kind, missing):
        body, content_type = BODIES[kind]
        if kind == "form":
            body += b"&api_key=x"

        status = talk(server, head(content_type, f"Content-Length: {len(body) + missing}"), body, close=True)

        assert status in (400, None)
        assert cases.stored() == {}


class TestD05:
    """Slow and cautious senders are served."""

    def test_a_body_may_come_byte_by_byte(self, server):
        body = notification("deliveries", delivery(), api_key=None)
        pieces = [bytes([byte]) for byte in body]

        status = talk(server, head("application/json", f"Content-Length: {len(body)}"), *pieces, pause=0.001)

        assert status == 200
        assert models.Mail.objects.count() == 1

    def test_a_chunked_one_may_come_byte_by_byte(self, server):
        body, content_type = BODIES["form"]
        pieces = [bytes([byte]) for byte in b"".join(chunks(body, 50)) + b"0\r\n\r\n"]

        status = talk(server, head(content_type, CHUNKED), *pieces, pause=0.001)

        assert status == 200
        assert models.Mail.objects.count() == 1

    @pytest.mark.parametrize("kind", BODIES)
    def test_a_sender_may_wait_to_be_asked(self, server, kind):
        body, content_type = BODIES[kind]
        first = head(content_type, "Expect: 100-continue", f"Content-Length: {len(body)}")

        status = talk(server, first, body, pause=0.4)

        assert status == 200
        assert models.Mail.objects.count() == 1
