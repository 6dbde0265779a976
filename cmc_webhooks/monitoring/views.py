"""For monitoring: is all well, in JSON, and the metrics for Prometheus. Open to a token or a permission."""

from __future__ import annotations

import logging
from functools import wraps
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from django.contrib.auth.decorators import login_not_required
from django.db import Error as DatabaseAway
from django.http import HttpResponse, JsonResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_safe

from cmc_webhooks import auth, durable, store
from cmc_webhooks import health as app_health
from cmc_webhooks.conf import app_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

HAS_METRICS = find_spec("prometheus_client") is not None  # the extra `metrics`
if HAS_METRICS:
    from cmc_webhooks import metrics as app_metrics

__all__ = ["PERMISSION", "health", "metrics"]

logger = logging.getLogger(__name__)

PERMISSION = "cmc_webhooks.view_notification"
CHALLENGE = 'Bearer realm="cmc_webhooks"'


def _for_watchers(view: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """A view for GET and HEAD by those who may watch, whose answers nobody keeps; 503 whatever fails."""

    @cache_control(no_store=True)
    @login_not_required
    @durable.outside_requests
    @csrf_exempt
    @require_safe
    @wraps(view)
    @sensitive_variables()
    def guarded(request: HttpRequest) -> HttpResponse:
        try:
            return _refusal(request) or view(request)
        except (durable.Unavailable, DatabaseAway) as error:  # also where the user is looked up
            logger.warning(
                "The health could not be told: %s",
                type(error).__name__,
                extra={"cmc_event": "health_failed", "error": type(error).__name__},
            )
            return _unavailable("the database is away")
        except Exception as error:
            logger.exception(
                "The health could not be told",
                extra={"cmc_event": "health_failed", "error": type(error).__name__},
            )
            return _unavailable("the health could not be told: see the log")

    return guarded


@_for_watchers
def health(request: HttpRequest) -> HttpResponse:
    """The state of the app: 200 if all is well, 503 with `problems` if not, or if the database is away.

    The parameter `fail_if_silent`, such as 2h, is the longest silence that is well; by default it is
    `CMC_WEBHOOKS_MAX_SILENCE`. 400 if it is no duration.
    """
    silent = app_settings.max_silence
    if "fail_if_silent" in request.GET:
        try:
            silent = app_health.seconds(request.GET["fail_if_silent"])
        except ValueError:
            return _error(400, "fail_if_silent is no duration such as 90s, 30m, 2h or 1d")
    now = app_health.look(store.alias())
    problems = now.problems(fail_if_silent=silent)
    status, code = ("failing", 503) if problems else ("ok", 200)
    return _told({"status": status, "problems": problems, **now.as_dict()}, code)


@_for_watchers
def metrics(request: HttpRequest) -> HttpResponse:
    """The metrics in Prometheus' text format; 404 if `prometheus-client` is not installed."""
    if not HAS_METRICS:
        return _error(404, "prometheus-client is not installed")
    return HttpResponse(app_metrics.exposition(), content_type=app_metrics.CONTENT_TYPE)


def _refusal(request: HttpRequest) -> HttpResponse | None:
    """The answer to somebody who may not watch; None to those who may. A token needs no database."""
    if auth.holds_health_token(request.headers.get("Authorization", "")):
        return None
    user: Any = getattr(request, "user", None)
    if user is not None and user.has_perm(PERMISSION):
        return None
    is_known = user is not None and user.is_authenticated
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
    return _told({"status": "unavailable", "problems": [problem]}, 503)


def _told(state: dict[str, Any], code: int) -> HttpResponse:
    answer = JsonResponse(state, status=code)
    vars(answer)["_has_been_logged"] = True  # or Django mails a 503 to the admins each time somebody asks
    return answer
