"""The directive `public-names`: each name that `reference/python.md` lists, with its signature and docstring.

That page is the only list. Docstrings are made reStructuredText here: they have Markdown's backticks,
and a list of exceptions below `Raises:`.
"""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.db.models import Model
from django.utils.translation import override
from sphinx.util.docutils import SphinxDirective
from sphinx.util.inspect import stringify_signature

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from docutils import nodes
    from sphinx.application import Sphinx

PAGE = Path(__file__).parents[1] / "en/reference/python.md"
ENTRY = re.compile(r"^`(cmc_webhooks[\w.]*)`\n: ((?:.+\n)+)", re.MULTILINE)
FIELDS = {"en": "Fields", "ja": "フィールド"}


def promised(page: str) -> dict[str, list[str]]:
    """Return the names of the page, by module."""
    return {module: re.findall(r"`(\w+)`", names) for module, names in ENTRY.findall(page)}


def markdown(names: dict[str, list[str]], language: str) -> Iterator[str]:
    """Yield a section for each module, with a directive for each name."""
    for module, listed in names.items():
        yield from (
            "",
            f"## `{module}`",
            "",
            "```{eval-rst}",
            f".. py:currentmodule:: {module}",
            "",
        )
        for name in listed:
            value = getattr(import_module(module), name)
            yield from described(value, module, name, language)
        yield from ("```", "")


def described(value: object, module: str, name: str, language: str) -> Iterator[str]:
    """Yield what shows one name: autodoc's directive, or our own where autodoc would describe its class."""
    path = f"{module}.{name}"
    function = getattr(value, "func", None) or getattr(value, "__wrapped__", None)
    if is_model(value):
        yield from (f".. autoclass:: {path}", "")
        yield from (f"   {line}" for line in fields(value, language))
    elif inspect.isclass(value):
        yield from (f".. autoclass:: {path}", "   :members:", "   :undoc-members:", "")
    elif inspect.isroutine(value):
        yield from (f".. autofunction:: {path}", "")
    elif function is not None:  # a task or a fixture
        result = inspect.signature(function).return_annotation
        yield from (f".. py:function:: {name}() -> {result}", "")
        yield from (f"   {line}" for line in as_rst(inspect.getdoc(function).splitlines()))
    elif isinstance(value, str):
        yield f".. py:data:: {name}"
    else:
        yield from (f".. autodata:: {path}", "   :no-value:")
    yield ""


def is_model(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Model)


def fields(model: type[Model], language: str) -> Iterator[str]:
    """Yield a list of a model's columns: name, type and label."""
    yield from (f"{FIELDS[language]}:", "")
    with override(language):
        for field in model._meta.concrete_fields:
            label = str(field.verbose_name)
            shown = (
                "" if label == field.name.replace("_", " ") and language == "en" else f": {label}"
            )
            yield f"- ``{field.name}`` ({type(field).__name__}){shown}"


def as_rst(lines: Iterable[str]) -> list[str]:
    """Return a docstring's lines as reStructuredText."""
    found: list[str] = []
    in_list = False
    for line in lines:
        literals = re.sub(r"(?<![`\w:])`([^`\n]+)`(?!`)", r"``\1``", line)
        if line.strip() == "Raises:":
            in_list = True
            literals = "Raises:"
            found += [literals, ""]
            continue
        if in_list and (named := re.fullmatch(r"\s+([\w.]+): (.+)", literals)):
            found.append(f"- ``{named[1]}``: {named[2]}")
            continue
        in_list &= line.startswith(" ")
        if in_list:
            literals = f"  {literals.strip()}"
        found.append(literals)
    return found


def change_docstring(
    app: Sphinx, what: str, name: str, value: object, options: object, lines: list[str]
) -> None:
    lines[:] = as_rst(lines)


def change_signature(
    app: Sphinx, what: str, name: str, value: object, options: object, arguments: str, result: str
) -> tuple[str, str] | None:
    """Return the signature that a reader needs: none of a model, that of its call for a protocol."""
    if is_model(value):
        return "", ""
    if what == "class" and getattr(value, "_is_protocol", False):
        signature = inspect.signature(value.__call__)
        parameters = [*signature.parameters.values()][1:]
        shown = signature.replace(parameters=parameters, return_annotation=signature.empty)
        return stringify_signature(shown, unqualified_typehints=True), ""
    return None


class PublicNames(SphinxDirective):
    """Show all of them."""

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(PAGE))
        names = promised(PAGE.read_text(encoding="utf-8"))
        text = "\n".join(markdown(names, self.config.language))
        return self.parse_text_to_nodes(text, allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("public-names", PublicNames)
    app.connect("autodoc-process-docstring", change_docstring)
    app.connect("autodoc-process-signature", change_signature)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
