"""What is stored about addresses is the same by SQL of our own and by the ORM."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cmc_webhooks import models
from cmc_webhooks.store import address_facts
from tests.helpers import factories

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 11, 1, 9, 30, 15, 123456, tzinfo=UTC)
ADDRESSES = [
    "a@x.jp", "é@x.jp", "e@x.jp", "あ@x.jp", "😀@x.jp", "ｱ@x.jp", "ss@x.jp", "ß@x.jp", "a@x.jp ",
    '"a b"@x.jp', "back\\slash@x.jp", "it's@x.jp", "100%s@x.jp", "{}@x.jp", "null", "1", "a" * 320,
]  # fmt: skip

addresses = st.sampled_from(ADDRESSES)
days = st.integers(0, 400)
compositions = st.sampled_from(["pro", "Pro", "prö", ""])
kinds = st.sampled_from(["bounce", "success", "block", *models.Suppression.Kinds.values])
told = st.tuples(kinds, addresses, days, compositions)


def tell(what, address, age, composition):
    at = NOW - timedelta(days=age)
    if what == "bounce":
        factories.MailFactory(
            recipient=address,
            address=address,
            bounce_code=str(age % 12),
            created_at=at,
            server_composition=composition,
        )
    elif what == "success":
        mail = {"delivery_status": "succeeded", "created_at": at, "server_composition": composition}
        factories.MailFactory(recipient=address, address=address, **mail)
    elif what == "block":
        factories.BlockEventFactory(address=address, occurred_at=at, server_composition=composition)
    else:
        reasons = {"kept": ["hard", "soft", "blocked", "unsubscribed"], "lifted": ["blocked", "unsubscribed"]}
        reason = reasons[what][age % len(reasons[what])] if what in reasons else ""
        kept = [what, reason] if reason else []
        key = address_facts.wire.decision_key(address, composition, *kept)
        if not models.Suppression.objects.filter(pk=key).exists():
            factories.SuppressionFactory(
                address=address,
                server_composition=composition,
                kind=what,
                reason=reason,
                since=at if what == "kept" else None,
                decided_at=at,
                until=at if age % 2 else None,
            )


def found(asked, *, raw):
    """What is told of these addresses alone: the facts but successes, and what each success can lift."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.conf.settings.CMC_WEBHOOKS_RAW_SQL", raw)
        loaded = address_facts.load("default", asked, (NOW - timedelta(days=300), NOW - timedelta(days=2)))
        rows = [row for row in loaded if row.address in asked]
    facts = [row for row in rows if row.kind != address_facts.SUCCESS]
    lifts = {}
    for fact in facts:
        is_of_one = fact.word.removeprefix("kept ") in LISTED
        if fact.kind == address_facts.DECISION and not fact.word.startswith("kept "):
            continue
        of = [
            row.at
            for row in rows
            if (row.kind, row.address) == (address_facts.SUCCESS, fact.address)
            and (not is_of_one or row.composition == fact.composition)
        ]
        lifts[fact.address, fact.composition if is_of_one else None] = max(of, default=None)
    return sorted(facts, key=repr), lifts


LISTED = ("10", "11", "blocked", "unsubscribed")


class TestToldOf:
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(told, max_size=12), st.sets(addresses))
    def test_is_the_same_in_both_ways(self, history, asked):
        for what in history:
            tell(*what)

        try:
            assert found(asked, raw=True) == found(asked, raw=False)
        finally:
            for model in (models.Mail, models.BlockEvent, models.Suppression):
                model.objects.all().delete()

    def test_goes_by_the_setting(self, settings, monkeypatch):
        monkeypatch.setattr(
            address_facts, "rows_by_sql", lambda *arguments: [("by sql", 0, "", NOW, None, "", None)]
        )

        for raw, expected in ((True, ["by sql"]), (False, [])):
            settings.CMC_WEBHOOKS_RAW_SQL = raw
            assert [row.address for row in address_facts.load("default", {"a@x.jp"}, (NOW, NOW))] == expected

    @pytest.mark.parametrize(
        ("vendor", "is_mariadb", "known"),
        [("mysql", True, True), ("mysql", False, False),
         ("postgresql", None, True), ("sqlite", None, True), ("oracle", None, False)],
    )  # fmt: skip
    def test_has_sql_for_databases_that_it_knows(self, monkeypatch, vendor, is_mariadb, known):
        monkeypatch.setattr(connection, "vendor", vendor)
        monkeypatch.setattr(connection, "mysql_is_mariadb", is_mariadb, raising=False)

        assert (address_facts.sql_statement(connection) is not None) == known
