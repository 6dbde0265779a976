"""Our own extensions of Sphinx. They need its packages, which the environment `docs` has."""

from __future__ import annotations

import importlib
import sys

import pytest

from tests.helpers import pages

pytest.importorskip("sphinx")


@pytest.fixture(autouse=True)
def _extensions(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(pages.DOCS / "_ext"), *sys.path])


def extension(name):
    return importlib.import_module(name)


class TestJapaneseLineBreaks:
    @pytest.mark.parametrize(
        ("written", "shown"),
        [
            ("保存します。\n履歴は", "保存します。履歴は"),
            ("保存し\nます", "保存します"),
            ("カタカナ\nひらがな", "カタカナひらがな"),
            ("あとです。\n`code` は", "あとです。`code` は"),
            ("The page\n（英語）", "The page（英語）"),
            ("CMC の\nWebhook", "CMC の\nWebhook"),
            ("Django\nREST framework", "Django\nREST framework"),
            ("Webhook\nです", "Webhook\nです"),
        ],
    )
    def test_of_japanese_text_leave_no_blank(self, written, shown):
        assert extension("japanese_line_breaks").joined([written]) == [shown]

    def test_are_seen_between_two_texts(self):
        assert extension("japanese_line_breaks").joined(["届く。", "\n", "「次」"]) == [
            "届く。",
            "",
            "「次」",
        ]


API = {
    "paths": {
        "/mails/": {
            "get": {
                "operationId": "mails_list",
                "description": "Mails, `status` [of] all.",
                "security": [{"cookieAuth": []}],
                "parameters": [
                    {
                        "name": "status__in",
                        "in": "query",
                        "schema": {"type": "array", "items": {"type": "string"}},
                        "example": ["failed", "bounced"],
                    }
                ],
                "responses": {
                    "200": {
                        "description": "A page.",
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/CmcMail"}}},
                    },
                    "400": {"description": "Invalid."},
                },
            }
        }
    },
    "components": {
        "schemas": {
            "CmcMail": {
                "type": "object",
                "required": ["id"],
                "properties": {
                    "id": {"type": "string", "format": "uuid", "description": "The key."},
                    "until": {"type": ["string", "null"], "format": "date-time", "examples": ["2023-01-25"]},
                },
            }
        }
    },
}


class TestOpenAPI:
    def lines(self, language="en"):
        return [*extension("openapi").Reference(API, language).lines()]

    def test_shows_method_path_summary_parameters_and_answers(self):
        lines = self.lines()

        assert "## `GET /mails/`" in lines
        assert "Mails, `status` \\[of\\] all." in lines
        assert lines[lines.index("`status__in`") + 1 :][:2] == [
            ": in the query, list of string",
            "  Example: `failed,bounced`",
        ]
        assert ": [`CmcMail`](#rest-schema-cmcmail) (`application/json`). A page." in lines
        assert lines[lines.index("`400`") + 1] == ": Invalid."

    def test_shows_the_fields_of_a_schema(self):
        lines = self.lines()

        assert lines[lines.index("`id`") + 1] == ": string (uuid), required. The key."
        assert lines[lines.index("`until`") + 1] == ": string (date-time) or null"

    def test_has_the_words_of_the_language(self):
        assert "**パラメーター**" in self.lines("ja")

    def test_has_the_same_words_in_both_languages(self):
        words = extension("openapi").WORDS

        assert {*words["en"]} == {*words["ja"]}


class TestPublicNames:
    def test_are_those_of_the_table(self):
        names = extension("public_names")
        listed = names.promised(pages.text("reference/python"))

        text = "\n".join(names.markdown(listed, "en"))

        assert len(listed) > 10
        for module, of_module in listed.items():
            assert f"## `{module}`" in text
            for name in of_module:
                assert f" {module}.{name}\n" in text or f" {name}" in text, name

    def test_list_the_fields_of_a_model_with_their_labels(self):
        from cmc_webhooks.models import Mail

        fields = [*extension("public_names").fields(Mail, "ja")]

        assert "- ``subject`` (TextField): 件名" in fields

    def test_have_docstrings_in_restructuredtext(self):
        lines = [
            "Return `it`.",
            "",
            "Raises:",
            "    ValueError: `it` is wrong",
            "        in a way.",
            "",
            "More.",
        ]

        assert extension("public_names").as_rst(lines) == [
            "Return ``it``.",
            "",
            "Raises:",
            "",
            "- ``ValueError``: ``it`` is wrong",
            "  in a way.",
            "",
            "More.",
        ]
