"""The list of all addresses that may not be sent to."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from cmc_webhooks import models, suppression
from cmc_webhooks.db import keyset
from cmc_webhooks.suppression import lists
from tests.helpers import factories

pytestmark = pytest.mark.django_db


def bounced(address, code="2", composition="pro", days=1):
    at = timezone.now() - timedelta(days=days)
    factories.MailFactory(
        recipient=address, bounce_code=code, server_composition=composition, created_at=at, status_at=at
    )


def listed(**filters):
    """All addresses, by pages; each page begins behind the one before."""
    return [each.address for each in suppression.stream(**filters)]


def pages(**options):
    page = suppression.listing(**options)
    found = [page]
    while page.next is not None:
        page = suppression.listing(**options, after=page.next)
        found.append(page)
    return found


class TestListing:
    def test_has_each_address_once_whatever_suppresses_it(self):
        bounced("hard@x.jp")
        bounced("hard@x.jp", days=2)
        bounced("both@x.jp")
        suppression.block("both@x.jp")
        suppression.block("both@x.jp", composition="pro")
        suppression.block("hand@x.jp")
        for address in ("cmc@x.jp", "hard@x.jp", "cmc@x.jp"):
            factories.BlockEventFactory(address=address, occurred_at=timezone.now())
        bounced("released@x.jp", days=3)
        suppression.release("released@x.jp")
        bounced("policy@x.jp", code="4")
        factories.MailFactory(recipient="good@x.jp", delivery_status="succeeded")

        assert listed() == ["both@x.jp", "hand@x.jp", "cmc@x.jp", "hard@x.jp"]
        assert {each.address: each.verdict for each in suppression.stream()} == suppression.verdicts(listed())

    def test_is_the_answer_to_the_question(self):
        bounced("news@x.jp", "11", "news")
        bounced("pro@x.jp", "10", "pro")

        assert listed() == ["news@x.jp", "pro@x.jp"]
        assert listed(composition="news") == ["news@x.jp"]
        assert listed(transactional=True) == ["pro@x.jp"]
        assert listed(composition="news", transactional=True) == []

    def test_can_be_of_a_reason(self):
        bounced("hard@x.jp")
        bounced("hand@x.jp")
        suppression.block("hand@x.jp")
        bounced("unsubscribed@x.jp", "11")
        factories.BlockEventFactory(address="cmc@x.jp", occurred_at=timezone.now())

        assert listed(reason="by_hand") == ["hand@x.jp"]
        assert listed(reason="hard") == ["hand@x.jp", "hard@x.jp"]
        assert listed(reason="blocked") == ["cmc@x.jp"]
        assert listed(reason="unsubscribed") == ["unsubscribed@x.jp"]
        assert listed(reason="soft") == []

    @pytest.mark.parametrize(
        ("domain", "address"),
        [("x.jp", "a@x.jp"), ("@X.jp", "a@x.jp"), ("例え.jp", "b@例え.jp"), ("xn--r8jz45g.jp", "b@例え.jp")],
    )
    def test_can_be_of_a_domain(self, domain, address):
        for other in ("a@x.jp", "b@例え.jp", "c@y.jp", "d@sub.x.jp"):
            bounced(other)

        assert listed(domain=domain) == [address]

    @pytest.mark.parametrize("size", [1, 2, 3, 100])
    def test_has_pages_that_follow_each_other(self, size):
        for number in range(7):
            bounced(f"{number}@x.jp")
            suppression.block(f"h{number}@x.jp")

        found = pages(size=size)

        assert [each.address for page in found for each in page.rows] == listed()
        assert all(len(page.rows) <= size for page in found)
        assert len(listed()) == 14

    @pytest.mark.parametrize("limit", [1, 2, 5])
    def test_looks_at_a_limited_number_of_addresses(self, monkeypatch, limit):
        for number in range(9):
            bounced(f"{number}@x.jp", "2" if number % 4 == 0 else "4")
            suppression.release(f"h{number}@x.jp")
        whole = listed()
        monkeypatch.setattr(lists, "LOOKED_AT", limit)

        found = pages()

        assert (
            [each.address for page in found for each in page.rows] == whole == ["0@x.jp", "4@x.jp", "8@x.jp"]
        )
        assert max(page.looked_at for page in found) <= limit
        assert any(page.rows == [] for page in found[:-1])

    def test_is_not_held_up_by_an_address_with_many_bounces(self, monkeypatch):
        monkeypatch.setattr(lists, "LOOKED_AT", 3)
        for days in range(1, 9):
            bounced("a@x.jp", days=days)
        bounced("b@x.jp")

        assert listed() == ["a@x.jp", "b@x.jp"]

    def test_costs_no_statements_for_each_address(self, django_assert_max_num_queries):
        for number in range(60):
            bounced(f"{number}@x.jp")
            suppression.block(f"h{number}@x.jp")

        with django_assert_max_num_queries(12):
            assert len(suppression.listing(size=1000).rows) == 120

    def test_costs_no_more_statements_for_a_small_page(self, django_assert_max_num_queries):
        for number in range(150):
            suppression.release(f"{number}@x.jp")

        with django_assert_max_num_queries(12):
            assert suppression.listing(size=1).rows == []

    @pytest.mark.parametrize("size", [1, 100])
    def test_tells_alike_letters_apart(self, size):
        addresses = ["e@x.jp", "é@x.jp", "ê@x.jp", "f@x.jp"]
        for address in addresses:
            bounced(address)
            factories.BlockEventFactory(address=f"b{address}", occurred_at=timezone.now())
            suppression.block(f"h{address}")

        found = [each.address for page in pages(size=size) for each in page.rows]

        assert sorted(found) == sorted(prefix + each for each in addresses for prefix in ("", "b", "h"))

    def test_has_an_address_in_one_form_of_its_domain(self):
        bounced("a@例え.jp")
        bounced("a@xn--r8jz45g.jp", days=2)
        bounced("b@例え.jp")
        suppression.block("b@xn--r8jz45g.jp")

        assert len(listed()) == 2

    def test_has_long_addresses_as_a_whole(self):
        long = "a" * 330
        for end in ("b", "c"):
            factories.MailFactory(
                recipient=f"{long}{end}@x.jp", address=long[:320], bounce_code="2", created_at=timezone.now()
            )

        assert sorted(listed()) == [f"{long}b@x.jp", f"{long}c@x.jp"]

    def test_lacks_erased_addresses(self):
        suppression.block("a@x.jp")
        models.Suppression.objects.update(address="")

        assert listed() == []

    @pytest.mark.parametrize("after", ["x", "====", "OQ==", "%", "é", "MGEAYg=="])
    def test_refuses_a_cursor_that_it_did_not_give(self, after):
        with pytest.raises(keyset.BadCursor):
            suppression.listing(after=after)


class TestStream:
    def test_goes_on_behind_a_cursor(self):
        for number in range(5):
            suppression.block(f"{number}@x.jp")
        page = suppression.listing(size=2)

        assert listed(after=page.next) == ["2@x.jp", "3@x.jp", "4@x.jp"]
