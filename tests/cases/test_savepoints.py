from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.core.mail import EmailMessage
from django.db import DatabaseError, OperationalError, connection, transaction
from django.urls import reverse

from cmc_webhooks import audit, email_backend, maintenance, models, signals, suppression
from cmc_webhooks.db import transactions
from cmc_webhooks.monitoring import health
from cmc_webhooks.monitoring import views as monitoring
from tests.conftest import bounce
from tests.helpers import factories

pytestmark = pytest.mark.django_db(transaction=True)


def missing_table(api_data):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM no_such_table")


def swallowed(api_data):
    """Catch the error without a savepoint, as careless code does."""
    try:
        missing_table(api_data)
    except DatabaseError:
        return


def wrong_value(api_data):
    return models.Mail.objects.get(pk="not a key")


def lost(api_data):
    with connection.cursor() as cursor:
        kill = "SELECT pg_terminate_backend(pg_backend_pid())"
        cursor.execute(kill if connection.vendor == "postgresql" else "KILL CONNECTION_ID()")
        cursor.execute("SELECT 1")


def enqueued_nowhere():
    missing_table("")


def broken_statements(execute, sql, params, many, context):
    """Let each statement about addresses fail, as with a table that is missing."""
    return execute(sql.replace("cmc_webhooks_", "no_such_"), params, many, context)


@pytest.fixture
def page(client, monkeypatch, request):
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", getattr(request, "param", True))
    client.force_login(get_user_model().objects.create_superuser("a", "a@example.jp", "x"))
    client.raise_request_exception = False
    mail = factories.MailFactory(api_data="order-1")
    return lambda: client.get(reverse("admin:cmc_webhooks_mail_change", args=[mail.pk]))


@pytest.fixture
def related(settings):
    def name(function):
        settings.CMC_WEBHOOKS_RELATED_OBJECT = f"{__name__}.{function.__name__}"

    return name


@pytest.fixture
def message(settings):
    settings.CMC_WEBHOOKS_EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    return EmailMessage("s", "b", "from@example.jp", ["user@example.jp", "other@example.jp"])


class TestD08:
    """A caught database error, and the transaction of the caller."""

    @pytest.mark.parametrize("page", [True, False], indirect=True, ids=["atomic requests", "autocommit"])
    @pytest.mark.parametrize("function", [missing_table, swallowed, wrong_value])
    def test_the_page_of_a_mail_is_shown_without_its_link(self, page, related, caplog, function):
        related(function)

        answer = page()

        failed = [each for each in caplog.records if getattr(each, "cmc_event", "") == "related_failed"]
        assert answer.status_code == 200
        assert function is swallowed or len(failed) == 1
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")

    def test_a_transaction_that_is_lost_as_a_whole_is_not_continued(self, page, related):
        if connection.vendor == "sqlite":
            pytest.skip("SQLite has no connection to lose")
        related(lost)

        assert page().status_code == 500

    def test_a_check_of_suppression_that_fails_leaves_the_transaction_usable(self, message, caplog):
        with transaction.atomic():
            factories.NotificationFactory()
            with connection.execute_wrapper(broken_statements):
                number = email_backend.SuppressingBackend().send_messages([message])
            factories.NotificationFactory()

        assert number == 1
        assert models.Notification.objects.count() == 2
        assert [each for each in caplog.records if getattr(each, "cmc_event", "") == "suppression_unread"]

    @pytest.mark.parametrize("function", [missing_table, swallowed])
    def test_a_receiver_of_suppressed_recipients_leaves_it_usable(
        self, message, hook, receiver, caplog, function
    ):
        hook.send("bounces", bounce())
        receiver(signals.recipients_suppressed, lambda **kwargs: function(""))

        with transaction.atomic():
            factories.NotificationFactory()
            number = email_backend.SuppressingBackend().send_messages([message])
            allowed = suppression.may_send("user@example.jp")

        assert (number, allowed) == (1, False)
        assert models.Notification.objects.count() == 2

    def test_a_look_at_the_health_that_fails_leaves_it_usable(self):
        with transaction.atomic():
            factories.NotificationFactory()
            with connection.execute_wrapper(broken_statements), pytest.raises(transactions.Unavailable):
                health.look("default")
            factories.NotificationFactory()

        assert models.Notification.objects.count() == 2

    def test_a_retry_inside_a_transaction_starts_from_its_savepoint(self):
        tries = []

        def work():
            tries.append(factories.NotificationFactory())
            if len(tries) == 1:
                missing_table("")
            return len(tries)

        with transaction.atomic():
            with pytest.raises(transactions.Unavailable):
                transactions.run("default", work)
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")

        assert models.Notification.objects.count() == 0

    def test_an_error_that_ended_the_transaction_is_raised_on(self, message):
        def ended(execute, sql, params, many, context):
            if sql.startswith("ROLLBACK TO SAVEPOINT"):
                raise OperationalError(1305, "SAVEPOINT does not exist")
            if "cmc_webhooks_" in sql:
                raise OperationalError(1213, "Deadlock found when trying to get lock")
            return execute(sql, params, many, context)

        with (
            pytest.raises(OperationalError),
            transaction.atomic(),
            connection.execute_wrapper(ended),
        ):
            email_backend.SuppressingBackend().send_messages([message])

    def test_a_record_of_an_erasure_that_cannot_be_completed_leaves_it_usable(self, caplog):
        with transaction.atomic():
            record = audit.begin("erased", audit.Actor())
            with connection.execute_wrapper(broken_statements):
                record.finish()
            factories.NotificationFactory()

        assert models.Trail.objects.get().rows is None
        assert models.Notification.objects.count() == 1
        assert [each for each in caplog.records if getattr(each, "cmc_event", "") == "trail_failed"]

    @pytest.mark.parametrize("name", ["health", "metrics"])
    def test_a_watcher_that_the_database_cannot_look_up_leaves_it_usable(
        self, page, client, monkeypatch, name
    ):
        monkeypatch.setattr(monitoring.auth, "may", lambda *whom: missing_table(""))

        with transaction.atomic():
            factories.NotificationFactory()
            answer = client.get(reverse(f"cmc_webhooks_health:{name}"))
            factories.NotificationFactory()

        assert answer.status_code == 503
        assert models.Notification.objects.count() == 2

    def test_maintenance_that_fails_leaves_it_usable(self, settings, caplog):
        settings.CMC_WEBHOOKS_DISPATCH = f"{__name__}.enqueued_nowhere"

        with transaction.atomic():
            factories.NotificationFactory()
            maintenance.run_or_wake("default")
            factories.NotificationFactory()

        assert models.Notification.objects.count() == 2
        assert [each for each in caplog.records if getattr(each, "cmc_event", "") == "maintenance_failed"]

    @pytest.mark.parametrize("work", ["record", "watcher", "maintenance"])
    def test_what_ends_the_transaction_is_raised_on_everywhere(self, page, client, monkeypatch, work):
        if connection.vendor == "sqlite":
            pytest.skip("SQLite has no connection to lose")
        monkeypatch.setattr(monitoring.auth, "may", lambda *whom: lost(""))
        monkeypatch.setattr(maintenance, "run", lambda *using, **limits: lost(""))
        client.raise_request_exception = True
        works = {
            "watcher": lambda: client.get(reverse("cmc_webhooks_health:health")),
            "maintenance": lambda: maintenance.run_or_wake("default"),
        }

        def record():
            opened = audit.begin("erased", audit.Actor())
            monkeypatch.setattr(audit.trail, "complete", lambda *values: lost(""))
            opened.finish()

        with pytest.raises(DatabaseError), transaction.atomic():
            works.get(work, record)()

    def test_there_is_no_savepoint_without_a_transaction(self, message, django_assert_num_queries):
        with django_assert_num_queries(1):
            email_backend.SuppressingBackend().send_messages([message])
