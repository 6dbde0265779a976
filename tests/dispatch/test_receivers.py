"""Receivers by name: who is called again, and what is kept of a failure."""

from __future__ import annotations

import asyncio
import functools
import gc
import logging
import re

import pytest
from asgiref.sync import sync_to_async
from django.db import transaction
from django.dispatch import Signal

from cmc_webhooks import audit, dispatch, models, signals
from cmc_webhooks.dispatch import receivers, retries
from cmc_webhooks.reprocessing import dead_signals
from tests.helpers.outbox import USING, calls

CALLED = []
FAILING = set()


def note(name):
    CALLED.append(name)
    if name in FAILING:
        raise ValueError("a@example.jp")


def first(**kwargs):
    note("first")


def second(**kwargs):
    note("second")


async def later(**kwargs):
    note("later")


class Shop:
    def mark(self, **kwargs):
        note("mark")


class Counter:
    def __call__(self, **kwargs):
        note("counter")


SHOP = Shop()
HERE = __name__


@pytest.fixture(autouse=True)
def _clean():
    CALLED.clear()
    FAILING.clear()


@pytest.fixture
def connect():
    """Connect receivers of `event_recorded`, and disconnect them after the test."""
    before = list(signals.event_recorded.receivers)

    def connect(function, **options):
        signals.event_recorded.connect(function, weak=False, **options)

    yield connect
    signals.event_recorded.receivers[:] = before
    signals.event_recorded.sender_receivers_cache.clear()


def send(call):
    dispatch.send(USING, dispatch.enqueue(USING, [call], leased=True))


def sweep_again():
    """Sweep after the pause of a retry."""
    models.PendingSignal.objects.update(available_at=0)
    return dispatch.sweep(USING)


class TestConnected:
    @pytest.mark.parametrize(
        ("function", "options", "name"),
        [
            (first, {}, f"{HERE}.first"),
            (later, {}, f"{HERE}.later"),
            (SHOP.mark, {}, f"{HERE}.Shop.mark"),
            (Counter(), {}, f"{HERE}.Counter"),
            (functools.partial(first, shop=1), {}, f"{HERE}.first"),
            (first, {"dispatch_uid": "shop-first"}, "shop-first"),
            (SHOP.mark, {"dispatch_uid": ("shop", 1)}, "('shop', 1)"),
            (first.__call__, {}, "builtins.function.__call__"),
            (lambda **kwargs: None, {"dispatch_uid": "inner"}, "inner"),
            (lambda **kwargs: None, {}, ""),
            (first, {"dispatch_uid": "a<b"}, ""),
            (first, {"dispatch_uid": Shop}, ""),
        ],
        ids=[
            *(
                "function",
                "coroutine",
                "method",
                "object",
                "partial",
                "text",
                "tuple",
                "wrapper",
                "lambda with text",
            ),
            *("lambda", "a bracket", "an object as uid"),
        ],
    )
    def test_names_a_receiver(self, function, options, name):
        signal = Signal()
        signal.connect(function, weak=False, **options)

        [found] = receivers.connected(signal, models.Mail)

        assert (found.name, found.function) == (name, function)
        assert found.label

    @pytest.mark.parametrize(
        ("function", "name"),
        [
            (first, f"{HERE}.first"),
            (SHOP.mark, f"{HERE}.Shop.mark"),
            (Counter(), f"{HERE}.Counter"),
            (functools.partial(Counter()), f"{HERE}.Counter"),
            (functools.partial(SHOP.mark, shop=1), f"{HERE}.Shop.mark"),
        ],
        ids=["function", "method", "object", "partial of an object", "partial"],
    )
    def test_names_what_on_status_connects(self, function, name):
        before = list(signals.status_changed.receivers)
        try:
            signals.on_status("bounced")(function)

            assert receivers.connected(signals.status_changed, models.Mail)[-1].name == name
        finally:
            signals.status_changed.receivers[:] = before
            signals.status_changed.sender_receivers_cache.clear()

    @pytest.mark.parametrize("weak", [True, False])
    def test_returns_those_of_the_sender_as_django_does(self, weak):
        signal = Signal(use_caching=True)
        signal.connect(first, weak=weak)
        signal.connect(second, sender=models.BounceEvent, weak=weak)
        signal.connect(later, sender=models.DeliveryEvent, weak=weak)
        signal.connect(SHOP.mark, sender=models.DeliveryEvent, weak=weak, dispatch_uid="mark")

        for sender in (models.Mail, models.BounceEvent, models.DeliveryEvent):
            found = receivers.connected(signal, sender)
            plain, asynchronous = signal._live_receivers(sender)
            assert [each.function for each in found if not each.is_async] == plain
            assert [each.function for each in found if each.is_async] == asynchronous

    def test_leaves_out_what_no_longer_exists(self):
        signal = Signal()
        shop = Shop()
        signal.connect(shop.mark)
        del shop
        gc.collect()

        assert receivers.connected(signal, models.Mail) == []

    def test_gives_no_name_to_receivers_that_share_one(self):
        signal = Signal()
        shops = [Shop(), Shop()]
        for shop in shops:
            signal.connect(shop.mark)
        signal.connect(first)
        signal.connect(first, sender=models.Mail)
        signal.connect(second)

        named = [each.name for each in receivers.connected(signal, models.Mail)]

        assert named == ["", "", "", "", f"{HERE}.second"]
        assert [each.name for each in receivers.connected(signal, models.BounceEvent)][2] == f"{HERE}.first"


@pytest.mark.django_db
class TestRetry:
    def test_calls_only_the_receivers_that_failed(self, connect):
        for function in (first, second, later):
            connect(function)
        FAILING.update({"second", "later"})

        send(calls(1)[0])
        FAILING.remove("second")
        sweep_again()
        FAILING.clear()
        swept = sweep_again()

        assert CALLED == ["first", "second", "later", "second", "later", "later"]
        assert swept == dispatch.SweepResult(sent=1)
        assert not models.PendingSignal.objects.exists()

    def test_calls_receivers_without_a_name_together_and_others_not(self, connect):
        connect(first)
        connect(lambda **kwargs: note("lambda"))
        connect(lambda **kwargs: note("other"))
        FAILING.add("other")

        send(calls(1)[0])
        FAILING.clear()
        sweep_again()

        assert CALLED == ["first", "lambda", "other", "lambda", "other"]

    def test_keeps_name_class_and_place_and_never_the_text(self, connect):
        connect(first)
        connect(second, dispatch_uid="shop")
        FAILING.update({"first", "second"})

        send(calls(1)[0])

        row = models.PendingSignal.objects.get()
        assert [(each["receiver"], each["error"]) for each in row.failures] == [
            (f"{HERE}.first", "ValueError"),
            ("shop", "ValueError"),
        ]
        assert {
            bool(re.fullmatch(r"tests/dispatch/test_receivers\.py:\d+", each["place"]))
            for each in row.failures
        } == {True}
        assert row.last_error == "ValueError"
        assert "example.jp" not in str(vars(row))

    def test_names_the_line_of_the_project_when_a_library_raised(self, connect):
        def fails_in_django(**kwargs):
            models.Mail.objects.get(pk="no key")

        connect(fails_in_django)
        send(calls(1)[0])

        [failure] = models.PendingSignal.objects.get().failures
        line = fails_in_django.__code__.co_firstlineno + 1
        assert failure == {
            "receiver": "",
            "error": "ValidationError",
            "place": f"tests/dispatch/test_receivers.py:{line}",
        }

    def test_cuts_what_is_too_long(self):
        receiver = receivers.Receiver("n", "n", first, is_async=False)

        failure = receivers.failure(receiver, type("E" * 300, (Exception,), {})())

        assert (failure.receiver, len(failure.error), failure.place) == ("n", 255, "")

    def test_of_a_long_name_still_finds_its_receiver(self, connect):
        connect(first, dispatch_uid="n" * 300)
        FAILING.add("first")
        send(calls(1)[0])
        FAILING.clear()

        assert sweep_again() == dispatch.SweepResult(sent=1)
        assert CALLED == ["first", "first"]

    def test_of_an_object_by_on_status_has_no_attributes_of_it(self):
        class Notifier(Counter):
            def __init__(self):
                self.observers = [lambda *args: note("its own observer")]

        receiver = signals.StatusReceiver(Notifier(), (), None, latest_only=False)

        receiver(mail=None, event=None, new="bounced", version=1)

        assert CALLED == ["counter"]

    def test_keeps_a_receiver_whose_task_was_cancelled(self, connect):
        async def waits(**kwargs):
            task = asyncio.create_task(asyncio.sleep(60))
            task.cancel()
            await task

        connect(waits, dispatch_uid="waits")
        connect(later)

        send(calls(1)[0])

        [row] = models.PendingSignal.objects.all()
        assert CALLED == ["later"]
        assert [(each["receiver"], each["error"]) for each in row.failures] == [("waits", "CancelledError")]

    def test_reports_a_receiver_that_is_an_object(self, connect, caplog):
        """Django's own `send_robust` fails to log the failure of an object without a qualified name."""
        connect(Counter())
        connect(second)
        FAILING.add("counter")

        with caplog.at_level(logging.ERROR):
            send(calls(1)[0])

        assert CALLED == ["counter", "second"]
        assert models.PendingSignal.objects.get().failures[0]["receiver"] == f"{HERE}.Counter"
        assert f"{HERE}.Counter" in caplog.text

    def test_calls_asynchronous_receivers_at_the_same_time(self, connect):
        met = []

        def meets(name):
            async def meet(**kwargs):
                met.append(name)
                async with asyncio.timeout(10):
                    while len(met) < 2:
                        await asyncio.sleep(0)

            return meet

        for name in ("one", "two"):
            connect(meets(name), dispatch_uid=name)
        send(calls(1)[0])

        assert met == ["one", "two"]
        assert not models.PendingSignal.objects.exists()

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("is_async", [False, True])
    def test_blames_the_receiver_that_left_a_transaction_open(self, connect, is_async):
        def careless(**kwargs):
            transaction.atomic().__enter__()

        connect(first)
        connect(sync_to_async(careless) if is_async else careless, dispatch_uid="careless")
        connect(second)

        send(calls(1)[0])

        row = models.PendingSignal.objects.get()
        assert [(each["receiver"], each["error"]) for each in row.failures] == [
            ("careless", "TransactionManagementError")
        ]
        assert CALLED == ["first", "second"]

    def test_logs_who_failed(self, connect, caplog):
        connect(first)
        connect(lambda **kwargs: 1 / 0)
        FAILING.add("first")

        send(calls(1)[0])

        [record] = [each for each in caplog.records if getattr(each, "cmc_event", "") == "signal_failed"]
        assert record.receivers == f"{HERE}.first, unnamed"


@pytest.mark.django_db
class TestNotConnected:
    def test_is_retried_until_its_process_comes(self, connect):
        connect(first)
        connect(second)
        call = calls(1)[0]
        dispatch.enqueue(USING, [call], leased=False)
        signals.event_recorded.disconnect(second)

        swept = dispatch.sweep(USING)

        row = models.PendingSignal.objects.get()
        assert (swept, CALLED) == (dispatch.SweepResult(failed=1), ["first"])
        assert row.failures == [{"receiver": f"{HERE}.second", "error": "NotConnected", "place": ""}]
        connect(second)
        assert sweep_again() == dispatch.SweepResult(sent=1)
        assert CALLED == ["first", "second"]

    @pytest.mark.parametrize("uid", ["shop", None], ids=["with a name", "without"])
    def test_is_dead_after_the_last_attempt_with_that_reason(self, connect, uid):
        function = second if uid else lambda **kwargs: note("lambda")
        connect(function, dispatch_uid=uid)
        dispatch.enqueue(USING, calls(1)[:1], leased=False)
        signals.event_recorded.disconnect(function, dispatch_uid=uid)

        for _ in range(retries.MAX_ATTEMPTS):
            sweep_again()

        row = models.PendingSignal.objects.get()
        assert (row.state, row.attempts, row.last_error) == ("dead", 8, "NotConnected")
        assert row.failures == [{"receiver": uid or "", "error": "NotConnected", "place": ""}]
        assert CALLED == []

    def test_after_a_failure_is_a_failure_too(self, connect):
        connect(first)
        connect(second)
        FAILING.update({"first", "second"})
        send(calls(1)[0])
        signals.event_recorded.disconnect(second)
        FAILING.clear()

        sweep_again()

        assert CALLED == ["first", "second", "first"]
        assert [each["receiver"] for each in models.PendingSignal.objects.get().failures] == [
            f"{HERE}.second"
        ]

    def test_calls_a_receiver_that_was_connected_since(self, connect):
        connect(first)
        dispatch.enqueue(USING, calls(1)[:1], leased=False)
        connect(second)

        dispatch.sweep(USING)

        assert CALLED == ["first", "second"]
        assert not models.PendingSignal.objects.exists()

    def test_concerns_only_calls_of_its_signal(self, connect):
        connect(first, sender=models.BounceEvent)
        connect(second, sender=models.DeliveryEvent)

        dispatch.enqueue(USING, calls(3), leased=False)
        row = models.PendingSignal.objects.get()

        assert row.receivers == {"event_recorded by DeliveryEvent": [f"{HERE}.second"]}
        assert dispatch.sweep(USING) == dispatch.SweepResult(sent=6)


@pytest.mark.django_db
class TestRow:
    def test_stays_one_for_25_calls_and_names_each_receiver_once(self, connect, django_assert_num_queries):
        connect(first)
        connect(second)
        made = calls(25)

        with django_assert_num_queries(1):
            enqueued = dispatch.enqueue(USING, made, leased=True)

        assert [len(row.items) for row, _ in enqueued] == [25, 25]
        assert enqueued[0].row.receivers == {
            "event_recorded by DeliveryEvent": [f"{HERE}.first", f"{HERE}.second"]
        }

    def test_keeps_who_was_connected_when_it_is_given_back_or_split(self, connect):
        connect(first)
        made = [calls(1)[0], calls(1)[0]]
        dispatch.enqueue(USING, made, leased=False, replay=True)

        dispatch.sweep(USING, stopped=lambda: bool(CALLED))
        row = models.PendingSignal.objects.get()
        assert (len(row.items), row.attempts, row.replay) == (1, 0, True)
        assert row.receivers == {"event_recorded by DeliveryEvent": [f"{HERE}.first"]}

        models.PendingSignal.objects.all().delete()
        dispatch.enqueue(USING, made, leased=False, replay=True)
        models.PendingSignal.objects.update(attempts=1)
        dispatch.sweep(USING, stopped=lambda: models.PendingSignal.objects.count() == 2)
        for row in models.PendingSignal.objects.all():
            assert row.receivers == {"event_recorded by DeliveryEvent": [f"{HERE}.first"]}
            assert (row.replay, len(row.items)) == (True, 1)

    def test_split_keeps_whom_to_call(self, connect):
        """A person sent two dead signals again, in one row, and the process was killed."""
        connect(first)
        connect(second)
        FAILING.add("second")
        for call in calls(2):
            send(call)
        kept = models.PendingSignal.objects.first().failures
        models.PendingSignal.objects.update(state="dead")
        dead = [list(models.PendingSignal.objects.all())]
        dead_signals.send_again(USING, dead, audit.Actor())
        assert len(models.PendingSignal.objects.get().items) == 2
        models.PendingSignal.objects.update(attempts=1)
        signals.event_recorded.disconnect(second)
        CALLED.clear()

        dispatch.sweep(USING)

        assert CALLED == []
        assert [(row.last_error, row.failures) for row in models.PendingSignal.objects.all()] == [
            ("NotConnected", [{**kept[0], "error": "NotConnected", "place": ""}])
        ] * 2

    def test_given_back_keeps_whom_to_call(self, connect):
        connect(first)
        connect(second)
        FAILING.add("second")
        send(calls(1)[0])
        kept = models.PendingSignal.objects.get().failures
        FAILING.clear()

        models.PendingSignal.objects.update(available_at=0)
        [row] = models.PendingSignal.objects.all()
        row.attempts = 2
        [again], _ = dispatch.outbox.send_row(USING, row, [None], 0.0)

        assert (again.failures, again.attempts) == (kept, 1)


@pytest.mark.django_db
class TestReplay:
    @pytest.mark.parametrize("replay", [True, False])
    def test_is_an_argument_of_each_call_and_of_its_retries(self, receiver, replay):
        seen = []

        def fail(replay, **kwargs):
            seen.append(replay)
            raise ValueError

        receiver(signals.event_recorded, fail)
        receiver(signals.status_changed, lambda replay, **kwargs: seen.append(replay))
        dispatch.enqueue(USING, calls(1), leased=False, replay=replay)

        dispatch.sweep(USING)
        sweep_again()

        assert seen == [replay] * 3
