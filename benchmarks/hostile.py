"""What anybody can make a worker do: `python -m benchmarks.hostile`. No database is needed.

Bodies of 2 MiB without a key, in shapes that cost a parser much, posted to gunicorn (one worker, eight
threads). CPU of one body, as a multiple of that of a form of the same size with one long text: medians of
five, in turns. Peak of the worker's memory (VmHWM) while eight are posted at once. `--only` takes a part of a
name.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import http.client
import os
import random
import socket
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

SIZE = 2 * 1024 * 1024
MOST_TIMES, MOST_MB, AT_ONCE, ROUNDS = 10, 200, 8, 5
JSON, FORM, MULTIPART = (
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=b",
)
PLAIN = "one long text"
Shapes = dict[str, tuple[bytes, str]]


def filled(before: bytes, piece: bytes, after: bytes = b"", size: int = SIZE) -> bytes:
    """A body of about `size` bytes: `piece` as often as it fits between two ends."""
    return before + piece * ((size - len(before) - len(after)) // len(piece)) + after


def shapes(size: int = SIZE) -> Shapes:
    """Bodies without a key by name, each with its Content-Type."""

    def made(before: bytes, piece: bytes, after: bytes = b"") -> bytes:
        return filled(before, piece, after, size)

    dice = random.Random(5)
    garbage = dice.randbytes(size - 60)
    event, items = (
        b'{"event_type":"deliveries","event":',
        b'{"event_type":"deliveries","event":{"deliveries":[',
    )
    json_bodies = {
        PLAIN: made(event + b'"', b"a", b'"}'),
        "names twice, a list": made(b"[", b'{"a":0,"a":0},', b"0]"),
        "names twice, in events": made(items, b'{"a":0,"a":0},', b"0]}}"),
        "names twice, on top": made(b"{", b'"a":0,', b'"a":0}'),
        "names of their own, on top": b"{%s}" % b",".join(b'"%d":0' % n for n in range(size // 11)),
        "names of their own, in an event": event
        + b"{%s}}" % b",".join(b'"%d":0' % n for n in range(size // 11)),
        "escaped names, on top": made(b"{", b'"\\u0061":0,', b'"a":0}'),
        "long escaped names": made(b"{", b'"%s":0,' % (b"\\u0061" * 3000), b'"a":0}'),
        "one escaped name": made(b'{"', b"\\u0061", b'":0}'),
        "one escaped key": made(b'{"api_key":"', b"\\u0061", b'"}'),
        "a key of quotes": made(b'{"api_key":"', b'\\"', b'"}'),
        "a key of digits": made(b'{"api_key":', b"1", b"}"),
        "many keys": made(b"{", b'"api_key":"",', b'"a":0}'),
        "many keys in an event": made(event + b"{", b'"api_key":"",', b'"a":0}}'),
        "as many empty lists as may be": made(items + b"[]," * (size // 20 - 9) + b'"', b"a", b'"]}}'),
        "as many empty lists as may be, and empty texts": made(
            items + b"[]," * (size // 20 - 9), b'"",', b"0]}}"
        ),
        "empty objects": made(items, b"{},", b"0]}}"),
        "empty lists": made(items, b"[],", b"0]}}"),
        "lists without commas": made(items, b"[]", b"]}}"),
        "nested 18": made(items, b"[" * 16 + b"]" * 16 + b",", b"0]}}"),
        "nested objects": made(items, b'{"":' * 15 + b"0" + b"}" * 15 + b",", b"0]}}"),
        "nested without end": made(b"", b"["),
        "objects without end": made(b"", b'{"a":'),
        "an event without end": made(items, b"[0],"),
        "a text without end": made(items + b'"', b"\\n"),
        "numbers": made(items, b"0,", b"0]}}"),
        "long numbers": made(items, b"9" * 32 + b",", b"0]}}"),
        "a huge number": made(items, b"9", b"]}}"),
        "decimals": made(items, b"1e9,", b"0]}}"),
        "constants": made(items, b"true,null,", b"0]}}"),
        "empty texts": made(items, b'"",', b"0]}}"),
        "escapes": made(items + b'"', b"\\n", b'"]}}'),
        "unicode escapes": made(items + b'"', b"\\u3042", b'"]}}'),
        "halves of surrogates": made(items + b'"', b"\\ud800", b'"]}}'),
        "surrogate pairs": made(items + b'"', b"\\ud83d\\ude00", b'"]}}'),
        "characters of four bytes": made(event + b'"', "😀".encode(), b'"}'),
        "one of four bytes, the rest ASCII": made(event + '"😀'.encode(), b"a", b'"}'),
        "bytes that are no UTF-8": made(event + b'"', b"\xff", b'"}'),
        "blanks": made(b"{", b" \n", b"}"),
        "blanks behind": made(b"{}", b" \n"),
        "commas": made(items, b",", b"]}}"),
        "colons": made(b"{", b":", b"}"),
        "quotes": made(b"{", b'"', b"}"),
        "JSON in JSON": made(event + b'"', b'{\\"a\\":0},', b'"}'),
        "base64": event + b'"%s"}' % base64.b64encode(garbage)[: size - 60],
        "random bytes": b"{" + garbage,
    }
    form_bodies = {
        PLAIN: made(b"event=", b"a"),
        "percent signs": made(b"event=", b"%"),
        "escapes": made(b"event=", b"%25"),
        "escapes of a character": made(b"event=", b"%E3%81%82"),
        "escapes and letters": made(b"event=", b"%41a"),
        "a key of escapes": made(b"api_key=", b"%41"),
        "a name of escapes": made(b"", b"%41", b"=1"),
        "plus signs": made(b"event=", b"+"),
        "ampersands": made(b"event=", b"&"),
        "fields": made(b"event=1", b"&a=b"),
        "99 fields": b"&".join([b"event=" + b"%41" * (size // 300)] * 99),
        "equals signs": made(b"event=", b"="),
        "JSON": made(b"event=", b"%7B%22a%22%3A0%7D,"),
        "characters of three bytes": made(b"event=", "あ".encode()),
        "bytes that are no UTF-8": made(b"event=", b"\xff"),
        "random bytes": b"event=" + garbage,
    }
    part = b'--b\r\nContent-Disposition: form-data; name="event"\r\n\r\n'
    multipart_bodies = {
        "parts": made(b"", part + b"x\r\n", b"--b--"),
        "boundaries": made(b"", b"--b\r\n"),
        "boundaries of nothing": made(b"", b"--\n"),
        "a boundary without end": made(b"--", b"b"),
        "nearly boundaries": made(part, b"\r\n--a"),
        "line breaks": made(part, b"\r\n"),
        "a head of lines": made(b"--b\r\n", b"a\r\n"),
        "a head of folds": made(b"--b\r\n", b"\r\n a"),
        "a head of semicolons": made(b"--b\r\nContent-Disposition: form-data", b";", b"\r\n\r\nx\r\n--b--"),
        "heads of lines": b"".join(b"--b\r\n" + b"a\n" * (size // 210) for _ in range(99)),
        "heads as long as they may be": b"".join(
            b"--b\r\n" + b"a\n" * 2000 + b"\n" + b"x" * (size // 99 - 4010) + b"\n" for _ in range(99)
        ),
        "a key": made(part.replace(b"event", b"api_key"), b"\\u0061"),
    }
    found = {f"JSON: {name}": (body, JSON) for name, body in json_bodies.items()}
    found |= {f"form: {name}": (body, FORM) for name, body in form_bodies.items()}
    found |= {f"multipart: {name}": (body, MULTIPART) for name, body in multipart_bodies.items()}
    for charset in ("latin-1", "cp1252", "iso-2022-jp", "shift_jis", "cp932", "euc-jp"):
        for name, piece in {"0x81": b"\x81", "ESC": b"\x1b$B", "0xFE": b"\xfe", "0x5C": b"\\\\"}.items():
            found[f"{charset}, JSON: {name}"] = (
                made(event + b'"', piece, b'"}'),
                f"{JSON}; charset={charset}",
            )
            found[f"{charset}, form: {name}"] = (made(b"event=", piece), f"{FORM}; charset={charset}")
    long = "a" * 60 + "b"
    found["multipart: a boundary that is nearly there"] = (
        made(b"", b"\n--" + b"a" * 60, f"\n--{long}".encode()),
        f"multipart/form-data; boundary={long}",
    )
    return found


class Worker:
    """The worker of a gunicorn, seen from outside."""

    def __init__(self, port: int, master: int) -> None:
        self.port = port
        self.pid = int(Path(f"/proc/{master}/task/{master}/children").read_text().split()[0])

    def cpu(self) -> float:
        """Return the seconds that its threads have run."""
        tasks = Path(f"/proc/{self.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9

    def peak_mb(self) -> float:
        """Return the most memory that it has held since it started or since `forget_peak`."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024

    def forget_peak(self) -> None:
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def post(self, body: bytes, content_type: str) -> int:
        """Return the status of the answer."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            client.request("POST", "/cmc/webhook", body, {"Content-Type": content_type})
            return client.getresponse().status
        finally:
            client.close()

    def seconds_of(self, body: bytes, content_type: str) -> float:
        before = self.cpu()
        status = self.post(body, content_type)
        assert status in (400, 403), (status, content_type, body[:60])
        return self.cpu() - before

    def post_at_once(self, body: bytes, content_type: str, number: int = AT_ONCE) -> None:
        threads = [threading.Thread(target=self.post, args=(body, content_type)) for _ in range(number)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


@contextlib.contextmanager
def worker(application: str = "benchmarks.wsgi:application", **environment: str):
    """Start gunicorn with one worker and as many threads as bodies come at once."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = ["-w", "1", "-k", "gthread", "--threads", str(AT_ONCE), "--log-level", "error"]
    command = [sys.executable, "-m", "gunicorn", *arguments, "-b", f"127.0.0.1:{port}", application]
    server = subprocess.Popen(command, env={**os.environ, **environment}, stderr=subprocess.DEVNULL)  # noqa: S603
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with contextlib.suppress(OSError, IndexError):
                found = Worker(port, server.pid)
                found.post(b"{}", JSON)
                break
            time.sleep(0.1)
        yield found
    finally:
        server.terminate()
        server.wait(30)


def measure(found: Worker, bodies: Shapes, plain: tuple[bytes, str]) -> dict[str, tuple[float, float]]:
    """Return by shape: CPU as a multiple of the plain body's, and the peak in MB with eight at once."""
    figures = {}
    for name, sent in bodies.items():
        pairs = [(found.seconds_of(*sent), found.seconds_of(*plain)) for _ in range(ROUNDS)]
        times = statistics.median(one for one, _ in pairs) / statistics.median(other for _, other in pairs)
        found.forget_peak()
        found.post_at_once(*sent)
        figures[name] = (times, found.peak_mb())
    return figures


def main() -> None:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("--only", default="")
    only = parser.parse_args().only
    bodies = shapes()
    with worker() as found:
        figures = measure(
            found, {name: sent for name, sent in bodies.items() if only in name}, bodies[f"form: {PLAIN}"]
        )
    print("| shape | CPU, times that of one long text in a form | peak with eight at once, MB |")
    print("|---|---|---|")
    for name, (times, peak) in sorted(figures.items(), key=lambda each: -each[1][0]):
        print(f"| {name} | {times:.1f} | {peak:.0f} |")
    most, peak = max(times for times, _ in figures.values()), max(peak for _, peak in figures.values())
    met = most <= MOST_TIMES and peak < MOST_MB
    print(f"\nMost: {most:.1f} times (at most {MOST_TIMES}), {peak:.0f} MB (under {MOST_MB})")
    print("met" if met else "missed")
    raise SystemExit(not met)


if __name__ == "__main__":
    main()
