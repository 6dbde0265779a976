"""The project's own webhook, called as CMC calls it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.test import Client, TestCase, override_settings
from django.urls import reverse

from cmc_webhooks.credentials import Credentials
from cmc_webhooks.testing.notifications import events as events_of
from cmc_webhooks.testing.notifications import notification

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cmc_webhooks.stories import Story

__all__ = ["Webhook"]


class Webhook:
    """Posts to where the project has mounted the webhook, with the first secrets of its settings.

    Signals are sent when the answer is there: inside a test's transaction too, whatever `DISPATCH` is. So do
    not capture `on_commit` callbacks around it, or receivers are called twice. The allow-list lets it in.
    """

    def __init__(self) -> None:
        self.client = Client(enforce_csrf_checks=True)

    def post(self, event_type: str, *events: Mapping[str, Any], **how: Any) -> Any:
        """The answer to one notification of these events; `how` is for `notification`."""
        return self.send(*notification(event_type, *events, **how))

    def play(self, story: Story, **values: Any) -> list[Any]:
        """The answers to the notifications of a story, one event each, in its order; see `samples`."""
        return [self.post(event_type, event) for event_type, event in events_of(story, **values)]

    def send(self, body: bytes, content_type: str = "application/json") -> Any:
        """The answer to these bytes."""
        from cmc_webhooks import store  # needs models, and a plugin may be loaded before they are

        authorization = Credentials.configured().authorization()
        headers: dict[str, Any] = {"HTTP_AUTHORIZATION": authorization} if authorization else {}
        with (
            override_settings(CMC_WEBHOOKS_DISPATCH="inline", CMC_WEBHOOKS_ALLOWED_NETWORKS=None),
            TestCase.captureOnCommitCallbacks(using=store.alias(), execute=True),
        ):
            return self.client.generic(
                "POST", reverse("cmc_webhooks:webhook"), body, content_type, secure=True, **headers
            )
