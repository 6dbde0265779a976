"""The README in both languages: short, and its files are those of the tutorial's project."""

from __future__ import annotations

import re

import pytest

from tests.docs import test_parity as parity
from tests.helpers import pages
from tests.helpers.pages import DOCS, ROOT

READMES = {"en": "README.md", "ja": "README.ja.md"}
TWO_COMMANDS = [
    "python3 -m venv .venv && .venv/bin/python -m pip install tox && .venv/bin/tox run -e demo\n",
    "python3 -m venv .venv && .venv/bin/python -m pip install tox && .venv/bin/tox run -e test\n",
]
FILES = ["mysite/settings.py", "mysite/urls.py", "shop/models.py", "shop/receivers.py", "shop/apps.py"]


def text(language):
    return (ROOT / READMES[language]).read_text(encoding="utf-8")


def without_comments(code):
    """The lines of code without the comments, which are of the language."""
    lines = [re.sub(r"(?:^|\s+)#.*", "", line) for line in code.splitlines()]
    return [line for line in lines if line]


@pytest.mark.parametrize("language", READMES)
class TestReadme:
    def test_has_at_most_200_lines(self, language):
        assert len(text(language).splitlines()) <= 200

    def test_has_the_two_commands(self, language):
        assert [each.code for each in pages.listed(text(language))][:2] == TWO_COMMANDS

    def test_has_the_files_of_the_tutorials_project(self, language):
        blocks = [each.code for each in pages.listed(text(language)) if each.language == "python"]

        assert [block.partition("\n")[0].split()[1] for block in blocks] == FILES
        for name, block in zip(FILES, blocks, strict=True):
            whole = (DOCS / "example" / name).read_text(encoding="utf-8")
            begin = without_comments(block)
            assert begin == without_comments(whole)[: len(begin)], name
            rest = whole.partition(block.splitlines()[-1])[2]
            assert not rest.strip() or rest.startswith("\n\n\n"), f"{name}: the block ends inside of a class"

    def test_links_to_what_is_there(self, language):
        for target in parity.targets(text(language)):
            assert target.startswith("https://") or (ROOT / target).exists(), target

    def test_shows_a_picture_of_its_language(self, language):
        [picture] = re.findall(r"!\[[^]]+\]\((docs/[^)]+)\)", text(language))

        assert picture.endswith("-ja.png") == (language == "ja")


class TestBothReadmes:
    def test_say_the_same(self):
        english, japanese = text("en"), text("ja").replace("docs/ja/", "docs/en/")
        switched = japanese.replace("(README.md)", "(README.ja.md)")
        assert [rank for rank, _ in parity.chapters(japanese)] == [
            rank for rank, _ in parity.chapters(english)
        ]
        assert parity.targets(switched) == parity.targets(english)

        for (_, one), (_, other) in zip(parity.chapters(english), parity.chapters(japanese), strict=True):
            assert parity.code(other) == parity.code(one)
            assert parity.names(other) == parity.names(one)
            assert parity.figures(one) <= parity.figures(other)

    def test_names_the_pages_of_each_kind(self):
        for kind in ("tutorial", "howto", "reference", "explanation"):
            assert f"(docs/en/{kind}/" in text("en")
