"""`python -m tests.upgrade freeze FOLDER`, or `upgrade FOLDER`: see `frozen`."""

from __future__ import annotations

import os
import sys

import django

if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.upgrade.settings"
    django.setup()
    from tests.upgrade import frozen

    frozen.run(*sys.argv[1:])
