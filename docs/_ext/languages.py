"""Give each page a link to itself in the other language, and to the search index that both share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx

NAMES = {"en": "English", "ja": "日本語"}
SEARCH = {"en": "Search", "ja": "検索"}


def add_links(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Add `other_language` and `pagefind`, with URLs relative to the page, and the word `search`."""
    other = "ja" if app.config.language == "en" else "en"
    root = context.get("content_root", "./")
    there = page if (Path(app.confdir) / other / f"{page}.md").exists() else "index"
    context["other_language"] = {
        "code": other,
        "name": NAMES[other],
        "url": f"{root}../{other}/{there}.html",
    }
    context["search"] = SEARCH[app.config.language]
    context["pagefind"] = f"{root}../pagefind/"


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("html-page-context", add_links)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
