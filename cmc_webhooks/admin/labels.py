"""Explanations of statuses and bounce codes for people: plain text, no markup."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cmc_webhooks import timezones
from cmc_webhooks.bounce_codes import BOUNCE_CODES, BounceClass, bounce_class
from cmc_webhooks.models import BounceEvent
from cmc_webhooks.status import BOUNCED, DeliveryStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cmc_webhooks.models import DeliveryEvent, Mail

LONG_WAIT_SECONDS = 3600.0

STATUS_WORDS = {
    DeliveryStatus.QUEUED.value: _("queued"),
    DeliveryStatus.DEFERRED.value: _("deferred"),
    DeliveryStatus.SUCCEEDED.value: _("succeeded"),
    DeliveryStatus.FAILED.value: _("failed"),
    BOUNCED: _("bounced"),
}

_MEANINGS = {
    DeliveryStatus.QUEUED.value: _("waiting to be sent"),
    DeliveryStatus.DEFERRED.value: _("the recipient's server had a temporary error"),
    DeliveryStatus.SUCCEEDED.value: _(
        "the recipient's server accepted the mail; this does not prove that it was read"
    ),
    DeliveryStatus.FAILED.value: _("the recipient did not get the mail"),
}

_NOT_SENT = _("Customers Mail Cloud did not send it.")
_FAILED = {
    "1": _("The domain of the address was not found."),
    "3": _("It could not be delivered before the resend period ended."),
    "9": _("The address is not valid; nothing was sent."),
    "10": _NOT_SENT,
    "11": _NOT_SENT,
}
"""Why a mail with such a bounce code was not delivered, whatever else is known."""
_REFUSED = _("The recipient's server refused the mail.")
_RETURNED = _("the recipient's server accepted the mail and returned it later")
_REPLY = re.compile(r"(?:^|[\s:;(])[45]\d\d(?:[ -]|$)")
"""A server's reply that refuses a mail (RFC 5321, section 4.2), also quoted as by RFC 3464 or Postfix."""


_ADVICE = {
    BounceClass.HARD.value: _("Ask for another address. Mail to this one will not arrive."),
    BounceClass.SOFT.value: _(
        "The mailbox is full or its server has a temporary problem. Send it again later."
    ),
    BounceClass.POLICY.value: _(
        "The server refuses this sender or content. Read its answer, and check SPF, DKIM and the text."
    ),
    BounceClass.MESSAGE.value: _("Send a smaller mail. The address itself is valid."),
    BounceClass.UNKNOWN.value: _("Read the server's answer: this code is not documented."),
}

_ADVICE_TO_SEND = (BounceClass.SOFT.value, BounceClass.MESSAGE.value)
_ADVICE_WHEN_BLOCKED = _(
    "To send again, remove the address from the list of blocked addresses in CMC's console."
)
_ADVICE_WHEN_UNSUBSCRIBED = _("This person asked for no more mail. Do not send again without their consent.")
_ADVICE_WHEN_ALLOWED_AGAIN = _("Check the address before you send to it again.")


class Reason(NamedTuple):
    """The reason for a status: a few words, which may be empty, and a sentence."""

    words: str
    meaning: str


def status_word(status: str) -> str:
    """Return CMC's word for a status, translated if it is known, otherwise as received."""
    return str(STATUS_WORDS.get(status, status)) or gettext("no status")


def outcome_word(status: str) -> str:
    """Return the word for a status in figures, where all statuses that CMC does not document are one."""
    return gettext("other") if status == "other" else status_word(status)


def reason_of_mail(mail: Mail) -> Reason:
    """Return why the mail has its current status."""
    return _bounce(mail.bounce_code) if mail.bounce_event_id else _delivery(mail.status, "", mail.reason)


def reason_of_event(event: DeliveryEvent | BounceEvent, code: str = "") -> Reason:
    """Return the reason that one event reports. `code` is the bounce code of its mail, if it has one."""
    if isinstance(event, BounceEvent):
        return _bounce(event.bounce_code)
    return _delivery(event.status, code, event.reason)


def reason_of_code(code: str) -> Reason:
    """Return the reason for a bounce code, with its class. An unknown code is shown as received."""
    return _bounce(code)


def before_bounce(mail: Mail) -> str:
    """Return how far delivery of a bounced mail got; "" if that is unknown or the mail did not bounce."""
    if not mail.bounce_event_id:
        return ""
    if mail.delivery_status == DeliveryStatus.SUCCEEDED:
        return "" if mail.bounce_code in _FAILED else str(_RETURNED)
    is_known = mail.bounce_code in _FAILED or mail.delivery_status == DeliveryStatus.FAILED
    return _failed(mail.bounce_code, mail.reason) if is_known else ""


def duration(seconds: float) -> str:
    """Return a time span in seconds as text, rounded to one unit."""
    if seconds < 60:
        return gettext("%d s") % round(seconds)
    if seconds < 3600:
        return gettext("%d min") % round(seconds / 60)
    if seconds < 2 * 86400:
        return gettext("%d h") % round(seconds / 3600)
    return gettext("%d days") % round(seconds / 86400)


def waiting(mail: Mail) -> str:
    """Return how long a mail has been waiting at CMC; "" if it is not waiting, or not for an hour yet."""
    if mail.status != DeliveryStatus.QUEUED or mail.status_at is None:
        return ""
    seconds = (datetime.now(UTC) - timezones.to_aware(mail.status_at)).total_seconds()
    return gettext("Waiting at CMC for %s.") % duration(seconds) if seconds >= LONG_WAIT_SECONDS else ""


def deferred(events: Sequence[DeliveryEvent | BounceEvent]) -> str:
    """Return how often and from when to when a mail was deferred."""
    first, last = (timezones.to_local(event.occurred_at) for event in (events[0], events[-1]))
    end = f"{last:%H:%M}"
    if last.date() == first.date() + timedelta(days=1):
        end = gettext("%s the next day") % end
    elif last.date() != first.date():
        end = f"{last:%Y-%m-%d %H:%M}"
    values = {"number": len(events), "begin": f"{first:%H:%M}", "end": end}
    return gettext("Deferred %(number)d times, %(begin)s to %(end)s") % values


def gap(seconds: float) -> str:
    """Return how long after the previous event an event happened; "" for less than one second."""
    return gettext("%s later") % duration(seconds) if seconds >= 1 else ""


def advice(code: str, *, is_stopped: bool, is_at_cmc: bool) -> str:
    """Return what to do about a bounce with this code; "" if there is no advice.

    `is_stopped` says that no such mail is written to the address any more: then no advice is to send again.
    `is_at_cmc` says that CMC's own list still has the address.
    """
    if code == "11":
        return str(_ADVICE_WHEN_UNSUBSCRIBED)
    if code == "10":
        return str(_ADVICE_WHEN_BLOCKED) if is_at_cmc else ""
    kind = bounce_class(code).value
    if is_stopped and kind in _ADVICE_TO_SEND:
        return ""
    if not is_stopped and kind == BounceClass.HARD:
        return str(_ADVICE_WHEN_ALLOWED_AGAIN)
    return str(_ADVICE[kind])


def _bounce(code: str) -> Reason:
    if code in BOUNCE_CODES:
        words, kind = BOUNCE_CODES[code]
        return Reason(str(words), str(kind.label))
    shown = gettext("code %s, which CMC does not document") % code if code else gettext("no bounce code")
    return Reason(shown, str(bounce_class(code).label))


def _delivery(status: str, code: str, reply: str) -> Reason:
    if status not in DeliveryStatus.values:
        return Reason(status_word(status), gettext("not documented by Customers Mail Cloud"))
    failed = status == DeliveryStatus.FAILED
    meaning = _failed(code, reply) if failed else str(_MEANINGS[status])
    return Reason(str(DeliveryStatus(status).label), meaning)


def _failed(code: str, reply: str) -> str:
    """Return what happened to a mail that was not delivered, by its bounce code and the server's reply."""
    if code in _FAILED:
        return str(_FAILED[code])
    return str(_REFUSED if _REPLY.search(reply[:1000]) else _MEANINGS[DeliveryStatus.FAILED.value])
