"""Every recorded body, read whole: `tests/payloads/expected/` says what comes out of each."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from cmc_webhooks import wire

PAYLOADS = Path(__file__).parent.parent / "payloads"
EXPECTED = PAYLOADS / "expected"
CONTENT_TYPES = {
    ".json": "application/json",
    ".form": "application/x-www-form-urlencoded",
    ".multipart": "multipart/form-data; boundary=----CMCExampleBoundary7MA4YWxk",
}
RECORD_TYPES = {
    "deliveries": wire.DeliveryRecord,
    "bounces": wire.BounceRecord,
    "blocks": wire.BlockRecord,
}
OF_OTHERS = ("rest_", "receiving_")

BODIES = sorted(path for path in PAYLOADS.iterdir() if path.suffix in CONTENT_TYPES)
WEBHOOK_BODIES = [path for path in BODIES if not path.name.startswith(OF_OTHERS)]
OTHER_BODIES = [path for path in BODIES if path.name.startswith(OF_OTHERS)]


def read(path: Path) -> wire.Notification:
    frame = wire.decode(path.read_bytes(), CONTENT_TYPES[path.suffix])
    return wire.read(frame, RECORD_TYPES, 100)


def as_json(sent: wire.Notification) -> dict[str, Any]:
    return {
        "event_type": sent.event_type,
        "server_composition": sent.server_composition,
        "records": [plain(record) for record in sent.records],
    }


def plain(record: wire.Record) -> dict[str, Any]:
    created = record.created.isoformat() if record.created else None
    return dataclasses.asdict(record) | {"key": str(record.key), "created": created}


class TestPayloads:
    @pytest.mark.parametrize("path", WEBHOOK_BODIES, ids=lambda path: path.name)
    def test_are_read_as_expected(self, path):
        expected = EXPECTED / f"{path.stem}.json"

        assert expected.exists(), (
            f"tests/payloads/{path.name} has no expectation: add tests/payloads/expected/{expected.name} with"
            " event_type, server_composition and, of each record, every field; check it by hand"
        )

        sent = read(path)

        assert sent.rejections == ()
        assert as_json(sent) == json.loads(expected.read_text())
        assert {type(record) for record in sent.records} == {RECORD_TYPES[sent.event_type]}

    def test_have_no_expectation_without_a_body(self):
        stems = {path.stem for path in WEBHOOK_BODIES}

        orphans = [path.name for path in EXPECTED.iterdir() if path.stem not in stems]

        assert not orphans, f"remove these from tests/payloads/expected, or add their bodies: {orphans}"

    def test_are_of_a_kind_that_is_walked(self):
        walked = {path.name for path in BODIES} | {"README.md", "expected"}

        others = [path.name for path in PAYLOADS.iterdir() if path.name not in walked]

        assert not others, f"give these a content type in {__name__}: {others}"

    @pytest.mark.parametrize(
        "path", [path for path in WEBHOOK_BODIES if path.suffix == ".form"], ids=lambda path: path.stem
    )
    def test_have_one_key_per_event_as_form_and_as_json(self, path):
        twin = path.with_suffix(".json")
        if not twin.exists():
            twin = EXPECTED / f"{path.stem}.json"
            keys = [record["key"] for record in json.loads(twin.read_text())["records"]]
        else:
            keys = [str(record.key) for record in read(twin).records]

        form_keys = [str(record.key) for record in read(path).records]

        assert form_keys == keys
        assert len(set(form_keys)) == len(form_keys)

    @pytest.mark.parametrize(
        ("name", "api_key"),
        [
            ("constructed_deliveries_with_api_key.json", "EXAMPLE-WEBHOOK-KEY"),
            ("constructed_deliveries_with_api_key.form", "EXAMPLE-WEBHOOK-KEY"),
            ("seed_deliveries_queued.json", None),
            ("seed_deliveries_queued.form", None),
        ],
    )
    def test_give_the_api_key_to_the_frame_alone(self, name, api_key):
        path = PAYLOADS / name

        frame = wire.decode(path.read_bytes(), CONTENT_TYPES[path.suffix])

        assert frame.api_key == api_key
        assert "EXAMPLE-WEBHOOK-KEY" not in repr(frame) + repr(read(path))

    @pytest.mark.parametrize("path", OTHER_BODIES, ids=lambda path: path.name)
    def test_of_other_interfaces_are_refused(self, path):
        reason = "received mail" if path.name.startswith("receiving_") else "event_type is missing"

        with pytest.raises(wire.BadBody, match=reason):
            read(path)
