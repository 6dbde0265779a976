"""Coverage-guided fuzzing of `wire`: `tox run -e fuzz`, 60 seconds; `CMC_FUZZ_SECONDS=600` in full.

Whatever the bytes are, `decode` and `read` raise their own three errors or return records that can be stored:
text without NUL and halves of surrogate pairs, keys that MariaDB takes, the same result each time. One that
takes ten seconds, or 1 GB, ends the run as a crash does.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["cmc_webhooks.wire"]):
    from cmc_webhooks import wire

PAYLOADS = Path(__file__).parents[1] / "payloads"
RECORD_TYPES = {"deliveries": wire.DeliveryRecord, "bounces": wire.BounceRecord, "blocks": wire.BlockRecord}
CONTENT_TYPES = (
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=b",
    "text/plain; charset=shift_jis",
    "application/json; charset=iso-2022-jp",
    "",
)
EXPECTED = (wire.BadBody, wire.TooManyEvents, wire.UnsupportedCharset)


def texts_of(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from texts_of(name)
            yield from texts_of(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts_of(inner)


def check(sent: wire.Notification) -> None:
    for record in sent.records:
        assert record.key.version == 8, record.key
        assert 0xB0 <= record.key.bytes[8] <= 0xBF, record.key
        for name in type(record).__dataclass_fields__:
            for text in texts_of(getattr(record, name)):
                assert "\0" not in text, name
                text.encode()
    for rejection in sent.rejections:
        assert "\0" not in rejection.raw
        rejection.raw.encode()
        assert len(rejection.raw.encode()) <= 65536


def fuzz(data: bytes) -> None:
    kind = CONTENT_TYPES[data[0] % len(CONTENT_TYPES)] if data else ""
    body = data[1:]
    try:
        sent = wire.read(wire.decode(body, kind), RECORD_TYPES, 1000)
    except EXPECTED:
        return
    check(sent)
    assert wire.read(wire.decode(body, kind), RECORD_TYPES, 1000) == sent


def main() -> None:
    seconds = os.environ.get("CMC_FUZZ_SECONDS", "60")
    with tempfile.TemporaryDirectory() as corpus:
        for number, path in enumerate(sorted(PAYLOADS.iterdir())):
            if path.is_file():
                Path(corpus, path.name).write_bytes(bytes([number % len(CONTENT_TYPES)]) + path.read_bytes())
        options = [
            f"-max_total_time={seconds}",
            "-timeout=10",
            "-rss_limit_mb=1024",
            "-max_len=20000",
            "-print_final_stats=1",
        ]
        atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={os.getcwd()}/", corpus], fuzz)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
