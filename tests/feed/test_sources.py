"""Each source of change writes the feed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from cmc_webhooks import erasure, ingest, models, retention, suppression, wire
from cmc_webhooks.conf import app_settings
from cmc_webhooks.reprocessing import rebuild, rejections
from cmc_webhooks.store import deletion
from tests.conftest import bounce, delivery, notification
from tests.helpers import factories

pytestmark = pytest.mark.django_db

ADDRESS = "user@example.jp"


def receive(event_type, *events):
    return ingest.receive(wire.decode(notification(event_type, *events)))


def kinds(entries):
    return [(entry.kind, entry.server_composition) for entry in entries]


class TestIngest:
    def test_records_each_mail_of_a_batch_once(self, copy):
        receive("deliveries", delivery(), delivery(status="succeeded"), delivery("<m2@example.com>"))

        entries = copy.follow()

        assert kinds(entries) == [("mail", "pro")] * 2
        assert {entry.row.status for entry in entries} == {"succeeded", "queued"}
        assert {entry.key for entry in entries} == set(models.Mail.objects.values_list("pk", flat=True))

    def test_records_a_mail_again_for_each_batch_with_a_new_event(self, copy):
        receive("deliveries", delivery())
        receive("bounces", bounce())

        assert [entry.row.status for entry in copy.follow()] == ["bounced", "bounced"]

    def test_records_nothing_for_a_repeat(self, copy):
        receive("deliveries", delivery())
        copy.follow()

        receive("deliveries", delivery())

        assert copy.follow() == []

    def test_records_blocks(self, copy):
        receive("blocks", {"created": "2023-01-25 14:06:07", "email": ADDRESS, "type": "2", "count": "1"})

        [entry] = copy.follow()

        assert (entry.kind, entry.server_composition) == ("block", "pro")
        assert entry.row == models.BlockEvent.objects.get()

    @pytest.mark.parametrize("is_raw", [True, False])
    def test_records_nothing_while_the_feed_is_off(self, settings, is_raw):
        settings.CMC_WEBHOOKS_RAW_SQL = is_raw

        receive("deliveries", delivery())

        assert not models.Change.objects.exists()

    def test_records_what_is_read_again(self, copy):
        factories.RejectedEventFactory(raw=json.dumps(delivery()), server_composition="pro")

        rejections.retry("default", models.RejectedEvent.objects.all())

        assert kinds(copy.follow()) == [("mail", "pro")]


class TestRebuild:
    def test_records_the_mails_that_differed(self, copy):
        receive("deliveries", delivery(), delivery("<m2@example.com>"))
        wrong = models.Mail.objects.for_message("m1@example.com")
        wrong.update(status="failed")
        copy.follow()

        rebuild.rebuild("default", models.Mail.objects.all())

        [entry] = copy.follow()
        assert (entry.key, entry.row.status) == (wrong.get().pk, "queued")


class TestErasure:
    def test_records_erased_mails_and_blocks_without_an_address(self, copy):
        receive("deliveries", delivery())
        receive("blocks", {"created": "2023-01-25 14:06:07", "email": ADDRESS, "type": "2", "count": "1"})
        copy.follow()

        erasure.erase(ADDRESS)

        entries = copy.follow()
        assert {"erased", "block"} <= {entry.kind for entry in entries}
        assert {getattr(entry.row, "address", "") for entry in entries} == {""}
        assert copy.rows == {
            row.pk: row
            for model in (models.Mail, models.BlockEvent, models.Suppression)
            for row in model.objects.all()
        }

    def test_records_another_mail_that_named_the_person(self, copy):
        receive("deliveries", delivery(to="other@example.jp", reason=f"forwarded by {ADDRESS}"))
        copy.follow()

        erasure.erase(ADDRESS)

        [entry] = copy.follow()
        assert (entry.kind, entry.row.reason) == ("mail", "")


class TestRetention:
    def prune(self, kind):
        return retention.prune(
            "default", kind, datetime.now(UTC) + timedelta(days=1), pace=retention.Pace(500, 0)
        )

    def test_records_deleted_mails_by_their_keys_alone(self, copy):
        receive("deliveries", delivery())
        copy.follow()
        key = models.Mail.objects.get().pk

        assert self.prune("mails") == 1

        [entry] = copy.follow()
        assert (entry.kind, entry.key, entry.server_composition, entry.row) == ("deleted", key, "pro", None)
        assert copy.rows == {}

    def test_of_mails_that_another_process_deleted_records_nothing(self, copy):
        deletion.remove_mails("default", [])

        assert copy.follow() == []

    def test_records_deleted_blocks(self, copy):
        receive("blocks", {"created": "2023-01-25 14:06:07", "email": ADDRESS, "type": "2", "count": "1"})
        copy.follow()

        assert self.prune("events") == 1

        assert kinds(copy.follow()) == [("deleted", "pro")]

    def test_records_mails_whose_personal_data_is_blanked_once(self, copy):
        receive("deliveries", delivery())
        copy.follow()

        assert self.prune("personal") == 1
        assert self.prune("personal") == 0

        [entry] = copy.follow()
        assert (entry.kind, entry.row.address) == ("erased", "")

    def test_records_nothing_for_the_events_of_a_mail_that_stays(self, copy):
        receive("deliveries", delivery())
        copy.follow()

        assert self.prune("events") == 1

        assert copy.follow() == []


class TestDecisions:
    def test_are_recorded_when_made_replaced_and_withdrawn(self, copy):
        suppression.block(ADDRESS)
        suppression.release(ADDRESS, composition="pro")
        suppression.forget(ADDRESS)

        entries = copy.follow()

        assert kinds(entries) == [("suppression", ""), ("suppression", "pro"), ("suppression", "")]
        assert [entry.row and entry.row.kind for entry in entries] == [None, "released", None]

    def test_are_recorded_when_an_erasure_keeps_and_blanks_them(self, copy):
        receive("bounces", bounce())
        suppression.block(ADDRESS, note="asked by phone")
        copy.follow()

        erasure.erase(ADDRESS)
        copy.follow()

        kept = {key: row for key, row in copy.rows.items() if isinstance(row, models.Suppression)}
        assert kept == {row.pk: row for row in models.Suppression.objects.all()}
        assert {(row.address, row.note) for row in kept.values()} == {("", "")}
        assert sorted(row.kind for row in kept.values()) == ["blocked", "kept"]


class TestRolledBack:
    @pytest.mark.django_db(transaction=True)
    def test_is_not_recorded(self, copy, monkeypatch):
        def fail(*args, **kwargs):
            raise RuntimeError

        monkeypatch.setattr(ingest.pipeline.writers.writer_for("default"), "write", fail)

        with pytest.raises(RuntimeError):
            receive("deliveries", delivery())

        assert copy.follow() == []
        assert not models.Change.objects.exists()


def test_the_setting_is_off_by_default():
    assert app_settings.change_feed is False
