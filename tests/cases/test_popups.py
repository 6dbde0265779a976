"""D42: another model's admin picks a mail, within its limit and without counting the table."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from django.contrib.admin.widgets import url_params_from_lookup_dict
from django.utils import timezone

from cmc_webhooks import models
from tests.admin.conftest import browser_of, statements
from tests.helpers import factories

pytestmark = pytest.mark.django_db

LIMIT = {"status__in": ["bounced", "failed"]}


@pytest.fixture
def browser():
    return browser_of(is_staff=True, is_superuser=True)


@pytest.fixture
def mails():
    now = timezone.now()
    factories.MailFactory.create_batch(30, status="failed", subject="order", created_at=now)
    factories.MailFactory(status="queued", subject="order", created_at=now)
    return factories.MailFactory(bounce_code="2", recipient="taro@example.jp")


def popup(limit, **more):
    return f"/admin/cmc_webhooks/mail/?{urlencode({'_to_field': 'id', '_popup': 1} | limit | more)}"


class TestD42:
    @pytest.fixture(params=["a dictionary", "a function"])
    def limit(self, request, monkeypatch):
        given = LIMIT if request.param == "a dictionary" else lambda: LIMIT
        monkeypatch.setattr(models.Mail._meta, "related_fkey_lookups", [given])
        return url_params_from_lookup_dict(LIMIT)

    def test_the_popup_shows_what_can_be_chosen(self, browser, mails, limit):
        answer = browser.get(popup(limit))

        assert answer.status_code == 200
        assert answer.context["cl"].result_count == 31
        assert answer.context["cl"].total == "31"

    def test_a_search_stays_in_the_popup_and_inside_the_limit(self, browser, mails, limit):
        page = browser.get(popup(limit)).content.decode()
        for name, value in limit.items():
            assert f'<input type="hidden" name="{name}" value="{value}">' in page
        assert '<input type="hidden" name="_popup" value="1">' in page

        found = browser.get(popup(limit, q="taro@example.jp")).context["cl"]
        assert [mail.pk for mail in found.result_list] == [mails.pk]
        everything = browser.get(popup(limit, q="order")).context["cl"]
        assert everything.result_count == 30

    def test_no_link_leads_out_of_the_limit(self, browser, mails, limit):
        queued = models.Mail.objects.get(status="queued")

        for more in ({}, {"status": "failed"}):
            assert browser.get(popup(limit, q=queued.recipient, **more)).context["ways_on"] == []
        [way] = browser.get(popup({}, q=queued.recipient, status="failed")).context["ways_on"]
        assert "_popup=1" in way.url

    def test_another_limit_is_refused(self, browser, mails, limit):
        for other in ({"status__in": "queued"}, {"reason__contains": "x"}, {"subject": "order"}):
            assert browser.get(popup(other)).status_code == 400

    def test_nothing_is_counted_as_a_whole(self, browser, mails, limit):
        asked = statements(lambda: browser.get(popup(limit)))

        assert [sql for sql in asked if "COUNT(" in sql and "LIMIT" not in sql] == []

    @pytest.mark.parametrize("term", ["", "taro@example.jp", "order"])
    def test_autocomplete_counts_at_most_1000_rows(self, browser, mails, term):
        asked = {"app_label": "cmc_webhooks", "model_name": "bounceevent", "field_name": "mail", "term": term}
        answers = []

        said = statements(lambda: answers.append(browser.get("/admin/autocomplete/", asked)))

        [answer] = answers
        assert answer.status_code == 200
        assert len(answer.json()["results"]) == {"": 20, "order": 20}.get(term, 1)
        counted = [sql for sql in said if "COUNT(" in sql]
        assert all("LIMIT 1000" in sql for sql in counted)
