from __future__ import annotations

import pytest

from cmc_webhooks.api.descriptions import PARAMETERS
from cmc_webhooks.api.filters import MailFilter

pytestmark = pytest.mark.django_db


class TestMeanings:
    def test_are_shown_beside_their_filters(self, api):
        page = api.client.get("/api/mails/", headers={"Accept": "text/html"}).content.decode()

        for name in MailFilter.base_filters:
            assert f'<label for="id_{name}">{name}:</label>' in page
            assert "<" not in PARAMETERS[name][0], "Django shows it as HTML"
            assert PARAMETERS[name][0] in page
