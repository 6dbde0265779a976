"""The first migration makes the tables, columns and indexes that `tables.txt` lists, and no others."""

from __future__ import annotations

from pathlib import Path

from django.db.migrations.loader import MigrationLoader

FILE = Path(__file__).parent / "tables.txt"
SHAPE = ("max_length", "null", "unique", "db_index", "db_constraint", "db_column")


def lines(state):
    """Yield a line for each column and index of the app's models in a migration state."""
    for model in sorted(
        state.apps.get_app_config("cmc_webhooks").get_models(), key=lambda m: m._meta.db_table
    ):
        table = model._meta.db_table
        for field in model._meta.concrete_fields:
            shape = {name: getattr(field, name, None) for name in SHAPE}
            given = ", ".join(f"{name}={value}" for name, value in shape.items() if value)
            yield f"{table}.{field.column}: {field.get_internal_type()}({given})"
        for index in model._meta.indexes:
            condition = f" where {index.condition}" if index.condition else ""
            yield f"{table} index {index.name}: {', '.join(index.fields)}{condition}"


class TestTables:
    def test_are_those_that_were_written_down(self):
        found = [*lines(MigrationLoader(None).project_state())]

        assert found == FILE.read_text().splitlines(), (
            "A column or an index changed: if that is meant, write the lines to tests/models/tables.txt"
        )
