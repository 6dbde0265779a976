from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, DataError, connection, transaction
from django.urls import reverse
from rest_framework.authentication import BaseAuthentication, BasicAuthentication
from rest_framework.permissions import BasePermission

from cmc_webhooks import models
from cmc_webhooks.api import views
from tests.api.conftest import Api, user_with
from tests.cases.test_savepoints import lost
from tests.helpers import factories

pytestmark = pytest.mark.django_db

READING = ("get", "head", "options")
WRITING = ("post", "put", "patch", "delete")
PERMISSIONS = {
    "mail": "view_mail",
    "delivery-event": "view_deliveryevent",
    "bounce-event": "view_bounceevent",
    "block-event": "view_blockevent",
    "notification": "view_notification",
    "rejected-event": "view_rejectedevent",
}
LISTS = tuple(PERMISSIONS)


@pytest.fixture
def paths():
    """The addresses of the list and of one row of each kind."""
    delivery, bounce = factories.DeliveryEventFactory(), factories.BounceEventFactory()
    rows = {
        "mail": delivery.mail,
        "delivery-event": delivery,
        "bounce-event": bounce,
        "block-event": factories.BlockEventFactory(),
        "notification": delivery.notification,
        "rejected-event": factories.RejectedEventFactory(),
    }
    return {
        name: [
            reverse(f"cmc_webhooks_api:{name}-list"),
            reverse(f"cmc_webhooks_api:{name}-detail", args=[rows[name].pk]),
        ]
        for name in LISTS
    }


def answers(api, paths, methods):
    """The status codes of each method on each of these addresses."""
    return {getattr(api.client, method)(path).status_code for path in paths for method in methods}


@pytest.mark.parametrize("name", LISTS)
class TestMayView:
    def test_refuses_anonymous_users_whatever_the_method(self, paths, name):
        api = Api()

        statuses = answers(api, paths[name], READING + WRITING)

        assert statuses == {403}

    def test_refuses_signed_in_users_without_the_permission(self, paths, name):
        api = Api(user_with())

        statuses = answers(api, paths[name], READING + WRITING)

        assert statuses == {403}

    def test_refuses_staff_without_the_permission(self, paths, name):
        api = Api(user_with(is_staff=True))

        statuses = answers(api, paths[name], READING + WRITING)

        assert statuses == {403}

    def test_refuses_users_with_any_other_permission_on_the_app(self, paths, name):
        others = ["add", "change", "delete"]
        api = Api(
            user_with(
                *(f"{verb}_{PERMISSIONS[name].removeprefix('view_')}" for verb in others),
                *(permission for permission in PERMISSIONS.values() if permission != PERMISSIONS[name]),
            )
        )

        statuses = answers(api, paths[name], READING + WRITING)

        assert statuses == {403}

    def test_refuses_users_who_are_no_longer_active(self, paths, name):
        user = user_with(PERMISSIONS[name])
        api = Api(user)
        User.objects.filter(pk=user.pk).update(is_active=False)

        statuses = answers(api, paths[name], READING)

        assert statuses == {403}

    def test_lets_users_with_the_permission_read(self, paths, name):
        api = Api(user_with(PERMISSIONS[name]))

        statuses = answers(api, paths[name], READING)

        assert statuses == {200}

    def test_lets_nobody_write(self, paths, name):
        viewer, superuser = Api(user_with(PERMISSIONS[name])), Api(User.objects.create_superuser("root"))

        statuses = answers(viewer, paths[name], WRITING) | answers(superuser, paths[name], WRITING)

        assert statuses == {405}
        assert models.Mail.objects.count() == 2
        assert models.DeliveryEvent.objects.count() == models.BounceEvent.objects.count() == 1

    def test_lets_superusers_read(self, paths, name):
        api = Api(User.objects.create_superuser("root"))

        statuses = answers(api, paths[name], READING)

        assert statuses == {200}


class TestHistoryRootView:
    def test_lists_the_addresses_for_signed_in_users(self):
        api = Api(user_with())

        response = api.client.get(reverse("cmc_webhooks_api:api-root"))

        assert response.status_code == 200
        assert set(response.json()) == {
            *("mails", "delivery-events", "bounce-events"),
            *("block-events", "notifications", "rejected-events", "suppressions", "changes", "stats"),
        }

    def test_tells_anonymous_users_nothing(self):
        response = Api().client.get(reverse("cmc_webhooks_api:api-root"))

        assert response.status_code == 403


class TestViews:
    @pytest.mark.parametrize("name", views.__all__)
    def test_name_their_permissions_themselves(self, name):
        view = getattr(views, name)

        own = [base for base in view.__mro__ if "permission_classes" in vars(base)]

        assert own[0].__module__ == views.__name__, f"{name} takes its permissions from the project"

    @pytest.mark.parametrize("name", views.__all__)
    def test_have_one_version(self, name):
        assert getattr(views, name).versioning_class is None

    @pytest.mark.parametrize("name", views.__all__)
    def test_leave_authentication_throttles_and_renderers_to_the_project(self, name):
        ours = [base for base in getattr(views, name).__mro__ if base.__module__ == views.__name__]

        named = {attribute for base in ours for attribute in vars(base)}

        assert named.isdisjoint({"authentication_classes", "throttle_classes", "renderer_classes"})


class Nobody(BasePermission):
    """What a project may choose instead."""

    def has_permission(self, request, view):
        return request.user.username == "chosen"


class NoObject(BasePermission):
    """Lets everybody ask, and shows nothing."""

    def has_object_permission(self, request, view, obj):
        return False


class TestChosenPermissions:
    def test_may_refuse_a_single_row_or_address(self, paths, settings):
        settings.CMC_WEBHOOKS_API_PERMISSIONS = ["tests.api.test_permissions.NoObject"]
        api = Api(User.objects.create_superuser("root"))
        details = [detail for _, detail in paths.values()]
        details.append(reverse("cmc_webhooks_api:address-detail", args=["user@example.jp"]))

        assert {api.client.get(detail).status_code for detail in details} == {403}

    def test_take_the_place_of_ours_everywhere(self, paths, settings):
        settings.CMC_WEBHOOKS_API_PERMISSIONS = ["tests.api.test_permissions.Nobody"]
        chosen = Api(User.objects.create_user("chosen"))
        superuser = Api(User.objects.create_superuser("root"))
        urls = [url for each in paths.values() for url in each] + [reverse("cmc_webhooks_api:stats")]

        assert {chosen.client.get(url).status_code for url in urls} == {200}
        assert {superuser.client.get(url).status_code for url in urls} == {403}

    @pytest.mark.parametrize("none", [[], ()])
    def test_are_ours_if_there_are_none(self, paths, settings, none):
        settings.CMC_WEBHOOKS_API_PERMISSIONS = none

        assert answers(Api(), [url for each in paths.values() for url in each], READING) == {403}

    @pytest.mark.parametrize(("name", "key"), [("stats", []), ("address-detail", ["user@example.jp"])])
    def test_of_statistics_and_addresses_are_those_of_mails(self, name, key):
        url = reverse(f"cmc_webhooks_api:{name}", args=key)

        strangers = [
            Api(),
            Api(user_with()),
            Api(user_with(is_staff=True)),
            Api(user_with("view_bounceevent")),
        ]
        readers = [Api(user_with("view_mail")), Api(User.objects.create_superuser("root"))]

        assert [answers(api, [url], READING + WRITING) for api in strangers] == [{403}] * 4
        assert [answers(api, [url], READING) for api in readers] == [{200}] * 2
        assert [answers(api, [url], WRITING) for api in readers] == [{405}] * 2


class WrongValue(BaseAuthentication):
    """Looks up a value that the database refuses."""

    def authenticate(self, request):
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT CAST('x' AS integer)")
        raise DataError("no number")


class Lost(BaseAuthentication):
    """Loses its connection, and reports it as a wrong value."""

    def authenticate(self, request):
        try:
            lost("")
        except DatabaseError as error:
            raise DataError("lost") from error


@pytest.mark.django_db(transaction=True)
class TestD08:
    """A user that the database cannot look up, and the transaction of the caller."""

    VIEWS = {"mail-list": "MailViewSet", "stats": "StatisticsViewSet", "api-root": "HistoryRootView"}

    @pytest.fixture
    def get(self, client, monkeypatch):
        """Request a view whose users are looked up by a class."""

        def get(name, authentication):
            monkeypatch.setattr(getattr(views, self.VIEWS[name]), "authentication_classes", [authentication])
            return client.get(reverse(f"cmc_webhooks_api:{name}"))

        return get

    @pytest.mark.parametrize("atomic", [True, False], ids=["atomic requests", "autocommit"])
    @pytest.mark.parametrize("name", VIEWS)
    def test_leaves_it_usable(self, get, monkeypatch, name, atomic):
        monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", atomic)

        with transaction.atomic():
            factories.NotificationFactory()
            answer = get(name, WrongValue)
            factories.NotificationFactory()

        assert answer.status_code == 403
        assert models.Notification.objects.count() == 2

    @pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has no connection to lose")
    @pytest.mark.parametrize("name", VIEWS)
    def test_is_raised_on_if_the_connection_was_lost(self, get, name):
        with pytest.raises(DatabaseError), transaction.atomic():
            get(name, Lost)

    def test_has_no_savepoint_without_a_transaction(self, get, django_assert_num_queries):
        with django_assert_num_queries(0):
            get("mail-list", BasicAuthentication)
