"""Whatever a parameter of a list is given: an answer, or a 400, and never a 500."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from cmc_webhooks.api import views
from tests.api.conftest import Api
from tests.helpers import factories

pytestmark = pytest.mark.django_db

VIEWS = {
    "mail": views.MailViewSet,
    "delivery-event": views.DeliveryEventViewSet,
    "bounce-event": views.BounceEventViewSet,
    "block-event": views.BlockEventViewSet,
    "notification": views.NotificationViewSet,
    "rejected-event": views.RejectedEventViewSet,
}


def parameters(name):
    """All parameters that a list takes."""
    return [*VIEWS[name].filterset_class.base_filters, "cursor", "page_size", "ordering", "format"]


@pytest.mark.parametrize("name", VIEWS)
class TestOddValues:
    VALUES = ("\0", "a\0b", "\\u0000", "'", '"', "%", "\u200b", "😀", "x" * 5000, "-1", "1e999")
    NO_UTF8 = ("%ED%A0%80", "%FF%FE", "%C0%80", "%00")

    def test_never_end_in_500(self, name):
        api = Api(User.objects.create_superuser("root"))
        answers = {
            (parameter, value): api.list(name, **{parameter: value}).status_code
            for parameter in parameters(name)
            for value in self.VALUES
        }

        assert {asked: code for asked, code in answers.items() if code not in (200, 400, 404)} == {}
        assert {asked: code for asked, code in answers.items() if "\0" in asked[1] and code == 200} == {}

    def test_never_end_in_500_if_they_are_no_utf8(self, name):
        api = Api(User.objects.create_superuser("root"))
        url = reverse(f"cmc_webhooks_api:{name}-list")
        answers = {
            (parameter, raw): api.client.get(f"{url}?{quote(parameter)}={raw}").status_code
            for parameter in parameters(name)
            for raw in self.NO_UTF8
        }

        assert {asked: code for asked, code in answers.items() if code not in (200, 400, 404)} == {}


@pytest.mark.parametrize("form", ["json", "api", "csv"])
@pytest.mark.parametrize("name", [*(f"{each}-list" for each in VIEWS), "stats", "api-root"])
class TestOddNames:
    """PostgreSQL cannot even look for a NUL: who gives one for a name or a session is nobody."""

    @pytest.mark.parametrize("pair", [b"\0:", b"\0:\0", b"a\0b:c", b"\xff\0:x", b"x" * 5000 + b":"], ids=repr)
    def test_of_basic_authentication_are_refused(self, name, form, pair):
        header = f"Basic {base64.b64encode(pair).decode()}"

        answer = Api().client.get(self.url(name, form), HTTP_AUTHORIZATION=header)

        assert answer.status_code == self.refusal(name, form), answer.content

    def test_of_sessions_are_refused(self, name, form):
        api = Api()
        api.client.cookies["sessionid"] = "\0" * 32

        answer = api.client.get(self.url(name, form))

        assert answer.status_code == self.refusal(name, form), answer.content

    @staticmethod
    def refusal(name, form):
        return (
            404 if (name, form) == ("api-root", "csv") else 403
        )  # the index is no list: it has no such form

    @staticmethod
    def url(name, form):
        return reverse(f"cmc_webhooks_api:{name}") + f"?format={form}"


class TestOddParameters:
    @pytest.mark.parametrize("parameter", ["page", "limit", "search", "offset", "to", "\0", "a" * 500])
    def test_of_parameters_that_do_not_exist_are_refused(self, api, parameter):
        factories.MailFactory()

        assert api.list("mail", **{parameter: "1"}).status_code == 400
