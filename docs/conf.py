"""Sphinx's configuration for both languages: `sphinx-build -c docs -D language=ja docs/ja OUT/ja`.

`build.py` builds the whole site: both languages, the page that chooses between them, and the search index.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS.parent), str(DOCS / "_ext")]
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_project.settings")

import django
from pygments.lexers.special import TextLexer

django.setup()

from django.contrib import admin

import cmc_webhooks

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.config import Config

admin.autodiscover()

project = "django-cmc-webhooks"
version = release = cmc_webhooks.__version__
author = "The cmc_webhooks developers"
language = "en"  # -D language=ja

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "japanese_line_breaks",
    "languages",
    "openapi",
    "public_names",
]
templates_path = ["_templates"]

# ---- Markdown ----------------------------------------------------------------------------------------------

myst_enable_extensions = ["attrs_block", "attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 3
highlight_language = "none"

# ---- Python ------------------------------------------------------------------------------------------------

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
add_module_names = False
python_use_unqualified_type_names = True
EXTERNAL = (
    # Their object inventories are not fetched: the site is built offline
    r"((django|rest_framework|health_check|factory|pytest|collections|typing)\.[\w.]+"
    r"|datetime(\.datetime)?|UUID|EmailMessage|BaseEmailBackend|Request|Signal"
    r"|Model|HttpRequest|SafeString)"
)
INTERNAL = (
    # Types of arguments and results that are no public names
    r"(TypedSignal|AnyStatusReceiver|Entry|Passage|(dispatch\.)?SweepResult|Scenario"
    r"|scenarios\.SimulatedEvent|wire\.Encoded|State)"
)
nitpick_ignore_regex = [(r"py:(class|obj)", EXTERNAL), (r"py:(class|obj)", INTERNAL)]

# ---- HTML --------------------------------------------------------------------------------------------------

html_theme = "furo"
html_static_path = ["_assets"]
html_css_files = ["site.css"]
html_favicon = "_assets/icon.svg"
html_copy_source = False
html_show_copyright = False
html_show_sourcelink = False
html_use_index = False
html_domain_indices = False
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "search_box.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}
html_theme_options = {
    "light_css_variables": {
        "font-stack": "var(--site-fonts)",
        "font-stack--monospace": "var(--site-code)",
    },
    "dark_css_variables": {},
}

TITLES = {"en": "django-cmc-webhooks", "ja": "django-cmc-webhooks"}


def use_language(app: Sphinx, config: Config) -> None:
    """Set what depends on the language, which the command line names."""
    config.html_title = TITLES[config.language]


def without_sphinx_search(app: Sphinx) -> None:
    """Leave out Sphinx's own search index: Pagefind makes one that finds Japanese words."""
    app.builder.search = False


def setup(app: Sphinx) -> None:
    app.add_lexer("crontab", TextLexer)
    app.connect("config-inited", use_language)
    app.connect("builder-inited", without_sphinx_search)
