"""What is done with a body before its secret is known."""

from __future__ import annotations

import json
import tracemalloc
from urllib.parse import urlencode

import pytest

from benchmarks import hostile
from cmc_webhooks import wire
from tests import cases
from tests.cases.test_envelopes import multipart
from tests.conftest import API_KEY, FORM, delivery, notification
from tests.webhook import posts

pytestmark = pytest.mark.django_db

SIZE = 2 * 1024 * 1024
BODIES = {
    "form of percent signs": (b"event=" + b"%" * 2_000_000, FORM),
    "names twice": (hostile.filled(b"[", b'{"a":0,"a":0},', b"0]"), "application/json"),
    "names twice in events": hostile.shapes()["JSON: names twice, in events"],
}


class TestD06:
    """What anybody can make a worker do before the secret is looked at."""

    @pytest.mark.parametrize("name", BODIES)
    def test_a_body_without_the_key_costs_little_memory(self, hook, name):
        body, content_type = BODIES[name]
        hook.post(b"{}")

        tracemalloc.start()
        answer = hook.post(body, content_type)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

        assert answer.status_code in (400, 403)
        assert cases.stored() == {}
        assert peak < 6 * SIZE

    @pytest.mark.parametrize("name", BODIES)
    def test_the_parser_is_not_reached_without_the_key(self, hook, monkeypatch, name):
        monkeypatch.setattr(wire, "decode", None)

        answer = hook.post(*BODIES[name])

        assert answer.status_code in (400, 403)

    def test_the_request_does_not_keep_the_body(self, hook, settings):
        settings.MIDDLEWARE = [*settings.MIDDLEWARE, "tests.webhook.posts.keeps_requests"]
        posts.KEPT.clear()

        hook.post(*BODIES["form of percent signs"])

        (request,) = posts.KEPT
        held = [value for value in list(vars(request).values()) if isinstance(value, bytes)]
        assert [len(value) for value in held if len(value) > 1000] == []

    @pytest.mark.parametrize("kind", ["JSON", "text in JSON", "form", "multipart"])
    @pytest.mark.parametrize("place", ["first", "last"])
    def test_a_body_with_the_right_key_is_read_as_before(self, hook, kind, place):
        event = {"deliveries": [delivery(), delivery("<m2@example.com>", new={"a": [1, {"b": "}"}]})]}
        fields = {"server_composition": "pro", "event_type": "deliveries", "event": event}
        if kind != "JSON":
            fields["event"] = json.dumps(event)
        fields = {"api_key": API_KEY, **fields} if place == "first" else {**fields, "api_key": API_KEY}
        body, content_type = {
            "form": lambda: (urlencode(fields).encode(), FORM),
            "multipart": lambda: (multipart(fields), "multipart/form-data; boundary=a-boundary"),
        }.get(kind, lambda: (json.dumps(fields).encode(), "application/json"))()

        answer = cases.post(hook, body, content_type)

        assert answer.json() == {"new": 2, "repeated": 0, "rejected": 0}

    def test_a_costly_body_with_the_right_key_is_read(self, hook):
        twice = b'{"a":0,"a":0},' * 900
        body = notification("deliveries").replace(b"[]", b"[" + twice + b"0]")

        assert cases.post(hook, body).json() == {"new": 0, "repeated": 0, "rejected": 901}

    @pytest.mark.parametrize(
        "frame",
        [
            {"api_key": "wrong"},
            {},
            {"api_key": [API_KEY]},
            {"api_key": None},
            {"event": {"api_key": API_KEY}},
        ],
        ids=str,
    )
    def test_a_wrong_key_is_refused(self, hook, frame):
        answer = cases.send(hook, "deliveries", delivery(), **frame)

        assert answer.status_code == 403
        assert cases.stored() == {}

    def test_the_parser_decides_where_both_disagree(self, hook, monkeypatch):
        monkeypatch.setattr(wire, "api_keys_in", lambda body, content_type: iter([API_KEY]))

        answer = cases.send(hook, "deliveries", delivery(), api_key="wrong")

        assert answer.status_code == 403
