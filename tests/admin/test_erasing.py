"""The action that erases people."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry

from cmc_webhooks import erasure, models
from cmc_webhooks.admin import actions
from cmc_webhooks.db import transactions
from tests.admin.conftest import browser_of
from tests.admin.test_actions import act, messages_of
from tests.helpers import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def officer():
    return browser_of("view_mail", "erase_mail", is_staff=True)


class TestErase:
    def test_asks_with_the_number_of_people_first(self, officer):
        mails = factories.MailFactory.create_batch(2, recipient="hanako@example.jp")

        page = act(officer, "mail", "erase", [*mails, factories.MailFactory()]).content.decode()

        assert "hanako@example.jp (2 mails)" in page
        assert "It cannot be undone." in page
        assert 'class="cmc-final"' in page
        assert not models.Mail.objects.exclude(erased_at=None).exists()

    def test_erases_all_mails_to_them_and_notes_it_without_a_name(self, officer):
        chosen, other = factories.MailFactory.create_batch(2, recipient="hanako@example.jp")
        kept = factories.MailFactory()

        answer = act(officer, "mail", "erase", [chosen], confirmed="yes")

        assert messages_of(answer) == ["The texts of 2 mails were erased."]
        assert list(models.Mail.objects.filter(erased_at=None)) == [kept]
        [entry] = LogEntry.objects.all()
        assert (entry.object_id, entry.change_message) == (str(chosen.pk), "Personal data erased.")
        assert "hanako" not in entry.object_repr
        assert other != kept

    def test_takes_an_address_that_was_cut_to_its_column_whole(self, officer):
        long = f"{'a' * 250}@{'b' * 100}"
        chosen = factories.MailFactory(recipient=f"{long}.jp", address=long[:320])
        other = factories.MailFactory(recipient=f"{long}.com", address=long[:320])

        act(officer, "mail", "erase", [chosen], confirmed="yes")

        assert list(models.Mail.objects.filter(erased_at=None)) == [other]
        assert list(models.Mail.objects.filter(recipient="")) == [chosen]

    def test_wants_its_own_permission(self):
        mail = factories.MailFactory()

        act(
            browser_of("view_mail", "redeliver_mail", is_staff=True), "mail", "erase", [mail], confirmed="yes"
        )

        assert models.Mail.objects.get().erased_at is None

    def test_refuses_more_people_than_a_request_can_wait_for(self, officer, monkeypatch):
        monkeypatch.setattr(actions, "PEOPLE", 1)

        answer = act(officer, "mail", "erase", factories.MailFactory.create_batch(2), confirmed="yes")

        assert messages_of(answer) == ["At most 1 people at once. For more, use cmc_erase."]

    @pytest.mark.parametrize(
        "values", [{"erased_at": factories.START}, {"recipient": ""}], ids=["erased", "nobody"]
    )
    def test_has_nothing_to_do_where_nobody_is_named(self, officer, values):
        answer = act(officer, "mail", "erase", [factories.MailFactory(**values)], confirmed="yes")

        assert messages_of(answer) == ["Nothing is selected that this action applies to."]

    def test_asks_to_try_again_when_the_database_is_away(self, officer, monkeypatch):
        def away(address, **options):
            raise transactions.Unavailable("gone")

        monkeypatch.setattr(erasure, "erase", away)

        answer = act(officer, "mail", "erase", [factories.MailFactory()], confirmed="yes")

        assert messages_of(answer) == ["The database is unavailable. Please try again."]
