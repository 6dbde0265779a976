"""What a notification's page says of the events that it brought."""

from __future__ import annotations

import pytest
from django.urls import reverse

from cmc_webhooks import models
from tests.admin.conftest import browser_of, statements
from tests.conftest import bounce, delivery

pytestmark = pytest.mark.django_db


def url_of(row):
    return reverse(f"admin:cmc_webhooks_{row._meta.model_name}_change", args=[row.pk])


class TestEvents:
    @pytest.mark.parametrize(
        ("event_type", "events", "model"),
        [
            ("deliveries", [delivery("<1@x>"), delivery("<2@x>", status="failed")], models.DeliveryEvent),
            ("bounces", [bounce("<1@x>"), bounce("<2@x>", status="5")], models.BounceEvent),
            (
                "blocks",
                [{"email": "taro@example.jp", "status": "10", "created": "2023-01-25 14:03:06"}],
                models.BlockEvent,
            ),
        ],
        ids=["deliveries", "bounces", "blocks"],
    )
    def test_are_linked_from_their_notification(self, browser, open_hook, event_type, events, model):
        open_hook.send(event_type, *events, api_key=None)
        open_hook.send("deliveries", delivery("<other@x>", to="other@example.jp"), api_key=None)
        notification = models.Notification.objects.get(event_type=event_type, new=len(events))

        page = browser.open_page(notification).content.decode()

        for event in model.objects.filter(notification=notification):
            assert f'href="{url_of(event)}"' in page
        assert "other@example.jp" not in page

    def test_cost_as_much_for_many_as_for_one(self, browser, open_hook):
        open_hook.send("deliveries", delivery("<0@x>"), api_key=None)
        open_hook.send("deliveries", *(delivery(f"<{n}@x>") for n in range(1, 40)), api_key=None)
        one, many = models.Notification.objects.order_by("pk")
        browser.open_page(one)

        asked = [len(statements(lambda page=page: browser.open_page(page))) for page in (one, many)]

        assert asked[0] == asked[1]

    def test_name_no_recipient_to_those_who_may_not_view_mails(self, open_hook):
        open_hook.send("deliveries", delivery("<1@x>", to="taro@example.jp"), api_key=None)
        notification = models.Notification.objects.get()
        viewer = browser_of("view_notification", "view_deliveryevent", is_staff=True)

        page = viewer.open_page(notification).content.decode()

        assert f'href="{url_of(models.DeliveryEvent.objects.get())}"' in page
        assert "taro@example.jp" not in page

    def test_are_a_dash_for_a_notification_of_nothing_new(self, browser, open_hook):
        open_hook.send("deliveries", delivery("<1@x>"), api_key=None)
        open_hook.send("deliveries", delivery("<1@x>"), api_key=None)

        page = browser.open_page(models.Notification.objects.get(new=0)).content.decode()

        assert "/deliveryevent/" not in page.partition('id="content-main"')[2]
