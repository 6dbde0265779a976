from __future__ import annotations

import json

import pytest

from cmc_webhooks import wire
from tests.wire.test_payloads import PAYLOADS, RECORD_TYPES

RECORDED = sorted(path.stem for path in PAYLOADS.glob("*.form") if path.with_suffix(".json").exists())


def events(stem):
    """The frame of a recorded JSON body, by its parts."""
    frame = json.loads((PAYLOADS / f"{stem}.json").read_text())
    return frame, frame["event"][frame["event_type"]]


class TestEncode:
    @pytest.mark.parametrize("stem", RECORDED)
    def test_writes_forms_byte_for_byte_as_they_were_recorded(self, stem):
        frame, its_events = events(stem)
        recorded = (PAYLOADS / f"{stem}.form").read_bytes()

        written = wire.encode(
            frame["event_type"],
            its_events,
            server_composition=frame["server_composition"],
            api_key=frame.get("api_key"),
            form=True,
        )

        assert sorted(written.body.split(b"&")) == sorted(recorded.split(b"&"))
        assert written.content_type == "application/x-www-form-urlencoded"

    def test_writes_version_1_with_its_names_and_as_a_form(self):
        _, its_events = events("v2_deliveries_batch")

        written = wire.encode("deliveries", its_events, version=1)
        inside = json.loads(wire.decode(*written).event)["deliveries"]

        assert written.content_type == "application/x-www-form-urlencoded"
        assert set(inside[0]) == set(events("v1_deliveries_batch")[1][0])

    @pytest.mark.parametrize("form", [False, True], ids=["json", "form"])
    def test_is_what_decode_reads(self, form):
        _, its_events = events("seed_bounces_user_unknown")

        frame = wire.decode(*wire.encode("bounces", its_events, api_key="a key & more", form=form))
        (record,) = wire.read(frame, RECORD_TYPES, 1).records

        assert (frame.api_key, frame.event_type, frame.server_composition) == (
            "a key & more",
            "bounces",
            "pro",
        )
        assert (record.recipient, record.bounce_code) == ("no-user@example.jp", "2")
