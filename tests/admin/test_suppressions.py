from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse
from django.utils import timezone

from cmc_webhooks import models, suppression
from cmc_webhooks.suppression import lookup
from tests.admin.conftest import browser_of
from tests.helpers import factories

pytestmark = pytest.mark.django_db

ADD = reverse("admin:cmc_webhooks_suppression_add")
LIST = reverse("admin:cmc_webhooks_suppression_changelist")


def fields(**values):
    return {"address": "User <USER@example.jp>", "kind": "blocked", "note": "asked by phone"} | values


class TestAdding:
    def test_blocks_an_address_in_any_spelling(self, admin_client):
        answer = admin_client.post(ADD, fields())

        row = models.Suppression.objects.get()
        assert answer.status_code == 302
        assert (row.address, row.kind, row.note) == ("user@example.jp", "blocked", "asked by phone")
        assert not suppression.may_send("user@example.jp")

    def test_blocks_until_a_time(self, admin_client):
        until = timezone.localtime(timezone.now() + timedelta(days=1))

        admin_client.post(ADD, fields(until_0=f"{until:%Y-%m-%d}", until_1=f"{until:%H:%M:%S}"))

        assert lookup.look_up("user@example.jp").verdict.until == until.replace(microsecond=0)

    def test_releases_what_its_mails_forbade(self, admin_client):
        mail = factories.MailFactory(
            recipient="user@example.jp", bounce_code="2", created_at=timezone.now() - timedelta(days=1)
        )
        assert not suppression.may_send("user@example.jp")

        admin_client.post(ADD, fields(kind="released"))

        assert suppression.may_send("user@example.jp")
        assert models.Suppression.objects.get().forgiven_until == mail.status_at

    def test_decides_anew_about_an_address_that_is_there(self, admin_client):
        suppression.block("user@example.jp")

        asked = admin_client.post(ADD, fields(kind="released"))
        seen = asked.context["adminform"].form["seen"].value()
        answer = admin_client.post(ADD, fields(kind="released", seen=seen))

        assert (asked.status_code, answer.status_code) == (200, 302)
        assert models.Suppression.objects.get().kind == "released"

    @pytest.mark.parametrize("address", ["nobody", "@", " ", "x" * 400 + "@x.jp"])
    def test_refuses_what_is_no_address(self, admin_client, address):
        answer = admin_client.post(ADD, fields(address=address))

        assert answer.status_code == 200
        assert not models.Suppression.objects.exists()

    def test_offers_the_two_decisions_and_no_third(self, admin_client):
        page = admin_client.get(ADD).content.decode()

        assert re.findall(r'type="radio" name="kind" value="(\w*)"', page) == ["blocked", "released"]

    def test_notes_no_address_in_the_log(self, admin_client):
        admin_client.post(ADD, fields())

        [entry] = LogEntry.objects.all()
        assert "user" not in f"{entry.object_repr} {entry.change_message}"


class TestChanging:
    def test_decides_anew(self, admin_client):
        row = suppression.block("user@example.jp")
        url = reverse("admin:cmc_webhooks_suppression_change", args=[row.pk])

        answer = admin_client.post(url, fields(kind="released"))

        assert answer.status_code == 302
        assert models.Suppression.objects.get().kind == "released"
        assert suppression.may_send("user@example.jp")

    def test_is_not_possible_once_the_address_is_erased(self, admin_client):
        row = factories.SuppressionFactory(address="", id=lookup.wire.address_key("a@x.jp"))
        url = reverse("admin:cmc_webhooks_suppression_change", args=[row.pk])

        assert admin_client.post(url, fields(kind="released")).status_code == 403
        assert "erased" in admin_client.get(LIST).content.decode()

    def test_is_not_possible_where_the_address_was_cut(self, admin_client):
        long = f"{'a' * 400}@x.jp"
        row = suppression.block(long)
        url = reverse("admin:cmc_webhooks_suppression_change", args=[row.pk])

        assert admin_client.post(url, fields(kind="released")).status_code == 403
        assert not suppression.may_send(long)
        assert models.Suppression.objects.count() == 1


class TestDeleting:
    @pytest.mark.parametrize("address", ["user@example.jp", ""], ids=["named", "erased"])
    def test_takes_the_decision_back(self, admin_client, address):
        row = suppression.block("user@example.jp")
        models.Suppression.objects.update(address=address)

        admin_client.post(reverse("admin:cmc_webhooks_suppression_delete", args=[row.pk]), {"post": "yes"})

        assert suppression.may_send("user@example.jp")
        assert not models.Suppression.objects.exists()


class TestList:
    @pytest.mark.parametrize("may_add", [True, False])
    def test_leads_who_may_to_the_page_that_adds(self, may_add):
        browser = browser_of("view_suppression", *(["add_suppression"] if may_add else []), is_staff=True)

        page = browser.open_list("suppression").content.decode()

        assert ("Block or release an address" in page) is may_add


class TestSearch:
    def test_finds_an_address_in_any_spelling(self, admin_client):
        factories.SuppressionFactory.create_batch(2)
        suppression.block("user@example.jp")

        page = admin_client.get(
            reverse("admin:cmc_webhooks_suppression_changelist"), {"q": "USER@Example.jp"}
        )

        assert [row.address for row in page.context["cl"].result_list] == ["user@example.jp"]
