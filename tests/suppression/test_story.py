"""One person's story, through HTTP: a newsletter, a password reset, a telephone call, an erasure."""

from __future__ import annotations

import json
from datetime import datetime
from importlib.util import find_spec
from zoneinfo import ZoneInfo

import pytest
from django.core import mail
from django.core.mail import EmailMessage

from cmc_webhooks import email_backend, erasure, models
from tests.api.conftest import Api, user_with
from tests.conftest import bounce
from tests.helpers import factories

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not find_spec("rest_framework"), reason="the API is an extra"),
]

HER = "hanako@example.jp"
LOCMEM = "django.core.mail.backends.locmem.EmailBackend"


class Shop:
    """A project that mails a newsletter and password resets, each through a server composition of its own."""

    def __init__(self, hook):
        self.hook = hook
        self.support = Api(
            user_with("view_mail", "view_suppression", "add_suppression", "delete_suppression")
        )

    def send(self, composition, **options):
        """Whether a mail to her is sent."""
        mail.outbox = []
        backend = email_backend.SuppressingBackend(backend=LOCMEM, composition=composition, **options)
        backend.send_messages([EmailMessage("s", "t", to=[f"Hanako <{HER.upper()}>"])])
        return bool(mail.outbox)

    def sent(self):
        """Whether the newsletter and the reset are sent."""
        return self.send("newsletter"), self.send("pro", transactional=True)

    def reasons(self, **question):
        """What the API says of her: may it be sent, and why not."""
        answer = self.support.client.get(f"/api/addresses/{HER}/", question)
        assert answer.status_code == 200, answer.content
        found = answer.json()
        return found["may_send"], [(each["forbidden_by"], each["composition"]) for each in found["reasons"]]

    def post(self, path, **body):
        answer = self.support.client.post(f"/api/{path}", json.dumps(body), content_type="application/json")
        assert answer.status_code in (200, 201), answer.content
        return answer.json()

    def listed(self):
        rows = self.support.client.get("/api/suppressions/").json()["results"]
        return [(row["address"], row["forbidden_by"]) for row in rows]

    def unsubscribes(self):
        """CMC reports that it did not send her the newsletter: she has unsubscribed."""
        now = datetime.now(ZoneInfo("Asia/Tokyo"))
        event = bounce(to=HER, status="11", created=f"{now:%Y-%m-%d %H:%M:%S}", reason="unsubscribed")
        frame = {
            "event_type": "bounces",
            "server_composition": "newsletter",
            "event": {"bounces": [event]},
        }
        assert self.hook.post(json.dumps(frame).encode()).json()["new"] == 1


@pytest.fixture
def shop(open_hook):
    return Shop(open_hook)


UNSUBSCRIBED = [("unsubscribed", "newsletter")]
BLOCKED = [("by_hand", ""), *UNSUBSCRIBED]


class TestAReaderOfANewsletter:
    def test_gets_what_she_asked_for_and_nothing_else(self, shop):
        factories.MailFactory(recipient=HER, server_composition="pro", delivery_status="succeeded")
        assert shop.sent() == (True, True)

        shop.unsubscribes()
        assert shop.sent() == (False, True)
        assert shop.reasons() == (False, UNSUBSCRIBED)
        assert shop.reasons(composition="newsletter") == (False, UNSUBSCRIBED)
        assert shop.reasons(composition="pro", transactional="true") == (True, [])
        assert shop.listed() == [(HER, "unsubscribed")]

        answer = shop.post("suppressions/", address=HER, kind="blocked", note="asked by phone")
        assert (answer["now"]["forbidden_by"], answer["now"]["at_cmc"]) == ("by_hand", True)
        assert shop.sent() == (False, False)
        assert shop.reasons() == (False, BLOCKED)
        assert shop.reasons(composition="pro", transactional="true") == (False, [("by_hand", "")])

        answer = shop.post("suppressions/forget/", address=f"Hanako <{HER}>", note="mistaken")
        assert (answer["forgotten"], answer["now"]["forbidden_by"]) == (True, "unsubscribed")
        assert shop.sent() == (False, True)
        assert shop.reasons() == (False, UNSUBSCRIBED)

        erasure.erase(HER)
        assert not models.Mail.objects.filter(address=HER).exists()
        assert shop.sent() == (False, True)
        assert shop.reasons() == (False, UNSUBSCRIBED)
        assert shop.reasons(composition="newsletter") == (False, UNSUBSCRIBED)
        assert shop.reasons(composition="pro", transactional="true") == (True, [])
        assert shop.listed() == []

        row = models.Suppression.objects.get()
        assert (row.address, row.note, row.kind) == ("", "", "kept")

    def test_is_blocked_after_an_erasure_until_the_decision_is_removed(self, shop):
        shop.unsubscribes()
        shop.post("suppressions/", address=HER, kind="blocked")

        erasure.erase(HER)
        assert shop.sent() == (False, False)
        assert shop.reasons() == (False, BLOCKED)

        shop.post("suppressions/forget/", address=HER)
        assert shop.sent() == (False, True)
        assert shop.reasons() == (False, UNSUBSCRIBED)

    def test_gets_the_newsletter_again_when_she_is_released_though_cmc_refuses(self, shop):
        shop.unsubscribes()

        answer = shop.post("suppressions/", address=HER, kind="released", composition="newsletter")

        entries = [(each["forbidden_by"], each["composition"]) for each in answer["cmc_entries"]]
        assert entries == UNSUBSCRIBED
        assert (answer["now"]["may_send"], answer["now"]["at_cmc"]) == (True, True)
        assert shop.sent() == (True, True)
        found = shop.post("addresses/look-up/", addresses=[HER, "other@example.jp"])["results"]
        assert [(each["may_send"], each["at_cmc"]) for each in found] == [(True, True), (True, False)]
