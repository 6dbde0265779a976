from __future__ import annotations

import io
import threading
from contextlib import nullcontext

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from cmc_webhooks.models import Mail
from tests.helpers import factories
from tests.management.test_every_command import (  # noqa: F401 - fixtures
    GIVEN,
    NAMES,
    command,
    feed_is_on,
    harmless,
    history,
)

CHECKS = {
    "cmc_rebuild_counts": ["--check"],
    "cmc_rebuild_status": ["--check"],
    "cmc_status": ["--fail-if-silent=1s"],
}
"""Commands that look for problems, with arguments that find one in `wrong`."""


def call(name, *arguments, **options):
    """Call the command as a task would; return its lines. Fail if it ends the caller's process."""
    out = io.StringIO()
    try:
        call_command(name, *arguments, stdout=out, stderr=io.StringIO(), **options)
    except SystemExit as end:
        pytest.fail(f"{name} raised SystemExit({end.code})")
    return out.getvalue()


@pytest.fixture
def wrong():
    """Store a mail with a wrong status and without a count, and an old notification."""
    event = factories.DeliveryEventFactory(status="succeeded")
    Mail.objects.filter(pk=event.mail_id).update(delivery_event_id=event.pk, delivery_status="queued")
    factories.NotificationFactory()


class TestD74:
    """Commands called by code end with a return or an exception, never with the process."""

    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.django_db(transaction=True)
    def test_each_command_returns_where_all_is_well(self, harmless, name):  # noqa: F811
        call(name, *GIVEN[name])

    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.django_db(transaction=True)
    def test_each_command_returns_where_there_are_rows(self, harmless, history, name):  # noqa: F811
        found = pytest.raises(CommandError) if name == "cmc_status" else nullcontext()

        with found:  # rows that could not be read
            call(name, *GIVEN[name])

    @pytest.mark.parametrize("name", ["cmc_rebuild_counts", "cmc_rebuild_status"])
    @pytest.mark.django_db
    def test_a_check_without_a_finding_returns(self, name):
        assert call(name, check=True).strip()

    @pytest.mark.parametrize(("name", "arguments"), CHECKS.items())
    @pytest.mark.django_db
    def test_a_finding_is_an_exception_that_can_be_caught(self, wrong, name, arguments):
        with pytest.raises(CommandError) as caught:
            call(name, *arguments)

        assert caught.value.returncode == 1
        assert str(caught.value)

    @pytest.mark.parametrize(("name", "arguments"), CHECKS.items())
    @pytest.mark.django_db(transaction=True)
    def test_the_exit_code_of_a_finding_is_1(self, wrong, capfd, name, arguments):
        with pytest.raises(SystemExit) as end:
            command(name).run_from_argv(["manage.py", name, *arguments])

        printed = capfd.readouterr()
        assert (end.value.code, printed.err) == (1, "")
        assert printed.out

    @pytest.mark.parametrize("name", ["cmc_rebuild_counts", "cmc_rebuild_status"])
    @pytest.mark.django_db(transaction=True)
    def test_the_exit_code_without_a_finding_is_0(self, capfd, name):
        command(name).run_from_argv(["manage.py", name, "--check"])

        assert capfd.readouterr().err == ""

    @pytest.mark.parametrize("name", [name for name in NAMES if name != "cmc_simulate"])
    @pytest.mark.django_db(transaction=True)
    def test_a_command_may_be_called_in_a_thread(self, rest_api, name):
        faults = []

        def work():
            try:
                call_command(name, *GIVEN[name], stdout=io.StringIO(), stderr=io.StringIO())
            except BaseException as fault:  # noqa: BLE001 - whatever ends a worker's thread
                faults.append(fault)
            finally:
                connections.close_all()

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

        assert faults == []
