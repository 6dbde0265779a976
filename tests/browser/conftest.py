"""Debian's Chromium against a live server with a strict Content-Security-Policy.

`tox run -e browser`, which is `pytest --ds=tests.browser.settings`. Nothing is collected without CMC_BROWSER,
the path of the browser. CMC_PICTURES names a folder to keep the pictures in.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import Group, User
from django.urls import reverse
from django.utils import timezone

from cmc_webhooks import ingest, models, suppression, wire
from cmc_webhooks.statistics import rollup
from tests.conftest import bounce, delivery, notification
from tests.helpers import factories

BROWSER = os.environ.get("CMC_BROWSER", "")
collect_ignore_glob = [] if BROWSER else ["test_*.py"]

if BROWSER:
    # Playwright's loop runs in this thread; Django would take every statement for one inside a coroutine.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
TRIES = 4
"""To fetch axe-core: the registry was seen to be away for half a minute."""
DESKTOP, PHONE = (1280, 900), (390, 844)


@pytest.fixture(scope="session")
def axe(tmp_path_factory):
    """The text of axe-core, fetched by npm; a registry may be away for a moment."""
    folder = tmp_path_factory.mktemp("axe")
    command = ["npm", "install", "--silent", "--no-save", "--prefix", str(folder), "axe-core@4"]
    for tries in range(TRIES):
        time.sleep(10 * tries)
        last = tries == TRIES - 1
        if subprocess.run(command, check=last, timeout=300).returncode == 0:  # noqa: S603 - our own words
            break
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text()


@pytest.fixture(scope="session")
def chromium():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS.split())
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    folder = Path(os.environ.get("CMC_PICTURES") or tmp_path_factory.mktemp("pictures"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


REASON = "550 5.1.1 <hanako@example.jp>: Recipient address rejected: User unknown in local recipient table"
LONG_WORD = "opens" * 20
NOTE = "Asked by phone, twice, to be left alone. " * 4
FAULT = f"event.deliveries[3]: {'no such thing, ' * 9}"
HOSTILE = "<script>alert(1)</script>{{ 7*7 }}{% now %}javascript:alert(1)<img src=x onerror=alert(1)>"


def follow(page, selector):
    """Click on what leads to another page, and wait until that is there."""
    with page.expect_navigation():
        page.click(selector)


def at(moment):
    """As CMC writes it, in the zone of its console."""
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M:%S}"


def receive(moment, event_type, *events):
    ingest.receive(wire.decode(notification(event_type, *events)), received_at=moment)


@pytest.fixture
def history():
    """Thirty days of mails, among them one to two people of whom one does not exist, and one hostile."""
    now = timezone.now().replace(microsecond=0)
    for days in range(30):
        day = now - timedelta(days=days)
        names = [f"<d{days}-{n}@shop.example.jp>" for n in range(4 + days % 7)]
        to = [("example.jp", "docomo.example", "gmail.example")[n % 3] for n in range(len(names))]
        sent = [{"to": f"user{n}@{domain}", "subject": "ご注文の確認"} for n, domain in enumerate(to)]
        receive(
            day, "deliveries", *(delivery(m, created=at(day), **s) for m, s in zip(names, sent, strict=True))
        )
        later = day + timedelta(seconds=3 + days)
        receive(
            later,
            "deliveries",
            *(
                delivery(m, created=at(later), status="failed" if n == 3 else "succeeded", **s)
                for n, (m, s) in enumerate(zip(names, sent, strict=True))
            ),
        )
        receive(later, "bounces", bounce(names[0], created=at(later), status=str(1 + days % 9), **sent[0]))
    both = {"subject": "【重要】ご予約内容の確認（山田様・鈴木様）", "apiData": "booking-20314"}
    begin = now - timedelta(hours=3)
    for name in ("hanako", "taro"):
        receive(
            begin,
            "deliveries",
            delivery("<b1@shop.example.jp>", to=f"{name}@example.jp", created=at(begin), **both),
        )
    end = begin + timedelta(seconds=3)
    ok = delivery("<b1@shop.example.jp>", to="taro@example.jp", status="succeeded", created=at(end), **both)
    bad = delivery(
        "<b1@shop.example.jp>", to="hanako@example.jp", status="failed", reason=REASON, created=at(end),
        sourceIp="192.0.2.10", senderIp="198.51.100.7", **both,
    )  # fmt: skip
    receive(end, "deliveries", ok, bad)
    receive(
        end,
        "bounces",
        bounce("<b1@shop.example.jp>", to="hanako@example.jp", reason=REASON, created=at(end), **both),
    )
    receive(
        now, "bounces",
        bounce(f"<{HOSTILE}@x>", to=f"{HOSTILE}@evil.example", subject=HOSTILE, reason=HOSTILE,
               apiData=HOSTILE, created=at(now), further=HOSTILE),
    )  # fmt: skip
    rollup.roll_up("default")


def booking(api_data):
    """The project's own object that a mail is about."""
    return Group.objects.filter(name__startswith=api_data).first() if api_data.startswith("booking") else None


@pytest.fixture
def decisions(history, settings):
    """What operators see besides: decisions about addresses, what was fetched and read again, a booking."""
    settings.CMC_WEBHOOKS_RELATED_OBJECT = "tests.browser.conftest.booking"
    Group.objects.create(name="booking-20314, 山田様・鈴木様、12月24日（木）2名様")
    now = timezone.now()
    long = f"{'very-long-name-of-a-mailing-list-' * 3}@newsletters.customers.example.jp"
    suppression.block("hanako@example.jp", note="お電話でのご依頼（田中）")
    suppression.block(long, until=now + timedelta(days=30), note=NOTE)
    suppression.release("taro@example.jp", note="受信箱が復旧した")
    erased = suppression.block("nobody@example.jp")
    models.Suppression.objects.filter(pk=erased.pk).update(address="")
    suppressed_people(settings, now)
    for source in models.Notification.Sources.values:
        factories.NotificationFactory(received_at=now, source=source, new=98, repeated=1204, rejected=1)
    factories.NotificationFactory(received_at=now, event_type=LONG_WORD[:64], server_composition=LONG_WORD)
    factories.RejectedEventFactory(received_at=now, error=FAULT)
    factories.RejectedEventFactory(received_at=now, resolved_at=now)
    factories.BlockEventFactory(address=long, bounce_code="10")
    factories.PendingSignalFactory(items=[["event_recorded", "deliveries", "0" * 32, "0" * 32]] * 25)
    factories.PendingSignalFactory(items=[[]], state="dead", attempts=8, last_error="ConnectionRefusedError")


def suppressed_people(settings, now):
    """One with a full mailbox, and one who wants no newsletter and is blocked at CMC and by hand."""
    settings.CMC_WEBHOOKS_REST_MAY_LIFT = True
    settings.CMC_WEBHOOKS_REST_USER = settings.CMC_WEBHOOKS_REST_KEY = "made-up"
    for days in (20, 15, 10, 5):
        name, day = f"<full{days}@shop.example.jp>", now - timedelta(days=days)
        full = bounce(
            name, to="full@example.jp", created=at(day), status="5", reason="452 4.2.2 Mailbox full"
        )
        receive(now, "bounces", full)
    for days, code, composition in ((9, "11", "newsletter"), (7, "10", "pro")):
        name, day = f"<news{days}@shop.example.jp>", now - timedelta(days=days)
        frame = {"event_type": "bounces", "server_composition": composition}
        event = bounce(name, to="news@example.jp", created=at(day), status=code, reason="")
        ingest.receive(
            wire.decode(json.dumps(frame | {"event": {"bounces": [event]}}).encode()), received_at=day
        )
    suppression.block("news@example.jp", composition="pro", note=NOTE, author="1")
    suppression.block("news@example.jp", composition="tests", until=now + timedelta(seconds=1), author="root")


@pytest.fixture(params=["desktop", "phone"])
def size(request):
    return {"desktop": DESKTOP, "phone": PHONE}[request.param]


@pytest.fixture(params=["light", "dark"])
def scheme(request):
    return request.param


@pytest.fixture
def open_page(live_server, chromium, history):
    """Opens pages for a superuser; fails at the end if the browser complained of anything."""
    User.objects.create_superuser("support", password="support")
    complaints, contexts = [], []

    def listen(message):
        if message.type in ("error", "warning") and not message.location["url"].endswith("/favicon.ico"):
            complaints.append(f"{message.text} {message.location['url']}")

    def make(size=DESKTOP, scheme="light", locale="en-US"):
        context = chromium.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, locale=locale,
            accept_downloads=True,
        )  # fmt: skip
        contexts.append(context)
        page = context.new_page()
        page.on("console", listen)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message) or dialog.dismiss())
        answer = page.goto(live_server.url + reverse("admin:cmc_webhooks_mail_changelist"))
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        page.fill("#id_username", "support")
        page.fill("#id_password", "support")
        page.click("[type=submit]")
        page.wait_for_selector("#changelist")
        return page

    yield make
    for context in contexts:
        context.close()
    assert complaints == []


def no_sideways(page):
    """Nothing sticks out of the window to the right."""
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1")


def search(page, text):
    page.fill("#searchbar", text)
    page.press("#searchbar", "Enter")
    page.wait_for_load_state()


PAGES = (
    *("", "mail/", "mail/overview/", "deliveryevent/", "bounceevent/", "blockevent/", "notification/"),
    *("rejectedevent/", "pendingsignal/", "suppression/", "suppression/add/"),
    *("suppression/suppressed/", "suppression/address/?address=full@example.jp"),
    *("suppression/address/?address=news@example.jp", "suppression/address/?address=x"),
    *("a mail", "a notification", "a decision", "a mistake", "a question"),
    *("a full mailbox", "an address of mails", "a release", "a block", "a lift", "a replacement"),
)
"""Addresses of pages below the app's, and names of those that one comes to by clicks."""


BUTTONS = {"a release": "release", "a block": "block", "a lift": "lift"}


def visit(page, where):
    """Open one of `PAGES`, from any other."""
    app = page.url.partition("/cmc_webhooks/")[0] + "/cmc_webhooks"
    if where == "a mail":
        page.goto(f"{app}/mail/")
        search(page, "hanako@example.jp")
        follow(page, "#result_list a:has-text('hanako@example.jp')")
    elif where == "a notification":
        page.goto(f"{app}/notification/?source=rest")
        follow(page, "#result_list tbody a")
    elif where == "a decision":
        page.goto(f"{app}/suppression/?q=hanako@example.jp")
        follow(page, "#result_list tbody a")
    elif where == "a full mailbox":
        page.goto(f"{app}/mail/")
        search(page, "full@example.jp")
        follow(page, "#result_list tbody a >> nth=0")
    elif where == "an address of mails":
        page.goto(f"{app}/mail/")
        search(page, "news@example.jp")
    elif where in BUTTONS:
        page.goto(f"{app}/suppression/address/?address=news@example.jp")
        follow(page, f".cmc-statement button[formaction$='/{BUTTONS[where]}/']")
    elif where == "a replacement":
        page.goto(f"{app}/suppression/add/?address=hanako@example.jp&kind=released")
        follow(page, "[name=_save]")
    elif where == "a mistake":
        page.goto(f"{app}/suppression/add/")
        page.fill("#id_address", "nobody")
        follow(page, "[name=_save]")
    elif where == "a question":
        page.goto(f"{app}/mail/?status=bounced")
        page.check("#result_list tbody input[type=checkbox] >> nth=0")
        page.select_option("[name=action]", "erase")
        page.click(".actions button, .actions [type=submit]")
    else:
        page.goto(f"{app}/{where}")
    page.wait_for_load_state()
