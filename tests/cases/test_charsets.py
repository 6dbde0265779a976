from __future__ import annotations

import json
from urllib.parse import quote_from_bytes

import pytest

from tests import cases
from tests.conftest import FORM, delivery

pytestmark = pytest.mark.django_db

# By Python's codec: the names that IANA and the WHATWG give it, and those that Java and Python programs use.
NAMES = {
    "utf-8": ["utf-8", "UTF-8", '"utf-8"', "utf8", "UTF8"],
    "ascii": ["us-ascii", "US-ASCII", "ascii", "ANSI_X3.4-1968"],
    "latin-1": ["iso-8859-1", "ISO-8859-1", "latin1", "latin-1", "ISO_8859-1", "iso8859-1", "l1", "cp819"],
    "cp1252": ["windows-1252", "cp1252", "Cp1252", "x-cp1252"],
    "iso2022_jp": ["iso-2022-jp", "ISO-2022-JP", "csISO2022JP", "ISO2022JP", "iso2022_jp"],
    "shift_jis": ["shift_jis", "Shift_JIS", "shift-jis", "SJIS", "sjis", "x-sjis", "csShiftJIS"],
    "cp932": ["cp932", "CP932", "windows-31j", "Windows-31J", "csWindows31J", "MS932", "ms932", "MS_Kanji"],
    "euc_jp": ["euc-jp", "EUC-JP", "eucjp", "euc_jp", "x-euc-jp", "csEUCPkdFmtJapanese"],
}
TEXTS = {"ascii": "Test", "latin-1": "Café ü", "cp1252": "Café – €", "cp932": "髙橋①"}
EACH = [(codec, name) for codec, names in NAMES.items() for name in names]
each_name = pytest.mark.parametrize(("codec", "name"), EACH, ids=[name for _, name in EACH])


class TestC24:
    def test_declared_iso_2022_jp_is_read(self, open_hook, sent):
        answers = cases.play(open_hook, "C24")

        assert cases.codes(answers) == [200]
        assert cases.row("delivery")["subject"] == "テストメール"
        assert len(sent.of("event_recorded")) == 1

    @each_name
    def test_holds_for_json_in_each_charset_by_each_name(self, open_hook, codec, name):
        subject = TEXTS.get(codec, "テストメール表\\n")
        event = {"deliveries": [delivery(subject=subject)]}
        body = json.dumps({"event_type": "deliveries", "event": event}, ensure_ascii=False).encode(
            codec, "replace"
        )

        answer = cases.post(open_hook, body, f"application/json; charset={name}")

        assert answer.status_code == 200, answer.content
        assert cases.row("delivery")["subject"] == subject

    @each_name
    def test_holds_for_forms(self, open_hook, codec, name):
        subject = TEXTS.get(codec, "テストメール表")
        event = json.dumps({"deliveries": [delivery(subject=subject)]}, ensure_ascii=False)
        body = f"event_type=deliveries&event={quote_from_bytes(event.encode(codec, 'replace'))}".encode()

        answer = cases.post(open_hook, body, f"{FORM}; charset={name}")

        assert answer.status_code == 200, answer.content
        assert cases.row("delivery")["subject"] == subject

    @pytest.mark.parametrize("codec", ["shift_jis", "euc_jp", "iso2022_jp"])
    def test_holds_for_multipart_and_its_parts(self, open_hook, codec):
        event = json.dumps({"deliveries": [delivery(subject="テスト")]}, ensure_ascii=False)
        disposition = 'Content-Disposition: form-data; name="{}"\r\n'
        head = (
            "--b\r\n"
            + disposition.format("event_type")
            + "\r\ndeliveries\r\n--b\r\n"
            + disposition.format("event")
        )
        part = f"Content-Type: text/plain; charset={codec}\r\n"

        answers = [
            cases.post(
                open_hook,
                f"{head}{kind}\r\n{event}\r\n--b--\r\n".encode(codec, "replace"),
                f"multipart/form-data; boundary=b{charset}",
            )
            for kind, charset in ((part, ""), ("", f"; charset={codec}"))
        ]

        assert cases.codes(answers) == [200, 200]
        assert {row["subject"] for row in cases.rows("delivery")} == {"テスト"}

    @pytest.mark.parametrize(
        "name", ["utf-16", "utf-7", "utf-32", "koi8-r", "big5", "gb18030", "idna", "punycode", "rot13",
        "hex", "zip",
                 "raw_unicode_escape", "unicode_escape", "undefined", "nosuch", "é", "x" * 5000,
                 "iso-2022-jp-2"],
        ids=lambda name: ascii(name)[:20],
    )  # fmt: skip
    @pytest.mark.parametrize(
        "kind", ["application/json", FORM, "multipart/form-data; boundary=b", "text/plain"]
    )
    def test_other_charsets_are_refused(self, open_hook, kind, name):
        answer = cases.post(open_hook, cases.notification(delivery()), f"{kind}; charset={name}")

        assert answer.status_code == 415
        assert cases.stored() == {}

    def test_what_is_not_declared_is_read_as_utf_8(self, open_hook):
        body = cases.notification(delivery(subject="テスト")).decode().encode("shift_jis", "replace")

        answer = cases.post(open_hook, body)

        assert answer.status_code == 200
        assert "\N{REPLACEMENT CHARACTER}" in cases.row("delivery")["subject"]
