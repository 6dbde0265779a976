"""Each page of the docs says the same in both languages: headings, code, tables, names, links and figures."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from tests.helpers import pages

PAGES = sorted(
    {
        str(path.relative_to(pages.DOCS / language).with_suffix(""))
        for language in pages.LANGUAGES
        for path in (pages.DOCS / language).rglob("*.md")
    }
)
SAME_IN_BOTH = {"changelog"}
"""Pages that show one English text in both languages."""
SORTED = {"reference/glossary"}
"""Pages with words of both languages, in the order of each."""


def chapters(text):
    """Each heading with its rank, and what stands below it; a comment in a block of code is no heading."""
    found, fenced = [("", "")], False
    for line in text.splitlines():
        fenced ^= line.lstrip().startswith("```")
        if not fenced and (heading := re.fullmatch(r"(#+) .+", line)):
            found.append((heading[1], line + "\n"))
        else:
            rank, below = found[-1]
            found[-1] = (rank, below + line + "\n")
    return found


def code(text):
    """The blocks of code, without comments: these are of the language."""
    found = re.findall(r"^ *```.*?^ *```", text, re.MULTILINE | re.DOTALL)
    return [re.sub(r"(?:^|(?<=\s))#(?!!) .*$", "#", block, flags=re.MULTILINE) for block in found]


def prose(text):
    """All but the blocks of code and comments."""
    return re.sub(r"^ *```.*?^ *```|<!--.*?-->", "", text, flags=re.MULTILINE | re.DOTALL)


def names(text):
    """What stands between backticks, and how often."""
    return Counter(" ".join(name.split()) for name in re.findall(r"`+([^`]+)`+", prose(text)))


def rows(text):
    """The tables, each row as the number of its cells and the names in its first two."""
    return [
        (len(cells), [sorted(re.findall(r"`[^`]+`", cell)) for cell in cells[:2]])
        for line in prose(text).splitlines()
        if line.lstrip().startswith("|")
        for cells in [re.split(r"(?<!\\)\|", line.strip().strip("|"))]
    ]


def targets(text):
    """Where links and pictures lead to; headings are translated, so only their page counts."""
    found = re.findall(r"\]\(([^)]+)\)", prose(text))
    return Counter(target.partition("#")[0].replace("-ja.", ".") for target in found)


def figures(text):
    """The numbers of two digits or more; smaller ones may be words in one of the languages."""
    plain = re.sub(r"`[^`]*`|\]\([^)]+\)", "", prose(text))
    return set(re.findall(r"\d[\d,]*\.\d+|\d[\d,]*\d", plain))


class TestEachPage:
    @pytest.mark.parametrize("page", PAGES)
    def test_is_there_in_both_languages(self, page):
        for language in pages.LANGUAGES:
            assert (pages.DOCS / language / f"{page}.md").exists(), f"docs/{language}/{page}.md fell behind"

    @pytest.mark.parametrize("page", sorted({*PAGES} - SAME_IN_BOTH))
    def test_says_the_same_in_both_languages(self, page):
        english, japanese = (pages.text(page, language) for language in pages.LANGUAGES)
        assert [rank for rank, _ in chapters(japanese)] == [rank for rank, _ in chapters(english)]

        for (_, one), (_, other) in zip(chapters(english), chapters(japanese), strict=True):
            place = f"docs/ja/{page}.md, at {one.partition(chr(10))[0]!r}"
            assert code(other) == code(one), place
            assert rows(other) == rows(one), place
            assert names(other) == names(one), place
            assert targets(other) == targets(one), place
            assert figures(one) <= figures(other), place

    @pytest.mark.parametrize("page", sorted({*PAGES} - SAME_IN_BOTH - SORTED))
    def test_is_in_its_language(self, page):
        text = re.sub(r"`[^`]*`|\]\([^)]+\)", "", prose(pages.text(page, "ja")))
        japanese = len(re.findall(r"[ぁ-んァ-ン一-龥]", text))

        assert japanese > len(re.findall(r"[A-Za-z]", text)) / 2
        assert not re.search(r"[ぁ-んァ-ン一-龥]", prose(pages.text(page)).replace("日本語", ""))
