"""Checks of the settings: each value is valid and works with the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import django
from django.apps import apps
from django.conf import settings
from django.utils.translation import gettext as _

from cmc_webhooks.checks.helpers import (
    Message,
    error,
    found_at,
    is_duration,
    is_integer,
    is_list,
    is_network,
    is_zone,
    shown,
    unreadable,
    warning,
    why_not_callable,
    why_not_found,
)
from cmc_webhooks.checks.urls import address_of
from cmc_webhooks.conf import DEFAULTS, PREFIX, app_settings
from cmc_webhooks.email_backend import SuppressingBackend

if TYPE_CHECKING:
    from django.apps import AppConfig

_BEGINNING = "CMC_"
_NEAR, _VERY_NEAR = 0.7, 0.9
"""How alike a name must be to be suggested: one with our prefix, and one that another app may have."""

EVENTS_OF_CMC = 100
"""Maximum number of events in one notification, by default of CMC's console."""


def check_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[Message]:
    """Check that each setting has a valid value.

    E006 to W012, E022 to W025, E035, E041 to W049, E087, E088, E109.
    """
    return list(_settings())


def _settings() -> Iterator[Message]:
    yield from _unknown()
    for name in (
        "ALLOW_UNAUTHENTICATED",
        "STORE_SUBJECT",
        "RAW_SQL",
        "CHANGE_FEED",
        "DROP_SUPPRESSED",
        "REST_MAY_LIFT",
    ):
        if not isinstance(app_settings.raw(name), bool):
            yield error(
                "E007",
                _("%(setting)s is %(value)s, which is neither True nor False.") % _named(name),
                _("Set it to True or False."),
            )
    yield from _numbers()
    if not is_zone(app_settings.raw("TIME_ZONE")):
        yield error(
            "E009",
            _("%(setting)s is %(value)s, which is not a valid time zone.") % _named("TIME_ZONE"),
            _("Set it to the webhook's time zone in CMC's console, an IANA name such as \"Asia/Tokyo\"."),
        )
    if app_settings.raw("DISPATCH") == "deferred":
        yield from _workers()
    elif app_settings.raw("DISPATCH") != "inline":
        hint = _('Set it to "inline", to "deferred" or to the dotted path of a callable.')
        yield from _callable("E010", "DISPATCH", hint)
    if app_settings.raw("RELATED_OBJECT") is not None:
        hint = _("Name a function that takes an API data value and returns one of your objects, or None.")
        yield from _callable("E041", "RELATED_OBJECT", hint)
    yield from _own_objects()
    yield from _email()
    yield from _api()
    yield from _networks()
    if not (app_settings.learns_max_silence or is_duration(app_settings.raw("MAX_SILENCE"))):
        yield error(
            "E035",
            _('%(setting)s is %(value)s, which is neither "auto", None nor a number of seconds over 0.')
            % _named("MAX_SILENCE"),
            _("Set it to the longest time in which your project sends no mail, such as 6 * 3600."),
        )


def _numbers() -> Iterator[Message]:
    faults = {
        name: least
        for name, least in (("MAX_BODY", 1), ("MAX_EVENTS", 1), ("MAX_XLSX_ROWS", 1), ("TRUSTED_PROXIES", 0))
        if not is_integer(app_settings.raw(name), least)
    }
    for name, least in faults.items():
        yield error(
            "E008",
            _("%(setting)s is %(value)s, which is not an integer.") % _named(name)
            if not is_integer(app_settings.raw(name), -(10**9))
            else _("%(setting)s is %(value)s, which is too small.") % _named(name),
            _("Set it to an integer of at least %d.") % least,
        )
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    is_chosen = hasattr(settings, f"{PREFIX}MAX_BODY") and "MAX_BODY" not in faults
    if is_chosen and limit is not None and app_settings.max_body > limit:
        yield warning(
            "W046",
            _("CMC_WEBHOOKS_MAX_BODY is larger than DATA_UPLOAD_MAX_MEMORY_SIZE, which also applies."),
            _("Raise Django's DATA_UPLOAD_MAX_MEMORY_SIZE too; larger notifications are refused with 413."),
        )
    if "MAX_EVENTS" not in faults and app_settings.max_events < EVENTS_OF_CMC:
        yield warning(
            "W049",
            _("CMC_WEBHOOKS_MAX_EVENTS is less than %d, the number that CMC sends in one notification.")
            % EVENTS_OF_CMC,
            _("A notification with more events is refused as a whole with 413."),
        )


def _own_objects() -> Iterator[Message]:
    given, name = app_settings.raw("API_DATA_OF"), f"{PREFIX}API_DATA_OF"
    hint = _('Map models to an attribute or a function, such as {"shop.Order": "number"}.')
    faults = [(name, given, _("it is not a dictionary"))]
    if isinstance(given, dict):
        faults = [(name, label, reason) for label in given if (reason := _why_no_model(label))]
        wrong = {label for _name, label, _reason in faults}
        faults += [
            (f'{name}["{label}"]', value, reason)
            for label, value in given.items()
            if label not in wrong and (reason := _why_no_value(label, value))
        ]
    for setting, value, reason in faults:
        yield unreadable("E109", setting, value, reason, hint)


def _why_no_model(label: Any) -> str:
    """Return why a text does not name an installed model; "" if it does."""
    try:
        apps.get_model(label)
    except (LookupError, ValueError, AttributeError, TypeError):
        return _('it is not an installed model, such as "shop.Order"')
    return ""


def _why_no_value(label: str, value: Any) -> str:
    """Return why a model has no such attribute, or no function is at such a path; "" if there is one."""
    if isinstance(value, str) and "." not in value:
        return "" if hasattr(apps.get_model(label), value) else _("the model has no such attribute")
    return why_not_callable(value)


def _email() -> Iterator[Message]:
    composition = app_settings.raw("COMPOSITION")
    if composition is not None and not (isinstance(composition, str) and composition):
        yield error(
            "E087",
            _("%(setting)s is %(value)s, which is neither None nor a name.") % _named("COMPOSITION"),
            _('Set it to the name of the server composition in CMC\'s console, such as "pro".'),
        )
    if app_settings.raw("TRANSACTIONAL") is not None:
        hint = _("Name a function that takes a message and returns True if its recipients asked for it.")
        yield from _callable("E088", "TRANSACTIONAL", hint)
    hint = _("Name the backend that sent your mails before, such as Django's SMTP backend.")
    if wrong := list(_callable("E042", "EMAIL_BACKEND", hint)):
        yield from wrong
        return
    backend: Any = app_settings.email_backend
    if isinstance(backend, type) and issubclass(backend, SuppressingBackend):
        yield error(
            "E045",
            _("CMC_WEBHOOKS_EMAIL_BACKEND names SuppressingBackend, which would pass mails to itself."),
            hint,
        )


def _workers() -> Iterator[Message]:
    if django.VERSION < (6, 0) and not apps.is_installed("django_tasks"):
        yield error(
            "E022",
            _('CMC_WEBHOOKS_DISPATCH is "deferred", but Django Tasks is not installed.'),
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
    hint = _("Remove the setting to let users read in the API what they may view in the admin.")
    if not is_list(paths) or not paths:
        reasons = [(app_settings.raw("API_PERMISSIONS"), _("it is not a list of dotted paths"))]
    else:
        reasons = [(path, reason) for path in paths if (reason := _why_not_class(path))]
    for value, reason in reasons:
        yield unreadable("E024", f"{PREFIX}API_PERMISSIONS", value, reason, hint)
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
            _("%(setting)s is %(value)s, which is not a list of networks.") % _named("ALLOWED_NETWORKS"),
            _('Set it to None or to networks such as ["192.0.2.0/24"].'),
        )
    behind_proxy = settings.SECURE_PROXY_SSL_HEADER or settings.USE_X_FORWARDED_HOST
    if behind_proxy and app_settings.raw("TRUSTED_PROXIES") == 0:
        yield warning(
            "W012",
            _("The project is behind a proxy, so the allow-list sees only the proxy's address."),
            _("Set CMC_WEBHOOKS_TRUSTED_PROXIES to the number of proxies that add to X-Forwarded-For."),
        )


def _unknown() -> Iterator[Message]:
    """Yield a message for each setting that does not exist but has our prefix, or nearly so."""
    known = [f"{PREFIX}{name}" for name in DEFAULTS]
    for name in dir(settings):
        if name in known or not name.startswith(_BEGINNING):
            continue
        if name.startswith(PREFIX):
            ends = get_close_matches(name.removeprefix(PREFIX), DEFAULTS, n=1, cutoff=_NEAR)
            near = [f"{PREFIX}{end}" for end in ends]
        else:
            near = get_close_matches(name, known, n=1, cutoff=_VERY_NEAR)
        if near:
            text = _("Unknown setting %(name)s. Did you mean %(near)s?") % {"name": name, "near": near[0]}
        else:
            text = _("Unknown setting %s.") % name
        if name.startswith(PREFIX):
            yield error("E006", text, _("The page Settings of the documentation lists them."))
        elif near:
            yield warning("W080", text, _("Rename it, or silence this check if it is another app's."))


def _callable(number: str, name: str, hint: str) -> Iterator[Message]:
    """Yield an error if a setting does not name a callable by its dotted path."""
    value = app_settings.raw(name)
    if reason := why_not_callable(value):
        yield unreadable(number, f"{PREFIX}{name}", value, reason, hint)


def _why_not_class(path: Any) -> str:
    reason = why_not_found(path)
    return reason or ("" if isinstance(found_at(path), type) else _("it is not a class"))


def _named(name: str) -> dict[str, str]:
    """Return a setting and its value, for a message. Never used for a secret."""
    return {"setting": f"{PREFIX}{name}", "value": shown(app_settings.raw(name))}
