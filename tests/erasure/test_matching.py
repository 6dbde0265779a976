from __future__ import annotations

import json
import re
from html import escape
from urllib.parse import quote

import pytest

from cmc_webhooks.erasure import matching

ADDRESS = "hanako@example.jp"


def code_points(text):
    return "".join(f"\\u{ord(letter):04x}" for letter in text)


SPELLED = {
    "letter case": "HaNaKo@EXAMPLE.jp",
    "JSON": r"hanako\u0040example.jp",
    "JSON, another character": r"\u0068anako@example\u002ejp",
    "JSON, all characters": code_points(ADDRESS).upper().replace("\\U", "\\u"),
    "JSON in JSON": json.dumps(r"hanako\u0040example.jp"),
    "URL": "hanako%40example.jp",
    "URL, all characters": "".join(f"%{ord(letter):02X}" for letter in ADDRESS),
    "HTML, decimal": "hanako&#64;example.jp",
    "HTML, hexadecimal": "hanako&#X40;example.jp",
    "HTML, by name": "hanako&commat;example&period;jp",
    "HTML, all characters": "".join(f"&#{ord(letter)};" for letter in ADDRESS),
    "HTML in HTML": "hanako&amp;#64;example.jp",
    "HTML in JSON": r"hanako\u0026#64;example.jp",
    "full width": "ｈａｎａｋｏ＠ｅｘａｍｐｌｅ．ｊｐ",
    "a full-width at sign": "hanako＠example.jp",
    "a small at sign": "hanako﹫example.jp",
    "full width in JSON": json.dumps("ｈａｎａｋｏ＠example.jp"),
}
WITHIN = {
    "URL in a URL": "https://x.jp/?back=%2Fu%3Fto%3Dhanako%2540example.jp%26n%3D1",
    "URL, behind an encoded bracket": "https://x.jp/?to=%3Chanako%40example.jp%3E",
    "URL, with an encoded VERP": "bounce%2Bhanako%3Dexample.jp%40x.jp",
    "URL in HTML": "https://x.jp/?n=1&amp;to=hanako&#37;40example.jp",
    "VERP": "bounce+hanako=example.jp@x.jp",
}
ALL = SPELLED | WITHIN
OTHERS = {
    "JSON": r"shanako\u0040example.jp",
    "JSON, another character": r"\u0073hanako@example.jp",
    "URL": "taro%2Ehanako%40example.jp",
    "URL, behind": "hanako%40example.jp%2Ex.com",
    "HTML": "s&#104;anako&#64;example.jp",
    "HTML, behind": "hanako&#64;example.jp&#46;com",
    "full width": "ｓｈａｎａｋｏ＠ｅｘａｍｐｌｅ．ｊｐ",
    "no address": "100%40 &amp; \\u0040 ＠",
}


class TestNames:
    @pytest.mark.parametrize("text", ALL.values(), ids=ALL)
    @pytest.mark.parametrize(
        "around", ["{}", "550 5.1.1 <{}>: unknown", "宛先 {} は不明です", "a@x.jp {} 5%"]
    )
    def test_finds_each_spelling_in_any_company(self, text, around):
        assert matching.names(around.format(text), ADDRESS)

    @pytest.mark.parametrize("text", OTHERS.values(), ids=OTHERS)
    def test_leaves_addresses_that_only_contain_this_one(self, text):
        assert not matching.names(text, ADDRESS)

    @pytest.mark.parametrize("text", ALL.values(), ids=ALL)
    def test_finds_it_at_any_depth(self, text):
        assert matching.names({"a": [{text: "1"}]}, ADDRESS)
        assert matching.names([["a", ["b", text]]], ADDRESS)

    @pytest.mark.parametrize("address", ["taro+news@example.jp", "花子@例え.jp", "o'hara&co@example.jp"])
    def test_finds_letters_that_are_escaped_in_other_addresses(self, address):
        assert matching.names(quote(address), address)
        assert matching.names(escape(address), address)
        assert matching.names(json.dumps(address), address)
        assert matching.names(quote(quote(json.dumps(address))), address)

    def test_reads_what_is_cut_in_an_escape(self):
        assert matching.names(r"hanako\u0040example.jp \u00", ADDRESS)
        assert matching.names("hanako%40example.jp %4", ADDRESS)
        assert matching.names("hanako&#64;example.jp &#6", ADDRESS)


class TestEscapePatterns:
    @pytest.mark.parametrize("text", ALL.values(), ids=ALL)
    def test_find_what_the_plain_parts_do_not(self, text):
        """All databases read these patterns as Python does."""
        plainly = any(part in text.lower() for part in matching.searchable(ADDRESS))
        patterns = matching.escape_patterns(ADDRESS)

        assert plainly or all(re.search(each, text.lower()) for each in patterns)

    @pytest.mark.parametrize(
        "text",
        ["50% OFF, A & B", "550 5.1.1 <taro@example.jp>: unknown", r"C:\users", json.dumps("花子への件名")],
    )
    def test_pass_over_ordinary_texts(self, text):
        assert not all(re.search(each, text.lower()) for each in matching.escape_patterns(ADDRESS))


class TestOthers:
    @pytest.mark.parametrize("text", SPELLED.values(), ids=SPELLED)
    def test_are_found_in_each_spelling(self, text):
        assert ADDRESS in matching.others(f"taro@x.jp, {text}", "taro@x.jp")

    @pytest.mark.parametrize("text", SPELLED.values(), ids=SPELLED)
    def test_do_not_hold_the_address_itself(self, text):
        assert matching.others(text, ADDRESS) == set()
