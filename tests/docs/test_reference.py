"""The reference pages name what there is: settings with their defaults, checks, permissions, helpers."""

from __future__ import annotations

import ast
import inspect
import logging.config
import re
import shlex
from base64 import b64encode
from datetime import UTC, datetime

import pytest
from django import VERSION
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.core.management import call_command, get_commands, load_command_class
from django.db import connection
from django.utils.module_loading import import_string

from cmc_webhooks import conf, models, signals, testing
from cmc_webhooks.testing import samples
from tests.docs.test_public_api import OF_EVERY_COMMAND
from tests.helpers import factories, mysite, pages

PROTOCOLS = {
    "event_recorded": signals.EventRecordedReceiver,
    "status_changed": signals.StatusChangedReceiver,
    "mails_pruned": signals.MailsPrunedReceiver,
    "address_erased": signals.AddressErasedReceiver,
    "suppression_changed": signals.SuppressionChangedReceiver,
    "recipients_suppressed": signals.RecipientsSuppressedReceiver,
    "alert_raised": signals.AlertReceiver,
}
IDS = re.compile(r"`([EW]\d{3})`")


def listed(page, language, rank="###"):
    """What stands below each heading that is a name in backticks."""
    _, *parts = re.split(rf"^{rank} `(\w+)`$", pages.text(page, language), flags=re.MULTILINE)
    below = (re.split(r"^#+ ", text, flags=re.MULTILINE)[0] for text in parts[1::2])
    return dict(zip(parts[::2], below, strict=True))


def checks():
    """The ids in the sources of the checks."""
    for path in sorted((pages.ROOT / "cmc_webhooks/checks").glob("*.py")):
        yield from re.findall(r'"([EW]\d{3})"', path.read_text())


@pytest.mark.parametrize("language", pages.LANGUAGES)
class TestSettings:
    def test_are_all_there(self, language):
        assert {*listed("reference/settings", language)} == {*conf.DEFAULTS}

    def test_have_their_default(self, language):
        for name, text in listed("reference/settings", language).items():
            shown = re.search(r"^- (?:Default|デフォルト): `(.+)`$", text, re.MULTILINE)[1]
            default = conf.DEFAULTS[name]
            if name == "SUPPRESSION":
                days = {
                    key: getattr(value, "days", value)
                    for key, value in conf.SuppressionRule()._asdict().items()
                }
                assert ast.literal_eval(shown) == days
            else:
                assert ast.literal_eval(shown) == (list(default) if isinstance(default, tuple) else default)

    def test_name_checks_that_exist(self, language):
        named = {
            number for text in listed("reference/settings", language).values() for number in IDS.findall(text)
        }

        assert named <= {*checks()}


@pytest.mark.parametrize("language", pages.LANGUAGES)
class TestChecks:
    def test_have_a_cause_and_a_remedy_each(self, language):
        text = pages.text("reference/checks", language)
        remedy = "Remedy" if language == "en" else "対処"
        listed = re.findall(rf"^`([EW]\d{{3}})`.*\n: (?:.+\n)+?: {remedy}: ", text, re.MULTILINE)

        assert sorted(listed) == sorted({*checks()})

    def test_are_run_by_these_commands(self, language, db, capsys):
        for line in pages.blocks(pages.text("reference/checks", language), "sh")[0].splitlines():
            call_command(*line.removeprefix("python manage.py ").split())

        printed = capsys.readouterr()
        assert (printed.out + printed.err).count(" silenced).") == 3


@pytest.fixture
def site(mysite_template, tmp_path):
    if connection.vendor != "sqlite":
        pytest.skip("the project is on SQLite whatever the tests run on")
    return mysite.MySite(tmp_path, mysite_template)


EVENTS = """
import logging
from cmc_webhooks import erasure, models, signals, suppression, testing
from cmc_webhooks.email_backend import SuppressingBackend
from cmc_webhooks.testing import samples
from django.core import mail
from django.test.utils import setup_test_environment
from shop.models import Customer, MailCopy, Order

setup_test_environment()
logging.basicConfig(level="INFO", format="%(message)s", stream=sys.stdout)
logging.getLogger("cmc_webhooks").setLevel("ERROR")
Order.objects.create(number="A-1001", email="hanako@example.jp")
Customer.objects.create(email="hanako@example.jp")
testing.Webhook().play(samples.REFUSED, api_data="A-1001", recipient="hanako@example.jp")
[stored] = models.Mail.objects.all()
MailCopy.objects.create(mail_id=stored.pk)
print(Order.objects.get().mail_bounced, Customer.objects.get().newsletter)

suppression.block("hanako@example.jp", note="asked by phone")
backend = SuppressingBackend(backend="django.core.mail.backends.locmem.EmailBackend")
backend.send_messages([mail.EmailMessage("s", "t", to=["hanako@example.jp"])])
customer = Customer.objects.get()
print(customer.mail_decision, customer.mail_note, customer.mail_not_sent)

erasure.erase("hanako@example.jp")
testing.send_pending_signals()
print(MailCopy.objects.count())

signals.alert_raised.send(models.Alert, alert=models.Alert(kind="silence", text="CMC is silent."))
print([each.body for each in mail.outbox])
"""


class TestSignals:
    def test_reach_the_receivers_of_the_blocks(self, site):
        blocks = mysite.blocks("reference/signals")
        receivers = [each.text for each in blocks if each.path == "shop/receivers.py"]
        site.write("shop/receivers.py", "\n".join(receivers))
        site.set('ADMINS = [("duty", "duty@example.com")]' if VERSION < (6, 0) else 'ADMINS = ["d@x.jp"]')

        assert len(receivers) == 6
        assert site.sh("python manage.py check") == "System check identified no issues (0 silenced).\n"
        assert site.shell(f"import sys\n{EVENTS}").splitlines() == [
            "bounce 2: A-1001",
            "True False",
            "blocked asked by phone by_hand",
            "0",
            "['CMC is silent.']",
        ]

    def test_reach_a_receiver_that_the_app_connects(self, site):
        [app] = [each for each in mysite.blocks("reference/signals") if each.path == "shop/apps.py"]
        path = site.folder / "shop/receivers.py"
        path.write_text(path.read_text().replace("@receiver(status_changed, sender=Mail)\n", ""))
        site.write("shop/apps.py", app.text)

        printed = site.shell(
            "from cmc_webhooks import testing\n"
            "from django.test.utils import setup_test_environment\n"
            "from shop.models import Order\n"
            "setup_test_environment()\n"
            "Order.objects.create(number='A-1001', email='a@example.jp')\n"
            "testing.Webhook().play(testing.samples.REFUSED, api_data='A-1001')\n"
            "print(Order.objects.get().mail_bounced)"
        )

        assert printed == "True\n"

    @pytest.mark.parametrize("language", pages.LANGUAGES)
    def test_have_their_arguments_named(self, language):
        for name, protocol in PROTOCOLS.items():
            text = listed("reference/signals", language).get(name)
            if text is None:  # those of alerts stand under one heading
                text = pages.text("reference/signals", language).rpartition("report(alert")[2]
            named = re.findall(r"^\| `(\w+)` \| ", text.partition("\n## ")[0], re.MULTILINE)

            assert named == [*inspect.signature(protocol.__call__).parameters][2:], name


COMMANDS = sorted(name for name, app in get_commands().items() if app == "cmc_webhooks")


@pytest.mark.parametrize("language", pages.LANGUAGES)
class TestCommands:
    def test_are_all_there(self, language):
        assert sorted(listed("reference/commands", language)) == COMMANDS

    @pytest.mark.parametrize("name", COMMANDS)
    def test_have_their_options(self, language, name):
        text = listed("reference/commands", language)[name]
        named = {
            option
            for row in re.findall(r"^\| (`.+?) \|", text, re.MULTILINE)
            for option in re.findall(r"`(--[\w-]+|[A-Z]+)", row)
        }
        parser = load_command_class("cmc_webhooks", name).create_parser("manage.py", name)
        known = {
            option
            for action in parser._actions
            for option in (action.option_strings or [(action.metavar or action.dest).upper()])
        }
        taken_as_words = {"WHAT"} if name == "cmc_dismiss" else set()

        assert named == known - OF_EVERY_COMMAND - taken_as_words

    @pytest.mark.django_db
    @pytest.mark.parametrize("name", sorted({*COMMANDS} - {"cmc_backfill", "cmc_changes", "cmc_simulate"}))
    def test_run_as_their_examples_say(self, language, name, cmc_webhook, tmp_path, monkeypatch, settings):
        monkeypatch.chdir(tmp_path)
        settings.CMC_WEBHOOKS_RETENTION = {"events": 400}
        cmc_webhook.play(samples.DELIVERED, recipient="hanako@example.jp")
        [block] = pages.blocks(listed("reference/commands", language)[name], "sh")
        options = {"ask": False} if name == "cmc_erase" else {}

        call_command(*shlex.split(block.removeprefix("python manage.py ")), **options)

    @pytest.mark.parametrize("name", ["cmc_backfill", "cmc_changes", "cmc_simulate"])
    def test_are_understood_where_a_server_or_a_shell_is_needed(self, language, name):
        [block] = pages.blocks(listed("reference/commands", language)[name], "sh")
        parser = load_command_class("cmc_webhooks", name).create_parser("manage.py", name)

        parser.parse_args(shlex.split(block.removeprefix(f"python manage.py {name} ")))


@pytest.mark.parametrize("language", pages.LANGUAGES)
class TestLogs:
    def test_are_configured_as_their_block_says(self, language):
        values = {}
        exec(pages.blocks(pages.text("reference/logs", language))[0], {}, values)  # noqa: S102 - our own words

        logging.config.DictConfigurator(values["LOGGING"])  # which checks the form
        assert values["LOGGING"]["loggers"]["cmc_webhooks"]["handlers"] == [*values["LOGGING"]["handlers"]]


@pytest.mark.parametrize("language", pages.LANGUAGES)
class TestMetrics:
    def test_have_rules_for_metrics_that_exist(self, language):
        pytest.importorskip("prometheus_client")
        from cmc_webhooks.monitoring import metrics

        [_, rules] = pages.blocks(pages.text("reference/metrics", language), "yaml")
        used = set(re.findall(r"cmc_webhooks_\w+(?=[ {])", rules))

        source = inspect.getsource(metrics)
        assert len(used) == 6
        assert [name for name in used if name.removesuffix("_total") not in source] == []


PUBLIC_MODELS = [
    *(models.Mail, models.DeliveryEvent, models.BounceEvent, models.BlockEvent, models.Notification),
    *(models.RejectedEvent, models.PendingSignal, models.Suppression, models.Trail, models.Alert),
]


@pytest.mark.parametrize("language", pages.LANGUAGES)
class TestModels:
    @pytest.mark.parametrize("model", PUBLIC_MODELS)
    def test_have_their_fields(self, language, model):
        text = listed("reference/models", language)[model.__name__]
        named = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", text, re.MULTILINE))
        known = {field.name: field for field in model._meta.get_fields()}

        assert known.keys() <= named.keys()
        assert [name for name in named.keys() - known.keys() if not hasattr(model, name)] == []
        for name, field in known.items():
            most = getattr(field, "max_length", None)
            if isinstance(most, int) and "UUID" not in named[name]:
                assert named[name].endswith(f"{most}"), name
            if getattr(field, "concrete", False):
                assert ("`None`" in named[name]) == field.null, name


@pytest.mark.parametrize("language", pages.LANGUAGES)
class TestTesting:
    def test_names_every_helper(self, language):
        text = pages.text("reference/testing", language)
        from cmc_webhooks.testing import factories, plugin

        names = {*testing.__all__, *samples.__all__, *plugin.__all__, *factories.__all__}
        named = set(re.findall(r"\b\w+\b", " ".join(re.findall(r"`([^`\n]+)`", text))))
        assert names - {"samples"} <= named


class TestTestingInAProject:
    def test_works_with_unittest(self, site):
        [block] = mysite.blocks("reference/testing")
        site.put(block)

        assert "OK" in site.sh("python manage.py test shop.test_mails")


@pytest.mark.parametrize("language", pages.LANGUAGES)
class TestPermissions:
    def test_are_all_there(self, language):
        registered = {
            model._meta.model_name: model for model in apps.get_app_config("cmc_webhooks").get_models()
        }
        shown = {name for name, model in registered.items() if admin.site.is_registered(model)}
        own = {codename for model in registered.values() for codename, _ in model._meta.permissions}
        named = set(
            re.findall(r"^\| `(\w+)` \|", pages.text("reference/permissions", language), re.MULTILINE)
        )

        assert named == {
            *own,
            *(f"view_{name}" for name in shown),
            *("add_suppression", "change_suppression", "delete_suppression"),
        }

    def test_make_a_group(self, language, db):
        names = {}
        exec(pages.blocks(pages.text("reference/permissions", language))[0], names)  # noqa: S102 - our own words

        assert {each.codename for each in names["support"].permissions.all()} == {*names["names"]}


@pytest.mark.parametrize("language", pages.LANGUAGES)
class TestApi:
    @staticmethod
    def block(language, number=0, kind="python"):
        return pages.blocks(pages.text("reference/api", language), kind)[number]

    @pytest.fixture(autouse=True)
    def _user(self, transactional_db):
        for needed in ("rest_framework", "django_filters", "httpx"):
            pytest.importorskip(needed)
        user = User.objects.create_user("user", password="password")
        user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
        at = datetime(2023, 1, 25, 5, tzinfo=UTC)
        mail = factories.MailFactory(recipient="user@example.jp", bounce_code="2", created_at=at)
        factories.BounceEventFactory(mail=mail, occurred_at=at, received_at=at)

    def test_is_read_page_by_page(self, language, live_server, capsys, monkeypatch):
        monkeypatch.setenv("NO_PROXY", "*")
        address = "https://your.example.com/api/mail"

        exec(self.block(language).replace(address, f"{live_server.url}/api"), {})  # noqa: S102 - our own words

        assert capsys.readouterr().out == "user@example.jp 550 5.1.1 user unknown\n"

    def test_is_asked_by_curl(self, language, client):
        address, *lines = self.block(language, kind="sh").splitlines()
        asked = [shlex.split(line)[-1].replace("$API", "/api") for line in lines]
        authorization = "Basic " + b64encode(b"user:password").decode()

        answers = [client.get(url, headers={"Authorization": authorization}) for url in asked]

        assert address.endswith("/api/mail")
        assert [answer.status_code for answer in answers] == [200, 200, 200]
        assert len(answers[0].json()["results"]) == 1

    def test_is_shown_by_spectacular(self, language):
        pytest.importorskip("drf_spectacular")
        values = {}
        exec(self.block(language, 1), {}, values)  # noqa: S102 - our own words

        for path in values["SPECTACULAR_SETTINGS"]["POSTPROCESSING_HOOKS"]:
            assert callable(import_string(path))
