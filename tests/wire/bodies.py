"""One notification in each form that a body may have."""

from __future__ import annotations

import codecs
import json
from urllib.parse import urlencode

from cmc_webhooks import wire
from tests.conftest import FORM

JSON = "application/json"
FIELDS = {
    "api_key": "k",
    "server_composition": "pro",
    "event_type": "deliveries",
    "event": '{"deliveries": []}',
}
FRAME = wire.Frame(**FIELDS)


def multipart(fields=FIELDS, boundary="b", line="\r\n", preamble="", headers=""):
    parts = [
        f'--{boundary}{line}Content-Disposition: form-data; name="{name}"{headers}{line}{line}{value}{line}'
        for name, value in (fields.items() if isinstance(fields, dict) else fields)
    ]
    return f"{preamble}{''.join(parts)}--{boundary}--{line}".encode()


BODIES = {
    "JSON": json.dumps(FIELDS).encode(),
    "form": urlencode(FIELDS).encode(),
    "multipart": multipart(),
    "multipart, LF alone": multipart(line="\n"),
    "JSON with a mark": codecs.BOM_UTF8 + json.dumps(FIELDS).encode(),
    "JSON after blanks": b" \r\n\t" + json.dumps(FIELDS).encode(),
    "form with a mark": codecs.BOM_UTF8 + urlencode(FIELDS).encode(),
}
TYPES = (
    "",
    JSON,
    FORM,
    "text/plain",
    "multipart/form-data; boundary=b",
    "rubbish",
    ";;;",
    "multipart/form-data",
)
