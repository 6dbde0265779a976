"""The trail: who erased, disclosed or exported personal data, decided about an address, sent signals again or
dismissed them, as a row and a log.

Neither names the person whose data it is. The row is written before the work begins, so that an interrupted
work leaves a trace too. Its number of rows is set at the end.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from functools import partial
from getpass import getuser
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from django.conf import settings
from django.core.exceptions import SynchronousOnlyOperation
from django.db import Error, transaction
from django.utils.crypto import salted_hmac

from cmc_webhooks import logs, timezones, wire
from cmc_webhooks.db import transactions
from cmc_webhooks.models import Trail, routing
from cmc_webhooks.store import trail

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Self
    from uuid import UUID

__all__ = ["Actor", "Record", "add", "address_hash", "address_hashes", "begin", "login_name", "user_key"]

logger = logging.getLogger(__name__)

_DECISIONS = {
    Trail.Actions.BLOCKED.value,
    Trail.Actions.RELEASED.value,
    Trail.Actions.FORGOTTEN.value,
    Trail.Actions.LIFTED.value,
}
_SALT = "cmc_webhooks.audit"
Row = TypeVar("Row")


class Actor(NamedTuple):
    """Who does it: the way (see `Trail.Ways`), the key of a user or a login name, and the reason given."""

    via: str = Trail.Ways.PYTHON.value
    who: str = ""
    reason: str = ""


def begin(what: str, actor: Actor, *, address: str = "", using: str | None = None, **details: Any) -> Record:
    """Add the record of a work that is about to begin, and return it. `address` is in any spelling."""
    using = using or routing.write_alias()
    row = _row(what, actor, address, details)
    trail.add(using, row)
    return Record(using, row)


def add(
    what: str, actor: Actor, rows: int, *, address: str = "", using: str | None = None, **details: Any
) -> None:
    """Add the record of a work that is done, in the caller's transaction. It is logged after the commit."""
    using = using or routing.write_alias()
    row = _row(what, actor, address, details)
    row.rows = rows
    trail.add(using, row)
    transaction.on_commit(partial(_log, row, rows, details, interrupted=False), using=using, robust=True)


def _row(what: str, actor: Actor, address: str, details: dict[str, Any]) -> Trail:
    now = datetime.now(UTC)
    return Trail(
        id=wire.time_key(int(now.timestamp() * 1000)),
        at=timezones.to_stored(now),
        what=what,
        via=actor.via,
        who=actor.who[: _room("who")],
        reason=wire.clean(actor.reason)[: _room("reason")],
        address_hash=address_hash(address) if address else "",
        details=details,
    )


class Record:
    """The record of a work that is being done. As a context manager, it is finished at the end of the block.

    `details` are stored at the end. If the work was interrupted, they say so.
    """

    def __init__(self, using: str, row: Trail) -> None:
        self.details: dict[str, Any] = row.details
        self._row, self._using = row, using
        self._counted, self._is_open = 0, True

    @property
    def key(self) -> UUID:
        """Return the key of the row."""
        return self._row.pk

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self.finish(is_complete=kind is None)

    def add(self, number: int) -> None:
        """Add a number of rows."""
        self._counted += number

    def counted(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Yield these rows, and add their number. When the last one is taken, the work is complete."""
        for row in rows:
            self._counted += 1
            yield row
        self.finish()

    def finish(self, *, is_complete: bool = True) -> None:
        """Set the number of rows and log it. Only the first call does so.

        An error of the database is logged only, since the work is done. The row then stays without a number.
        """
        if not self._is_open:
            return
        self._is_open = False
        row = self._row
        if not is_complete:
            self.details["interrupted"] = True
        _log(row, self._counted, self.details, interrupted=not is_complete)
        try:
            with transactions.savepoints():
                trail.complete(self._using, row.pk, self._counted, self.details)
        except (Error, SynchronousOnlyOperation) as error:
            if transactions.is_broken():
                raise
            logger.exception(
                "The number of rows was not recorded",
                exc_info=logs.without_text(error),
                extra={"cmc_event": "trail_failed"},
            )


def _log(row: Trail, rows: int, details: Mapping[str, Any], *, interrupted: bool) -> None:
    common = {
        "via": row.via,
        "who": wire.shown(row.who, _room("who")),  # a login name may be an address
        "rows": rows,
        "interrupted": interrupted,
    }
    if row.what == Trail.Actions.ERASED:
        logger.info(
            "Personal data was erased: %d rows",
            rows,
            extra={
                "cmc_event": "personal_data_erased",
                **common,
                "address_hash": row.address_hash,
                "mails": details.get("mails"),
                "events": details.get("events"),
                "blocks": details.get("blocks"),
                "rejected": details.get("rejected"),
                "others": details.get("others"),
                "refused": details.get("refused"),
            },
        )
    elif row.what == Trail.Actions.DISCLOSED:
        logger.info(
            "Personal data was disclosed: %d rows",
            rows,
            extra={
                "cmc_event": "personal_data_disclosed",
                **common,
                "address_hash": row.address_hash,
                "passages": details.get("passages"),
            },
        )
    elif row.what in _DECISIONS:
        logger.info(
            "A decision about an address was recorded: %s",
            row.what,
            extra={
                "cmc_event": "suppression_decided",
                "address_hash": row.address_hash,
                "via": row.via,
                "who": row.who,
                "action": row.what,
                "composition": details.get("composition"),
                "done": details.get("done", True),
            },
        )
    elif row.what == Trail.Actions.REDELIVERED:
        logger.info(
            "Signals were sent again: %d",
            rows,
            extra={"cmc_event": "signals_redelivered", **common, "list": details.get("list")},
        )
    elif row.what == Trail.Actions.DISMISSED:
        logger.info(
            "Dead signals or events that could not be read were dismissed: %d",
            rows,
            extra={"cmc_event": "dismissed", **common, "list": details.get("list")},
        )
    elif row.what == Trail.Actions.REFUSED:
        logger.info(
            "Refused requests were accepted: %d",
            rows,
            extra={"cmc_event": "refused_accepted", "via": row.via, "who": row.who, "rows": rows},
        )
    elif row.what == Trail.Actions.CLOCK:
        logger.info(
            "Receipts in the future were accepted: %d",
            rows,
            extra={"cmc_event": "future_accepted", "via": row.via, "who": row.who, "rows": rows},
        )
    elif row.what == Trail.Actions.ACKNOWLEDGED:
        logger.info(
            "Alerts were acknowledged: %d",
            rows,
            extra={"cmc_event": "alerts_acknowledged", **common, "alerts": details.get("alerts")},
        )
    else:
        logger.info(
            "Personal data was exported: %d rows",
            rows,
            extra={
                "cmc_event": "personal_data_exported",
                **common,
                "list": details.get("list"),
                "filters": details.get("filters"),
                "format": details.get("format"),
            },
        )


def address_hash(address: str) -> str:
    """Return the keyed hash of an address, in any spelling. Only who knows SECRET_KEY can compute it."""
    return _hash(address, None)


def address_hashes(address: str) -> list[str]:
    """Return the hashes that rows about an address may have: with SECRET_KEY and its fallbacks."""
    return [_hash(address, secret) for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]


def _hash(address: str, secret: str | bytes | None) -> str:
    form = wire.address_forms(wire.canonical_mailbox(address))[0]
    return salted_hmac(_SALT, form, secret=secret, algorithm="sha256").hexdigest()


def user_key(user: Any) -> str:
    """Return the key of a user as text; "" for nobody. A user name may be an address, so it is not kept."""
    key = getattr(user, "pk", None)
    return "" if key is None else str(key)


def login_name() -> str:
    """Return the login name of the user that runs this process; "" if it has none."""
    try:
        return getuser()
    except (KeyError, OSError, ImportError):
        return ""


def _room(name: str) -> int:
    length: int = Trail._meta.get_field(name).max_length  # type: ignore[union-attr, assignment]
    return length
