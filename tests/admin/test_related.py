"""`mail.related_object`, and the link to it on a mail's page."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from tests.admin.conftest import browser_of
from tests.helpers import factories

pytestmark = pytest.mark.django_db


def find(api_data):
    return User.objects.filter(username=api_data).first()


def fail(api_data):
    raise RuntimeError(api_data)


@pytest.fixture
def taro(settings):
    settings.CMC_WEBHOOKS_RELATED_OBJECT = f"{__name__}.find"
    return User.objects.create_user("taro-1")


class TestRelatedObject:
    def test_is_found_by_api_data(self, taro):
        mails = [factories.MailFactory.build(api_data=value) for value in ("taro-1", "nobody", "")]

        assert [mail.related_object for mail in mails] == [taro, None, None]

    def test_is_none_without_the_setting(self):
        assert factories.MailFactory.build(api_data="taro-1").related_object is None


class TestLink:
    def test_leads_to_the_object(self, taro, admin_client):
        mail = factories.MailFactory(api_data="taro-1")

        page = admin_client.get(f"/admin/cmc_webhooks/mail/{mail.pk}/change/").content.decode()

        assert f'<a href="/admin/auth/user/{taro.pk}/change/">taro-1</a>' in page

    def test_is_shown_to_whom_may_view_the_object(self, taro):
        mail = factories.MailFactory(api_data="taro-1")

        page = browser_of("view_mail", is_staff=True).open_page(mail).content.decode()

        assert "/admin/auth/user/" not in page

    def test_does_no_harm_when_the_project_fails(self, settings, admin_client, caplog):
        settings.CMC_WEBHOOKS_RELATED_OBJECT = f"{__name__}.fail"
        mail = factories.MailFactory(api_data="taro-1")

        assert admin_client.get(f"/admin/cmc_webhooks/mail/{mail.pk}/change/").status_code == 200
        assert "RELATED_OBJECT raised" in caplog.text
