"""Views for monitoring: health as JSON, and metrics for Prometheus. Both need a token or a permission."""

from __future__ import annotations

import logging
from functools import wraps
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from django.contrib.auth.decorators import login_not_required
from django.db import Error as DatabaseError
from django.http import HttpResponse, JsonResponse
from django.utils.translation import gettext
from django.views.decorators.cache import cache_control
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_safe

from cmc_webhooks import auth, logs
from cmc_webhooks.conf import app_settings
from cmc_webhooks.db import transactions
from cmc_webhooks.models import routing
from cmc_webhooks.monitoring import health as app_health

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

HAS_METRICS = find_spec("prometheus_client") is not None  # the extra `metrics`
if HAS_METRICS:
    from cmc_webhooks.monitoring import metrics as app_metrics

__all__ = ["PERMISSION", "health", "metrics"]

logger = logging.getLogger(__name__)

PERMISSION = "cmc_webhooks.view_notification"
CHALLENGE = 'Bearer realm="cmc_webhooks"'


def _for_watchers(view: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Restrict a view to GET and HEAD by clients with a token or the permission.

    Answers are not cached. Any exception is answered with 503.
    """

    @cache_control(no_store=True)
    @login_not_required
    @transactions.non_atomic
    @csrf_exempt
    @require_safe
    @wraps(view)
    @sensitive_variables()
    def guarded(request: HttpRequest) -> HttpResponse:
        try:
            with transactions.savepoints():
                return _refusal(request) or view(request)
        except (transactions.Unavailable, DatabaseError) as error:  # also raised when the user is loaded
            if transactions.is_broken():
                raise
            fault = transactions.setup_fault(error)
            report = logger.error if fault else logger.warning
            report(
                "The health could not be determined: %s",
                fault or type(error).__name__,
                extra={"cmc_event": "health_failed", "error": type(error).__name__},
            )
            return _unavailable(gettext(fault) if fault else "the database is unavailable")
        except Exception as error:
            logger.exception(
                "The health could not be determined",
                exc_info=logs.without_text(error),
                extra={"cmc_event": "health_failed", "error": type(error).__name__},
            )
            return _unavailable("the health could not be determined: see the log")

    return guarded


@_for_watchers
def health(request: HttpRequest) -> HttpResponse:
    """Return the state of the app: 200 if all is well, 503 with `problems` otherwise.

    `verdict` says it in the words of `cmc_status`.

    The answer is also 503 if the database is unavailable. The parameter `fail_if_silent`, such as 2h, is the
    longest acceptable silence; the default is `CMC_WEBHOOKS_MAX_SILENCE`. The answer is 400 if it is not a
    valid duration.
    """
    silent = None
    if "fail_if_silent" in request.GET:
        try:
            silent = app_health.seconds(request.GET["fail_if_silent"])
        except ValueError:
            return _error(400, "fail_if_silent is not a duration such as 90s, 30m, 2h or 1d")
    now = app_health.look(routing.write_alias())
    problems = now.problems(fail_if_silent=silent)
    status, code = ("failing", 503) if problems else ("ok", 200)
    verdict = now.verdict(fail_if_silent=silent)
    return _json({"status": status, "verdict": verdict, "problems": problems, **now.as_dict()}, code)


@_for_watchers
def metrics(request: HttpRequest) -> HttpResponse:
    """Return the metrics in Prometheus' text format; 404 if `prometheus-client` is not installed."""
    if not HAS_METRICS:
        return _error(404, "prometheus-client is not installed")
    return HttpResponse(app_metrics.exposition(), content_type=app_metrics.CONTENT_TYPE)


def _refusal(request: HttpRequest) -> HttpResponse | None:
    """Return the answer to a client without access, None for others. A token is checked without a query."""
    if auth.holds_health_token(request.headers.get("Authorization", "")):
        return None
    user: Any = getattr(request, "user", None)
    if auth.may(user, PERMISSION):
        return None
    is_known = getattr(user, "is_authenticated", False)
    code = 401 if app_settings.health_tokens and not is_known else 403
    logger.warning(
        "The health was refused with %d", code, extra={"cmc_event": "health_refused", "code": code}
    )
    refused = _error(code, f"a token or the permission {PERMISSION} is needed")
    if code == 401:
        refused.headers["WWW-Authenticate"] = CHALLENGE
    return refused


def _error(code: int, text: str) -> HttpResponse:
    return JsonResponse({"error": text}, status=code)


def _unavailable(problem: str) -> HttpResponse:
    return _json({"status": "unavailable", "problems": [problem]}, 503)


def _json(state: dict[str, Any], code: int) -> HttpResponse:
    answer = JsonResponse(state, status=code)
    vars(answer)["_has_been_logged"] = True  # otherwise Django mails the admins about each 503
    return answer
