"""Mistakes of a set-up, each made in a fresh project, and what its developer reads."""

from __future__ import annotations

import django
import pytest
from django.db import connection
from django.http import HttpResponsePermanentRedirect

from cmc_webhooks import testing
from cmc_webhooks.rest import Client
from tests.conftest import delivery, notification
from tests.helpers import pages
from tests.helpers.projects import KEY, Project, new_databases

URLS = """
    from django.urls import include, path

    urlpatterns = [{patterns}]
"""
WEBHOOK = 'path("cmc/webhook", include("cmc_webhooks.urls"))'


def project(folder, settings="", patterns=WEBHOOK, **options):
    made = Project(folder, settings, urls=URLS.format(patterns=patterns), **options)
    made.write("shop/__init__.py", "")
    made.write("shop/orders.py", "NUMBER = 1\n\n\ndef find(text):\n    return None\n")
    made.write("shop/broken.py", "raise RuntimeError('of shop')\n")
    return made


class TestD81:
    """A wrong setting is reported with its value and the reason."""

    PATHS = """
        CMC_WEBHOOKS_RELATED_OBJECT = "{path}"
        CMC_WEBHOOKS_DISPATCH = "shop.orders.gone"
        CMC_WEBHOOKS_EMAIL_BACKEND = "shop.orders.NUMBER"
        CMC_WEBHOOKS_TIME_ZONE = "Mars/Base"
        CMC_WEBHOOKS_MAX_EVENTS = "many"
        CMC_WEBHOOKS_STORE_SUBJECT = "yes"
        CMC_WEBHOOKS_APIKEYS = ["x"]
        CMC_WEBHOOKS_ODDITY = 1
        CMC_WEBHOOK_HEALTH_TOKENS = ["y"]
        CMC_BUDGET = 1
    """

    @pytest.mark.parametrize(
        ("path", "reason"),
        [
            ("shop.gone.f", "No module named 'shop.gone'"),
            ("shop.broken.f", "RuntimeError: of shop"),
            ("nonsense", "nonsense doesn't look like a module path"),
        ],
    )
    def test_in_english(self, tmp_path, path, reason):
        printed = project(tmp_path, self.PATHS.format(path=path)).check()

        for message in (
            f'CMC_WEBHOOKS_RELATED_OBJECT is "{path}": {reason}.',
            'CMC_WEBHOOKS_DISPATCH is "shop.orders.gone": Module "shop.orders" does not define a "gone"',
            'CMC_WEBHOOKS_EMAIL_BACKEND is "shop.orders.NUMBER": it is not callable.',
            'CMC_WEBHOOKS_TIME_ZONE is "Mars/Base", which is not a valid time zone.',
            'CMC_WEBHOOKS_MAX_EVENTS is "many", which is not an integer.',
            "Set it to an integer of at least 1.",
            'CMC_WEBHOOKS_STORE_SUBJECT is "yes", which is neither True nor False.',
            "Unknown setting CMC_WEBHOOKS_APIKEYS. Did you mean CMC_WEBHOOKS_API_KEYS?",
            "Unknown setting CMC_WEBHOOKS_ODDITY. HINT",
            "Unknown setting CMC_WEBHOOK_HEALTH_TOKENS. Did you mean CMC_WEBHOOKS_HEALTH_TOKENS?",
        ):
            assert message in printed
        assert "CMC_BUDGET" not in printed
        assert '["y"]' not in printed

    def test_in_japanese(self, tmp_path):
        printed = project(tmp_path, self.PATHS.format(path="shop.gone.f")).check(language="ja")

        for message in (
            "CMC_WEBHOOKS_RELATED_OBJECT の値 \"shop.gone.f\" を読み込めません：No module named 'shop.gone'",
            "CMC_WEBHOOKS_APIKEYS という設定はありません。CMC_WEBHOOKS_API_KEYS の誤りではありませんか。",
            '"shop.orders.NUMBER" を読み込めません：呼び出し可能ではありません',
            'CMC_WEBHOOKS_TIME_ZONE の値 "Mars/Base" はタイムゾーンではありません。',
        ):
            assert message in printed

    @pytest.mark.parametrize(
        ("patterns", "language", "message"),
        [
            ("", "en-us", "The webhook is not mounted."),
            ("", "ja", "Webhook が URL に登録されていません。"),
            (
                'path("cmc/webhook/", include("cmc_webhooks.urls"))',
                "en-us",
                "The webhook answers only one of its two URLs, with or without the slash.",
            ),
        ],
        ids=["not mounted", "not mounted, Japanese", "one of two"],
    )
    def test_each_fault_of_the_mount_has_its_message(self, tmp_path, patterns, language, message):
        assert f"(cmc_webhooks.W015) {message}" in project(tmp_path, patterns=patterns).check(
            language=language
        )

    @pytest.mark.parametrize(
        ("settings", "missing"),
        [
            ("", "USER"),
            ('CMC_WEBHOOKS_REST_KEY = "r3st-key-0123456789"', "USER"),
            ('CMC_WEBHOOKS_REST_USER = "u"', "KEY"),
        ],
    )
    def test_cmc_backfill_names_what_is_not_set(self, tmp_path, settings, missing):
        ran = project(tmp_path, settings).manage("cmc_backfill")

        assert ran.returncode == 2
        assert ran.stderr.startswith(f"CommandError: CMC_WEBHOOKS_REST_{missing} is not set.")

    @pytest.mark.parametrize(
        ("user", "key", "text", "shown"),
        [
            ("e", "r3st-key-0123456789", "Connection refused", "Connection refused"),
            ("refused", "r3st-key-0123456789", "Connection refused", "Connection refused"),
            ("u", "e", "e is no key: refused", "[hidden] is no key: refused"),
            ("u", "r3st-key-0123456789", "xr3st-key-0123456789x", "x[hidden]x"),
            ("a@example.jp", "r3st-key-0123456789", "user a@example.jp", "user [hidden]"),
        ],
    )
    def test_only_secrets_and_addresses_are_masked(self, user, key, text, shown):
        assert Client("https://api.example", user, key)._shown(text) == shown


class TestD79:
    """The test helper posts below a prefix, and says when a post failed."""

    TESTS = """
        import pytest
        from cmc_webhooks.models import Mail
        from cmc_webhooks.testing import PostFailed, delivery, samples

        def test_play(cmc_webhook):
            assert {answer.status_code for answer in cmc_webhook.play(samples.REFUSED)} == {200}
            assert Mail.objects.count() == 1

        def test_wrong(cmc_webhook):
            cmc_webhook.post("deliveries", delivery(), api_key="wrong")

        def test_asked_for(cmc_webhook):
            assert cmc_webhook.post("deliveries", delivery(), api_key="wrong", check=False).status_code == 403
            with pytest.raises(PostFailed) as failed:
                cmc_webhook.send(b"{")
            assert failed.value.answer.status_code == 400
            assert cmc_webhook.play(samples.QUEUED, check=False)[0].status_code == 200
    """

    @pytest.mark.parametrize("prefix", ["/app", "/", "/a/b/", None])
    def test_in_a_fresh_project(self, tmp_path, prefix):
        made = project(tmp_path, f"FORCE_SCRIPT_NAME = {prefix!r}")
        made.write("conftest.py", 'pytest_plugins = ["cmc_webhooks.testing.plugin"]')
        made.write("pytest.ini", "[pytest]\nDJANGO_SETTINGS_MODULE = settings\n")
        made.write("test_shop.py", self.TESTS)

        printed = made.pytest("test_shop.py")

        assert "2 passed" in printed
        assert "1 failed" in printed
        assert "PostFailed: The webhook answered 403: " in printed

    def test_a_redirect_is_named_with_its_target(self, cmc_webhook, settings, db):
        settings.MIDDLEWARE = ["tests.cases.test_setup.redirecting"]

        with pytest.raises(testing.PostFailed, match=r"answered 301 \(to https://elsewhere.example/\)"):
            cmc_webhook.play(testing.samples.QUEUED)


def redirecting(get_response):
    """A middleware that redirects every request."""
    return lambda request: HttpResponsePermanentRedirect("https://elsewhere.example/")


class TestD80:
    """Each setting of the project that redirects a POST to the webhook is named."""

    SSL = "(cmc_webhooks.W082) SECURE_SSL_REDIRECT answers 301"

    @pytest.mark.parametrize(
        ("settings", "expected"),
        [
            ("SECURE_SSL_REDIRECT = True", True),
            ("SECURE_SSL_REDIRECT = True\nSECURE_REDIRECT_EXEMPT = [r'^health$']", True),
            ("SECURE_SSL_REDIRECT = True\nSECURE_REDIRECT_EXEMPT = [r'^cmc/webhook$']", True),
            ("SECURE_SSL_REDIRECT = True\nSECURE_REDIRECT_EXEMPT = [r'^cmc/webhook/?$']", False),
            (
                "SECURE_SSL_REDIRECT = True\nSECURE_PROXY_SSL_HEADER = ('HTTP_X_FORWARDED_PROTO', 'https')",
                False,
            ),
            ("SECURE_SSL_REDIRECT = False", False),
        ],
    )
    def test_the_redirect_to_https(self, tmp_path, settings, expected):
        made = project(tmp_path, settings)

        printed, without = made.check("--deploy"), made.check()

        assert (self.SSL in printed) is expected
        if expected:
            assert "SECURE_PROXY_SSL_HEADER" in printed
            assert 'r"^cmc/webhook/?$" to SECURE_REDIRECT_EXEMPT' in printed
        assert "W082" not in without

    def test_the_remedy_of_the_hint_lets_a_post_in(self, tmp_path):
        script = """
            from django.test import Client
            for path in ("/cmc/webhook", "/cmc/webhook/"):
                print(Client().post(path, b"{", content_type="application/json").status_code)
        """

        for remedy, codes in (
            ("", "301\n301"),
            ('SECURE_REDIRECT_EXEMPT = [r"^cmc/webhook/?$"]', "400\n400"),
        ):
            made = project(tmp_path, f"SECURE_SSL_REDIRECT = True\n{remedy}")
            assert made.python(script) == codes

    def test_other_settings(self, tmp_path):
        urls = f"*i18n_patterns({WEBHOOK})"
        made = project(tmp_path, "PREPEND_WWW = True", patterns=urls)
        made.write(
            "urls.py",
            "from django.conf.urls.i18n import i18n_patterns\n" + (tmp_path / "urls.py").read_text(),
        )

        english, japanese = made.check("--deploy"), made.check("--deploy", language="ja")

        assert "PREPEND_WWW answers 301" in english
        assert "The webhook is inside i18n_patterns" in english
        assert "PREPEND_WWW は、www. のないホストへの通知のすべてに 301 で応答します。" in japanese


API = f'{WEBHOOK}, path("api/", include("cmc_webhooks.api.urls"))'


class TestD76:
    """Each package that a mount needs is asked for, with the name of the extra."""

    MESSAGE = "The API is mounted, but rest_framework is not in INSTALLED_APPS."

    def test_an_app_that_is_not_installed(self, tmp_path):
        made = project(tmp_path, 'INSTALLED_APPS += ["django_filters"]', patterns=API)

        printed, japanese = made.check(), made.check(language="ja")

        assert self.MESSAGE in printed
        assert "django-cmc-webhooks[api]" in printed
        assert "API が URL に登録されていますが、INSTALLED_APPS に rest_framework がありません。" in japanese

    def test_all_apps_installed_or_no_mount(self, tmp_path):
        whole = project(tmp_path, 'INSTALLED_APPS += ["rest_framework", "django_filters"]', patterns=API)
        assert self.MESSAGE not in whole.check()

        assert self.MESSAGE not in project(tmp_path).check()

    @pytest.mark.parametrize("package", ["rest_framework", "django_filters", "drf_spectacular"])
    def test_a_package_that_is_not_there(self, tmp_path, package):
        made = project(tmp_path, patterns=API, missing=(package,))

        last = made.manage("check").stderr.splitlines()[-1]

        expected = f'The API of cmc_webhooks needs {package}: pip install "django-cmc-webhooks[api]"'
        assert last == f"ImportError: {expected}"


class TestD77:
    """A backend or a pool whose package is not there is reported, with what to install."""

    @staticmethod
    def deferred(backend, apps=""):
        return f"""
            CMC_WEBHOOKS_DISPATCH = "deferred"
            INSTALLED_APPS += [{apps}]
            TASKS = {{"default": {{"BACKEND": "{backend}"}}}}
        """

    @pytest.mark.skipif(django.VERSION < (6, 0), reason="needs the package, which another check asks for")
    @pytest.mark.parametrize(
        ("backend", "reason"),
        [
            ("no_such_tasks.Backend", "No module named 'no_such_tasks'"),
            ("django.tasks.backends.gone.Backend", "No module named 'django.tasks.backends.gone'"),
            ("django_tasks_db.DatabaseBackend", '"django_tasks_db" is not in INSTALLED_APPS'),
        ],
    )
    def test_a_backend_that_cannot_be_used(self, tmp_path, backend, reason):
        if backend.startswith("django_tasks_db"):
            pytest.importorskip("django_tasks_db")
        printed = project(tmp_path, self.deferred(backend)).check()

        assert f'(cmc_webhooks.E084) TASKS["default"]["BACKEND"] is "{backend}": {reason}.' in printed
        assert "Install its package and add its app to INSTALLED_APPS" in printed

    @pytest.mark.skipif(django.VERSION < (6, 0), reason="needs the package, which another check asks for")
    def test_tables_of_the_backend_that_are_missing(self, tmp_path):
        pytest.importorskip("django_tasks_db")
        settings = self.deferred("django_tasks_db.DatabaseBackend", '"django_tasks_db"')
        made = project(tmp_path, settings)
        made.manage("migrate", "cmc_webhooks")

        before = made.check("--database", "default")
        made.manage("migrate")
        after = made.check("--database", "default")

        message = "The tables of the task backend are missing: run manage.py migrate."
        assert f"(cmc_webhooks.W086) {message}" in before
        assert "W081" not in before
        assert "cmc_webhooks." not in after

    @pytest.mark.parametrize("missing", [True, False])
    def test_a_pool_without_its_package(self, tmp_path, missing):
        pytest.importorskip("psycopg")
        settings = """
            DATABASES["default"] = {"ENGINE": "django.db.backends.postgresql", "NAME": "x",
                                    "OPTIONS": {"pool": {"timeout": 3}}}
        """
        made = project(tmp_path, settings, missing=("psycopg_pool",) if missing else ())
        if not missing:
            made.write("psycopg_pool.py", "class ConnectionPool: ...")

        whole = made.check()

        assert ("E085" in whole) is missing
        assert ('Install "psycopg[pool]"' in whole) is missing


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="Django has pools for PostgreSQL alone")
class TestD77RealPool:
    """A pool of PostgreSQL, with and without its package."""

    POOL = """
        DATABASES["default"] |= {
            "CONN_MAX_AGE": 0, "OPTIONS": {"pool": {"min_size": 2, "max_size": 4, "timeout": 3}},
        }
    """

    @pytest.fixture
    def url(self):
        pytest.importorskip("psycopg_pool")
        with new_databases("pooled") as urls:
            yield urls["pooled"]

    def test_works_with_its_package(self, tmp_path, url):
        made = project(tmp_path, self.POOL, url=url)

        migrated = made.manage("migrate")
        checked = made.check("--database", "default")
        status = made.manage("cmc_status")
        answer = made.python(f"""
            from django.db import connection
            from django.test import Client
            body = {notification("deliveries", delivery(), api_key=KEY).decode()!r}
            print(Client().post("/cmc/webhook", body, content_type="application/json").content.decode())
            print(connection.pool.get_stats()["pool_max"])
            connection.close_pool()
        """)

        assert (migrated.returncode, migrated.stderr) == (0, "")
        assert checked == "System check identified no issues (0 silenced)."
        assert (status.returncode, status.stderr) == (0, "")
        assert answer.splitlines() == ['{"new": 1, "repeated": 0, "rejected": 0}', "4"]

    @pytest.mark.parametrize("arguments", [[], ["--database", "default"]], ids=["without", "with database"])
    def test_is_reported_without_its_package(self, tmp_path, url, arguments):
        whole = project(tmp_path, self.POOL, url=url, missing=("psycopg_pool",)).check(*arguments)

        assert "(cmc_webhooks.E085) The database has a pool, but psycopg_pool is not installed" in whole
        assert "Traceback" not in whole

    def test_is_reported_before_migrate_connects(self, tmp_path, url):
        ran = project(tmp_path, self.POOL, url=url, missing=("psycopg_pool",)).manage("migrate")

        assert ran.returncode != 0
        assert 'Install "psycopg[pool]"' in ran.stderr


class TestD82:
    """The documentation says that one project serves one account."""

    @pytest.mark.parametrize(
        ("language", "sentence"),
        [
            ("en", "One project serves one account at CMC"),
            ("ja", "1 つのプロジェクトが扱う CMC のアカウントは 1 つです"),
        ],
    )
    def test_in_both_languages(self, language, sentence):
        text = pages.text("reference/settings", language)

        said = text[text.index(sentence) :].partition("\n\n")[0]

        assert all(each in said for each in ("TIME_ZONE", "REST_USER", "MAX_SILENCE", "API_KEYS"))
        assert "database" in said or "データベース" in said
