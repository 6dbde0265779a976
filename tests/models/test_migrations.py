from __future__ import annotations

import ast
from pathlib import Path

import pytest
from django.core.management import call_command

from cmc_webhooks import migrations


@pytest.mark.django_db
class TestMigrations:
    @pytest.mark.parametrize("auto_field", ["AutoField", "BigAutoField", "SmallAutoField"])
    def test_lack_nothing_whatever_the_projects_key_is(self, settings, auto_field):
        settings.DEFAULT_AUTO_FIELD = f"django.db.models.{auto_field}"

        assert call_command("makemigrations", "cmc_webhooks", check=True, dry_run=True, verbosity=0) is None

    def test_import_nothing_from_the_app(self):
        files = list(Path(migrations.__file__).parent.glob("0*.py"))
        imported = {
            node.module or ""
            for file in files
            for node in ast.walk(ast.parse(file.read_text()))
            if isinstance(node, ast.ImportFrom)
        }

        assert len(files) == 1
        assert not [name for name in imported if name.startswith("cmc_webhooks")]
