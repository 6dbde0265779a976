"""Requests with a valid secret that are no notification: empty ones, and bodies that are kept."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from urllib.parse import quote, urlencode

import pytest
from django.test import Client

from cmc_webhooks import auth, models
from cmc_webhooks.db import transactions
from cmc_webhooks.ingest import envelopes
from cmc_webhooks.reprocessing import rejections
from tests.conftest import API_KEY, FORM, HOOK, delivery
from tests.webhook.posts import GOOD, form, frame, multipart, own_logs, stored

pytestmark = pytest.mark.django_db

PAIR = "cmc:a-long-p@ss/word"
BASIC = "Basic " + b64encode(PAIR.encode()).decode()
NOTHING = {"new": 0, "repeated": 0, "rejected": 0}


@pytest.fixture
def basic(settings):
    """BASIC credentials are all that is configured."""
    settings.CMC_WEBHOOKS_API_KEYS = []
    settings.CMC_WEBHOOKS_BASIC_AUTH = [PAIR]


class TestHead:
    @pytest.mark.parametrize("path", [HOOK, f"{HOOK}/"])
    @pytest.mark.parametrize("keys", [[], [API_KEY]], ids=["no secret set", "secret set"])
    def test_is_answered_200_without_a_word(self, settings, caplog, path, keys):
        settings.CMC_WEBHOOKS_API_KEYS = keys

        answer = Client(raise_request_exception=False).head(path)

        assert (answer.status_code, answer.content) == (200, b"")
        assert own_logs(caplog) == []
        assert stored() == {}


class TestEmpty:
    @pytest.mark.parametrize(
        "body", [b"", b" \r\n", b"{}", b'{"api_key": ""}'], ids=["none", "blanks", "object", "key"]
    )
    @pytest.mark.parametrize("content_type", ["application/json", FORM, ""])
    def test_is_answered_200_with_credentials(self, hook, basic, caplog, body, content_type):
        answer = hook.post(body, content_type, HTTP_AUTHORIZATION=BASIC)

        assert (answer.status_code, answer.json()) == (200, NOTHING)
        assert own_logs(caplog) == []
        assert stored() == {}

    @pytest.mark.parametrize(
        ("body", "content_type"),
        [
            (json.dumps({"api_key": API_KEY}).encode(), "application/json"),
            (urlencode({"api_key": API_KEY}).encode(), FORM),
            (multipart(api_key=API_KEY), "multipart/form-data; boundary=b"),
        ],
        ids=["json", "form", "multipart"],
    )
    @pytest.mark.parametrize("is_read_before", [False, True])
    def test_is_answered_200_with_the_key(self, hook, settings, caplog, body, content_type, is_read_before):
        if is_read_before:
            settings.MIDDLEWARE = ["tests.webhook.posts.reads_post", *settings.MIDDLEWARE]

        answer = hook.post(body, content_type)

        assert (answer.status_code, answer.json()) == (200, NOTHING)
        assert own_logs(caplog) == []
        assert stored() == {}

    def test_is_refused_without_a_secret(self, hook, settings):
        without_key = [hook.post(b""), hook.post(b"{}")]
        settings.CMC_WEBHOOKS_BASIC_AUTH = [PAIR]
        without_credentials = hook.post(b"")

        assert [answer.status_code for answer in without_key] == [400, 403]
        assert without_credentials.status_code == 401


class TestKept:
    BODIES = {
        "broken event": (frame(event='{"deliveries": ['), "application/json"),
        "no event type": (frame(event_type=None), "application/json"),
        "no list": (frame(event={"deliveries": 5}), "application/json"),
        "broken behind the key": (GOOD[:-1] + b', "more": ', "application/json"),
        "a form": (urlencode(form(delivery()) | {"event": "nonsense"}).encode(), FORM),
        "multipart": (multipart(**form(delivery()) | {"event": "{"}), "multipart/form-data; boundary=b"),
        "a charset in a part": (
            multipart(**form(delivery())).replace(
                b'name="event"', b'name="event"\r\nContent-Type: text/plain; charset=klingon'
            ),
            "multipart/form-data; boundary=b",
        ),
    }

    @pytest.mark.parametrize("name", BODIES)
    def test_is_a_rejected_event_without_the_key(self, hook, caplog, name):
        body, content_type = self.BODIES[name]

        answers = [hook.post(body, content_type) for _ in range(2)]

        (row,) = models.RejectedEvent.objects.all()
        assert {answer.status_code for answer in answers} <= {400, 415}
        assert stored() == {"RejectedEvent": 1}
        assert (row.event_type, row.error) == ("", answers[0].content.decode().strip())
        assert API_KEY not in row.raw
        assert "deliveries" in row.raw or "event" in row.raw
        assert [record.cmc_event for record in own_logs(caplog)] == ["notification_refused"] * 2
        assert API_KEY not in caplog.text

    def test_is_kept_where_a_middleware_has_read_the_form(self, hook, settings):
        settings.MIDDLEWARE = ["tests.webhook.posts.reads_post", *settings.MIDDLEWARE]
        fields = form(delivery()) | {"event": "nonsense"}

        hook.post(multipart(**fields), "multipart/form-data; boundary=b")

        (row,) = models.RejectedEvent.objects.all()
        assert "nonsense" in row.raw
        assert API_KEY not in row.raw

    @pytest.mark.parametrize("is_read_before", [False, True])
    def test_keeps_each_of_two_fields_with_one_name(self, hook, settings, is_read_before):
        """Read again, it is still ambiguous: none of the two is passed over."""
        if is_read_before:
            settings.MIDDLEWARE = ["tests.webhook.posts.reads_post", *settings.MIDDLEWARE]
        fields = form(delivery("<a@x>")) | {
            "event": [form(delivery(name))["event"] for name in ("<b@x>", "<c@x>")]
        }

        answer = hook.post(urlencode(fields, doseq=True).encode(), FORM)

        (row,) = models.RejectedEvent.objects.all()
        assert answer.status_code == 400
        assert ("<b@x>" in row.raw, "<c@x>" in row.raw, API_KEY in row.raw) == (True, True, False)
        assert rejections.retry("default", models.RejectedEvent.objects.all()) == (0, 1)
        assert stored() == {"RejectedEvent": 1}

    @pytest.mark.parametrize("is_read_before", [False, True])
    def test_is_kept_with_the_right_credentials(self, hook, basic, settings, is_read_before):
        if is_read_before:
            settings.MIDDLEWARE = ["tests.webhook.posts.reads_post", *settings.MIDDLEWARE]

        answers = [
            hook.post(urlencode({"colour": PAIR}).encode(), FORM, HTTP_AUTHORIZATION=BASIC),
            hook.post(urlencode({"filter": "x", "headers": "y"}).encode(), FORM, HTTP_AUTHORIZATION=BASIC),
        ]

        (row,) = models.RejectedEvent.objects.all()
        assert [answer.status_code for answer in answers] == [400, 400]
        assert row.raw.replace(" ", "") in ('{"colour":"[secret]"}', "colour=[secret]")

    def test_of_a_form_that_was_read_before_is_not_kept_without_the_right_key(self, hook, settings):
        settings.MIDDLEWARE = ["tests.webhook.posts.reads_post", *settings.MIDDLEWARE]
        forms = [{"colour": "red"}, {"api_key": ["wrong", "wronger"]}]

        answers = [hook.post(urlencode(fields, doseq=True).encode(), FORM) for fields in forms]

        assert [answer.status_code for answer in answers] == [400, 400]
        assert stored() == {}

    @pytest.mark.parametrize(
        "body",
        [
            frame(api_key="wrong", event="nonsense"),
            frame(api_key=None, event="nonsense"),
            b"nonsense",
            b'{"more": , "api_key": "%s"}' % API_KEY.encode(),
        ],
        ids=["wrong key", "no key", "nonsense", "broken before the key"],
    )
    def test_is_not_kept_without_a_right_secret(self, hook, body):
        assert hook.post(body).status_code in (400, 403)
        assert stored() == {}

    def test_is_not_kept_where_no_secret_is_asked_for(self, open_hook):
        assert open_hook.post(frame(event="nonsense")).status_code == 400
        assert stored() == {}

    def test_is_not_kept_where_it_broke_off(self, hook):
        assert hook.post(GOOD, CONTENT_LENGTH=str(len(GOOD) + 1)).status_code == 400
        assert stored() == {}

    def test_is_no_received_mail(self, hook):
        mail = {"api_key": API_KEY, "filter": "x", "headers": "y", "envelope-from": "a@example.jp"}

        assert hook.post(json.dumps(mail).encode()).status_code == 400
        assert stored() == {}

    @pytest.mark.parametrize(
        "written",
        [
            lambda secret: secret,
            lambda secret: json.dumps(secret)[1:-1].replace("/", "\\/"),
            lambda secret: "".join(f"\\u{ord(letter):04X}" for letter in secret),
            lambda secret: "".join(f"\\\\u{ord(letter):04x}" for letter in secret),
            lambda secret: quote(secret, safe=""),
            lambda secret: re.sub("%..", lambda found: found[0].lower(), quote(secret, safe="")),
            lambda secret: "".join(f"%{byte:02X}" for byte in secret.encode()),
            lambda secret: quote(quote(secret, safe=""), safe=""),
        ],
        ids=[
            "as it is",
            "JSON",
            "JSON, each letter",
            "JSON in JSON",
            "form",
            "form, lower",
            "form, each letter",
            "form in a form",
        ],
    )
    def test_masks_every_configured_secret(self, settings, written):
        settings.CMC_WEBHOOKS_API_KEYS = ["öne/key+of 'ours\"", "another-key"]
        settings.CMC_WEBHOOKS_BASIC_AUTH = [PAIR]
        settings.CMC_WEBHOOKS_BEARER_TOKENS = ["a-bearer-token"]
        settings.CMC_WEBHOOKS_HEALTH_TOKENS = ["a-health-token"]
        settings.CMC_WEBHOOKS_REST_KEY = "a-rest-key"
        settings.CMC_WEBHOOKS_ALERT_SLACK_URL = "https://hooks.example.com/T0PS3CRET"
        secrets = [
            *settings.CMC_WEBHOOKS_API_KEYS,
            *("another-key", PAIR, "a-long-p@ss/word", "a-bearer-token", "a-health-token", "a-rest-key"),
            *(BASIC.removeprefix("Basic ").rstrip("="), settings.CMC_WEBHOOKS_ALERT_SLACK_URL),
        ]

        found = [auth.masked(f"before {written(secret)} after") for secret in secrets]

        assert found == ["before [secret] after"] * len(secrets)

    @pytest.mark.parametrize("charset", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
    def test_masks_a_secret_in_wide_characters(self, hook, basic, charset):
        hook.post(f"x {PAIR} y".encode(charset), "text/plain", HTTP_AUTHORIZATION=BASIC)

        (row,) = models.RejectedEvent.objects.all()
        assert "[secret]" in row.raw
        assert "w\N{REPLACEMENT CHARACTER}" not in row.raw

    @pytest.mark.parametrize("text", ["\\" * 80_000, "\\a" * 40_000, "%25" * 26_000], ids=["1", "2", "3"])
    def test_leaves_long_texts_without_a_secret(self, settings, text):
        settings.CMC_WEBHOOKS_API_KEYS = ["a-key-of-ours", "%-another", "\\-a-third"]

        assert auth.masked(text) == text

    def test_masks_a_key_that_is_not_configured(self, hook, basic):
        key = "a-key-that-cmc-sends"
        bodies = [
            json.dumps({"event_type": "deliveries", "api_key": key, "event": f"x {key}"}).encode(),
            b'{"event_type": "deliveries", "api_key": "%s", broken' % key.encode(),
            b'{"event_type": "deliveries", "api_key": "%s' % key.encode(),
            urlencode({"event_type": "deliveries", "api_key": key, "event": "x"}).encode(),
        ]

        answers = [hook.post(body, "", HTTP_AUTHORIZATION=BASIC) for body in bodies]

        assert [answer.status_code for answer in answers] == [400] * 4
        rows = models.RejectedEvent.objects.all()
        assert len(rows) == 4
        assert [row.raw for row in rows if key in row.raw] == []

    def test_is_cut(self, hook):
        hook.post(frame(event="x" * 500_000))

        (row,) = models.RejectedEvent.objects.all()
        assert len(row.raw.encode()) == 64 * 1024

    def test_stores_odd_characters(self, hook):
        body = frame(
            event="NUL \0 \ud800 emoji \U0001f600".encode("utf-8", "surrogatepass").decode("latin-1")
        )

        assert hook.post(body).status_code == 400
        assert models.RejectedEvent.objects.count() == 1

    def test_is_answered_503_where_the_database_is_away(self, hook, monkeypatch):
        def away(*args):
            raise transactions.Unavailable("OperationalError")

        monkeypatch.setattr(envelopes.transactions, "run", away)

        answer = hook.post(frame(event="nonsense"))

        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")

    def test_is_read_again(self, hook, settings, monkeypatch):
        event = {"deliveries": [delivery("<a@x>"), delivery("<b@x>")]}
        text = json.dumps({"event_type": "deliveries", "server_composition": "pro", "event": event})
        envelopes.keep(text, "a fault that a later version has not")
        envelopes.keep("nonsense", "not JSON")

        done = rejections.retry("default", models.RejectedEvent.objects.all())

        assert done == rejections.Retried(resolved=1, rejected=1)
        assert models.DeliveryEvent.objects.count() == 2

    def test_is_settled_where_one_of_its_events_is_a_row_of_its_own(self):
        event = {"deliveries": [delivery("<a@x>"), {"to": ["x"]}]}
        text = json.dumps({"event_type": "deliveries", "server_composition": "pro", "event": event})
        envelopes.keep(text, "a fault that a later version has not")

        done = rejections.retry("default", models.RejectedEvent.objects.filter(event_type=""))

        assert done == rejections.Retried(resolved=1, rejected=0)
        assert models.DeliveryEvent.objects.count() == 1
        assert [row.event_type for row in models.RejectedEvent.objects.filter(resolved_at=None)] == [
            "deliveries"
        ]
