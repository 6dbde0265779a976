"""Coverage-guided fuzzing of `wire`: `tox run -e fuzz`, 60 seconds; `CMC_FUZZ_SECONDS=600` in full.

Runs with the same `CMC_FUZZ_SEED` begin with the same inputs. CI sets it, to fail for what was changed alone.

Whatever the bytes are, `decode` and `read` raise their own three errors or return records that can be stored:
text without NUL and halves of surrogate pairs, keys that MariaDB takes, the same result each time. One that
takes ten seconds, or 1 GB, ends the run as a crash does. Where the key is found, it is that of `decode`.

With `--time`, it looks for bodies without a key that cost much before the key is known: pieces are mutated,
repeated to 256 kB, and the costliest are kept. One that costs ten times one long text is a fault.
"""

from __future__ import annotations

import contextlib
import os
import random
import sys
import tempfile
import time
from pathlib import Path

TIME = "--time" in sys.argv
if TIME:
    from cmc_webhooks import wire
else:
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
        frame = wire.decode(body, kind)
        if isinstance(frame.api_key, str) and len(frame.api_key) < 1000:
            assert frame.api_key in keys_in(body, kind)
        sent = wire.read(frame, RECORD_TYPES, 1000)
    except EXPECTED:
        return
    check(sent)
    assert wire.read(wire.decode(body, kind), RECORD_TYPES, 1000) == sent


def keys_in(body: bytes, kind: str) -> list[str | None]:
    found = []
    with contextlib.suppress(EXPECTED):
        found.extend(wire.api_keys_in(body, kind))
    return found


SIZE, MOST_TIMES, KEPT = 256 * 1024, 10, 40
TOKENS = [bytes([byte]) for byte in b'"\\{}[]:,&=%+;- \r\n0aAeE.u'] + [
    b'"a":0', b"{}", b"[0]", b'""', rb"\u0041", rb"\n", b"%41", b"true", b"\x81", b"\xff", b"\x1b$B",
    b"\xe3\x81\x82",
    b"\n--b\r\n", b'Content-Disposition: form-data; name="a"\r\n\r\n', b'"api_key":"', b"api_key=",
]  # fmt: skip
EVENT = b'{"event":'
STARTS = [b"", EVENT, EVENT + b'{"deliveries":[', EVENT + b'"', b'{"api_key":"', b"event=", b"--b\r\n", b"{"]


def mutated(dice: random.Random, body: tuple[str, bytes, bytes]) -> tuple[str, bytes, bytes]:
    """The content type, the start and the piece of another body."""
    kind, start, piece = body
    tokens = [piece[place : place + 4] for place in range(0, len(piece), 4)]
    for _ in range(dice.randint(1, 3)):
        place = dice.randint(0, len(tokens))
        tokens[place : place + dice.randint(0, 2)] = dice.choices(TOKENS, k=dice.randint(0, 3))
    if dice.random() < 0.1:
        kind = dice.choice(CONTENT_TYPES)
    return kind, dice.choice(STARTS) if dice.random() < 0.1 else start, b"".join(tokens) or b"a"


def cost(kind: str, start: bytes, piece: bytes) -> float:
    """Seconds of processor time, the least of three."""
    body = start + piece * (SIZE // len(piece))
    times = []
    for _ in range(3):
        began = time.process_time()
        keys_in(body, kind)
        times.append(time.process_time() - began)
    return min(times)


def search() -> None:
    dice = random.Random(int(os.environ.get("CMC_FUZZ_SEED", "1")))  # noqa: S311 - not a secret
    plain = ("application/json", b'{"event":"', b"a")
    kept = [(cost(kind, start, b"a"), (kind, start, b"a")) for kind in CONTENT_TYPES for start in STARTS]
    until = time.monotonic() + float(os.environ.get("CMC_FUZZ_SECONDS", "60"))
    tried = 0
    while time.monotonic() < until:
        body = mutated(dice, dice.choice(kept)[1])
        kept = sorted([*kept, (cost(*body), body)], reverse=True, key=lambda each: each[0])[:KEPT]
        tried += 1
    base = cost(*plain)
    kept = [(cost(*body), body) for _, body in kept[:5]]
    for seconds, body in kept:
        print(f"{seconds / base:.1f} times one long text: {body}")
    print(f"{tried} bodies, at most {MOST_TIMES} times allowed")
    assert max(seconds for seconds, _ in kept) <= MOST_TIMES * base


def main() -> None:
    if TIME:
        search()
        return
    seconds = os.environ.get("CMC_FUZZ_SECONDS", "60")
    with tempfile.TemporaryDirectory() as corpus:
        for number, path in enumerate(sorted(PAYLOADS.iterdir())):
            if path.is_file():
                Path(corpus, path.name).write_bytes(bytes([number % len(CONTENT_TYPES)]) + path.read_bytes())
        options = [
            f"-max_total_time={seconds}",
            f"-seed={os.environ.get('CMC_FUZZ_SEED', '0')}",  # 0: another one each time
            "-timeout=10",
            "-rss_limit_mb=1024",
            "-max_len=20000",
            "-print_final_stats=1",
        ]
        atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={os.getcwd()}/", corpus], fuzz)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
