"""Bodies that are none, too large, or of a kind that is not read."""

from __future__ import annotations

import io
import json
from urllib.parse import urlencode

import pytest
from django.core.handlers.asgi import ASGIRequest

from cmc_webhooks import views
from tests.conftest import API_KEY, FORM, HOOK, bounce, delivery
from tests.webhook.posts import GOOD, Unreadable, form, frame, multipart, own_logs, stored

pytestmark = pytest.mark.django_db


class TestBadBody:
    """What is no notification is answered with 400 and a short text that says what is wrong, and where."""

    @pytest.mark.parametrize(
        ("body", "content_type", "says"),
        [
            (b"", "application/json", "empty"),
            (b" \r\n", FORM, "empty"),
            (b"\xef\xbb\xbf", "", "empty"),
            (b"nonsense", "application/json", "JSON"),
            (b"nonsense", FORM, "event_type"),
            (b"nonsense", "", "event_type"),
            (b"{", "application/json", "JSON"),
            (b"{}garbage", FORM, "JSON"),
            (b"null", "application/json", "JSON"),
            (b"17", "application/json", "JSON"),
            (b'"text"', "application/json", "object"),
            (b"[]", "application/json", "object"),
            (b"\x89PNG\r\n\x1a\n\x00", "image/png", ""),
            (b"<xml/>", "application/xml", ""),
            (b"--", "multipart/form-data; boundary=b", ""),
            (b"--b\r\n", "multipart/form-data; boundary=b", ""),
            (b"a=b&" * 200, FORM, "fields"),
        ],
        ids=lambda value: ascii(value)[:24] if isinstance(value, bytes) else "",
    )
    def test_says_that_the_body_is_none(self, hook, body, content_type, says):
        answer = hook.post(body, content_type)

        assert answer.status_code == 400
        assert says in answer.content.decode()
        assert stored() == {}

    @pytest.mark.parametrize(
        ("fields", "says"),
        [
            ({"event_type": None}, "event_type"),
            ({"event_type": ""}, "event_type"),
            ({"event_type": " \n"}, "event_type"),
            ({"event_type": ["deliveries"]}, "event_type"),
            ({"event_type": {"deliveries": 1}}, "event_type"),
            ({"server_composition": ["pro"]}, "server_composition"),
            ({"event": None}, "event"),
            ({"event": 17}, "event"),
            ({"event": True}, "event"),
            ({"event": []}, "event"),
            ({"event": "nonsense"}, "event"),
            ({"event": ""}, "event"),
            ({"event": "[]"}, "event"),
            ({"event": {}}, "event.deliveries"),
            ({"event": {"bounces": []}}, "event.deliveries"),
            ({"event": {"deliveries": None}}, "event.deliveries"),
            ({"event": {"deliveries": {}}}, "event.deliveries"),
            ({"event": {"deliveries": "text"}}, "event.deliveries"),
            ({"event_type": "opens"}, "event.opens"),
            ({"event": {"deliveries": [], " deliveries": [bounce()]}}, "event"),
        ],
        ids=str,
    )
    def test_says_what_is_wrong_and_where(self, hook, sent, fields, says):
        answer = hook.post(frame(**fields))

        assert answer.status_code == 400
        assert answer.headers["Content-Type"].startswith("text/plain")
        assert says in answer.content.decode()
        assert len(answer.content) < 200
        assert stored() == {"RejectedEvent": 1}
        assert sent == []

    @pytest.mark.parametrize("missing", ["event_type", "event"])
    @pytest.mark.parametrize("content_type", ["application/json", FORM])
    def test_says_what_is_missing(self, hook, content_type, missing):
        fields = {name: value for name, value in form(delivery()).items() if name != missing}
        body = urlencode(fields).encode() if content_type == FORM else json.dumps(fields).encode()

        answer = hook.post(body, content_type)

        assert answer.status_code == 400
        assert missing in answer.content.decode()

    @pytest.mark.parametrize(
        ("twice", "says"),
        [
            (b'"api_key": "%s"' % API_KEY.encode(), "api_key"),
            (b'"event_type": "deliveries"', "event_type"),
            (b'"event": {"deliveries": []}', "event"),
            (b'"api_key": "wrong"', "api_key"),
            (b'"event_type": "bounces"', "event_type"),
        ],
    )
    def test_refuses_a_name_given_twice_in_json(self, hook, twice, says):
        bodies = [b"{" + twice + b"," + GOOD[1:], GOOD[:-1] + b"," + twice + b"}"]

        answers = [hook.post(body) for body in bodies]

        assert [answer.status_code for answer in answers] == [400, 400]
        assert [says in answer.content.decode() for answer in answers] == [True, True]
        assert set(stored()) <= {"RejectedEvent"}

    @pytest.mark.parametrize("name", ["api_key", "event_type", "event"])
    @pytest.mark.parametrize("kind", ["form", "multipart"])
    def test_refuses_a_name_given_twice_in_a_form(self, hook, kind, name):
        fields = form(delivery())
        if kind == "form":
            body, content_type = urlencode([*fields.items(), (name, fields[name])]).encode(), FORM
        else:
            body = multipart(**{name: fields[name]}).removesuffix(b"--b--\r\n") + multipart(**fields)
            content_type = "multipart/form-data; boundary=b"

        answer = hook.post(body, content_type)

        assert answer.status_code == 400
        assert name in answer.content.decode()
        assert set(stored()) <= {"RejectedEvent"}

    @pytest.mark.parametrize(
        "event",
        [
            '{"deliveries": [], "deliveries": []}',
            '{"deliveries": [{"n": NaN}]}',
            '{"deliveries": [{"n": -Infinity}]}',
            '{"deliveries": [{"n": %s}]}' % ("9" * 33),
            '{"deliveries": [%s]}' % ("[" * 30 + "]" * 30),
        ],
        ids=["list twice", "NaN", "Infinity", "33 digits", "nesting"],
    )
    def test_refuses_what_has_no_one_meaning(self, hook, event):
        as_json = frame(event="EVENT").replace(b'"EVENT"', event.encode())
        as_form = urlencode(form() | {"event": event}).encode()

        answers = [hook.post(as_json), hook.post(frame(event=event)), hook.post(as_form, FORM)]

        assert [answer.status_code for answer in answers] == [400, 400, 400]
        assert set(stored()) == {"RejectedEvent"}

    def test_answers_a_body_that_breaks_off(self, hook, caplog):
        body = Unreadable()

        answer = hook.post(GOOD, **{"wsgi.input": body})

        assert answer.status_code == 400
        assert body.touched
        assert [len(record.getMessage().splitlines()) for record in own_logs(caplog)] == [1]

    @pytest.mark.parametrize("length", ["abc", "-5", "", "1.5", "0x10"])
    def test_answers_a_length_that_is_none(self, hook, length):
        answer = hook.post(GOOD, CONTENT_LENGTH=length)

        assert answer.status_code == 400
        assert stored() == {}


class TestTooLarge:
    """What is larger than is taken is answered with 413."""

    def test_refuses_by_content_length_before_anything_else(self, hook, settings):
        settings.CMC_WEBHOOKS_BASIC_AUTH = ["cmc:a-long-password"]
        settings.CMC_WEBHOOKS_ALLOWED_NETWORKS = []
        body = Unreadable()
        headers = {
            "CONTENT_LENGTH": str(2 * 1024 * 1024 + 1),
            "HTTP_CONTENT_ENCODING": "gzip",
            "wsgi.input": body,
        }

        answers = [hook.client.generic(method, HOOK, GOOD, **headers) for method in ("POST", "PUT", "GET")]

        assert [answer.status_code for answer in answers] == [413, 413, 413]
        assert not body.touched

    @pytest.mark.parametrize(("spare", "code"), [(0, 200), (-1, 413)])
    def test_refuses_from_the_first_byte_too_many(self, hook, settings, spare, code):
        settings.CMC_WEBHOOKS_MAX_BODY = len(GOOD) + spare

        answer = hook.post(GOOD)

        assert answer.status_code == code
        assert ("DeliveryEvent" in stored()) == (code == 200)

    def test_refuses_by_the_real_length_where_none_was_sent(self, hook, settings):
        settings.CMC_WEBHOOKS_MAX_BODY = len(GOOD) - 1
        scope = {"type": "http", "method": "POST", "path": HOOK, "query_string": b"", "headers": []}

        refused = views.webhook(ASGIRequest(scope, io.BytesIO(GOOD)))
        settings.CMC_WEBHOOKS_MAX_BODY = len(GOOD)
        taken = views.webhook(ASGIRequest(scope, io.BytesIO(GOOD)))

        assert (refused.status_code, taken.status_code) == (413, 200)

    @pytest.mark.parametrize("content_type", ["application/json", FORM, "multipart/form-data; boundary=b"])
    def test_refuses_what_django_finds_too_big(self, hook, settings, caplog, content_type):
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100

        answer = hook.post(GOOD, content_type)

        assert answer.status_code == 413
        assert len(answer.content) < 200
        assert len(own_logs(caplog)) == 1
        assert stored() == {}

    @pytest.mark.parametrize(("number", "code"), [(3, 200), (4, 413)])
    @pytest.mark.parametrize("event_type", ["deliveries", "blocks", "opens"])
    def test_refuses_more_events_than_the_project_wants(self, hook, settings, event_type, number, code):
        settings.CMC_WEBHOOKS_MAX_EVENTS = 3

        answer = hook.send(event_type, *[{"messageId": str(each)} for each in range(number)])

        assert answer.status_code == code
        assert (stored() == {}) == (code == 413)

    def test_takes_a_thousand_events_and_no_more(self, hook):
        events = [delivery(f"<{number}@x>") for number in range(1001)]

        refused, taken = hook.send("deliveries", *events), hook.send("deliveries", *events[1:])

        assert refused.status_code == 413
        assert "1000" in refused.content.decode()
        assert taken.json() == {"new": 1000, "repeated": 0, "rejected": 0}


class TestUnsupported:
    """A body in an encoding or charset that is not read is answered with 415."""

    @pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "GZIP", "gzip, gzip", "nonsense"])
    def test_refuses_every_content_encoding(self, hook, encoding):
        body = Unreadable()

        answer = hook.post(GOOD, HTTP_CONTENT_ENCODING=encoding, **{"wsgi.input": body})

        assert answer.status_code == 415
        assert not body.touched

    @pytest.mark.parametrize("charset", ["utf-16", "koi8-r", "nonsense", '"utf-7"'])
    def test_refuses_charsets_outside_the_list(self, hook, charset):
        answer = hook.post(GOOD, f"application/json; charset={charset}")

        assert answer.status_code == 415
        assert stored() == {}

    def test_takes_identity(self, hook):
        assert hook.post(GOOD, HTTP_CONTENT_ENCODING="identity").status_code == 200
