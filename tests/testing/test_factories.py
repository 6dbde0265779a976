from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from cmc_webhooks.testing import factories

ROOT = Path(__file__).parents[2]


def run(code):
    return subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"DJANGO_SETTINGS_MODULE": "tests.settings", "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
    )


class TestFactories:
    @pytest.mark.django_db
    @pytest.mark.parametrize("name", factories.__all__)
    def test_make_rows_again_and_again(self, name):
        rows = getattr(factories, name).create_batch(3)

        assert {row.pk for row in rows} == set(type(rows[0]).objects.values_list("pk", flat=True))
        assert len({row.pk for row in rows}) == 3


class TestImports:
    def test_of_testing_need_neither_pytest_nor_factory_boy_nor_settings(self):
        ran = run(
            "import os, sys; sys.modules['pytest'] = sys.modules['factory'] = None\n"
            "del os.environ['DJANGO_SETTINGS_MODULE']\n"
            "import cmc_webhooks.testing"
        )

        assert (ran.returncode, ran.stderr) == (0, "")

    @pytest.mark.parametrize(
        ("module", "package"), [("plugin", "pytest"), ("factories", "factory")], ids=["plugin", "factories"]
    )
    def test_say_which_extra_is_missing(self, module, package):
        ran = run(
            f"import django, sys; django.setup(); sys.modules['{package}'] = None\n"
            f"import cmc_webhooks.testing.{module}"
        )

        assert 'pip install "django-cmc-webhooks[testing]"' in ran.stderr


class TestTypes:
    def test_are_those_of_the_factories(self):
        stub = Path(factories.__file__).with_suffix(".pyi").read_text()
        typed = dict(re.findall(r"^(\w+): Factory\[(\w+)\]$", stub, re.MULTILINE))

        assert typed == {name: getattr(factories, name)._meta.model.__name__ for name in factories.__all__}
