"""The pages of the docs, for tests that run their examples."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
LANGUAGES = ("en", "ja")


def text(page: str, language: str = "en") -> str:
    """Return a page, such as `howto/retention`."""
    return (DOCS / language / f"{page}.md").read_text(encoding="utf-8")


def section(page: str, heading: str, language: str = "en") -> str:
    """Return what stands below a heading of the second rank, up to the next one."""
    found = text(page, language).partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    assert found, f"{language}/{page}.md: no section {heading!r}"
    return found


def blocks(text: str, language: str = "python") -> list[str]:
    """Return the blocks of code in a text, those in lists included."""
    found = re.findall(rf"^ *```{language}\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    assert found, f"no block of {language}"
    return [textwrap.dedent(block) for block in found]


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code as it stands on a page."""

    line: int
    """The line of its opening fence, from 1."""
    language: str
    """`python`, `sh`; `literalinclude` for a file that is shown, whose path is then `shown`."""
    code: str
    comment: str
    """The HTML comment directly before it, such as `not run: needs a public host`."""
    shown: str = ""


FENCE = re.compile(r"\s*(`{3,}|:{3,})\s*(\S*)\s*(\S*)\s*$")
COMMENT = re.compile(r"<!--\s*(.*?)\s*-->")
DIRECTIVES_OF_CODE = ("{code-block}", "{code}", "{sourcecode}", "{literalinclude}")


def listed(text: str) -> list[Block]:
    """Return every block of code of a text in its order, also those in lists and inside other directives."""
    found: list[Block] = []
    containers: list[str] = []
    opened: tuple[int, str, str, str, str] | None = None  # line, fence, language, argument, comment
    inside: list[str] = []
    before = ""
    for number, line in enumerate(text.splitlines(), start=1):
        fence = FENCE.fullmatch(line)
        if opened is not None:
            if fence and fence[1].startswith(opened[1]) and not fence[2]:
                begin, _, language, argument, comment = opened
                code = textwrap.dedent("\n".join(inside) + "\n")
                if language in DIRECTIVES_OF_CODE[:-1]:
                    language = argument
                found.append(Block(begin, language.strip("{}"), code, comment, argument))
                opened, inside, before = None, [], ""
            else:
                inside.append(line)
        elif fence and not fence[2] and containers and fence[1].startswith(containers[-1]):
            containers.pop()
            before = ""
        elif fence and fence[2].startswith("{") and fence[2] not in DIRECTIVES_OF_CODE:
            containers.append(fence[1])
            before = ""
        elif fence and fence[1][0] == "`":
            comment = COMMENT.fullmatch(before)
            opened = (number, fence[1], fence[2], fence[3], comment[1] if comment else "")
        elif line.strip():
            before = line.strip()
    assert opened is None, f"line {opened[0]}: the block is not closed"
    return found
