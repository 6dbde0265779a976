"""The installed wheel takes one notification."""

from __future__ import annotations

import django
from django.test import Client

django.setup()

from cmc_webhooks.models import Mail  # noqa: E402 - models need the set-up

event = {
    "created": "2023-01-25 14:03:06",
    "messageId": "<w@example.com>",
    "to": "w@example.jp",
    "status": "queued",
}
body = {
    "api_key": "a-key-of-the-wheel-check",
    "event_type": "deliveries",
    "server_composition": "pro",
    "event": {"deliveries": [event]},
}
answer = Client().post("/cmc/webhook", body, content_type="application/json")
mails = Mail.objects.for_address("w@example.jp").filter(status="queued").count()
if answer.status_code != 200 or mails != 1:
    raise SystemExit(f"the wheel does not work: {answer.status_code} {answer.content!r}, {mails} mails")
print("the wheel works:", answer.content.decode())
