"""`pytest --ds=example_project.settings example_project/shop/tests.py` runs the shop's tests."""

from __future__ import annotations

pytest_plugins = ["cmc_webhooks.testing.plugin"]
