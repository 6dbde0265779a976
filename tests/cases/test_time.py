from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from cmc_webhooks import models
from tests import cases
from tests.conftest import bounce, delivery

pytestmark = pytest.mark.django_db

ZONES = ["UTC", "America/New_York", "Asia/Tokyo", "Asia/Kathmandu", "Pacific/Kiritimati"]
each_zone = pytest.mark.parametrize("zone", ZONES)
UNUSABLE = [
    "0000-00-00 00:00:00", "0000-01-01 00:00:00", "2023-02-30 10:00:00", "2023-13-01 10:00:00",
    "2023-00-10 10:00:00",
    "2023-01-25 24:00:01", "2023-01-25 14:60:06", "2023-01-25 14:03:61", "2023-01-25", "14:03:06",
    "yesterday", " ",
    "1674622986", "01/25/2023 14:03:06", "Wed, 25 Jan 2023 14:03:06 +0900", "2023-01-25 14:03:06 JST",
    "-0001-01-01 00:00:00",
    "10000-01-01 00:00:00", "0001-01-01 00:00:00", "1969-12-31 23:59:59", "9999-12-31 23:59:59",
    "２０２３-01-25 14:03:06",
    "2023-01-25 14:03:06+99:99", "2023-01-25 14:03:06 +09:00:00:00", "2023-01-25 14:03:06\0",
    "2023-01-25T", "x" * 5000,
]  # fmt: skip
USABLE = {
    "2023-01-25 14:03:06": datetime(2023, 1, 25, 5, 3, 6, tzinfo=UTC),
    "2023-01-25T14:03:06": datetime(2023, 1, 25, 5, 3, 6, tzinfo=UTC),
    " 2023-01-25 14:03:06\t": datetime(2023, 1, 25, 5, 3, 6, tzinfo=UTC),
    "2023-01-25 14:03:06.5": datetime(2023, 1, 25, 5, 3, 6, 500_000, tzinfo=UTC),
    "2023-01-25 14:03:06.123456": datetime(2023, 1, 25, 5, 3, 6, 123_456, tzinfo=UTC),
    "2023-01-25 14:03:06Z": datetime(2023, 1, 25, 14, 3, 6, tzinfo=UTC),
    "2023-01-25T14:03:06+00:00": datetime(2023, 1, 25, 14, 3, 6, tzinfo=UTC),
    "2023-01-25T14:03:06 -0500": datetime(2023, 1, 25, 19, 3, 6, tzinfo=UTC),
    "1970-01-01 00:00:00": datetime(1969, 12, 31, 15, 0, tzinfo=UTC),
    "9999-12-29 23:59:59": datetime(9999, 12, 29, 14, 59, 59, tzinfo=UTC),
    "2024-02-29 00:00:00": datetime(2024, 2, 28, 15, 0, tzinfo=UTC),
}


class TestC31:
    @each_zone
    def test_the_zone_of_created_is_the_one_set_for_cmc(self, open_hook, settings, zone):
        settings.TIME_ZONE = zone

        answers = cases.play(open_hook, "C31")

        assert cases.codes(answers) == [200]
        assert cases.row("delivery")["created"] == datetime(2023, 1, 25, 5, 3, 6, tzinfo=UTC)

    @each_zone
    def test_holds_whatever_zone_is_active(self, open_hook, zone):
        with timezone.override(zone):
            cases.play(open_hook, "C31")

        assert cases.row("delivery")["created"] == datetime(2023, 1, 25, 5, 3, 6, tzinfo=UTC)

    @each_zone
    def test_holds_for_other_zones_of_cmc(self, open_hook, settings, zone):
        settings.CMC_WEBHOOKS_TIME_ZONE = zone

        cases.play(open_hook, "C31")

        right = datetime(2023, 1, 25, 14, 3, 6, tzinfo=ZoneInfo(zone))
        assert cases.row("delivery")["created"] == right
        assert models.Mail.objects.get().status_at == right

    @each_zone
    def test_holds_with_naive_times(self, open_hook, settings, zone):
        settings.USE_TZ = False
        settings.TIME_ZONE = zone

        cases.play(open_hook, "C31")

        right = datetime(2023, 1, 25, 5, 3, 6, tzinfo=UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        event = models.DeliveryEvent.objects.get()
        assert event.occurred_at == right
        assert event.mail.first_event_at == event.mail.status_at == right

    @pytest.mark.parametrize("active", ["America/New_York", "Pacific/Kiritimati"])
    def test_naive_times_are_in_the_zone_of_the_project_whatever_is_active(self, open_hook, settings, active):
        settings.USE_TZ = False
        settings.TIME_ZONE = "Asia/Tokyo"

        with timezone.override(active):
            cases.play(open_hook, "C31")

        assert models.DeliveryEvent.objects.get().occurred_at == datetime(2023, 1, 25, 14, 3, 6)  # noqa: DTZ001 - naive

    @each_zone
    def test_the_time_of_receipt_holds_with_naive_times(self, open_hook, settings, zone):
        settings.USE_TZ = False
        settings.TIME_ZONE = zone

        cases.send(open_hook, "deliveries", delivery(created=""))

        now = datetime.now(ZoneInfo(zone)).replace(tzinfo=None)
        event = models.DeliveryEvent.objects.get()
        assert abs(event.received_at - now) < timedelta(seconds=60)
        assert event.occurred_at == event.received_at == event.mail.created_at
        assert abs(models.Notification.objects.get().received_at - now) < timedelta(seconds=60)

    def test_everything_else_works_with_naive_times(self, open_hook, settings, sent):
        settings.USE_TZ = False

        cases.send(open_hook, "blocks", {"created": "2023-01-25 14:10:00", "to": "a@example.jp"})
        cases.send(
            open_hook, "deliveries", delivery(), delivery(to=[]), delivery(created="2099-01-01 00:00:00")
        )
        answer = cases.send(
            open_hook, "bounces", bounce(), bounce(), bounce(created="2023-01-25 14:06:07+09:00")
        )

        mail = models.Mail.objects.get()
        assert answer.json() == {"new": 2, "repeated": 1, "rejected": 0}
        assert (mail.status, mail.last_event_at) == ("bounced", datetime(2098, 12, 31, 15, 0))  # noqa: DTZ001 - naive
        assert len(sent.of("event_recorded")) == 5

    def test_summer_time_that_is_skipped_or_twice_is_stored(self, open_hook, settings):
        settings.CMC_WEBHOOKS_TIME_ZONE = "America/New_York"

        answer = cases.send(
            open_hook,
            "deliveries",
            delivery("<a@x>", created="2023-03-12 02:30:00"),
            delivery("<b@x>", created="2023-11-05 01:30:00"),
        )

        assert answer.json() == {"new": 2, "repeated": 0, "rejected": 0}
        assert [row["created"] for row in cases.rows("delivery")] == [
            datetime(2023, 3, 12, 7, 30, tzinfo=UTC),
            datetime(2023, 11, 5, 5, 30, tzinfo=UTC),
        ]


class TestC32:
    def test_dates_that_do_not_exist_become_the_time_of_receipt(self, open_hook, sent):
        answers = cases.play(open_hook, "C32")

        created = [row["created"] for row in cases.rows("delivery")]
        assert answers[0].json() == {"new": 4, "repeated": 0, "rejected": 0}
        assert len(created) == 4
        assert max(abs(moment - timezone.now()) for moment in created) < timedelta(seconds=60)
        assert len(sent.of("event_recorded")) == 4

    def test_they_are_kept_beside_it_and_known_again(self, open_hook):
        cases.play(open_hook, "C32")

        (answer,) = cases.play(open_hook, "C32")

        extra = [row["event"].extra for row in cases.rows("delivery")]
        assert answer.json() == {"new": 0, "repeated": 4, "rejected": 0}
        assert extra == [{"created": "0000-00-00 00:00:00"}, {}, {}, {"created": "2023-02-30 10:00:00"}]

    @pytest.mark.parametrize("created", UNUSABLE, ids=lambda created: ascii(created)[:34])
    @pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York", "Pacific/Kiritimati"])
    def test_holds_for_every_unusable_time_and_type(self, open_hook, settings, created, zone):
        settings.CMC_WEBHOOKS_TIME_ZONE = zone

        answers = [
            cases.send(open_hook, "deliveries", delivery("<a@x>"), delivery(created=created)),
            cases.send(open_hook, "bounces", bounce("<a@x>"), bounce(created=created)),
            cases.send(open_hook, "blocks", {"created": "2023-01-25 14:10:00"}, {"created": created}),
        ]

        assert [answer.json() for answer in answers] == [{"new": 2, "repeated": 0, "rejected": 0}] * 3
        for model in (models.DeliveryEvent, models.BounceEvent, models.BlockEvent):
            late = model.objects.latest("occurred_at")
            assert late.occurred_at == late.received_at
            assert abs(late.received_at - timezone.now()) < timedelta(seconds=60)

    @pytest.mark.parametrize(("created", "right"), USABLE.items())
    def test_times_that_exist_are_read(self, open_hook, created, right):
        cases.send(open_hook, "deliveries", delivery(created=created))

        row = cases.row("delivery")
        assert row["created"] == right
        assert row["event"].extra == {}


class TestC33:
    def test_a_time_far_ahead_is_kept(self, open_hook, sent):
        answers = cases.play(open_hook, "C33")

        created = [row["created"] for row in cases.rows("delivery")]
        before = models.DeliveryEvent.objects.occurred_between(before=datetime(2023, 12, 31, tzinfo=UTC))
        assert answers[0].json() == {"new": 2, "repeated": 0, "rejected": 0}
        assert created[0] == datetime(2099, 1, 1, tzinfo=ZoneInfo("Asia/Tokyo"))
        assert [event.message_id for event in before] == ["<c33b@example.com>"]
        assert len(sent.of("event_recorded")) == 2

    def test_it_does_not_sit_on_top_of_what_is_new(self, open_hook):
        cases.play(open_hook, "C33")
        cases.send(open_hook, "deliveries", delivery("<new@x>"))

        newest = models.Mail.objects.order_by("-created_at", "-id").first()
        assert newest.message_id == "<new@x>"

    @pytest.mark.parametrize("created", ["9999-12-29 23:59:59", "2500-01-01 00:00:00", "1970-01-01 00:00:00"])
    @each_zone
    def test_holds_for_the_ends_of_time_in_every_zone(self, open_hook, settings, created, zone):
        settings.CMC_WEBHOOKS_TIME_ZONE = zone

        answer = cases.send(open_hook, "deliveries", delivery(created=created))

        right = datetime.fromisoformat(created).replace(tzinfo=ZoneInfo(zone))
        assert answer.json() == {"new": 1, "repeated": 0, "rejected": 0}
        assert cases.row("delivery")["created"] == right
        assert models.DeliveryEvent.objects.occurred_between(right, right + timedelta(seconds=1)).count() == 1
