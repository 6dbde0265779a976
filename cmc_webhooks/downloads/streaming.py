"""Streaming of lists and files, in constant memory, under WSGI and ASGI."""

from __future__ import annotations

from functools import partial
from typing import IO, TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import StreamingHttpResponse
from django.utils import timezone, translation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator
    from datetime import tzinfo

    from django.http import HttpRequest

__all__ = ["FileName", "download", "download_file"]

CHUNK = 64 * 1024
"""Characters sent at a time; the line that reaches this number is sent whole. Of a file, bytes."""


class FileName(NamedTuple):
    """The name of a file: in any letters, and in ASCII for clients that know no other."""

    text: str
    fallback: str

    @property
    def disposition(self) -> str:
        """Return the value of Content-Disposition for a download (RFC 6266)."""
        plain = f'attachment; filename="{self.fallback}"'
        if self.text == self.fallback:
            return plain
        return f"{plain}; filename*=UTF-8''{quote(self.text, safe='')}"


class _Download(StreamingHttpResponse):
    """A streamed file that calls a function when it was sent, or when the client went away."""

    def __init__(self, *args: Any, on_close: Callable[[], Any], **options: Any) -> None:
        super().__init__(*args, **options)
        self._on_close = on_close

    def close(self) -> None:
        self._on_close()
        super().close()


def download(
    request: HttpRequest,
    lines: Iterable[str],
    *,
    content_type: str,
    filename: FileName | str,
    on_close: Callable[[], Any] = lambda: None,
) -> StreamingHttpResponse:
    """Return these lines as a file in UTF-8. A line is made when it is sent; for HEAD, none is.

    `filename` is in ASCII, or has a form that is. `on_close` is called when the file was sent, and also when
    the client closed the connection before.

    Lines have the zone and the language that are active now, whatever is active while they are made.
    """
    zone, language = timezone.get_current_timezone(), translation.get_language()
    chunks = _chunks(() if request.method == "HEAD" else lines, zone, language)
    return _response(request, chunks, f"{content_type}; charset=utf-8", filename, on_close)


def download_file(
    request: HttpRequest,
    file: IO[bytes],
    *,
    content_type: str,
    filename: FileName | str,
    on_close: Callable[[], Any] = lambda: None,
) -> StreamingHttpResponse:
    """Return the content of a file from its beginning. The file is closed at the end. See `download`."""

    def close() -> None:
        file.close()
        on_close()

    file.seek(0)
    chunks = iter(partial(file.read, CHUNK), b"")
    return _response(request, chunks, content_type, filename, close)


def _response(
    request: HttpRequest,
    chunks: Iterator[bytes],
    content_type: str,
    filename: FileName | str,
    on_close: Callable[[], Any],
) -> StreamingHttpResponse:
    name = filename if isinstance(filename, FileName) else FileName(filename, filename)
    return _Download(
        # Under ASGI, Django would collect a synchronous iterator into a list
        _awaited(chunks) if isinstance(request, ASGIRequest) else chunks,
        content_type=content_type,
        headers={"Content-Disposition": name.disposition, "X-Content-Type-Options": "nosniff"},
        on_close=on_close,
    )


def _chunks(lines: Iterable[str], zone: tzinfo, language: str | None) -> Iterator[bytes]:
    lines = iter(lines)
    while True:
        with timezone.override(zone), translation.override(language):
            chunk = _chunk(lines)
        if not chunk:
            return
        yield chunk


def _chunk(lines: Iterator[str]) -> bytes:
    taken, size = [], 0
    for line in lines:
        taken.append(line)
        size += len(line)
        if size >= CHUNK:
            break
    return "".join(taken).encode()


async def _awaited(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    following = sync_to_async(lambda: next(chunks, None))
    while (chunk := await following()) is not None:
        yield chunk
