"""The project of the docs, `mysite` with the app `shop`, in a folder: a page's blocks are put there and run.

Each command runs in a process of its own with the few variables that a new shell has.
"""

from __future__ import annotations

import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from cmc_webhooks import testing
from tests.helpers import pages
from tests.helpers.pages import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["KEY", "Block", "MySite", "blocks"]

KEY = "s3cret-value-for-tests"
HOST = "https://your.example.com"
FOLDER = "/srv/mysite"
PATIENCE = 120
PROGRAMS = {"python": "", "pytest": "-m pytest", "celery": "-m celery", "gunicorn": "-m gunicorn"}

_PRODUCTION = """
DEBUG = False
ALLOWED_HOSTS = ["your.example.com", "127.0.0.1"]
"""


class Block(NamedTuple):
    """A block of code of a page: its language, its text, and the path that its first line names."""

    language: str
    text: str

    @property
    def path(self) -> str:
        named = re.match(r"# (/?[\w./-]*(?:\.\w+|Dockerfile))$", self.text.partition("\n")[0])
        return named[1] if named else ""


def blocks(page: str, heading: str = "") -> list[Block]:
    """Return the blocks of a page, or of one of its sections, in their order."""
    text = pages.section(page, heading) if heading else pages.text(page)
    found = [Block(each.language, each.code) for each in pages.listed(text) if not each.shown]
    assert found, f"{page}: no block"
    return found


class MySite:
    """The project in a folder, on SQLite. `url` is its server's, while `serving` runs."""

    url = HOST

    def __init__(self, folder: Path, template: Path | None = None) -> None:
        self.folder = folder
        if template is not None:
            shutil.copytree(template, folder, dirs_exist_ok=True)
            self._make_programs()
            return
        self._make_programs()
        self.sh("python -m django startproject mysite . && python manage.py startapp shop")
        settings = (folder / "mysite/settings.py").read_text()
        shutil.copytree(pages.DOCS / "example", folder, dirs_exist_ok=True)
        self.write("mysite/settings.py", settings + (folder / "mysite/settings.py").read_text() + _PRODUCTION)
        self.write(".env", f"CMC_API_KEY={KEY}\n")
        self.sh(
            "python manage.py makemigrations --verbosity 0 shop && python manage.py migrate --verbosity 0"
        )

    def _make_programs(self) -> None:
        """Make programs that find this package without a variable, as installed ones would."""
        for name, arguments in PROGRAMS.items():
            path = self.folder / ".venv" / "bin" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" {arguments} "$@"\n')
            path.chmod(0o700)

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def put(self, block: Block) -> None:
        """Put a block in the file that it names: at the end of one that is there."""
        assert block.path, block
        path = self.folder / block.path
        before = path.read_text() + "\n" if path.exists() else ""
        self.write(block.path, before + block.text)

    def set(self, line: str) -> None:
        """Add a line to the settings."""
        self.put(Block("python", f"# mysite/settings.py\n{line}\n"))

    def environment(self, **variables: str) -> dict[str, str]:
        """Return the variables of a new shell in which the virtual environment is active."""
        return {
            "PATH": f"{self.folder}/.venv/bin:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "NO_PROXY": "*",
            "PIP_NO_INDEX": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            **variables,
        }

    def sh(self, text: str, *, code: int | None = 0, errors: bool = True, **variables: str) -> str:
        """Run a script of the shell as it stands. Return what it prints, on standard error too if `errors`.

        Its exit code must be `code`, if given.
        """
        ran = subprocess.run(  # noqa: S603 - our own words
            ["/bin/sh", "-e", "-c", text.replace(HOST, self.url).replace(FOLDER, str(self.folder))],
            cwd=self.folder,
            env=self.environment(**variables),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            stdin=subprocess.DEVNULL,
        )
        assert code is None or ran.returncode == code, f"{text}\n{ran.stdout}{ran.stderr}"
        return ran.stdout + (ran.stderr if errors else "")

    def cron(self, line: str) -> str:
        """Run a line of a crontab as cron does: with its few variables, in the home folder."""
        *schedule, command = line.split(maxsplit=5)
        assert len(schedule) == 5, line
        ran = subprocess.run(  # noqa: S603 - our own words
            ["/usr/bin/env", "-i", "/bin/sh", "-c", command.replace(FOLDER, str(self.folder))],
            cwd="/",
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            stdin=subprocess.DEVNULL,
        )
        return ran.stdout + ran.stderr

    def shell(self, code: str) -> str:
        """Return what code prints in `manage.py shell`, which reads it from its input."""
        ran = subprocess.run(  # noqa: S603 - our own words
            [self.folder / ".venv/bin/python", "manage.py", "shell", "--verbosity", "0"],
            input=code.replace(HOST, self.url),
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert "Traceback" not in ran.stderr, ran.stderr
        return ran.stdout

    def rows(self, sql: str) -> list[Any]:
        """Return the rows of a query, read from the project's database beside its processes."""
        with closing(sqlite3.connect(self.folder / "db.sqlite3")) as database:
            return database.execute(sql).fetchall()

    def console(self, text: str) -> None:
        """Run the commands behind `$` and compare what they print with what stands below them."""
        for command, printed in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE):
            assert self.sh(command, errors=False) == printed

    @contextmanager
    def running(
        self, command: str, end: signal.Signals = signal.SIGTERM, **variables: str
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Run a command until the end of the block, then end it with a signal."""
        log = self.folder / "log"
        with log.open("ab") as file:
            process = subprocess.Popen(  # noqa: S603 - our own words
                ["/bin/sh", "-c", f"exec {command}"],
                cwd=self.folder,
                env=self.environment(**variables),
                stdout=file,
                stderr=file,
                # a shell's background jobs ignore SIGINT, and so would their children
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            )
        try:
            yield process
        finally:
            process.send_signal(end)
            process.wait(PATIENCE)

    @contextmanager
    def serving(self, **variables: str) -> Iterator[None]:
        """Serve the project. Commands find it under the URL of the docs."""
        port = free_port()
        with self.running(
            f"python manage.py runserver --noreload {port}", signal.SIGINT, **variables
        ) as server:
            self.url = f"http://127.0.0.1:{port}"
            try:
                self.until(lambda: connects(port), server)
                yield
            finally:
                self.url = HOST

    def post(self, event_type: str, *events: dict[str, Any], path: str = "/cmc/webhook") -> int:
        """Post these events as CMC does, with the project's secret. Return the status of the answer."""
        encoded = testing.notification(event_type, *events, api_key=KEY)
        headers = {"Content-Type": encoded.content_type}
        request = urllib.request.Request(self.url + path, encoded.body, headers)  # noqa: S310 - ours
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310 - ours
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def until(self, holds: object, process: subprocess.Popen[bytes] | None = None) -> None:
        """Wait until `holds()` is true."""
        end = time.monotonic() + PATIENCE
        while not holds():  # type: ignore[operator]
            assert time.monotonic() < end, (self.folder / "log").read_text()
            assert process is None or process.poll() is None, (self.folder / "log").read_text()
            time.sleep(0.1)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def connects(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
