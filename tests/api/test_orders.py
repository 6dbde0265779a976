"""Lists in the order of either clock."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.api.conftest import LISTS, cursor_of
from tests.api.pages import FACTORIES, OTHERS, START, WORDS, batch, flat, walk

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("name", LISTS)
class TestOrders:
    @pytest.mark.parametrize("sign", ["", "-"], ids=["oldest", "newest"])
    def test_go_by_the_other_time_on_demand(self, api, name, sign):
        rows = [FACTORIES[name](**{OTHERS[name]: START + timedelta(days=n % 3, hours=n)}) for n in range(9)]

        pages, _ = walk(api, name, page_size=2, ordering=f"{sign}{OTHERS[name]}")

        expected = sorted(rows, key=lambda row: getattr(row, OTHERS[name]), reverse=bool(sign))
        assert flat(pages) == [str(row.pk) for row in expected]

    @pytest.mark.parametrize(
        ("filtered", "time"),
        [
            ({"received_after": "2023-01-01"}, "received"),
            ({"received_before": "2023-03-01"}, "received"),
            ({"occurred_after": "2023-01-01"}, "occurred"),
            ({"occurred_after": "", "received_after": "2023-01-01"}, "received"),
            ({"occurred_after": "2023-01-01", "received_after": "2023-01-01"}, "first"),
            ({"recipient": ""}, "first"),
        ],
    )
    def test_are_that_of_the_time_that_is_filtered_by(self, api, name, filtered, time):
        others = "occurred" if name == "mail" else "received"
        word = (OTHERS if time == others else WORDS)[name]
        rows = [
            FACTORIES[name](
                **{WORDS[name]: START + timedelta(days=n), OTHERS[name]: START - timedelta(days=n)}
            )
            for n in range(3)
        ]

        ids = api.ids(name, **filtered)

        expected = sorted(rows, key=lambda row: getattr(row, word), reverse=True)
        assert ids == [str(row.pk) for row in expected]

    def test_refuse_the_cursor_of_another(self, api, name):
        batch(name, 2)
        page = api.list(name, page_size=1).json()

        response = api.list(name, cursor=cursor_of(page["next"]), ordering=OTHERS[name])

        assert response.status_code == 400
        assert list(response.json()) == ["cursor"]
