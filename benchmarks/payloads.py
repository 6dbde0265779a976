"""Bodies as CMC posts them, the same each time: mails by number, their events by what they say."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from urllib.parse import urlencode

KEY = "a-key-for-benchmarks"
START = datetime(2026, 11, 1, 9, 0)  # noqa: DTZ001 - CMC's wall clock
REASON = "550 5.1.1 The email account that you tried to reach does not exist. Please check for typos."
IPS = {"queued": ("192.0.2.10", ""), "succeeded": ("", "198.51.100.7"), "failed": ("", "198.51.100.7")}


def event(number: int, status: str) -> dict[str, str]:
    """A delivery, or a bounce where the status is one of CMC's codes."""
    phase = {"queued": 0, "deferred": 60}.get(status, 120)
    created = START + timedelta(seconds=number // 50 + phase)
    told = {
        "created": f"{created:%Y-%m-%d %H:%M:%S}",
        "messageId": f"<20261101.{number}@shop.example.jp>",
        "from": "info@shop.example.jp",
        "to": f"user{number}@domain{number % 50}.example.jp",
        "returnPath": "bounce@return.pro.smtps.jp",
        "subject": f"ご注文のお知らせ（第{number % 900}号）",
        "apiData": f"order-{number}" if number % 3 else "",
        "reason": "" if status in ("queued", "succeeded") else REASON,
        "status": status,
    }
    if not status.isdigit():
        told["sourceIp"], told["senderIp"] = IPS.get(status, ("", ""))
    return told


def body(first: int, number: int, status: str, *, form: bool = False) -> bytes:
    """A notification about that many mails. `mixed` gives each mail queued and succeeded, or two failures."""
    statuses = ("queued", "succeeded") if status == "mixed" else (status,)
    mails = range(first, first + number // len(statuses))
    events = [event(mail, each) for mail in mails for each in statuses]
    event_type = "bounces" if status.isdigit() else "deliveries"
    frame = {"api_key": KEY, "event_type": event_type, "server_composition": "pro"}
    if form:
        text = (
            json.dumps({event_type: events}, ensure_ascii=False)
            .replace("<", "\\u003C")
            .replace(">", "\\u003E")
        )
        return urlencode({**frame, "event": text}).encode()
    return json.dumps({**frame, "event": {event_type: events}}, ensure_ascii=False).encode()
