"""How a body travels: with a length or in chunks, whole or cut off, under WSGI and ASGI."""

from __future__ import annotations

import io
import json
from urllib.parse import urlencode

import pytest
from asgiref.sync import async_to_sync
from django.test.client import AsyncClientHandler, ClientHandler

from cmc_webhooks import models
from tests import cases
from tests.cases.test_envelopes import multipart
from tests.conftest import CASES, FORM, HOOK, delivery

pytestmark = pytest.mark.django_db

EVENT = json.dumps({"deliveries": [delivery()]})
FIELDS = {"event_type": "deliveries", "event": EVENT, "server_composition": "pro"}
BODIES = {
    "JSON": (cases.notification(delivery()), "application/json"),
    "form": (urlencode(FIELDS).encode(), FORM),
    "multipart": (multipart(FIELDS), "multipart/form-data; boundary=a-boundary"),
}
HEAD, _, CHUNKED = (CASES / "D04.http").read_bytes().partition(b"\r\n\r\n")


class Stream(io.BytesIO):
    """A body that arrives in small pieces, and then perhaps breaks off."""

    def __init__(self, body, error=None):
        super().__init__(body)
        self.error = error

    def read(self, size=-1):
        piece = super().read(min(size, 7) if size >= 0 else 7)
        if not piece and self.error:
            raise self.error
        return piece


class Body(io.BytesIO):
    """A body as the client of Django's tests takes it."""

    def __len__(self):
        return len(self.getvalue())


def dechunked(body):
    """The body inside chunks, as servers hand it over."""
    whole = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        whole, body = whole + body[: int(size, 16)], body[int(size, 16) + 2 :]
        if not int(size, 16):
            break
    return whole


def wsgi(stream, content_type, **environ):
    """The status and the text of an answer. `environ` decides how the body is announced."""
    environ = {
        "REQUEST_METHOD": "POST", "PATH_INFO": HOOK, "SERVER_NAME": "testserver", "SERVER_PORT": "80",
        "CONTENT_TYPE": content_type, "wsgi.input": stream, "wsgi.errors": io.StringIO(),
        "wsgi.url_scheme": "http", "HTTP_HOST": "testserver",
    } | {name.replace("__", "."): value for name, value in environ.items()}  # fmt: skip
    answer = ClientHandler(enforce_csrf_checks=True)(environ)
    return answer.status_code, answer.content.decode()


def asgi(body, content_type, *headers):
    """The status of an answer to a body that the server has taken in."""
    scope = {
        "type": "http", "method": "POST", "path": HOOK, "query_string": b"", "http_version": "1.1",
        "headers": [(b"host", b"testserver"), (b"content-type", content_type.encode()), *headers],
        "_body_file": Body(body),
    }  # fmt: skip
    return async_to_sync(AsyncClientHandler(enforce_csrf_checks=True))(scope).status_code


CHUNKS = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi__input_terminated": True}


@pytest.mark.usefixtures("open_hook")
class TestD04:
    """A chunked body is not empty."""

    def test_the_recorded_request_is_read(self):
        status, text = wsgi(Stream(dechunked(CHUNKED)), "application/json", **CHUNKS)

        assert (status, json.loads(text)["new"]) == (200, 1)
        assert cases.row("delivery")["messageId"] == "<d04@example.com>"

    @pytest.mark.parametrize("kind", BODIES)
    @pytest.mark.parametrize("length", [{}, {"CONTENT_LENGTH": ""}], ids=["no length", "empty length"])
    def test_holds_for_every_format(self, kind, length):
        body, content_type = BODIES[kind]

        status, text = wsgi(Stream(body), content_type, **CHUNKS, **length)

        assert (status, json.loads(text)["new"]) == (200, 1)

    @pytest.mark.parametrize("kind", BODIES)
    def test_is_refused_where_the_server_does_not_say_its_end(self, kind):
        body, content_type = BODIES[kind]

        status, text = wsgi(Stream(body), content_type, HTTP_TRANSFER_ENCODING="chunked")

        assert status == 411
        assert "Content-Length" in text
        assert cases.stored() == {}

    @pytest.mark.parametrize("setting", ["CMC_WEBHOOKS_MAX_BODY", "DATA_UPLOAD_MAX_MEMORY_SIZE"])
    @pytest.mark.parametrize("kind", BODIES)
    def test_limits_hold(self, settings, kind, setting):
        body, content_type = BODIES[kind]
        setattr(settings, setting, len(body) - 1)
        stream = Stream(body + b" " * 100_000)

        status, _ = wsgi(stream, content_type, **CHUNKS)

        assert status == 413
        assert stream.tell() <= len(body)
        assert cases.stored() == {}

    @pytest.mark.parametrize("setting", ["CMC_WEBHOOKS_MAX_BODY", "DATA_UPLOAD_MAX_MEMORY_SIZE"])
    def test_a_body_as_large_as_the_limit_is_read(self, settings, setting):
        body, content_type = BODIES["JSON"]
        setattr(settings, setting, len(body))

        assert wsgi(Stream(body), content_type, **CHUNKS)[0] == 200

    @pytest.mark.parametrize("error", [OSError("gone"), ValueError("bad chunk"), EOFError()], ids=repr)
    @pytest.mark.parametrize("kind", BODIES)
    def test_one_that_breaks_off_is_not_stored(self, kind, error):
        body, content_type = BODIES[kind]

        status, text = wsgi(Stream(body, error), content_type, **CHUNKS)

        assert (status, text) == (400, "the body broke off\n")
        assert cases.stored() == {}

    @pytest.mark.parametrize("kind", BODIES)
    @pytest.mark.parametrize("missing", [1, 40, 10_000])
    def test_one_that_is_shorter_than_announced_is_not_stored(self, kind, missing):
        body, content_type = BODIES[kind]

        status, text = wsgi(Stream(body), content_type, CONTENT_LENGTH=str(len(body) + missing))

        assert (status, text) == (400, "the body broke off\n")
        assert cases.stored() == {}

    @pytest.mark.parametrize("kind", BODIES)
    @pytest.mark.parametrize("missing", [0, 1, 40])
    def test_holds_for_a_form_that_a_middleware_has_read(self, settings, kind, missing):
        settings.MIDDLEWARE = ["tests.webhook.posts.reads_post", *settings.MIDDLEWARE]
        body, content_type = BODIES[kind]

        status, text = wsgi(io.BytesIO(body), content_type, CONTENT_LENGTH=str(len(body) + missing))

        assert status == (400 if missing else 200), text
        assert models.Mail.objects.count() == (0 if missing else 1)

    @pytest.mark.parametrize("kind", BODIES)
    def test_a_chunked_one_is_read_behind_a_middleware(self, settings, kind):
        settings.MIDDLEWARE = ["tests.webhook.posts.reads_post", *settings.MIDDLEWARE]
        body, content_type = BODIES[kind]

        assert wsgi(Stream(body), content_type, **CHUNKS)[0] == 200

    def test_a_post_without_a_body_is_answered(self):
        assert wsgi(io.BytesIO(), "application/json")[0] == 400
        assert wsgi(io.BytesIO(), "application/json", wsgi__input_terminated=True)[0] == 400


@pytest.mark.usefixtures("open_hook")
class TestD04UnderASGI:
    """A chunked body is not empty under ASGI either."""

    @pytest.mark.parametrize("kind", BODIES)
    def test_it_is_read(self, kind):
        body, content_type = BODIES[kind]

        assert asgi(body, content_type, (b"transfer-encoding", b"chunked")) == 200
        assert models.Mail.objects.count() == 1

    @pytest.mark.parametrize(
        "middleware", [[], ["tests.webhook.posts.reads_post"]], ids=["first", "read before"]
    )
    @pytest.mark.parametrize("kind", BODIES)
    def test_one_with_a_length_is_read(self, settings, kind, middleware):
        settings.MIDDLEWARE = [*middleware, *settings.MIDDLEWARE]
        body, content_type = BODIES[kind]

        assert asgi(body, content_type, (b"content-length", str(len(body)).encode())) == 200

    @pytest.mark.parametrize("setting", ["CMC_WEBHOOKS_MAX_BODY", "DATA_UPLOAD_MAX_MEMORY_SIZE"])
    def test_limits_hold(self, settings, setting):
        setattr(settings, setting, 1000)

        assert asgi(b" " * 100_000, "application/json") == 413

    @pytest.mark.parametrize("kind", BODIES)
    def test_one_that_is_shorter_than_announced_is_not_stored(self, kind):
        body, content_type = BODIES[kind]

        assert asgi(body, content_type, (b"content-length", str(len(body) + 1).encode())) == 400
        assert cases.stored() == {}
