"""Downloads of any length, in constant memory, under WSGI and ASGI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import StreamingHttpResponse
from django.utils import timezone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator
    from datetime import tzinfo

    from django.http import HttpRequest

__all__ = ["download"]

CHUNK = 64 * 1024
"""Characters that are sent at a time, or a line more."""


def download(
    request: HttpRequest, lines: Iterable[str], *, content_type: str, filename: str
) -> StreamingHttpResponse:
    """These lines as a file in UTF-8; none of them is made before it is sent, and none for HEAD.

    Times are told in the zone that is active now, whatever is active while lines are made.
    """
    chunks = _chunks(() if request.method == "HEAD" else lines, timezone.get_current_timezone())
    return StreamingHttpResponse(
        # Django would make a list of what is not asynchronous there
        _awaited(chunks) if isinstance(request, ASGIRequest) else chunks,
        content_type=f"{content_type}; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{filename}"',
            "X-Content-Type-Options": "nosniff",
        },
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
