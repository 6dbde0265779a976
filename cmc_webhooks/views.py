"""The webhook: size, method, secrets, body, then the events go to `ingest`. No other answer than here.

Nothing of a request is logged but the reason of its refusal; reports of errors show no local variables of
this module and no field that was posted.
"""

from __future__ import annotations

import logging
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import RequestDataTooBig
from django.http import HttpResponse, JsonResponse, UnreadablePostError
from django.http.request import RawPostDataException
from django.views.debug import SafeExceptionReporterFilter
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from cmc_webhooks import auth, durable, ingest, wire
from cmc_webhooks.conf import app_settings

if TYPE_CHECKING:
    from django.http import HttpRequest

HAS_METRICS = find_spec("prometheus_client") is not None  # the extra `metrics`
if HAS_METRICS:
    from cmc_webhooks import metrics

__all__ = ["webhook"]

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 60
METHODS = "POST, OPTIONS"


class _TooLarge(Exception):
    """The body is larger than is taken."""


class _MethodNotAllowed(Exception):
    """The webhook is for POST."""


class _UnsupportedEncoding(Exception):
    """The body is compressed, or says so."""


_ANSWERS: dict[type[Exception], int] = {
    wire.BadBody: 400,
    auth.Unauthorized: 401,
    auth.Refused: 403,
    _MethodNotAllowed: 405,
    _TooLarge: 413,
    wire.TooManyEvents: 413,
    _UnsupportedEncoding: 415,
    wire.UnsupportedCharset: 415,
    durable.Unavailable: 503,
}
_HEADERS: dict[int, dict[str, str]] = {
    401: {"WWW-Authenticate": 'Basic realm="cmc_webhooks", charset="UTF-8"'},
    405: {"Allow": METHODS},
    503: {"Retry-After": str(RETRY_AFTER_SECONDS)},
}


class _Taken(JsonResponse):
    """The answer to what was taken. Servers close it when it has been sent."""

    def close(self) -> None:
        try:
            ingest.heal()
        finally:
            super().close()


class _WithoutFields(SafeExceptionReporterFilter):
    """Keeps what was posted out of reports: Django hides values, but JSON sent as a form is a name."""

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, Any]:
        return {}


@csrf_exempt
@login_not_required
@durable.outside_requests
@sensitive_post_parameters()
@sensitive_variables()
def webhook(request: HttpRequest) -> HttpResponse:
    """Take one notification. The answer to each kind of request is in the README's table of HTTP answers."""
    request.exception_reporter_filter = _WithoutFields()
    try:
        _check_size(request.META.get("CONTENT_LENGTH"))
        if request.method == "OPTIONS":
            return HttpResponse(headers={"Allow": METHODS})
        receipt = ingest.receive(_authenticated_frame(request))
    except tuple(_ANSWERS) as error:
        return _refusal(error)
    except Exception:
        logger.exception("The notification could not be handled", extra={"cmc_event": "webhook_failed"})
        return _answer(503, "not stored, please send it again")
    if HAS_METRICS:
        metrics.count(receipt)
    return _Taken({"new": receipt.new, "repeated": receipt.repeated, "rejected": receipt.rejected})


@sensitive_variables()
def _authenticated_frame(request: HttpRequest) -> wire.Frame:
    """The frame of a POST whose secrets are right; those in headers are looked at before the body is read."""
    if request.method != "POST":
        raise _MethodNotAllowed("POST only")
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        raise _UnsupportedEncoding("compressed bodies are not read")
    auth.check_address(request.META.get("REMOTE_ADDR", ""), request.headers.get("X-Forwarded-For", ""))
    auth.check_authorization(request.headers.get("Authorization", ""))
    frame = _frame(request)
    auth.check_api_key(frame.api_key)
    return frame


@sensitive_variables()
def _frame(request: HttpRequest) -> wire.Frame:
    try:
        body = request.body
    except RawPostDataException:  # a middleware has read the form already
        return wire.decode_fields((name, value) for name, values in request.POST.lists() for value in values)
    except UnreadablePostError:
        raise wire.BadBody("the body broke off") from None
    except RequestDataTooBig:
        raise _TooLarge("larger than DATA_UPLOAD_MAX_MEMORY_SIZE") from None
    except ValueError:  # Django 5.2 reads the header as a number
        raise wire.BadBody("Content-Length is not a number") from None
    _check_size(len(body))
    return wire.decode(body, request.META.get("CONTENT_TYPE", ""))


def _check_size(length: str | int | None) -> None:
    try:
        size = int(length or 0)
    except ValueError:
        return
    if size > app_settings.max_body:
        raise _TooLarge(f"larger than {app_settings.max_body} bytes")


def _refusal(error: Exception) -> HttpResponse:
    status = next(_ANSWERS[kind] for kind in type(error).__mro__ if kind in _ANSWERS)
    logger.warning(
        "Refused with %d: %s",
        status,
        error,
        extra={"cmc_event": "notification_refused", "code": status, "error": str(error)},
    )
    return _answer(status, "the database does not take it now" if status == 503 else str(error))


def _answer(status: int, text: str) -> HttpResponse:
    if HAS_METRICS:
        metrics.count_refusal(status)
    return HttpResponse(
        f"{text}\n", status=status, content_type="text/plain; charset=utf-8", headers=_HEADERS.get(status)
    )
