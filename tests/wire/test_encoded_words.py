from __future__ import annotations

import unicodedata
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmc_webhooks.wire import records
from cmc_webhooks.wire.encoded_words import decode_words
from tests.conftest import bounce, delivery

JIS = b"\x1b$B-!-j%F%9%H\x1b(B"
"""①㈱テスト: the first two are in row 13, which only vendors have."""
UTF8 = "予約の確認".encode()


def word(raw, charset="UTF-8"):
    return f"=?{charset}?B?{b64encode(raw).decode()}?="


CHARSETS = [
    "UTF-8",
    "iso-2022-jp",
    "Shift_JIS",
    "windows-31j",
    "zip",
    "idna",
    "x" * 100,
    "utf-8*ja",
    "\u3042",
]
pieces = st.one_of(
    st.text(),
    st.sampled_from(["=?", "?=", "?B?", " ", "\t", "=?UTF-8?Q?", "=?UTF-8?B?AAA", "=0D=0A"]),
    st.builds(word, st.binary(), st.sampled_from(CHARSETS[:-1])),
    st.builds("=?{}?{}?{}?=".format, st.sampled_from(CHARSETS), st.sampled_from("bBqQx"), st.text()),
)
headers = st.lists(pieces, max_size=6).map("".join)


def controls(text):
    return {letter for letter in text if unicodedata.category(letter) in {"Cc", "Zl", "Zp", "Cs"}}


class TestDecodeWords:
    @pytest.mark.parametrize(
        ("sent", "read"),
        [
            ("=?ISO-2022-JP?B?GyRCJUYlOSVIGyhC?=", "テスト"),
            (word(JIS, "ISO-2022-JP"), "①㈱テスト"),
            (word(JIS, "iso-2022-jp-ms"), "①㈱テスト"),
            (word(b"\x1b(I1\x1b(B \x1b$B-!\x1b(J!", "CP50221"), "ｱ ①!"),
            (word(b"\x1b$B-!  ", "iso-2022-jp"), "①\ufffd"),
            (word("①髙".encode("cp932"), "Shift_JIS"), "①髙"),
            (word("①髙".encode("cp932"), "Windows-31J"), "①髙"),
            (word("予約".encode("euc_jp"), "x-euc-jp"), "予約"),
            ("=?utf-8*ja?q?caf=C3=A9_1?=", "café 1"),
            ("=?iso-8859-1?Q?=80_caf=E9?=", "€ café"),
            ("=?us-ascii?Q?a=2C_b?= =?utf-8?Q?c?=", "a, bc"),
            ("Re: =?UTF-8?B?5LqI57SE?= (2)", "Re: 予約 (2)"),
            ("[a]=?UTF-8?B?5LqI57SE?=b", "[a]予約b"),
            ("=?UTF-8?B?5LqI57SE?= x =?UTF-8?B?5LqI57SE?=", "予約 x 予約"),
            ("=?UTF-8?Q?=3D=3FUTF-8=3FQ=3Fa=3F=3D?=", "=?UTF-8?Q?a?="),
            ("=?UTF-8?B??=", ""),
        ],
        ids=ascii,
    )
    def test_reads(self, sent, read):
        assert decode_words(sent) == read

    @pytest.mark.parametrize("charset", ["UTF-8", "utf8", "csUTF8"])
    @pytest.mark.parametrize("cut", range(1, len(UTF8)))
    @pytest.mark.parametrize("between", ["", " ", " \t "])
    def test_joins_a_character_that_is_in_two_words(self, charset, cut, between):
        sent = word(UTF8[:cut], charset) + between + word(UTF8[cut:], "UTF-8")

        assert decode_words(sent) == "予約の確認"

    @pytest.mark.parametrize("cut", range(1, len(JIS)))
    def test_joins_escapes_that_are_in_two_words(self, cut):
        assert (
            decode_words(f"{word(JIS[:cut], 'ISO-2022-JP')} {word(JIS[cut:], 'iso-2022-jp')}") == "①㈱テスト"
        )

    @pytest.mark.parametrize(
        "sent",
        [
            "",
            "a =? b ?= c",
            "=?x?",
            "=?UTF-8?X?abc?=",
            "=?UTF-8?B?5LqI57SE",
            "=?UTF-8?B?5?=",
            "=?UTF-8?B?予約?=",
            "=?UTF-8?B?5L*qI?=",
            "=?UTF-8?Q?予約?=",
            "=?zip?B?AAAA?=",
            "=?rot13?Q?a?=",
            "=?utf-16?B?AAAA?=",
            "=?nobody-knows?B?AAAA?= =?UTF-8?B?5?=",
        ],
    )
    def test_leaves_what_is_not_a_word_or_cannot_be_read(self, sent):
        assert decode_words(sent) == sent

    @pytest.mark.parametrize(
        ("sent", "read"),
        [
            ("=?UTF-8?B?5LqI57Q?=", "予\ufffd"),
            ("=?UTF-8?B?5LqI57SE5?=", "=?UTF-8?B?5LqI57SE5?="),
            ("=?ISO-2022-JP?B?5LqI57SE?=", "予約"),
            ("=?Shift_JIS?B?5LqI57SE44GuMQ==?=", "予約の1"),
        ],
    )
    def test_reads_what_it_can_of_a_broken_word(self, sent, read):
        assert decode_words(sent) == read

    @pytest.mark.parametrize(
        "raw", [b"a\r\nBcc: x", b"a\r\n x", b"a\x0bx", "a\u2028x".encode(), b"a\x1b[31mx"]
    )
    def test_a_word_has_no_line_breaks_and_controls(self, raw):
        read = decode_words(word(raw))

        assert controls(read) == set()
        assert read.startswith("a ")

    @given(headers)
    def test_reads_anything_without_further_controls(self, sent):
        read = decode_words(sent)

        assert controls(read) <= controls(sent)
        assert read == sent or "=?" in sent
        assert len(read) <= len(sent)


class TestSubject:
    @given(headers)
    def test_an_event_is_the_same_when_it_is_read_again(self, subject):
        for kind, item in (
            (records.DeliveryRecord, delivery(subject=subject)),
            (records.BounceRecord, bounce(subject=subject)),
        ):
            first = kind.of("x", "pro", 0, item)
            again = kind.of("x", "pro", 0, first.as_sent())

            assert again == first
            assert len(first.subject.splitlines()) <= 1

    def test_what_was_sent_is_kept_and_makes_the_key(self):
        sent = word(UTF8)
        read = records.DeliveryRecord.of("deliveries", "pro", 0, delivery(subject=sent))
        plain = records.DeliveryRecord.of("deliveries", "pro", 0, delivery(subject="予約の確認"))

        assert (read.subject, read.extra) == ("予約の確認", {"subject": sent})
        assert (plain.subject, plain.extra) == ("予約の確認", {})
        assert read.key != plain.key
        assert str(read.key) == "0185e93d-4990-8df7-b942-1baa6778fb02"

    def test_a_plain_subject_is_not_read(self, monkeypatch):
        monkeypatch.setattr(records, "decode_words", None)

        assert records.DeliveryRecord.of("deliveries", "pro", 0, delivery()).extra == {}
