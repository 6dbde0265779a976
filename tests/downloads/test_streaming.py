from __future__ import annotations

import io
from zoneinfo import ZoneInfo

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncRequestFactory, RequestFactory
from django.utils import timezone, translation

from cmc_webhooks import downloads
from cmc_webhooks.downloads import streaming

LINES = [f"line {number}\n" for number in range(20_000)]


def download(request, lines):
    return downloads.download(request, lines, content_type="text/plain", filename="a.txt")


def parts_of(answer):
    """The chunks, in whatever way they are sent."""

    async def awaited():
        return [part async for part in answer.streaming_content]

    return async_to_sync(awaited)() if answer.is_async else list(answer.streaming_content)


@pytest.fixture(params=[RequestFactory, AsyncRequestFactory], ids=["wsgi", "asgi"])
def factory(request):
    return request.param()


class TestDownload:
    def test_is_a_file_of_these_lines(self, factory):
        answer = download(factory.get("/"), LINES)

        assert b"".join(parts_of(answer)).decode() == "".join(LINES)
        assert answer["Content-Type"] == "text/plain; charset=utf-8"
        assert answer["Content-Disposition"] == 'attachment; filename="a.txt"'

    def test_is_sent_in_few_parts(self, factory):
        parts = parts_of(download(factory.get("/"), LINES))

        assert {len(part) // streaming.CHUNK for part in parts[:-1]} == {1}

    def test_makes_lines_when_they_are_sent(self, factory):
        made = []
        lines = (made.append(line) or line for line in LINES)

        answer = download(factory.get("/"), lines)

        assert made == []
        parts_of(answer)
        assert made == LINES

    def test_is_asynchronous_where_the_server_is(self):
        assert download(AsyncRequestFactory().get("/"), LINES).is_async
        assert not download(RequestFactory().get("/"), LINES).is_async

    def test_has_no_lines_for_head(self, factory):
        def lines():
            pytest.fail("a line was made")
            yield ""

        assert parts_of(download(factory.head("/"), lines())) == []

    def test_tells_times_in_the_zone_of_the_request(self, factory):
        def lines():
            for _ in range(3):
                yield timezone.get_current_timezone_name().ljust(streaming.CHUNK)

        with timezone.override(ZoneInfo("Asia/Tokyo")):
            answer = download(factory.get("/"), lines())
        with timezone.override(ZoneInfo("Europe/Paris")):
            parts = parts_of(answer)
            after = timezone.get_current_timezone_name()

        assert {part.strip() for part in parts} == {b"Asia/Tokyo"}
        assert after == "Europe/Paris"

    def test_is_in_the_language_of_the_request(self, factory):
        def lines():
            for _ in range(3):
                yield translation.get_language().ljust(streaming.CHUNK)

        with translation.override("ja"):
            answer = download(factory.get("/"), lines())

        with translation.override("fr"):
            assert {part.strip() for part in parts_of(answer)} == {b"ja"}


class TestDownloadFile:
    def test_is_the_whole_file_and_closes_it(self, factory):
        file, closed = io.BytesIO(b"x" * (2 * streaming.CHUNK + 1)), []
        file.seek(0, io.SEEK_END)

        answer = downloads.download_file(
            factory.get("/"), file, content_type="a/b", filename="a.bin", on_close=lambda: closed.append(1)
        )
        parts = parts_of(answer)
        answer._on_close()

        assert [len(part) for part in parts] == [streaming.CHUNK, streaming.CHUNK, 1]
        assert (answer["Content-Type"], answer.is_async) == ("a/b", isinstance(factory, AsyncRequestFactory))
        assert file.closed
        assert closed == [1]


class TestFileName:
    @pytest.mark.parametrize(
        ("name", "header"),
        [
            (("a.csv", "a.csv"), 'attachment; filename="a.csv"'),
            (
                ("不達 (1).csv", "bounces-1.csv"),
                "attachment; filename=\"bounces-1.csv\"; filename*=UTF-8''%E4%B8%8D%E9%81%94%20%281%29.csv",
            ),
        ],
    )
    def test_has_a_form_for_every_client(self, name, header):
        assert downloads.FileName(*name).disposition == header
