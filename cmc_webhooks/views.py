"""The webhook view: it checks size, method, secrets and body, then passes the events to `ingest`.

All its answers are made in this module. Of a request, only the reason for its refusal is logged. Error
reports contain no local variables of this module and no posted fields.
"""

from __future__ import annotations

import logging
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpResponse, JsonResponse
from django.http.request import RawPostDataException
from django.views.debug import SafeExceptionReporterFilter
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from cmc_webhooks import auth, ingest, logs, maintenance, wire
from cmc_webhooks.conf import app_settings
from cmc_webhooks.db import transactions
from cmc_webhooks.ingest import envelopes
from cmc_webhooks.models import RefusalCount
from cmc_webhooks.monitoring import refusals

if TYPE_CHECKING:
    from django.http import HttpRequest

HAS_METRICS = find_spec("prometheus_client") is not None  # the extra `metrics`
if HAS_METRICS:
    from cmc_webhooks.monitoring import metrics

__all__ = ["webhook"]

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 60
METHODS = "POST, OPTIONS"
MOST_KEPT = 80_000
"""More characters of a body than a rejected event may have: a secret at its end is removed as a whole."""
Reasons = RefusalCount.Reasons
_TOO_LARGE_FOR_DJANGO = "larger than DATA_UPLOAD_MAX_MEMORY_SIZE"


class _BrokeOff(wire.BadBody):
    """The body is shorter than announced."""

    def __init__(self) -> None:
        super().__init__("the body broke off")


class _Unreadable(Exception):
    """The body came with a valid secret, is not a notification, and was kept.

    `kind` is the class of the error.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.kind = type(error)


class _TooLarge(Exception):
    """The body is larger than allowed."""


class _LengthRequired(Exception):
    """The body has no Content-Length, and the server does not say where it ends."""


class _MethodNotAllowed(Exception):
    """The method is neither POST nor OPTIONS."""


class _UnsupportedEncoding(Exception):
    """The body is compressed according to its Content-Encoding header."""


_ANSWERS: dict[type[Exception], int] = {
    wire.BadBody: 400,
    auth.Unauthorized: 401,
    auth.Refused: 403,
    _MethodNotAllowed: 405,
    _LengthRequired: 411,
    _TooLarge: 413,
    wire.TooManyEvents: 413,
    _UnsupportedEncoding: 415,
    wire.UnsupportedCharset: 415,
    transactions.Unavailable: 503,
}
_REFUSED: tuple[type[Exception], ...] = (*_ANSWERS, _Unreadable)
_REASONS: dict[type[Exception], Reasons] = {
    _BrokeOff: Reasons.BROKE_OFF,
    _Unreadable: Reasons.UNREADABLE,
    wire.ReceivedMail: Reasons.RECEIVED_MAIL,
    wire.BadBody: Reasons.NOT_OURS,
    _MethodNotAllowed: Reasons.METHOD,
    _LengthRequired: Reasons.NO_LENGTH,
    _TooLarge: Reasons.TOO_LARGE,
    wire.TooManyEvents: Reasons.TOO_MANY,
    _UnsupportedEncoding: Reasons.ENCODING,
    wire.UnsupportedCharset: Reasons.CHARSET,
    transactions.WrongSetup: Reasons.SETUP,
    transactions.Unavailable: Reasons.DATABASE,
}
"""What refused requests are counted under. Errors of `auth` say it themselves."""
_HEADERS: dict[int, dict[str, str]] = {
    401: {"WWW-Authenticate": 'Basic realm="cmc_webhooks", charset="UTF-8"'},
    405: {"Allow": METHODS},
    503: {"Retry-After": str(RETRY_AFTER_SECONDS)},
}


class _Sent(NamedTuple):
    """The body of a request with valid secrets and the frame inside it, None if the body is empty."""

    body: bytes
    content_type: str
    frame: wire.Frame | None


class _Taken(JsonResponse):
    """The answer to an accepted notification. Servers close it after sending, which runs due maintenance."""

    def close(self) -> None:
        try:
            maintenance.run_if_due()
        finally:
            super().close()


class _WithoutFields(SafeExceptionReporterFilter):
    """A filter that keeps posted fields out of error reports.

    Django hides the values only, but JSON sent as a form is the name of a field.
    """

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, Any]:
        return {}


@csrf_exempt
@login_not_required
@transactions.non_atomic
@sensitive_post_parameters()
@sensitive_variables()
def webhook(request: HttpRequest) -> HttpResponse:
    """Receive one notification. The page "HTTP answers of the webhook" of the docs lists the answers."""
    request.exception_reporter_filter = _WithoutFields()
    try:
        _check_size(_announced(request))
        if request.method == "OPTIONS":
            return HttpResponse(headers={"Allow": METHODS})
        if request.method == "HEAD":  # a question whether the URL exists
            return HttpResponse()
        sent = _authenticated(request)
        if sent.frame is None:
            return JsonResponse({"new": 0, "repeated": 0, "rejected": 0})
        try:
            receipt = ingest.receive(sent.frame)
        except wire.BadBody as error:
            raise _kept(sent.body, sent.content_type, error) from None
    except _REFUSED as error:
        return _refusal(error)
    except Exception as error:
        logger.exception(
            "The notification could not be handled",
            exc_info=logs.without_text(error),
            extra={"cmc_event": "webhook_failed"},
        )
        return _answer(503, "not stored, please send it again", Reasons.FAILED.value)
    if HAS_METRICS:
        metrics.count(receipt)
    return _Taken({"new": receipt.new, "repeated": receipt.repeated, "rejected": receipt.rejected})


@sensitive_variables()
def _authenticated(request: HttpRequest) -> _Sent:
    """Return what a POST with valid secrets sent. Those in headers are checked before the body is read."""
    if request.method != "POST":
        raise _MethodNotAllowed("POST only")
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        raise _UnsupportedEncoding("compressed bodies are not read")
    auth.check_address(request.META.get("REMOTE_ADDR", ""), request.headers.get("X-Forwarded-For", ""))
    auth.check_authorization(request.headers.get("Authorization", ""))
    try:
        body = _body(request)
    except RawPostDataException:  # a middleware has already read the form
        if _is_cut_off(request):
            raise _BrokeOff from None
        return _sent_as_form(request)
    _check_size(len(body))
    if len(body) < _announced(request):
        raise _BrokeOff
    return _sent(body, request.META.get("CONTENT_TYPE", ""))


@sensitive_variables()
def _sent(body: bytes, content_type: str) -> _Sent:
    """Return a body and its frame. Its API key is checked before the rest of the body is parsed."""
    if not body.strip() and auth.needs_header():
        return _Sent(body, content_type, None)
    auth.check_api_keys(wire.api_keys_in(body, content_type))
    try:
        frame = wire.decode(body, content_type)
    except wire.ReceivedMail:
        raise
    except (wire.BadBody, wire.UnsupportedCharset) as error:
        raise _kept(body, content_type, error) from None
    auth.check_api_key(frame.api_key)
    is_empty = frame.event_type is None and frame.event is None and wire.is_empty(body, content_type)
    return _Sent(body, content_type, None if is_empty and auth.needs_secret() else frame)


@sensitive_variables()
def _sent_as_form(request: HttpRequest) -> _Sent:
    """Return the fields of a form that Django has read."""
    if not request.POST and auth.needs_header():
        return _Sent(b"", "", None)
    fields = [(name, value) for name, values in request.POST.lists() for value in values]
    body = request.POST.urlencode().encode()
    try:
        frame = wire.decode_fields(fields)
    except wire.BadBody as error:
        try:
            auth.check_api_keys(value for name, value in fields if name == "api_key")
        except auth.Refused:
            raise error from None
        raise _kept(body, "", error) from None
    auth.check_api_key(frame.api_key)
    is_empty = {name for name, _ in fields} == {"api_key"} and auth.needs_secret()
    return _Sent(body, "", None if is_empty else frame)


@sensitive_variables()
def _kept(body: bytes, content_type: str, error: Exception) -> Exception:
    """Keep a body that came with a valid secret as a rejected event. Return the error to raise.

    Raises:
        transactions.Unavailable: the database is unavailable.
    """
    if not auth.needs_secret() or isinstance(error, wire.ReceivedMail):
        return error
    envelopes.keep(auth.masked(wire.readable(body, content_type, MOST_KEPT)), str(error))
    return _Unreadable(error)


def _body(request: HttpRequest) -> bytes:
    """Return the whole body, at most one byte more than is allowed.

    The request does not keep it: middleware ties requests into cycles, which would keep bodies until the next
    garbage collection. A body without a Content-Length comes in chunks (RFC 9112, section 7.1). WSGI servers
    that know where it ends set `wsgi.input_terminated`. Under ASGI the request has the whole body.
    """
    if vars(request).get("_read_started") or "_body" in vars(request):
        whole = request.body
        if whole or "CONTENT_LENGTH" in request.META:
            return whole
    stream = request.META.get("wsgi.input")
    if stream is None or request.META.get("CONTENT_LENGTH"):
        return _read(request, _announced(request))
    if request.META.get("wsgi.input_terminated"):
        return _read(stream)
    if "Transfer-Encoding" in request.headers:
        raise _LengthRequired("a body without a Content-Length cannot be read by this server")
    return b""


def _read(stream: Any, length: int = 0) -> bytes:
    """Return what a stream has, at most one byte more than is allowed, and `length` if that is known."""
    most, limit = app_settings.max_body, settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    most = most if limit is None else min(most, limit)
    wanted = min(length, most + 1) if length > 0 else most + 1
    pieces: list[bytes] = []
    size = 0
    try:
        while size < wanted and (piece := stream.read(wanted - size)):
            pieces.append(piece)
            size += len(piece)
    except Exception as error:  # each server has its own for a chunk that is damaged or missing
        raise _BrokeOff from error
    _check_size(size)
    if size > most:
        raise _TooLarge(_TOO_LARGE_FOR_DJANGO)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _is_cut_off(request: HttpRequest) -> bool:
    """Return whether a form that Django has read ended before its Content-Length."""
    stream: Any = request._stream
    return getattr(stream, "limit", 0) > getattr(stream, "_pos", 0)


def _announced(request: HttpRequest) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0


def _check_size(size: int) -> None:
    """Raise `_TooLarge` if a body of this size is larger than allowed."""
    if size > app_settings.max_body:
        raise _TooLarge(f"larger than {app_settings.max_body} bytes")


def _refusal(error: Exception) -> HttpResponse:
    kind = error.kind if isinstance(error, _Unreadable) else type(error)
    status = next(_ANSWERS[each] for each in kind.__mro__ if each in _ANSWERS)
    is_fault = isinstance(error, transactions.WrongSetup)  # of the set-up: no later attempt helps
    reason = str(error)  # not the error, whose traceback holds the body
    level = logging.ERROR if is_fault else logging.WARNING
    if isinstance(error, wire.ReceivedMail):
        logger.log(
            level,
            "Refused with %d: %s",
            status,
            reason,
            extra={"cmc_event": "received_mail_refused", "code": status, "error": reason},
        )
    else:
        logger.log(
            level,
            "Refused with %d: %s",
            status,
            reason,
            extra={"cmc_event": "notification_refused", "code": status, "error": reason},
        )
    if status == 503 and not is_fault:
        return _answer(status, "the database is temporarily unavailable", _counted_as(error))
    answer = _answer(status, reason, _counted_as(error))
    if is_fault:
        vars(answer)["_has_been_logged"] = True  # otherwise Django logs a second error
    return answer


def _counted_as(error: Exception) -> str:
    """Return the reason that a refused request is counted under, one of `RefusalCount.Reasons`."""
    if isinstance(error, auth.Refused):
        return error.reason
    return next(_REASONS[each] for each in type(error).__mro__ if each in _REASONS).value


def _answer(status: int, text: str, reason: str) -> HttpResponse:
    refusals.count(status, reason)
    if HAS_METRICS:
        metrics.count_refusal(status)
    return HttpResponse(
        f"{text}\n", status=status, content_type="text/plain; charset=utf-8", headers=_HEADERS.get(status)
    )
