from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from cmc_webhooks.conf import DEFAULTS, PREFIX, app_settings
from tests.conftest import notification


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
        assert (app_settings.rest_user, app_settings.rest_key, app_settings.rest_compositions) == ("", "", ())
        assert app_settings.rest_url == "https://api.smtps.jp/transaction/v2"
        assert (app_settings.health_tokens, app_settings.max_silence) == ((), None)

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

    @pytest.mark.parametrize(
        ("name", "value", "attribute", "read"),
        [
            ("BASIC_AUTH", ["a:b", "c:d"], "basic_auth", ("a:b", "c:d")),
            ("BASIC_AUTH", "a:b", "basic_auth", ("a:b",)),
            ("BEARER_TOKENS", {"t"}, "bearer_tokens", ("t",)),
            ("ALLOW_UNAUTHENTICATED", True, "allow_unauthenticated", True),
            ("ALLOWED_NETWORKS", ["192.0.2.0/24"], "allowed_networks", ("192.0.2.0/24",)),
            ("ALLOWED_NETWORKS", [], "allowed_networks", ()),
            ("TRUSTED_PROXIES", 2, "trusted_proxies", 2),
            ("TIME_ZONE", "America/New_York", "time_zone", ZoneInfo("America/New_York")),
            ("DISPATCH", "deferred", "is_deferred", True),
            ("DISPATCH", "inline", "wake_up", None),
            ("DISPATCH", "deferred", "wake_up", None),
            ("DISPATCH", "tests.conftest.notification", "wake_up", notification),
            ("MAX_BODY", 1024, "max_body", 1024),
            ("STORE_SUBJECT", False, "store_subject", False),
            ("HEALTH_TOKENS", ["t"], "health_tokens", ("t",)),
            ("MAX_SILENCE", 7200, "max_silence", 7200.0),
            ("MAX_SILENCE", None, "max_silence", None),
            ("MAX_SILENCE", None, "learns_max_silence", False),
            ("MAX_SILENCE", "auto", "max_silence", None),
            ("MAX_SILENCE", "auto", "learns_max_silence", True),
            ("RETENTION", {"events": 90}, "retention_of_events", 90),
            ("RETENTION", {"mails": 90, "events": 400}, "retention_of_events", 90),
            ("RETENTION", {"personal": 90}, "retention_of_events", None),
            ("RETENTION", {"mails": 10**12}, "retention", {"mails": 36_500}),
            ("RETENTION", {"events": -1, "mails": 0, "personal": 90}, "retention", {"personal": 90}),
            ("REST_USER", "api@example.com", "rest_user", "api@example.com"),
            ("REST_USER", None, "rest_user", ""),
            ("REST_KEY", "k", "rest_key", "k"),
            ("REST_URL", "https://example.com", "rest_url", "https://example.com"),
            ("REST_COMPOSITIONS", ["pro", "test"], "rest_compositions", ("pro", "test")),
            ("REST_COMPOSITIONS", "pro", "rest_compositions", ("pro",)),
            ("REST_TIME_ZONE", "UTC", "rest_time_zone", ZoneInfo("UTC")),
            ("TIME_ZONE", "America/New_York", "rest_time_zone", ZoneInfo("America/New_York")),
        ],
    )
    def test_are_those_of_the_project(self, settings, name, value, attribute, read):
        setattr(settings, PREFIX + name, value)

        assert getattr(app_settings, attribute) == read

    def test_name_a_wake_up_that_must_exist(self, settings):
        settings.CMC_WEBHOOKS_DISPATCH = "tests.conftest.nothing"

        with pytest.raises(ImportError):
            _ = app_settings.wake_up
