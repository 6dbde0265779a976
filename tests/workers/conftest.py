"""Without the workers' packages there is nothing to collect here."""

from __future__ import annotations

from importlib.util import find_spec

PACKAGES = ("django_tasks_db", "django_tasks_rq", "celery")

collect_ignore_glob = [] if all(find_spec(package) for package in PACKAGES) else ["test_*.py"]
