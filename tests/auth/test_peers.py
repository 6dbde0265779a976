from __future__ import annotations

import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from cmc_webhooks import auth
from tests.auth import passes


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
            (1, " 192.0.2.5 ", True),
            (1, " 192.0.2.5 , ", False),
            (1, "192.0.2.5,", False),
            (1, ",192.0.2.5", True),
            (2, "192.0.2.5, , 10.0.0.2", False),
            (2, "192.0.2.5, ", True),
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
