"""A sender of requests over several kept-alive connections, at a given rate, and a tally of the answers."""

from __future__ import annotations

import http.client
import json
import queue
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["NO_ANSWER", "Post", "Tally", "Target", "post_all"]

TIMEOUT_SECONDS = 30
MAX_ANSWER = 64 * 1024
NO_ANSWER = "no answer"


class Post(NamedTuple):
    """The body of one request, its Content-Type, and the number of events in it."""

    body: bytes
    content_type: str
    events: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The parts of the URL to post to, and the Authorization header of each request, if any."""

    tls: bool
    host: str
    port: int | None
    path: str
    authorization: str = field(default="", repr=False)

    @classmethod
    def of(cls, url: str, authorization: str = "") -> Self:
        """Return the target that a URL names.

        Raises:
            ValueError: the text is not a valid http or https URL, or contains credentials.
        """
        parts = urlsplit(url)
        host = parts.hostname or ""
        is_line = url.isascii() and url.isprintable() and " " not in url
        if parts.scheme not in ("http", "https") or not is_line or not _is_host(host):
            raise ValueError("not an address such as http://127.0.0.1:8000/cmc/webhook")
        if "@" in parts.netloc:
            raise ValueError("credentials do not belong into the address")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        tls = parts.scheme == "https"
        return cls(tls=tls, host=host, port=parts.port, path=path, authorization=authorization)

    @property
    def is_loopback(self) -> bool:
        """Return whether the host is surely this machine: by number, or by the name RFC 6761 reserves."""
        with suppress(ValueError):
            return ip_address(self.host).is_loopback
        return self.host == "localhost" or self.host.endswith(".localhost")

    def connection(self) -> http.client.HTTPConnection:
        """Return a new connection. Its first request opens it."""
        kind = http.client.HTTPSConnection if self.tls else http.client.HTTPConnection
        return kind(self.host, self.port, timeout=TIMEOUT_SECONDS)

    def exchange(self, connection: http.client.HTTPConnection, sent: Post) -> tuple[int, bytes]:
        """Post one request. Return the answer's status and first 64 kB. Redirects are not followed."""
        headers = {"Content-Type": sent.content_type}
        if self.authorization:
            headers["Authorization"] = self.authorization
        connection.request("POST", self.path, sent.body, headers)
        answer = connection.getresponse()
        text = answer.read(MAX_ANSWER)
        if not answer.isclosed():
            connection.close()
        return answer.status, text


@dataclass(slots=True)
class Tally:
    """Counts of the requests so far and their answers, in constant memory. `note` is thread-safe."""

    requests: int = 0
    events: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    """Number of requests by status or `NO_ANSWER`."""
    stored: Counter[str] = field(default_factory=Counter)
    """Number of events by the result in the answers: new, repeated, rejected."""
    seconds: float = 0.0
    _latencies: Counter[float] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def failed(self) -> int:
        """Return the number of requests that were not answered with 2xx."""
        return sum(number for answer, number in self.answers.items() if not answer.startswith("2"))

    def note(self, events: int, answer: str, text: bytes, seconds: float) -> None:
        """Count one request and its answer."""
        with self._lock:
            self.requests += 1
            self.events += events
            self.answers[answer] += 1
            self._latencies[float(f"{seconds:.3g}")] += 1  # three significant digits, so the keys are few
            with suppress(ValueError, TypeError, AttributeError):
                self.stored.update({name: int(number) for name, number in json.loads(text).items()})

    def latency(self, share: float) -> float:
        """Return the seconds within which this share of the requests was completed, or 0 without requests."""
        seen = 0
        for seconds, number in sorted(self._latencies.items()):
            seen += number
            if seen >= share * self.requests:
                return seconds
        return 0.0


def post_all(
    target: Target,
    posts: Iterable[Post],
    tally: Tally,
    *,
    senders: int = 4,
    rate: float = 0,
    progress: Callable[[int], Any] = lambda done: None,
    sleep: Callable[[float], Any] = time.sleep,
) -> None:
    """Post all requests at up to `rate` events per second (0: no limit). Count each answer in `tally`.

    `progress` is called with the number of newly posted events. An interrupt ends the posting after the
    requests in progress, which time out after 30 seconds.

    Raises:
        OSError: the target does not accept connections.
    """
    first = target.connection()
    first.connect()
    first.close()
    begun, shown, planned = time.monotonic(), 0, 0
    team = _Team(target, tally, senders)
    try:
        for each in posts:
            if rate and (early := begun + planned / rate - time.monotonic()) > 0:
                sleep(early)
            if team.errors:
                break
            team.jobs.put(each)
            planned += each.events
            now = tally.events
            progress(now - shown)
            shown = now
    except BaseException:
        team.stop.set()
        raise
    finally:
        team.join()
        tally.seconds = time.monotonic() - begun
        progress(tally.events - shown)
    if team.errors:
        raise team.errors[0]


def _is_host(name: str) -> bool:
    """Return whether a host of this name can be looked up: none of its labels is empty or too long."""
    try:
        return bool(name.encode("idna"))
    except UnicodeError:
        return False


class _Team:
    """Threads that post the requests put into `jobs`."""

    def __init__(self, target: Target, tally: Tally, senders: int) -> None:
        self.target, self.tally = target, tally
        self.jobs: queue.Queue[Post | None] = queue.Queue(maxsize=2 * senders)
        self.stop = threading.Event()
        self.errors: list[Exception] = []
        self.threads = [threading.Thread(target=self._work, daemon=True) for _ in range(senders)]
        for thread in self.threads:
            thread.start()

    def join(self) -> None:
        for _ in self.threads:
            self.jobs.put(None)
        for thread in self.threads:
            thread.join()

    def _work(self) -> None:
        connection = self.target.connection()
        for job in iter(self.jobs.get, None):
            if self.stop.is_set():
                continue  # drains the queue, so that `put` does not block
            try:
                self._post(connection, job)
            except Exception as error:  # noqa: BLE001 - `post_all` raises it: in this thread it would be lost
                self.errors.append(error)
                self.stop.set()
        connection.close()

    def _post(self, connection: http.client.HTTPConnection, job: Post) -> None:
        begun, was_kept = time.monotonic(), connection.sock is not None
        try:
            try:
                status, text = self.target.exchange(connection, job)
            except ConnectionError:  # a server may close a kept-alive connection at any time
                connection.close()
                if not was_kept:
                    raise
                status, text = self.target.exchange(connection, job)
            answer = str(status)
        except (OSError, http.client.HTTPException):
            connection.close()
            answer, text = NO_ANSWER, b""
        self.tally.note(job.events, answer, text, time.monotonic() - begun)
