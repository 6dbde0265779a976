"""The catalogues of messages say what the sources say, in whole."""

from __future__ import annotations

import gettext
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.utils import translation

import cmc_webhooks
from cmc_webhooks import checks, models
from cmc_webhooks.bounce_codes import BOUNCE_CODES, BounceClass

PACKAGE = Path(cmc_webhooks.__file__).parent
CATALOGUE = Path("locale") / "ja" / "LC_MESSAGES" / "django.po"

needs_gettext = pytest.mark.skipif(
    not shutil.which("xgettext") and not os.environ.get("CI"), reason="GNU gettext is not installed"
)


def lines_of(path):
    """A catalogue without the time of its making."""
    return [line for line in path.read_text().splitlines() if not line.startswith('"POT-Creation-Date')]


@needs_gettext
class TestCatalogue:
    def made(self, folder, command, *arguments):
        """A copy of the package after one of Django's commands was run in it."""
        copy = folder / "cmc_webhooks"
        shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
        subprocess.run(  # noqa: S603 - our own words
            [sys.executable, "-m", "django", command, "-l", "ja", *arguments],
            cwd=copy,
            env={"PATH": os.environ["PATH"]},
            check=True,
            capture_output=True,
            timeout=120,
        )
        return copy

    def test_has_every_message_of_the_sources_and_no_other(self, tmp_path):
        made = self.made(tmp_path, "makemessages", "--no-location", "--no-obsolete")

        assert lines_of(made / CATALOGUE) == lines_of(PACKAGE / CATALOGUE), (
            "run in cmc_webhooks/: django-admin makemessages -l ja --no-location --no-obsolete"
        )

    def test_is_compiled(self, tmp_path):
        committed = (PACKAGE / CATALOGUE).with_suffix(".mo").read_bytes()
        made = self.made(tmp_path, "compilemessages")

        assert (made / CATALOGUE).with_suffix(".mo").read_bytes() == committed, (
            "run in cmc_webhooks/: django-admin compilemessages -l ja"
        )

    def test_is_translated_as_a_whole(self):
        text = (PACKAGE / CATALOGUE).read_text()
        with (PACKAGE / CATALOGUE).with_suffix(".mo").open("rb") as file:
            compiled = gettext.GNUTranslations(file)._catalog  # what is empty or fuzzy is not compiled

        assert len(compiled) == text.count("\nmsgid ")
        assert "#, fuzzy" not in text


def labels():
    return {str(label) for label, _ in BOUNCE_CODES.values()} | {str(kind.label) for kind in BounceClass}


class TestJapanese:
    def test_is_there_for_every_label(self):
        with translation.override("en"):
            english = labels()
        with translation.override("ja"):
            japanese = labels()
            names = {str(model._meta.verbose_name) for model in (models.Mail, models.BounceEvent)}

        assert english & japanese == set()
        assert names == {"メール", "不達イベント（バウンス）"}

    def test_is_there_for_the_messages_of_checks(self, settings):
        settings.CMC_WEBHOOKS_API_KEYS = []
        with translation.override("ja"):
            messages = {message.id: message for message in checks.check_secrets(None)}

        assert messages["cmc_webhooks.E001"].msg.startswith("シークレットが設定されていない")
        assert messages["cmc_webhooks.E001"].hint.startswith("CMC_WEBHOOKS_API_KEYS")
