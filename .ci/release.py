"""What would be published holds what it must, and no more: `release.py FOLDER` with an sdist and a wheel."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path

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
    same(
        "licence files in the wheel", {Path(name).name for name in names if "/licenses/" in name}, {"LICENSE"}
    )
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", sdist, wheel], check=True)
    print(f"{sdist.name} has {len(in_sdist)} files, {wheel.name} {len(names)}")


def same(what: str, found: set[str], expected: set[str]) -> None:
    """End if two sets differ, and say in what."""
    if found != expected:
        raise SystemExit(
            f"{what}: {sorted(expected - found)} is missing, {sorted(found - expected)} should not be there"
        )


def git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True).stdout


main(*sys.argv[1:])
