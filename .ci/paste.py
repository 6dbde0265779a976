"""Paste the pages into a fresh project as a reader does, and run what they say.

    python .ci/paste.py                       # README in both languages; the tutorial, and pages on top of it
    python .ci/paste.py README.ja             # one of them
    python .ci/paste.py howto/worker-celery   # the tutorial, then this page

The Python that runs this has the wheel and the packages that the pages name. Each project gets a virtual
environment of its own. There a line `python -m pip install ...` puts what it names and what that requires,
from the Python that runs this, without a network. Each block runs in a new shell. Nothing listens but on
127.0.0.1, and everything that was started is ended.
"""

from __future__ import annotations

import http.cookiejar
import importlib.metadata
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
_spec = spec_from_file_location("pages", ROOT / "tests" / "helpers" / "pages.py")
pages = module_from_spec(_spec)
sys.modules["pages"] = pages  # dataclasses look there
_spec.loader.exec_module(pages)

TUTORIAL = ("tutorial/install", "tutorial/console", "tutorial/first-receiver")
ON_TOP = ("howto/worker-django-tasks", "howto/worker-celery")
"""Pages that go on from the tutorial's project, each of them from the same."""
STORIES = ("README", "README.ja", "tutorial")
APPENDED = ("mysite/settings.py", ".env")
"""Files that a block is added to. In all others it replaces what was there."""
FOLDER = "/srv/mysite"
LOCAL, PUBLIC = "127.0.0.1:8000", "https://your.example.com"
RECIPIENT, ORDER = "hanako@example.jp", "A-1001"
USER, PASSWORD = "admin", "a-password-of-the-paste-run"
BACKGROUND = re.compile(r"python manage\.py (runserver|db_worker)\b|celery -A \w+ worker\b")
INSTALL = re.compile(r"^\s*(?:\.venv/bin/)?python -m pip install\s+", re.MULTILINE)
VENV = re.compile(r"\bpython3 -m venv \.venv\b")
COMMAND_SECONDS = 60
START_SECONDS = 30


class PasteError(Exception):
    """A page does not do what it says."""


class Quiet(urllib.request.HTTPRedirectHandler):
    """Do not follow redirects: a page that needs one has a wrong URL."""

    def redirect_request(self, *args: Any) -> None:
        return None


# ---- pip install, without a network ------------------------------------------------------------------------


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def needed(requirements: list[str]) -> dict[str, importlib.metadata.Distribution]:
    """Return the distributions that these requirements install, from those of this Python."""
    found: dict[str, importlib.metadata.Distribution] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [(text, False) for text in requirements]
    while waiting:
        text, optional = waiting.pop()
        match = re.match(r"([\w.-]+)\s*(?:\[([\w, -]*)\])?", text)
        if not match:
            raise PasteError(f"not a requirement: {text}")
        extras = [canonical(extra) for extra in (match[2] or "").split(",") if extra.strip()]
        try:
            distribution = importlib.metadata.distribution(match[1])
        except importlib.metadata.PackageNotFoundError:
            if optional:  # a marker for another Python or system
                continue
            raise PasteError(
                f"the page installs {match[1]}, which is not here: see the extras of tox -e paste"
            ) from None
        name = canonical(match[1])
        found[name] = distribution
        known = {canonical(extra) for extra in distribution.metadata.get_all("Provides-Extra") or []}
        if unknown := [extra for extra in extras if extra not in known]:
            raise PasteError(f"{name} has no extra {', '.join(unknown)}")
        for extra in ["", *extras]:
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            for required in distribution.requires or []:
                what, _, marker = required.partition(";")
                of = re.search(r"extra\s*==\s*['\"]([^'\"]+)['\"]", marker)
                if (canonical(of[1]) if of else "") == extra:
                    waiting.append((what.strip(), bool(marker.strip())))
    return found


def install(environment: Path, requirements: list[str]) -> None:
    """Put the distributions and their programs into a virtual environment."""
    python = environment / "bin" / "python"
    library = next((environment / "lib").glob("python3.*")) / "site-packages"
    for distribution in needed(requirements).values():
        origin = Path(str(distribution.locate_file("")))
        tops = {Path(file).parts[0] for file in distribution.files or []} - {"..", "__pycache__"}
        for top in tops:
            if not (library / top).exists():
                (library / top).symlink_to(origin / top)
        for entry in distribution.entry_points.select(group="console_scripts"):
            program = environment / "bin" / entry.name
            program.write_text(
                f"#!{python}\nimport sys\nfrom {entry.module} import {entry.attr.partition('.')[0]}\n"
                f"sys.exit({entry.attr}())\n"
            )
            program.chmod(0o755)


# ---- A project ---------------------------------------------------------------------------------------------


class Project:
    """A reader's folder, in which the blocks of pages are put and run."""

    def __init__(self, folder: Path, language: str) -> None:
        self.folder, self.language = folder, language
        self.port = free_port()
        self.processes: dict[str, tuple[subprocess.Popen[bytes], Path]] = {}
        self.started = 0
        self.changed = False
        self.printed = ""
        self.worker = self.queue = ""
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines += text.splitlines()

    def environment(self) -> dict[str, str]:
        """Return the variables of a new shell, with the virtual environment active once there is one."""
        path = ["/usr/local/bin", "/usr/bin", "/bin"]
        found = {
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "NO_PROXY": "*",
            "no_proxy": "*",
            "PYTHONUNBUFFERED": "1",
            "DJANGO_SUPERUSER_USERNAME": USER,
            "DJANGO_SUPERUSER_EMAIL": "admin@example.com",
            "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
        }
        if (self.folder / ".venv").exists():
            path.insert(0, str(self.folder / ".venv" / "bin"))
            found["VIRTUAL_ENV"] = str(self.folder / ".venv")
        return found | {"PATH": ":".join(path)}

    def here(self, text: str) -> str:
        """Return a text of a page with this machine's names."""
        text = text.replace(PUBLIC, f"http://127.0.0.1:{self.port}").replace(LOCAL, f"127.0.0.1:{self.port}")
        return text.replace(FOLDER, str(self.folder))

    # ---- Blocks

    def paste(self, page: str) -> None:
        name = f"README{'.ja' if self.language == 'ja' else ''}.md"
        path = ROOT / name if page == "README" else pages.DOCS / self.language / f"{page}.md"
        text = path.read_text(encoding="utf-8")
        for block in pages.listed(text):
            self.say(f"--- {path.relative_to(ROOT)}:{block.line}")
            if block.comment.startswith("not run:"):
                self.say(f"({block.comment})")
            elif not is_for_this_django(text.splitlines()[: block.line - 1]):
                self.say("(for another Django)")
            else:
                self.paste_block(path, block)

    def paste_block(self, path: Path, block: Any) -> None:
        code, language = block.code, block.language
        if language == "literalinclude":
            code, language = shown(path, block), Path(block.shown).suffix.removeprefix(".")
        if language == "sh":
            self.run(code)
        elif language == "text":
            self.compare(code)
        elif language == "crontab":
            for line in code.splitlines():
                self.cron(line)
        elif named := re.match(r"# ([\w./-]*[\w-]+\.\w+|\.env)", code):
            self.write(named[1], code)
        else:
            raise PasteError(f"line {block.line}: neither a file with its path nor commands")

    def write(self, name: str, code: str) -> None:
        if name.startswith("/"):
            self.say(f"({name} is outside of the project)")
            return
        path = self.folder / name
        if not path.parent.is_dir():
            raise PasteError(f"there is no folder for {name}")
        before = path.read_text() + "\n" if name in APPENDED and path.exists() else ""
        path.write_text(before + code)
        self.changed = True
        self.say(f"{'added to' if before else 'written:'} {name}, {len(code.splitlines())} lines")

    def run(self, code: str) -> None:
        """Run a block of commands in a new shell. A server or worker is its last line, and goes on."""
        for line in code.splitlines():
            self.say(f"$ {line}")
        lines = code.rstrip().splitlines()
        background = lines.pop() if BACKGROUND.match(lines[-1]) else ""
        if any(BACKGROUND.match(line) for line in lines):
            raise PasteError("only the last line of a block may go on running")
        if LOCAL in code or PUBLIC in code:
            self.serve()
        if lines:
            self.shell("\n".join(lines))
        if background:
            self.start(background)

    def shell(self, script: str) -> str:
        script = VENV.sub(f"{shlex.quote(sys.executable)} -m venv --without-pip .venv", script)
        script = INSTALL.sub(f"{shlex.quote(sys.executable)} {shlex.quote(__file__)} --install ", script)
        script = script.replace("manage.py createsuperuser", "manage.py createsuperuser --noinput")
        ran = subprocess.run(
            ["/bin/sh", "-e", "-c", f"{self.here(script)}\necho; echo in: $PWD"],
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_SECONDS,
        )
        printed, _, folder = ran.stdout.rpartition("\nin: ")
        self.printed = printed if ran.returncode == 0 else ran.stdout
        self.say("".join(f"  {line}\n" for line in self.printed.splitlines() if line))
        if ran.returncode:
            raise PasteError(f"exit code {ran.returncode}")
        self.folder = Path(folder.strip())
        self.changed = True
        return self.printed

    def cron(self, line: str) -> None:
        """Run a line of a crontab with the variables that cron sets, and no others."""
        self.say(f"cron: {line}")
        *schedule, command = line.split(maxsplit=5)
        if len(schedule) != 5 or re.search(r"(?<!\\)%", command):
            raise PasteError("not a line that cron runs as it stands")
        plain = ["SHELL=/bin/sh", f"HOME={self.folder.parent}", "PATH=/usr/bin:/bin", "LOGNAME=mysite"]
        ran = subprocess.run(
            ["/usr/bin/env", "-i", *plain, "/bin/sh", "-c", self.here(command)],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_SECONDS,
        )
        self.printed = ran.stdout
        self.say("".join(f"  {each}\n" for each in ran.stdout.splitlines()))
        if ran.returncode:
            raise PasteError(f"exit code {ran.returncode}")

    def compare(self, expected: str) -> None:
        """Find each line of a block in what was printed, in order. Three dots and decimals stand for any."""
        lines = [re.sub(r"\\\.\\\.\\\.|\d+\\\.\d+", ".*?", re.escape(line)) for line in expected.splitlines()]
        pattern = re.compile(".*?^.*?".join(lines), re.DOTALL | re.MULTILINE)
        if not self.worker:
            if not pattern.search(self.printed):
                raise PasteError(f"this is not printed:\n{expected}")
            self.say("(as the page shows it)")
            return
        self.serve()
        number = f"B-{uuid.uuid4().hex[:8]}"
        order = f"Order.objects.create(number='{number}', email='taro@example.jp')"
        self.shell(f"python manage.py shell -c {shlex.quote(order)}")
        self.post_bounce(number)
        wait(lambda: pattern.search(self.log(self.worker)), f"{self.worker} does not log:\n{expected}", self)
        self.say("(the worker logs what the page shows)")
        try:
            wait(lambda: self.is_marked(number), "the worker has not marked the order", self)
        except PasteError:
            code = "print(*PendingSignal.objects.values_list('state', 'attempts', 'last_error'))"
            self.shell(f"python manage.py cmc_status; python manage.py shell -c {shlex.quote(code)}")
            raise

    # ---- Processes

    def start(self, command: str) -> None:
        name = BACKGROUND.match(command)[0]  # type: ignore[index] # `run` asked
        if name.endswith("runserver"):
            self.serve()
            return
        if "celery" in name:
            self.queue = f"paste-{uuid.uuid4().hex}"  # others may use this machine's broker
            self.write("mysite/settings.py", f'CELERY_TASK_DEFAULT_QUEUE = "{self.queue}"\n')
        self.worker = name
        self.launch(name, command)

    def launch(self, name: str, command: str) -> None:
        self.stop(name)
        self.started += 1
        log = self.folder.parent / f"{self.started}.log"
        with log.open("ab") as file:
            process = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {command}"],
                cwd=self.folder,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        self.processes[name] = (process, log)

    def serve(self) -> None:
        """Start the server, or start it again if files have changed, as its reloader would."""
        name = "python manage.py runserver"
        if name in self.processes and not self.changed:
            return
        self.launch(name, f"python manage.py runserver --noreload 127.0.0.1:{self.port}")
        wait(lambda: connects(self.port), "the server does not start", self)
        self.changed = False

    def stop(self, name: str) -> None:
        if name not in self.processes:
            return
        process, _ = self.processes.pop(name)
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, number)
                process.wait(10)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
            return

    def log(self, name: str) -> str:
        return self.processes[name][1].read_text(errors="replace") if name in self.processes else ""

    @contextmanager
    def as_before(self) -> Iterator[None]:
        """Paste a page on top. Afterwards the project's files are as before, and its worker has ended."""
        before = {path: path.read_bytes() for path in self.sources()}
        try:
            yield
        finally:
            if self.worker:
                self.say(f"--- the log of {self.worker}\n{self.log(self.worker)[-2000:]}")
                self.stop(self.worker)
            if self.queue:
                self.shell(f"celery -A mysite amqp queue.delete {self.queue}")
            self.worker = self.queue = ""
            for path in self.sources():
                if path not in before:
                    path.unlink()
            for path, content in before.items():
                path.write_bytes(content)
            self.changed = True

    def sources(self) -> list[Path]:
        return [path for name in ("mysite", "shop") for path in (self.folder / name).rglob("*.py")]

    # ---- What must be there in the end

    def look(self) -> None:
        """Look at the mail in the admin and in the API, and at the order. The project has no warning."""
        self.say("--- in the end")
        self.serve()
        base = f"http://127.0.0.1:{self.port}"
        browser = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(jar := http.cookiejar.CookieJar())
        )
        browser.open(f"{base}/admin/login/", timeout=30).read()
        token = next(cookie.value for cookie in jar if cookie.name == "csrftoken")
        form = {"username": USER, "password": PASSWORD, "csrfmiddlewaretoken": token, "next": "/admin/"}
        browser.open(f"{base}/admin/login/", urllib.parse.urlencode(form).encode(), timeout=30).read()
        page = browser.open(f"{base}/admin/cmc_webhooks/mail/?q={RECIPIENT}", timeout=30).read().decode()
        if 'id="result_list"' not in page or RECIPIENT not in page.partition('id="result_list"')[2]:
            raise PasteError("the mail is not in the admin")
        self.say(f"the admin lists the mail to {RECIPIENT}")
        with browser.open(f"{base}/api/mail/mails/?api_data={ORDER}", timeout=30) as answer:
            mails = json.load(answer)["results"]
        if {mail["status"] for mail in mails} != {"bounced"}:
            raise PasteError(f"the API answers {mails}")
        self.say("the API lists it as bounced")
        if not self.is_marked(ORDER):
            raise PasteError("the receiver has not marked the order")
        self.say("the receiver has marked the order")
        self.shell("python manage.py makemigrations --check --dry-run")
        self.shell("python manage.py check --database default --fail-level WARNING")

    def is_marked(self, number: str) -> bool:
        code = f"print(*Order.objects.filter(number='{number}', mail_bounced=True))"
        return number in self.shell(f"python manage.py shell -c {shlex.quote(code)}").splitlines()

    def post_bounce(self, number: str) -> None:
        """Post a bounce of the mail of another order."""
        key = re.search(r"^CMC_API_KEY=(.+)$", (self.folder / ".env").read_text(), re.MULTILINE)
        event = {
            "created": time.strftime("%Y-%m-%d %H:%M:%S"),
            "messageId": f"<{number}@example.com>",
            "status": "2",
        }
        body = {
            "api_key": key[1] if key else "",
            "event_type": "bounces",
            "server_composition": "pro",
            "event": {"bounces": [event | {"to": "taro@example.jp", "apiData": number}]},
        }
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/cmc/webhook",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.build_opener(Quiet).open(request, timeout=30) as answer:
            self.say(f"posted another bounce: {answer.read().decode()}")


def is_for_this_django(before: list[str]) -> bool:
    """Whether the paragraph before a block names the Django of this Python, or none."""
    import django

    prose: list[str] = []
    is_code = False
    for line in reversed(before):
        is_code ^= line.lstrip().startswith("```")
        if is_code or line.lstrip().startswith(("```", "<!--")):
            continue
        if line.strip():
            prose.append(line)
        elif prose:
            break
    named = re.search(r"Django (\d)\.\d", " ".join(reversed(prose)))
    return named is None or (int(named[1]) == 5) == (django.VERSION < (6, 0))


def shown(path: Path, block: Any) -> str:
    """Return the part of a file that a `literalinclude` shows."""
    lines = (path.parent / block.shown).read_text(encoding="utf-8").splitlines(keepends=True)
    options = dict(re.findall(r"^:([\w-]+): *(.*)$", block.code, re.MULTILINE))
    if unknown := options.keys() - {"language", "start-at", "end-before", "caption", "class"}:
        raise PasteError(f"literalinclude: {unknown}")

    def index(name: str) -> int:
        return next(number for number, line in enumerate(lines) if options[name] in line)

    first = index("start-at") if "start-at" in options else 0
    last = index("end-before") if "end-before" in options else len(lines)
    return "".join(lines[first:last]).rstrip() + "\n"


def wait(holds: Any, fault: str, project: Project) -> None:
    end = time.monotonic() + START_SECONDS
    while not holds():
        ended = [name for name, (process, _) in project.processes.items() if process.poll() is not None]
        if ended or time.monotonic() > end:
            raise PasteError(f"{fault} {ended or ''}")
        time.sleep(0.1)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def connects(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


# ---- All of it ---------------------------------------------------------------------------------------------


def tell(story: str, on_top: list[str]) -> bool:
    """Paste the pages of a story into a fresh folder. Print what was done; return whether all is well."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="paste-") as folder:
        project = Project(Path(folder).resolve(), "ja" if story.endswith(".ja") else "en")
        fault = ""
        try:
            for page in TUTORIAL if story == "tutorial" else ["README"]:
                project.paste(page)
            project.look()
            for page in on_top:
                with project.as_before():
                    project.paste(page)
        except (
            PasteError,
            subprocess.TimeoutExpired,
            urllib.error.URLError,
            OSError,
            StopIteration,
        ) as error:
            fault = f"{type(error).__name__}: {error}"
            for name in project.processes:
                project.say(f"--- the log of {name}\n{project.log(name)[-4000:]}")
        finally:
            for name in [*project.processes]:
                project.stop(name)
    seconds = time.monotonic() - began
    result = f"FAILED: {fault}" if fault else "all is well"
    with PRINTING:
        print(
            f"\n=== {story}", *project.lines, f"=== {story}: {result} ({seconds:.0f} s)", sep="\n", flush=True
        )
    return not fault


PRINTING = threading.Lock()


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--install"]:
        wanted = [each for each in arguments[1:] if not each.startswith("-")]
        install(Path(os.environ["VIRTUAL_ENV"]), wanted)
        return 0
    known = [*STORIES, *ON_TOP]
    if unknown := [each for each in arguments if each not in known]:
        print(f"not one of {', '.join(known)}: {', '.join(unknown)}", file=sys.stderr)
        return 2
    on_top = [each for each in ON_TOP if not arguments or each in arguments]
    # The longest begins first
    stories = [
        each
        for each in reversed(STORIES)
        if not arguments or each in arguments or (each == "tutorial" and on_top)
    ]
    results: list[bool] = []
    waiting = [*stories]

    def work() -> None:
        while waiting:
            story = waiting.pop(0)
            results.append(tell(story, on_top if story == "tutorial" else []))

    threads = [threading.Thread(target=work) for _ in range(min(2, len(stories)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return 0 if results and all(results) and len(results) == len(stories) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
