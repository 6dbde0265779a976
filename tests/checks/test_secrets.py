from __future__ import annotations

import re

import pytest
from django.test import override_settings

from cmc_webhooks import checks
from cmc_webhooks.conf import PREFIX
from tests.checks.test_checks import ids

GOOD_SECRET = "a-secret-of-enough-letters"
OTHER_SECRET = "a-token-of-enough-letters"


def prefixed(values):
    """Settings with a good key among them, unless they say otherwise."""
    return {PREFIX + name: value for name, value in {"API_KEYS": [GOOD_SECRET], **values}.items()}


def found(**values):
    with override_settings(**prefixed(values)):
        return ids(checks.check_secrets(None))


class TestCheckSecrets:
    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            pytest.param({}, [], id="a good key"),
            pytest.param({"API_KEYS": []}, ["E001"], id="nothing"),
            pytest.param({"API_KEYS": [], "BASIC_AUTH": ["cmc:" + GOOD_SECRET]}, [], id="BASIC alone"),
            pytest.param({"API_KEYS": [], "BEARER_TOKENS": (GOOD_SECRET,)}, [], id="Bearer alone"),
            pytest.param({"API_KEYS": [], "ALLOW_UNAUTHENTICATED": True}, ["W005"], id="open, not DEBUG"),
            pytest.param({"API_KEYS": GOOD_SECRET}, ["E002"], id="text for a list"),
            pytest.param({"API_KEYS": [""]}, ["E002"], id="empty text"),
            pytest.param({"API_KEYS": [None]}, ["E002"], id="no text"),
            pytest.param({"BASIC_AUTH": [GOOD_SECRET]}, ["E003"], id="no colon"),
            pytest.param({"API_KEYS": ["short"]}, ["W004"], id="short"),
            pytest.param({"BEARER_TOKENS": ["ünusual-but-long-enough"]}, ["W004"], id="not ASCII"),
            pytest.param({"HEALTH_TOKENS": [OTHER_SECRET]}, [], id="a good health token"),
            pytest.param({"HEALTH_TOKENS": OTHER_SECRET}, ["E002"], id="text for a list of health tokens"),
            pytest.param({"HEALTH_TOKENS": ["short"]}, ["W004"], id="a short health token"),
            pytest.param({"API_KEYS": [], "HEALTH_TOKENS": [GOOD_SECRET]}, ["E001"], id="health alone"),
            pytest.param({"API_KEYS": [f"{GOOD_SECRET}\n"]}, ["W047"], id="a line break"),
            pytest.param({"HEALTH_TOKENS": [f" {GOOD_SECRET}"]}, ["W047"], id="a blank"),
        ],
    )
    def test_names_each_mistake(self, values, expected):
        assert found(**values) == expected

    def test_accepts_an_open_webhook_for_local_work(self):
        with override_settings(DEBUG=True):
            assert found(API_KEYS=[], ALLOW_UNAUTHENTICATED=True) == []

    def test_shows_no_secret(self):
        with override_settings(CMC_WEBHOOKS_API_KEYS=["hush"], CMC_WEBHOOKS_BASIC_AUTH=["hush"]):
            messages = checks.check_secrets(None)

        assert len(messages) == 3
        assert "hush" not in "".join(f"{message.msg} {message.hint}" for message in messages)


class TestShared:
    @pytest.mark.parametrize(
        ("values", "told"),
        [
            ({"HEALTH_TOKENS": [OTHER_SECRET], "REST_KEY": "a third one, which is long"}, []),
            ({"HEALTH_TOKENS": [OTHER_SECRET, GOOD_SECRET]}, ["API_KEYS HEALTH_TOKENS"]),
            (
                {"HEALTH_TOKENS": [OTHER_SECRET], "BEARER_TOKENS": [OTHER_SECRET]},
                ["BEARER_TOKENS HEALTH_TOKENS"],
            ),
            ({"BASIC_AUTH": [f"cmc:{OTHER_SECRET}"], "REST_KEY": OTHER_SECRET}, ["BASIC_AUTH REST_KEY"]),
            ({"REST_KEY": GOOD_SECRET}, ["API_KEYS REST_KEY"]),
            (
                {"HEALTH_TOKENS": [GOOD_SECRET], "REST_KEY": GOOD_SECRET},
                ["API_KEYS HEALTH_TOKENS", "API_KEYS REST_KEY", "HEALTH_TOKENS REST_KEY"],
            ),
            ({"API_KEYS": [GOOD_SECRET], "BEARER_TOKENS": [GOOD_SECRET]}, []),
            ({"BASIC_AUTH": ["cmc:"], "REST_KEY": ""}, []),
        ],
        ids=str,
    )
    def test_are_told_by_the_names_of_their_settings(self, values, told):
        with override_settings(**prefixed(values)):
            messages = [each for each in checks.check_secrets(None) if each.id == "cmc_webhooks.W044"]

        names = [re.findall(r"CMC_WEBHOOKS_(\w+)", message.msg) for message in messages]
        assert [" ".join(pair) for pair in names] == told
        assert GOOD_SECRET not in str(messages)
        assert OTHER_SECRET not in str(messages)

    @pytest.mark.parametrize(("key", "expected"), [(GOOD_SECRET, ["W044"]), (OTHER_SECRET, []), ("", [])])
    def test_among_them_is_the_key_of_the_project(self, key, expected):
        with override_settings(SECRET_KEY=key):
            assert found() == expected
