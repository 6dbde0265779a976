"""The directive `openapi`: each operation of `docs/openapi.yaml`, and the schemas that they name.

It writes Markdown, which MyST parses: the page has ordinary sections and lists, which the search finds.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from docutils import nodes
    from sphinx.application import Sphinx

FILE = Path(__file__).parents[1] / "openapi.yaml"
METHODS = ("get", "post", "put", "patch", "delete")
WORDS = {
    "en": {
        "parameters": "Parameters",
        "request": "Request",
        "answers": "Answers",
        "schemas": "Schemas",
        "permission": "Authentication",
        "required": "required",
        "list of": "list of",
        "example": "Example:",
        "path": "in the path",
        "query": "in the query",
        "header": "a header",
        "or": " or ",
        "any": "any value",
        "one of": "one of",
    },
    "ja": {
        "parameters": "パラメーター",
        "request": "リクエスト",
        "answers": "応答",
        "schemas": "スキーマ",
        "permission": "認証",
        "required": "必須",
        "list of": "リスト：",
        "example": "例：",
        "path": "パス",
        "query": "クエリ",
        "header": "ヘッダー",
        "or": "または",
        "any": "任意の値",
        "one of": "いずれか：",
    },
}
Schema = dict[str, Any]


class Reference:
    """The description of an API, as Markdown in one language."""

    def __init__(self, api: Mapping[str, Any], language: str) -> None:
        self.api = api
        self.words = WORDS[language]

    def lines(self) -> Iterator[str]:
        """Yield the page's lines below its heading."""
        for path, operations in self.api["paths"].items():
            for method in METHODS:
                if method in operations:
                    yield from self.operation(method, path, operations[method])
        yield from ("", f"## {self.words['schemas']}", "")
        for name, schema in sorted(self.api["components"]["schemas"].items()):
            yield from self.component(name, schema)

    def operation(self, method: str, path: str, operation: Mapping[str, Any]) -> Iterator[str]:
        summary = operation.get("summary") or operation.get("description", "")
        yield from ("", f"(rest-{operation['operationId']})=", f"## `{method.upper()} {path}`", "")
        yield from (*escaped(summary).splitlines(), "")
        if operation.get("summary") and operation.get("description"):
            yield from (*escaped(operation["description"]).splitlines(), "")
        if schemes := [name for way in operation.get("security", []) for name in way]:
            yield from (
                f"{self.words['permission']}: " + ", ".join(f"`{name}`" for name in schemes),
                "",
            )
        if parameters := operation.get("parameters"):
            yield from (f"**{self.words['parameters']}**", "")
            for each in parameters:
                kind = [self.words[each["in"]], self.type_of(each["schema"])]
                if each.get("required"):
                    kind.append(self.words["required"])
                example = each.get("example")
                if isinstance(example, list):  # as it stands in a query
                    example = ",".join(map(str, example))
                yield from self.definition(each["name"], kind, each, example)
        if body := operation.get("requestBody"):
            yield from (f"**{self.words['request']}**", "")
            for media, content in body["content"].items():
                yield f"- `{media}`: {self.type_of(content.get('schema', {}))}"
            yield ""
        yield from (f"**{self.words['answers']}**", "")
        for status, answer in sorted(operation["responses"].items()):
            yield from self.definition(status, [self.content_of(answer)], answer)
            for header, described in answer.get("headers", {}).items():
                text = escaped(described.get("description", ""))
                yield from (f"  `{header}`: {text}", "")

    def component(self, name: str, schema: Schema) -> Iterator[str]:
        yield from ("", f"(rest-schema-{name.lower()})=", f"### `{name}`", "")
        if described := schema.get("description"):
            yield from (*escaped(described).splitlines(), "")
        if "properties" not in schema:
            yield from (self.type_of(schema), "")
        for field, described in schema.get("properties", {}).items():
            kind = [self.type_of(described)]
            if field in schema.get("required", []) and not described.get("readOnly"):
                kind.append(self.words["required"])
            examples = described.get("examples", [])
            yield from self.definition(field, kind, described, *examples[:1])

    def definition(
        self, name: str, kind: list[str], described: Mapping[str, Any], example: Any = None
    ) -> Iterator[str]:
        """Yield an entry of a definition list: name, type, meaning and an example."""
        text = " ".join(escaped(described.get("description", "")).split())
        shown = ", ".join(part for part in kind if part)
        yield f"`{name}`"
        yield f": {shown}{'. ' if shown and text else ''}{text}"
        if example not in (None, "", [], {}):
            value = example if isinstance(example, str) else json.dumps(example, ensure_ascii=False)
            yield f"  {self.words['example']} `{value}`"
        yield ""

    def content_of(self, answer: Mapping[str, Any]) -> str:
        kinds = {
            f"{self.type_of(content.get('schema', {}))} (`{media}`)"
            for media, content in answer.get("content", {}).items()
        }
        return self.words["or"].join(sorted(kinds))

    def type_of(self, schema: Schema) -> str:
        """Return a type in a few words, with links to the schemas that it names."""
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            return f"[`{name}`](#rest-schema-{name.lower()})"
        for way in ("oneOf", "anyOf", "allOf"):
            if way in schema:
                parts = [self.type_of(part) for part in schema[way] if part.get("maxLength") != 0]
                return self.words["or"].join(dict.fromkeys(parts))
        if "enum" in schema:
            return f"{self.words['one of']} " + ", ".join(
                f"`{value}`" for value in schema["enum"] if value
            )
        kind = schema.get("type", "")
        if kind == "array":
            return f"{self.words['list of']} {self.type_of(schema['items'])}"
        kinds = kind if isinstance(kind, list) else [kind]
        named = [
            f"{each} ({schema['format']})" if "format" in schema and each != "null" else each
            for each in kinds
        ]
        return self.words["or"].join(named) if any(kinds) else self.words["any"]


def escaped(text: str) -> str:
    """Return a text of the description for a page: what MyST would read as its own marks stays text."""
    parts = re.split(r"(`[^`]*`)", text.strip())
    return "".join(
        p if p.startswith("`") else re.sub(r"([\[\]{}<>*_|])", r"\\\1", p) for p in parts
    )


class OpenAPI(SphinxDirective):
    """Show the whole description in the page's language."""

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(FILE))
        api = yaml.safe_load(FILE.read_text(encoding="utf-8"))
        lines = Reference(api, self.config.language).lines()
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("openapi", OpenAPI)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
