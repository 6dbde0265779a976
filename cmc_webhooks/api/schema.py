"""OpenAPI schema of the API: parameters, responses and errors, each field with its meaning and an example."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.conf import settings
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.settings import spectacular_settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema_serializer

from cmc_webhooks.api.descriptions import FIELDS, PARAMETERS, REFUSALS, REFUSALS_OF_BODIES, WORDS
from cmc_webhooks.bounce_codes import BounceClass
from cmc_webhooks.suppression import rules

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cmc_webhooks.api.descriptions import Words

__all__ = [
    "AddressSchema",
    "Described",
    "HistorySchema",
    "StatisticsSchema",
    "SuppressionSchema",
    "example_of",
    "link",
]

_REFUSAL = {
    "type": "object",
    "description": "What was wrong: a text as `detail`, or texts by the name of the parameter or field; in a"
    " list by the place of the item, from 0.",
    "additionalProperties": {
        "anyOf": [
            {"type": "string"},
            {"type": "array", "items": {"type": "string"}},
            {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}},
        ],
    },
}
_OFFSET = {True: " With its offset from UTC.", False: " In the project's time zone, without an offset."}
_STREAMS = {
    "text/csv": "All rows from there on, under a line of names (RFC 4180).",
    "application/x-ndjson": "All rows from there on, a JSON object a line.",
}


def _is_old() -> bool:
    """Return whether the project chose OpenAPI 3.0, some of whose keywords differ from those of 3.1."""
    return str(spectacular_settings.OAS_VERSION).startswith("3.0")


def example_of(value: Any) -> dict[str, Any]:
    """Return an example in the form of the project's OpenAPI version."""
    return {"example": value} if _is_old() else {"examples": [value]}


def link(meaning: str) -> dict[str, Any]:
    """Return the schema of a URL or null."""
    kind = {"type": "string", "nullable": True} if _is_old() else {"type": ["string", "null"]}
    example = example_of("https://your.example.com/api/mail/mails/?cursor=bmV4dCxpZD0uLi4=")
    return {**kind, "format": "uri", "description": meaning, **example}


class Described:
    """A mixin that describes a serializer's fields and prefixes its component's name with `Cmc`.

    The prefix keeps it apart from the project's components.
    """

    may_be_empty: ClassVar[frozenset[str]] = frozenset()
    """Fields that hold one of `WORDS`, or an empty text."""
    examples: ClassVar[Mapping[str, Any]] = {}
    """Examples by field name, where they differ from those in `FIELDS`."""
    meanings: ClassVar[Mapping[str, str]] = {}
    """Meanings by field name, where they differ from those in `FIELDS`."""
    words: ClassVar[Mapping[str, Words]] = {}
    """All values that a field can hold, where they differ from those in `WORDS`."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        extend_schema_serializer(component_name=f"Cmc{cls.__name__.removesuffix('Serializer')}")(cls)

    def get_fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = super().get_fields()  # type: ignore[misc] # a serializer's
        for name, field in fields.items():
            if name in self.meanings:
                field.help_text = self.meanings[name]
            elif name in FIELDS and not field.help_text:
                field.help_text = FIELDS[name][0]
        return fields


class HistorySchema(AutoSchema):
    """The schema class of these views, whatever schema class the project uses by default."""

    view: Any

    def _map_serializer(self, serializer: Any, direction: Any, bypass_extensions: bool = False) -> Any:
        mapped: Any = super()._map_serializer  # type: ignore[no-untyped-call,unused-ignore] # untyped
        schema = mapped(serializer, direction, bypass_extensions)
        if always := getattr(serializer, "always", None):
            schema["required"] = sorted(always)
        words = {**WORDS, **getattr(serializer, "words", {})}
        for name in getattr(serializer, "sometimes", ()):
            schema["required"] = [each for each in schema["required"] if each != name]
        empty, examples = getattr(serializer, "may_be_empty", ()), getattr(serializer, "examples", {})
        for name, field in schema.get("properties", {}).items():
            if name in words:
                self._name_words(words[name], field, or_empty=name in empty)
            if field.get("format") == "date-time" and field.get("readOnly"):
                field["description"] += _OFFSET[settings.USE_TZ]
            example = examples.get(name, FIELDS.get(name, ("", None))[1])
            if example is not None:
                field.update(example_of(example))
        return schema

    def _name_words(self, known: Words, field: dict[str, Any], *, or_empty: bool) -> None:
        """Make a field refer to the component that lists its values."""
        component, meaning, words = known
        ref = self._component(component, {"type": "string", "enum": list(words), "description": meaning})
        for key in ("type", "enum", "allOf", "oneOf", "$ref"):
            field.pop(key, None)
        field["description"] = field["description"].partition("\n\n")[0]  # the labels of choices follow
        if or_empty:
            field["anyOf"] = [ref, {"type": "string", "maxLength": 0}]
        else:
            field["allOf"] = [ref]

    def _component(self, name: str, schema: dict[str, Any]) -> dict[str, str]:
        made: Any = ResolvedComponent
        component = made(name=name, type=made.SCHEMA, schema=schema, object=name)
        self.registry.register_on_missing(component)
        ref: dict[str, str] = component.ref
        return ref

    def _get_parameters(self) -> Any:
        parameters = super()._get_parameters()  # type: ignore[no-untyped-call,unused-ignore] # untyped
        for parameter in parameters:
            _describe(parameter)
        return parameters

    def get_override_parameters(self) -> list[Any]:
        header = OpenApiParameter("If-None-Match", location=OpenApiParameter.HEADER)
        return [header] if self._has_etag() else []

    def get_request_serializer(self) -> Any:
        bodies = getattr(self.view, "body_classes", {})
        return bodies.get(self.view.action) or super().get_request_serializer()  # type: ignore[no-untyped-call,unused-ignore] # untyped

    def get_response_serializers(self) -> Any:
        answers = getattr(self.view, "answer_classes", {})
        return answers.get(self.view.action) or super().get_response_serializers()  # type: ignore[no-untyped-call,unused-ignore] # untyped

    def _has_etag(self) -> bool:
        is_page = self._is_list_view() and bool(getattr(self.view, "filter_backends", ()))
        return self.method == "GET" and (bool(self.view.detail) or is_page)

    def _get_response_bodies(self, direction: Any = "response") -> Any:
        bodies = super()._get_response_bodies(direction)  # type: ignore[no-untyped-call,unused-ignore] # untyped
        [ok], is_list = bodies.values(), self._is_list_view()
        is_done = self.view.action in getattr(self.view, "permissions_needed", ())
        ok["description"] = "A page." if is_list else "What was done." if is_done else "What is asked."
        for kind, meaning in _STREAMS.items():
            if kind in ok["content"]:
                ok["content"][kind] = {"schema": {"type": "string", "description": meaning}}
        if self._has_etag():
            tag = {
                "schema": {"type": "string"},
                "description": "Changes with the content and with its format.",
            }
            ok["headers"] = {"ETag": tag}
            bodies["304"] = {"description": "The answer is the one of `If-None-Match`."}
            bodies["412"] = {"description": "The answer is not the one of `If-Match`."}
        example = example_of({"page_size": ["Must be an integer from 1 to 200."]})
        content = {"application/json": {"schema": self._component("CmcRefusal", {**_REFUSAL, **example})}}
        meanings = {**REFUSALS, **(REFUSALS_OF_BODIES if self.method == "POST" else {})}
        meanings |= getattr(self.view, "refusals", {}).get(self.view.action, {})
        refusals = {code: {"description": text, "content": content} for code, text in meanings.items()}
        return {**bodies, **refusals}


class AddressSchema(HistorySchema):
    """The schema of addresses: the parameters of the question."""

    def get_override_parameters(self) -> list[Any]:
        if self.method != "GET":
            return []
        question = [OpenApiParameter("composition"), OpenApiParameter("transactional", OpenApiTypes.BOOL)]
        return [*super().get_override_parameters(), *question]


class SuppressionSchema(HistorySchema):
    """The schema of `suppressions/`: a list that is no table, and what is decided about addresses."""

    def get_override_parameters(self) -> list[Any]:
        if self.method != "GET":
            return []
        return [
            OpenApiParameter("composition"),
            OpenApiParameter("transactional", OpenApiTypes.BOOL),
            OpenApiParameter("reason", enum=rules.REASONS),
            OpenApiParameter("domain"),
        ]


class StatisticsSchema(HistorySchema):
    """The schema of `stats/`: one object, not a list of rows of a table."""

    def get_override_parameters(self) -> list[Any]:
        return [
            OpenApiParameter("from", OpenApiTypes.DATE),
            OpenApiParameter("to", OpenApiTypes.DATE),
            OpenApiParameter("server_composition"),
            OpenApiParameter("by", enum=[*self.view.query_class.GROUPS]),
        ]

    def _is_list_view(self, serializer: Any = None) -> bool:
        return False


def _describe(parameter: dict[str, Any]) -> None:
    """Add the meaning, an example and the form of the values to a parameter."""
    name, schema = parameter["name"], parameter["schema"]
    if name not in PARAMETERS:  # one of the project's, such as a part of the URL before ours
        return
    meaning, example = PARAMETERS[name]
    parameter["description"] = meaning
    if example is not None:
        parameter["example"] = example
    schema.pop("pattern", None)  # paths take any text; the API reports invalid ones
    if name.endswith("__in") or name == "by":
        words = {"enum": BounceClass.values} if name == "bounce_class__in" else {}
        items = {"type": "string", **words, **schema}
        parameter.update(schema={"type": "array", "items": items}, style="form", explode=False)
    elif schema.get("enum") and "" not in schema["enum"]:
        schema["enum"] = [*schema["enum"], ""]  # counts as not given; forms send empty fields
