"""README.ja.md says what README.md does: by chapter the same code, tables, names, links and figures."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from tests import readme

ENGLISH = readme.TEXT
JAPANESE = (readme.ROOT / "README.ja.md").read_text()


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
    """The blocks of code."""
    return re.findall(r"^ *```.*?^ *```", text, re.MULTILINE | re.DOTALL)


def prose(text):
    """All but the blocks of code."""
    return re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)


def names(text):
    """What stands between backticks, and how often."""
    return Counter(re.findall(r"`+([^`]+)`+", prose(text)))


def rows(text):
    """The tables, each row as the number of its cells and the names in its first two."""
    return [
        (len(cells), [sorted(re.findall(r"`[^`]+`", cell)) for cell in cells[:2]])
        for line in prose(text).splitlines()
        if line.lstrip().startswith("|")
        for cells in [re.split(r"(?<!\\)\|", line.strip().strip("|"))]
    ]


def targets(text):
    """Where links and pictures lead to; headings of the text itself are translated, so they are counted."""
    found = re.findall(r"\]\(([^)]+)\)", prose(text))
    return Counter(
        "#" if target[0] == "#" else target.replace("README.ja.md", "README.md") for target in found
    )


def figures(text):
    """The numbers of two digits or more; smaller ones may be words in one of the languages."""
    plain = re.sub(r"`[^`]*`|\]\([^)]+\)", "", prose(text))
    return set(re.findall(r"\d[\d,]*\.\d+|\d[\d,]*\d", plain))


PAIRS = [
    pytest.param(english, japanese, id=re.sub(r"\W+", "-", english.partition("\n")[0]))
    for (_, english), (_, japanese) in zip(chapters(ENGLISH), chapters(JAPANESE), strict=False)
]


class TestTheJapaneseReadme:
    def test_has_the_same_headings(self):
        assert [rank for rank, _ in chapters(JAPANESE)] == [rank for rank, _ in chapters(ENGLISH)]

    @pytest.mark.parametrize(("english", "japanese"), PAIRS)
    def test_has_the_same_code(self, english, japanese):
        assert code(japanese) == code(english)

    @pytest.mark.parametrize(("english", "japanese"), PAIRS)
    def test_has_the_same_tables(self, english, japanese):
        assert rows(japanese) == rows(english)

    @pytest.mark.parametrize(("english", "japanese"), PAIRS)
    def test_has_the_same_names(self, english, japanese):
        assert names(japanese) == names(english)

    @pytest.mark.parametrize(("english", "japanese"), PAIRS)
    def test_has_the_same_links(self, english, japanese):
        assert targets(japanese) == targets(english)

    @pytest.mark.parametrize(("english", "japanese"), PAIRS)
    def test_has_the_same_figures(self, english, japanese):
        assert figures(english) <= figures(japanese)

    def test_leads_to_headings_of_its_own(self):
        anchors = {anchor(line) for _, below in chapters(JAPANESE) for line in below.splitlines()[:1]}
        led_to = set(re.findall(r"\]\(#([^)]+)\)", JAPANESE))

        assert led_to - anchors == set()

    def test_is_japanese(self):
        letters = len(re.findall(r"[ぁ-んァ-ン一-龥]", prose(JAPANESE)))

        assert letters > len(re.findall(r"[A-Za-z]", re.sub(r"`[^`]*`|\]\([^)]+\)", "", prose(JAPANESE))))


class TestTheEnglishReadme:
    def test_leads_to_headings_of_its_own(self):
        anchors = {anchor(line) for _, below in chapters(ENGLISH) for line in below.splitlines()[:1]}
        led_to = set(re.findall(r"\]\(#([^)]+)\)", ENGLISH))

        assert led_to - anchors == set()


def anchor(heading):
    """The address of a heading, as those who show Markdown make it."""
    return re.sub(r"[^\w\- ]", "", heading.lstrip("# ").lower()).replace(" ", "-")
