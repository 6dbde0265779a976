"""Files for people of what a list shows: as CSV or Excel, row by row or with one row per address.

Headings, statuses and reasons are in the reader's language. What programs read is in the API.
"""

from __future__ import annotations

from functools import partial
from itertools import islice
from operator import attrgetter
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, NamedTuple

from django.utils import translation
from django.utils.text import capfirst, slugify
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cmc_webhooks import downloads, numerals, suppression, timezones, wire
from cmc_webhooks.admin import filters, labels, verdicts
from cmc_webhooks.bounce_codes import bounce_class
from cmc_webhooks.conf import app_settings
from cmc_webhooks.downloads import Column, Table, csv_cells, workbooks
from cmc_webhooks.models import BounceEvent, DeliveryEvent, Mail
from cmc_webhooks.models.querysets import may_be_cut

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from django.db.models import Model, QuerySet
    from django.http import HttpRequest, StreamingHttpResponse
    from django_stubs_ext import StrOrPromise

    from cmc_webhooks.admin.changelist import KeysetList
    from cmc_webhooks.audit import Record
    from cmc_webhooks.suppression import Explained
    from cmc_webhooks.timezones import DateRange

ROWS_AT_ONCE = 1000
"""Rows that a statement reads, and addresses that a statement asks the verdicts on."""
MOST_ADDRESSES = 100_000
"""Addresses of a file with one row per address, which are collected before they are written."""

CSV, XLSX = "csv", "xlsx"
ROWS, ADDRESSES = "rows", "addresses"

LABELS: Mapping[tuple[str, str], StrOrPromise] = {
    (ROWS, CSV): _("Export as CSV"),
    (ROWS, XLSX): _("Export as Excel"),
    (ADDRESSES, CSV): _("Addresses as CSV"),
    (ADDRESSES, XLSX): _("Addresses as Excel"),
}
_NOTES: Mapping[tuple[str, str], StrOrPromise] = {
    (ROWS, CSV): _("Exported as CSV, filtered by: %s"),
    (ROWS, XLSX): _("Exported as Excel, filtered by: %s"),
    (ADDRESSES, CSV): _("Addresses exported as CSV, filtered by: %s"),
    (ADDRESSES, XLSX): _("Addresses exported as Excel, filtered by: %s"),
}


class TooManyRows(Exception):
    """There are more rows than the file takes. The message is for the user."""


class AddressRow(NamedTuple):
    """An address with bounces among the rows of a list: how often, and the last one."""

    address: str
    times: int
    bounce_code: str
    at: datetime
    explained: Explained | None = None


def formats() -> tuple[str, ...]:
    """Return the formats that can be written."""
    return (CSV, XLSX) if workbooks.is_available() else (CSV,)


def note(contents: str, extension: str, used: Iterable[str]) -> str:
    """Return what the admin's log keeps of an export. `used` are the names of the filters."""
    return str(_NOTES[contents, extension]) % (", ".join(sorted(used)) or "-")


def response(
    request: HttpRequest,
    table: Table,
    name: downloads.FileName,
    extension: str,
    record: Record,
) -> StreamingHttpResponse:
    """Return a table as a download and count its rows in the record of the trail.

    Memory does not grow with the number of rows. A workbook is written to a temporary file before it is sent.
    """
    counted = table._replace(rows=record.counted(table.rows))
    interrupted = partial(record.finish, is_complete=False)  # after the last row, it does nothing
    if extension == CSV:
        return downloads.download(
            request, counted.csv_lines(), content_type="text/csv", filename=name, on_close=interrupted
        )
    file = TemporaryFile()  # noqa: SIM115 - closed when it was sent
    try:
        workbooks.write(counted, file)
    except BaseException:
        file.close()
        interrupted()
        raise
    return downloads.download_file(request, file, content_type=workbooks.CONTENT_TYPE, filename=name)


def rows_table(request: HttpRequest, changelist: KeysetList, *, has_mail: bool) -> Table:
    """Return the rows of a list, all pages, with the columns that the user may see.

    Without `has_mail`, the user may not see mails: of an event's mail there is what the API shows.
    """
    columns = COLUMNS[changelist.model](has_mail=has_mail)
    return Table(_title(changelist.model), columns, _rows(request, changelist))


def check_size(changelist: KeysetList) -> None:
    """Raise `TooManyRows` if a list has more rows than a workbook may have. It counts no further."""
    limit = app_settings.max_xlsx_rows
    if changelist.queryset.order_by()[: limit + 1].count() > limit:
        raise _too_many(limit)


def limited(rows: Iterable[Any], extension: str) -> Iterator[Any]:
    """Yield these rows. For a workbook, raise `TooManyRows` if there are more than it may have."""
    limit = app_settings.max_xlsx_rows if extension == XLSX else None
    for number, row in enumerate(rows):
        if number == limit:
            raise _too_many(limit)
        yield row


def _too_many(limit: int) -> TooManyRows:
    text = gettext(
        "This list has more than %(limit)s rows, the limit for Excel files."
        " Narrow it with the filters, or export it as CSV."
    )
    return TooManyRows(text % {"limit": numerals.grouped(limit)})


def addresses_table(request: HttpRequest, changelist: KeysetList, *, has_verdicts: bool) -> Table:
    """Return one row for each address with bounces among the rows of a list, the latest bounce first.

    Raises:
        TooManyRows: there are more than `MOST_ADDRESSES` addresses.
    """
    changelist.queryset = _bounced(changelist.queryset)
    found = dict[str, AddressRow]()
    for row in map(_address_row, _rows(request, changelist)):
        known = found.get(row.address)
        if known is None:
            found[row.address] = row
        else:
            later = row if row.at > known.at else known
            found[row.address] = later._replace(times=known.times + row.times)
        if len(found) > MOST_ADDRESSES:
            text = gettext("More than %(limit)s addresses bounced. Choose fewer days beside the list.")
            raise TooManyRows(text % {"limit": numerals.grouped(MOST_ADDRESSES)})
    found.pop("", None)
    title = gettext("%(list)s by address") % {"list": _title(changelist.model)}
    rows: Iterable[AddressRow] = found.values()
    return Table(title, _address_columns(has_verdicts=has_verdicts), _judged(rows) if has_verdicts else rows)


def file_name(parts: Callable[[], Iterable[str]], extension: str) -> downloads.FileName:
    """Return the name of a file made of these parts, which are asked for in two languages."""
    text = "_".join(filter(None, (slugify(part, allow_unicode=True) for part in parts())))
    with translation.override("en"):
        fallback = "_".join(filter(None, map(slugify, parts())))
    return downloads.FileName(f"{text}.{extension}", f"{fallback}.{extension}")


def parts_of_name(request: HttpRequest, changelist: KeysetList, contents: str) -> Iterator[str]:
    """Yield what the name of a list's file says: the list, the days, the filters. No text of a search."""
    yield _title(changelist.model)
    if contents == ADDRESSES:
        yield gettext("addresses")
    days = getattr(request, "cmc_days", None)
    chosen = []
    specs: Sequence[Any] = changelist.filter_specs
    for each in specs:
        if isinstance(each, filters.PeriodFilter):
            days = days or each.days_meant(request.GET)
        elif each.value() is not None:
            chosen.append(str(dict(each.lookup_choices).get(each.value(), "")))
    yield _period(days) if days else ""
    yield from chosen
    if changelist.query:
        yield gettext("Search")


def _period(days: DateRange) -> str:
    last = days.last or timezones.today()
    return f"{days.first}_{last}" if days.first else gettext("until %(until)s") % {"until": last}


def _title(model: type[Model]) -> str:
    return str(model._meta.verbose_name_plural)


def _rows(request: HttpRequest, changelist: KeysetList) -> Iterator[Any]:
    page = changelist.read(request, ROWS_AT_ONCE, None)
    yield from page.rows
    while page.next is not None:
        page = changelist.read(request, ROWS_AT_ONCE, page.next)
        yield from page.rows


def _bounced(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Return the rows with a bounce, with the columns that `_address_row` reads."""
    if rows.model is Mail:
        of_mail = ("address", "recipient", "bounce_code", "status_at", "created_at")
        return rows.exclude(bounce_event_id=None).only(*of_mail)
    return rows.only("bounce_code", "occurred_at", "mail__address", "mail__recipient")


def _address_row(row: Any) -> AddressRow:
    mail, at = (
        (row, row.status_at or row.created_at) if isinstance(row, Mail) else (row.mail, row.occurred_at)
    )
    # One that fills its column may be cut, so it is read whole
    address = wire.canonical_mailbox(mail.recipient) if may_be_cut(mail.address) else mail.address
    return AddressRow(address, 1, row.bounce_code, at)


def _judged(rows: Iterable[AddressRow]) -> Iterator[AddressRow]:
    """Yield these rows with the verdict on each address, from one statement for many of them."""
    rows = iter(rows)
    while some := list(islice(rows, ROWS_AT_ONCE)):
        found = suppression.explain(row.address for row in some)
        yield from (row._replace(explained=found[row.address]) for row in some)


def _address_columns(*, has_verdicts: bool) -> list[Column]:
    columns = [
        Column(_("address"), attrgetter("address")),
        Column(_("times bounced"), attrgetter("times")),
        Column(_("last reason"), _reason_of_code),
        Column(_("last bounce"), attrgetter("at"), is_time=True),
    ]
    if has_verdicts:
        columns += [
            Column(_("may I send?"), lambda row: yes_or_no(row.explained.verdict.may_send)),
            Column(_("explanation"), lambda row: sentences(row.explained)),
        ]
    return columns


def yes_or_no(value: bool) -> str:
    """Return a word for a cell."""
    return gettext("Yes") if value else gettext("No")


def sentences(explained: Any) -> str:
    """Return what holds for an address as a text. `explained` has its reasons."""
    return " ".join(str(each.text) for each in verdicts.sentences(explained.reasons))


def _of_model(model: type[Model], *names: str, of: str = "") -> list[Column]:
    """Return columns of a model, headed by their names for people. `of` is the way from the row to it."""
    columns = []
    for name in names:
        field: Any = model._meta.get_field(name)
        columns.append(Column(field.verbose_name, attrgetter(of + name), name.endswith("_at")))
    return columns


def _reason_of_mail(mail: Mail) -> str:
    words, meaning = labels.reason_of_mail(mail)
    return capfirst(words if mail.bounce_event_id else meaning)


def _reason_of_code(row: Any) -> str:
    return capfirst(labels.reason_of_code(row.bounce_code).words)


def _class_of_code(row: Any) -> str:
    return capfirst(str(bounce_class(row.bounce_code).label))


def _texts_of_mail(*, of: str = "") -> list[Column]:
    subject = ["subject"] if app_settings.store_subject else []
    return _of_model(Mail, *subject, "header_from", "return_path", "api_data", "server_composition", of=of)


_STATUS = Column(_("status"), lambda row: capfirst(labels.status_word(row.status)))
_ANSWER = Column(_("the server's answer"), attrgetter("reason"))
_CODE = Column(_("bounce code"), attrgetter("bounce_code"))


def _mail_columns(*, has_mail: bool) -> list[Column]:
    return [
        _STATUS,
        *_of_model(Mail, "status_at", "recipient", "domain"),
        Column(_("reason"), _reason_of_mail),
        Column(_("bounce class"), lambda mail: _class_of_code(mail) if mail.bounce_event_id else ""),
        _CODE,
        _ANSWER,
        *_texts_of_mail(),
        *_of_model(Mail, "message_id"),
        Column(
            _("delivery status"),
            lambda mail: capfirst(labels.status_word(mail.delivery_status)) if mail.delivery_status else "",
        ),
        *_of_model(Mail, "created_at", "first_event_at", "last_event_at"),
    ]


def _event_columns(model: type[Model], own: Sequence[Column], *, has_mail: bool) -> list[Column]:
    """Return the columns of an event. Without `has_mail`, those of its mail that name it, as in the API."""
    return [
        *_of_model(model, "occurred_at"),
        *_of_model(Mail, "recipient", "domain", of="mail."),
        *own,
        _ANSWER,
        *(_texts_of_mail(of="mail.") if has_mail else ()),
        *_of_model(Mail, "message_id", of="mail."),
        *_of_model(model, "received_at"),
        Column(_("other values"), lambda event: csv_cells.cell(event.extra)),
    ]


def _delivery_columns(*, has_mail: bool) -> list[Column]:
    meaning = Column(_("meaning"), lambda event: capfirst(labels.reason_of_event(event).meaning))
    hosts = _of_model(DeliveryEvent, "source_ip", "sender_ip")
    return _event_columns(DeliveryEvent, [_STATUS, meaning, *hosts], has_mail=has_mail)


def _bounce_columns(*, has_mail: bool) -> list[Column]:
    own = [Column(_("reason"), _reason_of_code), Column(_("bounce class"), _class_of_code), _CODE]
    return _event_columns(BounceEvent, own, has_mail=has_mail)


COLUMNS: Mapping[type[Model], Callable[..., list[Column]]] = {
    Mail: _mail_columns,
    DeliveryEvent: _delivery_columns,
    BounceEvent: _bounce_columns,
}
"""The columns of each list's file, for a user who may see mails or not."""
