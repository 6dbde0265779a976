"""The docs' pages of workers: their blocks in a fresh project, a real queue, a worker that marks an order."""

from __future__ import annotations

import os
import re
import uuid
from configparser import ConfigParser

import django
import pytest

from cmc_webhooks import testing
from tests.helpers import mysite

TASKS, CELERY = "howto/worker-django-tasks", "howto/worker-celery"
BROKER = os.environ.get("AMQP_URL", "amqp://guest:guest@127.0.0.1:5672//")
OLD = django.VERSION < (6, 0)

ORDER = """
from shop.models import Order
Order.objects.create(number="A-1001", email="hanako@example.jp")
"""
MARKED = "SELECT mail_bounced FROM shop_order"


@pytest.fixture
def site(mysite_template, tmp_path):
    site = mysite.MySite(tmp_path, mysite_template)
    site.shell(ORDER)
    return site


def service(block):
    """The command of a unit of systemd."""
    unit = ConfigParser(interpolation=None)
    unit.optionxform = str
    unit.read_string(block.text)
    assert unit["Service"]["WorkingDirectory"] == mysite.FOLDER
    assert unit["Install"]["WantedBy"] == "multi-user.target"
    return unit["Service"]["ExecStart"]


def works(site, command, **variables):
    """Run a worker until it has marked the order. Return its log."""
    with site.serving(**variables):
        assert site.post("bounces", testing.bounce(api_data="A-1001")) == 200
        assert site.rows(MARKED) == [(False,)]  # the request has not sent the signals
        with site.running(command.replace(mysite.FOLDER, str(site.folder)), **variables) as worker:
            site.until(lambda: site.rows(MARKED) == [(True,)], worker)
    return (site.folder / "log").read_text()


def shows(log, block):
    """Assert that each line of a block stands in the log; numbers and dots stand for any."""
    for line in block.text.splitlines():
        pattern = re.sub(r"\\\.\\\.\\\.|\d+\\\.\d+", ".+?", re.escape(line))
        assert re.search(pattern, log), f"{pattern}\n{log}"


class TestDjangoTasks:
    @pytest.mark.parametrize("runs", ["by_hand", "by_systemd"])
    def test_sends_the_signals_in_its_worker(self, site, runs):
        install, settings, old_install, old_settings, tables, by_hand, log, unit, _ = mysite.blocks(TASKS)

        site.sh((old_install if OLD else install).text)
        site.put(old_settings if OLD else settings)
        site.sh(tables.text)
        command = by_hand.text if runs == "by_hand" else service(unit)

        shows(works(site, command), log)

    def test_has_a_cron_line_that_sends_what_is_due(self, site):
        *_, line = mysite.blocks(TASKS)
        site.put(mysite.blocks(TASKS)[3 if OLD else 1])
        site.sh(mysite.blocks(TASKS)[4].text)
        with site.serving():
            site.post("bounces", testing.bounce(api_data="A-1001"))

        printed = site.cron(line.text)

        assert "sent 1, failed 0, dead 0" in printed
        assert site.rows(MARKED) == [(True,)]


class TestCelery:
    @pytest.mark.parametrize("runs", ["by_hand", "by_systemd"])
    def test_sends_the_signals_in_its_worker(self, site, runs):
        install, app, package, tasks, settings, check, by_hand, log, unit = mysite.blocks(CELERY)

        site.sh(install.text)
        for block in (app, package, tasks, settings):
            site.put(block)
        site.set(f'CELERY_TASK_DEFAULT_QUEUE = "{uuid.uuid4().hex}"')
        site.sh(check.text)
        command = by_hand.text if runs == "by_hand" else service(unit)

        shows(works(site, command, CELERY_BROKER_URL=BROKER), log)
