"""A fuzzer of the admin and the API: `tox run -e fuzz-pages`, a minute; `CMC_FUZZ_SECONDS=3600` in full.

Odd paths, parameters, cursors, headers and bodies are sent to each URL, as an anonymous visitor, a viewer and
a superuser. No response is a server error, none takes ten seconds, and each database answers with the same
status and the same rows: the parent process plays the same requests on each database and compares.

`--seed` repeats a run. A difference is printed with the request that shows it.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).parents[2]
SQLITE = "sqlite:////tmp/cmc-fuzz-pages.sqlite3"
DATABASES = {
    "sqlite": SQLITE,
    "postgresql": os.environ.get("CMC_POSTGRESQL_URL", "postgres://postgres@127.0.0.1:5432/postgres"),
    "mariadb": os.environ.get("CMC_MARIADB_URL", "mysql://root@127.0.0.1:3306/test"),
}
START = datetime(2026, 1, 5, 3, tzinfo=UTC)
SLOW = 60.0

ODD_TEXTS = (
    *(
        "",
        " ",
        "\0",
        "a\0b",
        "%",
        "_",
        "\\",
        "'",
        '"',
        "';--",
        "é",
        "E\u0301",
        "ｔａｒｏ＠ｅｘａｍｐｌｅ．ｊｐ",
    ),
    *("\u202e\u2066", "\ufeff", "😀", "\ud7ff", "-1", "0", "1e400", "9" * 40, "nan", "true", "null", "[]"),
    *("<script>alert(1)</script>", "{{ 7|add:7 }}", "../../etc/passwd", "a" * 5000, "a," * 150, ",", "＝1+1"),
    *("a\u0300" * 300, "user@example.jp", "<user@example.jp>", '"a b"@example.jp', "@example.jp", "pro"),
)
ODD_TIMES = (
    *("2026-01-05", "2026-01-05T03:00:00Z", "2026-01-05T03:00:00+16:00", "2026-01-05T03:00:00-23:59"),
    *("0001-01-01", "9999-12-31", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0000-00-00", "2023-02-30"),
    *("2026-W01-1", "20260105", "2026-01-05 03:00", "2026-01-05T24:00:00Z", "2026-01-05T03:00:60Z"),
    *("12026-01-01", "-2026-01-01", "now", "1767582000", "２０２６-01-05", "2026-01-05T03:00:00.1234567Z"),
)
WORDS = (
    *("queued", "deferred", "succeeded", "failed", "bounced", "hard", "soft", "policy", "message", "unknown"),
    *(
        "suppressed",
        "other",
        "2",
        "5",
        "99",
        " 2",
        "webhook",
        "rest",
        "retry",
        "deliveries",
        "bounces",
        "blocks",
    ),
    *("open", "resolved", "pending", "dead", "today", "7-days", "365-days", "csv", "json", "jsonl", "api"),
)
PARAMETERS = (
    *("q", "p", "o", "e", "all", "since", "from", "to", "status", "status__in", "state", "source", "format"),
    *("message_id", "recipient", "sender", "domain", "api_data", "server_composition", "bounce_class"),
    *(
        "server_composition__in",
        "bounce_class__in",
        "bounce_code",
        "bounce_code__in",
        "event_type",
        "resolved",
    ),
    *("occurred_after", "occurred_before", "received_after", "received_before", "cursor", "page_size"),
    *("ordering", "by", "limit", "offset", "id", "pk", "created_at__gte", "mail__id", "_popup", "_to_field"),
    *("raw__address", "recipient__regex", "_changelist_filters", "facets", "é", "", "\0"),
)
TIMED = ("occurred_after", "occurred_before", "received_after", "received_before", "from", "to", "since")
ACCEPT = (
    *(
        "",
        "*/*",
        "application/json",
        "text/html",
        "text/csv",
        "application/x-ndjson",
        "image/*;q=0.1",
        "a/b/c",
    ),
    *("application/json; indent=9999999", "text/csv;q=nan", "*", ",,,", "application/json;q=0"),
)
WITH_RANDOM_KEYS = ("notification", "rejected", "pending")
"""Lists whose rows have keys with a random part, so that their cursors differ between databases."""
METHODS = ("GET",) * 40 + ("HEAD", "POST", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")
TYPES = (
    *("application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b", ""),
    *("text/plain; charset=utf-16", "application/json; charset=nonsense", "text/csv"),
)


class Dice(random.Random):
    """A source of odd requests. The same seed makes the same requests on each database."""

    def text(self) -> str:
        if self.random() < 0.3:
            return self.choice(WORDS)
        if self.random() < 0.2:
            return "".join(
                chr(self.choice((self.randrange(1, 0x300), self.randrange(0x3000, 0xD7FF)))) for _ in "123"
            )
        return self.choice(ODD_TEXTS)

    def value(self, name: str, path: str, cursors: Mapping[str, list[str]]) -> str:
        if name in TIMED and self.random() < 0.8:
            return self.time()
        if name == "cursor" and self.random() < 0.9:
            return self.cursor(path, cursors)
        return self.text()

    def time(self) -> str:
        """Return a time that is odd, or that has an odd offset."""
        if self.random() < 0.5:
            return self.choice(ODD_TIMES)
        year = self.choice((1, 1970, 2026, 2026, 2026, 9999))
        offset = f"{self.choice('+-')}{self.randrange(25):02}:{self.choice((0, 0, 30, 59)):02}"
        month, day, hour = self.randrange(1, 13), self.randrange(1, 29), self.randrange(24)
        return f"{year:04}-{month:02}-{day:02}T{hour:02}:00:00{offset}"

    def cursor(self, path: str, cursors: Mapping[str, list[str]]) -> str:
        """Return a cursor that this list gave, or one like it with another part."""
        given = self.choice(cursors[path]) if cursors.get(path) else ""
        try:
            text = base64.urlsafe_b64decode(given).decode()
        except ValueError:  # a page repeats the odd cursor that it was asked for
            text = ""
        if not text or self.random() < 0.1:
            key = self.choice(("created_at", "created_at", "occurred_at", "received_at", "first_event_at"))
            text = f"next,{key}={self.time()},id=00000000-0000-0000-0000-000000000000"
        way, *parts = text.split(",")
        if self.random() < 0.8:
            place = self.randrange(len(parts))
            name, _, _ = parts[place].partition("=")
            parts[place] = f"{name}={self.time() if name.endswith('_at') else self.text()}"
        if self.random() < 0.1:
            parts.append(self.choice((*parts, self.text())))
        if self.random() < 0.1:
            way = self.choice(("previous", self.text()))
        return base64.urlsafe_b64encode(",".join([way, *parts]).encode("utf-8", "surrogatepass")).decode()

    def query(self, path: str, known: Sequence[str], cursors: Mapping[str, list[str]]) -> str:
        """Return a query whose parameters are mostly those that the path knows."""
        if self.random() < 0.03:
            return self.choice(("%", "%ff=%fe", "&&&=", "=", "a=b=c&a", "q=%00", "cursor=" + "A" * 9000))
        names = [
            self.choice(known) if known and self.random() < 0.93 else self.choice(PARAMETERS)
            for _ in range(self.choice((0, 1, 1, 1, 2, 3)))
        ]
        if names and self.random() < 0.03:
            names.append(names[0])
        pairs = [(name, self.value(name, path, cursors)) for name in names]
        return urlencode(pairs, errors="replace")

    def body(self) -> bytes:
        form = {
            self.choice(
                (
                    "action",
                    "index",
                    "_selected_action",
                    "confirmed",
                    "address",
                    "kind",
                    "until",
                    "note",
                    "post",
                    "_save",
                    "api_key",
                    "event",
                )
            ): self.text()
            for _ in range(3)
        }
        return self.choice(
            (
                b"",
                b"{}",
                b"[",
                b"\xff\xfe",
                urlencode(form, errors="replace").encode(),
                json.dumps(form).encode(),
                b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--b--",
            )
        )


def fill(dice: random.Random) -> None:
    """Store a history with unexpected values, the same on each database."""
    from cmc_webhooks import ingest, suppression, wire
    from cmc_webhooks.simulator import scenarios
    from cmc_webhooks.statistics import rollup
    from tests.conftest import bounce, delivery, notification

    story = scenarios.by_time(dice, START.replace(tzinfo=None), 400, 30.0)
    for number, event in enumerate(story):
        body = notification(event.event_type, dict(event.values))
        ingest.receive(wire.decode(body), received_at=START + timedelta(seconds=30 * number))
    odd = [text.replace("\0", "") for text in ODD_TEXTS]
    events = [
        delivery(
            f"<odd-{n}@x>",
            subject=text,
            apiData=text[:200],
            to=f"u{n}@example.jp",
            status=odd[-n][:30] or "x",
        )
        for n, text in enumerate(odd)
    ]
    ingest.receive(wire.decode(notification("deliveries", *events, 5, {"to": []}, "odd")), received_at=START)
    ingest.receive(
        wire.decode(
            notification("bounces", *[bounce(f"<odd-{n}@x>", reason=text) for n, text in enumerate(odd)])
        ),
        received_at=START,
    )
    blocks = [{"email": f"u{n}@example.jp", "status": str(n)} for n in range(12)]
    ingest.receive(wire.decode(notification("blocks", *blocks)), received_at=START)
    suppression.block("u1@example.jp", note="odd")
    rollup.roll_up("default", fresh=timedelta())


def addresses() -> dict[str, list[str]]:
    """Return the URL of each view of the app, with KEY where a key belongs, and the parameters it knows."""
    from django.contrib import admin
    from django.urls import NoReverseMatch, get_resolver, reverse

    from cmc_webhooks.api.urls import router

    found = {
        url: ["q"] for url in ("/cmc/webhook", "/cmc/health", "/admin/", "/admin/cmc_webhooks/", "/api/")
    }
    for namespace in ("admin", "cmc_webhooks_api"):
        resolver = get_resolver().namespace_dict[namespace][1]
        for name in sorted(each for each in resolver.reverse_dict if isinstance(each, str)):
            for arguments in ([], ["KEY"]):
                if namespace == "admin" and "cmc_webhooks" not in name:
                    continue
                try:
                    found[reverse(f"{namespace}:{name}", args=arguments)] = []
                except NoReverseMatch:
                    continue
    for path in found:
        for model, its_admin in admin.site._registry.items():
            if f"/{model._meta.model_name}/" in path:
                names = [
                    each.parameter_name for each in its_admin.list_filter if hasattr(each, "parameter_name")
                ]
                found[path] = [*names, *("q", "cursor", "cursor", "cursor", "from", "to")]
        for prefix, view, _ in router.registry:
            if path.startswith(f"/api/{prefix}/"):
                names = [*view.filterset_class.base_filters] if view.filterset_class else []
                found[path] = [*names, "cursor", "cursor", "cursor", "page_size", "ordering", "format"]
        if path == "/api/stats/":
            found[path] = ["from", "to", "by", "server_composition"]
    return found


def rows_of(answer) -> list[str]:
    """Return what identifies the rows of a JSON answer, in order; the keys of rows differ by their time."""
    if not answer.get("Content-Type", "").startswith("application/json"):
        return []
    data = json.loads(answer.content)
    rows = data.get("results", [data]) if isinstance(data, dict) else data
    names = ("message_id", "recipient", "occurred_at", "status", "bounce_code", "domain", "mails", "error")
    return [json.dumps([row.get(name) for name in names]) for row in rows if isinstance(row, dict)]


def play(database: str, seed: int, requests: int, seconds: float) -> None:
    """Send requests, and print a line for each: its number, the request, the status and the rows."""
    os.environ["DATABASE_URL"] = "" if database == "sqlite" else DATABASES[database]
    os.environ["TEST_SQLITE_NAME"] = SQLITE.removeprefix("sqlite:///")
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django

    django.setup()
    from django.contrib.auth.models import Permission, User
    from django.db import connection
    from django.test import Client
    from django.test.utils import setup_test_environment

    from cmc_webhooks import models

    setup_test_environment()
    connection.settings_dict["TEST"]["NAME"] = {"sqlite": SQLITE.removeprefix("sqlite:///")}.get(
        database, "test_cmc_fuzz_pages"
    )
    before = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        dice = Dice(seed)
        fill(Dice(seed))
        viewer = User.objects.create_user("viewer", password="x", is_staff=True)
        viewer.user_permissions.set(
            Permission.objects.filter(content_type__app_label="cmc_webhooks", codename__startswith="view_")
        )
        clients = {"anonymous": Client(raise_request_exception=False)}
        for name, user in (("viewer", viewer), ("superuser", User.objects.create_superuser("root"))):
            clients[name] = Client(raise_request_exception=False)
            clients[name].force_login(user)
        urls = addresses()
        mails = models.Mail.objects.order_by("message_id", "address")
        keys = [str(key) for key in mails.values_list("pk", flat=True)[:20]]
        cursors: dict[str, list[str]] = {}
        ends = time.monotonic() + seconds
        for number in range(requests):
            if time.monotonic() > ends:
                break
            print(number, *one(dice, clients, urls, keys, cursors), flush=True, sep="\t")
    finally:
        connection.creation.destroy_test_db(before, verbosity=0)


def one(dice, clients, urls, keys, cursors):
    """Send one request. Return it as text, its status, its seconds and a digest of its rows."""
    (who,) = dice.choices([*clients], [1, 2, 4])
    method = dice.choice(METHODS)
    path = dice.choice([*urls])
    query = dice.query(path, urls[path], cursors)
    key = dice.choice(
        (dice.choice(keys), dice.text(), "00000000-0000-0000-0000-000000000000", "_5F", "x" * 300)
    )
    path = path.replace("KEY", key.replace("/", "_2F").replace("?", "_3F").replace("#", "_23") or "x")
    body, kind = dice.body(), dice.choice(TYPES)
    headers = {
        "HTTP_ACCEPT": dice.choice(ACCEPT) if dice.random() < 0.2 else "*/*",
        "HTTP_ACCEPT_LANGUAGE": dice.choice(("ja", "en", "xx", "*")),
    }
    if dice.random() < 0.2:
        headers["HTTP_IF_NONE_MATCH"] = dice.choice(("*", '"x"', "W/", "é", ""))
    if dice.random() < 0.1:
        headers["HTTP_RANGE"] = "bytes=0-1"
    if dice.random() < 0.1:
        headers["HTTP_X_REQUESTED_WITH"] = "XMLHttpRequest"
    began = time.monotonic()
    answer = clients[who].generic(
        method, path, b"" if method in ("GET", "HEAD") else body, kind, QUERY_STRING=query, **headers
    )
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    took = time.monotonic() - began
    rows = [] if answer.streaming or method == "HEAD" else rows_of(answer)
    repeatable = not any(model in path for model in WITH_RANDOM_KEYS)
    for found in re.findall(rb"[?&;]cursor=([\w=%-]+)", content)[:3] if repeatable else []:
        kept, cursor = cursors.setdefault(path, []), found.decode().replace("%3D", "=")
        if len(kept) < 50 and cursor not in kept:
            kept.append(cursor)
    request = ascii(f"{who} {method} {path}?{query} {headers} {kind} {body!r}")
    digest = hashlib.sha256("\n".join(rows).encode()).hexdigest()[:16]
    return request, answer.status_code, f"{took:.3f}", digest, len(rows)


def compare(outputs: dict[str, list[str]]) -> list[str]:
    """Return what is wrong: a server error, a slow answer, or a database that answers differently."""
    wrong = []
    for lines in zip(*outputs.values(), strict=False):
        seen = set()
        for database, line in zip(outputs, lines, strict=True):
            number, request, status, seconds, digest, rows = line.split("\t")
            seen.add((request, status, digest, rows))
            if int(status) >= 500 and not (status == "503" and "/cmc/health?" in request):
                wrong.append(f"{database}: {number} {status} {request}")
            if float(seconds) > SLOW:
                wrong.append(f"{database}: {number} took {seconds} s {request}")
        if len(seen) > 1:
            shown = [(database, *line.split("\t")[2:]) for database, line in zip(outputs, lines, strict=True)]
            wrong.append(f"different: {lines[0].split(chr(9))[1]} {shown}")
    return wrong


def begin(database: str, chosen: argparse.Namespace, folder: Path) -> subprocess.Popen[bytes]:
    """Start to play on a database. Files take the output: a full pipe would stop the process."""
    with (folder / database).open("wb") as output, (folder / f"{database}.err").open("wb") as errors:
        return subprocess.Popen(  # noqa: S603 - our own words
            [
                *(sys.executable, __file__, "--play", database, "--seed", str(chosen.seed)),
                *("--requests", str(chosen.requests), "--seconds", str(chosen.seconds)),
            ],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            stdout=output,
            stderr=errors,
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument(
        "--requests", type=int, default=10**9, help="as many as fit into the seconds by default"
    )
    parser.add_argument("--seconds", type=float, default=float(os.environ.get("CMC_FUZZ_SECONDS") or 60))
    parser.add_argument("--databases", nargs="*", default=[*DATABASES], choices=[*DATABASES])
    parser.add_argument(
        "--play", choices=[*DATABASES], help="play on this database and print, without comparing"
    )
    chosen = parser.parse_args()
    if chosen.play:
        play(chosen.play, chosen.seed, chosen.requests, chosen.seconds)
        return 0
    print(f"seed {chosen.seed}", flush=True)
    outputs, failed = {}, False
    with tempfile.TemporaryDirectory() as folder:
        running = {database: begin(database, chosen, Path(folder)) for database in chosen.databases}
        for database, process in running.items():
            code = process.wait()
            outputs[database] = (Path(folder) / database).read_text().splitlines()
            if code:
                failed = True
                print(
                    f"{database} ended with {code}:\n{(Path(folder) / f'{database}.err').read_text()[-4000:]}"
                )
    wrong = compare(outputs)
    print(*wrong[:50], sep="\n")
    print({database: len(lines) for database, lines in outputs.items()}, "requests;", len(wrong), "wrong")
    return int(failed or bool(wrong) or not min(map(len, outputs.values())))


if __name__ == "__main__":
    sys.exit(main())
