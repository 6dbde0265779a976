from __future__ import annotations

import pytest
from django.test import override_settings

from cmc_webhooks import checks
from cmc_webhooks.conf import PREFIX
from tests.checks.test_checks import ids


def found(**values):
    with override_settings(**{PREFIX + name: value for name, value in values.items()}):
        return checks.check_keeping(None)


class TestCheckKeeping:
    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            ({"RETENTION": {"event": 90}}, ["E013"]),
            ({"RETENTION": {"events": "90"}}, ["E013"]),
            ({"RETENTION": 90}, ["E013"]),
            ({"RETENTION": {"events": 30}}, ["W014"]),
            ({"RETENTION": {"signals": 1, "events": 90}}, []),
            ({"RETENTION": {"signals": 7, "events": 30}}, ["W014"]),
            ({"RETENTION": {"signals": 0}}, ["E013"]),
            ({"SUPPRESSION": {"hard": 1}}, ["E040"]),
            ({"SUPPRESSION": {"soft": 0}}, ["E040"]),
            ({"SUPPRESSION": {"window": None}}, ["E040"]),
            ({"SUPPRESSION": 3}, ["E040"]),
            ({"SUPPRESSION": {"apart": -1}}, ["E040"]),
            ({"SUPPRESSION": {"apart": None}}, ["E040"]),
            ({"SUPPRESSION": {"soft_expires": 0}}, ["E040"]),
            ({"SUPPRESSION": {"apart": 0, "soft_expires": None}}, []),
            ({"RETENTION": {"mails": 300}, "SUPPRESSION": {"soft_expires": 400}}, ["W043"]),
            ({"RETENTION": {"mails": 300}, "SUPPRESSION": {"soft_expires": None}}, ["W043"]),
            ({"SUPPRESSION": {"soft": 1, "window": 7, "expires": None}}, []),
            ({"RETENTION": {"events": 90, "personal": 400}}, []),
            ({"RETENTION": {"mails": 179}}, ["W043"]),
            ({"RETENTION": {"personal": 90, "mails": 400}}, ["W043"]),
            ({"RETENTION": {"mails": 180, "personal": 180, "events": 90, "notifications": 90}}, []),
            ({"RETENTION": {"mails": 90}, "SUPPRESSION": {"expires": 60}}, []),
            ({"RETENTION": {"mails": 9000}, "SUPPRESSION": {"expires": None}}, ["W043"]),
            ({"RETENTION": {"events": 90}, "SUPPRESSION": {"expires": None}}, []),
            ({"RETENTION": {"mails": 30}}, ["W014", "W043"]),
            ({"RETENTION": {"mails": 90}, "SUPPRESSION": {"expires": "soon"}}, ["E040"]),
            ({"RETENTION": {"mails": 90}, "SUPPRESSION": {}}, ["W043"]),
        ],
        ids=str,
    )
    def test_names_each_mistake(self, values, expected):
        assert ids(found(**values)) == expected

    @pytest.mark.parametrize(("expires", "hint"), [(200, "for at least 200 days"), (None, "Keep them, or")])
    def test_says_what_goes_too_soon_and_how_long_to_keep_it(self, expires, hint):
        [message] = found(RETENTION={"mails": 90, "personal": 90}, SUPPRESSION={"expires": expires})

        assert "shorter for mails, personal than" in message.msg
        assert hint in message.hint
