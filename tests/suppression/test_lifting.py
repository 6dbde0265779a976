"""Removal of an address from CMC's own lists, against a fake of CMC's REST API."""

from __future__ import annotations

import json

import pytest
from django.utils import timezone

from cmc_webhooks import models, signals, suppression
from cmc_webhooks.suppression import lifting
from tests.helpers import factories, fake_api

pytest.importorskip("httpx")

from cmc_webhooks import rest

pytestmark = pytest.mark.django_db

ADDRESS = "held@example.jp"
REFUSED = json.dumps(
    {"errors": [{"code": "12-002", "field": "email", "message": f"{ADDRESS} {fake_api.KEY}"}]}
)


@pytest.fixture(autouse=True)
def allowed(settings, rest_api, monkeypatch):
    """The project allows it; the address is on both lists of one composition, and on one of another."""
    monkeypatch.setattr(rest, "FIRST_PAUSE", 0)
    settings.CMC_WEBHOOKS_REST_MAY_LIFT = True
    for code, composition in (("10", "pro"), ("11", "pro"), ("10", "news")):
        factories.MailFactory(
            recipient=ADDRESS, bounce_code=code, server_composition=composition, created_at=timezone.now()
        )


def verdict(composition, **question):
    return suppression.verdicts([ADDRESS], composition=composition, **question)[ADDRESS]


class TestLiftAtCmc:
    def test_asks_cmc_for_each_list_and_records_it(self, rest_api):
        found = suppression.lift_at_cmc(
            f"Held <{ADDRESS.upper()}>", "pro", note="asked", author="17", via="admin"
        )

        assert found == [
            suppression.Lift(reason, "pro", True, '{"message": "success"}')
            for reason in ("blocked", "unsubscribed")
        ]
        fields = {"server_composition": "pro", "email": ADDRESS}
        assert rest_api.asked == [("blocks/cancel", fields), ("unsubscribes/cancel", fields)]
        assert verdict("pro") == suppression.Verdict(True)
        assert verdict("news").at_cmc
        trail = models.Trail.objects.order_by("pk")
        assert [(row.what, row.who, row.via, row.reason, row.rows) for row in trail] == [
            ("lifted", "17", "admin", "asked", 1)
        ] * 2
        assert [row.details for row in trail] == [
            {"composition": "pro", "list": reason, "done": True} for reason in ("blocked", "unsubscribed")
        ]

    def test_lifts_the_list_that_is_named(self, rest_api):
        [lift] = suppression.lift_at_cmc(ADDRESS, "pro", reason="blocked")

        assert (lift.is_done, len(rest_api.asked)) == (True, 1)
        assert (verdict("pro").reason, verdict("pro").at_cmc) == ("unsubscribed", True)
        assert verdict("pro", transactional=True).may_send

    def test_lifts_an_entry_that_nobody_reported_to_us(self, rest_api):
        [lift] = suppression.lift_at_cmc("other@example.jp", "pro", reason="blocked")

        assert lift.is_done
        assert suppression.lift_at_cmc("other@example.jp", "pro") == []

    def test_never_deletes(self, rest_api):
        suppression.lift_at_cmc(ADDRESS, "pro")

        assert {action.partition("/")[2] for action, _ in rest_api.asked} == {"cancel"}

    def test_shows_the_refusal_as_it_came_but_for_secrets(self, rest_api):
        rest_api.answers.append((400, REFUSED))

        [lift] = suppression.lift_at_cmc(ADDRESS, "pro", reason="blocked")

        assert not lift.is_done
        assert lift.answer == REFUSED.replace(fake_api.KEY, "[hidden]")
        assert verdict("pro").at_cmc
        [row] = models.Trail.objects.all()
        assert (row.rows, row.details["done"]) == (0, False)
        assert not models.Suppression.objects.exists()

    @pytest.mark.parametrize(
        ("answer", "is_done", "shown"),
        [
            ((200, ""), True, "HTTP 200"),
            ((204, ""), True, "HTTP 204"),
            ((200, "ok"), True, "ok"),
            ((200, REFUSED.replace(fake_api.KEY, "")), False, REFUSED.replace(fake_api.KEY, "").strip()),
            ((404, ""), False, "HTTP 404"),
            ((302, "moved"), False, "moved"),
        ],
    )
    def test_takes_an_answer_for_what_it_says(self, rest_api, answer, is_done, shown):
        rest_api.answers.append(answer)

        assert suppression.lift_at_cmc(ADDRESS, "pro", reason="blocked") == [
            suppression.Lift("blocked", "pro", is_done, shown)
        ]

    def test_tries_again_after_an_error_of_the_server(self, rest_api):
        rest_api.answers += [(500, ""), None]

        assert suppression.lift_at_cmc(ADDRESS, "pro", reason="blocked")[0].is_done
        assert len(rest_api.asked) == 3

    def test_records_what_was_done_before_cmc_fell_silent(self, rest_api):
        rest_api.answers += [(200, "{}"), *[None] * rest.TRIES]

        with pytest.raises(rest.Unreachable):
            suppression.lift_at_cmc(ADDRESS, "pro")

        assert verdict("pro").reason == "unsubscribed"

    def test_holds_until_a_newer_entry(self):
        suppression.lift_at_cmc(ADDRESS, "pro", reason="blocked")
        factories.MailFactory(
            recipient=ADDRESS, bounce_code="10", server_composition="pro", created_at=timezone.now()
        )

        assert verdict("pro").reason == "blocked"

    def test_leaves_a_decision_by_hand_as_it_is(self):
        suppression.block(ADDRESS, composition="pro", note="hers")

        suppression.lift_at_cmc(ADDRESS, "pro")

        assert verdict("pro").reason == "by_hand"
        assert suppression.forget(ADDRESS, composition="pro")
        assert verdict("pro") == suppression.Verdict(True)

    def test_sends_suppression_changed_after_the_commit(self, receiver, django_capture_on_commit_callbacks):
        heard = []
        receiver(signals.suppression_changed, lambda **arguments: heard.append(arguments))

        with django_capture_on_commit_callbacks(execute=True):
            suppression.lift_at_cmc(ADDRESS, "pro", reason="blocked")

        [arguments] = heard
        assert (arguments["action"], arguments["address"], arguments["composition"]) == (
            "lifted",
            ADDRESS,
            "pro",
        )
        assert arguments["decision"].kind == "lifted"


class TestWhyNot:
    @pytest.mark.parametrize(
        ("values", "named"),
        [
            ({"REST_MAY_LIFT": False}, "REST_MAY_LIFT"),
            ({"REST_MAY_LIFT": 1}, "REST_MAY_LIFT"),
            ({"REST_USER": ""}, "REST_USER"),
            ({"REST_KEY": ""}, "REST_KEY"),
        ],
    )
    def test_is_what_is_missing(self, settings, rest_api, values, named):
        for name, value in values.items():
            setattr(settings, f"CMC_WEBHOOKS_{name}", value)

        assert named in lifting.why_not()
        with pytest.raises(suppression.NotAllowed, match=named):
            suppression.lift_at_cmc(ADDRESS, "pro")
        assert rest_api.asked == []

    def test_is_a_package_that_is_not_installed(self, monkeypatch):
        monkeypatch.setattr(lifting, "find_spec", lambda name: None)

        assert "httpx" in lifting.why_not()

    def test_is_nothing_where_it_can_be_done(self):
        assert lifting.why_not() == ""

    def test_refuses_a_list_that_there_is_not(self, rest_api):
        with pytest.raises(ValueError, match="blocked, unsubscribed"):
            suppression.lift_at_cmc(ADDRESS, "pro", reason="hard")
        assert rest_api.asked == []
