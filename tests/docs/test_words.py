"""The project's texts use the field's words: sources, templates, catalogue and docs."""

from __future__ import annotations

import io
import re
import tokenize
from pathlib import Path

ROOT = Path(__file__).parents[2]
INSTEAD = {
    "told|tells?": "reported, sent, known",
    "owed|owes?": "pending, enqueue",
    "tamed?": "sanitised",
    "heals?|healed|upkeep": "maintenance",
    "gave way|gives? way|is away|are away": "unavailable",
    "lets? go": "deletes, erases",
    "fare[sd]?": "delivery, outcome",
    "so many": "a number",
    "somebody|whoever": "the thing or the role",
    "see to|seen to": "handle",
    "rivals?": "concurrent transaction",
    "(?:it|this) is (?-i:none)": "is not a valid ...",
}
DIALECT = re.compile(rf"\b({'|'.join(INSTEAD)})\b", re.IGNORECASE)


def sources():
    """Yield file, line and text of docstrings, comments, strings and names, in words."""
    for path in sorted((ROOT / "cmc_webhooks").rglob("*.py")):
        if "migrations" in path.parts:
            continue
        for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
            is_text = token.type in (tokenize.COMMENT, tokenize.STRING)
            if is_text or tokenize.tok_name[token.type] == "FSTRING_MIDDLE":
                yield path, token.start[0], token.string
            elif token.type == tokenize.NAME:
                yield path, token.start[0], token.string.replace("_", " ")


def pages():
    """Yield file, line and text of templates, the catalogue and the docs."""
    for pattern in ("cmc_webhooks/**/*.html", "cmc_webhooks/**/*.po", "*.md", "docs/**/*.md", "docs/*.yaml"):
        for path in sorted(ROOT.glob(pattern)):
            for number, line in enumerate(path.read_text().splitlines(), start=1):
                yield path, number, line


def found(texts):
    """Yield each place with a word of the dialect, without names in backticks and alone in quotes."""
    for path, number, text in texts:
        name = str(path.relative_to(ROOT))
        prose = re.sub(r"`[^`]*`", "", text)
        if not re.fullmatch(r"[\"'][\w.%-]*[\"']", text):
            yield from (f"{name}:{number}: {match[0]}" for match in DIALECT.finditer(prose))


class TestWords:
    def test_of_the_sources_are_the_fields(self):
        assert [*found(sources())] == [], INSTEAD

    def test_of_pages_are_the_fields(self):
        assert [*found(pages())] == [], INSTEAD

    def test_are_seen(self):
        assert [*found([(ROOT / "README.md", 1, "A signal is owed, and told again.")])] == [
            "README.md:1: owed",
            "README.md:1: told",
        ]
