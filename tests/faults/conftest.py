"""CMC_FAULTS says how many faults (10 in CI, 200 in full); without it nothing is collected here."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from django.db import connections

from tests.helpers.put_out import put_out

collect_ignore_glob = [] if os.environ.get("CMC_FAULTS") else ["test_*.py"]


@pytest.fixture(autouse=True)
def every_light_can_be_put_out(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each fault, a command puts out every light of health that is on."""
    database = request.node.get_closest_marker("django_db")
    if database is None:
        yield
        return
    request.getfixturevalue("transactional_db" if database.kwargs.get("transaction") else "db")
    yield
    if database.kwargs.get("transaction"):
        connections["default"].close()  # the fault may have broken it
    put_out()
