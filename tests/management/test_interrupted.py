"""Each command that writes is interrupted at three places (CMC_FAULTS: more), and run again."""

from __future__ import annotations

import io
import json
import os
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection, connections

from cmc_webhooks import dispatch, event_types, ingest, models, wire
from cmc_webhooks.db import chunks, transactions
from cmc_webhooks.dispatch import calls, outbox
from cmc_webhooks.reprocessing import dead_signals, rebuild
from cmc_webhooks.statistics import recount
from tests.conftest import bounce, delivery, notification
from tests.helpers import factories

USING = "default"
PLACES = int(os.environ.get("CMC_FAULTS") or 3)
PERSON = "hanako@example.jp"
LONG_AGO = datetime.now(UTC) - timedelta(days=99)
EVENTS = [each.model for each in event_types.EVENT_TYPES.values()]

pytestmark = pytest.mark.django_db(transaction=True)


def tell(event_type, *events):
    ingest.receive(wire.decode(notification(event_type, *events)), received_at=LONG_AGO)


def everything():
    """Every row of every table, as far as a name of somebody may stand in it."""
    return repr(
        [list(model._base_manager.values()) for model in (models.Mail, *EVENTS, models.RejectedEvent)]
    )


class History:
    """Some mails with their events, a block, rejected events; what commands are for, and what they leave."""

    def __init__(self, sent):
        self.sent = sent

    def write(self):
        for model in (*EVENTS, models.Mail, models.MailCount, models.DomainCount, models.Notification):
            model._base_manager.all().delete()
        models.RejectedEvent.objects.all().delete()
        models.PendingSignal.objects.all().delete()
        models.Suppression.objects.all().delete()
        tell("deliveries", *[delivery(f"<m{n}@x.jp>", to=PERSON if n % 2 else "taro@x.jp") for n in range(5)])
        tell("deliveries", *[delivery(f"<m{n}@x.jp>", to="taro@x.jp", reason=PERSON) for n in range(5, 8)])
        tell("bounces", bounce("<m1@x.jp>", to=PERSON), bounce("<m2@x.jp>", to="taro@x.jp"))
        tell("blocks", {"created": "2023-01-25 14:10:00", "to": PERSON})
        tell("deliveries", delivery("<m9@x.jp>", to=[PERSON]))
        for n in range(3):
            raw = json.dumps(delivery(f"<r{n}@x.jp>", to=PERSON))
            factories.RejectedEventFactory(raw=raw, received_at=LONG_AGO, number=n)
        models.PendingSignal.objects.all().delete()
        self.sent.clear()

    def misstate(self):
        models.Mail.objects.filter(bounce_code="").update(status="failed")
        recount.recount(USING, recount.days(USING))

    def miscount(self):
        models.MailCount.objects.update(number=7)

    def enqueue(self):
        events = [event for model in EVENTS for event in model.objects.all()]
        dispatch.enqueue(
            USING,
            [calls.SignalCall("event_recorded", e, getattr(e, "mail", None)) for e in events],
            leased=False,
        )

    def die(self):
        self.enqueue()
        models.PendingSignal.objects.update(state="dead", attempts=8)

    def is_dismissed(self):
        assert not self.sent
        return not models.PendingSignal.objects.exists()

    def is_pruned(self):
        return not any(model._base_manager.exists() for model in (*EVENTS, models.Mail, models.Notification))

    def is_erased(self):
        return PERSON not in everything() and models.Suppression.objects.filter(address="").exists()

    def is_true(self):
        return not rebuild.rebuild(USING, models.Mail.objects.all(), check=True).different

    def is_told(self):
        models.PendingSignal.objects.update(available_at=0)
        dispatch.sweep(USING)
        told = {arguments["event"].pk for name, _, arguments in self.sent if name == "event_recorded"}
        return told == {event.pk for model in EVENTS for event in model.objects.all()}

    def is_read(self):
        return models.RejectedEvent.objects.filter(resolved_at=None).count() == 1  # as odd as before

    def is_counted(self):
        return not recount.recount(USING, recount.days(USING), check=True).wrong


COMMANDS = {
    "cmc_prune": (
        ["--kind=mails", "--kind=events", "--kind=notifications", "--days=9", "--batch-size=3", "--pause=0"],
        lambda history: None,
        History.is_pruned,
    ),
    "cmc_erase": ([PERSON, "--no-input"], lambda history: None, History.is_erased),
    "cmc_rebuild_status": ([], History.misstate, History.is_true),
    "cmc_rebuild_counts": ([], History.miscount, History.is_counted),
    "cmc_redeliver": (["--no-input"], lambda history: None, History.is_told),
    "cmc_redeliver --dead": (["--dead", "--no-input"], History.die, History.is_told),
    "cmc_dismiss": (["signals", "--reason=known", "--no-input"], History.die, History.is_dismissed),
    "cmc_retry_rejected": ([], lambda history: None, History.is_read),
    "cmc_dispatch": (["--once"], History.enqueue, History.is_told),
}


@pytest.fixture
def history(sent, monkeypatch):
    in_chunks = chunks.in_chunks
    monkeypatch.setattr(chunks, "in_chunks", lambda rows, size=2: in_chunks(rows, 2))
    monkeypatch.setattr(outbox, "CALLS_PER_ROW", 3)
    monkeypatch.setattr(dead_signals, "CALLS_PER_ROW", 3)
    monkeypatch.setattr(dead_signals, "CHUNK", 1)
    monkeypatch.setattr(transactions.time, "sleep", lambda seconds: None)
    monkeypatch.setattr("signal.signal", lambda *arguments: None)
    return History(sent)


@contextmanager
def after(statement, fault):
    """Let `fault(again)` happen after that many statements, and after each that follows; the statements."""
    seen = []

    def count(execute, sql, *rest):
        result = execute(sql, *rest)
        seen.append(sql)
        if len(seen) >= statement:
            fault(len(seen) > statement)
        return result

    with connection.execute_wrapper(count):
        yield seen


def nothing(again):
    pass


def interrupt(again):
    if not again:
        raise KeyboardInterrupt


def lose(again):
    """Lose the connection as it is lost: the server ends it, which the next statement finds out."""
    if again:
        return
    if connection.vendor == "sqlite":  # which has no server
        raise OperationalError(PERSON)
    other = connection.copy()
    with other.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [connection.connection.info.backend_pid])
        else:
            cursor.execute(f"KILL {connection.connection.thread_id()}")
    other.close()


def lose_for_long(again):
    """Lose it, and find no server any more."""
    if connection.vendor == "sqlite":
        raise OperationalError(PERSON)
    lose(again)
    connection.connect = refused


def refused():
    raise OperationalError(PERSON)


def run(name):
    """The line that the command ended with and its exit code, 0 if it came to its end."""
    try:
        call_command(name.split()[0], *COMMANDS[name][0], stdout=io.StringIO())
    except CommandError as error:
        return str(error), error.returncode
    finally:
        vars(connections[USING]).pop("connect", None)
        transactions.discard_connection(connection)  # as it goes with the process
    return "", 0


@pytest.mark.parametrize("name", COMMANDS)
class TestEachCommand:
    def interrupted(self, history, name, fault):
        """Interrupt it at some places, and run it again each time; what the first runs ended with."""
        _, prepare, is_done = COMMANDS[name]
        ends = []
        places = self.places(history, name)
        for statement in places:
            history.write()
            prepare(history)
            with after(statement, fault) as statements:
                line, code = run(name)
            if len(statements) >= statement:  # how many they are may differ: rows are claimed in any order
                ends.append((line, code))
            assert "\n" not in line
            assert PERSON not in line
            assert name == "cmc_rebuild_counts" or history.is_counted(), f"after {statement}"
            assert run(name) == ("", 0)
            assert is_done(history), f"after {statement}"
        assert len(ends) >= len(places) - 1
        return ends

    def places(self, history, name):
        """The numbers of some statements, of the first and the last but one among them."""
        _, prepare, is_done = COMMANDS[name]
        history.write()
        prepare(history)
        with after(1, nothing) as statements:
            assert run(name) == ("", 0)
        assert is_done(history)
        last = len(statements) - 1
        return sorted({1 + number * (last - 1) // (PLACES - 1) for number in range(PLACES)})

    # A cursor of the server's that nobody could close
    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    def test_goes_on_after_ctrl_c(self, history, name):
        for line, code in self.interrupted(history, name, interrupt):
            assert line.startswith("Interrupted: ")
            assert code == 130

    def test_goes_on_after_a_lost_connection(self, history, name):
        for line, code in self.interrupted(history, name, lose):
            assert code == 0 or line.startswith("The database is unavailable (")
            assert code in (0, 1)

    def test_goes_on_when_the_database_is_back(self, history, name):
        *earlier, (line, code) = self.interrupted(history, name, lose_for_long)
        if name not in ("cmc_erase", "cmc_dismiss") or code:  # whose last statement only records a number
            earlier.append((line, code))
        for each, its_code in earlier:
            assert each.startswith("The database is unavailable (")
            assert its_code == 1
