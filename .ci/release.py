"""What would be published holds what it must, and no more: `release.py FOLDER` with an sdist and a wheel.

On the commit of a release, which has the tag of the version, its frozen databases must be there too
(`freeze.py`).
"""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from email.message import Message

ROOT = Path(__file__).parent.parent
PACKAGE = "cmc_webhooks/"
NEEDED = {
    "cmc_webhooks/py.typed",
    "cmc_webhooks/locale/ja/LC_MESSAGES/django.mo",
    "cmc_webhooks/locale/ja/LC_MESSAGES/django.po",
    "cmc_webhooks/migrations/0001_initial.py",
    "cmc_webhooks/static/cmc_webhooks/admin.css",
    "cmc_webhooks/templates/admin/cmc_webhooks/overview.html",
    "cmc_webhooks/testing/plugin.py",
}
URLS = {"Documentation", "Source", "Changelog", "Issues", "Security"}
FROZEN = {"facts.json", "mariadb.sql", "postgresql.sql", "sqlite.sql"}
FENCED = re.compile(r"^( *)```.*?^\1```", re.MULTILINE | re.DOTALL)
# What links and pictures lead to, in Markdown or in HTML
SOURCES = r"""\ssrc(?:set)?=["']([^"']+)"""
TARGET = re.compile(rf"""\]\(([^)\s]+)|^\[[^\]]+\]:\s*(\S+)|\shref=["']([^"']+)|{SOURCES}""", re.MULTILINE)
PICTURE = re.compile(rf"!\[[^\]]*\]\(([^)\s]+)|{SOURCES}")


def main(folder: str) -> None:
    [sdist] = Path(folder).glob("*.tar.gz")
    [wheel] = Path(folder).glob("*.whl")
    with tarfile.open(sdist) as packed:
        top = f"{sdist.name.removesuffix('.tar.gz')}/"
        in_sdist = {one.name.removeprefix(top) for one in packed if not one.isdir()}
    with zipfile.ZipFile(wheel) as packed:
        names = packed.namelist()
        [metadata] = [name for name in names if name.endswith(".dist-info/METADATA")]
        about = message_from_bytes(packed.read(metadata))
    in_wheel = {name for name in names if ".dist-info/" not in name}
    tracked = set(git("ls-files").split())
    version = re.search(
        r'^__version__ = "(.+)"$', (ROOT / PACKAGE / "__init__.py").read_text(), re.MULTILINE
    )[1]

    same("the package in the wheel", in_wheel, {name for name in tracked if name.startswith(PACKAGE)})
    same("the sdist", in_sdist - {"PKG-INFO"}, tracked)
    same("what the wheel needs", NEEDED & in_wheel, NEEDED)
    same("the versions", {about["Version"], wheel.name.split("-")[1]}, {version})
    check_page(about, (ROOT / "README.md").read_text(encoding="utf-8"), tracked)
    if f"v{version}" in git("tag", "--points-at", "HEAD").split():
        frozen = {path.name for path in (ROOT / "tests/upgrade" / version).glob("*")}
        same(f"the frozen databases of {version} (tox run -e freeze)", frozen, FROZEN)
    same(
        "licence files in the wheel", {Path(name).name for name in names if "/licenses/" in name}, {"LICENSE"}
    )
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", sdist, wheel], check=True)
    print(f"{sdist.name} has {len(in_sdist)} files, {wheel.name} {len(names)}")


def check_page(about: Message, readme: str, tracked: set[str]) -> None:
    """End if the project's page on the package index would miss a link, or have one that leads nowhere."""
    urls = dict(line.split(", ") for line in about.get_all("Project-URL", []))
    same("links of the project", set(urls), URLS)

    text = about.get_payload(decode=True).decode()
    prose = FENCED.sub("", text)
    targets, pictures = found(TARGET, prose), found(PICTURE, prose)
    page = f"{urls['Source']}/blob/v{about['Version']}/"
    file = page.replace("github.com", "raw.githubusercontent.com").replace("/blob/", "/")
    paths = {
        target.removeprefix(start).partition("#")[0].rstrip("/")
        for target in targets
        for start in (page, file)
        if target.startswith(start)
    }
    folders = {parent.as_posix() for name in tracked for parent in Path(name).parents}

    same("relative links and pictures", {to for to in targets if not to.startswith("https://")}, set())
    same("pictures that lead to a page", {to for to in pictures if to.startswith(page)}, set())
    same("links to files that do not exist", paths - tracked - folders, set())
    same("code in the long description", set(blocks(text)), set(blocks(readme)))


def found(pattern: re.Pattern[str], text: str) -> set[str]:
    """Return what the groups of a pattern match, of which one does at a time."""
    return {"".join(groups) for groups in pattern.findall(text)}


def blocks(text: str) -> list[str]:
    return [found[0] for found in FENCED.finditer(text)]


def same(what: str, found: set[str], expected: set[str]) -> None:
    """End if two sets differ, and say in what."""
    if found != expected:
        raise SystemExit(
            f"{what}: {sorted(expected - found)} is missing, {sorted(found - expected)} should not be there"
        )


def git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True).stdout


main(*sys.argv[1:])
