from __future__ import annotations

from datetime import timedelta

import pytest

from cmc_webhooks import dispatch, models
from cmc_webhooks.dispatch.calls import SignalCall
from cmc_webhooks.reprocessing import redeliver, selection
from tests.helpers import factories

USING = "default"

pytestmark = pytest.mark.django_db


def chosen(**values):
    return list(selection.Selection(**values).events(USING))


@pytest.fixture
def history():
    """Two mails, one of them bounced, and a block."""
    good = factories.MailFactory(delivery_status="succeeded", server_composition="sandbox")
    bad = factories.MailFactory(bounce_code="2")
    bounced = factories.BounceEventFactory(mail=bad, occurred_at=factories.START + timedelta(days=2))
    models.Mail.objects.filter(pk=bad.pk).update(
        bounce_event_id=bounced.pk, previous_status="failed", version=2
    )
    queued = factories.DeliveryEventFactory(mail=good, status="queued")
    block = factories.BlockEventFactory()
    return {"queued": queued, "bounced": bounced, "block": block}


class TestCount:
    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            ({}, (3, 4)),
            ({"status": "bounced"}, (1, 2)),
            ({"server_composition": "sandbox"}, (1, 1)),
            ({"event_types": ["blocks"]}, (1, 1)),
            ({"since": factories.START + timedelta(days=1)}, (1, 2)),
            ({"until": factories.START + timedelta(days=1)}, (2, 2)),
            ({"address": "nobody@example.jp"}, (0, 0)),
        ],
        ids=str,
    )
    def test_holds_for_each_filter(self, history, values, expected):
        assert redeliver.count(chosen(**values)) == expected

    def test_finds_an_address_in_any_spelling_with_its_blocks(self, history):
        factories.BlockEventFactory(address=history["bounced"].mail.address)

        assert redeliver.count(chosen(address=f"X <{history['bounced'].mail.address.upper()}>")) == (2, 3)


class TestRedeliver:
    def test_owes_each_event_and_the_change_that_it_decided(self, history):
        done = []

        enqueued = redeliver.redeliver(USING, chosen(), progress=done.append)

        items = [item for row in models.PendingSignal.objects.all() for item in row.facts]
        by_event = {}
        for item in items:
            by_event.setdefault(item["event"], []).append(item["signal"])
        assert (enqueued, sum(map(len, done))) == ((3, 4), 3)
        assert by_event == {
            str(history["queued"].pk): ["event_recorded"],
            str(history["bounced"].pk): ["event_recorded", "status_changed"],
            str(history["block"].pk): ["event_recorded"],
        }
        [change] = [item for item in items if item["signal"] == "status_changed"]
        assert (change["old"], change["new"], change["version"]) == ("failed", "bounced", 2)

    def test_tells_receivers_what_the_first_time_told_them(self, history, sent):
        redeliver.redeliver(USING, chosen(event_types=["bounces"]))
        dispatch.sweep(USING)

        assert [name for name, _, _ in sent] == ["event_recorded", "status_changed"]
        assert sent[0][2]["event"] == history["bounced"]

    def test_changes_no_row_of_the_history(self, history):
        before = [
            list(model.objects.values()) for model in (models.Mail, models.DeliveryEvent, models.BounceEvent)
        ]

        redeliver.redeliver(USING, chosen())

        after = [
            list(model.objects.values()) for model in (models.Mail, models.DeliveryEvent, models.BounceEvent)
        ]
        assert after == before

    def test_goes_in_chunks_of_constant_cost(self, django_assert_max_num_queries):
        mail = factories.MailFactory()
        factories.DeliveryEventFactory.create_batch(30, mail=mail)

        with django_assert_max_num_queries(12):
            assert redeliver.redeliver(USING, chosen()) == (30, 30)


class TestCallsFor:
    def test_has_no_change_for_events_that_decide_nothing(self, history):
        assert list(redeliver.calls_for([history["queued"]])) == [
            SignalCall("event_recorded", history["queued"], history["queued"].mail)
        ]
