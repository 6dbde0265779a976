"""CMC's REST API: what it lists of a day, page by page, and its own counts. Needs httpx (extra `backfill`).

The user and the key stand in the body of each request and nowhere else: no message here holds them.
Sources: https://smtps.jp/docs-en/apiv2/te (what is common), https://smtps.jp/docs-en/apiv2/te/deliveries,
https://smtps.jp/docs-en/apiv2/te/bounces, https://smtps.jp/docs-en/apiv2/te/statistics.
"""

from __future__ import annotations

import logging
import time
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import httpx

from cmc_webhooks import wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["BadAnswer", "Client", "Failed", "Refused", "Unreachable"]

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
_NOT_FOUND = "12-001"  # "data not found": without a field, it is the answer to a day without rows
_TOO_MANY, _SERVER_ERROR, _REDIRECT = 429, 500, 300
_MESSAGE_LENGTH = 200
_COUNTED = ("queued", "succeeded", "failed")


class Failed(Exception):
    """CMC's API could not be asked; the message is one line without secrets."""


class Unreachable(Failed):
    """No answer, or a server error, after all tries."""


class Refused(Failed):
    """CMC refuses the request, and would refuse it again."""


class BadAnswer(Failed):
    """The answer is none that can be read."""


class Client:
    """Asks as one API user, inside `with`; `timeout` is in seconds, for each step of an answer.

    Every method raises `Failed`. What may pass is tried again, four times in all: no connection, no answer
    in time, 429 and server errors, with a pause that CMC may set, of a minute at most.
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
        """The rows of "deliveries" or "bounces" of a day in the API user's zone, up to 100 or so at a time.

        Rows are as `wire.load` reads JSON, so that they are read as those of a notification.
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
            # The greatest `r` is not published for these lists. Were it less than 100, every page would look
            # like the last one; so only a page of no round number is taken for that.
            if not rows or len(rows) % _ROUND:
                return
            before = rows
        raise BadAnswer(f"{kind}/list: more than {MAX_PAGES} pages")

    def totals(self, composition: str, month: date) -> dict[date, dict[str, int]]:
        """CMC's counts by status of the days in the month of `month`; days without mails may be missing."""
        asked = {"server_composition": composition, "year": month.year, "month": month.month}
        rows = self._ask("statistics/list", asked).get("statistics") or []
        try:
            return {
                date.fromisoformat(row["date"]): {status: int(row.get(status) or 0) for status in _COUNTED}
                for row in rows
            }
        except (TypeError, ValueError, LookupError, AttributeError):
            raise BadAnswer("statistics/list: not rows of a date and numbers") from None

    def _ask(self, action: str, asked: dict[str, Any]) -> dict[str, Any]:
        pause = FIRST_PAUSE
        for tries in range(1, TRIES + 1):
            wait: float | None = None
            try:
                status, text, wait = self._post(action, asked)
            except httpx.TransportError as error:
                fault = self._shown(f"{type(error).__name__} {error}")
            else:
                if status != _TOO_MANY and status < _SERVER_ERROR:
                    return self._read(action, status, text)
                fault = f"HTTP {status}"
            if tries < TRIES:
                logger.info(
                    "%s: CMC's API gave way (%s), trying again",
                    action,
                    fault,
                    extra={"cmc_event": "api_retried", "action": action, "error": fault, "tries": tries},
                )
                self._pause(min(pause if wait is None else wait, LONGEST_PAUSE))
                pause *= 2
        raise Unreachable(f"{action}: {fault}, {TRIES} times")

    def _post(self, action: str, asked: dict[str, Any]) -> tuple[int, str, float | None]:
        """The status, the text and the pause that the answer asks for, if it does."""
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
        """The object that the text of an answer holds; empty if it holds nothing."""
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
        """A text of others as one short line in which no credential is."""
        for secret in self._credentials.values():
            text = text.replace(secret, "[hidden]") if secret else text
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
