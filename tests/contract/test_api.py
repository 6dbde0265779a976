"""What docs/openapi.yaml says is so, whatever is asked: no 5xx, answers as described, none for strangers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import schemathesis
from django.contrib.auth.models import User
from django.test import Client
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi import checks

from cmc_webhooks import ingest, models, wire
from cmc_webhooks.statistics import rollup
from tests.api.conftest import user_with
from tests.conftest import bounce, delivery, notification
from tests.helpers import factories

EXAMPLES = int(os.environ.get("CMC_CONTRACT") or 30)
SCHEMA = schemathesis.openapi.from_path(Path(__file__).parents[2] / "docs" / "openapi.yaml")
VIEWS = (
    *("mail", "deliveryevent", "bounceevent", "blockevent", "notification", "rejectedevent"),
    "suppression",
)
TOKEN = "t" * 32
"""The token against forged requests, as cookie and as header."""
FORGIVEN = [checks.negative_data_rejection, checks.positive_data_acceptance]
"""The webhook keeps what a schema would refuse, and refuses what is ambiguous; times may be of any year."""

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def site(live_server, settings):
    """A server with some history, at the address that the schema shows."""
    settings.ROOT_URLCONF = "tests.contract.urls"
    settings.CMC_WEBHOOKS_CHANGE_FEED = True
    for event_type, event in (
        ("deliveries", delivery()),
        ("bounces", bounce()),
        ("deliveries", delivery(to=[])),
    ):
        ingest.receive(wire.decode(notification(event_type, event)))
    factories.BlockEventFactory()
    rollup.roll_up("default")
    return live_server.url


def cookies_of(user):
    client = Client()
    client.force_login(user)
    return {"csrftoken": TOKEN, **{name: morsel.value for name, morsel in client.cookies.items()}}


@pytest.fixture(params=["anonymous", "viewer", "superuser"])
def who(request, site):
    """A person, as the cookies that their browser sends."""
    if request.param == "anonymous":
        return {}
    if request.param == "viewer":
        return cookies_of(user_with(*(f"view_{name}" for name in VIEWS)))
    return cookies_of(User.objects.create_superuser("root"))


class TestContract:
    @SCHEMA.exclude(path="/cmc/webhook").parametrize()
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    def test_holds(self, case, site, who):
        answer = case.call(base_url=site, cookies=who, headers={"X-CSRFToken": TOKEN})

        assert answer.status_code < 500
        if not who:
            assert answer.status_code in (401, 403, 404, 405, 406)
            assert not models.Suppression.objects.exists()
        if case.method in ("GET", "POST"):
            case.validate_response(answer, excluded_checks=FORGIVEN)

    @pytest.mark.parametrize("secret", [[], ["a-secret-of-16-letters"]], ids=["open", "closed"])
    @SCHEMA.include(path="/cmc/webhook").parametrize()
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    def test_holds_for_the_webhook(self, case, secret, live_server, settings):
        settings.ROOT_URLCONF = "tests.contract.urls"
        settings.CMC_WEBHOOKS_API_KEYS = secret
        settings.CMC_WEBHOOKS_ALLOW_UNAUTHENTICATED = True

        answer = case.call(base_url=live_server.url)

        if case.method == "POST":
            case.validate_response(answer, excluded_checks=FORGIVEN)
            assert answer.status_code in ((400, 403, 413, 415) if secret else (200, 400, 413, 415))
        assert models.DeliveryEvent.objects.exists() <= (not secret)
