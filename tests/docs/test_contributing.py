"""What the page about contributing names is there: floors, environments, files and the demo's options."""

from __future__ import annotations

import configparser
import re
import tomllib

import pytest

from tests.helpers import pages


def environments():
    """The environments of tox.ini, each with its factors written out."""
    settings = configparser.ConfigParser(interpolation=None)
    settings.read(pages.ROOT / "tox.ini")
    names = {name.partition(":")[2] for name in settings.sections() if name.startswith("testenv:")}
    for name in names:
        stem, _, factors = name.partition("{")
        yield from (stem + factor for factor in factors.rstrip("}").split(","))


@pytest.mark.parametrize("language", pages.LANGUAGES)
class TestContributing:
    def test_has_the_floors_of_the_import_contract(self, language):
        settings = tomllib.loads((pages.ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        floors = settings["tool"]["importlinter"]["contracts"][0]["layers"]

        [block] = pages.blocks(pages.text("contributing", language), "text")

        assert block.splitlines() == floors, "copy the layers of pyproject.toml to contributing.md"

    def test_names_environments_that_exist(self, language):
        named = set(re.findall(r"tox run -e ([\w-]+)", pages.text("contributing", language)))
        of_any_version = {name for name in named if re.match(r"py\d+-django\d+-(postgresql|mariadb)$", name)}

        assert named - of_any_version <= {*environments()}

    def test_names_options_of_the_demo(self, language):
        source = (pages.ROOT / "example_project/shop/management/commands/demo.py").read_text(encoding="utf-8")
        named = re.findall(r"^\| `(--[\w-]+)[^`]*` \|", pages.text("contributing", language), re.MULTILINE)

        assert len(named) == 4
        assert [option for option in named if f'"{option}"' not in source] == []

    def test_names_files_that_exist(self, language):
        named = re.findall(
            r"`((?:cmc_webhooks|tests|docs|\.ci)/[\w/.-]+)`", pages.text("contributing", language)
        )

        assert named != []
        assert [name for name in named if not (pages.ROOT / name).exists()] == []
