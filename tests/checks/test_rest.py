from __future__ import annotations

import pytest
from django.test import override_settings

from cmc_webhooks import checks
from cmc_webhooks.conf import PREFIX

KEY = "k3y-that-nobody-may-see"


def found(**values):
    with override_settings(**{PREFIX + name: value for name, value in values.items()}):
        return checks.check_rest(None)


class TestCheckRest:
    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            ({}, []),
            ({"REST_USER": "api@example.com", "REST_KEY": KEY, "REST_COMPOSITIONS": ["pro"]}, []),
            ({"REST_URL": "http://api.smtps.jp/transaction/v2"}, ["E030"]),
            ({"REST_URL": "https://"}, ["E030"]),
            ({"REST_URL": "https://[half"}, ["E030"]),
            ({"REST_URL": "api.smtps.jp"}, ["E030"]),
            ({"REST_URL": b"https://api.smtps.jp"}, ["E030"]),
            ({"REST_URL": None}, ["E030"]),
            ({"REST_URL": "http://localhost.example.com/"}, ["E030"]),
            ({"REST_URL": "http://localhost:8000/"}, []),
            ({"REST_URL": "http://127.0.0.2/"}, []),
            ({"REST_URL": "http://[::1]:8000/"}, []),
            ({"REST_TIME_ZONE": "JST+9"}, ["E031"]),
            ({"REST_TIME_ZONE": ""}, ["E031"]),
            ({"REST_TIME_ZONE": "UTC"}, []),
            ({"REST_USER": "api@example.com"}, ["E032"]),
            ({"REST_KEY": KEY}, ["E032"]),
            ({"REST_USER": "api@example.com", "REST_KEY": None}, ["E032"]),
            ({"REST_USER": ["api@example.com"], "REST_KEY": KEY}, ["E032"]),
            ({"REST_COMPOSITIONS": "pro"}, ["E033"]),
            ({"REST_COMPOSITIONS": [""]}, ["E033"]),
            ({"REST_COMPOSITIONS": [1]}, ["E033"]),
            ({"REST_COMPOSITIONS": None}, ["E033"]),
        ],
        ids=str,
    )
    def test_names_each_mistake_and_shows_no_key(self, values, expected):
        messages = found(**values)

        assert [message.id for message in messages] == [f"cmc_webhooks.{number}" for number in expected]
        assert KEY not in repr(messages)
