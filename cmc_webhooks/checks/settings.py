"""Does each setting have a value that it can have, and does it work with the others?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import django
from django.apps import apps
from django.conf import settings
from django.utils.translation import gettext as _

from cmc_webhooks.checks.addresses import address_of
from cmc_webhooks.checks.messages import Message, error, warning
from cmc_webhooks.checks.values import (
    NOWHERE,
    found_at,
    is_duration,
    is_integer,
    is_list,
    is_network,
    is_zone,
)
from cmc_webhooks.conf import DEFAULTS, PREFIX, app_settings
from cmc_webhooks.email_backend import SuppressingBackend

if TYPE_CHECKING:
    from django.apps import AppConfig

EVENTS_OF_CMC = 100
"""In one notification, as the console has it by default."""


def check_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[Message]:
    """E006 to W012, E022 to W025, E035, E041 to W049: can each setting have its value?"""
    return list(_settings())


def _settings() -> Iterator[Message]:
    for name in dir(settings):
        if name.startswith(PREFIX) and name.removeprefix(PREFIX) not in DEFAULTS:
            yield error("E006", _("There is no setting %s.") % name, _("See the README's table of settings."))
    for name in ("ALLOW_UNAUTHENTICATED", "STORE_SUBJECT", "RAW_SQL", "DROP_SUPPRESSED"):
        if not isinstance(app_settings.raw(name), bool):
            yield error(
                "E007", _("%s is neither True nor False.") % f"{PREFIX}{name}", _("Write one of them.")
            )
    yield from _numbers()
    if not is_zone(app_settings.raw("TIME_ZONE")):
        yield error(
            "E009",
            _("CMC_WEBHOOKS_TIME_ZONE is no time zone."),
            _('Write the zone chosen for the webhook in the console by its IANA name, such as "Asia/Tokyo".'),
        )
    if app_settings.raw("DISPATCH") == "deferred":
        yield from _workers()
    elif not _is_callable("wake_up"):
        yield error(
            "E010",
            _('CMC_WEBHOOKS_DISPATCH is neither "inline" nor "deferred" nor the dotted path of a callable.'),
            _("Inline: the request sends the signals after its commit. Otherwise a worker does."),
        )
    if not _is_callable("related_object"):
        yield error(
            "E041",
            _("CMC_WEBHOOKS_RELATED_OBJECT is not the dotted path of a callable."),
            _("Name a function that takes an API data value and returns an object of yours, or None."),
        )
    yield from _email()
    yield from _api()
    yield from _networks()
    if not is_duration(app_settings.raw("MAX_SILENCE")):
        yield error(
            "E035",
            _("CMC_WEBHOOKS_MAX_SILENCE is neither None nor a number of seconds over 0."),
            _("Write the longest time in which your project sends no mail, such as 6 * 3600."),
        )


def _numbers() -> Iterator[Message]:
    faults = {
        name: least
        for name, least in (("MAX_BODY", 1), ("MAX_EVENTS", 1), ("TRUSTED_PROXIES", 0))
        if not is_integer(app_settings.raw(name), least)
    }
    for name, least in faults.items():
        yield error(
            "E008",
            _("%(setting)s is not an integer of at least %(number)d.")
            % {"setting": f"{PREFIX}{name}", "number": least},
            _("Write a number."),
        )
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    is_chosen = hasattr(settings, f"{PREFIX}MAX_BODY") and "MAX_BODY" not in faults
    if is_chosen and limit is not None and app_settings.max_body > limit:
        yield warning(
            "W046",
            _("CMC_WEBHOOKS_MAX_BODY is over DATA_UPLOAD_MAX_MEMORY_SIZE, which holds as well."),
            _("Raise that setting of Django's too: a larger notification is refused with 413."),
        )
    if "MAX_EVENTS" not in faults and app_settings.max_events < EVENTS_OF_CMC:
        yield warning(
            "W049",
            _("CMC_WEBHOOKS_MAX_EVENTS is under %d, which CMC sends in one notification.") % EVENTS_OF_CMC,
            _("A notification with more is refused with 413, as a whole."),
        )


def _email() -> Iterator[Message]:
    hint = _("Name the backend that sent your mails before, such as Django's SMTP backend.")
    if not _is_callable("email_backend"):
        yield error(
            "E042", _("CMC_WEBHOOKS_EMAIL_BACKEND is not the dotted path of an e-mail backend."), hint
        )
        return
    backend: Any = app_settings.email_backend
    if isinstance(backend, type) and issubclass(backend, SuppressingBackend):
        yield error(
            "E045",
            _("CMC_WEBHOOKS_EMAIL_BACKEND names SuppressingBackend, which would hand mails on to itself."),
            hint,
        )


def _workers() -> Iterator[Message]:
    if django.VERSION < (6, 0) and not apps.is_installed("django_tasks"):
        yield error(
            "E022",
            _('CMC_WEBHOOKS_DISPATCH is "deferred", but there are no tasks.'),
            _('Install django-cmc-webhooks[tasks] and add "django_tasks" to INSTALLED_APPS.'),
        )
        return
    backends = getattr(settings, "TASKS", None) or {}
    backend = str(backends.get("default", {}).get("BACKEND", "immediate"))
    if "immediate" in backend or "dummy" in backend:
        yield warning(
            "W023",
            _('CMC_WEBHOOKS_DISPATCH is "deferred", but the task backend has no workers.'),
            _("Set TASKS to a backend with workers, such as django_tasks_db.DatabaseBackend."),
        )


def _api() -> Iterator[Message]:
    if not apps.is_installed("rest_framework"):
        return
    paths = app_settings.raw("API_PERMISSIONS")
    paths = [paths] if isinstance(paths, str) else paths
    if not is_list(paths) or not paths or not all(isinstance(found_at(path), type) for path in paths):
        yield error(
            "E024",
            _("CMC_WEBHOOKS_API_PERMISSIONS is not a list of dotted paths of permission classes."),
            _("Leave it out: then whoever may view a model in the admin may read it in the API."),
        )
    if address_of("cmc_webhooks_api:mail-list") is not None and not apps.is_installed("django_filters"):
        yield warning(
            "W025",
            _("The API is mounted, but django_filters is not installed."),
            _('Add "django_filters" to INSTALLED_APPS: the browsable API needs its templates.'),
        )


def _networks() -> Iterator[Message]:
    networks = app_settings.raw("ALLOWED_NETWORKS")
    if networks is None:
        return
    if not is_list(networks) or not networks or not all(is_network(network) for network in networks):
        yield error(
            "E011",
            _("CMC_WEBHOOKS_ALLOWED_NETWORKS is not a list of networks."),
            _('Write None, or networks such as ["192.0.2.0/24"].'),
        )
    behind_proxy = settings.SECURE_PROXY_SSL_HEADER or settings.USE_X_FORWARDED_HOST
    if behind_proxy and app_settings.raw("TRUSTED_PROXIES") == 0:
        yield warning(
            "W012",
            _("The project stands behind a proxy, and the allow-list sees the proxy's address only."),
            _("Set CMC_WEBHOOKS_TRUSTED_PROXIES to the number of proxies that add to X-Forwarded-For."),
        )


def _is_callable(name: str) -> bool:
    """Whether a setting that is a dotted path leads to something that can be called, or is not set."""
    try:
        found = getattr(app_settings, name)
    except NOWHERE:
        return False
    return found is None or callable(found)
