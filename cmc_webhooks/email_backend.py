"""An e-mail backend that asks before it sends: suppressed recipients are left out, or only told of."""

from __future__ import annotations

import copy
import logging
from typing import TYPE_CHECKING, Any, Self

from cmc_webhooks import signals, suppression
from cmc_webhooks.conf import app_settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.core.mail import EmailMessage

__all__ = ["SuppressingBackend"]

logger = logging.getLogger(__name__)


class SuppressingBackend:
    """Hands mails on to the backend that `CMC_WEBHOOKS_EMAIL_BACKEND` names, with all arguments of its own.

    A mail of which no recipient is left is not sent and not counted. Receivers of `recipients_suppressed`
    learn who was left out and why. If nobody can be asked, since the database is away, all is sent.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._backend = app_settings.email_backend(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # copies are asked for such names before they have a backend
            raise AttributeError(name)
        return getattr(self._backend, name)

    def __enter__(self) -> Self:
        self._backend.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._backend.__exit__(*error)

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Send them without their suppressed recipients; how many were sent. One statement for all."""
        messages = list(email_messages)
        suppressed = _suppressed(messages)
        if suppressed:
            messages = [self._without(message, suppressed) for message in messages]
            messages = [message for message in messages if message.recipients()]
        return int(self._backend.send_messages(messages) or 0) if messages else 0

    def _without(self, message: EmailMessage, suppressed: Mapping[str, suppression.Verdict]) -> EmailMessage:
        """A copy of the message without these recipients; itself if it has none of them, or all may stay."""
        out = {one: suppressed[one] for one in message.recipients() if one in suppressed}
        if not out:
            return message
        signals.recipients_suppressed.send_robust(type(self), message=message, verdicts=out)
        dropped = app_settings.drop_suppressed
        logger.info(
            "%d of %d recipients are suppressed",
            len(out),
            len(message.recipients()),
            extra={"cmc_event": "recipients_suppressed", "number": len(out), "dropped": dropped},
        )
        if not dropped:
            return message
        message = copy.copy(message)
        for name in ("to", "cc", "bcc"):
            setattr(message, name, [one for one in getattr(message, name) if one not in out])
        return message


def _suppressed(messages: Sequence[EmailMessage]) -> dict[str, suppression.Verdict]:
    """Those recipients that one may not send to."""
    try:
        verdicts = suppression.verdicts(one for message in messages for one in message.recipients())
    except Exception:  # a mail that is not sent is worse than one too many
        logger.exception("Nobody could be asked about recipients", extra={"cmc_event": "suppression_unread"})
        return {}
    return {one: verdict for one, verdict in verdicts.items() if not verdict.may_send}
