"""docs/openapi.yaml describes the API as it is."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiYamlRenderer
from drf_spectacular.settings import spectacular_settings
from drf_spectacular.validation import validate_schema
from jsonschema import Draft202012Validator

from cmc_webhooks.api import views, webhook
from tests.api.conftest import Api, user_with
from tests.conftest import PAYLOADS
from tests.helpers import factories

POSTED = ("Posted", "Receipt")
LISTS = {
    "mails": views.MailViewSet,
    "delivery-events": views.DeliveryEventViewSet,
    "bounce-events": views.BounceEventViewSet,
    "block-events": views.BlockEventViewSet,
    "notifications": views.NotificationViewSet,
    "rejected-events": views.RejectedEventViewSet,
}
POSTS = {
    "addresses/look-up": (),
    "suppressions": ("409",),
    "suppressions/forget": (),
    "suppressions/lift": ("502",),
}
"""The addresses with a body, and the refusals that each has of its own."""
FILE = Path(__file__).parents[2] / "docs" / "openapi.yaml"
HOOKS = tuple(spectacular_settings.POSTPROCESSING_HOOKS)
HOW = "run: CMC_WRITE_SCHEMA=1 pytest tests/api/test_schema.py"


def made(monkeypatch, version="3.1.0", urls="tests.api.schema_urls"):
    """The schema as YAML."""
    monkeypatch.setattr(spectacular_settings, "OAS_VERSION", version)
    monkeypatch.setattr(spectacular_settings, "TITLE", "Mail history of Customers Mail Cloud")
    monkeypatch.setattr(spectacular_settings, "VERSION", "1")
    monkeypatch.setattr(spectacular_settings, "POSTPROCESSING_HOOKS", [*HOOKS, webhook.describe_webhook])
    schema = SchemaGenerator(urlconf=urls).get_schema(request=None, public=True)
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

    def test_has_examples_that_it_allows(self, schema):
        wrong = []
        for name, component in schema["components"]["schemas"].items():
            for field, value in component.get("properties", {}).items():
                rule = Draft202012Validator({**value, "components": schema["components"]})
                wrong += [f"{name}.{field}" for each in value.get("examples", []) if not rule.is_valid(each)]
        for path, methods in schema["paths"].items():
            for operation in methods.values():
                for each in operation.get("parameters", []):
                    if "example" in each and not Draft202012Validator(each["schema"]).is_valid(
                        each["example"]
                    ):
                        wrong.append(f"{path} {each['name']}")

        assert wrong == []

    @pytest.mark.parametrize(
        ("path", "body"),
        [
            ("addresses/look-up", "CmcLookUp"),
            ("suppressions", "CmcDecide"),
            ("suppressions/forget", "CmcForget"),
        ],
    )
    def test_has_examples_of_bodies_that_are_answered_as_it_says(self, schema, path, body, db):
        properties = schema["components"]["schemas"][body]["properties"]
        given = {name: value["examples"][0] for name, value in properties.items()}
        verbs = ("add", "change", "delete")
        api = Api(user_with("view_mail", *(f"{verb}_suppression" for verb in verbs)))

        answer = api.client.post(f"/api/{path}/", json.dumps(given), content_type="application/json")

        [(code, described)] = [
            (code, each)
            for code, each in schema["paths"][f"/api/mail/{path}/"]["post"]["responses"].items()
            if code.startswith("2")
        ]
        assert str(answer.status_code) == code, answer.content
        rule = {**described["content"]["application/json"]["schema"], "components": schema["components"]}
        Draft202012Validator(rule).validate(answer.json())

    def test_describes_every_parameter(self, schema):
        bare = [
            f"{path} {parameter['name']}"
            for path, methods in schema["paths"].items()
            for operation in methods.values()
            for parameter in operation.get("parameters", [])
            if not parameter.get("description")
        ]

        assert bare == []

    def test_is_made_without_a_warning(self, monkeypatch):
        GENERATOR_STATS.reset()

        with GENERATOR_STATS.silence():
            made(monkeypatch)

        assert not GENERATOR_STATS, GENERATOR_STATS._warn_cache

    @pytest.mark.parametrize("version", ["3.0.3", "3.1.0", "3.1.1"])
    def test_is_valid_in_each_version(self, monkeypatch, version):
        validate_schema(yaml.safe_load(made(monkeypatch, version)))

    def test_leaves_what_the_project_adds_as_it_is(self, monkeypatch):
        schema = yaml.safe_load(made(monkeypatch, urls="tests.api.tenant_urls"))

        names = [each["name"] for each in schema["paths"]["/{tenant}/mails/"]["get"]["parameters"]]
        assert {"tenant", "status"} <= set(names)

    def test_names_components_as_no_project_does(self, schema):
        ours = [name for name in schema["components"]["schemas"] if not name.startswith(POSTED)]

        assert ours
        assert [name for name in ours if "Cmc" not in name] == []

    @pytest.mark.parametrize(
        ("component", "field", "words"),
        [
            ("CmcMail", "bounce_class", "CmcBounceClass"),
            ("CmcBounceEvent", "bounce_class", "CmcBounceClass"),
            ("CmcTimelineEvent", "kind", "CmcEventKind"),
            ("CmcNotification", "source", "CmcSource"),
            ("CmcAddress", "forbidden_by", "CmcForbidding"),
            ("CmcReason", "forbidden_by", "CmcForbidding"),
            ("CmcDecision", "kind", "CmcDecisionKind"),
            ("CmcDecide", "kind", "CmcBlockOrRelease"),
            ("CmcLift", "reason", "CmcList"),
            ("CmcLiftResult", "reason", "CmcList"),
        ],
    )
    def test_names_the_words_of_a_field(self, schema, component, field, words):
        schemas = schema["components"]["schemas"]

        refs = [each.get("$ref") for kind in ("anyOf", "allOf") for each in
                schemas[component]["properties"][field].get(kind, [])]  # fmt: skip

        assert f"#/components/schemas/{words}" in refs
        assert schemas[words]["enum"]

    def test_describes_refusals_and_streams(self, schema):
        lists = schema["paths"]["/api/mail/mails/"]["get"]
        detail = schema["paths"]["/api/mail/mails/{id}/"]["get"]

        assert set(lists["responses"]) == {
            "200",
            "304",
            "400",
            "401",
            "403",
            "404",
            "406",
            "410",
            "412",
            "503",
        }
        assert set(detail["responses"]) == {"200", "304", "400", "401", "403", "404", "406", "412"}
        assert lists["responses"]["200"]["content"]["text/csv"]["schema"]["type"] == "string"
        assert set(detail["responses"]["200"]["headers"]) == {"ETag"}

    @pytest.mark.parametrize(("name", "view"), LISTS.items())
    def test_describes_each_parameter_that_is_read(self, schema, name, view):
        parameters = schema["paths"][f"/api/mail/{name}/"]["get"]["parameters"]

        known = view.pagination_class().query_params | view.filterset_class.base_filters.keys()
        assert {each["name"] for each in parameters} == known | {"format", "If-None-Match"}

    @pytest.mark.parametrize("name", ["Mail", "DeliveryEvent"])
    def test_is_true_of_a_page(self, schema, name, db):
        factories.DeliveryEventFactory.create_batch(3)
        api = Api(user_with("view_mail", "view_deliveryevent"))
        ref = {"$ref": f"#/components/schemas/PaginatedCmc{name}List", "components": schema["components"]}
        kind = {"Mail": "mail", "DeliveryEvent": "delivery-event"}[name]

        first = api.list(kind, page_size=2).json()
        last = api.page(first["next"])

        for page in (first, last, api.list(kind).json()):
            Draft202012Validator(ref).validate(page)

    def test_has_the_webhook_alone_too(self, monkeypatch):
        monkeypatch.setattr(spectacular_settings, "POSTPROCESSING_HOOKS", [webhook.describe_webhook])

        schema = SchemaGenerator(urlconf="tests.api.webhook_urls").get_schema(request=None, public=True)

        assert list(schema["paths"]) == ["/cmc/webhook"]

    def test_has_reading_methods_alone_beside_the_webhook_and_decisions(self, schema):
        posts = {path for path, methods in schema["paths"].items() if "post" in methods}

        assert posts == {"/cmc/webhook", *(f"/api/mail/{path}/" for path in POSTS)}
        assert {method for methods in schema["paths"].values() for method in methods} == {"get", "post"}

    @pytest.mark.parametrize("path", POSTS)
    def test_describes_the_body_and_the_refusals_of_a_post(self, schema, path):
        post = schema["paths"][f"/api/mail/{path}/"]["post"]

        [(kind, body)] = post["requestBody"]["content"].items()
        assert kind == "application/json"
        assert post["requestBody"]["required"] is True
        assert body["schema"]["$ref"].removeprefix("#/components/schemas/") in schema["components"]["schemas"]
        assert set(post["responses"]) == {
            *("201" if path == "suppressions" else "200",),
            *("400", "401", "403", "404", "406", "413", "415"),
            *POSTS[path],
        }
        assert "If-None-Match" not in {each["name"] for each in post.get("parameters", [])}

    def test_says_nothing_of_a_webhook_that_is_not_mounted(self, monkeypatch):
        monkeypatch.setattr(spectacular_settings, "POSTPROCESSING_HOOKS", [webhook.describe_webhook])

        schema = SchemaGenerator(urlconf="cmc_webhooks.api.urls").get_schema(request=None, public=True)

        assert not [path for path in schema["paths"] if "webhook" in path]

    @pytest.mark.parametrize(
        ("name", "component"), [("deliveries", "PostedDelivery"), ("bounces", "PostedBounce")]
    )
    def test_knows_every_field_that_cmc_posts(self, schema, name, component):
        known = schema["components"]["schemas"][component]["properties"]

        bodies = [json.loads(path.read_text()) for path in PAYLOADS.glob("seed_*.json")]

        events = [event for body in bodies for event in body["event"].get(name, [])]
        assert events
        assert {field for event in events for field in event} == set(known)


WITHOUT_EXAMPLE = {
    *("mail", "block", "suppression"),
    *("timeline", "bounces", "latest", "event", "deliveries", "blocks", "results"),
    *("reasons", "cmc_entries", "decisions", "decision", "replaced", "now"),
}
