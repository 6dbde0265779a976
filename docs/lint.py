"""Check the form of the pages: `python docs/lint.py [BUILT SITE]`.

sphinx-lint reads reStructuredText, so its own command passes over Markdown. Those of its checks that hold for
any text are run here, and the one that finds reStructuredText left over in the built pages.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import sphinxlint
from sphinxlint import checkers

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = Path(__file__).parent
LONGEST = 100
OF_ANY_TEXT = {
    checkers.check_carriage_return,
    checkers.check_horizontal_tab,
    checkers.check_missing_final_newline,
    checkers.check_trailing_whitespace,
}
OF_BUILT_PAGES = {checkers.check_leaked_markup}


def of_page(path: Path) -> Iterator[str]:
    """Yield what is wrong with the form of a page."""
    text = path.read_text(encoding="utf-8")
    for error in sphinxlint.check_text("page.rst", text, OF_ANY_TEXT):
        yield f"{path}:{error.line_no}: {error.msg}"
    for number, line in enumerate(text.splitlines(), start=1):
        if len(line) > LONGEST:
            yield f"{path}:{number}: {len(line)} characters, at most {LONGEST} are allowed"


def of_built(path: Path) -> Iterator[str]:
    """Yield the places where a page made of docstrings shows marks of reStructuredText."""
    for error in sphinxlint.check_text(
        "page.html", path.read_text(encoding="utf-8"), OF_BUILT_PAGES
    ):
        yield f"{path}:{error.line_no}: {error.msg.strip()}"


def main(site: Path | None = None) -> int:
    wrong = [line for path in sorted(DOCS.glob("??/**/*.md")) for line in of_page(path)]
    if site:
        wrong += [
            line for path in sorted(site.glob("??/reference/names.html")) for line in of_built(path)
        ]
    print(*wrong, sep="\n", end="\n" if wrong else "")  # noqa: T201 - this is what it is for
    return min(len(wrong), 1)


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:2])))
