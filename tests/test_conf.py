from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from cmc_webhooks.conf import DEFAULTS, PREFIX, app_settings


class TestSettings:
    def test_have_the_defaults_of_the_readme(self, settings):
        for name in DEFAULTS:
            if hasattr(settings, PREFIX + name):
                delattr(settings, PREFIX + name)

        assert app_settings.api_keys == app_settings.basic_auth == app_settings.bearer_tokens == ()
        assert app_settings.allow_unauthenticated is False
        assert app_settings.allowed_networks is None
        assert app_settings.trusted_proxies == 0
        assert app_settings.time_zone == ZoneInfo("Asia/Tokyo")
        assert app_settings.is_deferred is False
        assert (app_settings.max_body, app_settings.max_events) == (2 * 1024 * 1024, 1000)
        assert app_settings.store_subject is True
        assert app_settings.retention_of_events is None

    def test_are_read_each_time(self, settings):
        for number in (7, 8):
            settings.CMC_WEBHOOKS_MAX_EVENTS = number

            assert app_settings.max_events == number

    @pytest.mark.parametrize(
        ("value", "secrets"),
        [(["a", "b"], ("a", "b")), ("whole", ("whole",)), (None, ()), ((), ()), ([""], ("",))],
    )
    def test_take_a_single_text_for_one_secret(self, settings, value, secrets):
        settings.CMC_WEBHOOKS_API_KEYS = value

        assert app_settings.api_keys == secrets

    @pytest.mark.parametrize("value", ["yes", 1, "False", None])
    def test_open_the_webhook_for_nothing_but_true(self, settings, value):
        settings.CMC_WEBHOOKS_ALLOW_UNAUTHENTICATED = value

        assert app_settings.allow_unauthenticated is False
