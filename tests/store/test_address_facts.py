"""What is told of addresses is the same by SQL of our own and by the ORM."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cmc_webhooks import models, store
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 11, 1, 9, 30, 15, 123456, tzinfo=UTC)
ADDRESSES = [
    "a@x.jp", "é@x.jp", "e@x.jp", "あ@x.jp", "😀@x.jp", "ｱ@x.jp", "ss@x.jp", "ß@x.jp", "a@x.jp ",
    '"a b"@x.jp', "back\\slash@x.jp", "it's@x.jp", "100%s@x.jp", "{}@x.jp", "null", "1", "a" * 320,
]  # fmt: skip

addresses = st.sampled_from(ADDRESSES)
days = st.integers(0, 400)
told = st.one_of(
    st.tuples(st.just("bounce"), addresses, days),
    st.tuples(st.just("success"), addresses, days),
    st.tuples(st.just("block"), addresses, days),
    st.tuples(st.sampled_from(models.Suppression.Kinds.values), addresses, days),
)


def tell(what, address, age):
    at = NOW - timedelta(days=age)
    if what == "bounce":
        factories.MailFactory(recipient=address, address=address, bounce_code=str(age % 12), created_at=at)
    elif what == "success":
        mail = {"delivery_status": "succeeded", "created_at": at}
        factories.MailFactory(recipient=address, address=address, **mail)
    elif what == "block":
        factories.BlockEventFactory(address=address, occurred_at=at)
    elif not models.Suppression.objects.filter(pk=store.told.wire.address_key(address)).exists():
        until = at if age % 2 else None
        factories.SuppressionFactory(address=address, kind=what, decided_at=at, until=until)


def found(asked, *, raw):
    """What is told of these addresses alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.conf.settings.CMC_WEBHOOKS_RAW_SQL", raw)
        rows = store.told_of("default", asked, (NOW - timedelta(days=300), NOW - timedelta(days=2)))
        return sorted((row for row in rows if row.address in asked), key=repr)


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
        monkeypatch.setattr(store.given, "rows", lambda *arguments: [("by sql", 0, "", NOW, None, None)])

        for raw, expected in ((True, ["by sql"]), (False, [])):
            settings.CMC_WEBHOOKS_RAW_SQL = raw
            assert [row.address for row in store.told_of("default", {"a@x.jp"}, (NOW, NOW))] == expected

    @pytest.mark.parametrize(
        ("vendor", "is_mariadb", "known"),
        [("mysql", True, True), ("mysql", False, False),
         ("postgresql", None, True), ("sqlite", None, True), ("oracle", None, False)],
    )  # fmt: skip
    def test_has_sql_for_databases_that_it_knows(self, monkeypatch, vendor, is_mariadb, known):
        monkeypatch.setattr(connection, "vendor", vendor)
        monkeypatch.setattr(connection, "mysql_is_mariadb", is_mariadb, raising=False)

        assert (store.given.statement(connection) is not None) == known
