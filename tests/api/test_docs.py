"""The lists of the API in the docs name what the API has."""

from __future__ import annotations

import re

import pytest

from cmc_webhooks.api import views
from tests.helpers import pages

SCHEMA = pages.ROOT / "docs" / "openapi.yaml"
LISTS = {
    "mails": views.MailViewSet,
    "deliveries": views.DeliveryEventViewSet,
    "bounces": views.BounceEventViewSet,
    "blocks": views.BlockEventViewSet,
    "notifications": views.NotificationViewSet,
    "rejected events": views.RejectedEventViewSet,
}


def filters():
    """The names of the filters, each with the lists that have it."""
    text = pages.section("reference/api", "Filters")
    for names, lists in re.findall(r"^(`.+?`) \(([\w, ]+)\)$", text, re.MULTILINE):
        for name in re.findall(r"`(\w+)`", names):
            yield name, set(LISTS) if lists == "all" else set(lists.split(", "))


class TestTheFilters:
    @pytest.mark.parametrize("kind", LISTS)
    def test_names_those_of_each_list(self, kind):
        view = LISTS[kind]
        known = {*view.filterset_class.base_filters, *view.pagination_class().query_params}

        assert {name for name, lists in filters() if kind in lists} == known

    @pytest.mark.parametrize("kind", LISTS)
    def test_names_the_orders_of_each_list(self, kind):
        words = LISTS[kind].pagination_class.orders
        text = " ".join(pages.section("reference/api", "Filters").partition("`ordering`")[2].split())
        places = {
            "mails": "of mails",
            "notifications": "of the others",
            "rejected events": "of the others",
        }
        place = places.get(kind, "of deliveries, bounces and blocks")

        assert f"{' or '.join(f'`{word}`' for word in words)} {place}" in text


class TestTheAddresses:
    def test_names_all(self):
        text = pages.section("reference/api", "URLs")
        named = {path.partition("/")[0] for path in re.findall(r"^`([\w{}/-]+)`", text, re.MULTILINE)}

        described = re.findall(r"^  /api/mail/([\w-]+)", SCHEMA.read_text(), re.MULTILINE)

        assert named == set(described)
