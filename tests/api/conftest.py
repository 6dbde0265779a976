"""What the API's tests share; without its extra there is nothing to collect here."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

collect_ignore_glob = [] if find_spec("rest_framework") and find_spec("django_filters") else ["test_*.py"]

LISTS = ("mail", "delivery-event", "bounce-event")


class Api:
    """A client of the API. Lists are named as URL names begin: mail, delivery-event, bounce-event."""

    def __init__(self, user: User | None = None) -> None:
        self.client = Client(raise_request_exception=False)
        if user is not None:
            self.client.force_login(user)

    def list(self, name: str, **parameters: Any) -> Any:
        return self.client.get(reverse(f"cmc_webhooks_api:{name}-list"), parameters)

    def detail(self, name: str, key: Any, **parameters: Any) -> Any:
        return self.client.get(reverse(f"cmc_webhooks_api:{name}-detail", args=[key]), parameters)

    def ids(self, name: str, **parameters: Any) -> Any:
        """The keys on the first page, as text; fails unless the answer is 200."""
        response = self.list(name, **parameters)
        assert response.status_code == 200, response.content
        return [row["id"] for row in response.json()["results"]]

    def found(self, name: str, **parameters: Any) -> set[str]:
        return set(self.ids(name, **parameters))

    def page(self, url: str) -> dict[str, Any]:
        """The page that `next` or `previous` of another one leads to."""
        response = self.client.get(url)
        assert response.status_code == 200, response.content
        page: dict[str, Any] = response.json()
        return page


def user_with(*permissions: str, **values: Any) -> User:
    """A signed-in user who holds these permissions of the app, such as view_mail."""
    user = User.objects.create_user(f"user{User.objects.count()}", **values)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return user


def cursor_of(url: str) -> str:
    return parse_qs(urlsplit(url).query)["cursor"][0]


def keys(*rows: Any) -> set[str]:
    return {str(row.pk) for row in rows}


@pytest.fixture
def api(db: None) -> Api:
    """The client of a user who may view everything."""
    names = ("mail", "deliveryevent", "bounceevent", "blockevent", "notification", "rejectedevent")
    return Api(user_with(*(f"view_{name}" for name in names)))
