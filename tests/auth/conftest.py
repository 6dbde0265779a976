from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def configure(settings):
    """Nothing is configured but what the test says."""

    def set_all(**values):
        settings.CMC_WEBHOOKS_API_KEYS = []
        for name, value in values.items():
            setattr(settings, f"CMC_WEBHOOKS_{name}", value)

    set_all()
    return set_all
