"""Any interleaving of notifications, repeats, splits, retries, sweeps and crashes ends the same."""

from __future__ import annotations

import contextlib
from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TransactionTestCase
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from cmc_webhooks import audit, dispatch, ingest, models, signals, wire
from cmc_webhooks.dispatch import calls
from cmc_webhooks.reprocessing import dead_signals, rebuild, redeliver, rejections, selection
from cmc_webhooks.statistics import recount
from tests.conftest import bounce, delivery, in_every_writer, notification

USING = "default"
NOW = datetime(2023, 1, 26, tzinfo=UTC)

events = st.lists(
    st.one_of(
        st.builds(
            lambda mail, word, second: (
                "deliveries",
                delivery(mail, status=word, created=f"2023-01-25 14:03:0{second}"),
            ),
            st.sampled_from(["<a@x>", "<b@x>"]),
            st.sampled_from(["queued", "deferred", "succeeded", "failed", "expired"]),
            st.integers(0, 3),
        ),
        st.builds(
            lambda mail, code, second: (
                "bounces",
                bounce(mail, status=code, created=f"2023-01-25 14:03:0{second}"),
            ),
            st.sampled_from(["<a@x>", "<b@x>"]),
            st.sampled_from(["1", "5"]),
            st.integers(0, 3),
        ),
        st.just(("deliveries", "odd")),
    ),
    max_size=6,
)

PHASES = {"queued": 1, "deferred": 2, "succeeded": 3, "failed": 3}


class Crash(BaseException):
    """The process ends here."""


class History(RuleBasedStateMachine):
    """What was acknowledged is remembered, and compared with what is stored, told and enqueued."""

    def __init__(self) -> None:
        super().__init__()
        for model in (models.PendingSignal, models.DeliveryEvent, models.BounceEvent, models.Mail):
            model.objects.all().delete()
        for model in (models.RejectedEvent, models.MailCount, models.DomainCount):
            model.objects.all().delete()
        self.acknowledged: list[tuple[str, list[object]]] = []
        self.told: Counter[str] = Counter()
        self.changes: set[tuple[str, int]] = set()
        self.told_another: Counter[str] = Counter()
        self.may_repeat = self.may_repeat_all = False
        self.failing = False
        signals.event_recorded.connect(self.on_event)
        signals.event_recorded.connect(self.on_event_another)
        signals.status_changed.connect(self.on_change)

    def teardown(self) -> None:
        signals.event_recorded.disconnect(self.on_event)
        signals.event_recorded.disconnect(self.on_event_another)
        signals.status_changed.disconnect(self.on_change)

    def on_event(self, event, **kwargs):
        if self.failing:
            raise ValueError("a receiver that raises was not told")
        self.told[str(event.pk)] += 1

    def on_event_another(self, event, **kwargs):
        self.told_another[str(event.pk)] += 1

    def on_change(self, mail, version, **kwargs):
        self.changes.add((str(mail.pk), version))

    def receive(self, event_type, some):
        ingest.receive(wire.decode(notification(event_type, *some)), received_at=NOW)
        self.acknowledged.append((event_type, some))

    @rule(batch=events)
    def notify(self, batch):
        self._notify(batch)

    def _notify(self, batch):
        for event_type in ("deliveries", "bounces"):
            self.receive(event_type, [event for kind, event in batch if kind == event_type])

    @rule(which=st.integers(0, 20), cut=st.integers(0, 6))
    def repeat_split(self, which, cut):
        if self.acknowledged:
            event_type, some = self.acknowledged[which % len(self.acknowledged)]
            self.receive(event_type, some[:cut])
            self.receive(event_type, some[cut:])

    @rule(batch=events, step=st.sampled_from(["lock", "write"]))
    def crash_inside(self, batch, step):
        """Nothing is acknowledged, and nothing is left of it, unless all of it was known."""

        def crashing(real):
            def crash(*args):
                real(*args)
                raise Crash

            return crash

        some = [event for kind, event in batch if kind == "deliveries"]
        inside = [("deliveries", some)] if some and not self.knows(some) else []
        with pytest.MonkeyPatch.context() as patch:
            in_every_writer(patch, step, crashing)
            for event_type, new in inside:
                with pytest.raises(Crash):
                    ingest.receive(wire.decode(notification(event_type, *new)), received_at=NOW)

    def knows(self, some):
        records = wire.read(wire.decode(notification("deliveries", *some)), KINDS, 99)
        keys = {record.key for record in records.records}
        return not records.rejections and models.DeliveryEvent.objects.filter(pk__in=keys).count() == len(
            keys
        )

    @rule(batch=events, reached=st.integers(0, 3))
    def crash_among_receivers(self, batch, reached):
        real, sent = calls.send, []

        def crash(call, *args, **kwargs):
            if len(sent) == reached:
                raise Crash
            sent.append(call)
            return real(call, *args, **kwargs)

        self.may_repeat = self.may_repeat_all = True
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(calls, "send", crash)
            some = [event for kind, event in batch if kind == "deliveries"]
            with contextlib.suppress(Crash):
                ingest.receive(wire.decode(notification("deliveries", *some)), received_at=NOW)
        self.acknowledged.append(("deliveries", some))

    @rule(batch=events)
    def notify_failing_receivers(self, batch):
        self.failing = self.may_repeat = True
        self._notify(batch)
        self.failing = False

    @rule()
    def retry_rejected(self):
        rejections.retry(USING, models.RejectedEvent.objects.all())

    @rule()
    def redeliver_all(self):
        self.may_repeat = self.may_repeat_all = True
        redeliver.redeliver(USING, selection.Selection().events(USING))

    @rule()
    def give_up(self):
        models.PendingSignal.objects.update(state="dead", attempts=8)

    @rule()
    def send_dead_again(self):
        dead_signals.send_again(USING, dead_signals.find(USING, selection.Selection()), audit.Actor())

    @rule()
    def sweep(self):
        models.PendingSignal.objects.update(available_at=0)
        dispatch.sweep(USING)

    @invariant()
    def holds(self):
        promised = {
            str(record.key)
            for event_type, some in self.acknowledged
            for record in wire.read(wire.decode(notification(event_type, *some)), KINDS, 99).records
        }
        stored = [*models.DeliveryEvent.objects.all(), *models.BounceEvent.objects.all()]
        enqueued = [item for row in models.PendingSignal.objects.all() for item in row.facts]
        assert {str(event.pk) for event in stored} == promised
        assert promised <= set(self.told) | {item["event"] for item in enqueued}
        if not self.may_repeat:
            assert set(self.told.values()) <= {1}
        if not self.may_repeat_all:  # a receiver that fails makes no other one repeat its work
            assert set(self.told_another.values()) <= {1}
        assert set(self.told) <= set(self.told_another)
        for mail in models.Mail.objects.all():
            assert mail.status == expected(mail, stored)
            versions = {version for key, version in self.changes if key == str(mail.pk)}
            versions |= {
                item["version"] for item in enqueued if item["mail"] == str(mail.pk) and "version" in item
            }
            assert versions == set(range(1, mail.version + 1))
        assert rebuild.rebuild(USING, models.Mail.objects.all(), check=True).different == 0
        assert recount.recount(USING, recount.days(USING), check=True).wrong == 0


KINDS = {"deliveries": wire.DeliveryRecord, "bounces": wire.BounceRecord}


def expected(mail, stored):
    """By the words of the docs."""
    own = [event for event in stored if event.mail_id == mail.pk]
    if any(isinstance(event, models.BounceEvent) for event in own):
        return "bounced"
    ranked = [
        (
            PHASES.get(event.status, 0),
            event.occurred_at,
            event.status == "failed",
            str(event.pk),
            event.status,
        )
        for event in own
    ]
    return max(ranked)[-1]


class TestHistory(TransactionTestCase):
    def test_ends_the_same_for_any_interleaving(self):
        run_state_machine_as_test(
            History,
            settings=settings(
                max_examples=25,
                stateful_step_count=12,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
