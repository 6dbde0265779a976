"""What statuses and bounce codes mean, for people: plain text, no markup."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cmc_webhooks.models import BounceEvent
from cmc_webhooks.status import BOUNCE_CODES, BOUNCED, BounceClass, DeliveryStatus, bounce_class

if TYPE_CHECKING:
    from cmc_webhooks.models import DeliveryEvent, Mail

STATUS_WORDS = {
    DeliveryStatus.QUEUED.value: _("queued"),
    DeliveryStatus.DEFERRED.value: _("deferred"),
    DeliveryStatus.SUCCEEDED.value: _("succeeded"),
    DeliveryStatus.FAILED.value: _("failed"),
    BOUNCED: _("bounced"),
}

_MEANINGS = {
    DeliveryStatus.QUEUED.value: _("the mail waits to be sent"),
    DeliveryStatus.DEFERRED.value: _("the destination had a temporary error"),
    DeliveryStatus.SUCCEEDED.value: _("the destination took the mail; that is no proof that it was read"),
    DeliveryStatus.FAILED.value: _("the destination did not get the mail"),
}

_BEFORE_BOUNCE = {
    DeliveryStatus.SUCCEEDED.value: _("the destination took the mail first and returned it later"),
    DeliveryStatus.FAILED.value: _("the destination refused the mail when it was handed over"),
}


_ADVICE = {
    BounceClass.HARD.value: _("Ask for another address: mail to this one will not arrive."),
    BounceClass.SOFT.value: _("Send it again later: the mailbox or its server had a passing trouble."),
    BounceClass.POLICY.value: _(
        "Read the server's answer: it refuses this sender or content. Look at SPF, DKIM and the text."
    ),
    BounceClass.MESSAGE.value: _("Send a smaller mail: the address itself is good."),
    BounceClass.SUPPRESSED.value: _(
        "Customers Mail Cloud does not send to this address. Remove it from its list if mail is wanted again."
    ),
    BounceClass.UNKNOWN.value: _("Read the server's answer: the code does not tell."),
}


class Reason(NamedTuple):
    """Why something stands as it does: in a few words, and in a sentence that may be empty."""

    words: str
    meaning: str


def status_word(status: str) -> str:
    """CMC's word for a status, translated if it is known, else as sent."""
    return str(STATUS_WORDS.get(status, status)) or gettext("no status")


def reason_of_mail(mail: Mail) -> Reason:
    """Why the mail has its current status."""
    return _bounce(mail.bounce_code) if mail.bounce_event_id else _delivery(mail.status)


def reason_of_event(event: DeliveryEvent | BounceEvent) -> Reason:
    """What one event says."""
    return _bounce(event.bounce_code) if isinstance(event, BounceEvent) else _delivery(event.status)


def reason_of_code(code: str) -> Reason:
    """What a bounce code says, with its class; an unknown code is shown as sent."""
    return _bounce(code)


def before_bounce(mail: Mail) -> str:
    """How far a bounced mail had come; "" if nothing is known of it or it did not bounce."""
    return str(_BEFORE_BOUNCE.get(mail.delivery_status, "")) if mail.bounce_event_id else ""


def duration(seconds: float) -> str:
    """A time span in one unit, rounded."""
    if seconds < 60:
        return gettext("%d s") % round(seconds)
    if seconds < 3600:
        return gettext("%d min") % round(seconds / 60)
    if seconds < 2 * 86400:
        return gettext("%d h") % round(seconds / 3600)
    return gettext("%d days") % round(seconds / 86400)


def gap(seconds: float) -> str:
    """How long after the event before it another one happened; "" within one second."""
    return gettext("%s later") % duration(seconds) if seconds >= 1 else ""


def advice(kind: str) -> str:
    """What to do about a bounce of this class; "" if there is none."""
    return str(_ADVICE.get(kind, ""))


def _bounce(code: str) -> Reason:
    words = str(BOUNCE_CODES[code][0]) if code in BOUNCE_CODES else code
    return Reason(words or gettext("no bounce code"), str(bounce_class(code).label))


def _delivery(status: str) -> Reason:
    if status not in DeliveryStatus.values:
        return Reason(status_word(status), gettext("not a status that Customers Mail Cloud documents"))
    return Reason(str(DeliveryStatus(status).label), str(_MEANINGS[status]))
