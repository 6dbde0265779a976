"""The paste run (`tox run -e paste-django61`) notices pages that do not do what they say."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location

import django
import pytest

from tests.helpers.pages import DOCS, ROOT, Block


@pytest.fixture(scope="module")
def paste():
    spec = spec_from_file_location("paste", ROOT / ".ci" / "paste.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.modules.pop("pages")  # its own copy


@pytest.fixture
def project(paste, tmp_path):
    return paste.Project(tmp_path, "en")


class TestFiles:
    def test_are_written_and_settings_are_added_to(self, project):
        for folder in ("mysite", "shop"):
            (project.folder / folder).mkdir()

        for text in ("# mysite/settings.py\na = 1\n", "# mysite/settings.py\nb = 2\n"):
            project.paste_block(DOCS, Block(1, "python", text, ""))
        for text in ("# shop/apps.py\na = 1\n", "# shop/apps.py\nb = 2\n"):
            project.paste_block(DOCS, Block(1, "python", text, ""))

        settings = (project.folder / "mysite/settings.py").read_text()
        assert "a = 1" in settings
        assert "b = 2" in settings
        assert (project.folder / "shop/apps.py").read_text() == "# shop/apps.py\nb = 2\n"

    def test_have_a_path_in_their_first_line(self, paste, project):
        with pytest.raises(paste.PasteError, match="line 7: neither a file"):
            project.paste_block(DOCS, Block(7, "python", "a = 1\n", ""))

    def test_are_shown_in_part(self, paste):
        page = DOCS / "en" / "tutorial" / "first-receiver.md"
        block = Block(
            1, "literalinclude", ":end-before: class Customer\n", "", "../../example/shop/models.py"
        )

        shown = paste.shown(page, block)

        assert "class Order" in shown
        assert "class Customer" not in shown


class TestCommands:
    def test_fail_with_their_exit_code(self, paste, project):
        with pytest.raises(paste.PasteError, match="exit code 3"):
            project.run("echo begun\nexit 3\n")

        assert "  begun" in project.lines

    def test_print_what_the_page_shows(self, paste, project):
        project.run("echo one; echo took 0.27s; echo three\n")

        project.compare("one\ntook 0.03s\n")
        with pytest.raises(paste.PasteError, match="not printed"):
            project.compare("three\none\n")

    def test_of_a_crontab_have_no_variables_of_a_shell(self, paste, project, monkeypatch):
        monkeypatch.setenv("CMC_API_KEY", "of-the-shell")

        project.cron('*/5 * * * * echo "[$CMC_API_KEY]"')

        assert project.printed == "[]\n"

    @pytest.mark.parametrize("line", ["* * * * * date +%F", "* * * *"])
    def test_of_a_crontab_run_as_they_stand(self, paste, project, line):
        with pytest.raises(paste.PasteError, match="not a line that cron runs"):
            project.cron(line)

    def test_install_what_is_named_and_no_more(self, paste):
        pytest.importorskip("django_filters")

        assert {"django-filter", "djangorestframework"} <= paste.needed(["django-cmc-webhooks[api]"]).keys()
        assert "djangorestframework" not in paste.needed(["django-cmc-webhooks"])
        for wrong in ("django-cmc-webhooks[apis]", "no-such-package-of-cmc"):
            with pytest.raises(paste.PasteError):
                paste.needed([wrong])

    def test_are_for_one_django_where_the_page_says_so(self, paste):
        before = ["On Django 5.2:", "", "<!-- run by x -->", "```sh", "ls", "```", ""]

        assert paste.is_for_this_django(before) == (django.VERSION < (6, 0))
        assert paste.is_for_this_django([*before, "Then:"])
