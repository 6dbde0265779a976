"""`mails_pruned` and `address_erased` go through the outbox, in the transaction of what they report."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command

from cmc_webhooks import dispatch, erasure, models, retention, signals
from cmc_webhooks.dispatch import lifecycle
from cmc_webhooks.store import deletion
from tests.helpers import factories
from tests.helpers.outbox import USING

pytestmark = pytest.mark.django_db

OLD = datetime.now(UTC) - timedelta(days=400)
BEFORE = datetime.now(UTC) - timedelta(days=300)
ADDRESS = "hanako@example.jp"


def mails(number, **values):
    made = factories.MailFactory.create_batch(number, **values)
    models.Mail.objects.filter(pk__in=[mail.pk for mail in made]).update(
        created_at=OLD.replace(microsecond=0)
    )
    return {mail.pk for mail in made}


def prune():
    return retention.prune(USING, "mails", BEFORE, pace=retention.Pace(pause=0))


class TestMailsPruned:
    def test_names_each_deleted_mail_once(self, sent):
        old = mails(3)
        young = factories.MailFactory(created_at=datetime.now(UTC).replace(microsecond=0))

        assert prune() == 3
        assert sent == []
        assert dispatch.sweep(USING).failed == 0

        calls = sent.of("mails_pruned")
        assert sorted(key for call in calls for key in call["mails"]) == sorted(old)
        assert {call["replay"] for call in calls} == {False}
        assert models.Mail.objects.get() == young
        assert not models.PendingSignal.objects.exists()

    def test_is_not_lost_if_the_process_ends_after_the_deletion(self, sent):
        old = mails(2)

        class Killed(BaseException):
            pass

        def end(done):
            raise Killed

        with pytest.raises(Killed):
            retention.prune(USING, "mails", BEFORE, pace=retention.Pace(pause=0), progress=end)
        dispatch.sweep(USING)

        assert {key for call in sent.of("mails_pruned") for key in call["mails"]} == old

    def test_is_not_sent_if_the_deletion_is_rolled_back(self, sent, monkeypatch):
        mails(2)

        def fail(using, keys):
            raise ValueError

        monkeypatch.setattr(deletion, "remove_mails", fail)
        with pytest.raises(ValueError):  # noqa: PT011 - it has no text
            prune()

        assert not models.PendingSignal.objects.exists()
        assert models.Mail.objects.count() == 2

    def test_has_at_most_500_mails_in_each_call(self, sent):
        keys = [factories.MailFactory.build().pk for _ in range(1001)]

        dispatch.mails_pruned(USING, keys)
        rows = models.PendingSignal.objects.all()
        assert [len(row.items) for row in rows] == [1, 1, 1]
        dispatch.sweep(USING)

        calls = [call["mails"] for call in sent.of("mails_pruned")]
        assert sorted(map(len, calls)) == [1, 500, 500]
        assert sorted(key for call in calls for key in call) == sorted(keys)

    def test_is_sent_by_the_command(self, sent, settings):
        settings.CMC_WEBHOOKS_RETENTION = {"mails": 300}
        old = mails(1)

        call_command("cmc_prune")
        call_command("cmc_dispatch", "--once")

        assert [set(call["mails"]) for call in sent.of("mails_pruned")] == [old]

    def test_writes_nothing_without_a_receiver(self):
        mails(1)

        assert prune() == 1
        assert not models.PendingSignal.objects.exists()

    def test_writes_nothing_without_mails(self, sent):
        assert prune() == 0
        dispatch.mails_pruned(USING, [])

        assert not models.PendingSignal.objects.exists()

    def test_holds_no_row_of_another_kind(self, sent):
        mails(1)
        prune()
        mails(2)

        assert prune() == 2


class TestAddressErased:
    def test_names_the_mails_and_the_hash_and_never_the_address(self, sent):
        hers = mails(2, recipient=ADDRESS)
        mails(1, recipient="taro@example.jp")

        erasure.erase("Hanako <HANAKO@example.jp>")
        stored = json.dumps([[row.items, row.receivers] for row in models.PendingSignal.objects.all()])
        dispatch.sweep(USING)

        calls = sent.of("address_erased")
        assert {key for call in calls for key in call["mails"]} == hers
        assert {call["address_hash"] for call in calls} == {erasure.address_hash(ADDRESS)}
        assert models.Trail.objects.get().address_hash == erasure.address_hash(ADDRESS)
        assert "hanako" not in (stored + str(calls)).lower()

    def test_names_a_mail_to_several_people_too(self, sent):
        both = mails(1, recipient="hanako@example.jp, taro@example.jp", address="")

        erasure.erase(ADDRESS)
        dispatch.sweep(USING)

        assert {key for call in sent.of("address_erased") for key in call["mails"]} == both

    def test_is_sent_once_without_mails_if_there_are_none(self, sent):
        factories.BlockEventFactory(address=ADDRESS)

        erasure.erase(ADDRESS)
        dispatch.sweep(USING)

        assert [(call["mails"], call["address_hash"]) for call in sent.of("address_erased")] == [
            ([], erasure.address_hash(ADDRESS))
        ]

    def test_is_in_pieces_of_500(self, sent):
        keys = [factories.MailFactory.build().pk for _ in range(501)]

        dispatch.address_erased(USING, keys, "hash")
        dispatch.sweep(USING)

        assert sorted(len(call["mails"]) for call in sent.of("address_erased")) == [1, 500]
        assert lifecycle.MAILS_PER_CALL == 500

    def test_names_what_was_blanked_before_an_interruption(self, sent):
        hers = mails(1, recipient=ADDRESS)

        class Killed(BaseException):
            pass

        def end(done):
            raise Killed

        with pytest.raises(Killed):
            erasure.erase(ADDRESS, progress=end)
        erasure.erase(ADDRESS)
        dispatch.sweep(USING)

        assert {key for call in sent.of("address_erased") for key in call["mails"]} == hers

    def test_is_retried_and_keeps_its_arguments(self, receiver):
        seen = []

        def fail(**arguments):
            seen.append((arguments["mails"], arguments["address_hash"], arguments["sender"]))
            raise ValueError

        receiver(signals.address_erased, fail)
        hers = mails(1, recipient=ADDRESS)
        erasure.erase(ADDRESS)

        dispatch.sweep(USING)
        models.PendingSignal.objects.update(available_at=0)
        dispatch.sweep(USING)

        assert seen == [([*hers], erasure.address_hash(ADDRESS), models.Mail)] * 2
        assert models.PendingSignal.objects.get().attempts == 2

    def test_does_not_name_a_mail_that_the_database_refused(self, sent, monkeypatch):
        kept, blanked = mails(1, recipient=ADDRESS), mails(1, recipient=ADDRESS)
        real = deletion.blank_mails

        def refuse(using, keys):
            if not kept.isdisjoint(keys):
                # a value that no database takes, as a trigger would refuse the row
                models.Mail.objects.filter(pk__in=keys).update(version=None)
            return real(using, keys)

        monkeypatch.setattr(deletion, "blank_mails", refuse)
        erased = erasure.erase(ADDRESS)
        dispatch.sweep(USING)

        assert (erased.mails, erased.refused) == (1, 1)
        assert {key for call in sent.of("address_erased") for key in call["mails"]} == blanked

    def test_is_sent_without_mails_if_all_were_refused(self, sent, monkeypatch):
        mails(1, recipient=ADDRESS)

        def refuse(using, keys):
            models.Mail.objects.filter(pk__in=keys).update(version=None)

        monkeypatch.setattr(deletion, "blank_mails", refuse)
        erased = erasure.erase(ADDRESS)
        dispatch.sweep(USING)

        assert erased.refused == 1
        assert [call["mails"] for call in sent.of("address_erased")] == [[]]

    def test_writes_nothing_without_a_receiver(self):
        mails(1, recipient=ADDRESS)

        erasure.erase(ADDRESS)

        assert not models.PendingSignal.objects.exists()


class TestFacts:
    def test_have_the_mails_as_uuids(self, sent):
        [key] = mails(1)
        dispatch.address_erased(USING, [key], "hash")

        assert models.PendingSignal.objects.get().facts == [
            {"signal": "address_erased", "mails": [str(key)], "address_hash": "hash"}
        ]

    def test_are_stored_in_few_bytes(self, sent):
        keys = [factories.MailFactory.build().pk for _ in range(500)]
        dispatch.mails_pruned(USING, keys)

        assert len(json.dumps(models.PendingSignal.objects.get().items)) < 20_000
