"""Generated histories: each database gives the verdicts of the oracle, by SQL and by the ORM.

`CMC_HISTORIES` is their number, `CMC_HISTORIES_SEED` the seed that makes them.
"""

from __future__ import annotations

import os
import random
from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction

from cmc_webhooks import audit, models, suppression, wire
from cmc_webhooks.erasure import blanking
from cmc_webhooks.store import deletion
from cmc_webhooks.suppression import lifting, lookup
from tests.helpers import factories
from tests.suppression import oracle

pytestmark = pytest.mark.django_db

NUMBER = int(os.environ.get("CMC_HISTORIES", "300"))
SEED = int(os.environ.get("CMC_HISTORIES_SEED", "1"))
AT_ONCE = 500

COMPOSITIONS = ["pro", "Pro", "news", ""]
QUESTIONS = [(composition, purpose) for composition in (None, "pro", "news", "") for purpose in (False, True)]
CODES = ["success"] * 4 + ["1", "2", "10", "10", "11", "11", "block event", "4"] + ["5", "7", "3"] * 3
CLOCKS = [timedelta(days=-5), timedelta(days=-400), timedelta(hours=-12)]
"""Bounces dated ahead: two by a wrong clock, one by a wrong zone."""


def ago(dice, days):
    """Up to that many days, never so near to a whole number that the time of the test matters."""
    return timedelta(days=dice.randrange(days), hours=dice.uniform(2, 22))


def steps(dice):
    """What happens to one address: facts, then a decision or an erasure, and so on."""
    days = dice.choice([3, 8, 40, 120, 300])
    for _ in range(dice.randint(1, 3)):
        facts = []
        for _ in range(dice.choice([0, 1, 2, 3, 5, 8])):
            at = dice.choice(CLOCKS) if dice.random() < 0.03 else ago(dice, days)
            heard = max(at - timedelta(hours=dice.choice([0, 0, 0, 1, 30, 24 * 60])), timedelta(hours=1))
            facts.append((dice.choice(CODES), dice.choice(COMPOSITIONS), at, heard))
        what = dice.choice(["block", "release", "release", "forget", "erase", "lift", "nothing", "nothing"])
        composition = dice.choice(["", "", "pro", "news"])
        until = dice.choice([None, timedelta(days=9), timedelta(days=-9), timedelta(days=200)])
        yield facts, what, composition, until, dice.choice(["blocked", "unsubscribed"])


def rows_of(address, facts, now):
    """The rows of these facts, and what the oracle learns."""
    learnt = []
    for what, composition, at, heard in facts:
        values = {"server_composition": composition}
        if what == "block event":
            row = factories.BlockEventFactory.build(
                **values, address=address, occurred_at=now - at, received_at=now - heard, notification=None
            )
            row.notification_id = wire.key_at(now)
        else:
            outcome = {"delivery_status": "succeeded"} if what == "success" else {"bounce_code": what}
            recipient = f'"{address.partition("@")[0]}"@x.jp' if at > heard else address
            row = factories.MailFactory.build(
                **values, **outcome, recipient=recipient, status_at=now - at, created_at=now - heard
            )
        learnt.append((row, (what, composition, now - at, now - heard)))
    return learnt


def apply(address, known, step, now):
    """Do the second half of a step here and in the oracle."""
    _, what, composition, until, reason = step
    if what == "block":
        decision = suppression.block(address, composition=composition, until=until and now + until)
        known.block(composition, decision.decided_at, until and now + until)
    elif what == "release":
        suppression.release(address, composition=composition)
        known.release(composition, now)
    elif what == "forget":
        suppression.forget(address, composition=composition)
        known.forget(composition)
    elif what == "lift":
        lift = lifting.Lift(reason, composition, is_done=True, answer="")
        lifting._record(address, lift, lookup.known_facts(address), audit.Actor())
        known.lift(reason, composition, now)
    elif what == "erase":
        blanking._keep_suppressed("default", address)
        for model, blank in ((models.Mail, deletion.blank_mails), (models.BlockEvent, deletion.blank_blocks)):
            blank("default", list(model.objects.for_address(address).values_list("pk", flat=True)))
        known.erase(now)


def play(histories, now):
    """Play these histories, all first steps before all second ones; the oracle's addresses by ours."""
    known = {address: oracle.Address() for address in histories}
    for turn in range(3):
        step_of = {address: steps[turn] for address, steps in histories.items() if len(steps) > turn}
        learnt = {address: rows_of(address, step[0], now) for address, step in step_of.items()}
        rows = [row for facts in learnt.values() for row, _ in facts]
        for model in (models.Mail, models.BlockEvent):
            model.objects.bulk_create(row for row in rows if isinstance(row, model))
        for address, step in step_of.items():
            for _, fact in learnt[address]:
                known[address].learn(*fact)
            apply(address, known[address], step, now)
    return known


def differing(known, now, questions=QUESTIONS):
    """The addresses, questions and answers where we do not say what the oracle says."""
    for composition, transactional in questions:
        found = suppression.verdicts(known, composition=composition, transactional=transactional)
        for address, verdict in found.items():
            may_send, reason, first, until, at_cmc = known[address].verdict(composition, transactional, now)
            same = (verdict.may_send, verdict.reason, verdict.until, verdict.at_cmc) == (
                may_send, reason, until, at_cmc,
            )  # fmt: skip
            same &= may_send or (verdict.since, verdict.composition) in first
            if not same:
                yield address, composition, transactional, verdict, (may_send, reason, first, until, at_cmc)


def generated():
    """Chunks of histories by address; the same for the same seed."""
    for start in range(0, NUMBER, AT_ONCE):
        yield {
            f"h{number}.{SEED}@x.jp": list(steps(random.Random(f"{SEED}-{number}")))  # noqa: S311 - same each time
            for number in range(start, min(start + AT_ONCE, NUMBER))
        }


class TestGeneratedHistories:
    def test_have_the_verdicts_of_the_table(self, settings):
        seen = set()
        for histories in generated():
            now = datetime.now(UTC).replace(microsecond=0)
            known = play(histories, now)
            for raw in (True, False):
                settings.CMC_WEBHOOKS_RAW_SQL = raw
                questions = QUESTIONS if raw else QUESTIONS[:3]
                for address, *answers in differing(known, now, questions):
                    pytest.fail(f"{answers} after {histories[address]} (raw: {raw})")
            verdicts = [each.verdict(*question, now) for each in known.values() for question in QUESTIONS]
            seen |= {(reason, at_cmc) for _, reason, _, _, at_cmc in verdicts}

        assert {reason for reason, _ in seen} == {"", *oracle.REASONS}
        assert ("", True) in seen

    def test_have_the_same_verdict_one_by_one(self):
        histories = dict(list(next(generated()).items())[:30])
        now = datetime.now(UTC).replace(microsecond=0)
        play(histories, now)

        for address in histories:
            for composition, transactional in QUESTIONS:
                question = {"composition": composition, "transactional": transactional}
                assert (
                    lookup.look_up(address, **question).verdict
                    == suppression.verdicts([address], **question)[address]
                )

    def test_have_the_verdict_of_erased_addresses_as_before(self):
        histories = next(generated())
        now = datetime.now(UTC).replace(microsecond=0)
        play(histories, now)
        before = {question: verdicts(histories, question) for question in QUESTIONS}

        with transaction.atomic():
            for address in histories:
                apply(address, oracle.Address(), ((), "erase", "", None, ""), now)

        assert {question: verdicts(histories, question) for question in QUESTIONS} == before
        assert not models.Mail.objects.exclude(address="").exists()


def verdicts(addresses, question):
    composition, transactional = question
    return suppression.verdicts(addresses, composition=composition, transactional=transactional)
