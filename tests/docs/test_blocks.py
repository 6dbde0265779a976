"""Every block of code in the docs has an owner: a test that runs it, or a reason why none does."""

from __future__ import annotations

import pytest

from tests.helpers import pages
from tests.helpers.pages import ROOT, Block

PASTE = ".ci/paste.py"
"""Runs the blocks without a comment, of the pages that it names."""
EXCUSE_WORDS = 3
DOCUMENTS = sorted(
    [
        *(ROOT / name for name in ("README.md", "README.ja.md")),
        *(path for language in pages.LANGUAGES for path in (pages.DOCS / language).rglob("*.md")),
    ]
)


def page_of(path):
    """The name of a page in both languages: `howto/retention`, `README`."""
    if path.parent == ROOT:
        return path.name.partition(".")[0]
    return path.relative_to(pages.DOCS).with_suffix("").as_posix().partition("/")[2]


def fault_of(page, block, folder=ROOT):
    """What is wrong with the owner of a block; empty if nothing is."""
    if block.language == "literalinclude":
        shown = (pages.DOCS / "en" / page).parent / block.shown
        inside = shown.resolve().is_relative_to(pages.DOCS / "example")
        return "" if inside and shown.is_file() else f"{block.shown} is not a file of docs/example"
    kind, _, rest = block.comment.partition(":")
    if kind == "not run":
        return "" if len(rest.split()) >= EXCUSE_WORDS else f"no reason: {block.comment!r}"
    owner = block.comment.removeprefix("run by ") if block.comment.startswith("run by ") else PASTE
    if not (folder / owner).is_file():
        return f"{owner} does not exist"
    if f'"{page}"' not in (folder / owner).read_text(encoding="utf-8"):
        return f"{owner} does not name the page {page!r}"
    return ""


class TestEachBlock:
    @pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
    def test_has_an_owner(self, path):
        blocks = pages.listed(path.read_text(encoding="utf-8"))

        faults = [f"{path.name}:{each.line}: {fault_of(page_of(path), each)}" for each in blocks]
        assert [fault for fault in faults if not fault.endswith(": ")] == []

    @pytest.mark.parametrize("page", sorted({page_of(path) for path in DOCUMENTS}))
    def test_has_the_same_owner_in_both_languages(self, page):
        found = [
            [each.comment.partition(":")[0] for each in pages.listed(path.read_text(encoding="utf-8"))]
            for path in DOCUMENTS
            if page_of(path) == page
        ]

        assert found[0] == found[-1]


TEXT = """
1. Run it:

   <!-- not run: needs a public host -->

   ```sh
   curl https://your.example.com
   ```

```{list-table}
* - `a`
```

````{note}
```python
x = 1
```
````

<!-- run by tests/docs/test_examples.py -->
```python
y = 2
```

```{literalinclude} ../../example/shop/models.py
:language: python
```
"""


class TestRules:
    def test_are_read_from_the_page(self):
        found = [(each.line, each.language, each.comment) for each in pages.listed(TEXT)]

        assert found == [
            (6, "sh", "not run: needs a public host"),
            (15, "python", ""),
            (21, "python", "run by tests/docs/test_examples.py"),
            (25, "literalinclude", ""),
        ]
        assert pages.listed(TEXT)[0].code == "curl https://your.example.com\n"

    @pytest.mark.parametrize(
        ("comment", "fault"),
        [
            ("", "does not name the page"),
            ("not run:", "no reason"),
            ("not run: too hard", "no reason"),
            ("not run: needs CMC itself", ""),
            ("run by tests/docs/test_missing.py", "does not exist"),
            ("run by tests/test_status.py", "does not name the page"),
        ],
    )
    def test_hold(self, comment, fault):
        found = fault_of("howto/no-such-page", Block(1, "sh", "ls\n", comment))

        assert fault in found
        assert bool(found) == bool(fault)

    @pytest.mark.parametrize(
        ("shown", "is_wrong"),
        [
            ("../../example/shop/models.py", False),
            ("../../example/none.py", True),
            ("../../openapi.yaml", True),
        ],
    )
    def test_hold_for_files_that_are_shown(self, shown, is_wrong):
        block = Block(1, "literalinclude", "", "", shown)

        assert bool(fault_of("tutorial/install", block)) == is_wrong
