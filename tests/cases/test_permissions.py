"""Users without permissions, and permissions for single objects."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import AnonymousUser, User
from django.test import RequestFactory

from cmc_webhooks import auth, models
from cmc_webhooks.admin.overview import unusual
from cmc_webhooks.monitoring import views
from tests.admin.conftest import browser_of
from tests.helpers import factories
from tests.helpers.projects import Project

MODELS = [
    each for each in models.__dict__.values() if isinstance(each, type) and admin.site.is_registered(each)
]
PLAIN = """
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.db import models

    class Plain(AbstractBaseUser):
        email = models.EmailField(unique=True)
        USERNAME_FIELD = "email"
"""
SETTINGS = """
    INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
                      "rest_framework", "django_filters", "people", "cmc_webhooks"]
    AUTH_USER_MODEL = "people.Plain"
    TEMPLATES = []
"""
URLS = """
    from django.urls import include, path

    urlpatterns = [
        path("cmc/webhook", include("cmc_webhooks.urls")),
        path("cmc/health", include("cmc_webhooks.health_urls")),
        path("api/", include("cmc_webhooks.api.urls")),
    ]
"""


class Plain:
    """A signed-in user of a model without `PermissionsMixin`."""

    pk = 1
    is_active = is_staff = is_authenticated = True
    is_anonymous = False


@pytest.fixture
def request_of_plain():
    request = RequestFactory().get("/")
    request.user = Plain()
    return request


class TestD71:
    """A user without `has_perm` has no permission, wherever one is asked for."""

    @pytest.mark.skipif(not find_spec("rest_framework"), reason="the API is an extra")
    def test_a_fresh_project_refuses_its_plain_users(self, tmp_path):
        project = Project(tmp_path, SETTINGS, urls=URLS)
        project.write("people/__init__.py", "")
        project.write("people/models.py", PLAIN)
        assert project.manage("migrate", "--run-syncdb").returncode == 0

        printed = project.python("""
            from django.test import Client
            from people.models import Plain

            user, client = Plain.objects.create(email="user@example.jp"), Client()
            paths = ["mails", "delivery-events", "bounce-events", "block-events", "notifications",
                     "rejected-events", "suppressions", "stats", "addresses/user@example.jp"]
            def codes():
                answers = [client.get(f"/api/{path}/") for path in paths] + [client.get("/cmc/health")]
                return [answer.status_code for answer in answers]
            print(codes())
            client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
            print(codes())
        """)

        assert printed == f"{[403] * 10}\n{[403] * 10}"

    @pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
    def test_every_page_of_the_admin_is_closed_to_a_plain_user(self, request_of_plain, model):
        page = admin.site.get_model_admin(model)
        names = [name for name in dir(page) if name.startswith("has_") and name.endswith("_permission")]

        assert {name: getattr(page, name)(request_of_plain) for name in names} == dict.fromkeys(names, False)
        assert len(names) >= 5

    @pytest.mark.django_db
    def test_the_overview_and_the_health_view_are_closed_too(self, request_of_plain):
        assert unusual.may_see(request_of_plain) == []
        assert views.health(request_of_plain).status_code == 403
        assert views.metrics(request_of_plain).status_code == 403

    @pytest.mark.parametrize(
        "user", [None, AnonymousUser(), object(), Plain()], ids=lambda user: type(user).__name__
    )
    def test_who_has_no_permissions_may_nothing(self, user):
        assert not auth.may(user, "cmc_webhooks.view_mail")


class NotOurs(UserAdmin):
    """An admin in which one user may be viewed by superusers alone."""

    def has_view_permission(self, request, obj=None):
        secret = obj is not None and obj.username == "secret"
        return super().has_view_permission(request, obj) and not secret


def find(api_data):
    return User.objects.filter(username=api_data).first()


@pytest.mark.django_db
class TestRelatedObject:
    """The related object is linked for users who may view that very object."""

    @pytest.fixture(autouse=True)
    def _project(self, settings, monkeypatch):
        settings.CMC_WEBHOOKS_RELATED_OBJECT = f"{__name__}.find"
        monkeypatch.setitem(admin.site._registry, User, NotOurs(User, admin.site))

    @pytest.mark.parametrize(("name", "is_shown"), [("open", True), ("secret", False)])
    def test_a_permission_for_the_object_is_asked_for(self, name, is_shown):
        user = User.objects.create_user(name)
        mail = factories.MailFactory(api_data=name)

        page = browser_of("view_mail", "view_user", is_staff=True).open_page(mail)

        assert page.status_code == 200
        assert (f"/admin/auth/user/{user.pk}/change/" in page.content.decode()) is is_shown

    @pytest.mark.parametrize("permissions", [("view_mail",), ("view_mail", "add_user")], ids=str)
    def test_another_permission_is_not_enough(self, permissions):
        user = User.objects.create_user("open")
        mail = factories.MailFactory(api_data="open")

        page = browser_of(*permissions, is_staff=True).open_page(mail).content.decode()

        assert f"/admin/auth/user/{user.pk}/" not in page

    def test_its_text_is_not_made_for_others(self, monkeypatch):
        monkeypatch.setattr(User, "__str__", lambda self: pytest.fail("the text was made"))
        mail = factories.MailFactory(api_data="secret")
        User.objects.create_user("secret")

        page = browser_of("view_mail", "view_user", is_staff=True).get(
            f"/admin/cmc_webhooks/mail/{mail.pk}/change/"
        )

        assert page.status_code == 200
