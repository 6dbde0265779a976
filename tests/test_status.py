from __future__ import annotations

from itertools import permutations
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmc_webhooks.bounce_codes import BOUNCE_CODES, BounceClass, bounce_class
from cmc_webhooks.status import State, merge

NOTHING = State()


def key(second, number=0):
    """An event key of that second; `number` tells events of one second apart."""
    return UUID(int=(second * 1000) << 80 | 0x8 << 76 | 0xB << 60 | number)


def delivery(word, second=0, number=0):
    return State(delivery_status=word, delivery_key=key(second, number))


def bounce(code, second=0, number=0):
    return State(bounce_code=code, bounce_key=key(second, number))


def merged(*states):
    result = NOTHING
    for state in states:
        result = merge(result, state)
    return result


words = st.sampled_from(["queued", "deferred", "succeeded", "failed", "expired", ""])
moments = st.integers(0, 3)
numbers = st.integers(0, 2)
events = st.one_of(
    st.builds(delivery, words, moments, numbers),
    st.builds(bounce, st.sampled_from(["1", "2", ""]), moments, numbers),
)


def distinct(states):
    """One event a key, as the primary key has it."""
    by_key = {(state.delivery_key, state.bounce_key): state for state in states}
    return list(by_key.values())


histories = st.lists(events, max_size=8).map(distinct)


class TestMerge:
    @given(histories, st.randoms(use_true_random=False))
    def test_gives_the_same_for_any_order_and_repetition(self, states, random):
        again = states + [random.choice(states) for _ in states]
        random.shuffle(again)

        assert merged(*again) == merged(*states)

    @given(histories, st.integers(0, 8))
    def test_gives_the_same_one_by_one_as_all_at_once(self, states, cut):
        assert merge(merged(*states[:cut]), merged(*states[cut:])) == merged(*states)

    @given(histories, histories, histories)
    def test_is_associative_commutative_and_idempotent(self, one, two, three):
        a, b, c = merged(*one), merged(*one, *two), merged(*one, *three)

        assert merge(merge(a, b), c) == merge(a, merge(b, c))
        assert merge(a, b) == merge(b, a)
        assert merge(a, a) == a
        assert merge(a, NOTHING) == a

    @pytest.mark.parametrize(
        ("states", "status"),
        [
            pytest.param([], "", id="nothing"),
            pytest.param([delivery("queued", 6), delivery("succeeded", 9)], "succeeded", id="C27"),
            pytest.param([delivery("queued", 9), delivery("succeeded", 6)], "succeeded", id="clocks differ"),
            pytest.param([delivery("queued", 6), delivery("failed", 6)], "failed", id="one second"),
            pytest.param([delivery("deferred", 6), delivery("queued", 9)], "deferred", id="late queued"),
            pytest.param([delivery("succeeded", 6), delivery("failed", 6)], "failed", id="failed last"),
            pytest.param(
                [delivery("succeeded", 6, 2), delivery("failed", 6, 1)], "failed", id="failed before the key"
            ),
            pytest.param([delivery("failed", 6), delivery("succeeded", 9)], "succeeded", id="sent after all"),
            pytest.param([delivery("Failed", 9), delivery("deferred", 6)], "deferred", id="a word is exact"),
            pytest.param([delivery("", 9), delivery("queued", 6)], "queued", id="no word"),
            pytest.param([delivery("lost", 6, 1), delivery("gone", 6, 2)], "gone", id="words by key"),
            pytest.param([delivery("succeeded", 6), delivery("failed", 9)], "failed", id="failed after all"),
            pytest.param([delivery("expired", 9), delivery("queued", 6)], "queued", id="a word never seen"),
            pytest.param(
                [delivery("expired", 6), delivery("lost", 9)], "lost", id="words never seen, by time"
            ),
            pytest.param([bounce("2", 0), delivery("succeeded", 9)], "bounced", id="a bounce without a time"),
            pytest.param([bounce("2", 9), delivery("failed", 6)], "bounced", id="refused"),
            pytest.param([bounce("", 1)], "bounced", id="a bounce without a code"),
        ],
    )
    def test_decides_as_promised_in_any_order(self, states, status):
        assert {merged(*order).status for order in permutations(states)} == {status}

    @given(histories)
    def test_keeps_the_maxima_of_the_design(self, states):
        phases = {"queued": 1, "deferred": 2, "succeeded": 3, "failed": 3}
        deliveries = [(each.delivery_status, each.delivery_key) for each in states if each.delivery_key]
        bounces = [(each.bounce_code, each.bounce_key) for each in states if each.bounce_key]

        state = merged(*states)

        assert (state.delivery_status, state.delivery_key) == max(
            deliveries,
            key=lambda it: (phases.get(it[0], 0), it[1].int >> 80, it[0] == "failed", it[1]),
            default=("", None),
        )
        assert (state.bounce_code, state.bounce_key) == max(
            bounces, key=lambda it: (it[1].int >> 80, it[1]), default=("", None)
        )

    @pytest.mark.parametrize(
        ("states", "code"),
        [
            pytest.param([bounce("2", 1), bounce("5", 2)], "5", id="the later"),
            pytest.param([bounce("2", 2, 1), bounce("5", 2, 2)], "5", id="in one second by key"),
            pytest.param([bounce("2", 2), bounce("", 3)], "", id="the later without a code"),
        ],
    )
    def test_takes_the_code_of_one_bounce_in_any_order(self, states, code):
        assert {merged(*order).bounce_code for order in permutations(states)} == {code}

    def test_keeps_how_far_a_bounced_mail_had_come(self):
        state = merged(delivery("succeeded", 1), bounce("5", 2), bounce("2", 9))

        assert (state.status, state.delivery_status, state.bounce_code) == ("bounced", "succeeded", "2")
        assert state.deciding_key == key(9)


class TestState:
    def test_is_decided_by_its_bounce_or_its_delivery(self):
        assert NOTHING.deciding_key is None
        assert delivery("queued", 3).deciding_key == key(3)
        assert merged(delivery("queued", 3), bounce("1", 2)).deciding_key == key(2)

    def test_has_phases_in_the_order_of_a_mails_way(self):
        way = [delivery("expired"), delivery("queued"), delivery("deferred"), delivery("failed"), bounce("1")]

        assert [state.phase for state in way] == [0, 1, 2, 3, 4]
        assert delivery("succeeded").phase == 3


class TestBounceClass:
    @pytest.mark.parametrize(
        ("kind", "codes"),
        [
            (BounceClass.HARD, ["1", "2", "9"]),
            (BounceClass.SOFT, ["3", "5", "6", "7"]),
            (BounceClass.POLICY, ["4"]),
            (BounceClass.MESSAGE, ["8"]),
            (BounceClass.SUPPRESSED, ["10", "11"]),
            (BounceClass.UNKNOWN, ["99", "true", "", "12", "1 ", "01", "２"]),
        ],
    )
    def test_is_that_of_the_code_as_sent(self, kind, codes):
        assert {bounce_class(code) for code in codes} == {kind}

    @pytest.mark.parametrize("code", [1, True, None, 2.0])
    def test_is_unknown_for_what_is_no_text(self, code):
        assert bounce_class(code) == BounceClass.UNKNOWN

    def test_has_a_label_for_each_code_that_cmc_documents(self):
        assert set(BOUNCE_CODES) == {*map(str, range(1, 12)), "99"}
        assert all(str(label) for label, _ in BOUNCE_CODES.values())
