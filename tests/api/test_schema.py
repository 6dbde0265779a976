"""docs/openapi.yaml describes the API as it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiYamlRenderer
from drf_spectacular.settings import spectacular_settings

FILE = Path(__file__).parents[2] / "docs" / "openapi.yaml"
HOW = "run: CMC_WRITE_SCHEMA=1 pytest tests/api/test_schema.py"


def made(monkeypatch):
    """The schema as YAML, in OpenAPI 3.1."""
    monkeypatch.setattr(spectacular_settings, "OAS_VERSION", "3.1.0")
    monkeypatch.setattr(spectacular_settings, "TITLE", "Mail history of Customers Mail Cloud")
    monkeypatch.setattr(spectacular_settings, "VERSION", "1")
    schema = SchemaGenerator(urlconf="tests.api.schema_urls").get_schema(request=None, public=True)
    return OpenApiYamlRenderer().render(schema, renderer_context={}).decode()


@pytest.fixture
def schema(monkeypatch):
    return yaml.safe_load(made(monkeypatch))


class TestSchema:
    def test_is_the_committed_file(self, monkeypatch):
        text = made(monkeypatch)
        if os.environ.get("CMC_WRITE_SCHEMA"):
            FILE.write_text(text)

        assert text == FILE.read_text(), HOW

    def test_describes_every_field_with_an_example(self, schema):
        bare = []
        for name, component in schema["components"]["schemas"].items():
            if not name.startswith("Paginated"):
                for field, value in component.get("properties", {}).items():
                    described = "description" in value or "$ref" in value or "allOf" in value
                    if not described or not ("examples" in value or field in WITHOUT_EXAMPLE):
                        bare.append(f"{name}.{field}")

        assert bare == [], "cmc_webhooks/api/schema.py: describe it"

    def test_describes_every_parameter(self, schema):
        bare = [
            f"{path} {parameter['name']}"
            for path, methods in schema["paths"].items()
            for parameter in methods["get"].get("parameters", [])
            if parameter["in"] == "query" and not parameter.get("description")
        ]

        assert bare == []

    def test_has_reading_methods_alone(self, schema):
        assert {method for methods in schema["paths"].values() for method in methods} == {"get"}


WITHOUT_EXAMPLE = {"timeline", "raw", "resolved_at", "results", "from", "to"}
