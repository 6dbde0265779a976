from __future__ import annotations

import pytest

from tests import cases
from tests.conftest import CASES, delivery

pytestmark = pytest.mark.django_db

BODY = cases.notification(delivery())


class TestC50:
    @pytest.mark.parametrize(
        ("proxies", "peer", "forwarded", "code"),
        [
            (0, "192.0.2.7", None, 200),
            (0, "203.0.113.9", None, 403),
            (0, "203.0.113.9", "192.0.2.5", 403),
            (0, "203.0.113.9", "192.0.2.5, 192.0.2.6", 403),
            (0, "192.0.2.7", "203.0.113.9", 200),
            (1, "10.0.0.1", "192.0.2.5, 203.0.113.9", 403),
            (1, "10.0.0.1", "203.0.113.9, 192.0.2.5", 200),
            (1, "10.0.0.1", "192.0.2.5", 200),
            (1, "10.0.0.1", "192.0.2.5:4711", 200),
            (1, "10.0.0.1", "::ffff:192.0.2.5", 200),
            (1, "10.0.0.1", "[::ffff:192.0.2.5]:4711", 200),
            (1, "10.0.0.1", "192.0.2.5, nonsense", 403),
            (1, "10.0.0.1", "192.0.2.5\t,\t203.0.113.9", 403),
            (1, "192.0.2.7", None, 403),
            (1, "192.0.2.7", "", 403),
            (1, "10.0.0.1", "é", 403),
            (1, "", "192.0.2.5", 200),
            (0, "", "192.0.2.5", 403),
            (2, "10.0.0.1", "192.0.2.5, 10.0.0.2", 200),
            (2, "10.0.0.1", "203.0.113.9, 192.0.2.5, 10.0.0.2", 200),
            (2, "10.0.0.1", "192.0.2.5, 203.0.113.9, 10.0.0.2", 403),
            (2, "10.0.0.1", "192.0.2.5", 403),
        ],
    )
    def test_only_what_trusted_proxies_wrote_counts(
        self, open_hook, settings, proxies, peer, forwarded, code
    ):
        settings.CMC_WEBHOOKS_ALLOWED_NETWORKS = ["198.51.100.0/24", "192.0.2.0/24"]
        settings.CMC_WEBHOOKS_TRUSTED_PROXIES = proxies
        headers = {"HTTP_X_FORWARDED_FOR": forwarded} if forwarded is not None else {}

        answer = cases.post(open_hook, (CASES / "C19-1.json").read_bytes(), REMOTE_ADDR=peer, **headers)

        assert answer.status_code == code
        assert ("DeliveryEvent" in cases.stored()) == (code == 200)

    @pytest.mark.parametrize("networks", [[], (), ["192.0.2.5"], ["2001:db8::/32", "192.0.2.0/30"]], ids=str)
    def test_the_list_may_be_empty_or_of_single_addresses_and_either_version(
        self, open_hook, settings, networks
    ):
        settings.CMC_WEBHOOKS_ALLOWED_NETWORKS = networks

        answers = [
            cases.post(open_hook, BODY, REMOTE_ADDR=peer)
            for peer in ("192.0.2.5", "192.0.2.1", "2001:db8::1")
        ]

        inside = {"192.0.2.5": [200, 403, 403], "2001:db8::/32": [403, 200, 200]}
        assert cases.codes(answers) == (inside[networks[0]] if networks else [403, 403, 403])
