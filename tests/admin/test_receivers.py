"""The page of a pending signal names the receivers that failed, and why."""

from __future__ import annotations

import pytest

from cmc_webhooks import dispatch, models, signals
from tests.helpers import factories
from tests.helpers.outbox import USING, calls


def mark_order(**kwargs):
    raise ValueError("to a@example.jp")


class TestPage:
    def test_names_the_receiver_the_class_and_the_line(self, browser, receiver):
        receiver(signals.event_recorded, mark_order)
        dispatch.send(USING, dispatch.enqueue(USING, calls(1), leased=True))

        page = browser.open_page(models.PendingSignal.objects.get()).content.decode()

        line = mark_order.__code__.co_firstlineno + 1
        assert "tests.admin.test_receivers.mark_order" in page
        assert f"ValueError in tests/admin/test_receivers.py:{line}" in page
        assert "a@example.jp" not in page

    def test_says_that_a_name_is_not_connected(self, browser):
        failure = {"receiver": "shop.receivers.mark", "error": "NotConnected", "place": ""}
        row = factories.PendingSignalFactory(state="dead", last_error="NotConnected", failures=[failure])

        page = browser.open_page(row).content.decode()

        assert "shop.receivers.mark" in page
        assert "It was not connected in the process that sent the signal." in page

    def test_says_that_receivers_have_no_name(self, browser):
        failure = {"receiver": "", "error": "KeyError", "place": ""}
        row = factories.PendingSignalFactory(failures=[failure])

        page = browser.open_page(row).content.decode()

        assert "All receivers without a unique name" in page
        assert '<span class="cmc-below">KeyError</span>' in page

    def test_escapes_names(self, browser):
        failure = {"receiver": "<b>shop</b>", "error": "<i>E</i>", "place": "<u>f</u>:1"}
        row = factories.PendingSignalFactory(failures=[failure])

        page = browser.open_page(row).content.decode()

        for text in ("&lt;b&gt;shop", "&lt;i&gt;E", "&lt;u&gt;f"):
            assert text in page
        assert "<b>shop" not in page

    def test_speaks_japanese(self, browser, settings):
        settings.LANGUAGE_CODE = "ja"
        failure = {"receiver": "shop.mark", "error": "KeyError", "place": "shop/receivers.py:7"}
        row = factories.PendingSignalFactory(failures=[failure])

        page = browser.open_page(row).content.decode()

        assert "shop/receivers.py:7 で KeyError" in page
        assert "失敗したレシーバー" in page

    @pytest.mark.parametrize(("replay", "alt"), [(True, "True"), (False, "False")])
    def test_says_whether_a_person_has_sent_it_again(self, browser, replay, alt):
        row = factories.PendingSignalFactory(replay=replay)

        page = browser.open_page(row).content.decode()

        field = page.partition("field-is_replay")[2].partition("</div>")[0]
        assert f'alt="{alt}"' in field

    def test_shows_signals_about_deleted_mails(self, browser, receiver):
        receiver(signals.mails_pruned, lambda **kwargs: None)
        key = factories.MailFactory.build().pk
        dispatch.mails_pruned(USING, [key])

        page = browser.open_page(models.PendingSignal.objects.get()).content.decode()

        assert str(key) in page
        assert "mails_pruned" in page
