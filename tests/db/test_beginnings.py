"""The first values that begin with a text: the right ones, read by an index in one statement."""

from __future__ import annotations

import random

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cmc_webhooks import models
from cmc_webhooks.db.beginnings import beginning_with
from tests.helpers import factories

pytestmark = pytest.mark.django_db

LETTERS = "abz0._-%\\'"


def found(text, most=200):
    return beginning_with(models.Mail.objects.all(), "address", text, most)


@pytest.fixture
def addresses():
    dice = random.Random(38)  # noqa: S311 - no secret
    made = {"".join(dice.choices(LETTERS, k=dice.randint(1, 4))) + "@x.jp" for _ in range(300)}
    mails = [factories.MailFactory.build(address=address) for address in made for _ in range(2)]
    models.Mail.objects.bulk_create(mails)
    return made


class TestBeginningWith:
    def test_agrees_with_python(self, addresses):
        for text in [
            "a",
            "ab",
            "b",
            "z",
            "%",
            "_",
            "\\",
            "'",
            "a_",
            "a%",
            "0.",
            "zz",
            "a@",
            "q",
            "\U0001f600",
        ]:
            expected = {address for address in addresses if address.startswith(text)}
            assert set(found(text)) == expected, text

    def test_each_is_returned_once_and_in_order(self, addresses):
        values = found("a")

        assert len(values) == len(set(values))
        assert connection.vendor == "mysql" or values == sorted(values, key=str.encode)

    @pytest.mark.parametrize("most", [1, 2, 7])
    def test_the_first_ones_are_returned(self, addresses, most):
        assert found("a", most) == found("a")[:most]

    def test_takes_no_letter_for_another(self):
        models.Mail.objects.bulk_create([factories.MailFactory.build(address="josé@x.jp")])

        assert found("jose") == []
        assert found("josé") == ["josé@x.jp"]

    def test_costs_one_statement(self, addresses, django_assert_num_queries):
        with django_assert_num_queries(1):
            found("a")

    @pytest.mark.parametrize(("column", "is_partial"), [("address", False), ("api_data", True)])
    def test_is_read_by_an_index(self, column, is_partial):
        mails = [factories.MailFactory.build(**{column: f"ab{number}"}) for number in range(200)]
        models.Mail.objects.bulk_create(mails)
        if connection.vendor != "mysql":
            with connection.cursor() as cursor:
                cursor.execute("ANALYZE")
        with CaptureQueriesContext(connection) as asked:
            values = beginning_with(models.Mail.objects.all(), column, "ab", 500, is_partial=is_partial)

        assert len(values) == 200
        with connection.cursor() as cursor:
            explain = "EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN "
            cursor.execute(
                "SET LOCAL enable_seqscan = off" if connection.vendor == "postgresql" else "SELECT 1"
            )
            cursor.execute(explain + asked[0]["sql"])
            plan = str(cursor.fetchall())
        assert (
            f"cmc_mail_{column}" in plan
            or "Select tables optimized away" in plan
            or "cmc_mail_bounced" in plan
        )
        assert "Seq Scan on cmc" not in plan
        assert "SCAN stored" not in plan
