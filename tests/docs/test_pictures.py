"""The pictures of `docs/pictures.py` name all models, relations and statuses, and are those in `_static`."""

from __future__ import annotations

import itertools
import re
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest
from django.apps import apps

from cmc_webhooks import status, wire
from docs import pictures
from tests.helpers import pages

NAMES = [name for name, _ in pictures.pictures()]
HOW = "python docs/pictures.py"


def drawn(name):
    return ElementTree.fromstring(dict(pictures.pictures())[name])  # noqa: S314 - our own picture


def texts(name):
    return {each.text for each in drawn(name).findall(".//{*}text")}


def arrows(name):
    return {each.get("data-from-to") for each in drawn(name).findall(".//{*}path")} - {None}


class TestEach:
    @pytest.mark.parametrize("name", NAMES)
    def test_is_the_one_of_today(self, name):
        kept = (pages.DOCS / "_static" / name).read_text(encoding="utf-8")

        assert kept == dict(pictures.pictures())[name], HOW

    @pytest.mark.parametrize("name", NAMES)
    def test_has_a_title_and_a_dark_style(self, name):
        assert drawn(name).find("{*}title").text
        assert "prefers-color-scheme:dark" in drawn(name).find("{*}style").text

    @pytest.mark.parametrize("name", NAMES)
    def test_has_no_text_outside(self, name):
        for each in drawn(name).findall(".//{*}text"):
            assert 0 < float(each.get("x")) < pictures.WIDTH

    def test_is_in_its_language(self):
        for name in NAMES:
            japanese = any(re.search(r"[ぁ-ん]", text) for text in texts(name))
            assert japanese is ("-ja" in name)


class TestDataModel:
    @pytest.mark.parametrize("name", ["data-model.svg", "data-model-ja.svg"])
    def test_names_every_model_and_relation(self, name):
        models = apps.get_app_config("cmc_webhooks").get_models()
        keys = {
            f"{model.__name__}.{field.name}"
            for model in models
            for field in model._meta.concrete_fields
            if field.remote_field
        }

        assert {model.__name__ for model in models} <= texts(name)
        assert arrows(name) == keys
        assert len(keys) > 5

    def test_says_which_model_has_no_place(self, monkeypatch):
        monkeypatch.delitem(pictures.PLACES, "Trail")

        with pytest.raises(LookupError, match="Trail"):
            pictures.data_model("en")


def state(word, second):
    """The state of a mail after one event."""
    at = datetime(2023, 1, 25, 14, 6, second, tzinfo=UTC)
    key = wire.event_key("deliveries", "", {"status": word}, {}, at)
    return status.State(bounce_key=key) if word == status.BOUNCED else status.State(word, key)


class TestLife:
    @pytest.mark.parametrize("name", ["life.svg", "life-ja.svg"])
    def test_names_every_status(self, name):
        assert {*status.DeliveryStatus.values, status.BOUNCED} <= texts(name)

    def test_has_an_arrow_for_each_change_that_happens(self):
        words = [*status.DeliveryStatus.values, status.BOUNCED]
        changes = {
            f"{one} {other}"
            for one, other in itertools.permutations(words, 2)
            if status.merge(state(one, 1), state(other, 2)).status == other
        }

        assert arrows("life.svg") == changes
