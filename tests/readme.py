"""What the README says, for tests that run its examples."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text()


def chapter(title: str) -> str:
    """What stands below a heading of the second rank, up to the next one."""
    text = TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    assert text, f"README.md: no chapter {title!r}"
    return text


def section(title: str, heading: str) -> str:
    """What stands in a chapter below a heading of the third rank."""
    text = chapter(title).partition(f"### {heading}\n")[2].partition("\n### ")[0]
    assert text, f"README.md, {title!r}: no section {heading!r}"
    return text


def blocks(text: str, language: str = "python") -> list[str]:
    """The blocks of code in it, those in lists included."""
    found = re.findall(rf"^ *```{language}\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    assert found, f"README.md: no block of {language}"
    return [textwrap.dedent(block) for block in found]
