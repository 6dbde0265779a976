from __future__ import annotations

import base64
import io
import itertools
import json
import logging
from urllib.parse import urlencode

import django
import pytest
from django.core.handlers.asgi import ASGIRequest
from django.db import OperationalError, connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from cmc_webhooks import durable, ingest, models, signals, views, wire
from tests.conftest import API_KEY, FORM, HOOK, PAYLOADS, bounce, delivery, notification

pytestmark = pytest.mark.django_db

TABLES = (
    models.Mail,
    models.DeliveryEvent,
    models.BounceEvent,
    models.BlockEvent,
    models.RejectedEvent,
    models.Notification,
    models.PendingSignal,
)
BASIC = f"Basic {base64.b64encode(b'cmc:a-long-password').decode()}"
WRONG_BASIC = f"Basic {base64.b64encode(b'cmc:another-password').decode()}"
GOOD = notification("deliveries", delivery())
MAX_STATEMENTS = 16 if connection.vendor == "sqlite" and django.VERSION < (6,) else 12


def stored():
    return {model.__name__: number for model in TABLES if (number := model.objects.count())}


def frame(**fields):
    whole = {"api_key": API_KEY, "server_composition": "pro", "event_type": "deliveries"}
    return json.dumps(whole | {"event": {"deliveries": [delivery()]}} | fields).encode()


def multipart(**fields):
    part = '--b\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
    return ("".join(part.format(name, value) for name, value in fields.items()) + "--b--\r\n").encode()


def form(*events, event_type="deliveries", api_key=API_KEY):
    return {
        "api_key": api_key,
        "server_composition": "pro",
        "event_type": event_type,
        "event": json.dumps({event_type: events}, ensure_ascii=False),
    }


def own_logs(caplog):
    return [record for record in caplog.records if record.name.startswith("cmc_webhooks")]


class Unreadable(io.BytesIO):
    """A body of some length that must not be read."""

    touched = False

    def read(self, *args):
        self.touched = True
        raise OSError("the connection was\r\nreset")

    readline = read


def reads_post(get_response):
    """A middleware that looks at the form before the view does."""

    def middleware(request):
        request.seen_by_middleware = dict(request.POST)
        return get_response(request)

    return middleware


class TestGoodNotification:
    """A notification that is taken is answered with 200 and what became of its events."""

    @pytest.mark.parametrize(
        ("event_type", "events", "counts"),
        [
            ("deliveries", [delivery("<a@x>"), delivery("<b@x>")], (2, 0, 0)),
            ("bounces", [bounce("<a@x>"), bounce("<b@x>")], (2, 0, 0)),
            ("blocks", [{"email": "a@example.jp"}, {"email": "b@example.jp"}], (2, 0, 0)),
            ("deliveries", [], (0, 0, 0)),
            ("deliveries", [delivery(), delivery()], (1, 1, 0)),
            ("deliveries", [delivery("<a@x>"), "odd", delivery("<b@x>"), delivery(to=[])], (2, 0, 2)),
            ("deliveries", [None], (0, 0, 1)),
            ("opens", [{"to": "a@example.jp"}, {"to": "b@example.jp"}], (0, 0, 2)),
            ("opens", [], (0, 0, 0)),
        ],
        ids=[
            "deliveries",
            "bounces",
            "blocks",
            "empty",
            "twins",
            "odd",
            "only odd",
            "new type",
            "new type, empty",
        ],
    )
    def test_counts_its_events(self, hook, event_type, events, counts):
        answer = hook.send(event_type, *events)

        row = models.Notification.objects.get()
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "application/json"
        assert json.loads(answer.content) == dict(zip(("new", "repeated", "rejected"), counts, strict=True))
        assert (row.event_type, row.server_composition) == (event_type, "pro")
        assert (row.new, row.repeated, row.rejected) == counts

    def test_counts_repeats_of_itself_and_of_a_part(self, hook):
        batches = [["<a@x>", "<b@x>"], ["<a@x>", "<b@x>"], ["<b@x>", "<c@x>"], ["<c@x>"]]

        answers = [hook.send("deliveries", *map(delivery, batch)).json() for batch in batches]

        assert [tuple(answer.values()) for answer in answers] == [(2, 0, 0), (0, 2, 0), (1, 1, 0), (0, 1, 0)]
        assert models.DeliveryEvent.objects.count() == 3

    def test_counts_a_repeat_with_odd_events_as_such(self, hook):
        batch = [delivery(), delivery(to=[])]

        answers = [hook.send("deliveries", *batch).json() for _ in range(2)]

        assert answers == [{"new": 1, "repeated": 0, "rejected": 1}, {"new": 0, "repeated": 1, "rejected": 1}]
        assert stored() == {"Mail": 1, "DeliveryEvent": 1, "RejectedEvent": 1, "Notification": 2}

    def test_keeps_what_is_odd_with_its_text_and_place(self, hook):
        hook.send("deliveries", delivery(), {"to": ["a@example.jp"], "n": 1, "api_key": API_KEY})

        kept = models.RejectedEvent.objects.get()
        assert (kept.event_type, kept.server_composition, kept.position) == ("deliveries", "pro", 1)
        assert json.loads(kept.raw) == {"to": ["a@example.jp"], "n": "1"}
        assert kept.error == "event.deliveries[1]: to is not text"
        assert kept.resolved_at is None

    def test_keeps_events_of_a_type_never_seen(self, hook):
        hook.send("opens", {"to": "a@example.jp"}, {"to": "b@example.jp"})

        kept = models.RejectedEvent.objects.order_by("position")
        assert [(each.event_type, json.loads(each.raw)) for each in kept] == [
            ("opens", {"to": "a@example.jp"}),
            ("opens", {"to": "b@example.jp"}),
        ]

    def test_reaches_the_receivers_from_body_to_signal(self, hook, sent, django_capture_on_commit_callbacks):
        with django_capture_on_commit_callbacks(execute=True):
            hook.send("deliveries", delivery(), delivery(status="failed", created="2023-01-25 14:06:06"))
            hook.send("bounces", bounce())

        assert [(name, sender.__name__) for name, sender, _ in sent] == [
            ("event_recorded", "DeliveryEvent"),
            ("event_recorded", "DeliveryEvent"),
            ("status_changed", "Mail"),
            ("event_recorded", "BounceEvent"),
            ("status_changed", "Mail"),
        ]
        assert [(call["old"], call["new"]) for call in sent.of("status_changed")] == [
            ("", "failed"),
            ("failed", "bounced"),
        ]

    def test_tells_nothing_twice(self, hook, sent, django_capture_on_commit_callbacks):
        with django_capture_on_commit_callbacks(execute=True):
            hook.send("deliveries", delivery())
            hook.send("deliveries", delivery())

        assert len(sent) == 2

    def test_may_come_out_of_order(self, hook, sent, django_capture_on_commit_callbacks):
        with django_capture_on_commit_callbacks(execute=True):
            hook.send("deliveries", delivery(status="succeeded", created="2023-01-25 14:03:09"))
            hook.send("deliveries", delivery(status="queued"))

        assert models.Mail.objects.get().status == "succeeded"
        assert len(sent.of("status_changed")) == 1

    def test_may_have_a_status_never_seen(self, hook):
        hook.send("deliveries", delivery(status="expired"))

        assert models.Mail.objects.get().status == "expired"

    def test_is_taken_when_a_receiver_raises(self, hook, django_capture_on_commit_callbacks):
        def bad(**arguments):
            raise RuntimeError("a fault of the site's own")

        signals.status_changed.connect(bad)
        try:
            with django_capture_on_commit_callbacks(execute=True):
                answer = hook.send("deliveries", delivery())
        finally:
            signals.status_changed.disconnect(bad)

        assert answer.json() == {"new": 1, "repeated": 0, "rejected": 0}

    def test_costs_the_same_statements_whatever_its_size(self, hook):
        events = [delivery(f"<{number}@x>") for number in range(110)]
        hook.send("deliveries", delivery())

        counts = []
        for batch in (events[:10], events[10:]):
            with CaptureQueriesContext(connection) as statements:
                hook.send("deliveries", *batch)
            counts.append(len([each for each in statements if "SAVEPOINT" not in each["sql"]]))

        assert models.DeliveryEvent.objects.count() == 111
        assert max(counts) <= MAX_STATEMENTS
        if MAX_STATEMENTS == 12:
            assert counts[0] == counts[1]

    def test_may_be_json_form_or_multipart(self, hook):
        body = multipart(**form(delivery()))

        answers = [
            hook.post(GOOD),
            hook.post(urlencode(form(delivery())).encode(), FORM),
            hook.post(body, "multipart/form-data; boundary=b"),
        ]

        assert [answer.json()["new"] for answer in answers] == [1, 0, 0]
        assert [answer.json()["repeated"] for answer in answers] == [0, 1, 1]

    @pytest.mark.parametrize(
        "path",
        sorted(path for path in PAYLOADS.iterdir() if path.suffix in (".json", ".form")),
        ids=lambda it: it.name,
    )
    def test_is_taken_as_recorded(self, open_hook, path):
        answer = open_hook.file(path)

        if path.stem.startswith(("rest_", "receiving_")):
            assert answer.status_code == 400
            assert stored() == {}
        else:
            assert answer.status_code == 200
            assert answer.json()["new"] > 0
            assert (answer.json()["repeated"], answer.json()["rejected"]) == (0, 0)

    def test_leaves_no_secret_in_its_row(self, hook):
        hook.send("deliveries", delivery())

        assert API_KEY not in repr(models.Notification.objects.values().get())

    def test_has_an_address_with_a_name(self):
        assert reverse("cmc_webhooks:webhook") == HOOK


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
            ({"event": {"deliveries": [], "bounces": [bounce()]}}, "event"),
            ({"event": {"deliveries": [delivery()], "bounces": [bounce()]}}, "event"),
        ],
        ids=str,
    )
    def test_says_what_is_wrong_and_where(self, hook, sent, fields, says):
        answer = hook.post(frame(**fields))

        assert answer.status_code == 400
        assert answer.headers["Content-Type"].startswith("text/plain")
        assert says in answer.content.decode()
        assert len(answer.content) < 200
        assert stored() == {}
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
        assert stored() == {}

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
        assert stored() == {}

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
        assert stored() == {}

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


class TestSecrets:
    """Without the right secret nothing is stored: 401 where BASIC credentials are wanted, otherwise 403."""

    @pytest.mark.parametrize("api_key", [None, "", "wrong", API_KEY.upper(), f" {API_KEY}", API_KEY[:-1]])
    @pytest.mark.parametrize("content_type", ["application/json", FORM, "multipart/form-data; boundary=b"])
    def test_refuses_a_wrong_key(self, hook, sent, content_type, api_key):
        fields = form(delivery(), api_key=api_key)
        if api_key is None:
            del fields["api_key"]
        body = {
            "application/json": json.dumps(fields).encode(),
            FORM: urlencode(fields).encode(),
        }.get(content_type, multipart(**fields))

        answer = hook.post(body, content_type)

        assert answer.status_code == 403
        assert "WWW-Authenticate" not in answer.headers
        assert stored() == {}
        assert sent == []

    def test_takes_every_key_of_the_list(self, hook, settings):
        settings.CMC_WEBHOOKS_API_KEYS = ["an-old-key-of-ours", "a-new-key-of-ours"]

        answers = [
            hook.send("deliveries", delivery(), api_key=key)
            for key in ("an-old-key-of-ours", "a-new-key-of-ours", API_KEY)
        ]

        assert [answer.status_code for answer in answers] == [200, 200, 403]

    def test_does_not_look_for_the_key_in_the_address(self, hook):
        answer = hook.post(
            notification("deliveries", delivery(), api_key=None), path=f"{HOOK}?api_key={API_KEY}"
        )

        assert answer.status_code == 403

    @pytest.mark.parametrize("header", [None, "", WRONG_BASIC, "Basic", "Bearer a-token-of-some-length"])
    def test_challenges_for_basic_credentials_with_the_body_unread(self, hook, settings, header):
        settings.CMC_WEBHOOKS_BASIC_AUTH = ["cmc:a-long-password"]
        body = Unreadable()
        headers = {} if header is None else {"HTTP_AUTHORIZATION": header}

        answer = hook.post(GOOD, **headers, **{"wsgi.input": body})

        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")
        assert not body.touched

    @pytest.mark.parametrize(
        "header", [None, "", BASIC, "Bearer", "Bearer another", "a-token-of-some-length"]
    )
    def test_refuses_a_wrong_token_with_the_body_unread(self, hook, settings, header):
        settings.CMC_WEBHOOKS_BEARER_TOKENS = ["a-token-of-some-length"]
        body = Unreadable()
        headers = {} if header is None else {"HTTP_AUTHORIZATION": header}

        answer = hook.post(GOOD, **headers, **{"wsgi.input": body})

        assert answer.status_code == 403
        assert "WWW-Authenticate" not in answer.headers
        assert not body.touched

    def test_refuses_other_addresses_with_the_body_unread(self, hook, settings):
        settings.CMC_WEBHOOKS_ALLOWED_NETWORKS = ["192.0.2.0/24"]
        body = Unreadable()

        answer = hook.post(GOOD, REMOTE_ADDR="203.0.113.9", **{"wsgi.input": body})

        assert answer.status_code == 403
        assert not body.touched

    def test_refuses_everything_where_no_secret_is_set(self, hook, settings):
        settings.CMC_WEBHOOKS_API_KEYS = []
        body = Unreadable()

        answer = hook.post(GOOD, **{"wsgi.input": body})

        assert answer.status_code == 403
        assert "cmc_webhooks.E001" in answer.content.decode()
        assert not body.touched

    def test_takes_everything_where_the_project_says_so(self, open_hook):
        assert open_hook.post(notification("deliveries", delivery(), api_key=None)).status_code == 200

    @pytest.mark.parametrize(
        ("header", "api_key", "code"),
        [(BASIC, API_KEY, 200), (BASIC, "wrong", 403), (WRONG_BASIC, API_KEY, 401), (None, API_KEY, 401)],
    )
    def test_wants_every_kind_that_is_configured(self, hook, settings, header, api_key, code):
        settings.CMC_WEBHOOKS_BASIC_AUTH = ["cmc:a-long-password"]
        headers = {"HTTP_AUTHORIZATION": header} if header else {}

        answer = hook.post(notification("deliveries", delivery(), api_key=api_key), **headers)

        assert answer.status_code == code
        assert ("DeliveryEvent" in stored()) == (code == 200)

    def test_wants_no_key_where_credentials_are_all_that_is_set(self, hook, settings):
        settings.CMC_WEBHOOKS_API_KEYS = []
        settings.CMC_WEBHOOKS_BASIC_AUTH = ["cmc:a-long-password"]

        answer = hook.post(notification("deliveries", delivery(), api_key=None), HTTP_AUTHORIZATION=BASIC)

        assert answer.status_code == 200


class TestMethods:
    """The webhook is for POST; the other methods are answered without a secret."""

    @pytest.mark.parametrize("secrets", ["none", "set"])
    @pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE"])
    def test_refuses_others_and_tells_which_it_takes(self, settings, method, secrets):
        settings.CMC_WEBHOOKS_API_KEYS = [API_KEY] if secrets == "set" else []
        settings.CMC_WEBHOOKS_BEARER_TOKENS = ["a-token-of-some-length"] if secrets == "set" else []

        answer = Client(raise_request_exception=False).generic(method, HOOK)

        assert answer.status_code == 405
        assert answer.headers["Allow"] == "POST, OPTIONS"

    def test_refuses_others_even_with_a_good_body(self, hook):
        answer = hook.client.generic("PUT", HOOK, GOOD, content_type="application/json")

        assert answer.status_code == 405
        assert stored() == {}

    @pytest.mark.parametrize("secrets", ["none", "set"])
    def test_answers_options(self, settings, secrets):
        settings.CMC_WEBHOOKS_API_KEYS = [API_KEY] if secrets == "set" else []

        answer = Client(raise_request_exception=False).options(HOOK)

        assert (answer.status_code, answer.headers["Allow"]) == (200, "POST, OPTIONS")


class TestUnavailable:
    """When nothing could be stored the answer is 503 with `Retry-After`, and the same body is taken later."""

    @pytest.mark.django_db(transaction=True)
    def test_tells_that_the_database_is_away(self, hook, sent, monkeypatch, caplog):
        def no_cursor(*args, **kwargs):
            raise OperationalError('connection to "db.internal" with password "hunter2" failed')

        with monkeypatch.context() as patch:
            patch.setattr(connection, "cursor", no_cursor)
            away = hook.post(GOOD)
        nothing = (stored(), list(sent))
        back = hook.post(GOOD)

        assert away.status_code == 503
        assert away.headers["Retry-After"].isdigit()
        assert b"hunter2" not in away.content
        assert "hunter2" not in caplog.text
        assert nothing == ({}, [])
        assert back.json() == {"new": 1, "repeated": 0, "rejected": 0}
        assert len(sent.of("event_recorded")) == 1

    @pytest.mark.django_db(transaction=True)
    def test_tells_that_a_lock_was_held_too_long(self, hook, monkeypatch):
        monkeypatch.setattr(durable, "TRIES", 1)
        monkeypatch.setattr(durable, "LOCK_SECONDS", 1)
        hook.post(GOOD)
        other = connection.copy()
        if connection.vendor == "sqlite":
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA busy_timeout = 20")
        try:
            other.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)
            if connection.vendor != "sqlite":
                with other.cursor() as cursor:
                    cursor.execute("SELECT id FROM cmc_webhooks_mail FOR UPDATE")
            locked = hook.send("bounces", bounce())
        finally:
            other.rollback()
            other.close()
        free = hook.send("bounces", bounce())

        assert locked.status_code == 503
        assert "Retry-After" in locked.headers
        assert free.json() == {"new": 1, "repeated": 0, "rejected": 0}

    def test_needs_no_database_to_refuse(self, hook, django_assert_num_queries):
        with django_assert_num_queries(0):
            answers = [
                hook.post(b"{"),
                hook.send("deliveries", delivery(), api_key="wrong"),
                hook.client.get(HOOK),
            ]

        assert [answer.status_code for answer in answers] == [400, 403, 405]

    @pytest.mark.parametrize(
        "error", [RuntimeError, TypeError, KeyError, MemoryError, RecursionError, AssertionError]
    )
    def test_answers_a_bug_and_logs_it(self, hook, monkeypatch, caplog, error):
        def bug(*args, **kwargs):
            raise error("a bug")

        monkeypatch.setattr(ingest, "receive", bug)
        answer = hook.post(GOOD)

        (record,) = own_logs(caplog)
        assert answer.status_code == 503
        assert "Retry-After" in answer.headers
        assert b"a bug" not in answer.content
        assert (record.levelno, record.exc_info[0]) == (logging.ERROR, error)
        assert API_KEY not in caplog.text

    def test_answers_a_bug_in_debug_too(self, hook, monkeypatch, settings):
        settings.DEBUG = True
        monkeypatch.setattr(wire, "decode", lambda *args: 1 / 0)

        answer = hook.post(GOOD)

        assert answer.status_code == 503
        assert b"Traceback" not in answer.content

    @pytest.mark.parametrize(
        ("name", "value"),
        [("TIME_ZONE", "Nowhere/Land"), ("ALLOWED_NETWORKS", ["nonsense"]), ("MAX_EVENTS", "many")],
    )
    def test_answers_a_wrong_setting_and_stores_nothing(self, hook, settings, name, value):
        setattr(settings, f"CMC_WEBHOOKS_{name}", value)

        answer = hook.post(GOOD)

        assert answer.status_code == (403 if name == "ALLOWED_NETWORKS" else 503)
        assert stored() == {}


class TestRedirects:
    """No spelling of the address is ever redirected."""

    @pytest.mark.parametrize("debug", [False, True], ids=["DEBUG off", "DEBUG on"])
    @pytest.mark.parametrize("path", [HOOK, f"{HOOK}/"])
    def test_takes_both_spellings(self, hook, settings, path, debug):
        settings.APPEND_SLASH = True
        settings.DEBUG = debug

        answers = [hook.post(GOOD, path=path), hook.post(b"{", path=path), hook.client.get(path)]

        assert [answer.status_code for answer in answers] == [200, 400, 405]


class TestMiddleware:
    """The webhook works behind what projects put before it."""

    def test_is_exempt_from_csrf_checks(self, hook):
        assert hook.client.handler.enforce_csrf_checks
        assert hook.post(GOOD, HTTP_ORIGIN="https://elsewhere.example").status_code == 200

    def test_is_exempt_from_login(self, hook, settings):
        settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]

        assert hook.post(GOOD).status_code == 200
        assert hook.client.get("/admin/").status_code == 302

    @pytest.mark.django_db(transaction=True)
    def test_commits_before_it_answers_under_atomic_requests(self, hook, sent, monkeypatch):
        for database in connections.settings.values():
            monkeypatch.setitem(database, "ATOMIC_REQUESTS", True)

        answers = [hook.post(GOOD), hook.post(GOOD)]

        assert [answer.json()["new"] for answer in answers] == [1, 0]
        assert len(sent.of("event_recorded")) == 1

    @pytest.mark.parametrize("kind", ["json", "form", "multipart", "json as multipart"])
    def test_takes_a_body_that_was_read_already(self, hook, settings, kind):
        settings.MIDDLEWARE = ["tests.test_views.reads_post", *settings.MIDDLEWARE]
        boundary = "multipart/form-data; boundary=b"
        body, content_type = {
            "json": (GOOD, "application/json"),
            "form": (urlencode(form(delivery())).encode(), FORM),
            "multipart": (multipart(**form(delivery())), boundary),
            "json as multipart": (b"--b\r\n" + GOOD, boundary),
        }[kind]

        answer = hook.post(body, content_type)

        if kind == "json as multipart":
            assert answer.status_code == 400
        else:
            assert answer.json() == {"new": 1, "repeated": 0, "rejected": 0}
            assert models.Mail.objects.get().subject == delivery()["subject"]

    @pytest.mark.parametrize("name", ["api_key", "event_type", "event"])
    def test_refuses_a_name_given_twice_in_a_body_that_was_read_already(self, hook, settings, name):
        settings.MIDDLEWARE = ["tests.test_views.reads_post", *settings.MIDDLEWARE]
        fields = form(delivery())
        body = multipart(**{name: fields[name]}).removesuffix(b"--b--\r\n") + multipart(**fields)

        answer = hook.post(body, "multipart/form-data; boundary=b")

        assert answer.status_code == 400
        assert stored() == {}

    def test_checks_the_key_of_a_body_that_was_read_already(self, hook, settings):
        settings.MIDDLEWARE = ["tests.test_views.reads_post", *settings.MIDDLEWARE]

        answer = hook.post(multipart(**form(delivery(), api_key="wrong")), "multipart/form-data; boundary=b")

        assert answer.status_code == 403
        assert stored() == {}


class TestOrder:
    """Size, method, encoding, secrets in headers, frame, key, and only then the content."""

    FAULTS = {
        413: ("size", {"CONTENT_LENGTH": str(3 * 1024 * 1024)}),
        405: ("method", {"REQUEST_METHOD": "PUT"}),
        415: ("encoding", {"HTTP_CONTENT_ENCODING": "gzip"}),
        401: ("credentials", {"HTTP_AUTHORIZATION": WRONG_BASIC}),
    }

    @pytest.mark.parametrize("codes", list(itertools.combinations(FAULTS, 2)), ids=str)
    def test_tells_the_first_of_two_faults(self, hook, settings, codes):
        settings.CMC_WEBHOOKS_BASIC_AUTH = ["cmc:a-long-password"]
        headers = {"HTTP_AUTHORIZATION": BASIC}
        for code in codes:
            headers |= self.FAULTS[code][1]
        method = headers.pop("REQUEST_METHOD", "POST")

        answer = hook.client.generic(method, HOOK, b"{", content_type="application/json", **headers)

        assert answer.status_code == codes[0]

    def test_looks_at_credentials_before_the_body(self, hook, settings):
        settings.CMC_WEBHOOKS_BASIC_AUTH = ["cmc:a-long-password"]

        answers = [
            hook.post(b"{", HTTP_AUTHORIZATION=WRONG_BASIC),
            hook.post(GOOD, "application/json; charset=utf-16", HTTP_AUTHORIZATION=WRONG_BASIC),
            hook.send("deliveries", delivery(), api_key="wrong"),
        ]

        assert [answer.status_code for answer in answers] == [401, 401, 401]

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (b"{" + notification("deliveries", api_key="wrong"), 400),
            (frame(api_key="wrong")[:-1], 400),
            (b'{"event_type": "x", "event_type": "y", "api_key": "wrong"}', 400),
            (frame(api_key="wrong").replace(b'"pro"', b"NaN"), 400),
            (frame(api_key="wrong", event_type=None), 403),
            (frame(api_key="wrong", event_type=[]), 403),
            (frame(api_key="wrong", event=None), 403),
            (frame(api_key="wrong", event="nonsense"), 403),
            (frame(api_key="wrong", event='{"deliveries": [NaN]}'), 403),
            (frame(api_key="wrong", event={"deliveries": 1}), 403),
            (frame(api_key="wrong", event={"deliveries": [], "bounces": [1]}), 403),
            (frame(api_key="wrong", event={"deliveries": [1] * 1001}), 403),
            (frame(api_key="wrong", server_composition=[]), 403),
            (b"{}", 403),
        ],
        ids=lambda value: ascii(value)[-40:] if isinstance(value, bytes) else None,
    )
    def test_looks_at_the_key_after_the_frame_and_before_the_content(self, hook, body, code):
        answer = hook.post(body)

        assert answer.status_code == code
        assert stored() == {}

    def test_tells_a_bad_charset_before_a_wrong_key(self, hook):
        answer = hook.post(frame(api_key="wrong"), "application/json; charset=utf-16")

        assert answer.status_code == 415


class TestLog:
    """Each refusal is one line of the log, without secrets and without raw line breaks."""

    BREAKS = "a\r\nb\u2028c\x85d\x0be\x1cf"
    REFUSALS = {
        "empty": (b"", {}),
        "broken": (b"{" + GOOD, {}),
        "wrong key": (frame(api_key="a-wrong-key\r\nof theirs"), {}),
        "type with breaks": (frame(event_type=BREAKS), {}),
        "type is the key": (frame(event_type=[API_KEY]), {}),
        "event is the key": (frame(event=API_KEY), {}),
        "names twice": (b'{"api_key": "%s", "api_key": "a-wrong-key"}' % API_KEY.encode(), {}),
        "too many": (frame(event={"deliveries": [1] * 1001}), {}),
        "charset": (GOOD, {"content_type": f"application/json; charset={API_KEY}"}),
        "encoding": (GOOD, {"HTTP_CONTENT_ENCODING": API_KEY}),
        "too large": (GOOD, {"CONTENT_LENGTH": "9999999"}),
        "other lists": (frame(event={"deliveries": [], API_KEY: [1]}), {}),
    }

    @pytest.mark.parametrize("refusal", REFUSALS)
    def test_has_one_line_for_a_refusal(self, hook, caplog, refusal):
        body, headers = self.REFUSALS[refusal]

        answer = hook.post(body, **headers)

        (record,) = own_logs(caplog)
        assert 400 <= answer.status_code < 500
        assert record.levelno == logging.WARNING
        assert str(answer.status_code) in record.getMessage()
        assert len(record.getMessage().splitlines()) == 1
        assert record.exc_info is None
        for text in (caplog.text, answer.content.decode(), str(answer.headers)):
            assert API_KEY not in text
            assert "a-wrong-key" not in text

    @pytest.mark.parametrize(
        "settings_of",
        [{"BASIC_AUTH": ["cmc:a-long-password"]}, {"BEARER_TOKENS": ["a-long-password"]}],
        ids=str,
    )
    def test_has_no_credentials(self, hook, settings, caplog, settings_of):
        for name, value in settings_of.items():
            setattr(settings, f"CMC_WEBHOOKS_{name}", value)

        answer = hook.post(GOOD, HTTP_AUTHORIZATION="Bearer another-password")

        (record,) = own_logs(caplog)
        assert answer.status_code in (401, 403)
        assert "password" not in record.getMessage() + answer.content.decode()

    def test_has_one_line_for_each_rejected_event_with_its_place(self, hook, caplog):
        hook.send("deliveries", delivery(), delivery(to=[]), {self.BREAKS: 1, "to": {}}, "odd")

        lines = [record.getMessage() for record in own_logs(caplog)]
        assert [f"event.deliveries[{place}]" in line for place, line in enumerate(lines, start=1)] == [
            True
        ] * 3
        assert [len(line.splitlines()) for line in lines] == [1, 1, 1]

    def test_has_counts_and_nothing_else_of_a_good_body(self, hook, caplog):
        caplog.set_level(logging.DEBUG)

        hook.post(GOOD)

        (record,) = own_logs(caplog)
        assert record.getMessage() == "Stored: 1 new, 0 repeated, 0 rejected"
        assert "user@example.jp" not in " ".join(str(vars(record)) for record in caplog.records)
