from __future__ import annotations

import pytest
from django.contrib import admin
from django.urls import reverse

from tests.admin.conftest import FACTORIES, HISTORY, NAMES, Browser, browser_of
from tests.helpers import factories

pytestmark = pytest.mark.django_db


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


class TestRegistration:
    def test_is_complete(self):
        registered = {model._meta.model_name for model in admin.site._registry}

        assert set(NAMES) - registered == set(), "cmc_webhooks/admin/: register it"
        assert set(NAMES) == set(FACTORIES), "tests/admin/conftest.py: give it a factory"


class TestViewPermission:
    def test_opens_list_and_page_of_that_model_alone(self, name):
        row = FACTORIES[name]()
        browser = browser_of(f"view_{name}", is_staff=True)
        other = NAMES[NAMES.index(name) - 1]

        assert browser.open_list(name).status_code == 200
        assert browser.open_page(row).status_code == 200
        assert browser.open_list(other).status_code == 403

    @pytest.mark.parametrize("name", HISTORY)
    def test_is_wanted_of_staff(self, name):
        row = FACTORIES[name]()
        browser = browser_of(f"change_{name}", f"delete_{name}", f"add_{name}", is_staff=True)

        assert browser.open_list(name).status_code == 403
        assert browser.open_page(row).status_code == 403

    def test_is_not_enough_for_others(self, name):
        for browser in (Browser(), browser_of(f"view_{name}")):
            answer = browser.open_list(name)

            assert answer.status_code == 302
            assert "/login/" in answer.headers["Location"]


@pytest.mark.parametrize("name", HISTORY)
class TestHistory:
    def test_can_be_added_to_changed_and_deleted_by_nobody(self, browser, name):
        row = FACTORIES[name]()
        before = type(row).objects.values().get(pk=row.pk)
        urls = {
            verb: reverse(f"admin:cmc_webhooks_{name}_{verb}", args=[] if verb == "add" else [row.pk])
            for verb in ("add", "change", "delete")
        }

        answers = [browser.get(urls["add"]), browser.get(urls["delete"])]
        answers += [browser.post(url, {"status": "x", "post": "yes"}) for url in urls.values()]

        assert {answer.status_code for answer in answers} == {403}
        assert type(row).objects.values().get(pk=row.pk) == before

    def test_has_no_action_in_its_menu(self, browser, name):
        row = FACTORIES[name]()

        answer = browser.post(
            reverse(f"admin:cmc_webhooks_{name}_changelist"),
            {"action": "delete_selected", "_selected_action": [str(row.pk)], "post": "yes"},
        )

        assert b"delete_selected" not in browser.open_list(name).content
        assert answer.status_code in (200, 302, 403)
        assert type(row).objects.filter(pk=row.pk).exists()


class TestBounces:
    def test_alone_tell_nothing_of_deliveries(self):
        mail = factories.MailFactory(delivery_status="failed", bounce_code="2")
        factories.DeliveryEventFactory(mail=mail, status="failed", reason="what-only-the-delivery-says")
        bounced = factories.BounceEventFactory(mail=mail)
        viewer = browser_of("view_bounceevent", "export_csv", is_staff=True)

        shown = viewer.open_list("bounceevent").content.decode() + viewer.open_page(bounced).content.decode()

        assert "what-only-the-delivery-says" not in shown
        assert viewer.open_list("deliveryevent").status_code == viewer.open_page(mail).status_code == 403
