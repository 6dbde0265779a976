from __future__ import annotations

import pytest

from cmc_webhooks import auth
from tests.auth import KEY, passes


class TestCheckApiKey:
    @pytest.mark.parametrize("presented", [KEY, "the-old-one"])
    def test_takes_any_of_the_keys(self, configure, presented):
        configure(API_KEYS=[KEY, "the-old-one"])

        assert passes(auth.check_api_key, presented)

    @pytest.mark.parametrize(
        "presented",
        [
            "",
            None,
            "S3cret-value",
            KEY + " ",
            KEY[:-1],
            "sécret",
            "ｓｅｃｒｅｔ",
            "\ud800",
            "\0",
            [KEY],
            {KEY: KEY},
            5,
            True,
            1.5,
        ],
        ids=repr,
    )
    def test_refuses_anything_else(self, configure, presented):
        configure(API_KEYS=[KEY])

        assert not passes(auth.check_api_key, presented)

    @pytest.mark.parametrize("configured", [[""], [None], "", [0], [[KEY]]], ids=repr)
    @pytest.mark.parametrize("presented", ["", None, "0", "None", KEY], ids=repr)
    def test_stays_closed_where_no_key_can_be_one(self, configure, configured, presented):
        configure(API_KEYS=configured)

        assert not passes(auth.check_api_key, presented)

    def test_takes_a_single_text_for_one_key(self, configure):
        configure(API_KEYS=KEY)

        assert passes(auth.check_api_key, KEY)
        assert not passes(auth.check_api_key, KEY[0])

    def test_takes_a_key_with_any_letters(self, configure):
        configure(API_KEYS=["sécret-ｋｅｙ"])

        assert passes(auth.check_api_key, "sécret-ｋｅｙ")

    @pytest.mark.parametrize("presented", ["k", "\x00", "115", KEY])
    @pytest.mark.parametrize(
        "configured", [b"s3cret-value", bytearray(b"k"), (KEY.encode(),), {1: KEY}], ids=repr
    )
    def test_takes_nothing_for_a_key_that_is_no_text(self, configure, configured, presented):
        configure(API_KEYS=configured)

        assert not passes(auth.check_api_key, presented)

    def test_asks_for_none_where_none_is_configured(self):
        assert passes(auth.check_api_key, None)

    def test_compares_all_keys_in_constant_time(self, configure, monkeypatch):
        configure(API_KEYS=[KEY, "two", "three"])
        compared = []
        real = auth.hmac.compare_digest
        monkeypatch.setattr(
            auth.hmac, "compare_digest", lambda a, b: compared.append((len(a), len(b))) or real(a, b)
        )

        auth.check_api_key(KEY)

        assert compared == [(32, 32)] * 3

    def test_says_nothing_of_what_was_presented(self, configure):
        configure(API_KEYS=[KEY])

        with pytest.raises(auth.Refused) as refusal:
            auth.check_api_key("presented-text")

        assert str(refusal.value) == "api_key is missing or wrong"
