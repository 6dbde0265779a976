from __future__ import annotations

import pytest
from django.utils import translation

from cmc_webhooks import numerals


class TestGrouped:
    @pytest.mark.parametrize(
        ("language", "text"), [("en", "94,575"), ("ja", "94,575"), ("de", "94.575"), ("en-gb", "94,575")]
    )
    def test_is_that_of_the_language(self, language, text):
        with translation.override(language):
            assert numerals.grouped(94_575) == text

    @pytest.mark.parametrize("language", ["en", "ja"])
    def test_needs_no_setting_of_the_project(self, settings, language):
        settings.USE_THOUSAND_SEPARATOR, settings.NUMBER_GROUPING = False, 0

        with translation.override(language):
            assert numerals.grouped(1_000_000) == "1,000,000"

    @pytest.mark.parametrize(
        ("number", "decimals", "text"),
        [(28.571, 1, "28.6"), (0.96, 0, "1"), (1234.5678, 2, "1,234.57"), (0, 0, "0")],
    )
    def test_is_rounded(self, number, decimals, text):
        assert numerals.grouped(number, decimals) == text


class TestPercentage:
    def test_has_the_decimals_of_the_language(self):
        assert numerals.percentage(2, 7) == "28.6 %"
        with translation.override("de"):
            assert numerals.percentage(2, 7) == "28,6 %"

    def test_of_nothing_is_nothing(self):
        assert numerals.percentage(0, 0) == ""
