"""Streaming of lists as files, in constant memory, under WSGI and ASGI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import StreamingHttpResponse
from django.utils import timezone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator
    from datetime import tzinfo

    from django.http import HttpRequest

__all__ = ["download"]

CHUNK = 64 * 1024
"""Characters sent at a time; the line that reaches this number is sent whole."""


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
    filename: str,
    on_close: Callable[[], Any] = lambda: None,
) -> StreamingHttpResponse:
    """Return these lines as a file in UTF-8. A line is made when it is sent; for HEAD, none is.

    `on_close` is called when the file was sent, and also when the client closed the connection before.

    Times are in the zone that is active now, whatever zone is active while lines are made.
    """
    chunks = _chunks(() if request.method == "HEAD" else lines, timezone.get_current_timezone())
    return _Download(
        # Under ASGI, Django would collect a synchronous iterator into a list
        _awaited(chunks) if isinstance(request, ASGIRequest) else chunks,
        content_type=f"{content_type}; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{filename}"',
            "X-Content-Type-Options": "nosniff",
        },
        on_close=on_close,
    )


def _chunks(lines: Iterable[str], zone: tzinfo) -> Iterator[bytes]:
    lines = iter(lines)
    while True:
        with timezone.override(zone):
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
