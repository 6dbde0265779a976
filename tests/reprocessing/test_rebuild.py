from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cmc_webhooks import ingest, models, wire
from cmc_webhooks.reprocessing import rebuild
from tests.conftest import bounce, delivery, notification

USING = "default"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def history():
    """Three mails: succeeded, bounced, deferred."""
    for event_type, *events in [
        (
            "deliveries",
            delivery("<a@x>"),
            delivery("<a@x>", status="succeeded", created="2023-01-25 14:03:09"),
        ),
        ("deliveries", delivery("<b@x>", status="failed", reason="550 no")),
        ("bounces", bounce("<b@x>")),
        (
            "deliveries",
            delivery("<c@x>"),
            delivery("<c@x>", status="deferred", created="2023-01-25 14:09:00"),
        ),
    ]:
        ingest.receive(
            wire.decode(notification(event_type, *events)), received_at=datetime(2023, 1, 26, tzinfo=UTC)
        )


def mail(message_id):
    return models.Mail.objects.for_message(message_id).get()


def break_status(message_id, **values):
    models.Mail.objects.filter(pk=mail(message_id).pk).update(**values)


class TestRebuild:
    def test_finds_nothing_to_do_in_a_true_history(self, history):
        assert rebuild.rebuild(USING, models.Mail.objects.all()) == rebuild.Rebuilt(mails=3, different=0)
        assert rebuild.rebuild(USING, models.Mail.objects.all(), check=True) == rebuild.Rebuilt(3, 0)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"status": "queued", "delivery_status": "queued", "delivery_event_id": None},
            {"status": "queued"},
            {"reason": "another"},
            {"bounce_class": "soft"},
            {"status_at": datetime(2000, 1, 1, tzinfo=UTC)},
            {"bounce_event_id": None, "bounce_code": "", "bounce_class": "", "status": "failed"},
        ],
        ids=str,
    )
    def test_repairs_what_differs(self, history, wrong):
        good = models.Mail.objects.filter(pk=mail("b@x").pk).values().get()
        break_status("b@x", **wrong)

        checked = rebuild.rebuild(USING, models.Mail.objects.all(), check=True)
        repaired = rebuild.rebuild(USING, models.Mail.objects.all())

        now = models.Mail.objects.filter(pk=mail("b@x").pk).values().get()
        by_way = {"version", "previous_status"}
        assert checked == repaired == rebuild.Rebuilt(mails=3, different=1)
        assert {name: now[name] for name in now if name not in by_way} == {
            name: good[name] for name in good if name not in by_way
        }
        assert rebuild.rebuild(USING, models.Mail.objects.all(), check=True).different == 0

    def test_owes_the_change_of_a_repaired_status(self, history, sent):
        break_status("a@x", status="queued", version=7)

        rebuild.rebuild(USING, models.Mail.objects.all())

        [item] = models.PendingSignal.objects.get().facts
        assert (item["signal"], item["old"], item["new"], item["version"]) == (
            "status_changed",
            "queued",
            "succeeded",
            8,
        )

    def test_counts_a_winner_whose_row_was_pruned(self, history):
        models.BounceEvent.objects.all().delete()

        assert rebuild.rebuild(USING, models.Mail.objects.all()) == rebuild.Rebuilt(mails=3, different=0)
        assert mail("b@x").status == "bounced"
