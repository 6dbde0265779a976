"""D50: the overview says first what is unusual, each line with its link, or one line that all is well."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.utils import translation

from cmc_webhooks import models, timezones, wire
from cmc_webhooks.monitoring import health, refusals
from tests.admin.conftest import browser_of
from tests.conftest import delivery
from tests.helpers import factories

pytestmark = pytest.mark.django_db

OVERVIEW = "/admin/cmc_webhooks/mail/overview/"


def raise_alert(domain="docomo.ne.jp", **values):
    now = timezones.to_stored(datetime.now(UTC))
    key = wire.count_key("alert", domain)
    return models.Alert.objects.create(
        id=wire.time_key(int(datetime.now(UTC).timestamp() * 1000)),
        key=key,
        kind="rate",
        domain=domain,
        numbers={"mails": 167, "refused": 140, "usual": 0.02},
        raised_at=now,
        last_seen_at=now,
        **{"open_key": key} | values,
    )


@pytest.fixture
def browser():
    return browser_of(is_staff=True, is_superuser=True)


@pytest.fixture
def bad_day(hook):
    for _ in range(5):
        hook.send("deliveries", delivery(), api_key="another-key-than-ours")
    refusals.flush()
    for _ in range(12):
        factories.PendingSignalFactory(items=[[]], state="dead")
    return raise_alert()


class TestD50:
    @pytest.mark.parametrize(
        ("language", "sentences"),
        [
            (
                "en",
                [
                    "docomo.ne.jp refused 140 of 167 mails in the past 24 hours (usual: 2 %).",
                    "12 signals are dead. Send them again or dismiss them under Pending signals in the",
                    "5 requests refused since",
                ],
            ),
            (
                "ja",
                [
                    "docomo.ne.jp",
                    "送信できなかったシグナルが 12 件あります。",
                    "リクエストを 5 件拒否しました",
                ],
            ),
        ],
    )
    def test_each_line_has_its_link(self, browser, bad_day, language, sentences):
        with translation.override(language):
            answer = browser.get(OVERVIEW)

        unusual = {line.text: line.url for line in answer.context["unusual"]}
        page = answer.content.decode()
        for sentence in sentences:
            assert any(sentence in text for text in unusual), sentence
            assert sentence in page
        assert f"/admin/cmc_webhooks/alert/{bad_day.pk}/change/" in unusual.values()
        assert "/admin/cmc_webhooks/pendingsignal/?state=dead" in unusual.values()
        assert all(unusual.values())
        assert all(
            browser.get(url.partition("#")[0] or OVERVIEW).status_code == 200 for url in unusual.values()
        )
        assert "cmc-well" not in page

    def test_what_health_says_stands_there(self, browser, bad_day):
        said = {problem.text for problem in health.look("default").found()}

        assert said <= {line.text for line in browser.get(OVERVIEW).context["unusual"]}

    def test_a_quiet_day_is_one_green_line(self, browser):
        factories.NotificationFactory(received_at=datetime.now(UTC))

        page = browser.get(OVERVIEW).content.decode()

        assert '<p class="cmc-well">All is well. CMC last posted' in page
        assert "errornote" not in page

    def test_resolved_alerts_and_those_of_others_are_left_out(self, bad_day):
        raise_alert("old.example", open_key=None)

        mails_alone = browser_of("view_mail", is_staff=True).get(OVERVIEW)
        with_alerts = browser_of("view_mail", "view_alert", is_staff=True).get(OVERVIEW)

        assert mails_alone.context["unusual"] == []
        assert [line.text[:12] for line in with_alerts.context["unusual"]] == ["docomo.ne.jp"]

    def test_a_domain_of_single_mails_is_no_alarm(self, browser, open_hook):
        open_hook.send("deliveries", delivery(status="failed", to="a@one.example"), api_key=None)

        assert browser.get(OVERVIEW).context["unusual"] == []
