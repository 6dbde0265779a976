from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from django.apps import apps
from django.core.checks import run_checks
from django.core.management import call_command
from django.db import connection, connections
from django.test import override_settings

from cmc_webhooks import checks, conf
from cmc_webhooks.conf import PREFIX
from cmc_webhooks.models import Mail
from tests.helpers import pages


def ids(messages):
    return [message.id.removeprefix("cmc_webhooks.") for message in messages]


def found(**values):
    """The ids for a project with these settings."""
    with override_settings(**{PREFIX + name: value for name, value in values.items()}):
        return ids(checks.check_settings(None))


class TestCheckSettings:
    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            ({"API_KEY": "x"}, ["E006"]),
            ({"STORE_SUBJECT": "no"}, ["E007"]),
            ({"ALLOW_UNAUTHENTICATED": 1}, ["E007"]),
            ({"MAX_BODY": "2 MiB"}, ["E008"]),
            ({"MAX_EVENTS": 0}, ["E008"]),
            ({"MAX_XLSX_ROWS": 0}, ["E008"]),
            ({"API_DATA_OF": {"auth.User": "username"}}, []),
            ({"API_DATA_OF": {"auth.user": "get_username", "auth.Group": "tests.conftest.delivery"}}, []),
            ({"API_DATA_OF": [("auth.User", "username")]}, ["E109"]),
            ({"API_DATA_OF": {"auth.Nobody": "username"}}, ["E109"]),
            ({"API_DATA_OF": {"User": "username"}}, ["E109"]),
            ({"API_DATA_OF": {1: "username"}}, ["E109"]),
            ({"API_DATA_OF": {"auth.User": "number"}}, ["E109"]),
            ({"API_DATA_OF": {"auth.User": None}}, ["E109"]),
            ({"API_DATA_OF": {"auth.User": "tests.nothing"}}, ["E109"]),
            ({"API_DATA_OF": {"auth.User": "tests.helpers.factories.START"}}, ["E109"]),
            ({"TRUSTED_PROXIES": True}, ["E008"]),
            ({"TRUSTED_PROXIES": -1}, ["E008"]),
            ({"TIME_ZONE": "JST+9"}, ["E009"]),
            ({"TIME_ZONE": "../etc/passwd"}, ["E009"]),
            ({"TIME_ZONE": None}, ["E009"]),
            ({"TIME_ZONE": ""}, ["E009"]),
            ({"DISPATCH": "later"}, ["E010"]),
            ({"DISPATCH": "tests.helpers.factories.nothing"}, ["E010"]),
            ({"DISPATCH": "tests.helpers.factories.START"}, ["E010"]),
            ({"DISPATCH": "tests.helpers.factories.MailFactory"}, []),
            ({"DISPATCH": ".tasks.wake_up"}, ["E010"]),
            ({"DISPATCH": "../x"}, ["E010"]),
            ({"DISPATCH": ".x"}, ["E010"]),
            ({"RELATED_OBJECT": ".tests.helpers.factories"}, ["E041"]),
            ({"RELATED_OBJECT": 1}, ["E041"]),
            ({"EMAIL_BACKEND": "..backend"}, ["E042"]),
            ({"EMAIL_BACKEND": None}, ["E042"]),
            ({"ALLOWED_NETWORKS": "192.0.2.0/24"}, ["E011"]),
            ({"ALLOWED_NETWORKS": ["192.0.2.0/33"]}, ["E011"]),
            ({"ALLOWED_NETWORKS": [1]}, ["E011"]),
            ({"ALLOWED_NETWORKS": []}, ["E011"]),
            ({"ALLOWED_NETWORKS": ["192.0.2.1", "2001:db8::/32"]}, []),
            ({"RELATED_OBJECT": "tests.nothing"}, ["E041"]),
            ({"EMAIL_BACKEND": "tests.nothing"}, ["E042"]),
            ({"DROP_SUPPRESSED": "no"}, ["E007"]),
            ({"REST_MAY_LIFT": "yes"}, ["E007"]),
            ({"COMPOSITION": ""}, ["E087"]),
            ({"COMPOSITION": ["pro"]}, ["E087"]),
            ({"COMPOSITION": "pro"}, []),
            ({"TRANSACTIONAL": True}, ["E088"]),
            ({"TRANSACTIONAL": "tests.nothing"}, ["E088"]),
            ({"TRANSACTIONAL": "tests.conftest.delivery"}, []),
            ({"RELATED_OBJECT": "tests.helpers.factories.START"}, ["E041"]),
            ({"RELATED_OBJECT": "tests.conftest.delivery"}, []),
            ({"MAX_SILENCE": "2h"}, ["E035"]),
            ({"MAX_SILENCE": 0}, ["E035"]),
            ({"MAX_SILENCE": True}, ["E035"]),
            ({"MAX_SILENCE": float("inf")}, ["E035"]),
            ({"MAX_SILENCE": float("nan")}, ["E035"]),
            ({"MAX_SILENCE": "AUTO"}, ["E035"]),
            ({"MAX_SILENCE": "auto"}, []),
            ({"MAX_SILENCE": None}, []),
            ({"MAX_SILENCE": 7200}, []),
            ({"MAX_SILENCE": 0.5}, []),
            ({"EMAIL_BACKEND": "cmc_webhooks.email_backend.SuppressingBackend"}, ["E045"]),
            ({"MAX_BODY": 4 * 1024 * 1024}, ["W046"]),
            ({"MAX_BODY": 2_621_440}, []),
            ({"MAX_EVENTS": 99}, ["W049"]),
            ({"MAX_EVENTS": 100}, []),
        ],
        ids=str,
    )
    def test_names_each_mistake(self, values, expected):
        assert found(**values) == expected

    @pytest.mark.parametrize(("limit", "expected"), [(None, []), (1_000, ["W046"])])
    def test_knows_the_limit_of_django(self, limit, expected):
        with override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=limit):
            assert found(MAX_BODY=2_000) == expected
            assert found() == []  # who has not chosen one has Django's

    @pytest.mark.parametrize(
        ("proxies", "expected"), [(0, ["W012"]), (1, [])], ids=["no trusted proxy", "one trusted proxy"]
    )
    def test_knows_an_allow_list_behind_a_proxy(self, proxies, expected):
        with override_settings(SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https")):
            assert found(ALLOWED_NETWORKS=["192.0.2.0/24"], TRUSTED_PROXIES=proxies) == expected


class TestDeferred:
    @pytest.mark.parametrize(
        ("installed", "tasks", "expected"),
        [
            pytest.param([], None, ["E022"], id="Django 5.2 without the package"),
            pytest.param(["django_tasks"], None, ["W023"], id="the default backend"),
            pytest.param(
                ["django_tasks"],
                {"default": {"BACKEND": "django_tasks.backends.dummy.DummyBackend"}},
                ["W023"],
                id="a backend without workers",
            ),
            pytest.param(
                ["django_tasks"],
                {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}},
                [],
                id="workers",
            ),
        ],
    )
    def test_needs_tasks_and_workers(self, monkeypatch, installed, tasks, expected):
        monkeypatch.setattr(checks.settings.django, "VERSION", (5, 2, 0, "final", 0))
        monkeypatch.setattr(checks.settings.apps, "is_installed", installed.__contains__)
        with override_settings(TASKS=tasks):
            assert found(DISPATCH="deferred") == expected

    def test_needs_no_package_from_django_6_on(self, monkeypatch):
        monkeypatch.setattr(checks.settings.django, "VERSION", (6, 0, 0, "final", 0))
        with override_settings(TASKS={"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}):
            assert found(DISPATCH="deferred") == []


@pytest.mark.skipif(find_spec("rest_framework") is None, reason="the extra api is not installed")
class TestApi:
    MINE = "cmc_webhooks.api.permissions.MayView"

    @pytest.mark.parametrize(
        ("paths", "expected"),
        [
            ([MINE], []),
            (MINE, []),
            ((MINE, "rest_framework.permissions.IsAdminUser"), []),
            ([], ["E024"]),
            (None, ["E024"]),
            (7, ["E024"]),
            ([None], ["E024"]),
            ([b"x"], ["E024"]),
            ([object], ["E024"]),
            ([MINE, ".permissions.MayView"], ["E024"]),
            (["tests.nothing"], ["E024"]),
            (["tests.helpers.factories.START"], ["E024"]),
        ],
        ids=str,
    )
    def test_wants_paths_of_permission_classes(self, paths, expected):
        assert found(API_PERMISSIONS=paths) == expected

    def test_wants_the_templates_of_its_filters(self, monkeypatch):
        monkeypatch.setattr(checks.settings.apps, "is_installed", ["rest_framework"].__contains__)

        assert found() == ["W025"]


class Scattered:
    """A router that tears the app apart."""

    def db_for_write(self, model, **hints):
        return "default" if model is Mail else "other"


class TestCheckDatabaseSettings:
    def found(self, monkeypatch, vendor, **values):
        real = connections["default"]
        monkeypatch.setattr(real, "vendor", vendor)
        monkeypatch.setattr(real, "settings_dict", {"OPTIONS": {}, "CONN_MAX_AGE": 60, **values})
        return ids(checks.check_database_settings(None))

    @pytest.mark.parametrize(
        ("vendor", "values", "expected"),
        [
            ("sqlite", {}, ["W017"]),
            ("sqlite", {"OPTIONS": {"transaction_mode": "immediate"}}, []),
            ("postgresql", {}, []),
            ("postgresql", {"CONN_MAX_AGE": None}, []),
            ("postgresql", {"CONN_MAX_AGE": 0}, ["W018"]),
            ("postgresql", {"CONN_MAX_AGE": 0, "OPTIONS": {"pool": True}}, ["W070"]),
            ("postgresql", {"CONN_MAX_AGE": 0, "OPTIONS": {"pool": {"timeout": 3}}}, []),
            ("postgresql", {"CONN_MAX_AGE": 0, "OPTIONS": {"pool": {"timeout": 10.5}}}, ["W070"]),
            ("postgresql", {"CONN_MAX_AGE": 0, "OPTIONS": {"pool": {"min_size": 2}}}, ["W070"]),
            ("postgresql", {"OPTIONS": {"isolation_level": 3}}, ["W019"]),
            ("postgresql", {"OPTIONS": {"isolation_level": 2}}, []),
            ("mysql", {}, []),
            ("mysql", {"OPTIONS": {"isolation_level": "repeatable read"}}, ["W019"]),
            ("mysql", {"OPTIONS": {"isolation_level": None}}, ["W019"]),
        ],
        ids=str,
    )
    def test_names_each_hindrance(self, monkeypatch, vendor, values, expected):
        assert self.found(monkeypatch, vendor, **values) == expected

    def test_wants_the_whole_app_in_one_database(self):
        with override_settings(DATABASE_ROUTERS=["tests.checks.test_checks.Scattered"]):
            assert "E016" in ids(checks.check_database_settings(None))


@pytest.mark.django_db
class TestCheckDatabases:
    def test_asks_no_server_that_it_was_not_told_to(self, django_assert_num_queries):
        with django_assert_num_queries(0):
            assert checks.check_databases(None, databases=None) == []

    def test_refuses_an_old_mariadb(self, monkeypatch):
        monkeypatch.setattr(connection, "mysql_is_mariadb", True, raising=False)
        monkeypatch.setattr(connection, "mysql_version", (10, 11, 4), raising=False)
        monkeypatch.setattr(connection, "vendor", "mysql")

        assert ids(checks.check_databases(None, databases=["default"])) == ["E020"]

    def test_says_that_mysql_is_not_tested(self, monkeypatch):
        monkeypatch.setattr(connection, "mysql_is_mariadb", False, raising=False)

        assert ids(checks.check_databases(None, databases=["default"])) == ["W072"]

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("charset", ["utf8mb3", "latin1"])
    def test_warns_of_a_table_in_another_charset(self, charset):
        if connection.vendor != "mysql":
            pytest.skip("only MariaDB has a charset for each table")
        table = Mail._meta.db_table
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {table} CONVERT TO CHARACTER SET {charset}")
        try:
            found = checks.check_databases(None, databases=["default"])
        finally:
            call_command("migrate", "cmc_webhooks", "zero", verbosity=0)
            call_command("migrate", "cmc_webhooks", verbosity=0)

        assert ids(found) == ["W071"]
        assert table in found[0].msg

    def test_warns_of_one_column_in_another_charset(self, monkeypatch):
        asked = []

        class Connection:
            vendor, mysql_is_mariadb, mysql_version = "mysql", True, (10, 11, 6)
            cursor = staticmethod(lambda: Cursor())

        class Cursor:
            __enter__ = __exit__ = lambda self, *args: self
            execute = staticmethod(lambda *args: asked.append(args))
            fetchall = staticmethod(lambda: [("cmc_webhooks_mail",)])

        monkeypatch.setattr(checks.databases, "connections", {"default": Connection})

        found = checks.check_databases(None, databases=["default"])

        assert ids(found) == ["W071"]
        assert "cmc_webhooks_mail" in found[0].msg
        ours = apps.get_app_config("cmc_webhooks").get_models()
        assert asked[0][1] == [model._meta.db_table for model in ours]

    def test_is_content_with_the_databases_of_the_tests(self):
        assert checks.check_databases(None, databases=["default"]) == []

    def test_warns_of_sqlite_without_wal(self, monkeypatch):
        class Connection:
            vendor = "sqlite"
            is_in_memory_db = staticmethod(lambda: False)
            cursor = staticmethod(lambda: Cursor())

        class Cursor:
            __enter__ = __exit__ = lambda self, *args: self
            execute = staticmethod(lambda sql: Cursor())
            fetchone = staticmethod(lambda: ("delete",))

        monkeypatch.setattr(checks.databases, "connections", {"default": Connection})

        assert ids(checks.check_databases(None, databases=["default"])) == ["W021"]


class TestRegister:
    @pytest.mark.django_db
    def test_makes_django_run_them_and_finds_no_fault_with_the_tests_project(self):
        ours = [message for message in run_checks(databases=["default"]) if "cmc_webhooks" in message.id]

        assert ids(ours) == []

    def test_gives_each_check_an_id_of_its_own_that_the_docs_explain(self):
        source = "".join(path.read_text() for path in Path(checks.__file__).parent.glob("*.py"))

        used = re.findall(r'"([EW]\d{3})",', source)

        assert len(used) == len(set(used))
        table = pages.text("reference/checks")
        missing = [number for number in used if number not in table]
        assert missing == [], f"reference/checks.md, table of checks: add {missing}"


class TestDefaults:
    def test_are_all_in_the_docs(self):
        table = pages.text("reference/settings")

        missing = [name for name in conf.DEFAULTS if f"`{name}`" not in table]

        assert missing == [], f"reference/settings.md, table of settings: add {missing}"
