"""What OpenAPI says of the API: parameters, answers and refusals, each field with meaning and example."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.conf import settings
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.settings import spectacular_settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema_serializer

from cmc_webhooks.api.descriptions import FIELDS, PARAMETERS, REFUSALS, WORDS
from cmc_webhooks.status import BounceClass

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Described", "HistorySchema", "StatisticsSchema", "example_of", "link"]

_REFUSAL = {
    "type": "object",
    "description": "What was wrong: a text as `detail`, or texts by the name of the parameter.",
    "additionalProperties": {
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
    },
}
_OFFSET = {True: " With its offset from UTC.", False: " In the project's time zone, without an offset."}
_STREAMS = {
    "text/csv": "All rows from there on, under a line of names (RFC 4180).",
    "application/x-ndjson": "All rows from there on, a JSON object a line.",
}


def _is_old() -> bool:
    """Whether the project chose OpenAPI 3.0, which has words of its own for some things."""
    return str(spectacular_settings.OAS_VERSION).startswith("3.0")


def example_of(value: Any) -> dict[str, Any]:
    """An example as the project's version of OpenAPI has it."""
    return {"example": value} if _is_old() else {"examples": [value]}


def link(meaning: str) -> dict[str, Any]:
    """An address, or null."""
    kind = {"type": "string", "nullable": True} if _is_old() else {"type": ["string", "null"]}
    example = example_of("https://your.example.com/api/mail/mails/?cursor=bmV4dCxpZD0uLi4=")
    return {**kind, "format": "uri", "description": meaning, **example}


class Described:
    """Gives each field of a serializer its description, and its component a name that is no project's."""

    may_be_empty: ClassVar[frozenset[str]] = frozenset()
    """Fields that hold one of `WORDS`, or nothing."""
    examples: ClassVar[Mapping[str, Any]] = {}
    """Those that are others than in `FIELDS`."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        extend_schema_serializer(component_name=f"Cmc{cls.__name__.removesuffix('Serializer')}")(cls)

    def get_fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = super().get_fields()  # type: ignore[misc] # a serializer's
        for name, field in fields.items():
            if name in FIELDS and not field.help_text:
                field.help_text = FIELDS[name][0]
        return fields


class HistorySchema(AutoSchema):
    """The same descriptions, whatever schema class the project has by default."""

    view: Any

    def _map_serializer(self, serializer: Any, direction: Any, bypass_extensions: bool = False) -> Any:
        mapped: Any = super()._map_serializer  # type: ignore[no-untyped-call,unused-ignore] # has none
        schema = mapped(serializer, direction, bypass_extensions)
        if always := getattr(serializer, "always", None):
            schema["required"] = sorted(always)
        empty, examples = getattr(serializer, "may_be_empty", ()), getattr(serializer, "examples", {})
        for name, field in schema.get("properties", {}).items():
            if name in WORDS:
                self._name_words(name, field, or_empty=name in empty)
            if field.get("format") == "date-time":
                field["description"] += _OFFSET[settings.USE_TZ]
            example = examples.get(name, FIELDS.get(name, ("", None))[1])
            if example is not None:
                field.update(example_of(example))
        return schema

    def _name_words(self, name: str, field: dict[str, Any], *, or_empty: bool) -> None:
        """Let a field refer to the component of its words."""
        component, meaning, words = WORDS[name]
        ref = self._component(component, {"type": "string", "enum": list(words), "description": meaning})
        for key in ("type", "enum", "allOf", "$ref"):
            field.pop(key, None)
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
        parameters = super()._get_parameters()  # type: ignore[no-untyped-call,unused-ignore] # has none
        for parameter in parameters:
            _describe(parameter)
        return parameters

    def get_override_parameters(self) -> list[Any]:
        header = OpenApiParameter("If-None-Match", location=OpenApiParameter.HEADER)
        return [header] if self.view.detail else []

    def _get_response_bodies(self, direction: Any = "response") -> Any:
        bodies = super()._get_response_bodies(direction)  # type: ignore[no-untyped-call,unused-ignore] # has none
        ok, is_list = bodies["200"], self._is_list_view()
        ok["description"] = "A page." if is_list else "What is asked."
        for kind, meaning in _STREAMS.items():
            if kind in ok["content"]:
                ok["content"][kind] = {"schema": {"type": "string", "description": meaning}}
        if self.view.detail:
            tag = {
                "schema": {"type": "string"},
                "description": "Changes with what is told, and with its form.",
            }
            ok["headers"] = {"ETag": tag}
            bodies["304"] = {"description": "The answer is the one of `If-None-Match`."}
            bodies["412"] = {"description": "The answer is not the one of `If-Match`."}
        example = example_of({"page_size": ["A number from 1 to 200 is allowed."]})
        content = {"application/json": {"schema": self._component("CmcRefusal", {**_REFUSAL, **example})}}
        refusals = {code: {"description": text, "content": content} for code, text in REFUSALS.items()}
        return {**bodies, **refusals}


class StatisticsSchema(HistorySchema):
    """`stats/`: one answer, not a list of rows of a table."""

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
    """What a parameter means, an example, and the form of its values."""
    name, schema = parameter["name"], parameter["schema"]
    if name not in PARAMETERS:  # one of the project's, such as a part of the address before ours
        return
    meaning, example = PARAMETERS[name]
    parameter["description"] = meaning
    if example is not None:
        parameter["example"] = example
    schema.pop("pattern", None)  # of paths: any text, so that this API tells what is none
    if name.endswith("__in") or name == "by":
        words = {"enum": BounceClass.values} if name == "bounce_class__in" else {}
        items = {"type": "string", **words, **schema}
        parameter.update(schema={"type": "array", "items": items}, style="form", explode=False)
    elif schema.get("enum") and "" not in schema["enum"]:
        schema["enum"] = [*schema["enum"], ""]  # as if it was not given: forms send such fields
