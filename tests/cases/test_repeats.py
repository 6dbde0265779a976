from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from cmc_webhooks import history, models
from tests import cases
from tests.conftest import CASES, Hook, bounce, delivery

pytestmark = pytest.mark.django_db

BUILDERS = {
    "deliveries": delivery,
    "bounces": bounce,
    "blocks": lambda name, **values: {"email": "user@example.jp", "id": name} | values,
}
each_type = pytest.mark.parametrize("event_type", BUILDERS)


class TestC25:
    def test_the_same_request_twice_is_one_event(self, open_hook, sent):
        answers = cases.play(open_hook, "C25")

        assert [answer.json() for answer in answers] == [
            {"new": 1, "repeated": 0, "rejected": 0},
            {"new": 0, "repeated": 1, "rejected": 0},
        ]
        assert cases.stored() == {"Mail": 1, "DeliveryEvent": 1, "Notification": 2}
        assert len(sent.of("event_recorded")) == 1
        assert len(sent.of("status_changed")) == 1

    @each_type
    def test_holds_for_every_type_and_for_overlaps(self, open_hook, sent, event_type):
        a, b, c = (BUILDERS[event_type](name) for name in "abc")

        answers = [cases.send(open_hook, event_type, *batch) for batch in ([a, b], [b, c], [c, b, a], [a])]

        assert [tuple(answer.json().values()) for answer in answers] == [
            (2, 0, 0),
            (1, 1, 0),
            (0, 3, 0),
            (0, 1, 0),
        ]
        assert len(sent.of("event_recorded")) == 3

    @pytest.mark.parametrize("field", [*delivery(), "new"])
    def test_events_that_differ_in_one_field_are_two(self, open_hook, sent, field):
        cases.send(open_hook, "deliveries", delivery())
        answer = cases.send(open_hook, "deliveries", delivery(**{field: "2023-01-25 14:04:06"}))

        assert answer.json() == {"new": 1, "repeated": 0, "rejected": 0}
        assert len(sent.of("event_recorded")) == 2

    def test_events_of_two_compositions_are_two(self, open_hook):
        cases.send(open_hook, "deliveries", delivery())
        cases.send(open_hook, "deliveries", delivery(), server_composition="sandbox")

        assert models.DeliveryEvent.objects.count() == models.Mail.objects.count() == 2

    def test_an_event_of_two_types_is_two(self, open_hook):
        cases.send(open_hook, "deliveries", bounce())
        cases.send(open_hook, "bounces", bounce())

        assert cases.stored() == {"Mail": 1, "DeliveryEvent": 1, "BounceEvent": 1, "Notification": 2}

    def test_the_order_of_names_and_the_blanks_do_not_matter(self, open_hook):
        event = dict(reversed(delivery().items()))

        cases.send(open_hook, "deliveries", delivery())
        answer = cases.post(open_hook, cases.notification(event).replace(b",", b" ,\r\n"))

        assert answer.json() == {"new": 0, "repeated": 1, "rejected": 0}


class TestC26:
    def test_twins_in_one_batch_are_one_event(self, open_hook, sent):
        answers = cases.play(open_hook, "C26")

        assert answers[0].json() == {"new": 2, "repeated": 1, "rejected": 0}
        assert [row["messageId"] for row in cases.rows("delivery")] == [
            "<c26a@example.com>",
            "<c26b@example.com>",
        ]
        assert len(sent.of("event_recorded")) == 2

    @each_type
    def test_holds_for_every_type_and_number(self, open_hook, sent, event_type):
        a, b = (BUILDERS[event_type](name) for name in "ab")

        answer = cases.send(open_hook, event_type, a, *[b] * 40, a, *[b] * 20, a)

        assert answer.json() == {"new": 2, "repeated": 61, "rejected": 0}
        assert len(sent.of("event_recorded")) == 2

    def test_rejected_twins_are_one_row(self, open_hook):
        odd = {"to": ["user@example.jp"]}

        answer = cases.send(open_hook, "deliveries", odd, delivery(), odd)

        assert answer.json() == {"new": 1, "repeated": 0, "rejected": 2}
        assert models.RejectedEvent.objects.count() == 1


class TestC27:
    def test_an_older_status_that_comes_late_changes_nothing(self, open_hook, sent):
        answers = cases.play(open_hook, "C27")

        mail = models.Mail.objects.get()
        assert cases.codes(answers) == [200, 200]
        assert (mail.status, mail.version) == ("succeeded", 1)
        assert [row["status"] for row in cases.rows("delivery")] == ["queued", "succeeded"]
        assert [event.status for event in history.timeline(mail)] == ["queued", "succeeded"]
        assert [(call["old"], call["new"]) for call in sent.of("status_changed")] == [("", "succeeded")]

    @pytest.mark.parametrize("order", list(itertools.permutations(range(4))), ids=str)
    def test_no_order_of_arrival_matters(self, open_hook, sent, order):
        steps = [
            ("deliveries", delivery(status="queued")),
            ("deliveries", delivery(status="deferred", created="2023-01-25 14:04:06", reason="451 later")),
            ("deliveries", delivery(status="failed", created="2023-01-25 14:05:06", reason="550 no")),
            ("bounces", bounce(created="2023-01-25 14:05:05")),
        ]

        for step in order:
            cases.send(open_hook, *steps[step])

        mail = models.Mail.objects.get()
        changes = [(call["old"], call["new"]) for call in sent.of("status_changed")]
        assert (mail.status, mail.delivery_status, mail.bounce_code) == ("bounced", "failed", "2")
        assert mail.reason == "550 5.1.1 user unknown"
        assert mail.status_at == models.BounceEvent.objects.get().occurred_at
        assert mail.version == len(changes)
        assert changes[0][0] == ""
        assert changes[-1][1] == "bounced"
        assert [old for old, _ in changes[1:]] == [new for _, new in changes[:-1]]
        assert len(sent.of("event_recorded")) == 4


@pytest.mark.django_db(transaction=True)
class TestC28:
    def post_at_once(self, bodies):
        barrier = threading.Barrier(len(bodies))

        def post(body):
            try:
                hook = Hook()
                barrier.wait(timeout=10)
                return hook.post(body)
            finally:
                connections.close_all()

        with ThreadPoolExecutor(len(bodies)) as threads:
            return list(threads.map(post, bodies))

    @pytest.mark.usefixtures("open_hook")
    def test_eight_copies_at_once_are_one_event(self, sent, caplog):
        answers = self.post_at_once([(CASES / "C28.json").read_bytes()] * 8)

        assert cases.codes(answers) == [200] * 8
        assert sorted(answer.json()["new"] for answer in answers) == [0] * 7 + [1]
        assert cases.stored() == {"Mail": 1, "DeliveryEvent": 1, "Notification": 8}
        assert len(sent.of("event_recorded")) == 1
        assert len(sent.of("status_changed")) == 1
        assert [record.getMessage() for record in caplog.records if record.exc_info] == []

    @pytest.mark.usefixtures("open_hook")
    def test_holds_for_overlapping_batches_in_any_order(self, sent, caplog):
        events = [delivery(f"<{number}@x>") for number in range(40)]
        bodies = [cases.notification(*events[start:], *events[: start + 5]) for start in range(0, 40, 5)]

        answers = self.post_at_once(bodies)

        assert cases.codes(answers) == [200] * 8
        assert sum(answer.json()["new"] for answer in answers) == 40
        assert cases.stored() == {"Mail": 40, "DeliveryEvent": 40, "Notification": 8}
        assert sorted(str(call["event"].pk) for call in sent.of("event_recorded")) == sorted(
            str(key) for key in models.DeliveryEvent.objects.values_list("pk", flat=True)
        )
        assert len(sent.of("status_changed")) == 40
        assert [record.getMessage() for record in caplog.records if record.exc_info] == []

    @pytest.mark.usefixtures("open_hook")
    def test_different_events_of_one_mail_at_once_are_all_merged(self, sent):
        words = ["queued", "deferred", "deferred", "deferred", "succeeded", "queued", "new word", "deferred"]
        events = [delivery(status=word, reason=str(number)) for number, word in enumerate(words)]

        answers = self.post_at_once([cases.notification(event) for event in events])

        mail = models.Mail.objects.get()
        assert cases.codes(answers) == [200] * 8
        assert (mail.status, mail.delivery_events.count()) == ("succeeded", 8)
        assert mail.version == len(sent.of("status_changed"))
        assert {call["version"] for call in sent.of("status_changed")} == set(range(1, mail.version + 1))
