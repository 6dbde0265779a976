from __future__ import annotations

import pytest

from cmc_webhooks import models
from tests import cases
from tests.conftest import bounce, delivery

pytestmark = pytest.mark.django_db


class TestC34:
    def test_brackets_and_blanks_do_not_part_a_bounce_from_its_mail(self, open_hook):
        answers = cases.play(open_hook, "C34")

        bounces = cases.rows("bounce")
        assert cases.codes(answers) == [200, 200]
        assert len(cases.rows("delivery")) == 1
        assert [[row["messageId"] for row in cases.links(each)] for each in bounces] == [
            ["<c34@example.com>"]
        ] * 3

    @pytest.mark.parametrize(
        "spelling", ["c34@example.com", "<c34@example.com>", " <c34@example.com> ", "<c34@example.com>\t"]
    )
    def test_a_look_up_by_any_spelling_finds_the_same_rows(self, open_hook, spelling):
        cases.play(open_hook, "C34")

        assert models.DeliveryEvent.objects.for_message(spelling).count() == 1
        assert models.BounceEvent.objects.for_message(spelling).count() == 3
        assert models.Mail.objects.for_message(spelling).count() == 1

    @pytest.mark.parametrize(
        "spelling",
        [
            "m1@example.com",
            "< m1@example.com >",
            "\r\n <m1@example.com>",
            "\u3000<m1@example.com>",
            "<m1@example.com>\n",
        ],
        ids=ascii,
    )
    def test_holds_for_other_spellings(self, open_hook, spelling):
        cases.send(open_hook, "deliveries", delivery("<m1@example.com>"))
        cases.send(open_hook, "bounces", bounce(spelling))

        assert len(cases.links(cases.row("bounce"))) == 1

    @pytest.mark.parametrize(
        "other",
        ["<M1@example.com>", "<m1@EXAMPLE.com>", "<m1@example.co>", "<<m1@example.com>>", "<m1@example.com",
         "m1@example.com>", "<m1@example.com> <m1@example.com>", "<m1 @example.com>", "<ｍ1@example.com>"],
    )  # fmt: skip
    def test_different_ids_are_different_mails(self, open_hook, other):
        cases.send(open_hook, "deliveries", delivery("<m1@example.com>"))
        cases.send(open_hook, "bounces", bounce(other))

        assert models.Mail.objects.count() == 2
        assert models.DeliveryEvent.objects.for_message(other).count() == 0
        assert models.BounceEvent.objects.for_message(other).count() == 1

    @pytest.mark.parametrize(
        "pair", [("<é@x>", "<e@x>"), ("<ß@x>", "<ss@x>"), ("<a@x>", "<ａ@x>"), ("<が@x>", "<か@x>")]
    )
    def test_letters_that_a_collation_takes_for_equal_are_not(self, open_hook, pair):
        cases.send(open_hook, "deliveries", *[delivery(name) for name in pair])

        assert [models.Mail.objects.for_message(name).get().message_id for name in pair] == list(pair)

    @pytest.mark.parametrize("blank", ["", " ", "<>", "< >", "\r\n", None], ids=repr)
    def test_an_empty_id_ties_nothing_together(self, open_hook, blank):
        cases.send(open_hook, "deliveries", delivery(blank), delivery(blank, status="failed"))
        cases.send(open_hook, "bounces", bounce(blank))

        assert models.Mail.objects.count() == 3
        assert models.DeliveryEvent.objects.for_message("").count() == 0
        assert models.DeliveryEvent.objects.for_message("<>").count() == 0
