from __future__ import annotations

import json
import logging
import socket
from datetime import date

import pytest

from tests.conftest import PAYLOADS, delivery
from tests.helpers import fake_api

pytest.importorskip("httpx")

from cmc_webhooks import rest as rest_client

DAY = date(2023, 1, 25)
ERROR = {"errors": [{"code": "10-001", "field": "date", "message": "no such day"}]}


@pytest.fixture
def pauses():
    return []


@pytest.fixture
def client(rest_api, pauses):
    with rest_client.Client(
        rest_api.url, fake_api.USER, fake_api.KEY, timeout=10, pause=pauses.append
    ) as client:
        yield client


def listed(client, kind="deliveries"):
    return [row for page in client.pages(kind, "pro", DAY) for row in page]


def numbered(number):
    return [delivery(f"<m{each}@example.com>") for each in range(number)]


class TestPages:
    @pytest.mark.parametrize(
        ("number", "pages"),
        [(3, 1), (99, 1), (100, 2), (101, 2), (200, 3), (250, 4), (255, 4), (256, 3)],
        ids=str,
    )
    def test_hold_every_row_once_in_order(self, client, rest_api, number, pages):
        rest_api.rows["deliveries", "pro", "2023-01-25"] = numbered(number)

        assert listed(client) == numbered(number)
        assert [fields["p"] for _, fields in rest_api.asked] == [str(page) for page in range(pages)]

    def test_are_those_of_one_day_and_composition(self, client, rest_api):
        assert listed(client, "bounces") == []
        fields = {"server_composition": "pro", "date": "2023-01-25", "p": "0", "r": "100"}
        assert rest_api.asked == [("bounces/list", fields)]

    def test_are_told_by_the_recorded_answers(self, client, rest_api):
        for kind, number in (("deliveries", 2), ("bounces", 1)):
            rest_api.answers.append((200, (PAYLOADS / f"rest_{kind}_list_constructed.json").read_bytes()))

            assert len(listed(client, kind)) == number

    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param((204, ""), id="204"),
            pytest.param((200, ""), id="200 without a body"),
            pytest.param((200, " \n"), id="blanks"),
            pytest.param((200, "{}"), id="no key"),
            pytest.param((200, '{"deliveries": null}'), id="null"),
            pytest.param((200, '{"deliveries": []}'), id="no rows"),
            pytest.param((404, '{"errors": [{"code": "12-001", "field": ""}]}'), id="data not found"),
        ],
    )
    def test_are_empty_on_an_empty_day(self, client, rest_api, answer):
        rest_api.answers.append(answer)

        assert listed(client) == []
        assert len(rest_api.asked) == 1

    @pytest.mark.parametrize("size", [10, 15, 25, 50])
    def test_may_be_smaller_than_was_asked_for(self, client, rest_api, size):
        for start in range(0, 120, size):
            rest_api.answers.append((200, json.dumps({"deliveries": numbered(120)[start : start + size]})))

        assert len(listed(client)) == 120

    def test_may_be_huge(self, client, rest_api):
        rest_api.answers.append((200, json.dumps({"deliveries": numbered(5_432)})))

        assert len(listed(client)) == 5_432

    def test_read_numbers_as_they_were_sent(self, client, rest_api):
        rest_api.answers.append((200, '{"bounces": [{"status": 2, "code": 1.10}]}'))

        assert listed(client, "bounces") == [{"status": "2", "code": "1.10"}]

    def test_must_not_repeat_for_ever(self, client, rest_api):
        rest_api.answers.extend([(200, json.dumps({"deliveries": numbered(100)}))] * 3)

        with pytest.raises(rest_client.BadAnswer, match="page 1 is the page before it again"):
            listed(client)

    def test_have_an_end(self, client, rest_api, monkeypatch):
        monkeypatch.setattr(rest_client, "MAX_PAGES", 2)
        rest_api.rows["deliveries", "pro", "2023-01-25"] = numbered(300)

        with pytest.raises(rest_client.BadAnswer, match="more than 2 pages"):
            listed(client)


class TestFaults:
    @pytest.mark.parametrize(
        ("answer", "message"),
        [
            pytest.param((200, "{"), "deliveries/list is not JSON", id="broken JSON"),
            pytest.param((200, "<html>"), "deliveries/list is not JSON", id="HTML"),
            pytest.param((200, "[]"), "deliveries/list: no object", id="no object"),
            pytest.param((200, '{"deliveries": {"a": 1}}'), "deliveries is not a list", id="no list"),
            pytest.param((200, "[" * 100_000), "is not JSON", id="deep"),
            pytest.param((200, "zip", {"Content-Encoding": "gzip"}), "compressed and damaged", id="damaged"),
        ],
    )
    def test_of_an_answer_are_told_at_once(self, client, rest_api, answer, message):
        rest_api.answers.append(answer)

        with pytest.raises(rest_client.BadAnswer, match=message):
            listed(client)

        assert len(rest_api.asked) == 1

    def test_of_size_are_told_before_it_is_read(self, client, rest_api, monkeypatch):
        monkeypatch.setattr(rest_client, "MAX_ANSWER", 1_000)
        rest_api.answers.append((200, b" " * 100_000))

        with pytest.raises(rest_client.BadAnswer, match="larger than 1000 bytes"):
            listed(client)

    @pytest.mark.parametrize(
        ("answer", "message"),
        [
            pytest.param((400, json.dumps(ERROR)), "10-001 date no such day", id="400"),
            pytest.param((200, json.dumps(ERROR)), "10-001 date no such day", id="errors in a 200"),
            pytest.param((403, '{"errors": ["closed"]}'), "closed", id="an error that is a text"),
            pytest.param((403, '{"errors": "closed"}'), "closed", id="errors that are a text"),
            pytest.param((404, "<html>"), "HTTP 404", id="HTML"),
            pytest.param((401, ""), "HTTP 401", id="no body"),
            pytest.param((302, "", {"Location": "/elsewhere"}), "HTTP 302", id="a redirect is not followed"),
            pytest.param(
                (400, '{"errors": [{"code": "12-001", "field": "server_composition"}]}'),
                "12-001 server_composition",
                id="no such composition",
            ),
        ],
    )
    def test_that_are_ours_are_not_tried_again(self, client, rest_api, pauses, answer, message):
        rest_api.answers.append(answer)

        with pytest.raises(rest_client.Refused, match=f"deliveries/list: {message}"):
            listed(client)

        assert len(rest_api.asked) == 1
        assert pauses == []

    @pytest.mark.parametrize(
        "fault",
        [
            pytest.param((500, "oops"), id="500"),
            pytest.param((503, ""), id="503"),
            pytest.param((429, json.dumps(ERROR)), id="429"),
            pytest.param(None, id="connection closed"),
            pytest.param((200, '{"deliv', {"Content-Length": "999"}), id="broken off"),
        ],
    )
    def test_that_pass_are_tried_again(self, client, rest_api, pauses, fault):
        rest_api.rows["deliveries", "pro", "2023-01-25"] = numbered(3)
        rest_api.answers.extend([fault, fault])

        assert listed(client) == numbered(3)
        assert pauses == [1, 2]

    def test_that_do_not_pass_end_it(self, client, rest_api, pauses):
        rest_api.answers.extend([(500, "oops")] * 9)

        with pytest.raises(rest_client.Unreachable, match="deliveries/list: HTTP 500, 4 times"):
            listed(client)

        assert len(rest_api.asked) == 4
        assert pauses == [1, 2, 4]

    @pytest.mark.parametrize(
        ("after", "pause"), [("7", 7), ("86400", 60), ("9" * 400, 60), ("Wed, 21 Oct", 1), ("-1", 1)], ids=str
    )
    def test_are_waited_for_as_the_answer_asks_but_not_for_ever(self, client, rest_api, pauses, after, pause):
        rest_api.answers.append((429, "", {"Retry-After": after}))

        assert listed(client) == []
        assert pauses == [pause]

    def test_of_time_end_it(self, rest_api):
        rest_api.answers.extend([rest_api.wait] * 4)

        with (
            rest_client.Client(
                rest_api.url, fake_api.USER, fake_api.KEY, timeout=0.05, pause=lambda seconds: None
            ) as client,
            pytest.raises(rest_client.Unreachable, match="ReadTimeout"),
        ):
            listed(client)

    def test_of_an_answer_without_end_end_it(self, client, rest_api, monkeypatch):
        monkeypatch.setattr(rest_client, "ANSWER_SECONDS", -1)
        rest_api.answers.extend([(200, "{}")] * 4)

        with pytest.raises(rest_client.Unreachable, match="the answer has no end"):
            listed(client)

    def test_of_the_network_end_it(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{free.getsockname()[1]}/transaction/v2"

        with (
            rest_client.Client(url, fake_api.USER, fake_api.KEY, pause=lambda seconds: None) as client,
            pytest.raises(rest_client.Unreachable, match="ConnectError"),
        ):
            listed(client)


class TestTotals:
    def test_are_by_day(self, client, rest_api):
        rest_api.answers.append((200, (PAYLOADS / "rest_statistics_list.json").read_bytes()))

        assert client.totals("pro", date(2015, 12, 31)) == {
            date(2015, 12, 1): {"queued": 7833, "succeeded": 7800, "failed": 33},
            date(2015, 12, 2): {"queued": 649, "succeeded": 605, "failed": 40},
        }
        asked = {"server_composition": "pro", "year": "2015", "month": "12"}
        assert rest_api.asked == [("statistics/list", asked)]

    @pytest.mark.parametrize(
        "row", [1, {}, {"date": "total"}, {"date": "2015-12-01", "queued": "many"}], ids=str
    )
    def test_must_be_numbers_of_days(self, client, rest_api, row):
        rest_api.answers.append((200, json.dumps({"statistics": [row]})))

        with pytest.raises(rest_client.BadAnswer, match="not rows of a date and numbers"):
            client.totals("pro", DAY)


class TestKey:
    def test_is_in_no_message_and_in_no_log(self, rest_api, caplog):
        caplog.set_level(logging.DEBUG)
        wrong = "wr0ng-key-of-somebody"
        messages = []

        for answer in (None, (500, wrong), (200, wrong), (400, json.dumps({"errors": [wrong]}))):
            rest_api.answers.extend([answer] * 4 if answer else [])
            with rest_client.Client(rest_api.url, fake_api.USER, wrong, pause=lambda seconds: None) as client:
                messages.append(repr(client))
                with pytest.raises(rest_client.Failed) as caught:
                    listed(client)
            messages.append(str(caught.value))
            rest_api.answers.clear()

        logged = [repr(sorted(record.__dict__.items(), key=str)) for record in caplog.records]
        assert "[hidden] is no key" in messages[1]
        assert [text for text in [*messages, *logged] if wrong in text or fake_api.USER in text] == []
        assert any("transient error of CMC's API (HTTP 500)" in text for text in logged)
