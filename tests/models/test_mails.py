from __future__ import annotations

from datetime import timedelta

import pytest
from django.apps import apps
from django.utils import timezone

from cmc_webhooks import models
from tests import factories

pytestmark = pytest.mark.django_db


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

    def test_has_no_bounce_class_without_a_bounce(self):
        assert factories.MailFactory().bounce_class == ""


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
        assert len(indexes) == 21

    def test_of_tables_begin_with_the_app(self):
        tables = [model._meta.db_table for model in apps.get_app_config("cmc_webhooks").get_models()]

        assert len(tables) == len(models.__all__) - 1  # MailEvent is abstract
        assert all(table.startswith("cmc_webhooks_") for table in tables)
