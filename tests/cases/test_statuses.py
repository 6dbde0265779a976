from __future__ import annotations

import pytest

from cmc_webhooks import models, status, suppression
from tests import cases
from tests.conftest import bounce, delivery

pytestmark = pytest.mark.django_db

BLANKS = [" ", "\t", "\r\n", "\xa0", "\u1680", "\u2003", "\u2028", "\u202f", "\u3000", "\u200b", "\ufeff"]
EVENTS = (models.BounceEvent, models.DeliveryEvent)


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

    @pytest.mark.parametrize("code", ["12", "hard", "5.1.1", "", "99x", "漢", "x" * 200])
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


class TestD01:
    """Blanks around a status or a code."""

    def test_a_code_and_a_status_lose_their_blanks(self, open_hook):
        answers = cases.play(open_hook, "D01")

        bounced, delivered = models.BounceEvent.objects.get(), models.DeliveryEvent.objects.get()
        assert cases.codes(answers) == [200, 200]
        assert (bounced.bounce_code, bounced.bounce_class, bounced.extra) == ("2", "hard", {"status": " 2"})
        assert not suppression.may_send("d01@example.jp")
        assert (delivered.status, delivered.extra) == ("succeeded", {"status": "succeeded "})

    def test_a_later_queued_does_not_overwrite_it(self, open_hook):
        cases.play(open_hook, "D01")
        sent = cases.recorded("D01-2.json")[0]

        cases.send(open_hook, "deliveries", sent | {"status": "queued", "created": "2026-11-21 14:03:06"})

        assert models.Mail.objects.get(recipient="d01b@example.jp").status == "succeeded"

    def test_event_keys_are_made_of_what_was_sent(self, open_hook):
        cases.play(open_hook, "D01")

        keys = [str(event.pk) for model in EVENTS for event in model.objects.all()]
        assert keys == ["01a1f944-9d90-8f3f-b7b2-44b77a9e16e5", "01a1f944-9d90-8de8-bdc9-ef2448bf16d2"]

    @pytest.mark.parametrize("blank", BLANKS, ids=ascii)
    @pytest.mark.parametrize("form", ["{0}{1}", "{1}{0}", "{0}{0}{1}{0}"])
    def test_holds_for_every_blank(self, open_hook, form, blank):
        word, code = form.format(blank, "failed"), form.format(blank, "10")

        cases.send(open_hook, "deliveries", delivery(status=word))
        cases.send(open_hook, "bounces", bounce(status=code))
        cases.send(open_hook, "blocks", {"email": "b@example.jp", "status": code})

        assert models.DeliveryEvent.objects.get().status == "failed"
        assert models.BounceEvent.objects.get().bounce_class == "suppressed"
        assert models.BlockEvent.objects.get().bounce_code == "10"

    @pytest.mark.parametrize("blank", BLANKS, ids=ascii)
    def test_holds_for_the_type_of_the_events(self, open_hook, blank):
        event = {f"{blank}deliveries": [delivery()]}

        answer = cases.send(open_hook, f"deliveries{blank}", event=event)

        assert answer.json() == {"new": 1, "repeated": 0, "rejected": 0}

    @pytest.mark.parametrize("name", ["apiData", "from", "sourceIp", "senderIp"])
    def test_holds_for_other_words_that_are_filtered_by(self, open_hook, name):
        cases.send(open_hook, "deliveries", delivery(**{name: "\u3000word\xa0"}))

        event = models.DeliveryEvent.objects.get()
        columns = {"apiData": event.mail.api_data, "from": event.mail.header_from}
        columns |= {"sourceIp": event.source_ip, "senderIp": event.sender_ip}
        assert columns[name] == "word"
        assert event.extra == {name: "\u3000word\xa0"}

    @pytest.mark.parametrize("status", [" ", "\u3000", "\u200b"], ids=ascii)
    def test_blanks_alone_are_no_status(self, open_hook, status):
        cases.send(open_hook, "deliveries", delivery(status=status))

        event = models.DeliveryEvent.objects.get()
        assert (event.status, event.extra) == ("", {"status": status})

    def test_a_long_one_is_kept_as_it_was_sent(self, open_hook):
        word = f" {'x' * 200} "

        cases.send(open_hook, "deliveries", delivery(status=word))

        event = models.DeliveryEvent.objects.get()
        assert (event.status, event.extra) == ("x" * 32, {"status": word})

    def test_blanks_inside_stay(self, open_hook):
        cases.send(open_hook, "deliveries", delivery(status="in transit"))

        event = models.DeliveryEvent.objects.get()
        assert (event.status, event.extra) == ("in transit", {})
