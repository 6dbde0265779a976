"""A received mail, which CMC's other webhook posts, at the URL of this one."""

from __future__ import annotations

import json

import pytest

from tests import cases
from tests.cases.test_envelopes import multipart
from tests.conftest import API_KEY, FORM, PAYLOADS

pytestmark = pytest.mark.django_db

FIELDS = {
    "server_composition": "sandbox",
    "filter": "info@example.com",
    "headers": json.dumps([{"name": "From", "value": "a@example.jp"}]),
    "subject": "s",
    "envelope-from": "a@example.jp",
    "envelope-to": "info@example.com",
    "attachments": "0",
}
BODIES = {
    "JSON": (json.dumps(FIELDS).encode(), "application/json"),
    "form": ("&".join(f"{name}=x" for name in FIELDS).encode(), FORM),
    "multipart": (multipart(FIELDS), "multipart/form-data; boundary=a-boundary"),
    "recorded JSON": ((PAYLOADS / "receiving_json.json").read_bytes(), "application/json"),
    "recorded multipart": ((PAYLOADS / "receiving_multipart.multipart").read_bytes(), ""),
}


@pytest.mark.parametrize("kind", BODIES)
class TestReceivedMail:
    def refused(self, answer, caplog):
        (record,) = [each for each in caplog.records if each.name.startswith("cmc_webhooks")]
        assert answer.status_code == 400
        assert "received mail" in answer.content.decode()
        assert record.cmc_event == "received_mail_refused"
        assert "example" not in record.getMessage()
        assert cases.stored() == {}

    def test_is_refused_in_plain_words(self, open_hook, caplog, kind):
        self.refused(cases.post(open_hook, *BODIES[kind]), caplog)

    def test_is_refused_so_without_the_key_too(self, hook, caplog, kind):
        self.refused(cases.post(hook, *BODIES[kind]), caplog)

    def test_is_refused_so_with_the_key(self, hook, caplog, kind):
        body, content_type = BODIES[kind]
        key = {
            "JSON": lambda: body[:-1] + f', "api_key": "{API_KEY}"}}'.encode(),
            "form": lambda: body + f"&api_key={API_KEY}".encode(),
        }.get(kind, lambda: body)()

        self.refused(cases.post(hook, key, content_type), caplog)
