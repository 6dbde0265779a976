"""The fixture that installs the shop and makes its tables. Use it in tests with real transactions."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.db import connection
from django.test import modify_settings


@pytest.fixture
def shop(transactional_db):
    """Return the models of the shop, by name."""
    with modify_settings(INSTALLED_APPS={"append": "tests.shop"}):
        apps.clear_cache()  # Django forgets to do so for models that were imported before
        models = list(apps.get_app_config("shop").get_models())
        with connection.schema_editor() as editor:
            for model in models:
                editor.create_model(model)
        try:
            yield {model.__name__: model for model in models}
        finally:
            with connection.schema_editor() as editor:
                for model in reversed(models):
                    editor.delete_model(model)
    apps.clear_cache()
