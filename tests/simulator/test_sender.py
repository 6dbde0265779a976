from __future__ import annotations

import socket

import pytest

from cmc_webhooks.simulator import sender
from cmc_webhooks.simulator.sender import Post, Tally, Target
from tests.helpers.sink import listening


def posts(number, events=10):
    return [Post(str(each).encode(), "application/json", events) for each in range(number)]


def post_all(sink, wanted, **options):
    tally = Tally()
    sender.post_all(Target.of(sink.url), wanted, tally, **options)
    return tally


class TestTarget:
    @pytest.mark.parametrize(
        "url",
        [
            "ftp://127.0.0.1/",
            "127.0.0.1:8000/hook",
            "http:///hook",
            "http://127.0.0.1/two words",
            "http://127.0.0.1/あ",
            "http://user:secret@127.0.0.1/hook",
        ],
    )
    def test_is_made_of_addresses_alone(self, url):
        with pytest.raises(ValueError, match="address") as refusal:
            Target.of(url)

        assert "secret" not in str(refusal.value)

    @pytest.mark.parametrize(
        ("host", "expected"),
        [
            ("127.0.0.1", True),
            ("127.8.0.1", True),
            ("[::1]", True),
            ("localhost", True),
            ("shop.localhost", True),
            ("192.0.2.1", False),
            ("example.com", False),
            ("localhost.example.com", False),
        ],
    )
    def test_knows_this_machine(self, host, expected):
        assert Target.of(f"http://{host}:8000/hook").is_loopback is expected

    def test_keeps_the_query_and_the_secret_out_of_its_repr(self):
        target = Target.of("https://example.com/hook?a=b", "Bearer s3cret")

        assert (target.tls, target.path) == (True, "/hook?a=b")
        assert "s3cret" not in repr(target)


class TestTally:
    def test_counts_answers_and_what_they_say(self):
        tally = Tally()

        tally.note(100, "200", b'{"new": 90, "repeated": 10, "rejected": 0}', 0.012)
        tally.note(100, "503", b"not stored", 0.5)
        tally.note(100, sender.NO_ANSWER, b"", 0.001)

        assert (tally.requests, tally.events, tally.failed) == (3, 300, 2)
        assert tally.answers == {"200": 1, "503": 1, sender.NO_ANSWER: 1}
        assert tally.stored == {"new": 90, "repeated": 10, "rejected": 0}

    @pytest.mark.parametrize("text", [b"[]", b'{"new": []}', b"\xff", b'{"new": "many"}', b"1"])
    def test_takes_any_answer(self, text):
        tally = Tally()

        tally.note(1, "200", text, 0.1)

        assert (tally.requests, tally.stored) == (1, {})

    def test_tells_quantiles_of_the_time_that_answers_took(self):
        tally = Tally()
        for number in range(100):
            tally.note(1, "200", b"", (number + 1) / 1000)

        assert [tally.latency(share) for share in (0.5, 0.99, 1)] == [0.05, 0.099, 0.1]
        assert Tally().latency(0.5) == 0


class TestPostAll:
    def test_posts_all_on_kept_connections(self):
        with listening() as sink:
            tally = post_all(sink, posts(50), senders=2)

        assert sorted(sink.bodies, key=int) == [each.body for each in posts(50)]
        assert (tally.requests, tally.events, tally.answers) == (50, 500, {"200": 50})
        assert len({each.port for each in sink.taken}) <= 2
        assert tally.seconds > 0

    def test_tells_progress_of_every_event_once(self):
        told = []

        with listening() as sink:
            post_all(sink, posts(20), progress=told.append)

        assert sum(told) == 200

    def test_keeps_the_rate(self):
        pauses = []

        with listening() as sink:
            post_all(sink, posts(5), rate=10, sleep=pauses.append)

        assert [round(pause) for pause in pauses] == [1, 2, 3, 4]

    def test_posts_again_where_a_kept_connection_was_closed(self):
        with listening(lambda number: None if number == 3 else (200, b"{}")) as sink:
            tally = post_all(sink, posts(4), senders=1)

        assert tally.answers == {"200": 4}
        assert sink.bodies == [b"0", b"1", b"2", b"2", b"3"]

    def test_counts_what_was_not_answered_and_goes_on(self):
        with listening(lambda number: (503, b"later") if number == 1 else None) as sink:
            tally = post_all(sink, posts(3), senders=1)

        assert tally.answers == {"503": 1, sender.NO_ANSWER: 2}
        assert tally.failed == 3

    def test_reads_no_long_answer_to_its_end(self):
        with listening(lambda number: (200, b"x" * 300_000)) as sink:
            tally = post_all(sink, posts(2), senders=1)

        assert tally.answers == {"200": 2}

    def test_raises_at_once_where_nobody_listens(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            target = Target.of(f"http://127.0.0.1:{taken.getsockname()[1]}/")

            with pytest.raises(OSError, match="refused"):
                sender.post_all(target, posts(1), Tally())

    def test_ends_with_the_requests_at_hand_when_interrupted(self):
        def interrupted():
            yield from posts(8)
            raise KeyboardInterrupt

        tally = Tally()
        with listening() as sink, pytest.raises(KeyboardInterrupt):
            sender.post_all(Target.of(sink.url), interrupted(), tally, senders=2)

        assert tally.requests == len(sink.taken) <= 8

    def test_raises_what_a_sender_raised(self, monkeypatch):
        def fail(*args):
            raise RuntimeError("a mistake of ours")

        monkeypatch.setattr(Target, "exchange", fail)
        with listening() as sink, pytest.raises(RuntimeError, match="of ours"):
            post_all(sink, posts(50))
