from __future__ import annotations

import pytest
from django.core.mail import EmailMessage

from tests import cases
from tests.conftest import bounce, delivery

pytestmark = pytest.mark.django_db

ENCODED = "=?ISO-2022-JP?B?GyRCJUYlOSVIGyhC?="
FOLDS = {
    "CRLF and blank": "Quarterly report\r\n part 2",
    "CRLF and tab": "Quarterly report\r\n\tpart 2",
    "LF": "Quarterly report\n part 2",
    "CR": "Quarterly report\r part 2",
    "several": "Quarterly report \r\n\r\n part 2",
    "line separator": "Quarterly report\u2028part 2",
    "paragraph separator": "Quarterly report\u2029part 2",
    "next line": "Quarterly report\x85part 2",
    "form feed": "Quarterly report\x0cpart 2",
}
folded = pytest.mark.parametrize("text", FOLDS.values(), ids=FOLDS)


class TestC05:
    def test_an_encoded_subject_is_stored_as_sent(self, open_hook, sent):
        answers = cases.play(open_hook, "C05")

        assert cases.codes(answers) == [200]
        assert cases.row("delivery")["subject"] == ENCODED
        assert len(sent.of("event_recorded")) == 1

    @pytest.mark.parametrize("subject", ["=?UTF-8?Q?a=2C_b?= =?UTF-8?Q?c?=", "=?x?", "=?UTF-8?B?AAA=?="])
    def test_holds_for_other_encodings_and_fields(self, open_hook, subject):
        cases.send(open_hook, "bounces", bounce(**{"subject": subject, "from": f"{subject} <a@b.example>"}))

        stored = cases.row("bounce")
        assert (stored["subject"], stored["from"]) == (subject, f"{subject} <a@b.example>")


class TestC06:
    def test_a_folded_subject_is_one_line(self, open_hook):
        answers = cases.play(open_hook, "C06")

        subject = cases.row("delivery")["subject"]
        assert cases.codes(answers) == [200]
        assert subject == "Quarterly report part 2"
        assert EmailMessage(subject, "", "a@example.com", ["b@example.com"]).message()["Subject"] == subject

    @folded
    def test_holds_for_every_line_break(self, open_hook, text):
        cases.send(open_hook, "deliveries", delivery(subject=text))

        assert cases.row("delivery")["subject"] == "Quarterly report part 2"

    @folded
    @pytest.mark.parametrize("field", ["messageId", "to", "from", "returnPath"])
    def test_holds_for_ids_and_addresses(self, open_hook, field, text):
        cases.send(open_hook, "deliveries", delivery(**{field: text}))

        assert cases.row("delivery")[field] == "Quarterly report part 2"

    def test_a_reason_keeps_its_lines(self, open_hook):
        cases.send(open_hook, "bounces", bounce(reason="550-No\r\n550 such user"))

        assert cases.row("bounce")["reason"] == "550-No\r\n550 such user"

    def test_folded_and_unfolded_ids_are_one_mail(self, open_hook):
        cases.send(open_hook, "deliveries", delivery("<long id@example.com>"))
        cases.send(open_hook, "bounces", bounce("<long\r\n id@example.com>"))

        assert len(cases.links(cases.row("bounce"))) == 1
