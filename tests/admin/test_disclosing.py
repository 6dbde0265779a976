"""The button that discloses all data about the recipient of a mail."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from cmc_webhooks import models
from cmc_webhooks.db import transactions
from tests.admin.conftest import browser_of
from tests.admin.test_actions import messages_of
from tests.helpers import factories

pytestmark = pytest.mark.django_db


def url_of(mail):
    return reverse("admin:cmc_webhooks_mail_disclose", args=[mail.pk])


@pytest.fixture
def officer():
    return browser_of("view_mail", "disclose_mail", is_staff=True)


@pytest.fixture
def mail():
    return factories.MailFactory(recipient="Hanako <hanako@example.jp>", subject="hello")


class TestDisclose:
    def test_is_a_button_of_the_page(self, officer, mail):
        assert f'action="{url_of(mail)}"' in officer.open_page(mail).content.decode()

    def test_returns_a_file_whose_name_names_nobody(self, officer, mail):
        answer = officer.post(url_of(mail))

        assert answer.headers["Content-Disposition"] == 'attachment; filename="disclosure.html"'
        assert "hello" in answer.content.decode()

    def test_leaves_a_trail_and_a_line_of_the_log_without_a_name(self, officer, mail):
        officer.post(url_of(mail))

        row, entry = models.Trail.objects.get(), LogEntry.objects.get()
        assert (row.what, row.via, row.who) == ("disclosed", "admin", officer.session["_auth_user_id"])
        assert (entry.object_id, entry.object_repr) == (str(mail.pk), str(mail.pk))
        assert entry.change_message == "Personal data disclosed."

    @pytest.mark.parametrize("permissions", [["view_mail", "erase_mail", "export_csv"], ["disclose_mail"]])
    def test_wants_both_permissions(self, mail, permissions):
        browser = browser_of(*permissions, is_staff=True)

        assert browser.post(url_of(mail)).status_code == 403
        assert url_of(mail) not in browser.open_page(mail).content.decode()
        assert not models.Trail.objects.exists()

    def test_is_no_link(self, officer, mail):
        assert officer.get(url_of(mail)).status_code == 405

    @pytest.mark.parametrize("values", [{"recipient": ""}, {"recipient": "nobody"}])
    def test_has_nobody_to_disclose(self, officer, values):
        mail = factories.MailFactory(**values)

        assert officer.post(url_of(mail)).status_code == 404
        assert url_of(mail) not in officer.open_page(mail).content.decode()

    def test_asks_to_try_again_when_the_database_is_unavailable(self, officer, mail, monkeypatch):
        def fail(address, **options):
            raise transactions.Unavailable("gone")

        monkeypatch.setattr("cmc_webhooks.erasure.disclose", fail)

        answer = officer.post(url_of(mail), follow=True)

        assert messages_of(answer) == ["The database is unavailable. Please try again."]
