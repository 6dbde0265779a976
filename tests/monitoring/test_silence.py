from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from cmc_webhooks import checks, models
from cmc_webhooks.db import transactions
from cmc_webhooks.monitoring import health, silence
from tests.helpers import factories
from tests.management.test_commands import run

USING = "default"
HOUR = timedelta(hours=1)

pytestmark = pytest.mark.django_db


def posted(*hours, source="webhook"):
    """Notifications that came so many hours ago."""
    now = datetime.now(UTC)
    models.Notification.objects.bulk_create(
        factories.NotificationFactory.build(received_at=now - hour * HOUR, source=source) for hour in hours
    )


def codes(**arguments):
    return [problem.code for problem in health.look(USING).found(**arguments)]


class TestLearn:
    def test_knows_nothing_without_notifications(self):
        assert silence.learn(USING) is None

    def test_is_at_least_six_hours_where_there_is_always_something(self):
        posted(*(hour / 2 for hour in range(2 * 24 * 16)))

        assert silence.learn(USING) == 6 * 3600

    def test_is_twice_the_longest_silence(self):
        posted(*range(0, 24 * 16, 12))

        learnt = silence.learn(USING)

        assert 24 * 3600 <= learnt <= 30 * 3600

    @pytest.mark.parametrize(
        "hours",
        [
            pytest.param(range(24 * 10), id="ten days of history"),
            pytest.param([*range(24 * 5), *range(24 * 7, 24 * 16)], id="two days without mail"),
            pytest.param(range(0, 24 * 16, 48), id="every other day"),
            pytest.param([0], id="one"),
        ],
    )
    def test_is_none_where_traffic_was_not_steady(self, hours):
        posted(*hours)

        assert silence.learn(USING) is None

    @pytest.mark.parametrize(
        ("days", "hours", "expected"),
        [
            pytest.param(15, range(40, 24 * 15), 6 * 3600, id="while CMC is silent"),
            pytest.param(10, range(24 * 10), 6 * 3600, id="short"),
            pytest.param(6, range(24 * 6), None, id="too short"),
            pytest.param(30, range(24 * 10), None, id="no longer history"),
        ],
    )
    def test_is_not_forgotten_where_retention_removes_the_oldest(self, settings, days, hours, expected):
        settings.CMC_WEBHOOKS_RETENTION = {"notifications": days}
        posted(*hours)

        assert silence.learn(USING) == expected

    def test_does_not_learn_from_the_silence_that_goes_on(self):
        posted(*range(40, 40 + 24 * 16))

        assert silence.learn(USING) == 6 * 3600

    @pytest.mark.parametrize("source", ["rest", "retry"])
    def test_learns_from_what_cmc_posted_alone(self, source):
        posted(*range(24 * 16), source=source)

        assert silence.learn(USING) is None

    def test_costs_two_statements_and_one_while_nothing_more_comes(self, django_assert_num_queries):
        posted(*range(24 * 16))

        with django_assert_num_queries(2):
            learnt = silence.learn(USING)
        with django_assert_num_queries(1):
            assert silence.learn(USING) == learnt

    def test_is_learnt_again_with_each_notification_setting_and_after_ten_minutes(
        self, settings, monkeypatch, django_assert_num_queries
    ):
        posted(*range(1, 24 * 16))
        silence.learn(USING)
        posted(0)

        with django_assert_num_queries(2):
            silence.learn(USING)
        settings.CMC_WEBHOOKS_RETENTION = {"notifications": 8}
        with django_assert_num_queries(2):
            silence.learn(USING)
        now = silence.time.monotonic()
        monkeypatch.setattr(silence.time, "monotonic", lambda: now + silence.KEPT_SECONDS)
        with django_assert_num_queries(2):
            silence.learn(USING)

    def test_raises_no_alarm_in_a_year_of_random_traffic(self):
        """Gaps are exponential, three hours on average: the limit is longer than each of them."""
        dice = random.Random(18)  # noqa: S311 - no secret
        gaps = [dice.expovariate(1 / 3) for _ in range(8 * 365)]
        moments, hour = [], 0.0
        for gap in gaps[: 8 * 20]:
            moments.append(hour)
            hour += gap
        posted(*moments)

        learnt = silence.learn(USING)

        assert learnt is not None
        assert max(gaps) * 3600 < learnt


class TestHealth:
    """The alert is on where the traffic was steady, unless the project has set a limit."""

    def test_reports_a_silence_that_is_unusual(self):
        posted(*range(13, 13 + 24 * 16))

        (problem,) = health.look(USING).found()

        assert (problem.code, problem.sentence) == (
            "silence",
            "No notification for 13 h (limit 6 h).",
        )

    @pytest.mark.parametrize(
        ("setting", "since", "expected"),
        [
            ("auto", 5, []),
            ("auto", 7, ["silence"]),
            (None, 7, []),
            (None, 24 * 30, []),
            (3600, 2, ["silence"]),
            (86_400, 7, []),
        ],
        ids=str,
    )
    def test_obeys_the_setting(self, settings, setting, since, expected):
        settings.CMC_WEBHOOKS_MAX_SILENCE = setting
        posted(*range(since, since + 24 * 16))

        assert codes() == expected

    def test_prefers_the_limit_that_is_asked_for(self):
        posted(*range(7, 7 + 24 * 16))

        assert (codes(fail_if_silent=86_400), codes(fail_if_silent=60)) == ([], ["silence"])

    def test_says_nothing_where_traffic_is_not_steady(self):
        posted(*range(70, 24 * 30, 70))

        assert codes() == []

    @pytest.mark.parametrize(
        ("setting", "hours", "expected"),
        [
            ("auto", range(24 * 16), "silence limit                        6 h"),
            ("auto", range(24), "silence limit                        none"),
            (None, range(24), "silence limit                        none"),
            (7200, range(24), "silence limit                        2 h"),
        ],
        ids=str,
    )
    def test_is_shown_by_cmc_status(self, settings, setting, hours, expected):
        settings.CMC_WEBHOOKS_MAX_SILENCE = setting
        posted(*hours)

        assert expected in run("cmc_status")[0]


class TestCheck:
    """W091 says when a silence is not reported."""

    def ids(self, databases=("default",)):
        return [message.id for message in checks.check_silence(None, databases=databases)]

    @pytest.mark.parametrize(
        ("setting", "hours", "expected"),
        [
            pytest.param("auto", range(24 * 16), [], id="steady"),
            pytest.param("auto", range(0, 24 * 16, 40), ["cmc_webhooks.W091"], id="not steady"),
            pytest.param("auto", range(24 * 10), [], id="too little history to say"),
            pytest.param("auto", [], [], id="nothing yet"),
            pytest.param(None, range(24 * 16), ["cmc_webhooks.W091"], id="off"),
            pytest.param(7200, range(0, 24 * 16, 40), [], id="a limit of the project"),
        ],
    )
    def test_says_when_nobody_is_warned(self, settings, setting, hours, expected):
        settings.CMC_WEBHOOKS_MAX_SILENCE = setting
        posted(*hours)

        assert self.ids() == expected

    @pytest.mark.parametrize(
        ("days", "hours", "expected"),
        [
            (7, range(24 * 7), True),
            (8, range(24 * 8), False),
            (8, [*range(24 * 4), *range(24 * 6, 24 * 8)], True),
            (10, [*range(24 * 4), *range(24 * 6, 24 * 10)], True),
            (10, range(24 * 10), False),
            (10, range(24 * 2), False),
        ],
        ids=lambda value: value if isinstance(value, int) else str(len(value)),
    )
    def test_knows_that_retention_may_leave_less_than_two_weeks(self, settings, days, hours, expected):
        settings.CMC_WEBHOOKS_RETENTION = {"notifications": days}
        posted(*hours)

        assert bool(self.ids()) is expected
        assert expected or len(hours) < 24 * 7 or silence.learn(USING) is not None

    def test_needs_the_database(self, settings):
        settings.CMC_WEBHOOKS_MAX_SILENCE = None

        assert self.ids(databases=None) == []

    def test_is_silent_where_the_database_is_away(self, monkeypatch):
        def away(using):
            raise transactions.Unavailable("OperationalError")

        posted(24 * 20)
        monkeypatch.setattr(silence, "learn", away)

        assert self.ids() == []
