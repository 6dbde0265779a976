"""Times mean what they say, whatever zone they name and however the project stores times."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cmc_webhooks import ingest, models, wire
from tests.conftest import delivery, notification
from tests.management.test_commands import run

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("use_tz", [True, False])
class TestTimes:
    @pytest.mark.parametrize(
        ("arguments", "events"),
        [
            (["--since", "2023-01-25T14:03:06+09:00"], 1),
            (["--since", "2023-01-25T14:03:07+09:00"], 0),
            (["--since", "2023-01-25T00:03:06"], 1),
            (["--since", "2023-01-25T00:03:07"], 0),
            (["--until", "2023-01-25T05:03:06Z"], 0),
            (["--until", "2023-01-25T05:03:07Z"], 1),
            (["--since", "2023-01-25", "--until", "2023-01-26"], 1),
            (["--since", "1900-01-01T00:00+23:59", "--until", "9998-12-31T23:59:59-23:59"], 1),
        ],
        ids=str,
    )
    def test_mean_what_they_say(self, settings, use_tz, arguments, events):
        settings.USE_TZ, settings.TIME_ZONE = use_tz, "America/New_York"
        moment = datetime(2023, 1, 25, 5, 3, 6, tzinfo=UTC)
        block = {"created": "2023-01-25 14:03:06", "to": "a@example.jp"}
        for body in (notification("deliveries", delivery(), delivery(to=[])), notification("blocks", block)):
            ingest.receive(wire.decode(body), received_at=moment)

        assert run("cmc_redeliver", "--dry-run", *arguments) == (
            f"{2 * events} events, {3 * events} signals\n",
            0,
        )
        assert run("cmc_rebuild_status", "--check", *arguments) == (f"{events} mails, 0 differ\n", 0)
        assert run("cmc_retry_rejected", "--dry-run", *arguments)[0].startswith(f"{events} open")

    @pytest.mark.parametrize(("days", "left"), [(0, 0), (36500, 1)])
    def test_are_compared_with_the_clock(self, settings, use_tz, days, left):
        settings.USE_TZ, settings.TIME_ZONE = use_tz, "America/New_York"
        ingest.receive(
            wire.decode(notification("deliveries", delivery())), received_at=datetime(2023, 1, 26, tzinfo=UTC)
        )

        run("cmc_rebuild_counts", "--since", "2023-01-25", "--until", "2023-01-26")
        kinds = [f"--kind={kind}" for kind in ("events", "mails", "personal")]
        run("cmc_prune", *kinds, "--days", str(days), "--pause", "0")

        assert models.DeliveryEvent.objects.count() == models.Mail.objects.count() == left
        assert run("cmc_rebuild_counts", "--check")[1] == 0
        assert run("cmc_erase", "user@example.jp", "--no-input")[0].startswith(f"{left} mails")
