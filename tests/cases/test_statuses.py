from __future__ import annotations

import pytest

from cmc_webhooks import models, status
from tests import cases
from tests.conftest import bounce, delivery

pytestmark = pytest.mark.django_db


class TestC12:
    def test_a_code_sent_as_a_number_is_the_same_event(self, open_hook, sent):
        answers = cases.play(open_hook, "C12")

        assert cases.codes(answers) == [200, 200]
        assert cases.row("bounce")["status"] == "2"
        assert models.BounceEvent.objects.filter(bounce_code="2").count() == 1
        assert len(sent.of("event_recorded")) == 1

    @pytest.mark.parametrize("code", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 99, 0, 1000, 2.0])
    def test_holds_for_every_code(self, open_hook, code):
        cases.send(open_hook, "bounces", bounce(status=code))
        answer = cases.send(open_hook, "bounces", bounce(status=str(code)))

        assert answer.json() == {"new": 0, "repeated": 1, "rejected": 0}
        assert cases.row("bounce")["status"] == str(code)
        assert cases.row("bounce")["event"].bounce_class == status.bounce_class(str(code))

    def test_true_is_not_code_1(self, open_hook):
        cases.send(open_hook, "bounces", bounce(status=True))
        cases.send(open_hook, "bounces", bounce(status=1))

        classes = {event.bounce_code: event.bounce_class for event in models.BounceEvent.objects.all()}
        assert classes == {"true": "unknown", "1": "hard"}


class TestC13:
    def test_a_status_nobody_listed_is_kept(self, open_hook, sent):
        answers = cases.play(open_hook, "C13")

        assert cases.codes(answers) == [200]
        assert cases.row("delivery")["status"] == "expired"
        assert models.Mail.objects.get().status == "expired"
        assert len(sent.of("event_recorded")) == 1

    @pytest.mark.parametrize("word", ["QUEUED", "Failed ", "開封", "bounced", "", "x" * 200])
    def test_it_never_hides_a_listed_one(self, open_hook, word):
        late = delivery(status=word, created="2023-01-26 14:03:06")

        cases.send(open_hook, "deliveries", delivery(status="failed"), late)

        mail = models.Mail.objects.get()
        assert (mail.status, mail.delivery_events.count()) == ("failed", 2)

    @pytest.mark.parametrize("code", ["12", "hard", "5.1.1", "", "99 ", "漢", "x" * 200])
    def test_holds_for_bounce_codes(self, open_hook, code):
        cases.send(open_hook, "bounces", bounce(status=code))

        mail = models.Mail.objects.get()
        assert (mail.status, mail.bounce_code, mail.bounce_class) == ("bounced", code[:32], "unknown")
        assert cases.row("bounce")["status"] == code


class TestC14:
    def test_a_block_is_a_record_of_its_own(self, open_hook, sent):
        answers = cases.play(open_hook, "C14")

        block = models.BlockEvent.objects.get()
        assert cases.codes(answers) == [200]
        assert cases.stored() == {"BlockEvent": 1, "Notification": 1}
        assert (block.address, block.bounce_code) == ("user@example.jp", "unsubscribed")
        assert [block.raw] == cases.recorded("C14.json")
        assert [(name, sender) for name, sender, _ in sent] == [("event_recorded", models.BlockEvent)]
        assert sent.of("event_recorded")[0]["mail"] is None

    def test_a_block_as_rest_tells_it_is_read(self, open_hook):
        block = {
            "created": "2023-01-25 14:10:00",
            "email": "A@Example.JP",
            "id": "7",
            "occurred": "3",
            "status": "2",
        }

        cases.send(open_hook, "blocks", block)

        stored = models.BlockEvent.objects.get()
        assert (stored.address, stored.bounce_code, stored.occurrences) == ("a@example.jp", "2", "3")
        assert stored.raw == block

    def test_a_block_touches_no_mail(self, open_hook):
        cases.send(open_hook, "deliveries", delivery(status="succeeded"))
        cases.send(
            open_hook, "blocks", {"to": "user@example.jp", "messageId": "<m1@example.com>", "status": "10"}
        )

        mail = models.Mail.objects.get()
        assert (mail.status, mail.version) == ("succeeded", 1)

    @pytest.mark.parametrize("item", [None, "user@example.jp", 5, True, ["user@example.jp"]], ids=repr)
    def test_a_block_that_is_no_object_leaves_a_trace(self, open_hook, item):
        answer = cases.send(open_hook, "blocks", {"to": "a@example.jp"}, item)

        assert answer.json() == {"new": 1, "repeated": 0, "rejected": 1}
        assert models.RejectedEvent.objects.get().position == 1

    @pytest.mark.parametrize("event_type", ["opens", "Deliveries", "クリック", "unsubscribes"])
    def test_a_type_never_seen_is_kept_for_a_later_version(self, open_hook, event_type, caplog):
        answer = cases.send(open_hook, event_type, {"to": "a@example.jp"}, {"to": "b@example.jp"}, "text")

        kept = models.RejectedEvent.objects.order_by("position")
        assert answer.json() == {"new": 0, "repeated": 0, "rejected": 3}
        assert [(each.position, each.event_type, each.resolved_at) for each in kept] == [
            (0, event_type, None),
            (1, event_type, None),
            (2, event_type, None),
        ]
        assert [each.raw for each in kept] == ['{"to": "a@example.jp"}', '{"to": "b@example.jp"}', '"text"']
        assert [f"event.{event_type}[1]" in record.getMessage() for record in caplog.records] == [
            False,
            True,
            False,
        ]
