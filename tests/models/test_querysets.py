from __future__ import annotations

import pytest
from django.db import connection, connections
from django.db.models.sql.where import WhereNode
from django.test.utils import CaptureQueriesContext

from cmc_webhooks import models, wire
from tests.helpers import factories

pytestmark = pytest.mark.django_db


def captured(rows):
    with CaptureQueriesContext(connection) as queries:
        found = list(rows())
    return found, [query["sql"].replace('"', "").replace("`", "") for query in queries.captured_queries]


def key_bounds(rows):
    """The look-ups of the primary key that hold for all rows: those that stand in no OR."""

    def holding(node):
        for child in node.children:
            if not isinstance(child, WhereNode):
                yield child
            elif child.connector == "AND" and not child.negated:
                yield from holding(child)

    return {each.lookup_name for each in holding(rows.query.where) if each.lhs.target.primary_key}


@pytest.fixture
def mail():
    factories.DeliveryEventFactory()
    return factories.MailFactory(message_id="<Id@example.com>", recipient="Taro <User@example.jp>")


class TestForMessage:
    @pytest.mark.parametrize(
        "spelling", ["<Id@example.com>", "Id@example.com", " <Id@example.com>\t", "\nId@example.com"]
    )
    def test_takes_any_spelling(self, mail, spelling):
        event = factories.BounceEventFactory(mail=mail)

        assert list(models.Mail.objects.for_message(spelling)) == [mail]
        assert list(models.BounceEvent.objects.for_message(spelling)) == [event]
        assert list(models.DeliveryEvent.objects.for_message(spelling)) == []

    @pytest.mark.parametrize("spelling", ["", "<>", "id@example.com", "Id@example", "\0"])
    def test_finds_nothing_for_another_text(self, mail, spelling):
        factories.MailFactory(message_id="")

        assert list(models.Mail.objects.for_message(spelling)) == []

    def test_finds_all_recipients_by_a_range_of_the_primary_key(self, mail):
        other = factories.MailFactory(message_id="Id@example.com")

        found, statements = captured(lambda: models.Mail.objects.for_message("Id@example.com"))

        assert set(found) == {mail, other}
        assert "id BETWEEN" in statements[0]
        assert "message_id =" not in statements[0]

    def test_compares_the_text_where_half_a_key_is_shared(self, mail):
        least, _ = wire.message_range("Id@example.com")
        factories.MailFactory(id=least, message_id="<Other@example.com>")

        assert list(models.Mail.objects.for_message("Id@example.com")) == [mail]


class TestForAddress:
    @pytest.mark.parametrize(
        "spelling", ["user@example.jp", "USER@EXAMPLE.JP", " Someone <User@Example.jp> "]
    )
    def test_takes_any_spelling(self, mail, spelling):
        event = factories.DeliveryEventFactory(mail=mail)
        block = factories.BlockEventFactory(address="user@example.jp")

        assert list(models.Mail.objects.for_address(spelling)) == [mail]
        assert list(models.DeliveryEvent.objects.for_address(spelling)) == [event]
        assert list(models.BlockEvent.objects.for_address(spelling)) == [block]

    @pytest.mark.parametrize(
        "spelling", ["üser@example.jp", "ser@example.jp", "user@example.jpn", "%", "user@example_jp"]
    )
    def test_finds_no_address_that_looks_alike(self, mail, spelling):
        assert list(models.Mail.objects.for_address(spelling)) == []

    def test_tells_apart_addresses_that_are_cut_to_one(self):
        long = f"{'x' * 400}@example.jp"
        factories.MailFactory(recipient=long, address=long[:320])

        assert list(models.Mail.objects.for_address(f"{'x' * 400}@example.com")) == []

    @pytest.mark.parametrize(("vendor", "more"), [("mysql", 2), ("postgresql", 0)])
    def test_compares_the_bytes_where_collations_are_wide(self, monkeypatch, vendor, more):
        monkeypatch.setattr(connections["default"], "vendor", vendor)

        sql = str(models.Mail.objects.for_address("user@example.jp").query)

        assert sql.count(" LIKE ") == more

    def test_uses_the_index_of_the_column(self, mail):
        _, [sql] = captured(lambda: models.Mail.objects.for_address("USER@example.jp"))

        assert "address = " in sql

    def test_finds_an_address_longer_than_its_column(self):
        long = f"{'x' * 400}@example.jp"
        mail = factories.MailFactory(recipient=long, address=long[:320])

        assert list(models.Mail.objects.for_address(long)) == [mail]
        assert not models.Mail.objects.for_address(long[:320]).exists()

    def test_finds_a_block_of_an_address_longer_than_its_column(self):
        long = f"{'x' * 400}@example.jp"
        block = factories.BlockEventFactory(address=long[:320], raw={"to": f"X <{long.upper()}>"})
        erased = factories.BlockEventFactory(address=long[:320], raw={})

        assert list(models.BlockEvent.objects.for_address(long)) == [block]
        assert not models.BlockEvent.objects.for_address(erased.address).exists()


class TestWithStatus:
    @pytest.fixture
    def words(self):
        return {
            word: factories.DeliveryEventFactory(status=word)
            for word in ("queued", "succeeded", "failed", "deferred", "Queued", "odd")
        }

    @pytest.mark.parametrize(
        "asked",
        [[], ["queued"], ["failed"], ["Queued"], ["odd", "deferred"], ["queued", "failed"], ["none"], [""]],
        ids=",".join,
    )
    def test_finds_the_very_words(self, words, asked):
        found = models.DeliveryEvent.objects.with_status(*asked)

        assert set(found) == {words[word] for word in asked if word in words}

    @pytest.mark.skipif("connection.vendor == 'mysql'", reason="its index holds all deliveries")
    def test_finds_what_is_not_usual_by_an_index(self):
        factories.DeliveryEventFactory.create_batch(300, status="succeeded")
        factories.DeliveryEventFactory(status="deferred")
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")

        plan = models.DeliveryEvent.objects.with_status("deferred").order_by("-pk").explain()

        assert "cmc_delivery_unusual" in plan


class TestForSender:
    @pytest.fixture
    def sent(self):
        factories.DeliveryEventFactory()
        return factories.MailFactory(header_from="Shop <Shop@Example.jp>")

    @pytest.mark.parametrize("spelling", ["shop@example.jp", "SHOP@EXAMPLE.JP", " Other <Shop@example.jp> "])
    def test_takes_any_spelling(self, sent, spelling):
        event = factories.BounceEventFactory(mail=sent)

        assert list(models.Mail.objects.for_sender(spelling)) == [sent]
        assert list(models.BounceEvent.objects.for_sender(spelling)) == [event]
        assert list(models.DeliveryEvent.objects.for_sender(spelling)) == []

    @pytest.mark.parametrize("spelling", ["shöp@example.jp", "hop@example.jp", "%", "", "<>"])
    def test_finds_no_address_that_looks_alike(self, sent, spelling):
        factories.MailFactory(header_from="")

        assert list(models.Mail.objects.for_sender(spelling)) == []
        assert list(models.DeliveryEvent.objects.for_sender(spelling)) == []

    def test_finds_letters_beyond_ascii_in_any_case(self):
        mail = factories.MailFactory(header_from="MÜLLER@example.com")

        assert list(models.Mail.objects.for_sender("müller@EXAMPLE.com")) == [mail]

    def test_finds_an_address_longer_than_its_column(self):
        long = f"{'x' * 400}@example.jp"
        mail = factories.MailFactory(header_from=f"X <{long.upper()}>")
        event = factories.DeliveryEventFactory(mail=mail)

        assert list(models.Mail.objects.for_sender(long)) == [mail]
        assert list(models.DeliveryEvent.objects.for_sender(long)) == [event]
        assert not models.Mail.objects.for_sender(long[:320]).exists()
        assert not models.Mail.objects.for_sender(f"{'x' * 400}@example.com").exists()


class TestWithBounceCode:
    @pytest.fixture
    def mails(self):
        return {code: factories.MailFactory(bounce_code=code) for code in ("", "2", "2 ", "8", "Odd")}

    @pytest.mark.parametrize(
        "asked", [[], ["2"], ["8", "Odd"], ["odd"], ["77"], [""], ["", "2"]], ids=",".join
    )
    def test_finds_the_very_codes(self, mails, asked):
        found = models.Mail.objects.with_bounce_code(*asked)

        assert set(found) == {mails[code] for code in asked if code in mails}


class TestWithBounceClass:
    @pytest.mark.parametrize(
        ("asked", "codes"),
        [
            ([], []),
            (["hard"], ["1", "2"]),
            (["message", "soft"], ["3", "8"]),
            (["unknown"], ["77", "99"]),
            (["policy"], []),
        ],
        ids=str,
    )
    def test_finds_the_mails_of_each_code(self, asked, codes):
        factories.MailFactory(delivery_status="unknown")
        mails = {code: factories.MailFactory(bounce_code=code) for code in ("1", "2", "3", "8", "77", "99")}

        found = models.Mail.objects.with_bounce_class(*asked)

        assert set(found) == {mails[code] for code in codes}


class TestForDomain:
    @pytest.mark.parametrize("spelling", ["example.jp", "@example.jp", "EXAMPLE.jp"])
    def test_finds_mails_and_their_events(self, mail, spelling):
        event = factories.DeliveryEventFactory(mail=mail)
        other = factories.DeliveryEventFactory(mail=factories.MailFactory(recipient="u@other.example"))

        assert mail in models.Mail.objects.for_domain(spelling)
        assert event in models.DeliveryEvent.objects.for_domain(spelling)
        assert other not in models.DeliveryEvent.objects.for_domain(spelling)
