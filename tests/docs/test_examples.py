"""The docs' examples of suppression, own objects, retention and erasure, run as they stand there."""

from __future__ import annotations

import re
import tomllib
from datetime import timedelta

import pytest
from django.utils import timezone

from cmc_webhooks import suppression
from tests.helpers import factories, pages

pytestmark = pytest.mark.django_db

LOCMEM = "django.core.mail.backends.locmem.EmailBackend"


def blocks(page, language="python"):
    """The blocks of code of a page."""
    return pages.blocks(pages.text(page), language)


def settings_of(block):
    """The settings that a block assigns."""
    values = {}
    exec(block, {}, values)  # noqa: S102 - our own words
    return values


class TestInstall:
    def test_names_every_extra(self):
        extras = tomllib.loads((pages.ROOT / "pyproject.toml").read_text())["project"][
            "optional-dependencies"
        ]
        named = re.findall(r"^\| `(\w+)` \|", pages.text("tutorial/install"), re.MULTILINE)

        assert set(extras) - {*named} == set()


class TestLookUps:
    def test_stand_alone(self):
        mail, day = factories.MailFactory(), timedelta(days=1)
        names = {"mail": mail, "after": timezone.now() - day, "before": timezone.now()}

        exec(blocks("reference/models")[0], names)  # noqa: S102 - our own words


class TestMayISendToIt:
    def test_asks_about_one_and_about_many(self, capsys):
        factories.MailFactory(recipient="user@example.jp", bounce_code="2", created_at=timezone.now())
        addresses = ["user@example.jp", "other@example.jp"]

        exec(blocks("reference/suppression")[0], {"addresses": addresses})  # noqa: S102 - our own words

        first, second = capsys.readouterr().out.splitlines()
        assert first.startswith("user@example.jp False hard ")
        assert second == "other@example.jp True  None None"

    def test_lists_all_suppressed_addresses(self, capsys):
        for recipient in ("user@example.jp", "other@example.com"):
            factories.MailFactory(recipient=recipient, bounce_code="2", created_at=timezone.now())
        found = {"suppression": suppression}

        exec(blocks("reference/suppression")[1], found)  # noqa: S102 - our own words

        assert capsys.readouterr().out.split()[0] == "user@example.jp"
        assert len(found["page"].rows) == 2
