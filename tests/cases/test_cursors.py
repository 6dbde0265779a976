"""Cursors that no page has returned, in every list of the API and the admin."""

from __future__ import annotations

import base64
from importlib.util import find_spec

import pytest
from django.contrib import admin
from django.db import connection, models
from django.urls import reverse

from cmc_webhooks.models import Mail, PendingSignal
from tests.admin.conftest import FACTORIES, NAMES, browser_of
from tests.helpers import factories

pytestmark = pytest.mark.django_db

WITH_API = find_spec("rest_framework") is not None
NIL = "00000000-0000-0000-0000-000000000000"
TIMES = [
    *("2026-01-01T00:00:00+16:00", "2026-01-01T00:00:00-16:00", "2026-01-01T00:00:00+23:59"),
    *("2026-01-01T00:00:00-23:59", "2026-01-01T00:00:00+15:59:59.999999", "1900-01-01T00:00:00+23:59"),
    *("9998-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999999-23:59"),
    *(
        "2026-01-01T00:00:00",
        "2026-01-01",
        "",
        "now",
        "2026-01-01T00:00:00+24:00",
        "2026-02-30T00:00:00+00:00",
    ),
]
NUMBERS = ["0", "-1", str(2**31), str(2**63), str(-(2**63) - 1), str(10**400), "1e3", "٣", "", "1_0", " 1"]
KEYS = [
    NIL,
    "f" * 32,
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "x",
    "",
    "\0",
    "{" + NIL + "}",
    "urn:uuid:" + NIL,
]
GOOD = {"time": "2026-01-01T00:00:00+00:00", "number": "5", "key": NIL}
FORGED = {"time": TIMES, "number": NUMBERS, "key": KEYS}


def kind(field):
    if isinstance(field, models.DateTimeField):
        return "time"
    return "key" if isinstance(field, models.UUIDField) else "number"


def token(way, parts):
    text = ",".join([way, *(f"{name}={value}" for name, value in parts)])
    return base64.urlsafe_b64encode(text.encode()).decode()


def forged(model, keys):
    """Return cursors for these columns, each with one part that no page would have."""
    fields = [model._meta.get_field(name) for name in keys]
    return [
        token(way, [(each.name, value if each is field else GOOD[kind(each)]) for each in fields])
        for way in ("next", "previous", "", "last")
        for field in fields
        for value in FORGED[kind(field)]
    ]


def api_lists():
    """Return each list of the API in each order: name, order, model and columns."""
    if not WITH_API:
        return []
    from cmc_webhooks.api.urls import router

    return [
        pytest.param(basename, word, view.queryset.model, order.keys, id=f"{basename} by {word}")
        for _, view, basename in router.registry
        if hasattr(view, "pagination_class") and view.pagination_class is not None
        for word, order in view.pagination_class.orders.items()
    ]


@pytest.fixture
def superuser():
    browser = browser_of(is_staff=True, is_superuser=True)
    browser.raise_request_exception = False
    return browser


class TestD69:
    """A cursor is checked part by part before it reaches the database."""

    @pytest.mark.skipif(not WITH_API, reason="the API is an extra")
    @pytest.mark.parametrize(("name", "order", "model", "keys"), api_lists())
    def test_no_list_of_the_api_fails(self, superuser, name, order, model, keys):
        FACTORIES[model._meta.model_name]()
        url = reverse(f"cmc_webhooks_api:{name}-list")

        for cursor in forged(model, keys):
            for sign in ("", "-"):
                answer = superuser.get(url, {"ordering": sign + order, "cursor": cursor})
                assert answer.status_code in (200, 400), base64.urlsafe_b64decode(cursor)

    @pytest.mark.skipif(not WITH_API, reason="the API is an extra")
    @pytest.mark.parametrize("output", ["json", "csv", "jsonl"])
    def test_a_page_begins_at_the_instant_whatever_its_offset(self, superuser, output):
        mail = factories.MailFactory()
        Mail.objects.update(created_at="2026-01-01T00:00:00Z")

        for time, is_behind in (("2026-01-01T15:59:59+16:00", False), ("2026-01-01T16:00:01+16:00", True)):
            cursor = token("next", [("created_at", time), ("id", NIL)])
            answer = superuser.get("/api/mails/", {"cursor": cursor, "format": output})
            text = b"".join(answer) if answer.streaming else answer.content
            assert answer.status_code == 200
            assert (mail.message_id.encode() in text) is is_behind

    @pytest.mark.parametrize("name", NAMES)
    def test_no_list_of_the_admin_fails(self, superuser, name):
        model = FACTORIES[name]()._meta.model
        page = admin.site.get_model_admin(model)
        keys = [each.removeprefix("-") for each in page.ordering]

        for cursor in forged(model, keys):
            answer = superuser.open_list(name, cursor=cursor)
            assert answer.status_code in (200, 302), base64.urlsafe_b64decode(cursor)
            assert answer.status_code == 200 or answer.url.endswith("?e=1")

    def test_a_number_that_no_column_holds_is_refused(self, superuser):
        pending = factories.PendingSignalFactory()
        _, most = connection.ops.integer_field_range(
            PendingSignal._meta.get_field("available_at").get_internal_type()
        )

        for number, code in ((most, 200), (most + 1, 302)):
            cursor = token("previous", [("available_at", number), ("id", NIL)])
            assert superuser.open_list("pendingsignal", cursor=cursor).status_code == code
        assert pending.available_at < most
