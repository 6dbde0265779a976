from __future__ import annotations

import pytest
from django.core.management import CommandError
from django.db import InterfaceError, OperationalError

from cmc_webhooks.db import transactions
from cmc_webhooks.management import base


class TestOneLineErrors:
    @pytest.mark.parametrize(
        ("fault", "line", "code"),
        [
            (KeyboardInterrupt(), "Interrupted: two of three are done", 130),
            (
                OperationalError("user@example.jp"),
                "The database is unavailable (OperationalError): two of three are done",
                1,
            ),
            (
                InterfaceError("closed"),
                "The database is unavailable (InterfaceError): two of three are done",
                1,
            ),
            (
                transactions.Unavailable("40001"),
                "The database is unavailable (40001): two of three are done",
                1,
            ),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_says_how_far_it_came_and_why_it_ended(self, fault, line, code):
        with pytest.raises(CommandError) as caught, base.one_line_errors(lambda: "two of three are done"):
            raise fault

        assert (str(caught.value), caught.value.returncode) == (line, code)

    def test_lets_other_faults_through(self):
        with pytest.raises(ZeroDivisionError), base.one_line_errors(lambda: "never asked"):
            raise ZeroDivisionError

    def test_asks_nothing_where_all_is_well(self):
        asked = []

        with base.one_line_errors(lambda: asked.append(1) or ""):
            pass

        assert asked == []
