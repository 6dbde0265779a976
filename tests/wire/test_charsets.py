from __future__ import annotations

from urllib.parse import quote_from_bytes

import pytest

from cmc_webhooks import wire
from tests.conftest import FORM
from tests.wire.bodies import JSON


class TestCharsets:
    CHARSETS = {
        "utf-8": ["UTF-8", "utf8", "csUTF8", '"utf-8"'],
        "latin-1": ["ISO-8859-1", "latin1", "L1"],
        "cp1252": ["windows-1252", "CP1252"],
        "iso2022_jp": ["ISO-2022-JP", "csISO2022JP"],
        "shift_jis": ["Shift_JIS", "shift-jis", "sjis", "x-sjis", "MS_Kanji"],
        "cp932": ["cp932", "Windows-31J", "csWindows31J", "ms932"],
        "euc_jp": ["EUC-JP", "eucjp", "x-euc-jp"],
    }

    @pytest.mark.parametrize(
        ("codec", "name"), [(codec, name) for codec, names in CHARSETS.items() for name in names]
    )
    def test_reads_each_charset_by_each_name(self, codec, name):
        word = "Café" if codec in ("latin-1", "cp1252") else "テスト"
        as_json = f'{{"event_type": "{word}"}}'.encode(codec)
        as_form = f"event_type={quote_from_bytes(word.encode(codec))}".encode()

        for sent, content_type in ((as_json, JSON), (as_form, FORM)):
            assert wire.decode(sent, f"{content_type}; charset={name}").event_type == word

    @pytest.mark.parametrize("name", ["us-ascii", "ASCII", "", '""'])
    def test_reads_ascii_and_nothing_as_utf_8(self, name):
        assert (
            wire.decode('{"event_type": "テスト"}'.encode(), f"{JSON}; charset={name}").event_type == "テスト"
        )

    @pytest.mark.parametrize(
        "name", ["utf-16", "utf-7", "koi8-r", "rot13", "nonsense", "a\0b", "idna", "x" * 900]
    )
    def test_refuses_other_charsets(self, name):
        with pytest.raises(wire.UnsupportedCharset):
            wire.decode(b"{}", f"{JSON}; charset={name}")

    def test_replaces_damaged_bytes(self):
        assert wire.decode(b'{"event_type": "Caf\xe9"}').event_type == "Caf\ufffd"
        assert wire.decode(b"event_type=Caf%E9").event_type == "Caf\ufffd"
