from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cmc_webhooks.models import Mail
from cmc_webhooks.models.api_data import api_data_of, has_api_data
from tests.helpers import factories, plans

pytestmark = pytest.mark.django_db


def number_of(user):
    return 100 + len(user.username)


def nothing_of(user):
    return None


class Staff(User):
    class Meta:
        proxy = True
        app_label = "auth"


@pytest.fixture(autouse=True)
def api_data(settings):
    settings.CMC_WEBHOOKS_API_DATA_OF = {"auth.User": "username"}


class TestApiDataOf:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ("username", "A-1"),
            ("get_username", "A-1"),
            (f"{__name__}.number_of", "103"),
            (f"{__name__}.nothing_of", ""),
        ],
    )
    @pytest.mark.parametrize("label", ["auth.User", "auth.user"])
    def test_is_an_attribute_or_what_a_function_returns(self, settings, label, value, expected):
        settings.CMC_WEBHOOKS_API_DATA_OF = {label: value}

        assert api_data_of(User(username="A-1")) == expected

    def test_holds_for_models_that_inherit(self):
        assert api_data_of(Staff(username="A-1")) == "A-1"
        assert has_api_data(Staff)

    def test_needs_an_entry(self):
        assert not has_api_data(Group)
        with pytest.raises(ImproperlyConfigured, match=r"no entry for auth\.Group"):
            api_data_of(Group())


class TestForObjects:
    def test_finds_the_mails_of_one(self):
        mail = factories.MailFactory(api_data="A-1")
        factories.MailFactory(api_data="a-1")
        factories.MailFactory()

        assert list(Mail.objects.for_object(User(username="A-1"))) == [mail]

    def test_finds_the_mails_of_many_in_one_statement(self, django_assert_num_queries):
        users = [User(username=f"A-{number}") for number in range(50)]
        mails = {factories.MailFactory(api_data=f"A-{number}") for number in (3, 3, 7, 60)}

        with django_assert_num_queries(1):
            found = set(Mail.objects.for_objects(users))

        assert found == {mail for mail in mails if mail.api_data != "A-60"}

    def test_uses_the_index(self):
        for number in range(300):
            factories.MailFactory(api_data=f"A-{number}")
        plans.analyse()
        users = [User(username=f"A-{number}") for number in range(5)]

        for found in (Mail.objects.for_objects(users), Mail.objects.for_object(users[0])):
            with CaptureQueriesContext(connection) as captured:
                assert list(found.order_by("-created_at", "-pk")[:21])
            (query,) = captured.captured_queries
            assert "cmc_mail_api_data" in plans.plan_of(query["sql"])

    def test_finds_nothing_for_objects_without_a_value(self):
        factories.MailFactory(api_data="")

        assert not Mail.objects.for_objects([User(username="")]).exists()
        assert not Mail.objects.for_objects([]).exists()

    def test_finds_values_longer_than_the_column(self):
        mail = factories.MailFactory(api_data="x" * 255)

        assert list(Mail.objects.with_api_data("x" * 300)) == [mail]
