"""Links in READMEs and pages lead to files of the repository and to headings; each page is in an index."""

from __future__ import annotations

import re
from functools import cache

import pytest

from tests.helpers import pages
from tests.helpers.pages import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *pages.DOCS.glob("??/**/*.md")])
CODE = re.compile(r"^ *(```+|~~~+).*?^ *\1", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^()\s]+)\)")


def prose(text):
    return re.sub(r"(`+)[^`].*?\1", "", CODE.sub("", text))


def slug(heading):
    """Return the anchor that GitHub and MyST give a heading."""
    plain = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", heading.replace("`", ""))
    return re.sub(r"[^\w\- ]", "", plain.strip().lower()).replace(" ", "-")


@cache
def anchors(path):
    text = CODE.sub("", path.read_text(encoding="utf-8"))
    headings = re.findall(r"^#{1,6} +(.+?)\s*$", text, re.MULTILINE)
    return {slug(heading) for heading in headings} | {*re.findall(r"^\(([\w-]+)\)=$", text, re.MULTILINE)}


def broken(path, root=ROOT):
    """Yield each link of a document that leads nowhere."""
    for link in LINK.findall(prose(path.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        there = (path.parent / file).resolve() if file else path
        found = there.exists() and there.is_relative_to(root)
        if not found or (anchor and there.suffix == ".md" and anchor not in anchors(there)):
            yield link


class TestLinks:
    @pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
    def test_lead_somewhere(self, path):
        assert [*broken(path)] == []

    def test_are_seen(self, tmp_path):
        page = tmp_path / "page.md"
        page.write_text("# Here it is\n\n[a](#here-it-is) [b](#there) [c](none.md) `[d](none.md)`\n")

        assert [*broken(page, tmp_path)] == ["#there", "none.md"]


class TestIndexes:
    @pytest.mark.parametrize("language", pages.LANGUAGES)
    def test_name_every_page(self, language):
        root = pages.DOCS / language
        for page in root.rglob("*.md"):
            if page == root / "index.md":
                continue
            folder = page.parent if page.stem != "index" else page.parent.parent
            name = page.relative_to(folder).with_suffix("").as_posix()
            index = folder / "index.md"
            assert re.search(rf"^{re.escape(name)}$", index.read_text(encoding="utf-8"), re.MULTILINE), (
                f"{index.relative_to(ROOT)} does not name {name}"
            )

    def test_have_the_same_order(self):
        english, japanese = (
            {
                path.relative_to(pages.DOCS / language): re.findall(
                    r"```\{toctree\}(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL
                )
                for path in (pages.DOCS / language).rglob("index.md")
            }
            for language in pages.LANGUAGES
        )
        assert english == japanese
