"""Client for CMC's REST API: the lists of a day, page by page, and CMC's own counts.

Needs httpx (extra `backfill`). The user and the key are sent in the body of each request and nowhere else.
No message of this module contains them.
Sources: https://smtps.jp/docs-en/apiv2/te (common rules), https://smtps.jp/docs-en/apiv2/te/deliveries,
https://smtps.jp/docs-en/apiv2/te/bounces, https://smtps.jp/docs-en/apiv2/te/statistics.
"""

from __future__ import annotations

import logging
import re
import time
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import httpx

from cmc_webhooks import wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["BadAnswer", "Cancelled", "Client", "Failed", "Refused", "Unreachable"]

logger = logging.getLogger(__name__)

PAGE_ROWS = 100
MAX_PAGES = 100_000
MAX_ANSWER = 16 * 1024 * 1024
TRIES = 4
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
TIMEOUT = 30.0
ANSWER_SECONDS = 120.0

_ROUND = 5
_NOT_FOUND = "12-001"  # "data not found"; without a field, the answer for a day without rows
_TOO_MANY, _SERVER_ERROR, _REDIRECT = 429, 500, 300
_MESSAGE_LENGTH = 200
_LONG_KEY = 8
_COUNTED = ("queued", "succeeded", "failed")


class Failed(Exception):
    """A request to CMC's API failed. The message is one line without secrets."""


class Unreachable(Failed):
    """No answer, a 429 or a server error on every attempt."""


class Refused(Failed):
    """CMC refuses the request. A retry would be refused as well."""


class BadAnswer(Failed):
    """The answer cannot be read."""


class Cancelled(NamedTuple):
    """Whether CMC took an address off one of its lists, and its answer."""

    is_done: bool
    answer: str


class Client:
    """Client that authenticates as one API user; a context manager.

    `timeout` is in seconds and applies to each step of an answer. Every method raises `Failed`. Transient
    errors (no connection, no answer in time, 429, server errors) are retried, with four attempts in all.
    CMC may set the pause before a retry, which is at most a minute.
    """

    def __init__(
        self,
        url: str,
        user: str,
        key: str,
        *,
        timeout: float = TIMEOUT,
        pause: Callable[[float], Any] = time.sleep,
    ) -> None:
        self._http = httpx.Client(base_url=url, timeout=timeout, headers={"Accept-Language": "en"})
        self._credentials = {"api_user": user, "api_key": key}
        self._pause = pause

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._http.close()

    def pages(self, kind: str, composition: str, day: date) -> Iterator[list[Any]]:
        """Yield the rows of "deliveries" or "bounces" of a day, in pages of up to 100 rows or so.

        `day` is in the API user's zone. Rows are as returned by `wire.load`, so they can be read like the
        rows of a notification.
        """
        before: list[Any] = []
        for page in range(MAX_PAGES):
            asked = {"server_composition": composition, "date": day.isoformat(), "p": page, "r": PAGE_ROWS}
            answer = self._ask(f"{kind}/list", asked)
            rows = answer.get(kind) or []
            if not isinstance(rows, list):
                raise BadAnswer(f"{kind}/list: {kind} is not a list")
            if rows and rows == before:
                raise BadAnswer(f"{kind}/list: page {page} is the page before it again")
            yield rows
            # The maximum of `r` is not published for these lists. If it were less than 100, every page would
            # look like the last one. So a page counts as the last only if it is empty or its length is not a
            # multiple of 5.
            if not rows or len(rows) % _ROUND:
                return
            before = rows
        raise BadAnswer(f"{kind}/list: more than {MAX_PAGES} pages")

    def totals(self, composition: str, month: date) -> dict[date, dict[str, int]]:
        """Return CMC's counts by status for each day in the month of `month`.

        Days without mails may be missing.
        """
        asked = {"server_composition": composition, "year": month.year, "month": month.month}
        rows = self._ask("statistics/list", asked).get("statistics") or []
        try:
            return {
                date.fromisoformat(row["date"]): {status: int(row.get(status) or 0) for status in _COUNTED}
                for row in rows
            }
        except (TypeError, ValueError, LookupError, AttributeError):
            raise BadAnswer("statistics/list: not rows of a date and numbers") from None

    def cancel(self, kind: str, composition: str, address: str) -> Cancelled:
        """Remove an address from the list "blocks" or "unsubscribes" of a server composition.

        New errors of the address count again, as after CMC's own release. The parameters of `blocks/cancel`
        are not published, so the answer is returned as it came: on one line, and without secrets. CMC's
        refusal is an answer too.

        Raises:
            Unreachable: there was no answer.
        """
        action = f"{kind}/cancel"
        status, text = self._answer(action, {"server_composition": composition, "email": address})
        try:
            document = wire.load(text, action) if text else {}
        except wire.BadBody:
            document = {}
        has_errors = isinstance(document, dict) and bool(document.get("errors"))
        shown = self._shown(text) or f"HTTP {status}"
        return Cancelled(status < _REDIRECT and not has_errors, shown)

    def _ask(self, action: str, asked: dict[str, Any]) -> dict[str, Any]:
        return self._read(action, *self._answer(action, asked))

    def _answer(self, action: str, asked: dict[str, Any]) -> tuple[int, str]:
        """Return the status and the text of an answer; transient errors are retried."""
        pause = FIRST_PAUSE
        for tries in range(1, TRIES + 1):
            wait: float | None = None
            try:
                status, text, wait = self._post(action, asked)
            except httpx.TransportError as error:
                fault = self._shown(f"{type(error).__name__} {error}")
            else:
                if status != _TOO_MANY and status < _SERVER_ERROR:
                    return status, text
                fault = f"HTTP {status}"
            if tries < TRIES:
                safe = wire.shown(fault, _MESSAGE_LENGTH)
                logger.info(
                    "%s: transient error of CMC's API (%s), retrying",
                    action,
                    safe,
                    extra={"cmc_event": "api_retried", "action": action, "error": safe, "tries": tries},
                )
                self._pause(min(pause if wait is None else wait, LONGEST_PAUSE))
                pause *= 2
        raise Unreachable(f"{action}: {fault}, {TRIES} times")

    def _post(self, action: str, asked: dict[str, Any]) -> tuple[int, str, float | None]:
        """Return the status, the text, and the seconds that the answer asks to wait (None without them)."""
        body = bytearray()
        deadline = time.monotonic() + ANSWER_SECONDS
        data = {**self._credentials, **asked}
        try:
            with self._http.stream("POST", f"{action}.json", data=data) as answer:
                for chunk in answer.iter_bytes():
                    body += chunk
                    if len(body) > MAX_ANSWER:
                        raise BadAnswer(f"{action}: the answer is larger than {MAX_ANSWER} bytes")
                    if time.monotonic() > deadline:
                        raise httpx.ReadTimeout("the answer has no end")
        except httpx.DecodingError:
            raise BadAnswer(f"{action}: the answer is compressed and damaged") from None
        after = answer.headers.get("Retry-After", "")
        wait = float(after) if after.isascii() and after.isdigit() else None
        return answer.status_code, body.decode("utf-8", "replace").strip(), wait

    def _read(self, action: str, status: int, text: str) -> dict[str, Any]:
        """Return the object in the text of an answer; empty if the text is empty or reports no data."""
        is_good = status < _REDIRECT
        try:
            document = wire.load(text, action) if text else {}
        except wire.BadBody as error:
            if is_good:
                raise BadAnswer(self._shown(str(error))) from None
            document = {}
        if isinstance(document, dict) and (errors := document.get("errors")):
            faults = _faults(errors)
            if all(fault.code == _NOT_FOUND and not fault.field for fault in faults):
                return {}
            raise Refused(self._shown(f"{action}: {'; '.join(str(fault) for fault in faults)}"))
        if not is_good:
            raise Refused(f"{action}: HTTP {status}")
        if not isinstance(document, dict):
            raise BadAnswer(f"{action}: no object")
        return document

    def _shown(self, text: str) -> str:
        """Return third-party text as one short line, without the key and without a user that is an address.

        A short key is replaced only as a whole word: it may be a part of any other word.
        """
        user, key = self._credentials["api_user"], self._credentials["api_key"]
        if "@" in user:
            text = text.replace(user, "[hidden]")
        if len(key) >= _LONG_KEY:
            text = text.replace(key, "[hidden]")
        elif key:
            text = re.sub(rf"(?<!\w){re.escape(key)}(?!\w)", "[hidden]", text)
        return " ".join(text.split())[:_MESSAGE_LENGTH]


class _Fault(NamedTuple):
    """One of the errors in an answer."""

    code: str
    field: str
    message: str

    def __str__(self) -> str:
        return " ".join(filter(None, self))


def _faults(errors: Any) -> list[_Fault]:
    return [
        _Fault(*(str(error.get(name) or "") for name in _Fault._fields))
        if isinstance(error, dict)
        else _Fault("", "", str(error))
        for error in (errors if isinstance(errors, list) else [errors])
    ]
