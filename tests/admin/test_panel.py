from __future__ import annotations

import re

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.template import Context, Template
from django.test import Client, RequestFactory
from django.urls import path, reverse

from cmc_webhooks.admin import MailAdmin, panel
from cmc_webhooks.models import Mail
from tests.admin.conftest import is_page, statements
from tests.helpers import factories

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]

site, bare = admin.AdminSite("panels"), admin.AdminSite("bare")
site.register(Mail, MailAdmin)


class UserAdmin(panel.MailHistoryMixin, admin.ModelAdmin):
    fields = ("username", ("email", "is_staff"))

    def get_mail_addresses(self, obj):
        return [obj.email]


class PlacedAdmin(panel.MailHistoryMixin, admin.ModelAdmin):
    fieldsets = ((None, {"fields": ("mail_history", "username")}),)
    readonly_fields = ("username",)


site.register(User, UserAdmin)
bare.register(User, PlacedAdmin)
urlpatterns = [path("panels/", site.urls), path("bare/", bare.urls)]


@pytest.fixture(autouse=True)
def api_data(settings):
    settings.CMC_WEBHOOKS_API_DATA_OF = {"auth.User": "username"}


@pytest.fixture
def order():
    return User.objects.create(username="A-1", email="Hanako@example.jp")


def client_of(*permissions):
    user = User.objects.create_user(f"staff{User.objects.count()}", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def client():
    return client_of("view_user", "change_user", "add_user", "view_mail")


def page_of(client, order, name="panels"):
    answer = client.get(reverse("admin:auth_user_change", args=[order.pk], current_app=name))
    assert answer.status_code == 200
    return answer.content.decode()


def subjects(page):
    return re.findall(r'<th scope="row">(?:<a [^>]*>)?([^<]*)', page)


class TestMailHistoryMixin:
    def test_shows_the_mails_of_an_object_latest_first(self, client, order):
        factories.MailFactory(api_data="A-1", subject="first")
        factories.MailFactory(api_data="A-2", subject="of another")
        factories.MailFactory(recipient="hanako@example.jp", subject="to the address")
        factories.MailFactory(
            api_data="A-1", recipient="hanako@example.jp", bounce_code="2", reason="550 <x>", subject="both"
        )

        page = page_of(client, order)

        assert subjects(page) == ["both", "to the address", "first"]
        assert "No such mailbox" in page
        assert "550 &lt;x&gt;" in page

    def test_links_to_the_mails_and_to_all_of_them(self, client, order):
        mail = factories.MailFactory(api_data="A-1")

        page = page_of(client, order)

        assert (
            f'href="{reverse("admin:cmc_webhooks_mail_change", args=[mail.pk], current_app="panels")}"'
            in page
        )
        listed = reverse("admin:cmc_webhooks_mail_changelist", current_app="panels")
        assert f'href="{listed}?q=A-1">A-1</a>' in page
        assert f'href="{listed}?q=Hanako%40example.jp">Hanako@example.jp</a>' in page

    def test_has_no_links_in_a_site_without_mails(self, client, order):
        factories.MailFactory(api_data="A-1", subject="first")

        page = page_of(client, order, "bare")

        assert "first" in page
        assert "cmc_webhooks/mail/" not in page

    def test_reads_a_bounded_number_of_rows_and_statements(self, client, order):
        def sent():
            return [sql for sql in statements(lambda: page_of(client, order)) if "cmc_webhooks_mail" in sql]

        few = sent()
        for number in range(panel.ROWS + 5):
            factories.MailFactory(api_data="A-1", subject=f"mail {number}")
            factories.MailFactory(recipient="hanako@example.jp")
        many = sent()

        assert len(few) == len(many) == 2
        assert all(f"LIMIT {panel.ROWS + 1}" in sql for sql in many if is_page(sql))
        page = page_of(client, order)
        assert len(subjects(page)) == panel.ROWS
        assert "There are more mails than these 20." in page

    def test_says_that_there_are_none(self, client, order):
        assert "No mails yet." in page_of(client, order)

    def test_is_for_those_who_may_view_mails(self, order):
        factories.MailFactory(api_data="A-1", subject="secret")
        client = client_of("view_user", "change_user")

        for name in ("panels", "bare"):
            page = page_of(client, order, name)
            assert "secret" not in page
            assert "mail_history" not in page

        sent = statements(lambda: page_of(client, order))
        assert not [sql for sql in sent if "cmc_webhooks_mail" in sql]

    def test_can_be_placed_by_the_project(self, client, order):
        factories.MailFactory(api_data="A-1", subject="first")

        page = page_of(client, order, "bare")

        assert page.count("field-mail_history") == 1
        assert page.index("field-mail_history") < page.index("field-username")

    def test_is_not_on_the_page_of_a_new_object(self, client):
        for name in ("panels", "bare"):
            answer = client.get(reverse("admin:auth_user_add", current_app=name))
            assert answer.status_code == 200
            assert b"mail_history" not in answer.content

    def test_leaves_saving_alone(self, client, order):
        url = reverse("admin:auth_user_change", args=[order.pk], current_app="panels")

        wrong = client.post(url, {"username": "", "email": ""})
        saved = client.post(url, {"username": "A-2", "email": "taro@example.jp"})

        assert wrong.status_code == 200
        assert b"field-mail_history" in wrong.content
        assert saved.status_code == 302
        order.refresh_from_db()
        assert order.username == "A-2"

    def test_takes_its_style_from_a_file(self, client, order):
        assert "cmc_webhooks/admin.css" in page_of(client, order)


class TestMailHistoryTag:
    def rendered(self, order, source="{% mail_history order %}", **context):
        return Template("{% load cmc_webhooks %}" + source).render(Context({"order": order, **context}))

    def request_of(self, *permissions, is_staff=True):
        request = RequestFactory().get("/")
        request.user = User.objects.create_user(f"staff{User.objects.count()}", is_staff=is_staff)
        request.user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        return request

    def test_shows_the_mails_of_an_object(self, order):
        factories.MailFactory(api_data="A-1", subject="first")

        assert subjects(self.rendered(order, request=self.request_of("view_mail"))) == ["first"]

    def test_shows_the_mails_to_addresses(self, order):
        factories.MailFactory(recipient="hanako@example.jp", subject="first")
        request = self.request_of("view_mail")

        for source in ("{% mail_history order order.email %}", "{% mail_history None order.email %}"):
            assert subjects(self.rendered(order, source, request=request)) == ["first"]

    def test_has_no_links_for_those_who_may_not_enter_the_admin(self, order):
        factories.MailFactory(api_data="A-1", subject="first")

        page = self.rendered(order, request=self.request_of("view_mail", is_staff=False))

        assert "first" in page
        assert "href" not in page

    def test_is_empty_for_those_who_may_not_view_mails(self, order):
        factories.MailFactory(api_data="A-1", subject="first")

        assert self.rendered(order, request=self.request_of()) == ""
        assert self.rendered(order) == ""
