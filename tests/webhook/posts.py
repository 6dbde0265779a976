"""What is posted to the webhook, and what is stored of it."""

from __future__ import annotations

import base64
import io
import json

import django
from django.db import connection

from tests.cases import TABLES
from tests.conftest import API_KEY, delivery, notification

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


KEPT = []
"""The requests that `keeps_requests` has seen."""


def keeps_requests(get_response):
    """A middleware that keeps each request, as a cycle does that is not collected yet."""

    def middleware(request):
        KEPT.append(request)
        return get_response(request)

    return middleware
