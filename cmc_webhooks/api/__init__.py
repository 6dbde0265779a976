"""The REST API. Its packages are an extra, so the first one that is missing is named with the extra."""

from __future__ import annotations

from importlib.util import find_spec


def _require(*packages: str) -> None:
    for name in packages:
        try:
            is_missing = find_spec(name) is None
        except ImportError:
            is_missing = True
        if is_missing:
            raise ImportError(
                f'The API of cmc_webhooks needs {name}: pip install "django-cmc-webhooks[api]"', name=name
            )


_require("rest_framework", "django_filters", "drf_spectacular")
