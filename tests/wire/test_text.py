from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmc_webhooks.wire import text

anything = st.text(st.characters())


class TestClean:
    @pytest.mark.parametrize(
        ("sent", "kept"),
        [
            ("550 user\0unknown", "550 user\ufffdunknown"),
            ("Hi \ud83d there", "Hi \ufffd there"),
            ("\udc00\ud800", "\ufffd\ufffd"),
            ("ok 😀 𠮷", "ok 😀 𠮷"),
            ("tab\tand\r\nbreak", "tab\tand\r\nbreak"),
            ("", ""),
        ],
        ids=ascii,
    )
    def test_replaces_what_no_database_takes(self, sent, kept):
        assert text.clean(sent) == kept

    @given(anything)
    def test_leaves_nothing_that_cannot_be_encoded(self, sent):
        kept = text.clean(sent)

        assert "\0" not in kept
        assert len(kept.encode()) >= len(kept) == len(sent)


class TestOneLine:
    @pytest.mark.parametrize(
        ("sent", "kept"),
        [
            ("Quarterly report\r\n part 2", "Quarterly report part 2"),
            ("a\n\n\n\tb", "a b"),
            ("a\r\n \r\n\tb", "a b"),
            ("a\u2028b\u2029c\x85d\x0be\x0cf", "a b c d e f"),
            ("a  b\tc", "a  b\tc"),
            ("全角\u3000空白", "全角\u3000空白"),
            ("end\n", "end "),
        ],
        ids=ascii,
    )
    def test_folds_breaks_with_the_blanks_around_them(self, sent, kept):
        assert text.one_line(sent) == kept

    @given(anything)
    def test_leaves_one_line(self, sent):
        assert len(text.one_line(sent).splitlines()) <= 1

    @pytest.mark.parametrize("blanks", ["\t", " \t", " \t\n"], ids=ascii)
    def test_takes_long_blanks(self, blanks):
        assert text.one_line(blanks * (30_000 // len(blanks)) + "x").endswith("x")


class TestReplaceAstral:
    def test_replaces_letters_above_the_bmp_one_for_one(self):
        assert text.replace_astral("𠮷野家 😀 テスト\uffff") == "\ufffd野家 \ufffd テスト\uffff"


class TestBareMessageId:
    @pytest.mark.parametrize(
        ("sent", "bare"),
        [
            ("<c34@example.com>", "c34@example.com"),
            ("c34@example.com", "c34@example.com"),
            (" <c34@example.com>\t", "c34@example.com"),
            ("< c34@example.com >", "c34@example.com"),
            ("<<a@b>>", "<a@b>"),
            ("<A@B>", "A@B"),
            ("<a@b", "<a@b"),
            ("<a@b>\r\n", "a@b"),
            ("a\0@b", "a\ufffd@b"),
            ("<>", ""),
            ("", ""),
        ],
        ids=ascii,
    )
    def test_has_no_blanks_and_one_pair_of_brackets_less(self, sent, bare):
        assert text.bare_message_id(sent) == bare


class TestNormaliseAddress:
    @pytest.mark.parametrize(
        ("sent", "address"),
        [
            ("User@Example.JP", "user@example.jp"),
            ('"Yamada, Taro" <taro@example.jp>', "taro@example.jp"),
            ("山田 <Taro@Example.jp> ", "taro@example.jp"),
            ("<a@b>", "a@b"),
            ("A <x> <a@b>", "a@b"),
            ("user..name@mobile.example.jp", "user..name@mobile.example.jp"),
            ("user.name.@mobile.example.jp", "user.name.@mobile.example.jp"),
            ('"<b>x</b>"@example.jp', '"<b>x</b>"@example.jp'),
            ("user@日本.example", "user@日本.example"),
            ("user@\r\n example", "user@ example"),
            ("user@example", "user@example"),
            ("no address", "no address"),
            ("", ""),
        ],
        ids=ascii,
    )
    def test_is_bare_and_lower_case(self, sent, address):
        assert text.normalise_address(sent) == address

    @given(st.emails())
    def test_finds_an_address_behind_any_name(self, address):
        assert text.normalise_address(f"Name <{address}>") == text.normalise_address(address)


class TestAddressForms:
    @pytest.mark.parametrize(
        ("address", "forms"),
        [
            ("a@例え.jp", ("a@xn--r8jz45g.jp", "a@例え.jp")),
            ("a@xn--r8jz45g.jp", ("a@xn--r8jz45g.jp", "a@例え.jp")),
            ("花子@x.jp", ("花子@x.jp",)),
            ("a@x.jp", ("a@x.jp",)),
            ("a@faß.de", ("a@faß.de",)),  # RFC 3490 makes another domain of it
            ("a@xn--zzzz--.jp", ("a@xn--zzzz--.jp",)),
            ("a@例え..jp", ("a@例え..jp",)),
            (f"a@{'例' * 99}.jp", (f"a@{'例' * 99}.jp",)),
            ("例え", ("例え",)),
            ("a@", ("a@",)),
            ("", ("",)),
        ],
        ids=ascii,
    )
    def test_are_of_one_domain(self, address, forms):
        assert text.address_forms(address) == forms

    @given(st.text())
    def test_are_found_in_any_text(self, sent):
        assert sent in text.address_forms(sent)


class TestDomainOf:
    @pytest.mark.parametrize(
        ("address", "domain"), [("a@b.jp", "b.jp"), ('"a@b"@c', "c"), ("none", ""), ("a@", ""), ("", "")]
    )
    def test_is_what_follows_the_last_at(self, address, domain):
        assert text.domain_of(address) == domain
