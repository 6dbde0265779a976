from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation

from cmc_webhooks import alerts, audit, models, signals, timezones
from cmc_webhooks.alerts import looking, reading, sending
from cmc_webhooks.alerts.rates import Cell, Counts, Series
from cmc_webhooks.db import transactions
from cmc_webhooks.monitoring import health, refusals
from cmc_webhooks.statistics import rollup
from cmc_webhooks.store import alerts as store
from tests.alerts.conftest import NOW, delivered, past, refused
from tests.helpers import factories

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = timedelta(hours=1)


@pytest.fixture
def heard():
    found = []

    def on_raised(sender, alert, **kwargs):
        found.append(("raised", alert.sentence))

    def on_resolved(sender, alert, **kwargs):
        found.append(("resolved", alert.sentence))

    signals.alert_raised.connect(on_raised)
    signals.alert_resolved.connect(on_resolved)
    yield found
    signals.alert_raised.disconnect(on_raised)
    signals.alert_resolved.disconnect(on_resolved)


def open_alerts():
    return list(models.Alert.objects.filter(resolved_at=None))


class TestLook:
    def test_raises_an_alarm_once_and_resolves_it_once(self, heard):
        past()
        delivered(27)
        refused(140, reason="550 5.7.1 refused <user9@docomo.ne.jp> as 12345678-abcd", bounce_code="3")

        looks = [alerts.look(now=NOW + number * HOUR) for number in range(50)]

        [alert] = models.Alert.objects.all()
        sentence = "docomo.ne.jp refused 140 of 167 mails in the past 24 hours (usual: 2 %)."
        assert alert.sentence == sentence
        assert alert.answer == "550 5.7.1 refused <...> as ..."
        assert [len(look.raised) for look in looks] == [1, *[0] * 49]
        assert heard == [("raised", sentence), ("resolved", sentence)]
        assert [each.subject for each in mail.outbox] == [f"CMC: {sentence}", f"CMC: Resolved: {sentence}"]
        assert mail.outbox[0].to == ["duty@example.com"]
        # seen last at the 22nd hour, when the mails of the hour before NOW leave the window
        assert timezones.to_aware(alert.last_seen_at) == NOW + 22 * HOUR
        assert timezones.to_aware(alert.resolved_at) == NOW + 46 * HOUR

    def test_says_it_in_japanese(self, settings):
        settings.LANGUAGE_CODE = "ja"
        past()
        delivered(27)
        refused(140)

        alerts.look(now=NOW)

        assert mail.outbox[0].subject == "CMC: docomo.ne.jp：過去 24 時間に 167 通中 140 通が不達（通常 2 %）"

    @pytest.mark.parametrize(
        ("good", "bad", "queued"),
        [(167, 0, 0), (163, 4, 0), (0, 19, 500), (20, 0, 500)],
        ids=["none refused", "as usual", "too few that are not on the way", "others on the way"],
    )
    def test_raises_nothing(self, good, bad, queued):
        past()
        delivered(good)
        refused(bad)
        refused(queued, bounce_code="", delivery_status="queued")

        looked = alerts.look(now=NOW)

        assert looked.raised == []
        assert not models.Alert.objects.exists()

    def test_days_of_an_alarm_are_not_usual_until_it_is_acknowledged(self):
        past()
        for day in range(12):
            moment = NOW + timedelta(days=day)
            delivered(10, at=moment - HOUR)
            refused(90, at=moment - HOUR)
            rollup.roll_up("default", fresh=timedelta())
            alerts.look(now=moment)

        [alert] = open_alerts()
        assert alert.numbers["refused"] == 90
        assert alert.numbers["usual"] == pytest.approx(0.02, rel=0.1)

        models.Alert.objects.update(acknowledged_at=alert.raised_at, acknowledged_by="1")
        assert looking.expected("default", NOW + timedelta(days=11, hours=1)).raised == []
        past_days = looking._excluded(models.Alert.objects.all(), NOW + timedelta(days=11))
        assert len(past_days[Series(domain="docomo.ne.jp")]) == 2

    def test_a_problem_of_health_is_an_alarm_until_it_is_gone(self, heard):
        row = factories.RejectedEventFactory()

        alerts.look(now=NOW)
        alerts.look(now=NOW + HOUR)
        row.delete()
        alerts.look(now=NOW + 2 * HOUR)

        assert [event for event, _ in heard] == ["raised", "resolved"]
        assert "1 event could not be read" in heard[0][1]

    def test_a_clock_that_was_wrong_is_an_alarm(self):
        factories.NotificationFactory(received_at=timezone.now() + timedelta(days=3650))

        looked = alerts.look()

        assert [alert.kind for alert in looked.raised] == ["future"]

    def test_silence_is_an_alarm(self, settings):
        settings.CMC_WEBHOOKS_MAX_SILENCE = 3600
        factories.NotificationFactory(received_at=timezone.now() - timedelta(hours=2))

        looked = alerts.look()

        assert [alert.kind for alert in looked.raised] == ["silence"]

    def test_is_made_by_one_process_within_five_minutes(self):
        first = alerts.look(now=NOW)
        second = alerts.look(now=NOW + timedelta(minutes=4))
        third = alerts.look(now=NOW + timedelta(minutes=5))

        assert (first is None, second is None, third is None) == (False, True, False)

    def test_of_two_at_once_one_raises_and_sends(self, heard):
        past()
        refused(140)
        barrier = threading.Barrier(4)

        def work():
            barrier.wait(timeout=30)
            try:
                alerts.look(now=NOW, every=timedelta())
            finally:
                connection.close()

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)

        assert models.Alert.objects.count() == 1
        assert len(heard) == 1
        assert len(mail.outbox) == 1

    def test_rates_are_looked_at_once_an_hour(self):
        past()
        alerts.look(now=NOW)
        refused(140)

        early = alerts.look(now=NOW + timedelta(minutes=10))
        late = alerts.look(now=NOW + timedelta(minutes=56))

        assert early.raised == []
        assert len(late.raised) == 1

    def test_after_an_error_the_next_one_is_at_once(self, monkeypatch):
        def broken(*args):
            raise transactions.Unavailable("lost")

        with monkeypatch.context() as patch:
            patch.setattr(reading, "window", broken)
            with pytest.raises(transactions.Unavailable):
                alerts.look(now=NOW)

        assert alerts.look(now=NOW + timedelta(seconds=1)) is not None

    def test_a_process_that_was_killed_is_replaced(self):
        alerts.look(now=NOW)
        models.AlertLook.objects.update(claimed_until=timezones.to_stored(NOW + timedelta(minutes=10)))

        assert alerts.look(now=NOW + timedelta(minutes=6)) is None
        assert alerts.look(now=NOW + timedelta(minutes=11)) is not None

    def test_a_clock_ahead_stops_no_look(self):
        ahead = timezones.to_stored(NOW + timedelta(days=3650))
        models.AlertLook.objects.create(id=1, looked_at=ahead, rates_at=ahead, claimed_until=ahead)
        past()
        refused(140)

        assert len(alerts.look(now=NOW).raised) == 1

    @pytest.mark.parametrize("domains", [1, 40])
    def test_takes_few_statements_however_many_domains_there_are(self, domains):
        for number in range(domains):
            past(8, domain=f"d{number}.jp", composition=f"c{number % 3}")
            delivered(27, domain=f"d{number}.jp", composition=f"c{number % 3}")
        alerts.look(now=NOW)

        with CaptureQueriesContext(connection) as statements:
            alerts.look(now=NOW + HOUR)

        read = [each["sql"] for each in statements if each["sql"].startswith("SELECT")]
        assert len(read) <= 12, read


class TestStore:
    def test_raises_what_is_open_no_second_time(self):
        def raised(number):
            alert = factories.AlertFactory.build(key=one.key)
            messages = sending.messages(alert, "raised", alert.raised_at)
            return transactions.run("default", lambda: store.raise_alert("default", alert, messages))

        one = factories.AlertFactory()

        assert [raised(number) for number in range(2)] == [False, False]
        assert store.resolve("default", one, one.raised_at, [])
        assert not store.resolve("default", one, one.raised_at, [])
        assert [raised(number) for number in range(2)] == [True, False]
        assert models.Alert.objects.count() == 2
        assert models.AlertMessage.objects.count() == 2

    def test_without_time_zones(self, settings):
        settings.USE_TZ = False
        settings.TIME_ZONE = "Asia/Tokyo"
        past()
        delivered(27)
        refused(140)

        looks = [alerts.look(now=NOW + number * HOUR) for number in range(48)]

        assert [number for number, look in enumerate(looks) if look.raised] == [0]
        assert [number for number, look in enumerate(looks) if look.resolved] == [46]


class TestLookIfDue:
    def test_asks_the_database_twice_a_minute(self, django_assert_num_queries):
        alerts.look_if_due()

        with django_assert_num_queries(0):
            assert alerts.look_if_due() is None

    def test_an_error_is_logged_without_its_text(self, monkeypatch, caplog):
        def broken(*args, **kwargs):
            raise ValueError("@".join(["user", "example.jp"]))

        monkeypatch.setattr(looking, "look", broken)

        assert alerts.look_if_due() is None
        assert [record.cmc_event for record in caplog.records] == ["alerts_failed"]
        assert "user@example.jp" not in caplog.text


class TestExpected:
    def test_writes_and_sends_nothing(self, heard):
        past()
        refused(140)

        expected = looking.expected("default", NOW)

        assert [alert.domain for alert in expected.raised] == ["docomo.ne.jp"]
        assert not models.Alert.objects.exists()
        assert not models.AlertLook.objects.exists()
        assert heard == []


class TestReading:
    def test_counts_what_is_not_on_the_way(self):
        delivered(2)
        refused(3)
        refused(1, bounce_code="", delivery_status="failed")
        refused(5, bounce_code="", delivery_status="queued")
        delivered(7, at=NOW - timedelta(hours=25))
        delivered(7, at=NOW + timedelta(seconds=1))

        found = reading.window("default", NOW)

        outcome_of_2 = models.Mail.objects.filter(bounce_code="2").first().bounce_class
        assert found == {
            Cell("pro", "docomo.ne.jp", ""): 2,
            Cell("pro", "docomo.ne.jp", outcome_of_2): 3,
            Cell("pro", "docomo.ne.jp", "failed"): 1,
        }

    def test_texts_that_a_collation_takes_for_equal_stay_apart(self):
        past(8, composition="é", domain="é.jp")
        past(8, composition="e", domain="e.jp", bad=50)
        delivered(20, composition="é")
        delivered(30, composition="e")

        found = reading.past("default", NOW, [Series(domain="é.jp"), Series(domain="e.jp")], {})

        assert found.history(Series("é")).days[-1] == Counts(100, 2)
        assert found.history(Series("e")).days[-1] == Counts(100, 50)
        assert found.history(Series(domain="é.jp")).days[-1] == Counts(100, 2)
        assert found.history(Series("é")).rest == Counts(800, 400)
        assert {cell.server_composition for cell in reading.window("default", NOW)} == {"é", "e"}

    def test_history_ends_before_the_day_on_which_the_window_begins(self):
        past(40)

        found = reading.past("default", NOW, [], {})

        assert len(found.days) == 28
        assert found.days[-1] == (NOW - timedelta(days=2)).date()


class TestAcknowledge:
    def test_is_recorded_once(self):
        factories.RejectedEventFactory()
        alerts.look(now=NOW)
        [alert] = open_alerts()
        actor = audit.Actor("admin", "7")

        numbers = [alerts.acknowledge([alert.pk], actor) for _ in range(2)]

        alert.refresh_from_db()
        assert numbers == [1, 0]
        assert alert.acknowledged_by == "7"
        assert alert.acknowledged_at is not None
        assert models.Trail.objects.get().what == "acknowledged"

    def test_of_refused_requests_accepts_them(self):
        refusals.count(403, models.RefusalCount.Reasons.API_KEY)
        refusals.flush()
        alerts.look()
        [alert] = open_alerts()

        alerts.acknowledge([alert.pk], audit.Actor("admin", "7"))

        assert (alert.kind, health.look("default").found()) == ("refused", [])

    def test_that_is_over_accepts_nothing(self):
        factories.NotificationFactory(received_at=timezone.now() + timedelta(days=3650))
        over = factories.AlertFactory(kind="future", resolved_at=timezone.now())

        alerts.acknowledge([over.pk], audit.Actor("admin", "7"))

        assert "future" in {each.code for each in health.look("default").found()}

    def test_of_a_clock_that_was_wrong_accepts_the_receipts(self):
        factories.NotificationFactory(received_at=timezone.now() + timedelta(days=3650))
        alerts.look()
        [alert] = open_alerts()

        alerts.acknowledge([alert.pk], audit.Actor("admin", "7"))

        assert "future" not in {each.code for each in health.look("default").found()}
        assert [alert.kind for alert in alerts.look(every=timedelta()).resolved] == ["future"]
        factories.NotificationFactory(received_at=timezone.now() + timedelta(days=3650))
        assert "future" in {each.code for each in health.look("default").found()}


class TestSentence:
    @pytest.mark.parametrize(
        ("names", "english", "japanese"),
        [
            (
                {"domain": "docomo.ne.jp"},
                "docomo.ne.jp refused 140 of 167 mails in the past 24 hours (usual: 2 %).",
                "docomo.ne.jp：過去 24 時間に 167 通中 140 通が不達（通常 2 %）",
            ),
            (
                {"server_composition": "pro"},
                "140 of 167 mails of server composition pro were refused in the past 24 hours (usual: 2 %).",
                "サーバー構成 pro：過去 24 時間に 167 通中 140 通が不達（通常 2 %）",
            ),
            (
                {"server_composition": "pro", "bounce_class": "failed"},
                "140 of 167 mails of server composition pro failed in the past 24 hours (usual: 2 %).",
                "サーバー構成 pro：過去 24 時間に 167 通中 140 通が配信失敗（通常 2 %）",
            ),
            (
                {"server_composition": "pro", "bounce_class": "policy"},
                (
                    "140 of 167 mails of server composition pro bounced with class policy"
                    " in the past 24 hours (usual: 2 %)."
                ),
                "サーバー構成 pro：過去 24 時間に 167 通中 140 通がバウンス（分類 policy、通常 2 %）",
            ),
        ],
    )
    def test_is_in_the_active_language(self, names, english, japanese):
        alert = models.Alert(kind="rate", numbers={"mails": 167, "refused": 140, "usual": 0.02}, **names)

        assert alert.sentence == english
        with translation.override("ja"):
            assert alert.sentence == japanese

    @pytest.mark.parametrize(
        ("rate", "text"), [(0.02, "2 %"), (0.0234, "2.3 %"), (0.0, "0 %"), (0.1256, "13 %"), (1.0, "100 %")]
    )
    def test_has_a_short_percentage(self, rate, text):
        assert models.alerts.percentage(rate) == text
