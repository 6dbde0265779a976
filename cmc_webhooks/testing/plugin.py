"""pytest fixtures. Set `pytest_plugins = ["cmc_webhooks.testing.plugin"]` in the top-level conftest.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmc_webhooks import testing

try:
    import pytest
except ImportError as error:
    raise ImportError(f'{__name__} needs pytest: pip install "django-cmc-webhooks[testing]"') from error

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["cmc_signals", "cmc_webhook"]


@pytest.fixture
def cmc_webhook(db: None) -> testing.Webhook:
    """Return the project's own webhook. `post`, `play` and `send` call it and return its answers."""
    return testing.Webhook()


@pytest.fixture
def cmc_signals() -> Iterator[testing.SentSignals]:
    """Yield the signals that are sent during the test."""
    with testing.signals_sent() as sent:
        yield sent
