"""The project's own objects by the `apiData` of their mails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured

from cmc_webhooks.conf import app_settings

if TYPE_CHECKING:
    from django.db.models import Model

__all__ = ["api_data_of", "has_api_data"]


def has_api_data(model: type[Model]) -> bool:
    """Return whether `CMC_WEBHOOKS_API_DATA_OF` has an entry for a model or one that it inherits from."""
    return any(label in app_settings.api_data_of for label in _labels(model))


def api_data_of(row: Any) -> str:
    """Return the `apiData` with which the mails about one of the project's objects are sent; "" for none.

    `CMC_WEBHOOKS_API_DATA_OF` says what it is. Exceptions of the project's code are not caught here.

    Raises:
        ImproperlyConfigured: the setting has no entry for the object's model.
    """
    getters = app_settings.api_data_of
    for label in _labels(type(row)):
        if label in getters:
            value = getters[label](row)
            return "" if value is None else str(value)
    raise ImproperlyConfigured(f"CMC_WEBHOOKS_API_DATA_OF has no entry for {row._meta.label}")


def _labels(model: type[Any]) -> list[str]:
    options = (getattr(each, "_meta", None) for each in model.__mro__)
    return [each.label_lower for each in options if each is not None]
