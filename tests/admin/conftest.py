"""What the admin's tests share: browsers of several people, and rows of every kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests.helpers import factories

if TYPE_CHECKING:
    from collections.abc import Callable

FACTORIES: dict[str, Any] = {
    "alert": factories.AlertFactory,
    "mail": factories.MailFactory,
    "deliveryevent": factories.DeliveryEventFactory,
    "bounceevent": factories.BounceEventFactory,
    "blockevent": factories.BlockEventFactory,
    "rejectedevent": factories.RejectedEventFactory,
    "notification": factories.NotificationFactory,
    "pendingsignal": factories.PendingSignalFactory,
    "suppression": factories.SuppressionFactory,
    "trail": factories.TrailFactory,
}
DECISIONS = ("suppression",)  # not history: people write them
# The overview, alerts and the change feed's API show them
NOT_BROWSED = (
    *("mailcount", "domaincount", "refusalcount", "alertmessage", "alertlook"),
    *("change", "feedhead"),
)
NAMES = sorted(
    name
    for model in apps.get_app_config("cmc_webhooks").get_models()
    if (name := model._meta.model_name) not in NOT_BROWSED
)

HISTORY = [name for name in NAMES if name not in DECISIONS]


class Browser(Client):
    """Opens pages of the admin by the name of their model."""

    def open_list(self, name: str, **parameters: Any) -> Any:
        return self.get(reverse(f"admin:cmc_webhooks_{name}_changelist"), parameters)

    def open_page(self, row: Any) -> Any:
        return self.get(reverse(f"admin:cmc_webhooks_{row._meta.model_name}_change", args=[row.pk]))

    def listed(self, name: str, **parameters: Any) -> list[Any]:
        """The rows of a list; fails unless the page opens."""
        response = self.open_list(name, **parameters)
        assert response.status_code == 200, response.headers
        return list(response.context["cl"].result_list)


def statements(work: Callable[[], object]) -> list[str]:
    """The SQL that some work sends."""
    with CaptureQueriesContext(connection) as captured:
        work()
    return [query["sql"] for query in captured.captured_queries]


def is_page(sql: str) -> bool:
    """Whether a statement reads the page's rows, not the verdicts on their addresses."""
    return "cmc_webhooks_suppression" not in sql


def browser_of(*permissions: str, **values: Any) -> Browser:
    browser = Browser()
    user = User.objects.create_user(f"user{User.objects.count()}", **values)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    browser.force_login(user)
    return browser


@pytest.fixture
def browser(db: None) -> Browser:
    """The browser of a superuser."""
    return browser_of(is_staff=True, is_superuser=True)
