from __future__ import annotations

from datetime import timedelta

import pytest
from django.apps import apps
from django.db.models import CharField, TextField
from django.utils import timezone

from cmc_webhooks import models, wire
from cmc_webhooks.models import mails
from tests.helpers import factories

pytestmark = pytest.mark.django_db


class TestFieldGroups:
    columns = {field.attname for field in models.Mail._meta.concrete_fields}

    def test_have_each_column_exactly_once(self):
        grouped = [
            *mails.FIXED_FIELDS,
            *mails.FILLED_LATER_FIELDS,
            *mails.DERIVED_FIELDS,
            *mails.STATE_FIELDS,
        ]

        assert sorted([*grouped, "erased_at"]) == sorted(self.columns), (
            "cmc_webhooks/models/mails.py: put the new column into its groups"
        )

    def test_have_what_merging_can_change(self):
        assert set(mails.MERGED_FIELDS) == self.columns - {*mails.FIXED_FIELDS, "erased_at"}

    def test_have_every_text_as_personal_or_not(self):
        texts = {
            field.attname
            for field in models.Mail._meta.concrete_fields
            if isinstance(field, CharField | TextField)
        }
        names_nobody = {"message_id", "domain", "server_composition", "bounce_code", "bounce_class"}
        statuses = {"status", "previous_status", "delivery_status"}

        assert texts - set(mails.PERSONAL_FIELDS) == names_nobody | statuses, (
            "cmc_webhooks/models/mails.py: is the new text personal data?"
        )

    def test_have_every_text_that_events_repeat(self):
        sent = {*wire.DeliveryRecord.__dataclass_fields__, *wire.BounceRecord.__dataclass_fields__}

        assert set(mails.SENT_FIELDS) <= sent
        assert set(mails.SENT_FIELDS) == (self.columns & sent) - {
            "server_composition",
            "reason",
            "status",
            "bounce_code",
        }


class TestMail:
    class TestMerge:
        def test_changes_the_status_once_for_several_events(self):
            mail = factories.MailFactory(delivery_status="", version=0)
            events = [
                factories.DeliveryEventFactory(mail=mail, status=word) for word in ("queued", "succeeded")
            ]

            mail.merge(events)

            assert (mail.previous_status, mail.status, mail.version) == ("", "succeeded", 1)
            assert mail.delivery_event_id == events[1].pk
            assert mail.status_at == events[1].occurred_at

        def test_keeps_version_and_time_for_what_decides_nothing(self):
            mail = factories.MailFactory(delivery_status="succeeded", status="succeeded", version=4)
            late = factories.DeliveryEventFactory(
                mail=mail, status="queued", occurred_at=mail.created_at - timedelta(days=1)
            )
            decided_at = mail.status_at

            mail.merge([late])

            assert (mail.status, mail.version, mail.status_at) == ("succeeded", 4, decided_at)
            assert mail.first_event_at == late.occurred_at

        def test_takes_the_reason_of_a_later_bounce_without_a_change(self):
            mail = factories.MailFactory(bounce_code="5", version=2)
            later = factories.BounceEventFactory(
                mail=mail, bounce_code="2", reason="gone", occurred_at=mail.created_at + timedelta(days=1)
            )

            mail.merge([later])

            assert (mail.status, mail.version) == ("bounced", 2)
            assert (mail.bounce_code, mail.bounce_class, mail.reason) == ("2", "hard", "gone")

    @pytest.mark.parametrize(
        ("codes", "kind"), [(["2"], "hard"), (["3", "8"], "message"), (["77"], "unknown"), ([""], "unknown")]
    )
    def test_has_the_class_of_its_winning_bounce(self, codes, kind):
        mail = factories.MailFactory()

        mail.merge([factories.BounceEventFactory(mail=mail, bounce_code=code) for code in codes])

        assert mail.bounce_class == kind

    def test_has_no_bounce_class_without_a_bounce(self):
        mail = factories.MailFactory()

        mail.merge([factories.DeliveryEventFactory(mail=mail, status="failed")])

        assert mail.bounce_class == ""


class TestMailEvent:
    def test_reads_message_and_recipient_through_its_mail(self):
        event = factories.BounceEventFactory()

        assert (event.message_id, event.recipient) == (event.mail.message_id, event.mail.recipient)
        assert event.bounce_class == "hard"


class TestStr:
    @pytest.mark.parametrize(
        ("factory", "values", "shown"),
        [
            (factories.MailFactory, {"message_id": "<m@x>", "recipient": "a@y"}, "<m@x> → a@y"),
            (factories.DeliveryEventFactory, {"status": "queued"}, "queued, 2023-01-25 14:00:00"),
            (factories.BounceEventFactory, {"bounce_code": "2"}, "bounce 2, 2023-01-25 14:00:00"),
            (factories.BlockEventFactory, {"address": "a@y"}, "a@y, 2023-01-25 14:00:00"),
            (factories.NotificationFactory, {}, "deliveries, 2023-01-25 14:00:00"),
            (factories.RejectedEventFactory, {}, "event.deliveries[1]: to is not text"),
            (factories.PendingSignalFactory, {"items": [{}, {}]}, "2 × pending"),
        ],
        ids=lambda value: getattr(value, "__name__", ""),
    )
    def test_names_the_row_in_the_active_zone(self, factory, values, shown):
        with timezone.override("Asia/Tokyo"):
            assert str(factory(number=0, **values)) == shown


class TestNames:
    def test_of_indexes_are_ours_and_explicit(self):
        indexes = [
            index
            for model in apps.get_app_config("cmc_webhooks").get_models()
            for index in model._meta.indexes
        ]

        assert [index.name for index in indexes if not index.name.startswith("cmc_")] == []
        assert len(indexes) == 37

    def test_of_tables_begin_with_the_app(self):
        tables = [model._meta.db_table for model in apps.get_app_config("cmc_webhooks").get_models()]

        assert len(tables) == len(models.__all__) - 1  # MailEvent is abstract
        assert all(table.startswith("cmc_webhooks_") for table in tables)
