"""Who may post."""

from __future__ import annotations

import itertools
import json
from urllib.parse import urlencode

import pytest

from tests.conftest import API_KEY, FORM, HOOK, delivery, notification
from tests.webhook.posts import BASIC, GOOD, WRONG_BASIC, Unreadable, form, frame, multipart, stored

pytestmark = pytest.mark.django_db


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
