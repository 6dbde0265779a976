from __future__ import annotations

import base64

import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from cmc_webhooks import auth

KEY = "s3cret-value"
PAIR = "cmc:pass:word"


@pytest.fixture(autouse=True)
def configure(settings):
    """Nothing is configured but what the test says."""

    def set_all(**values):
        settings.CMC_WEBHOOKS_API_KEYS = []
        for name, value in values.items():
            setattr(settings, f"CMC_WEBHOOKS_{name}", value)

    set_all()
    return set_all


def passes(check, *arguments):
    """Whether the check lets these through; it may refuse, but nothing else."""
    try:
        check(*arguments)
    except auth.Refused:
        return False
    return True


def basic(pair, scheme="Basic"):
    return f"{scheme} {base64.b64encode(pair.encode() if isinstance(pair, str) else pair).decode()}"


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


class TestCheckAddress:
    @pytest.mark.parametrize(
        ("peer", "networks", "let_in"),
        [
            ("203.0.113.9", None, True),
            ("", None, True),
            ("192.0.2.5", ["192.0.2.0/24"], True),
            ("192.0.2.5", ["198.51.100.0/24", "192.0.2.5"], True),
            ("203.0.113.9", ["192.0.2.0/24"], False),
            ("192.0.2.5", [], False),
            ("::ffff:192.0.2.5", ["192.0.2.0/24"], True),
            ("2001:db8::5", ["2001:db8::/32"], True),
            ("2001:db8::5", ["192.0.2.0/24"], False),
            ("[2001:db8::5]:443", ["2001:db8::/32"], True),
            ("192.0.2.5:50000", ["192.0.2.0/24"], True),
            ("192.0.2.5", ["192.0.2.9/24"], True),
            ("192.0.2.5", "192.0.2.0/24", True),
            ("203.0.113.9", "192.0.2.0/24", False),
            ("192.0.2.5", ["::ffff:192.0.2.0/120"], True),
            ("::ffff:192.0.2.5", ["::ffff:192.0.2.0/120"], True),
            ("::ffff:203.0.113.9", ["192.0.2.0/24"], False),
            ("[::ffff:192.0.2.5]:443", ["192.0.2.0/24"], True),
            ("192.0.2.05", ["0.0.0.0/0"], False),
            ("3221225989", ["0.0.0.0/0"], False),
            ("192.0.2.5", ["192.0.2.0/24", "no network"], True),
            ("192.0.2.5", ["no network", "192.0.2.0/24"], True),
            ("192.0.2.5", ["no network", None], False),
            ("", ["192.0.2.0/24"], False),
            ("unix:", ["0.0.0.0/0"], False),
            ("rubbish \ud800", ["0.0.0.0/0", "::/0"], False),
        ],
        ids=repr,
    )
    def test_goes_by_the_peer_without_a_trusted_proxy(self, configure, peer, networks, let_in):
        configure(ALLOWED_NETWORKS=networks)

        assert passes(auth.check_address, peer, "192.0.2.5") is let_in

    @pytest.mark.parametrize(
        ("proxies", "forwarded_for", "let_in"),
        [
            (1, "192.0.2.5, 203.0.113.9", False),
            (1, "203.0.113.9, 192.0.2.5", True),
            (1, "192.0.2.5", True),
            (1, " 192.0.2.5 , ", True),
            (1, "", False),
            (2, "203.0.113.9, 192.0.2.5, 10.0.0.2", True),
            (2, "192.0.2.5, 203.0.113.9, 10.0.0.2", False),
            (2, "192.0.2.5", False),
            (1, "203.0.113.9, unknown", False),
            (1, "192.0.2.5, unknown", False),
            (1, "192.0.2.5,192.0.2.5,192.0.2.5,203.0.113.9", False),
            (1, "203.0.113.9, 192.0.2.5:1024", True),
            (1, "[2001:db8::1]:443, 203.0.113.9", False),
            (2, ", , 192.0.2.5", False),
            (3, "192.0.2.5, 10.0.0.3, 10.0.0.2", True),
            (-1, "192.0.2.5, 203.0.113.9, 10.0.0.2", False),
        ],
    )
    def test_goes_by_what_trusted_proxies_wrote(self, configure, proxies, forwarded_for, let_in):
        configure(ALLOWED_NETWORKS=["192.0.2.0/24"], TRUSTED_PROXIES=proxies)

        assert passes(auth.check_address, "10.0.0.1", forwarded_for) is let_in

    @given(st.text(st.characters()), st.text(st.characters()), st.integers(0, 3))
    def test_refuses_what_is_no_address_and_fails_at_none(self, peer, forwarded_for, proxies):
        with override_settings(CMC_WEBHOOKS_ALLOWED_NETWORKS=[], CMC_WEBHOOKS_TRUSTED_PROXIES=proxies):
            assert not passes(auth.check_address, peer, forwarded_for)
