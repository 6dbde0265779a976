"""Remove the blank that a line break between two Japanese characters makes.

Japanese pages have one sentence a line. HTML shows a line break as a blank, which Japanese does not have.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

if TYPE_CHECKING:
    from sphinx.application import Sphinx

KANA_AND_KANJI = (
    r"\u3005-\u3007\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uff66-\uff9f\U00020000-\U0003ffff"
)
AFTER = r"\u3001\u3002\uff01\uff09\uff0c\uff0e\uff1a\uff1b\uff1f\u300d\u300f\u3011\u2026"
"""Punctuation that ends something: it has its own room on the right."""
BEFORE = r"\uff08\u300c\u300e\u3010"
"""Brackets that open: they have their own room on the left."""
JAPANESE = KANA_AND_KANJI + AFTER + BEFORE
BREAK = re.compile(
    rf"(?<=[{JAPANESE}])[ ]*\n[ ]*(?=[{JAPANESE}])"
    rf"|(?<=[{AFTER}])[ ]*\n[ ]*(?=\S)"
    rf"|(?<=\S)[ ]*\n[ ]*(?=[{BEFORE}])"
)


def joined(texts: list[str]) -> list[str]:
    """Return the texts of one paragraph without those breaks, also where one stands between two texts."""
    whole = "".join(texts)
    dropped = {place for match in BREAK.finditer(whole) for place in range(*match.span())}
    kept, start = [], 0
    for text in texts:
        kept.append("".join(c for at, c in enumerate(text, start) if at not in dropped))
        start += len(text)
    return kept


class JoinLines(SphinxPostTransform):
    """Change each paragraph, heading, term and cell of a Japanese page."""

    default_priority = 400

    def run(self, **kwargs: Any) -> None:
        if self.config.language != "ja":
            return
        for element in self.document.findall(nodes.TextElement):
            if isinstance(element.parent, nodes.TextElement) or isinstance(
                element, nodes.FixedTextElement
            ):
                continue
            texts = [text for text in element.findall(nodes.Text) if not inside_code(text)]
            for text, new in zip(texts, joined([*map(str, texts)]), strict=True):
                if new != text:
                    siblings = text.parent.children
                    place = next(
                        at for at, each in enumerate(siblings) if each is text
                    )  # others are equal
                    text.parent[place] = nodes.Text(new)


def inside_code(text: nodes.Text) -> bool:
    return isinstance(text.parent, nodes.FixedTextElement)


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_post_transform(JoinLines)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
