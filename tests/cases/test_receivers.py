from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from django.db import connections

from cmc_webhooks import models, signals
from tests import cases
from tests.conftest import bounce, delivery

pytestmark = pytest.mark.django_db

BUILDERS = {
    "deliveries": delivery,
    "bounces": bounce,
    "blocks": lambda name: {"email": "a@example.jp", "id": name},
}
MODELS = {
    "deliveries": models.DeliveryEvent,
    "bounces": models.BounceEvent,
    "blocks": models.BlockEvent,
}


@contextmanager
def connected(signal, *receivers):
    for receiver in receivers:
        signal.connect(receiver)
    try:
        yield
    finally:
        for receiver in receivers:
            signal.disconnect(receiver)


@pytest.fixture
def atomic_requests(monkeypatch):
    """ATOMIC_REQUESTS for every database."""
    for database in connections.settings.values():
        monkeypatch.setitem(database, "ATOMIC_REQUESTS", True)


class TestC39:
    @pytest.mark.parametrize("first", ["the one that raises", "the good one"])
    def test_a_receiver_that_raises_stops_no_other(self, open_hook, caplog, first):
        calls = []

        def good(**arguments):
            calls.append(arguments["event"].pk)

        def bad(**arguments):
            raise RuntimeError("a fault of the site's own")

        with connected(
            signals.event_recorded, *([bad, good] if first == "the one that raises" else [good, bad])
        ):
            answers = cases.play(open_hook, "C39")

        failures = [record for record in caplog.records if record.levelno >= logging.ERROR]
        assert answers[0].json() == {"new": 3, "repeated": 0, "rejected": 0}
        assert models.DeliveryEvent.objects.count() == 3
        assert len(calls) == 3
        assert len(failures) == 3
        assert [record.exc_info[0] for record in failures] == [RuntimeError] * 3

    def test_what_failed_stays_owed_and_the_answer_is_200(self, open_hook):
        def bad(**arguments):
            raise RuntimeError("a fault of the site's own, about user@example.jp")

        with connected(signals.event_recorded, bad), connected(signals.status_changed, bad):
            answers = cases.play(open_hook, "C39")

        enqueued = models.PendingSignal.objects.all()
        assert cases.codes(answers) == [200]
        assert sum(len(row.items) for row in enqueued) == 6
        assert {row.last_error for row in enqueued} == {"RuntimeError"}

    def test_what_was_sent_is_not_owed(self, open_hook, sent):
        cases.play(open_hook, "C39")

        assert len(sent) == 6
        assert models.PendingSignal.objects.count() == 0

    def test_without_receivers_nothing_is_owed(self, open_hook):
        cases.play(open_hook, "C39")

        assert models.PendingSignal.objects.count() == 0


class TestC40:
    def read_in_another_thread(self, seen):
        def read(event, mail, **arguments):
            def exists():
                try:
                    found = type(event).objects.get(pk=event.pk).notification_id
                    status = models.Mail.objects.get(pk=mail.pk).status if mail else None
                    return models.Notification.objects.filter(pk=found).exists(), status
                finally:
                    connections.close_all()

            with ThreadPoolExecutor(1) as thread:
                seen.append(thread.submit(exists).result(timeout=20))

        return read

    @pytest.mark.django_db(transaction=True)
    def test_another_connection_can_read_the_row(self, open_hook):
        seen = []
        receiver = self.read_in_another_thread(seen)

        with connected(signals.event_recorded, receiver), connected(signals.status_changed, receiver):
            answers = cases.play(open_hook, "C40")

        assert cases.codes(answers) == [200]
        assert seen == [(True, "succeeded")] * 2

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.usefixtures("atomic_requests")
    @pytest.mark.parametrize("event_type", BUILDERS)
    def test_holds_under_atomic_requests(self, open_hook, event_type):
        seen = []

        with connected(signals.event_recorded, self.read_in_another_thread(seen)):
            answer = cases.send(open_hook, event_type, BUILDERS[event_type]("<a@x>"))

        assert answer.json() == {"new": 1, "repeated": 0, "rejected": 0}
        assert [found for found, _ in seen] == [True]

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.usefixtures("atomic_requests")
    def test_a_receiver_runs_outside_any_transaction(self, open_hook):
        inside = []

        def receiver(**arguments):
            inside.extend(connections[alias].in_atomic_block for alias in connections)

        with connected(signals.event_recorded, receiver):
            cases.play(open_hook, "C40")

        assert inside == [False] * len(list(connections))


class TestC41:
    def test_each_signal_has_its_row_in_the_order_of_the_batch(self, open_hook, sent):
        answers = cases.play(open_hook, "C41")

        events = [call["event"] for call in sent.of("event_recorded")]
        ids = [f"<c41{letter}@example.com>" for letter in "abc"]
        assert cases.codes(answers) == [200]
        assert [event.message_id for event in events] == ids
        assert [models.BounceEvent.objects.get(pk=event.pk).message_id for event in events] == ids

    @pytest.mark.parametrize("event_type", BUILDERS)
    def test_holds_for_every_type_in_any_order(self, open_hook, sent, event_type):
        names = [f"<{number * 7 % 30}@x>" for number in range(30)]

        cases.send(open_hook, event_type, *[BUILDERS[event_type](name) for name in names])

        events = [call["event"] for call in sent.of("event_recorded")]
        loaded = [MODELS[event_type].objects.get(pk=event.pk) for event in events]
        if event_type == "blocks":
            assert [event.raw["id"] for event in loaded] == names
        else:
            assert [event.message_id for event in loaded] == names
            assert [call["mail"] for call in sent.of("event_recorded")] == [event.mail for event in loaded]
        assert [(event._state.adding, event._state.db) for event in events] == [(False, "default")] * 30

    def test_senders_tell_the_types_apart(self, open_hook, sent):
        for event_type, build in BUILDERS.items():
            cases.send(open_hook, event_type, build("<a@x>"))

        assert [(name, sender) for name, sender, _ in sent] == [
            ("event_recorded", models.DeliveryEvent),
            ("status_changed", models.Mail),
            ("event_recorded", models.BounceEvent),
            ("status_changed", models.Mail),
            ("event_recorded", models.BlockEvent),
        ]

    def test_a_change_tells_old_and_new_and_the_event_that_decided(self, open_hook, sent):
        cases.send(
            open_hook, "deliveries", delivery(), delivery(status="failed", created="2023-01-25 14:06:06")
        )
        cases.send(open_hook, "bounces", bounce())

        changes = sent.of("status_changed")
        mail = models.Mail.objects.get()
        assert [(call["old"], call["new"], call["version"]) for call in changes] == [
            ("", "failed", 1),
            ("failed", "bounced", 2),
        ]
        assert changes[0]["event"].status == "failed"
        assert changes[1]["event"] == models.BounceEvent.objects.get()
        assert [call["mail"] for call in changes] == [mail, mail]
        assert (changes[1]["mail"].status, changes[1]["mail"].version) == (mail.status, mail.version)
