"""D48: one form of number, a heading only where something follows; and the search box has the focus."""

from __future__ import annotations

import re
from uuid import UUID

import pytest
from django.utils import timezone

from cmc_webhooks import models, timezones
from cmc_webhooks.templatetags.cmc_webhooks_admin import grouped
from tests.admin.conftest import browser_of

pytestmark = pytest.mark.django_db

OVERVIEW = "/admin/cmc_webhooks/mail/overview/"


@pytest.fixture
def many_mails():
    models.MailCount.objects.create(
        id=UUID(int=1),
        day=timezones.today(),
        status="bounced",
        bounce_class="hard",
        shard=0,
        number=94_575,
        changed_at=timezone.now(),
    )


class TestD48:
    def test_numbers_have_one_form(self, many_mails):
        page = browser_of(is_staff=True, is_superuser=True).get(OVERVIEW).content.decode()
        text = re.sub(r"<[^>]*>", " ", page.partition('id="content"')[2])

        assert text.count("94,575") >= 3
        assert re.findall(r"(?<![\d,-])\d{5,}", text) == []

    @pytest.mark.parametrize(
        ("value", "text"), [(1, "1"), (94_575, "94,575"), ("12 s", "12 s"), (None, None)]
    )
    def test_integers_are_grouped(self, value, text):
        assert grouped(value) == text

    def test_a_heading_stands_only_where_something_follows(self):
        mails_alone = browser_of("view_mail", is_staff=True).get(OVERVIEW).content.decode()
        notifications = browser_of("view_mail", "view_notification", is_staff=True).get(OVERVIEW)

        assert 'id="cmc-intake"' not in mails_alone
        assert 'id="cmc-intake"' in notifications.content.decode()


class TestFocus:
    def test_is_in_the_search_box_but_not_in_a_popup(self):
        browser = browser_of(is_staff=True, is_superuser=True)

        search = r'id="searchbar"[^>]* autofocus>'
        assert re.search(search, browser.open_list("mail").content.decode())
        assert not re.search(search, browser.get("/admin/cmc_webhooks/mail/?_popup=1").content.decode())
