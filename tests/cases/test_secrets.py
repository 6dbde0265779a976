from __future__ import annotations

import base64
import json
import logging
from urllib.parse import urlencode

import pytest
from django.db import OperationalError, connection

from cmc_webhooks import ingest, wire
from tests import cases
from tests.conftest import CASES, FORM, Mails, delivery, in_every_writer

pytestmark = pytest.mark.django_db

SECRET = "SECRET-c49"
BODY = cases.notification(delivery())
STRANGE = [
    "sécret",
    "ｓｅｃｒｅｔ",
    "s3cret-value\udce9",
    "\ud83d",
    "",
    " ",
    "s3cret-value ",
    "S3CRET-VALUE",
    "x" * 100_000,
]


def basic(text, charset="utf-8"):
    return f"Basic {base64.b64encode(text.encode(charset)).decode()}"


class TestC48:
    def test_a_secret_outside_ascii_is_a_wrong_one(self, settings, open_hook, caplog):
        settings.CMC_WEBHOOKS_API_KEYS = ["s3cret-value"]

        answers = cases.play(open_hook, "C48")

        assert cases.codes(answers) == [403, 403, 200]
        assert cases.stored() == {"Mail": 1, "DeliveryEvent": 1, "Notification": 1}
        assert [record.exc_info for record in caplog.records] == [None] * len(caplog.records)

    @pytest.mark.parametrize("presented", STRANGE, ids=lambda text: ascii(text)[:20])
    def test_holds_for_every_strange_key(self, settings, open_hook, presented):
        settings.CMC_WEBHOOKS_API_KEYS = ["s3cret-value"]

        answers = [
            cases.send(open_hook, "deliveries", delivery(), api_key=presented),
            cases.post(
                open_hook,
                urlencode(
                    {"api_key": presented, "event_type": "deliveries", "event": "{}"}, errors="replace"
                ).encode(),
                FORM,
            ),
        ]

        assert cases.codes(answers) == [403, 403]
        assert cases.stored() == {}

    @pytest.mark.parametrize(
        "header",
        ["", "Basic", "Basic ", "Basic \xe9", "Basic ====", "Basic c", "Bearer", "Bearer \xe9", "\xe9",
         " ", "Digest x",
         "Basic " + "A" * 100_000, basic("cmc:sécret"), basic("cmc:sécret", "latin-1"), basic("cmc"),
         basic(":"),
         basic("cmc:s3cret-value "), basic("CMC:s3cret-value"), "Basic cmc:s3cret-value",
         "Bearer s3cret-value",
         "Bearer \x00", "Basic \x00", "Token s3cret-value"],
        ids=lambda header: ascii(header)[:24],
    )  # fmt: skip
    def test_holds_for_every_strange_header(self, settings, open_hook, header):
        settings.CMC_WEBHOOKS_BASIC_AUTH = ["cmc:s3cret-value"]
        settings.CMC_WEBHOOKS_BEARER_TOKENS = ["a-token-value"]

        answers = [cases.post(open_hook, BODY, HTTP_AUTHORIZATION=header)]
        settings.CMC_WEBHOOKS_BASIC_AUTH = []
        answers.append(cases.post(open_hook, BODY, HTTP_AUTHORIZATION=header))

        assert cases.codes(answers) == [401, 403]
        assert "Basic" in answers[0].headers["WWW-Authenticate"]
        assert "WWW-Authenticate" not in answers[1].headers
        assert cases.stored() == {}

    @pytest.mark.parametrize(
        ("setting", "value", "header"),
        [
            ("BASIC_AUTH", ["old:x", "cmc:s3cret-value"], basic("cmc:s3cret-value")),
            ("BASIC_AUTH", ["cmc:s3cret-value"], basic("cmc:s3cret-value").replace("Basic ", "basic   ")),
            ("BASIC_AUTH", ["cmc:パス:ワード"], basic("cmc:パス:ワード")),
            ("BEARER_TOKENS", ["old", "s3cret-value"], "Bearer s3cret-value"),
            ("BEARER_TOKENS", ["s3cret-value"], "bearer  s3cret-value "),
            ("BEARER_TOKENS", ["sécret"], "Bearer sécret".encode().decode("latin-1")),
        ],
    )
    def test_the_right_header_passes(self, settings, open_hook, setting, value, header):
        setattr(settings, f"CMC_WEBHOOKS_{setting}", value)

        answer = cases.post(open_hook, BODY, HTTP_AUTHORIZATION=header)

        assert answer.json() == {"new": 1, "repeated": 0, "rejected": 0}

    @pytest.mark.parametrize("key", ["sécret-of-some-length", "鍵 と 鍵", "a&b=c+d%41", '"quoted" \\ back'])
    def test_a_right_key_of_any_letters_passes(self, settings, open_hook, key):
        settings.CMC_WEBHOOKS_API_KEYS = ["another-key-of-the-list", key]
        event = json.dumps({"deliveries": [delivery()]})

        answers = [
            cases.send(open_hook, "deliveries", delivery(), api_key=key),
            cases.post(
                open_hook,
                urlencode({"api_key": key, "event_type": "deliveries", "event": event}).encode(),
                FORM,
            ),
        ]

        assert cases.codes(answers) == [200, 200]


class TestC49:
    """Everything that leaves the process when storing fails, searched for the key."""

    @pytest.fixture
    def mails(self, open_hook, settings, caplog):
        """The mails of handlers that report every record, with local variables and the request."""
        settings.DEBUG = False
        settings.CMC_WEBHOOKS_API_KEYS = [SECRET]
        settings.CMC_WEBHOOKS_ALLOW_UNAUTHENTICATED = False
        handler = Mails(include_html=True)
        handler.setLevel(logging.INFO)  # making the mail's HTML logs at DEBUG, without end
        for name in (None, "django", "cmc_webhooks"):
            caplog.set_level(logging.DEBUG, name)
        logging.getLogger().addHandler(handler)  # which those of Django and of the app hand on to
        yield handler.texts
        logging.getLogger().removeHandler(handler)

    FAULTS = {
        "database": (OperationalError("away"), 503),
        "bug": (RuntimeError("a bug"), 503),
        "value": (ValueError("a bug of another kind"), 503),
    }

    def texts(self, mails, caplog, answer):
        formatter = logging.Formatter("%(message)s")
        logged = [formatter.format(record) for record in caplog.records]
        logged += [repr(sorted(record.__dict__.items(), key=str)) for record in caplog.records]
        return [*mails, *logged, answer.content.decode(), str(answer.headers)]

    def bodies(self, key):
        frame = {**json.loads((CASES / "C49.json").read_text()), "api_key": key}
        fields = {
            name: value if isinstance(value, str) else json.dumps(value) for name, value in frame.items()
        }
        part = '--b\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
        multipart = "".join(part.format(name, value) for name, value in fields.items()) + "--b--\r\n"
        return {
            "json": (json.dumps(frame).encode(), "application/json"),
            "json as form": (json.dumps(frame).encode(), FORM),
            "json as text": (json.dumps(frame).encode(), "text/plain"),
            "json as multipart": (json.dumps(frame).encode(), "multipart/form-data; boundary=b"),
            "form": (urlencode(fields).encode(), FORM),
            "form as json": (urlencode(fields).encode(), "application/json"),
            "multipart": (multipart.encode(), "multipart/form-data; boundary=b"),
            "multipart as form": (multipart.encode(), FORM),
            "broken": (json.dumps(frame).encode()[:-1], "application/json"),
            "broken as form": (json.dumps(frame).encode()[:-1], FORM),
        }

    KINDS = (
        "json",
        "json as form",
        "json as text",
        "json as multipart",
        "form",
        "form as json",
        "multipart",
        "multipart as form",
        "broken",
        "broken as form",
    )

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("fault", FAULTS)
    def test_the_key_is_nowhere_when_storing_fails(self, open_hook, mails, monkeypatch, caplog, kind, fault):
        def fail(*args, **kwargs):
            raise error

        error, code = self.FAULTS[fault]
        in_every_writer(monkeypatch, "lock", lambda real: fail)
        answer = open_hook.post(*self.bodies(SECRET)[kind])

        assert answer.status_code == (400 if kind.startswith("broken") else code)
        assert mails
        assert [text for text in self.texts(mails, caplog, answer) if SECRET in text] == []

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_wrong_key_is_nowhere(self, open_hook, mails, caplog, kind):
        wrong = f"{SECRET}-of-another"

        answer = open_hook.post(*self.bodies(wrong)[kind])

        assert answer.status_code in (400, 403)
        assert mails
        assert [text for text in self.texts(mails, caplog, answer) if SECRET in text] == []

    @pytest.mark.parametrize("place", ["decode", "read", "receive", "statement"])
    def test_a_bug_anywhere_does_not_tell_the_key(self, open_hook, mails, monkeypatch, caplog, place):
        def bug(*args, **kwargs):
            raise RuntimeError("a bug")

        if place == "statement":
            with connection.execute_wrapper(bug):
                answer = open_hook.post(*self.bodies(SECRET)["json"])
        else:
            monkeypatch.setattr(ingest if place == "receive" else wire, place, bug)
            answer = open_hook.post(*self.bodies(SECRET)["json"])

        assert answer.status_code == 503
        assert [text for text in self.texts(mails, caplog, answer) if SECRET in text] == []

    @pytest.mark.parametrize("presented", [SECRET, f"{SECRET}-of-another"], ids=["right", "wrong"])
    @pytest.mark.parametrize("scheme", ["Basic", "Bearer", "bearer", "Token"])
    def test_credentials_in_a_header_are_nowhere(
        self, open_hook, settings, mails, monkeypatch, caplog, scheme, presented
    ):
        settings.CMC_WEBHOOKS_API_KEYS = []
        settings.CMC_WEBHOOKS_BASIC_AUTH = [f"cmc:{SECRET}"]
        settings.CMC_WEBHOOKS_BEARER_TOKENS = [SECRET]
        header = basic(f"cmc:{presented}") if scheme == "Basic" else f"{scheme} {presented}"
        in_every_writer(monkeypatch, "lock", lambda real: lambda *args: 1 / 0)

        answer = open_hook.post(BODY, HTTP_AUTHORIZATION=header)

        hidden = (SECRET, header.partition(" ")[2])
        assert answer.status_code in (401, 503)
        assert [
            text for text in self.texts(mails, caplog, answer) if any(word in text for word in hidden)
        ] == []

    def test_the_key_inside_what_is_rejected_is_not_kept(self, open_hook, mails, caplog):
        answer = cases.send(
            open_hook, "deliveries", {"to": [], "note": SECRET, "api_key": SECRET}, api_key=SECRET
        )

        assert answer.json() == {"new": 0, "repeated": 0, "rejected": 1}
        assert [text for text in self.texts(mails, caplog, answer) if SECRET in text] == []
        assert SECRET not in self.everything_stored()

    @pytest.mark.usefixtures("mails")
    def test_the_key_is_stored_nowhere(self, open_hook):
        for body, kind in self.bodies(SECRET).values():
            open_hook.post(body, kind)
        odd = {"to": "user@example.jp", "api_key": SECRET, "deep": [{"api_key": SECRET}]}
        for event_type in ("deliveries", "blocks", "opens"):
            cases.send(open_hook, event_type, odd, api_key=SECRET, secret=SECRET)

        assert set(cases.stored()) >= {"DeliveryEvent", "BlockEvent", "RejectedEvent"}
        assert SECRET not in self.everything_stored()

    def everything_stored(self):
        return repr([list(model.objects.values()) for model in cases.TABLES])
