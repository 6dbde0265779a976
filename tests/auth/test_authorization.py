from __future__ import annotations

import base64

import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from cmc_webhooks import auth
from tests.auth import KEY, passes

PAIR = "cmc:pass:word"


def basic(pair, scheme="Basic"):
    return f"{scheme} {base64.b64encode(pair.encode() if isinstance(pair, str) else pair).decode()}"


class TestCheckAuthorization:
    def test_is_closed_when_nothing_is_configured(self, configure):
        with pytest.raises(auth.Refused, match=r"cmc_webhooks\.E001"):
            auth.check_authorization("")

    @pytest.mark.parametrize("values", [{"ALLOW_UNAUTHENTICATED": True}, {"API_KEYS": [KEY]}], ids=str)
    def test_does_not_look_where_no_kind_of_it_is_configured(self, configure, values):
        configure(**values)

        assert passes(auth.check_authorization, "Basic rubbish")

    def test_is_not_opened_by_anything_but_true(self, configure):
        configure(ALLOW_UNAUTHENTICATED="yes")

        assert not passes(auth.check_authorization, "")

    @pytest.mark.parametrize(
        "header", [basic(PAIR), basic(PAIR, "basic"), basic(PAIR, "BASIC"), f" {basic(PAIR)} "]
    )
    def test_takes_the_basic_pair(self, configure, header):
        configure(BASIC_AUTH=["other:pair", PAIR])

        assert passes(auth.check_authorization, header)

    @pytest.mark.parametrize(
        "header",
        [
            "",
            "Basic",
            "Basic ",
            "Basic !!!",
            "Basic YQ",
            "Basic \xe9\xe9",
            "Basic ｓｅｃｒｅｔ",
            "Basic \ud800",
            basic("cmc:wrong"),
            basic(b"\xff\xfe:\x00"),
            basic(PAIR + "x"),
            basic(PAIR, "Basic !"),
            basic(PAIR).removesuffix("="),
            basic("cmc"),
            basic(PAIR).removeprefix("Basic "),
            basic(PAIR, "Digest"),
            basic(PAIR, "Bearer"),
            "Bearer " + PAIR,
        ],
        ids=repr,
    )
    def test_challenges_without_the_basic_pair(self, configure, header):
        configure(BASIC_AUTH=[PAIR])

        with pytest.raises(auth.Unauthorized, match="missing or wrong"):
            auth.check_authorization(header)

    @pytest.mark.parametrize("header", [f"Bearer {KEY}", f"bearer  {KEY} ", f"BEARER {KEY}"])
    def test_takes_the_bearer_token(self, configure, header):
        configure(BEARER_TOKENS=["old", KEY])

        assert passes(auth.check_authorization, header)

    @pytest.mark.parametrize(
        "header",
        [
            "",
            "Bearer",
            f"Bearer {KEY}x",
            f"Token {KEY}",
            KEY,
            "Bearer s\xe9cret",
            basic(KEY),
            "Bearer \ud800",
        ],
        ids=repr,
    )
    def test_refuses_without_a_challenge_where_basic_is_not_wanted(self, configure, header):
        configure(BEARER_TOKENS=[KEY])

        with pytest.raises(auth.Refused) as refusal:
            auth.check_authorization(header)

        assert not isinstance(refusal.value, auth.Unauthorized)

    def test_takes_a_token_as_the_bytes_that_were_sent(self, configure):
        configure(BEARER_TOKENS=["sécret-tökën"])

        assert passes(auth.check_authorization, "Bearer " + "sécret-tökën".encode().decode("latin-1"))

    def test_takes_either_where_both_are_configured(self, configure):
        configure(BASIC_AUTH=[PAIR], BEARER_TOKENS=[KEY])

        assert passes(auth.check_authorization, basic(PAIR))
        assert passes(auth.check_authorization, f"Bearer {KEY}")
        assert not passes(auth.check_authorization, "")

    @pytest.mark.parametrize(
        "pair", ["cmc:パスワード", "ｃｍｃ:pass", "cmc:", ":password", "cmc:a b:c\t"], ids=ascii
    )
    def test_takes_a_pair_with_any_letters(self, configure, pair):
        configure(BASIC_AUTH=pair)

        assert passes(auth.check_authorization, basic(pair))
        assert not passes(auth.check_authorization, basic(pair.encode("utf-16")))

    @pytest.mark.parametrize("name", ["BASIC_AUTH", "BEARER_TOKENS"])
    @pytest.mark.parametrize("configured", [[""], [None], [0], [b"x:y"]], ids=repr)
    @pytest.mark.parametrize("secret", ["", "None", "0", "x:y"], ids=repr)
    def test_stays_closed_where_no_secret_can_be_one(self, configure, name, configured, secret):
        configure(**{name: configured})

        assert not passes(auth.check_authorization, basic(secret))
        assert not passes(auth.check_authorization, f"Bearer {secret}")

    @pytest.mark.parametrize(("presented", "let_in"), [(KEY, True), ("wrong", False), (None, False)])
    def test_leaves_the_key_to_be_asked_for_as_well(self, configure, presented, let_in):
        configure(BASIC_AUTH=[PAIR], API_KEYS=[KEY])

        assert passes(auth.check_authorization, basic(PAIR))
        assert not passes(auth.check_authorization, "")
        assert passes(auth.check_api_key, presented) is let_in

    def test_asks_for_secrets_that_are_configured_whatever_is_allowed(self, configure):
        configure(BASIC_AUTH=[PAIR], API_KEYS=[KEY], ALLOW_UNAUTHENTICATED=True)

        assert not passes(auth.check_authorization, "")
        assert not passes(auth.check_api_key, None)

    @given(st.text(st.characters()), st.sampled_from(["", "Basic ", "Bearer ", "basic\t"]))
    def test_refuses_any_other_header_and_fails_at_none(self, text, scheme):
        with override_settings(CMC_WEBHOOKS_BASIC_AUTH=[PAIR], CMC_WEBHOOKS_BEARER_TOKENS=[KEY]):
            assert not passes(auth.check_authorization, scheme + text)

    @pytest.mark.parametrize("pair", ["", ":", "cmc:"])
    def test_stays_closed_to_an_empty_pair(self, configure, pair):
        configure(BASIC_AUTH=[""])

        assert not passes(auth.check_authorization, basic(pair))
