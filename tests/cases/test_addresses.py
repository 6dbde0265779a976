from __future__ import annotations

import pytest

from cmc_webhooks import models
from tests import cases
from tests.conftest import bounce, delivery

pytestmark = pytest.mark.django_db


class TestC35:
    def test_carrier_addresses_are_kept_and_found(self, open_hook):
        answers = cases.play(open_hook, "C35")

        addresses = ["user..name@mobile.example.jp", "user.name.@mobile.example.jp"]
        found = [models.DeliveryEvent.objects.for_address(address).get().recipient for address in addresses]
        assert answers[0].json() == {"new": 2, "repeated": 0, "rejected": 0}
        assert [row["to"] for row in cases.rows("delivery")] == addresses
        assert found == addresses

    @pytest.mark.parametrize(
        "address",
        [".user@example.jp", "us er@example.jp", "user", "@example.jp", "user@", "user@example",
         "a@b@example.jp",
         "user@[192.0.2.1]", "user+tag/x@example.jp", "ユーザー@例え.jp", "user@xn--r8jz45g.jp",
         '"a b"@example.jp',
         "<>", "''@example.jp", "用户@例.中国", "😀@example.jp", "a,b@example.jp", "user@example.jp."],
    )  # fmt: skip
    def test_no_address_is_refused(self, open_hook, address):
        answer = cases.send(
            open_hook, "deliveries", delivery(to=address, **{"from": address, "returnPath": address})
        )

        row = cases.row("delivery")
        assert answer.json() == {"new": 1, "repeated": 0, "rejected": 0}
        assert (row["to"], row["from"], row["returnPath"]) == (address, address, address)
        assert models.DeliveryEvent.objects.for_address(address).count() == 1


class TestC36:
    def test_a_display_name_with_a_comma_is_one_recipient(self, open_hook):
        answers = cases.play(open_hook, "C36")

        row = cases.row("delivery")
        assert answers[0].json() == {"new": 1, "repeated": 0, "rejected": 0}
        assert models.Mail.objects.get().address == "taro@example.jp"
        assert models.DeliveryEvent.objects.for_address("taro@example.jp").count() == 1
        assert (row["to"], row["from"]) == ('"Yamada, Taro" <taro@example.jp>', "山田 <info@example.com>")

    @pytest.mark.parametrize(
        "spelling",
        ["taro@example.jp", "<taro@example.jp>", "山田, 太郎 <taro@example.jp>",
         '"a <b@c>" <taro@example.jp>',
         " Taro  <Taro@Example.JP> ", "Taro <taro@example.jp>\r\n", "=?UTF-8?B?5bGx?= < taro@example.jp >"],
    )  # fmt: skip
    def test_holds_for_every_spelling(self, open_hook, spelling):
        cases.play(open_hook, "C36")
        cases.send(open_hook, "bounces", bounce("<c36@example.com>", to=spelling))

        assert len(cases.links(cases.row("bounce"))) == 1
        assert models.BounceEvent.objects.for_address(spelling).count() == 1


class TestC37:
    def test_capitals_do_not_hide_a_bounce(self, open_hook):
        answers = cases.play(open_hook, "C37")

        spellings = ["user@example.jp", "USER@EXAMPLE.JP", "User@Example.JP"]
        found = [models.BounceEvent.objects.for_address(spelling).count() for spelling in spellings]
        assert cases.codes(answers) == [200]
        assert cases.row("bounce")["to"] == "User@Example.JP"
        assert found == [1, 1, 1]

    def test_capitals_do_not_part_a_bounce_from_its_mail(self, open_hook):
        cases.send(open_hook, "deliveries", delivery(to="user@example.jp"))
        cases.send(open_hook, "bounces", bounce(to="User@Example.JP"))

        row = cases.row("bounce")
        assert len(cases.links(row)) == 1
        assert row["to"] == "User@Example.JP"

    @pytest.mark.parametrize(
        "pair", [("ÄÖ@x.jp", "äö@x.jp"), ("ＡＢ@x.jp", "ａｂ@x.jp"), ("ΣΑ@x.jp", "σα@x.jp")]
    )
    def test_holds_for_letters_beyond_ascii(self, open_hook, pair):
        cases.send(open_hook, "bounces", bounce(to=pair[0]))

        assert [models.BounceEvent.objects.for_address(spelling).count() for spelling in pair] == [1, 1]

    @pytest.mark.parametrize(
        "pair", [("é@x.jp", "e@x.jp"), ("ａ@x.jp", "a@x.jp"), ("ß@x.jp", "ss@x.jp"), ("が@x", "か@x")]
    )
    def test_letters_that_look_alike_are_different_mails(self, open_hook, pair):
        cases.send(open_hook, "deliveries", *[delivery(to=address) for address in pair])
        cases.send(open_hook, "bounces", bounce(to=pair[0]))

        assert models.Mail.objects.count() == 2
        assert [row["to"] for row in cases.links(cases.row("bounce"))] == [pair[0]]

    @pytest.mark.parametrize(
        "pair", [("é@x.jp", "e@x.jp"), ("a@x.jp", '"a "@x.jp'), ("ß@x.jp", "ss@x.jp"), ("が@x", "か@x")]
    )
    def test_a_look_up_finds_no_address_that_looks_alike(self, open_hook, pair):
        cases.send(open_hook, "bounces", bounce(to=pair[0]))

        found = [row.recipient for row in models.BounceEvent.objects.for_address(pair[1])]
        assert found == []


class TestC38:
    def test_only_the_recipient_that_bounced_is_bounced(self, open_hook):
        answers = cases.play(open_hook, "C38")

        statuses = dict(models.Mail.objects.values_list("address", "status"))
        linked = cases.links(cases.row("bounce"))
        assert cases.codes(answers) == [200, 200]
        assert len(cases.rows("delivery")) == 3
        assert statuses == {
            "a@example.jp": "succeeded",
            "b@example.jp": "bounced",
            "c@example.jp": "succeeded",
        }
        assert [row["to"] for row in linked] == ["b@example.jp"]

    def test_holds_when_the_bounce_comes_first(self, open_hook):
        first, second = cases.INDEX["C38"]["requests"]
        for request in (second, first):
            cases.post(open_hook, (cases.CASES / request["file"]).read_bytes())

        statuses = dict(models.Mail.objects.values_list("address", "status"))
        assert statuses == {
            "a@example.jp": "succeeded",
            "b@example.jp": "bounced",
            "c@example.jp": "succeeded",
        }

    def test_holds_for_a_thousand_recipients(self, open_hook):
        events = [delivery(to=f"user{number}@example.jp") for number in range(1000)]

        cases.send(open_hook, "deliveries", *events)
        cases.send(open_hook, "bounces", bounce(to="user500@example.jp"))

        assert models.Mail.objects.for_message("m1@example.com").count() == 1000
        assert models.Mail.objects.get(status="bounced").address == "user500@example.jp"

    def test_a_bounce_without_a_recipient_marks_no_other(self, open_hook):
        cases.play(open_hook, "C38")
        cases.send(open_hook, "bounces", bounce("<c38@example.com>", to=""))

        assert models.Mail.objects.filter(status="bounced").exclude(recipient="").count() == 1
