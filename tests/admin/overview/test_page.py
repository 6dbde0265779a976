from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
from django.urls import reverse
from django.utils import timezone

from cmc_webhooks import models
from cmc_webhooks.admin.overview import figures, periods
from cmc_webhooks.statistics import rollup
from tests.admin.conftest import browser_of, statements
from tests.conftest import bounce, delivery
from tests.helpers import factories

pytestmark = pytest.mark.django_db


PERIODS = ("today", "7-days", "30-days", "365-days")  # a day by its hours costs one more


def open_overview(browser, **parameters):
    return browser.get(reverse("admin:cmc_webhooks_mail_overview"), parameters)


@pytest.fixture
def every_domain(monkeypatch):
    """Domains of a single mail count as well."""
    monkeypatch.setattr(figures, "FEWEST_MAILS", 1)


def listed(browser, url):
    """How many mails the list behind a link has, and what it says their number is."""
    parts = urlsplit(url)
    changelist = browser.get(parts.path, dict(parse_qsl(parts.query, keep_blank_values=True))).context["cl"]
    return len(changelist.result_list), changelist.total


@pytest.fixture
def mails(open_hook):
    """Nine mails received today, of each outcome one or more; some took four seconds."""

    def send(event_type, *events):
        assert open_hook.send(event_type, *events, api_key=None).status_code == 200

    send("deliveries", delivery("<a@x>"), delivery("<q@x>"), delivery("<d@x>", status="deferred"))
    send(
        "deliveries",
        *(delivery(f"<{name}@x>", status="succeeded", created="2023-01-25 14:03:10") for name in "abc"),
    )
    send(
        "deliveries", delivery("<f@x>", status="failed", to="u@bad.example"), delivery("<o@x>", status="odd")
    )
    send("bounces", bounce("<c@x>"), bounce("<h@x>", to="u@bad.example"), bounce("<s@x>", status="5"))
    rollup.roll_up("default")


class TestOverview:
    def test_links_each_number_to_the_list_that_it_counts(self, browser, mails):
        context = open_overview(browser).context

        figures = [*context["outcomes"], *context["bounces"]]
        cells = [cell for row in context["days"] for cell in row.cells if cell[0] and cell[1]]
        assert {str(figure.label): figure.number for figure in context["outcomes"]} == {
            "mails": 9, "succeeded": 2, "queued": 1, "deferred": 1, "failed": 1, "bounced": 3, "other": 1,
        }  # fmt: skip
        assert [figure.number for figure in context["bounces"]] == [2, 1]
        for number, url in [(figure.number, figure.url) for figure in figures] + cells:
            assert listed(browser, url) == (number, str(number))

    def test_shows_shares(self, browser, mails):
        context = open_overview(browser).context

        shares = {str(figure.label): figure.share for figure in context["outcomes"]}
        assert (shares["succeeded"], shares["bounced"], shares["mails"]) == ("22.2 %", "33.3 %", "")

    @pytest.mark.usefixtures("every_domain")
    def test_names_the_domains_that_refuse_and_that_are_slow(self, browser, mails):
        context = open_overview(browser).context

        worst = [(row.label, [value for value, _ in row.cells]) for row in context["worst"]]
        assert worst == [
            ("bad.example", [2, 1, 1, "100.0 %"]),
            ("example.jp", [7, 0, 2, "28.6 %"]),
        ]
        assert [(row.label, row.cells[0][0]) for row in context["slowest"]] == [("example.jp", 2)]
        for row in (*context["worst"], *context["slowest"]):
            for value, url in row.cells:
                assert not url or listed(browser, url) == (value, str(value))
        assert context["as_of"]

    def test_says_that_domains_are_not_counted_yet(self, browser, mails):
        models.DomainCount.objects.all().delete()

        page = open_overview(browser).content.decode()

        assert "not counted yet" in page

    def test_is_of_one_composition_if_asked(self, browser, mails, open_hook):
        models.MailCount.objects.filter(status="failed").update(server_composition="other")

        context = open_overview(browser, server_composition="other").context

        assert context["outcomes"][0].number == 1
        assert context["compositions"] == ["other", "pro"]
        assert "server_composition=other" in context["outcomes"][0].url

    def test_draws_each_day_with_titles_and_a_table_behind(self, browser, mails):
        answer = open_overview(browser, since="7-days")
        page = answer.content.decode()
        today = f"{timezone.now():%Y-%m-%d (%a)}"

        assert f"<title>{today}: 3 bounced</title>" in page
        assert f"<title>{today}: 4 of 9 mails not delivered: 44.4 %; before: –</title>" in page
        assert page.count('<rect class="cmc-box') == 6
        assert len(answer.context["days"]) == 1
        assert page.count("Show as a table") == 2

    @pytest.mark.parametrize(
        ("parameters", "days"),
        [
            ({}, 7),
            ({"since": "30-days"}, 30),
            ({"since": "today"}, 1),
            ({"since": "365-days"}, 365),
            ({"from": "2023-01-01", "to": "2023-01-31"}, 31),
            ({"from": "2000-01-01", "to": "2023-01-31"}, 366),
            ({"to": "2023-01-31"}, 366),
            ({"from": "nonsense"}, 366),
            ({"since": "nonsense"}, 366),
            ({"from": "2023-02-01", "to": "2023-01-01"}, 0),
        ],
        ids=str,
    )
    def test_holds_a_year_at_most(self, parameters, days):
        chosen = periods.chosen_scope(parameters).days

        assert (chosen.last - chosen.first).days + 1 <= days or days == 0
        assert len(periods.days_of(chosen)) == max(days, 0) or days == 0

    @pytest.mark.parametrize(
        "parameters",
        [{"from": "x"}, {"server_composition": "\0"}, {"since": "x"}, {"to": "9999-12-31"}],
        ids=str,
    )
    def test_survives_odd_parameters(self, browser, mails, parameters):
        assert open_overview(browser, **parameters).status_code == 200

    def test_costs_a_bounded_number_of_statements(self, browser, mails, open_hook):
        names = ("mail", "notification", "pendingsignal", "rejectedevent", "alert")
        viewer = browser_of(*(f"view_{name}" for name in names), is_staff=True)
        open_overview(viewer)
        few = [statements(lambda since=since: open_overview(viewer, since=since)) for since in PERIODS]

        open_hook.send(
            "bounces", *(bounce(f"<{n}@x>", to=f"a@domain{n}.example") for n in range(40)), api_key=None
        )
        rollup.roll_up("default")
        for number in range(3):
            factories.AlertFactory(domain=f"domain{number}.example")
        many = [statements(lambda since=since: open_overview(viewer, since=since)) for since in PERIODS]

        assert [len(sent) for sent in few] == [18, 17, 17, 17]
        assert [len(sent) for sent in many] == [18, 17, 17, 17]

    def test_needs_the_permission_to_see_mails(self):
        assert open_overview(browser_of("view_bounceevent", is_staff=True)).status_code == 403
        assert open_overview(browser_of("view_mail", is_staff=True)).status_code == 200

    def test_shows_the_intake_to_those_who_may_see_it(self, browser, mails):
        factories.RejectedEventFactory()
        viewer = browser_of("view_mail", "view_rejectedevent", is_staff=True)

        assert [name for name, _, _ in open_overview(viewer).context["intake"]] == [
            "events that could not be read, open"
        ]
        assert len(open_overview(browser).context["intake"]) == 4
        assert open_overview(browser_of("view_mail", is_staff=True)).context["intake"] == []

    def test_takes_what_was_fetched_for_no_word_of_cmc(self, browser):
        factories.NotificationFactory(source="rest")

        assert open_overview(browser).context["intake"][0][:2] == ("last notification", "–")

    def test_is_linked_from_the_apps_page_and_the_list(self, browser):
        url = reverse("admin:cmc_webhooks_mail_overview")
        viewer = browser_of("view_bounceevent", is_staff=True)

        assert url in browser.get(reverse("admin:app_list", args=["cmc_webhooks"])).content.decode()
        assert url in browser.open_list("mail").content.decode()
        assert url not in viewer.get(reverse("admin:app_list", args=["cmc_webhooks"])).content.decode()

    def test_shows_domains_as_text(self, browser, open_hook):
        open_hook.send("deliveries", delivery(to="u@<b>x</b>.example", status="failed"), api_key=None)
        rollup.roll_up("default")

        page = open_overview(browser).content.decode()

        assert "<b>x</b>" not in page
