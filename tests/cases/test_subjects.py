from __future__ import annotations

import pytest
from django.core.mail import EmailMessage
from django.core.management import call_command

from cmc_webhooks import models
from tests import cases
from tests.admin.conftest import browser_of
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
    def test_an_encoded_subject_is_stored_decoded(self, open_hook, sent):
        answers = cases.play(open_hook, "C05")

        event = models.DeliveryEvent.objects.get()
        assert cases.codes(answers) == [200]
        assert (event.mail.subject, event.extra["subject"]) == ("テスト", ENCODED)
        assert len(sent.of("event_recorded")) == 1

    @pytest.mark.parametrize(
        ("subject", "stored"),
        [
            ("=?UTF-8?Q?a=2C_b?= =?UTF-8?Q?c?=", "a, bc"),
            ("=?x?", "=?x?"),
            ("=?UTF-8?B?AAA=?=", "\ufffd\ufffd"),
            ("=?UTF-8?B?5LqI5w==?=\r\n =?UTF-8?B?tIQ=?=", "予約"),
            ("=?UTF-8?Q?=0D=0ABcc:_x?=", " Bcc: x"),
        ],
    )
    def test_holds_for_other_encodings_and_fields(self, open_hook, subject, stored):
        cases.send(open_hook, "bounces", bounce(**{"subject": subject, "from": f"{subject} <a@b.example>"}))

        event = models.BounceEvent.objects.get()
        sent = cases.row("bounce")
        one_line = subject.replace("\r\n", "")
        assert event.mail.subject == stored
        assert (sent["subject"], sent["from"]) == (one_line, f"{one_line} <a@b.example>")

    def test_an_encoded_subject_that_comes_later_differs_in_nothing(self, open_hook):
        cases.send(open_hook, "deliveries", delivery(subject="テスト"))
        cases.send(open_hook, "bounces", bounce(subject=ENCODED))

        assert models.Mail.objects.get().subject == "テスト"
        assert models.BounceEvent.objects.get().extra == {"subject": ENCODED}

    def test_posted_again_it_is_nothing_new(self, open_hook):
        for _ in range(2):
            cases.play(open_hook, "C05")

        assert models.DeliveryEvent.objects.count() == 1

    def test_an_event_that_is_read_again_is_decoded_too(self, open_hook):
        cases.send(open_hook, "deliveries", delivery(subject=ENCODED, to=["a@example.jp"]))
        rejected = models.RejectedEvent.objects.get()
        models.RejectedEvent.objects.update(raw=rejected.raw.replace('["a@example.jp"]', '"a@example.jp"'))

        call_command("cmc_retry_rejected")

        event = models.DeliveryEvent.objects.get()
        assert (event.mail.subject, event.extra) == ("テスト", {"subject": ENCODED})

    @pytest.mark.parametrize("is_shown", [False, True])
    def test_the_page_of_the_mail_shows_it_decoded(self, open_hook, is_shown):
        cases.send(open_hook, "deliveries", delivery(subject="別の件" if is_shown else ENCODED))
        cases.send(open_hook, "bounces", bounce(subject=ENCODED))

        page = browser_of(is_staff=True, is_superuser=True).open_page(models.Mail.objects.get())

        assert (ENCODED in page.content.decode()) is is_shown


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
