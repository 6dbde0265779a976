"""Rubbish, mutated samples and odd JSON in six content types: answers of the docs' page only."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import FORM, HOOK, PAYLOADS
from tests.faults import harness

EXAMPLES = min(10_000, 100 * harness.FAULTS)
CONTENT_TYPES = (
    "application/json",
    FORM,
    "multipart/form-data; boundary=b",
    "text/plain; charset=shift_jis",
    "",
    "\x00;=",
)
SAMPLES = sorted(
    path.read_bytes() for path in PAYLOADS.iterdir() if path.suffix in (".json", ".form", ".multipart")
)

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(), max_size=20),
    st.sampled_from(["queued", "2"]),
)
trees = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
)
names = st.sampled_from(
    ["created", "messageId", "to", "from", "subject", "status", "reason", "email", "api_key", "extra"]
)
items = st.one_of(trees, st.dictionaries(names, trees, max_size=8))


@st.composite
def mutated(draw):
    """A recorded body with some of its bytes changed, dropped or doubled."""
    body = bytearray(draw(st.sampled_from(SAMPLES)))
    for _ in range(draw(st.integers(1, 8))):
        place = draw(st.integers(0, len(body) - 1))
        body[place : place + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(body)


@st.composite
def structured(draw):
    """JSON of the right shape with any values in it."""
    event_type = draw(st.sampled_from(["deliveries", "bounces", "blocks", "opens", "\0", "é"]))
    frame = draw(
        st.one_of(
            st.just({"event_type": event_type, "server_composition": "pro"}),
            st.fixed_dictionaries({"event_type": trees, "server_composition": trees}),
        )
    )
    event = draw(st.one_of(st.just({event_type: draw(st.lists(items, max_size=4))}), trees))
    frame["event"] = json.dumps(event) if draw(st.booleans()) else event
    return json.dumps(frame, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")


bodies = st.one_of(st.binary(max_size=300), mutated(), structured())


@pytest.mark.django_db
class TestHostileInput:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(body=bodies, content_type=st.sampled_from(CONTENT_TYPES))
    def test_is_answered_from_the_table(self, open_hook, body, content_type):
        answer = open_hook.post(body, content_type)

        assert answer.status_code in (200, 400, 413, 415), answer.content
        if answer.status_code == 200:
            assert set(answer.json()) == {"new", "repeated", "rejected"}
        else:
            assert len(answer.content.decode().splitlines()) == 1

    @settings(max_examples=EXAMPLES // 10, deadline=None, suppress_health_check=list(HealthCheck))
    @given(body=bodies, content_type=st.sampled_from(CONTENT_TYPES), header=st.text(max_size=40))
    def test_causes_no_statement_without_the_secret(
        self, hook, django_assert_num_queries, body, content_type, header
    ):
        with django_assert_num_queries(0):
            answer = hook.post(body, content_type, HTTP_AUTHORIZATION=header)

        assert answer.status_code in (400, 403, 415)
        assert HOOK not in answer.content.decode()
