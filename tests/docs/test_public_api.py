"""What the docs say one may rely on is there, and is what `public_api.txt` has of it."""

from __future__ import annotations

import inspect
import os
import re
from importlib import import_module
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import get_commands, load_command_class
from django.db.models import Model
from django.dispatch import Signal

from cmc_webhooks.conf import DEFAULTS, PREFIX
from cmc_webhooks.models import querysets
from tests.helpers import pages

FILE = Path(__file__).parent / "public_api.txt"
HOW = (
    "What breaks needs a deprecation first, see docs/en/reference/python.md. If nothing does: "
    "CMC_WRITE_API=1 pytest tests/docs/test_public_api.py"
)
OF_EVERY_COMMAND = {
    *("-h", "-v", "--help", "--version", "--verbosity", "--settings", "--pythonpath", "--traceback"),
    *("--no-color", "--force-color", "--skip-checks"),
}


def promised():
    """The names of the page in the docs, by module."""
    page = pages.text("reference/python")
    entries = re.findall(r"^`(cmc_webhooks[\w.]*)`\n: ((?:.+\n)+)", page, re.MULTILINE)
    assert len(entries) > 10
    return {module: re.findall(r"`(\w+)`", names) for module, names in entries}


def described(name, value):
    """A line, or lines, that change when a caller would notice it."""
    if isinstance(value, type) and issubclass(value, Model):
        fields = ", ".join(field.name for field in value._meta.get_fields())
        return [f"{name}: {fields}"]
    if isinstance(value, type) and hasattr(value, "_fields"):
        return [f"{name}: {', '.join(value._fields)}"]
    if isinstance(value, type) and hasattr(value, "choices"):
        return [f"{name}: {', '.join(value.values)}"]
    if isinstance(value, Signal):
        return [f"{name}: a signal"]
    value = getattr(value, "func", value)  # a task
    value = getattr(value, "__wrapped__", value)  # a fixture
    if getattr(value, "_is_protocol", False):
        return [f"{name}{signature(value.__call__)}"]
    if isinstance(value, type):
        methods = [
            f"{name}.{each}{signature(method)}"
            for each, method in inspect.getmembers(value, inspect.isfunction)
            if method.__module__.startswith("cmc_webhooks") and not each.startswith("_")
        ]
        return [name, *methods]
    return [f"{name}{signature(value)}" if callable(value) else name]


def signature(function):
    """The arguments, without the address of a function that is a default."""
    return re.sub(r"<function .*?>\)?(?=[,)])", "...", str(inspect.signature(function)))


def lines():
    for module, names in promised().items():
        for name in names:
            yield from described(f"{module}.{name}", getattr(import_module(module), name))
    for kind in (
        querysets.MailQuerySet,
        querysets.DeliveryEventQuerySet,
        querysets.MailEventQuerySet,
        querysets.BlockEventQuerySet,
        querysets.NotificationQuerySet,
    ):
        yield from described(f"querysets.{kind.__name__}", kind)
    yield from (f"{PREFIX}{name} = {default!r}" for name, default in sorted(DEFAULTS.items()))
    for command in sorted(name for name, app in get_commands().items() if app == "cmc_webhooks"):
        parser = load_command_class("cmc_webhooks", command).create_parser("manage.py", command)
        options = [
            name
            for action in parser._actions
            for name in (action.option_strings or [action.dest.upper()])
            if name not in OF_EVERY_COMMAND
        ]
        yield f"{command} {' '.join(sorted(options))}".rstrip()
    for model in apps.get_app_config("cmc_webhooks").get_models():
        yield from (f"cmc_webhooks.{codename}" for codename, _ in model._meta.permissions)


class TestWhatOneMayRelyOn:
    @pytest.mark.parametrize(("module", "names"), promised().items(), ids=lambda value: str(value)[:40])
    def test_is_in_its_module_and_meant_for_others(self, module, names):
        found = pytest.importorskip(module)
        missing = [name for name in names if name not in getattr(found, "__all__", [*vars(found)])]

        assert missing == []

    @pytest.mark.parametrize(("module", "names"), promised().items(), ids=lambda value: str(value)[:40])
    def test_is_used_in_the_project_that_type_checkers_read(self, module, names):
        used = "".join(path.read_text() for path in sorted((FILE.parents[1] / "consumer").glob("*.py")))
        missing = [name for name in names if not re.search(rf"\b{name}\b", used)]

        assert missing == []

    def test_is_what_was_written_down(self):
        for needed in ("rest_framework", "factory", "pytest_django", "health_check"):
            pytest.importorskip(needed)
        text = "".join(f"{line}\n" for line in lines())
        if os.environ.get("CMC_WRITE_API"):
            FILE.write_text(text)

        assert text == FILE.read_text(), HOW
