"""Other ways to make the tables, other places for them, and a database that is read-only (D11)."""

from __future__ import annotations

import json

import pytest
from django.db import connection, connections

from cmc_webhooks import models
from tests.conftest import bounce, delivery, notification
from tests.helpers.projects import KEY, Project, new_databases

pytestmark = pytest.mark.django_db(transaction=True)

TENANTS = ("north", "south", "empty")
"""The tables of the last one were never made."""
NUMBER = 15

# Each tenant has an alias, by its database, which a router chooses
BY_ROUTER = """
    from contextvars import ContextVar
    TENANT = ContextVar("tenant", default=os.environ.get("TENANT", "north"))
    DATABASES |= {{name: {{**DATABASES["default"], "NAME": place}} for name, place in {places!r}.items()}}
    DATABASE_ROUTERS = ["tenants.Router"]
    MIDDLEWARE.insert(0, "tenants.choose")
"""
ROUTER = """
    from django.conf import settings

    class Router:
        def db_for_read(self, model, **hints):
            return settings.TENANT.get()

        db_for_write = db_for_read

    def choose(get_response):
        def middleware(request):
            token = settings.TENANT.set(request.get_host().partition(".")[0])
            try:
                return get_response(request)
            finally:
                settings.TENANT.reset(token)
        return middleware
"""
# Each tenant has a schema, chosen by the search path of the one connection
BY_SEARCH_PATH = """
    from contextvars import ContextVar
    TENANT = ContextVar("tenant", default=os.environ.get("TENANT", "north"))
    MIDDLEWARE.insert(0, "tenants.choose")
    INSTALLED_APPS.append("tenants")
"""
SEARCH_PATH = """
    from django.conf import settings
    from django.db import connection
    from django.db.backends.signals import connection_created

    def set_path(connection, **kwargs):
        with connection.cursor() as cursor:
            cursor.execute(f"SET search_path TO {settings.TENANT.get()}")

    connection_created.connect(set_path)

    def choose(get_response):
        def middleware(request):
            token = settings.TENANT.set(request.get_host().partition(".")[0])
            try:
                set_path(connection)
                return get_response(request)
            finally:
                settings.TENANT.reset(token)
        return middleware
"""
SCRIPT = """
    import json
    from django.conf import settings
    from django.contrib.auth import get_user_model
    from django.test import Client
    from django.urls import reverse
    from cmc_webhooks import suppression

    def at(tenant):
        settings.TENANT.set(tenant)
        if {by_path}:
            from django.db import connection
            from tenants import set_path
            set_path(connection)
        return Client(headers={{"Host": f"{{tenant}}.example.com"}}, raise_request_exception=False)

    def post(tenant, body):
        answer = at(tenant).post("/cmc/webhook", body, content_type="application/json")
        return [answer.status_code, answer.headers.get("Retry-After", ""), answer.content.decode()]

    def seen(tenant):
        browser = at(tenant)
        user = get_user_model()._default_manager.create_superuser("staff", password="secret")
        browser.force_login(user)
        page = browser.get("/admin/cmc_webhooks/mail/")
        rows = browser.post(reverse("admin:cmc_webhooks_mail_export"))
        lines = b"".join(rows.streaming_content).decode().splitlines()
        pages = [page.status_code, page.context_data["cl"].result_count, len(lines) - 1]
        statuses = sorted(mail.status for mail in page.context_data["cl"].result_list)
        return pages, statuses, suppression.may_send("user@example.jp")

    delivered, bounced = {delivered!r}, {bounced!r}
    print(json.dumps([post("north", delivered), post("south", bounced), post("empty", bounced)]))
    print(json.dumps([post("north", delivered), post("south", bounced), post("empty", bounced)]))
    print(json.dumps([seen("north"), seen("south")]))
"""
BODIES = {
    "delivered": notification(
        "deliveries",
        *(delivery(f"<{n}@x>", status="succeeded") for n in range(NUMBER)),
        api_key=KEY,
    ).decode(),
    "bounced": notification(
        "bounces", *(bounce(f"<{n}@x>", status="2") for n in range(NUMBER)), api_key=KEY
    ).decode(),
}
POST = """
    import json
    from django.contrib.auth import get_user_model
    from django.test import Client
    from cmc_webhooks import models, suppression

    browser = Client()
    for body in {bodies!r}:
        answer = browser.post("/cmc/webhook", body, content_type="application/json")
        print(answer.status_code, answer.content.decode())
    browser.force_login(get_user_model()._default_manager.create_superuser("staff", password="secret"))
    page = browser.get("/admin/cmc_webhooks/mail/")
    print(page.status_code, page.context_data["cl"].result_count)
    print(*sorted(set(models.Mail.objects.values_list("status", flat=True))))
    print(suppression.may_send("user@example.jp"))
"""


def run(sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)


def check_tenants(project, by_path, monkeypatch):
    """Post the same message ids to the tenants of a project, and compare what each of them shows."""
    script = SCRIPT.format(by_path=by_path, **BODIES)

    first, again, seen = map(json.loads, project.python(script).splitlines())

    assert [status for status, *_ in first + again] == [200, 200, 503] * 2
    assert [json.loads(text) for _, _, text in first[:2]] == [
        {"new": NUMBER, "repeated": 0, "rejected": 0}
    ] * 2
    assert [json.loads(text) for _, _, text in again[:2]] == [
        {"new": 0, "repeated": NUMBER, "rejected": 0}
    ] * 2
    assert int(first[2][1]) > 0
    assert "run manage.py migrate" in first[2][2]
    assert seen == [
        [[200, NUMBER, NUMBER], ["succeeded"] * NUMBER, True],
        [[200, NUMBER, NUMBER], ["bounced"] * NUMBER, False],
    ]
    for tenant in TENANTS:
        monkeypatch.setenv("TENANT", tenant)
        for command in ("cmc_rebuild_status", "cmc_rebuild_counts"):
            ran = project.manage(command, "--check")
            assert (ran.returncode, "migrate" in ran.stderr) == (
                (1, True) if tenant == "empty" else (0, False)
            )


class TestD11:
    """Guard: other databases, other ways to make tables."""

    def test_tenants_with_a_database_each(self, tmp_path, monkeypatch):
        with new_databases(*TENANTS) as urls:
            places = {name: url.rpartition("/")[2] or f"{tmp_path}/{name}" for name, url in urls.items()}
            project = Project(tmp_path, BY_ROUTER.format(places=places), url=urls["north"])
            project.write("tenants.py", ROUTER)
            for tenant in TENANTS[:2]:
                monkeypatch.setenv("TENANT", tenant)
                ran = project.manage("migrate", "--database", tenant)
                assert ran.returncode == 0, ran.stderr

            check_tenants(project, by_path=False, monkeypatch=monkeypatch)

    @pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL alone has a search path")
    def test_tenants_with_a_schema_each(self, tmp_path, monkeypatch):
        with new_databases("tenants") as urls:
            project = Project(tmp_path, BY_SEARCH_PATH, url=urls["tenants"])
            project.write("tenants.py", SEARCH_PATH)
            made = "; ".join(f"CREATE SCHEMA {tenant}" for tenant in TENANTS)
            project.python(f"from django.db import connection; connection.cursor().execute({made!r})")
            for tenant in TENANTS[:2]:
                monkeypatch.setenv("TENANT", tenant)
                ran = project.manage("migrate")
                assert ran.returncode == 0, ran.stderr

            check_tenants(project, by_path=True, monkeypatch=monkeypatch)

    def test_tables_made_without_migrations(self, tmp_path):
        with new_databases("synced") as urls:
            project = Project(tmp_path, 'MIGRATION_MODULES = {"cmc_webhooks": None}', url=urls["synced"])

            assert project.manage("migrate", "--run-syncdb").returncode == 0
            lines = project.python(POST.format(bodies=[*BODIES.values(), BODIES["bounced"]])).splitlines()
            commands = [
                project.manage(*words.split())
                for words in (
                    "cmc_status",
                    "cmc_rebuild_status --check",
                    "cmc_rebuild_counts --check",
                    "cmc_prune --kind mails --days 60",
                    "cmc_erase user@example.jp --no-input",
                )
            ]
            checked = project.check("--database", "default")

        assert lines == [
            f'200 {{"new": {NUMBER}, "repeated": 0, "rejected": 0}}',
            f'200 {{"new": {NUMBER}, "repeated": 0, "rejected": 0}}',
            f'200 {{"new": 0, "repeated": {NUMBER}, "rejected": 0}}',
            f"200 {NUMBER}",
            "bounced",
            "False",
        ]
        assert [ran.stderr for ran in commands] == [""] * len(commands)
        assert [ran.returncode for ran in commands] == [0] * len(commands)
        assert "W081" not in checked

    @pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL alone has such connections")
    @pytest.mark.parametrize("number", [1, 2, 20])
    def test_a_kept_connection_that_became_read_only(self, hook, number):
        events = [delivery(f"<{n}@x>") for n in range(number)]
        run("SET default_transaction_read_only = on")
        process = connection.connection.info.backend_pid

        first, again = hook.send("deliveries", *events), hook.send("deliveries", *events)

        assert first.json() == {"new": number, "repeated": 0, "rejected": 0}
        assert again.json() == {"new": 0, "repeated": number, "rejected": 0}
        assert connection.connection.info.backend_pid != process

    @pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL alone has such databases")
    def test_a_read_only_database(self, hook):
        name = connection.settings_dict["NAME"]
        run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        connection.close()
        try:
            refused = [hook.send("deliveries", delivery(f"<{n}@x>")) for n in range(2)]
        finally:
            run("SET default_transaction_read_only = off")
            run(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        process = connection.connection.info.backend_pid
        stored = hook.send("deliveries", delivery("<0@x>"))

        assert [answer.status_code for answer in refused] == [503] * 2
        assert all(int(answer.headers["Retry-After"]) > 0 for answer in refused)
        assert (stored.status_code, models.DeliveryEvent.objects.count()) == (200, 1)
        assert connections["default"].connection.info.backend_pid == process
