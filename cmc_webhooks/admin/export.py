"""CSV export of filtered rows, streamed page by page, for spreadsheets (UTF-8 with a byte order mark)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils import timezone

from cmc_webhooks import downloads
from cmc_webhooks.downloads import csv_cells
from cmc_webhooks.models import BounceEvent, DeliveryEvent, Mail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from django.db.models import Model
    from django.http import HttpRequest, StreamingHttpResponse

    from cmc_webhooks.db.keyset import Page

ROWS_AT_ONCE = 1000

_OF_MAIL = (
    "message_id",
    "recipient",
    "subject",
    "header_from",
    "return_path",
    "api_data",
    "server_composition",
)
_OF_EVENT = ("occurred_at", "received_at", "reason", "extra", *(f"mail.{name}" for name in _OF_MAIL))
COLUMNS: Mapping[type[Model], Sequence[str]] = {
    Mail: (
        *_OF_MAIL,
        *("status", "delivery_status", "bounce_code", "bounce_class", "reason", "version"),
        *("created_at", "status_at", "first_event_at", "last_event_at"),
    ),
    DeliveryEvent: ("status", "source_ip", "sender_ip", *_OF_EVENT),
    BounceEvent: ("bounce_code", "bounce_class", *_OF_EVENT),
}
"""The columns written for each row. Times are in the active zone, which the first line names."""


def response(
    request: HttpRequest,
    model: type[Model],
    read: Callable[[str | None], Page],
    name: str,
    on_close: Callable[[], Any] = lambda: None,
) -> StreamingHttpResponse:
    """Return all pages that `read` returns as a download. Memory does not grow with their number."""
    return downloads.download(
        request, _lines(model, read), content_type="text/csv", filename=f"{name}.csv", on_close=on_close
    )


def _lines(model: type[Model], read: Callable[[str | None], Page]) -> Iterator[str]:
    columns = COLUMNS[model]
    zone = timezone.get_current_timezone_name()
    heads = [f"{name} ({zone})" if name.endswith("_at") else name for name in columns]
    yield csv_cells.BOM + csv_cells.line(heads)
    page = read(None)
    while True:
        for row in page.rows:
            yield csv_cells.line(_values(row, columns))
        if page.next is None:
            return
        page = read(page.next)


def _values(row: Any, columns: Iterable[str]) -> Iterator[Any]:
    for name in columns:
        owner = row.mail if name.startswith("mail.") else row
        yield getattr(owner, name.removeprefix("mail."))
