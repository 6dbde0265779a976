"""Cases of kind D: rows that other rows of the project hold, while old ones are deleted or erased."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cmc_webhooks import models, retention
from tests.helpers import factories
from tests.shop.installed import shop  # noqa: F401 - a fixture

LONG_AGO = datetime.now(UTC) - timedelta(days=1500)

pytestmark = pytest.mark.django_db(transaction=True)


def prune(capsys, *arguments):
    """Return what the command printed, its last line and its exit code."""
    with pytest.raises(CommandError) as raised:
        call_command("cmc_prune", "--pause=0", *arguments)
    return capsys.readouterr().out, str(raised.value), raised.value.returncode


def old_mails(number=6):
    events = [
        factories.DeliveryEventFactory(
            mail__created_at=LONG_AGO + timedelta(minutes=each),
            occurred_at=LONG_AGO,
            received_at=LONG_AGO,
            notification__received_at=LONG_AGO,
        )
        for each in range(number)
    ]
    return [event.mail for event in events]


class TestD21:
    """One mail that a project's row holds stops retention for good."""

    @pytest.mark.parametrize("name", ["Order", "Invoice", "Letter"])
    def test_deletes_all_mails_but_the_held_one_each_time(self, shop, name, capsys):  # noqa: F811
        mails = old_mails()
        held = shop[name].objects.create(mail=mails[2])

        first = prune(capsys, "--kind=mails", "--days=800")
        second = prune(capsys, "--kind=mails", "--days=800")

        line = f"Some old rows stay: mails 1 held by shop.{name}"
        assert first == ("mails 5 deleted or erased\n", line, 3)
        assert second == ("mails 0 deleted or erased\n", line, 3)
        assert list(models.Mail.objects.all()) == [mails[2]]
        assert models.DeliveryEvent.objects.count() == 1
        assert list(shop[name].objects.all()) == [held]

    def test_names_each_model_that_holds_a_row(self, shop, capsys):  # noqa: F811
        mails = old_mails()
        shop["Order"].objects.create(mail=mails[0])
        shop["Order"].objects.create(mail=mails[0])
        shop["Letter"].objects.create(mail=mails[1])
        shop["Invoice"].objects.create(mail=mails[2])

        out, line, _ = prune(capsys, "--kind=mails", "--days=800")

        assert out == "mails 3 deleted or erased\n"
        assert line == (
            "Some old rows stay: mails 1 held by shop.Invoice, mails 1 held by shop.Letter,"
            " mails 1 held by shop.Order"
        )

    def test_keeps_a_mail_whose_event_is_held(self, shop, capsys):  # noqa: F811
        bounce = factories.BounceEventFactory(mail=old_mails()[4], occurred_at=LONG_AGO, received_at=LONG_AGO)
        shop["Complaint"].objects.create(event=bounce)

        out, line, _ = prune(capsys, "--kind=mails", "--days=800")

        assert out == "mails 5 deleted or erased\n"
        assert line == "Some old rows stay: mails 1 held by shop.Complaint"
        assert models.BounceEvent.objects.get() == bounce

    def test_finds_what_holds_a_row_that_would_be_deleted_with_the_mail(self, shop, capsys):  # noqa: F811
        mails = old_mails()
        visits = [shop["Visit"].objects.create(mail=mail) for mail in mails]
        shop["Receipt"].objects.create(visit=visits[3])

        out, line, _ = prune(capsys, "--kind=mails", "--days=800")

        assert out == "mails 5 deleted or erased\n"
        assert line == "Some old rows stay: mails 1 held by shop.Receipt"
        assert [visit.mail for visit in shop["Visit"].objects.all()] == [mails[3]]

    def test_runs_the_other_kinds(self, shop, settings, capsys):  # noqa: F811
        settings.CMC_WEBHOOKS_RETENTION = dict.fromkeys(retention.KINDS, 800)
        mails = old_mails()
        shop["Order"].objects.create(mail=mails[2])
        shop["Audit"].objects.create(notification=models.Notification.objects.first())

        out, line, code = prune(capsys)

        kinds = "signals 0, notifications 5, rejected 0, events 6, mails 5, personal 1, alerts 0, changes 0"
        assert out == f"{kinds} deleted or erased\n"
        assert line == "Some old rows stay: notifications 1 held by shop.Audit, mails 1 held by shop.Order"
        assert code == 3
        assert models.Mail.objects.get().recipient == ""

    def test_counts_them_in_a_dry_run(self, shop, capsys):  # noqa: F811
        mails = old_mails()
        shop["Order"].objects.create(mail=mails[2])
        shop["Letter"].objects.create(mail=mails[3])

        out, line, code = prune(capsys, "--kind=mails", "--days=800", "--dry-run")

        assert out == "mails 4 to delete or erase\n"
        assert line == "Some old rows stay: mails 1 held by shop.Letter, mails 1 held by shop.Order"
        assert (code, models.Mail.objects.count()) == (3, 6)

    def test_is_logged_by_the_task(self, shop, settings, caplog):  # noqa: F811
        settings.CMC_WEBHOOKS_RETENTION = {"mails": 800}
        shop["Order"].objects.create(mail=old_mails(2)[0])

        done = retention.run("default")

        [record] = [each for each in caplog.records if each.cmc_event == "retention_held"]
        assert done == {"mails": 1}
        assert (record.kind, record.rows, record.held_by) == ("mails", 1, {"shop.Order": 1})

    def test_reads_the_project_s_rows_once_for_each_batch(self, shop, capsys):  # noqa: F811
        for mail in old_mails(20):
            shop["Order"].objects.create(mail=mail)

        with CaptureQueriesContext(connection) as queries:
            prune(capsys, "--kind=mails", "--days=800")

        assert len([query for query in queries if "shop_order" in query["sql"]]) == 1

    def test_deletes_what_a_row_holds_that_is_deleted_too(self, shop, capsys):  # noqa: F811
        mails = old_mails()
        young = factories.MailFactory(created_at=datetime.now(UTC))
        shop["Refund"].objects.create(asked_by=mails[0], announced_by=mails[0])
        shop["Refund"].objects.create(asked_by=mails[1], announced_by=young)

        out, line, _ = prune(capsys, "--kind=mails", "--days=800")

        assert out == "mails 5 deleted or erased\n"
        assert line == "Some old rows stay: mails 1 held by shop.Refund"

    @pytest.mark.parametrize("name", ["Order", "Invoice", "Letter"])
    def test_costs_little_where_all_mails_are_held(self, shop, name, monkeypatch):  # noqa: F811
        monkeypatch.setattr(retention, "FIRST", 4)
        for mail in old_mails(40):
            shop[name].objects.create(mail=mail)
        held = []

        with CaptureQueriesContext(connection) as queries:
            retention.prune(
                "default",
                "mails",
                datetime.now(UTC) - timedelta(days=800),
                pace=retention.Pace(4, 0),
                on_held=lambda holder, number: held.append((holder, number)),
            )

        attempts = [query for query in queries if "FOR UPDATE" in query["sql"] or "DELETE" in query["sql"]]
        assert held == [(f"shop.{name}", 1)] * 40
        assert len(attempts) <= 4 * 2 * 6

    def test_counts_no_rows_of_the_project(self, shop):  # noqa: F811
        for mail in old_mails(2):
            shop["Visit"].objects.create(mail=mail)

        assert retention.prune("default", "mails", datetime.now(UTC) - timedelta(days=800)) == 2
        assert not shop["Visit"].objects.exists()


@pytest.fixture
def refusing():
    """A trigger of the project that refuses to delete or change one mail; a function that installs it."""
    vendor = connection.vendor
    names = {"sqlite": "sqlite", "postgresql": "postgresql", "mysql": "mysql"}
    drops = []

    def install(mail, verb):
        key = mail.pk.hex if vendor == "sqlite" else str(mail.pk)
        table = models.Mail._meta.db_table
        body = {
            "sqlite": "BEGIN SELECT RAISE(ABORT, 'held'); END",
            "mysql": f"IF OLD.id = '{key}' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'held'; END IF",
            "postgresql": "EXECUTE FUNCTION shop_refuse()",
        }[names[vendor]]
        when = "" if vendor == "mysql" else f"WHEN (OLD.id = '{key}')"
        with connection.cursor() as cursor:
            if vendor == "postgresql":
                cursor.execute(
                    "CREATE OR REPLACE FUNCTION shop_refuse() RETURNS trigger AS"
                    " $$ BEGIN RAISE EXCEPTION 'held'; END $$ LANGUAGE plpgsql"
                )
            cursor.execute(f"CREATE TRIGGER shop_held BEFORE {verb} ON {table} FOR EACH ROW {when} {body}")
        drops.append("DROP TRIGGER shop_held" + (f" ON {table}" if vendor == "postgresql" else ""))

    yield install
    with connection.cursor() as cursor:
        for drop in drops:
            cursor.execute(drop)


class TestD21Triggers:
    """A trigger of the project refuses a row while others are deleted or blanked."""

    def test_keeps_only_the_refused_mail(self, refusing, capsys):
        mails = old_mails()
        refusing(mails[2], "DELETE")

        out, line, code = prune(capsys, "--kind=mails", "--days=800")

        assert (out, code) == ("mails 5 deleted or erased\n", 3)
        assert line.startswith("Some old rows stay: mails 1 held by ")
        assert list(models.Mail.objects.all()) == [mails[2]]

    def test_blanks_all_mails_but_the_refused_one(self, refusing, capsys):
        mails = old_mails()
        refusing(mails[2], "UPDATE")

        out, line, code = prune(capsys, "--kind=personal", "--days=800")

        assert (out, code) == ("personal 5 deleted or erased\n", 3)
        assert line.startswith("Some old rows stay: personal 1 held by ")
        assert list(models.Mail.objects.exclude(recipient="")) == [mails[2]]

    def test_erases_a_person_but_for_the_refused_row(self, refusing, capsys):
        mails = factories.MailFactory.create_batch(4, recipient="hanako@example.jp")
        naming = factories.MailFactory(reason="550 no hanako@example.jp here")
        refusing(mails[1], "UPDATE")

        with pytest.raises(CommandError, match="1 rows stay: the database refused") as raised:
            call_command("cmc_erase", "hanako@example.jp", "--no-input")

        assert capsys.readouterr().out.startswith("3 mails, 0 blocks")
        assert raised.value.returncode == 3
        assert list(models.Mail.objects.filter(recipient="hanako@example.jp")) == [mails[1]]
        naming.refresh_from_db()
        assert naming.reason == ""
