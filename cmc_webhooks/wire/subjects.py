"""Removal of subjects before storing: at any depth, in any letter case, and in JSON inside JSON."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from cmc_webhooks.wire import body
from cmc_webhooks.wire.notification import Rejection
from cmc_webhooks.wire.records import BlockRecord, MailRecord, Record, as_json, ascii_json

_INSIDE_TEXT = re.compile(r'\bsubject\\*"\s*:', re.IGNORECASE)


def record_without_subject(record: Record) -> Record:
    """Return the record, its key unchanged, without its subject and any subject in `extra` or `raw`."""
    if isinstance(record, MailRecord):
        return replace(record, subject="", extra=_stripped(record.extra))
    return replace(record, raw=_stripped(record.raw)) if isinstance(record, BlockRecord) else record


def rejection_without_subject(rejection: Rejection) -> Rejection:
    """Return the rejection, its key unchanged, without any subject. A text that was cut becomes empty."""
    try:
        raw = as_json(_stripped(body.load(rejection.raw, "raw")))
    except body.BadBody:
        raw = ""
    return replace(rejection, raw=ascii_json(raw) if rejection.raw.isascii() else raw)


def _stripped(value: Any) -> Any:
    """Return `value` without subjects. A text that seems to hold one but is not valid JSON becomes empty."""
    if isinstance(value, body.Ambiguous):
        return body.ambiguous(_kept(value.pairs))
    if isinstance(value, dict):
        return dict(_kept(tuple(value.items())))
    if isinstance(value, list):
        return [_stripped(inner) for inner in value]
    if not isinstance(value, str) or not _INSIDE_TEXT.search(value):
        return value
    try:
        return as_json(_stripped(body.load(value, "text")))
    except body.BadBody:
        return ""


def _kept(pairs: tuple[tuple[str, Any], ...]) -> list[tuple[str, Any]]:
    return [(name, _stripped(inner)) for name, inner in pairs if name.strip().lower() != "subject"]
