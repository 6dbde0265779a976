"""A client that calls the project's own webhook as CMC does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.test import Client, TestCase, override_settings
from django.urls import get_script_prefix, reverse

from cmc_webhooks.simulator.credentials import Credentials
from cmc_webhooks.testing.notifications import events as events_of
from cmc_webhooks.testing.notifications import notification

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cmc_webhooks.simulator.scenarios import Scenario

__all__ = ["PostFailed", "Webhook"]


class PostFailed(AssertionError):
    """The webhook did not accept a notification. `answer` is its response."""

    def __init__(self, answer: Any) -> None:
        place = f" (to {answer['Location']})" if answer.has_header("Location") else ""
        text = " ".join(answer.content.decode(errors="replace").split())[:500]
        super().__init__(f"The webhook answered {answer.status_code}{place}: {text}")
        self.answer = answer


class Webhook:
    """A client of the project's own webhook, at its mounted URL, with the first secrets of the settings.

    Signals are sent before the answer is returned, even inside a test's transaction and whatever `DISPATCH`
    is. So do not capture `on_commit` callbacks around it, or receivers are called twice. The allow-list does
    not apply.

    An answer that is not 2xx raises `PostFailed` with its status and text. With `check=False` it is returned.
    """

    def __init__(self) -> None:
        self.client = Client(enforce_csrf_checks=True)

    def post(self, event_type: str, *events: Mapping[str, Any], check: bool = True, **how: Any) -> Any:
        """Post one notification of these events. Return the answer. `how` is passed to `notification`.

        Raises:
            PostFailed: the answer is not 2xx, and `check` is true.
        """
        return self.send(*notification(event_type, *events, **how), check=check)

    def play(self, scenario: Scenario, *, check: bool = True, **values: Any) -> list[Any]:
        """Post a scenario (see `samples`), one event in each notification. Return the answers.

        Raises:
            PostFailed: an answer is not 2xx, and `check` is true.
        """
        return [
            self.post(event_type, event, check=check) for event_type, event in events_of(scenario, **values)
        ]

    def send(self, body: bytes, content_type: str = "application/json", *, check: bool = True) -> Any:
        """Post these bytes. Return the answer.

        Raises:
            PostFailed: the answer is not 2xx, and `check` is true.
        """
        from cmc_webhooks.models import routing  # imports models, and a plugin may be loaded before them

        authorization = Credentials.configured().authorization()
        headers: dict[str, Any] = {"HTTP_AUTHORIZATION": authorization} if authorization else {}
        with (
            override_settings(CMC_WEBHOOKS_DISPATCH="inline", CMC_WEBHOOKS_ALLOWED_NETWORKS=None),
            TestCase.captureOnCommitCallbacks(using=routing.write_alias(), execute=True),
        ):
            answer = self.client.generic("POST", _path(), body, content_type, secure=True, **headers)
        if check and not 200 <= answer.status_code < 300:
            raise PostFailed(answer)
        return answer


def _path() -> str:
    """Return the webhook's path below the script prefix, which the test client prepends to no path.

    Such a prefix is `FORCE_SCRIPT_NAME`.
    """
    return f"/{reverse('cmc_webhooks:webhook').removeprefix(get_script_prefix())}"
