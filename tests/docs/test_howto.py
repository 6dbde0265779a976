"""The how-to pages: every block is run in a fresh project, the one of the docs, as a reader would."""

from __future__ import annotations

import json
import re
import threading
import urllib.error
import urllib.request
from configparser import ConfigParser
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec

import django
import pytest
from django.db import connection

from cmc_webhooks import conf, models, testing
from tests.conftest import bounce, delivery
from tests.helpers import fake_api, mysite, pages

HANAKO = "hanako@example.jp"
HAS_MAILERS = django.VERSION >= (6, 1)

FACTORIES = """
from datetime import timedelta
from django.utils import timezone
from cmc_webhooks.testing import factories

old = timezone.now() - timedelta(days=900)
"""


MAILS = """
from django.contrib.auth.models import User
from django.test import Client

client = Client(SERVER_NAME="your.example.com")
client.force_login(User.objects.create_superuser("staff"))
print(client.get("/admin/cmc_webhooks/mail/").content.decode())
"""

ORDER = """
import json
from django.contrib.auth.models import User
from django.template.loader import render_to_string
from django.test import Client, RequestFactory
from shop.models import Order

order, request = Order.objects.get(), RequestFactory().get("/")
request.user = User.objects.create_superuser("staff")
client = Client(SERVER_NAME="your.example.com")
client.force_login(request.user)
page = client.get(f"/admin/shop/order/{order.pk}/change/").content.decode()
print(json.dumps([page, render_to_string("shop/order.html", {"order": order}, request)]))
"""


@pytest.fixture
def site(mysite_template, tmp_path):
    if connection.vendor != "sqlite":
        pytest.skip("the project is on SQLite whatever the tests run on")
    return mysite.MySite(tmp_path, mysite_template)


def make(site, code):
    """Run code in the project's shell with this app's factories at hand."""
    return site.shell(FACTORIES + code)


def unit(text):
    """A unit of systemd."""
    parser = ConfigParser(interpolation=None)
    parser.optionxform = str
    parser.read_string(text)
    return parser


def matches(shown, printed):
    """Assert that lines of a page are printed, in their order; each number stands for any."""
    place = 0
    for line in shown.splitlines():
        pattern = re.sub(r"\d+(?:[.:,]\d+)*", r"[\\d.:,]+", re.escape(line).replace(r"\-", "-"))
        found = re.compile(pattern).search(printed, place)
        assert found, f"{line}\n{printed}"
        place = found.end()


class TestOwnObjects:
    PAGE = "howto/own-objects"

    def test_are_found_for_a_mail_and_linked_in_the_admin(self, site):
        related, settings, ask, shown = mysite.blocks(self.PAGE)[:4]
        site.put(related)
        site.put(settings)
        site.shell(f'from shop.models import Order\nOrder.objects.create(number="A-1001", email="{HANAKO}")')
        with site.serving():
            assert site.post("bounces", testing.bounce(api_data="A-1001")) == 200

        assert site.shell(ask.text) == shown.text
        assert "A-1001" in site.shell(
            """
            from django.contrib.auth.models import User
            from django.test import Client
            from django.urls import reverse
            from cmc_webhooks.models import Mail
            client = Client(SERVER_NAME="your.example.com")
            client.force_login(User.objects.create_superuser("admin"))
            url = reverse("admin:cmc_webhooks_mail_change", args=[Mail.objects.get().pk])
            print(re.findall(r'href="/admin/shop/order/[^>]*>([^<]*)', client.get(url).content.decode()))
            """.replace("\n            ", "\n").replace("print(re", "import re\nprint(re")
        )

    def test_show_their_mails(self, site):
        setting, admin, template, ask = mysite.blocks(self.PAGE)[4:]
        site.put(setting)
        site.write(admin.path, admin.text)
        site.write("shop/templates/shop/order.html", template.text)
        site.shell(f'from shop.models import Order\nOrder.objects.create(number="A-1001", email="{HANAKO}")')
        with site.serving():
            site.post("bounces", testing.bounce(api_data="A-1001", subject="Your order"))
            site.post("deliveries", testing.delivery(recipient=HANAKO, subject="Our news"))

        page, tag = json.loads(site.shell(ORDER))

        for text in ("Your order", "Our news", "No such mailbox"):
            assert text in page
            assert text in tag
        assert site.shell(ask.text) == "A-1001 bounced\n"

    def test_are_sent_as_the_tutorial_does(self, site):
        sent = site.shell(
            "from django.core import mail\n"
            "from django.test.utils import setup_test_environment\n"
            "from shop.models import Order\n"
            "from shop.orders import send_confirmation\n"
            "setup_test_environment()\n"
            "send_confirmation(Order(number='A-1001', email='a@example.jp'))\n"
            "print(mail.outbox[0].extra_headers)"
        )

        assert sent.strip() == "{'X-Api-Data': 'A-1001'}"


class TestEmailBackend:
    PAGE = "howto/email-backend"

    @pytest.mark.parametrize("by", ["MAILERS", "EMAIL_BACKEND"])
    def test_sends_nothing_to_a_suppressed_address(self, site, by):
        mailers, old, wrapped, attempt = mysite.blocks(self.PAGE)
        if (by == "MAILERS") != HAS_MAILERS:
            pytest.skip("each for its versions of Django: a new project has MAILERS from 6.1 on")
        site.put(mailers if by == "MAILERS" else old)
        site.put(wrapped)

        assert site.sh("python manage.py check") == "System check identified no issues (0 silenced).\n"
        assert site.shell(attempt.text) == "0\n"


class TestRetention:
    PAGE = "howto/retention"

    @pytest.fixture
    def pruned(self, site):
        settings, *others = mysite.blocks(self.PAGE)
        site.put(settings)
        return site, others

    def test_deletes_what_is_old(self, pruned):
        site, (dry_run, cron, by_hand, *_) = pruned
        make(
            site,
            "factories.NotificationFactory(received_at=old)\n"
            "factories.MailFactory(created_at=old, first_event_at=old, status_at=old)",
        )

        site.console(dry_run.text)
        site.sh(by_hand.text)
        printed = site.cron(cron.text)

        assert printed == "notifications 1, rejected 0, events 0, mails 1, personal 0 deleted or erased\n"
        assert site.rows("SELECT count(*) FROM cmc_webhooks_mail") == [(0,)]

    def test_keeps_rows_that_dead_signals_need(self, pruned):
        site, (*_, dead, _) = pruned
        make(
            site,
            "mail = factories.MailFactory(created_at=old, first_event_at=old, status_at=old)\n"
            "from cmc_webhooks.models import PendingSignal\n"
            "from cmc_webhooks.dispatch import calls\n"
            "event = factories.DeliveryEventFactory(mail=mail, occurred_at=old, received_at=old)\n"
            "row = calls.new_row([['event_recorded', 'deliveries', event.pk.hex, mail.pk.hex]],"
            " calls.now_ms(), calls.now_ms(), 0, 8)\n"
            "row.state = 'dead'\nrow.save(force_insert=True)",
        )

        matches(dead.text, site.sh("python manage.py cmc_prune --kind mails"))

    def test_keeps_rows_that_the_project_holds(self, pruned):
        site, (*_, held) = pruned
        models = (site.folder / "shop/models.py").read_text()
        field = '    mail = models.ForeignKey("cmc_webhooks.Mail", models.PROTECT, null=True)\n'
        site.write(
            "shop/models.py",
            models.replace("class Order(models.Model):\n", f"class Order(models.Model):\n{field}"),
        )
        site.sh("python manage.py makemigrations shop && python manage.py migrate")
        make(
            site,
            "mail = factories.MailFactory(created_at=old, first_event_at=old, status_at=old)\n"
            "from shop.models import Order\nOrder.objects.create(number='A-1001', mail=mail)",
        )

        matches(held.text, site.sh("python manage.py cmc_prune", code=3))


class TestSchedule:
    PAGE = "howto/schedule"

    def test_has_lines_for_cron_that_are_silent_if_all_is_well(self, site):
        cron, *_ = mysite.blocks(self.PAGE)
        site.put(mysite.blocks(TestRetention.PAGE)[0])

        assert [site.cron(line) for line in cron.text.splitlines()] == ["", "", ""]

    def test_has_a_line_for_cron_that_prints_a_problem(self, site):
        cron, attempt, *_ = mysite.blocks(self.PAGE)
        make(site, "factories.RejectedEventFactory()")

        assert site.cron(cron.text.splitlines()[0]).startswith("1 event could not be read.")
        assert site.sh(attempt.text, code=1).startswith("1 event could not be read.")

    def test_has_units_of_systemd_that_run(self, site):
        status, timer, dispatch = (unit(block.text) for block in mysite.blocks(self.PAGE, "From systemd"))

        assert status["Service"]["Type"] == "oneshot"
        assert status["Unit"]["OnFailure"].endswith("%n.service")
        assert (timer["Timer"]["OnCalendar"], timer["Install"]["WantedBy"]) == ("*:0/10", "timers.target")
        assert dispatch["Install"]["WantedBy"] == "multi-user.target"
        for each in (status, dispatch):
            assert each["Service"]["WorkingDirectory"] == mysite.FOLDER
        assert site.sh(status["Service"]["ExecStart"]).startswith("All is well.")
        make(site, "factories.RejectedEventFactory()")
        assert site.sh(status["Service"]["ExecStart"], code=1).startswith("1 event could not be read.")
        with site.running(
            dispatch["Service"]["ExecStart"].replace(mysite.FOLDER, str(site.folder))
        ) as process:
            site.until(lambda: site.rows("SELECT count(*) FROM cmc_webhooks_alertlook") != [(0,)], process)
        assert process.returncode == 0

    def test_has_the_exit_codes_of_the_command(self, site):
        table = pages.section(self.PAGE, "From cron").partition("exit code of `cmc_status`")[2]

        assert re.findall(r"^\| (\d+) \|", table, re.MULTILINE) == ["0", "1", "2", "130"]
        site.sh("python manage.py cmc_status --fail-if-silent 2h", code=1)
        site.sh("python manage.py cmc_status --fail-if-silent soon", code=2)


class TestEraseAndDisclose:
    PAGE = "howto/erase-and-disclose"
    BLANK = "SELECT count(*) FROM cmc_webhooks_mail WHERE recipient = ''"

    @pytest.fixture
    def person(self, site):
        make(site, f"factories.MailFactory(recipient='{HANAKO}')")
        return site

    def test_erases_by_a_command_that_asks(self, person):
        erase, question, done, *_ = mysite.blocks(self.PAGE)

        printed = person.sh(f"echo y | {erase.text}")

        assert printed == question.text.rstrip("\n") + " " + done.text

    @pytest.mark.parametrize("number", [3, 4], ids=["from_standard_input", "in_python"])
    def test_erases_in_other_ways(self, person, number):
        block = mysite.blocks(self.PAGE)[number]

        (person.sh if block.language == "sh" else person.shell)(block.text)

        assert person.rows(self.BLANK) == [(1,)]

    def test_discloses(self, person):
        *_, by_command, in_python = mysite.blocks(self.PAGE)

        person.sh(by_command.text)
        printed = person.shell(in_python.text)

        assert HANAKO in (person.folder / "hanako.html").read_text()
        assert HANAKO in printed


class TestMonitoring:
    PAGE = "howto/monitoring"

    @pytest.fixture
    def watched(self, site):
        token, settings, urls, ask, *_ = mysite.blocks(self.PAGE)
        site.sh(token.text)
        site.put(settings)
        site.put(urls)
        return site, ask.text

    def test_is_asked_by_curl(self, watched):
        site, ask = watched
        with site.serving():
            never = site.sh(ask)
            site.post("deliveries", testing.delivery())
            well = site.sh(ask)

        assert '{"status": "failing"' in never
        assert '{"status": "ok"' in well

    def test_is_a_check_of_django_health_check(self, site):
        pytest.importorskip("health_check.views")
        *_, install, settings, urls = mysite.blocks(self.PAGE)
        site.sh(install.text)
        site.put(settings)
        site.put(urls)
        make(site, "factories.RejectedEventFactory()")

        with site.serving():
            as_json = site.sh("curl -s 'https://your.example.com/health/?format=json'")
            as_page = site.sh("curl -s -H 'Accept: text/html' https://your.example.com/health/")

        assert "1 event could not be read" in as_json
        assert "1 event could not be read" in as_page


FILES = """
EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
EMAIL_FILE_PATH = BASE_DIR / "mails"
"""
FILES_BY_MAILER = """
MAILERS = {
    "default": {
        "BACKEND": "django.core.mail.backends.filebased.EmailBackend",
        "OPTIONS": {"file_path": BASE_DIR / "mails"},
    }
}
"""


class TestAlerts:
    PAGE = "howto/alerts"

    def test_are_tried_and_checked_for(self, site):
        settings, attempt, cron, dry_run, receiver = mysite.blocks(self.PAGE)
        site.put(settings)
        site.write(
            "mysite/settings.py",
            (site.folder / "mysite/settings.py").read_text() + (FILES_BY_MAILER if HAS_MAILERS else FILES),
        )
        site.put(receiver)
        site.sh(attempt.text)
        make(site, "factories.RejectedEventFactory()")

        site.sh(dry_run.text)
        before = site.rows("SELECT count(*) FROM cmc_webhooks_alert")
        site.cron(cron.text)

        mails = "".join(path.read_text() for path in (site.folder / "mails").iterdir())
        assert before == [(0,)]
        kinds = len(models.Alert.Kinds)
        assert len(re.findall(r"^Subject:\s+CMC: Test: ", mails, re.MULTILINE)) == kinds
        assert mails.count("\nTo: duty@example.com") == kinds + 1

    def test_are_received_in_code(self, site):
        *_, receiver = mysite.blocks(self.PAGE)
        site.put(receiver)
        make(site, "factories.RejectedEventFactory()")

        assert "1 event could not be read." in site.sh("python manage.py cmc_alerts")


class TestBackfill:
    PAGE = "howto/backfill"

    @pytest.fixture
    def fetching(self, site, monkeypatch):
        pytest.importorskip("httpx")
        monkeypatch.setenv("NO_PROXY", "*")
        install, settings, *others = mysite.blocks(self.PAGE)
        site.sh(install.text)
        site.put(settings)
        with fake_api.serving() as api:
            site.set(f'CMC_WEBHOOKS_REST_URL = "{api.url}"')
            site.put(
                mysite.Block("ini", f"# .env\nCMC_REST_USER={fake_api.USER}\nCMC_REST_KEY={fake_api.KEY}\n")
            )
            yield site, api, others

    def test_shows_what_the_command_prints(self, fetching):
        site, api, (console, _) = fetching
        stored = delivery(status="succeeded", created="2023-01-25 14:03:09")
        with site.serving():
            site.post("deliveries", stored)
        api.rows["deliveries", "pro", "2023-01-25"] = [delivery(), stored]
        api.rows["bounces", "pro", "2023-01-25"] = [bounce()]
        api.statistics = [{"date": "2023-01-25", "queued": 3, "succeeded": 1, "failed": 0}]

        site.console(console.text)

    def test_has_a_line_for_cron_that_fetches_yesterday(self, fetching):
        site, api, (_, cron) = fetching

        assert site.cron(cron.text) == ""
        assert len({fields["date"] for _, fields in api.asked if "date" in fields}) == 1

    def test_names_the_settings(self):
        named = set(re.findall(r"CMC_WEBHOOKS_(REST_\w+)", pages.text(self.PAGE)))

        others = {"REST_URL", "REST_MAY_LIFT"}  # of tests, and of `suppression.lift_at_cmc`
        assert named == {name for name in conf.DEFAULTS if name.startswith("REST_")} - others


class TestDeadSignals:
    PAGE = "howto/dead-signals"

    def test_are_sent_again_dismissed_and_read_again(self, site):
        dry_run, again, dismiss, read, dismiss_events = mysite.blocks(self.PAGE)
        site.write("shop/receivers.py", (site.folder / "shop/receivers.py").read_text() + RAISING)
        with site.serving():
            site.post("bounces", testing.bounce(message_id="<a@example.com>"))
        site.sh("python manage.py cmc_dispatch --once")
        make(
            site, "from cmc_webhooks.models import PendingSignal\nPendingSignal.objects.update(state='dead')"
        )

        assert site.sh(dry_run.text).startswith("1 dead signal")
        site.sh(again.text.splitlines()[0])
        assert site.rows("SELECT state FROM cmc_webhooks_pendingsignal WHERE state = 'dead'") == []
        make(
            site, "from cmc_webhooks.models import PendingSignal\nPendingSignal.objects.update(state='dead')"
        )
        site.sh(again.text.splitlines()[1])
        assert site.rows("SELECT state FROM cmc_webhooks_pendingsignal WHERE state = 'dead'") == []
        site.sh(dismiss.text)
        make(site, "factories.RejectedEventFactory(event_type='deliveries')")
        site.sh(read.text)
        site.sh(dismiss_events.text)
        assert site.sh("python manage.py cmc_status --json").count('"rejected": 0') == 1


RAISING = """

@receiver(status_changed, sender=Mail)
def raise_always(**kwargs):
    raise ValueError
"""


class TestSuppress:
    PAGE = "howto/suppress"

    def test_decides_and_takes_back(self, site):
        in_python, *_ = mysite.blocks(self.PAGE)

        site.shell(in_python.text)

        assert site.rows("SELECT count(*) FROM cmc_webhooks_suppression") == [(0,)]
        assert site.rows("SELECT count(*) FROM cmc_webhooks_trail") == [(6,)]

    def test_lifts_at_cmc_and_shows_the_answer(self, site):
        pytest.importorskip("httpx")
        _, settings, lift = mysite.blocks(self.PAGE)
        site.put(mysite.blocks(TestBackfill.PAGE)[1])
        site.put(settings)
        with fake_api.serving() as api:
            site.set(f'CMC_WEBHOOKS_REST_URL = "{api.url}"')
            site.put(
                mysite.Block("ini", f"# .env\nCMC_REST_USER={fake_api.USER}\nCMC_REST_KEY={fake_api.KEY}\n")
            )

            assert site.shell(lift.text) == 'True {"message": "success"}\n'


class TestSimulate:
    PAGE = "howto/simulate"

    def test_posts_and_says_what_was_answered(self, site):
        post, shown, more = mysite.blocks(self.PAGE)
        with site.serving():
            printed = site.sh(post.text.replace("http://127.0.0.1:8000", site.url))
            again = site.sh(more.text.replace("http://127.0.0.1:8000", site.url).replace("2000", "200"))

        matches(shown.text, printed)
        assert "(200 new," in again


class TestYourTests:
    PAGE = "howto/test-your-code"

    def test_pass(self, site):
        install, ini, plugin, tests, run = mysite.blocks(self.PAGE)
        site.sh(install.text)
        for block in (ini, plugin, tests):
            site.put(block)

        assert "3 passed" in site.sh(run.text, PYTEST_ADDOPTS="-p no:cacheprovider")


class TestUpgrade:
    PAGE = "howto/upgrade"

    def test_has_commands_that_run(self, site):
        upgrade, look = mysite.blocks(self.PAGE)
        if not find_spec("psycopg"):
            upgrade = upgrade._replace(text=upgrade.text.replace(",postgresql", ""))

        site.sh(upgrade.text)
        printed = site.sh(look.text)

        assert "0 mails, 0 differ" in printed


class TestAskFromOtherPrograms:
    PAGE = "howto/ask-from-other-programs"

    @pytest.fixture
    def asked(self, site):
        user, *others = mysite.blocks(self.PAGE)
        site.shell(user.text)
        make(
            site,
            "factories.MailFactory(recipient='user@example.jp', server_composition='newsletter',"
            " bounce_code='11', created_at=timezone.now(), status_at=timezone.now())",
        )
        with site.serving():
            yield site, others

    def test_asks_with_curl(self, asked):
        site, (curl, *_) = asked

        printed = site.sh(curl.text)

        assert '"forbidden_by":"unsubscribed"' in printed
        assert '"asked":"taro@example.jp"' in printed
        assert '"user@example.jp","False","unsubscribed"' in printed

    def test_asks_and_decides_with_python(self, asked):
        pytest.importorskip("httpx")
        site, (_, install, program, run, shown) = asked
        site.sh(install.text)
        site.put(program._replace(text=program.text.replace(mysite.HOST, site.url)))

        assert site.sh(run.text) == shown.text

    def test_names_every_field_of_a_body(self):
        serializers = pytest.importorskip("cmc_webhooks.api.serializers")

        for body in (serializers.DecideSerializer, serializers.LookUpSerializer, serializers.LiftSerializer):
            for name in body().fields:
                assert f"`{name}`" in pages.text(self.PAGE), body


class TestRotateASecret:
    PAGE = "howto/rotate-a-secret"

    def test_accepts_both_then_the_new_one(self, site):
        add, shown, ask, remove = mysite.blocks(self.PAGE)
        old = mysite.KEY

        printed = site.sh(add.text)
        new = re.search(r'CMC_API_KEY="\S+ (\S+)"', printed)[1]
        assert printed.strip() == shown.text.splitlines()[1].replace("old-secret", old).replace(
            "new-secret", new
        )
        with site.serving():
            assert "HTTP/1.1 200" in site.sh(ask.text)
            assert site.post("deliveries", testing.delivery()) == 200  # with the old one
        site.sh(remove.text)

        assert (site.folder / ".env").read_text() == f"CMC_API_KEY={new}\n"
        with site.serving():
            assert site.post("deliveries", testing.delivery()) == 403
        assert "1 request refused since" in site.sh("python manage.py cmc_status", code=1)


class TestBehindAProxy:
    PAGE = "howto/behind-a-proxy"

    def test_answers_through_the_proxy(self, site):
        settings, check, networks, ask, shown = mysite.blocks(self.PAGE)[1:]
        site.put(settings)
        site.put(networks)

        assert "cmc_webhooks." not in site.sh(check.text, code=None)
        with site.serving(), proxy(site, {"X-Forwarded-For": "192.0.2.7"}):
            matches(shown.text, site.sh(ask.text))

    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({"Host": "127.0.0.1:8000"}, 400),
            ({"X-Forwarded-Proto": "http"}, 301),
            ({"X-Forwarded-For": "198.51.100.7"}, 403),
        ],
        ids=["host", "proto", "network"],
    )
    def test_answers_as_the_page_says_if_a_header_is_wrong(self, site, headers, status):
        _, settings, _, networks, ask, _ = mysite.blocks(self.PAGE)
        site.put(settings)
        site.put(networks)

        with site.serving(), proxy(site, headers):
            assert f"HTTP/1.1 {status}" in site.sh(ask.text)


@contextmanager
def proxy(site, headers):
    """What the nginx of the page does: pass each request on, with these headers."""
    upstream = site.url

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            added = {"Host": "your.example.com", "X-Forwarded-Proto": "https"} | headers
            request = urllib.request.Request(upstream + self.path, body, added)  # noqa: S310 - ours
            try:
                answer = opener.open(request)
            except urllib.error.HTTPError as error:
                answer = error
            text = answer.read()
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *arguments):
            pass

    class NoRedirect(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *arguments):
            return None

    opener = urllib.request.build_opener(NoRedirect, urllib.request.ProxyHandler({}))
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        site.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield
        finally:
            server.shutdown()
            site.url = upstream


class TestCompose:
    PAGE = "howto/compose"

    @staticmethod
    def read(block):
        """What a file of YAML holds. The package comes with the API's."""
        return pytest.importorskip("yaml").safe_load(block.text)

    def test_has_a_file_whose_parts_fit_together(self):
        requirements, dockerfile, _, env, settings, compose, *_ = mysite.blocks(self.PAGE)
        read = self.read(compose)
        services = read["services"]
        known = set(re.findall(r"^(\w+)=", env.text, re.MULTILINE))

        assert {"db", "migrate", "web", "dispatch"} == services.keys()
        assert set(re.findall(r"\$\{(\w+)\}", compose.text)) <= known
        assert set(re.findall(r'environ\["(\w+)"\]', settings.text)) <= known
        assert "POSTGRES_HOST=db" in env.text
        for name, service in services.items():
            assert set(service.get("depends_on", ())) <= services.keys(), name
            assert {volume.partition(":")[0] for volume in service.get("volumes", ())} <= read[
                "volumes"
            ].keys()
        assert "requirements.txt" in dockerfile.text
        assert "gunicorn" in requirements.text
        assert services["db"]["healthcheck"]["test"].startswith("pg_isready ")

    def test_has_lists_of_packages_and_of_files_to_leave_out(self, site):
        requirements, _, ignored, *_ = mysite.blocks(self.PAGE)
        for package in ("gunicorn", "psycopg"):
            pytest.importorskip(package)

        site.put(requirements)
        site.sh("python -m pip install -r requirements.txt")

        assert {line for line in ignored.text.splitlines()[1:] if (site.folder / line).exists()} == {
            ".env",
            ".venv",
            "db.sqlite3",
        }

    @pytest.mark.skipif(connection.vendor != "postgresql", reason="it is a project on PostgreSQL")
    def test_has_commands_that_work_on_postgresql(self, mysite_template, tmp_path, docs_database):
        site = mysite.MySite(tmp_path, mysite_template)
        pytest.importorskip("gunicorn")
        *_, env, settings, compose = mysite.blocks(self.PAGE)[:6]
        site.sh(env.text)
        site.put(settings)
        commands = {name: each.get("command", "") for name, each in self.read(compose)["services"].items()}
        port = mysite.free_port()
        web = commands["web"].replace("0.0.0.0:8000", f"127.0.0.1:{port}")

        site.sh(commands["migrate"], **docs_database)
        with (
            site.running(web, **docs_database) as server,
            site.running(commands["dispatch"], **docs_database),
        ):
            site.until(lambda: mysite.connects(port), server)
            site.url = f"http://127.0.0.1:{port}"
            assert site.post("bounces", testing.bounce()) == 200
            printed = site.sh("python manage.py cmc_status", **docs_database)
        checked = site.sh("python manage.py check --database default", **docs_database)

        assert printed.startswith("All is well. CMC last posted")
        assert "no issues" in checked

    @pytest.fixture
    def docs_database(self, db):
        name = f"{connection.settings_dict['NAME']}_docs"
        made = connection.settings_dict
        with psycopg_connection(made) as admin:
            admin.execute(f"DROP DATABASE IF EXISTS {name}")
            admin.execute(f"CREATE DATABASE {name}")
            yield {
                "POSTGRES_DB": name,
                "POSTGRES_USER": made["USER"],
                "POSTGRES_HOST": made["HOST"] or "127.0.0.1",
                "POSTGRES_PASSWORD": made["PASSWORD"],
            }
            admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def psycopg_connection(made):
    import psycopg

    return psycopg.connect(
        dbname="postgres",
        user=made["USER"],
        password=made["PASSWORD"],
        host=made["HOST"] or "127.0.0.1",
        port=made["PORT"] or 5432,
        autocommit=True,
    )


class TestExport:
    PAGE = "howto/export"

    def test_offers_files_for_excel(self, site):
        pytest.importorskip("xlsxwriter")
        site.sh(mysite.blocks(self.PAGE)[0].text)

        page = site.shell(MAILS)

        assert "Export as Excel" in page
        assert "Addresses as Excel" in page

    def test_writes_suppressed_addresses(self, site):
        _, command, shown, *_ = mysite.blocks(self.PAGE)
        make(
            site,
            "factories.MailFactory(recipient='user@example.jp', server_composition='newsletter',"
            " bounce_code='11', created_at=timezone.now(), status_at=timezone.now())",
        )

        assert site.sh(command.text) == shown.text
        assert '"user@example.jp","unsubscribed",' in (site.folder / "unsubscribed.csv").read_text()

    def test_downloads_a_list_from_the_api(self, site):
        user, curl = mysite.blocks(self.PAGE)[3:5]
        site.shell(user.text)

        with site.serving():
            site.post("bounces", testing.bounce(recipient=HANAKO))
            site.sh(curl.text)

        assert HANAKO in (site.folder / "bounces.csv").read_text()

    def test_copies_each_event_once(self, site):
        pytest.importorskip("httpx")
        user, _, program, run = mysite.blocks(self.PAGE)[3:]
        site.shell(user.text)

        with site.serving():
            text = program.text.replace(mysite.HOST, site.url).replace(
                '"page_size": "200"', '"page_size": "2"'
            )
            site.put(program._replace(text=text))
            for number in range(5):
                site.post("deliveries", testing.delivery(message_id=f"<{number}@example.com>"))
            site.sh(run.text)
            site.post("deliveries", testing.delivery(message_id="<5@example.com>"))
            site.sh(run.text)

        copied = [json.loads(line) for line in (site.folder / "events.jsonl").read_text().splitlines()]
        assert [event["message_id"] for event in copied] == [f"<{number}@example.com>" for number in range(6)]
