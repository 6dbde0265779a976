"""An e-mail backend that checks recipients before sending, and removes or only reports suppressed ones."""

from __future__ import annotations

import copy
import logging
from typing import TYPE_CHECKING, Any, Self

from django.db import DatabaseError
from django.utils.module_loading import import_string

from cmc_webhooks import logs, signals, suppression
from cmc_webhooks.conf import app_settings
from cmc_webhooks.db import transactions

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from django.core.mail import EmailMessage

__all__ = ["SuppressingBackend"]

logger = logging.getLogger(__name__)

_RECIPIENTS = ("to", "cc", "bcc")


class SuppressingBackend:
    """A wrapper of another backend that leaves suppressed recipients out.

    Its options are keyword arguments, all others are passed on:

    - `backend`: the wrapped backend, a class or its dotted path. Default: `CMC_WEBHOOKS_EMAIL_BACKEND`.
    - `composition`: the server composition that the mail is sent through. Default:
      `CMC_WEBHOOKS_COMPOSITION`.
    - `transactional`: whether the recipients asked for the mail: True, False, or a function of the message
      (also as a dotted path). Default: `CMC_WEBHOOKS_TRANSACTIONAL`, or False.

    A mail without remaining recipients is neither sent nor counted, and nothing is written on it. What the
    wrapped backend writes on a message is on the caller's message, whose recipients stay as they were.
    Receivers of `recipients_suppressed` get the suppressed recipients and the reasons. If the check fails, as
    while the database is unavailable, all mail is sent. An open transaction of the caller goes on; an error
    that ends it as a whole is raised.
    """

    def __init__(
        self,
        *args: Any,
        backend: Any = None,
        composition: str | None = None,
        transactional: Any = None,
        **kwargs: Any,
    ) -> None:
        wrapped = app_settings.email_backend if backend is None else _imported(backend)
        self._backend = wrapped(*args, **kwargs)
        self._composition = app_settings.composition if composition is None else composition
        self._transactional = transactional

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # `copy` looks up such names before there is a backend
            raise AttributeError(name)
        return getattr(self._backend, name)

    def __enter__(self) -> Self:
        self._backend.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._backend.__exit__(*error)

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Send the messages without their suppressed recipients. Return the number of messages sent.

        The recipients of all messages are checked together, 1,000 addresses per query; those of transactional
        messages apart from the others.
        """
        messages = list(email_messages)
        suppressed = self._suppressed(messages)
        sent = [self._without(message, out) for message, out in zip(messages, suppressed, strict=True)]
        sent = [each for each in sent if each.message.recipients() or not each.has_fewer]
        try:
            return int(self._backend.send_messages([each.message for each in sent]) or 0) if sent else 0
        finally:
            for each in sent:
                each.give_back()

    def _without(self, message: EmailMessage, out: Mapping[str, suppression.Verdict]) -> _Sent:
        """Return a copy of the message without these recipients.

        The message itself is returned if there are none, or if `DROP_SUPPRESSED` is off.
        """
        if not out:
            return _Sent(message)
        _send_signal(type(self), message, out)
        dropped = app_settings.drop_suppressed
        logger.info(
            "%d of %d recipients are suppressed",
            len(out),
            len(message.recipients()),
            extra={"cmc_event": "recipients_suppressed", "number": len(out), "dropped": dropped},
        )
        return _Sent(message, out if dropped else ())

    def _suppressed(self, messages: Sequence[EmailMessage]) -> list[dict[str, suppression.Verdict]]:
        """Return the verdicts on the suppressed recipients of each message, by recipient."""
        try:
            with transactions.savepoints():
                purposes = [self._is_transactional(message) for message in messages]
                found = {
                    purpose: suppression.verdicts(
                        (
                            recipient
                            for message, other in zip(messages, purposes, strict=True)
                            for recipient in (message.recipients() if other is purpose else ())
                        ),
                        composition=self._composition,
                        transactional=purpose,
                    )
                    for purpose in {*purposes}
                }
        except Exception as error:  # a mail not sent is worse than one sent in vain
            if transactions.is_broken():
                raise
            logger.exception(
                "Suppression could not be checked; all mail was sent",
                exc_info=logs.without_text(error),
                extra={"cmc_event": "suppression_unread"},
            )
            return [{} for message in messages]
        return [
            {one: verdict for one in message.recipients() if not (verdict := found[purpose][one]).may_send}
            for message, purpose in zip(messages, purposes, strict=True)
        ]

    def _is_transactional(self, message: EmailMessage) -> bool:
        chosen = self._transactional
        if chosen is None:
            chosen = app_settings.transactional
        if isinstance(chosen, str):
            chosen = import_string(chosen)
        return bool(chosen(message) if callable(chosen) else chosen)


def _imported(backend: Any) -> Any:
    return import_string(backend) if isinstance(backend, str) else backend


class _Sent:
    """A message as the wrapped backend gets it: the caller's, or a copy with fewer recipients.

    A copy, since a backend may keep it and send it later, after the caller has got the message back.
    """

    def __init__(self, callers: EmailMessage, out: Collection[str] = ()) -> None:
        self.message = self._callers = callers
        self.has_fewer = bool(out)
        if self.has_fewer:
            self.message = copy.copy(callers)
            for name in _RECIPIENTS:
                setattr(self.message, name, [one for one in getattr(callers, name) if one not in out])
        self._before = dict(vars(self.message))

    def give_back(self) -> None:
        """Set on the caller's message what the wrapped backend has set on the copy, but no recipients."""
        if not self.has_fewer:
            return
        for name, value in vars(self.message).items():
            if name not in _RECIPIENTS and (name not in self._before or self._before[name] is not value):
                setattr(self._callers, name, value)


def _send_signal(
    sender: type[SuppressingBackend], message: EmailMessage, verdicts: Mapping[str, suppression.Verdict]
) -> None:
    """Call the receivers. What they write is undone if one of them breaks the caller's transaction."""
    if not signals.recipients_suppressed.has_listeners(sender):
        return
    try:
        with transactions.savepoints():
            signals.recipients_suppressed.send_robust(sender, message=message, verdicts=verdicts)
    except DatabaseError:
        if transactions.is_broken():
            raise
        logger.exception(
            "A receiver of recipients_suppressed broke the transaction",
            extra={"cmc_event": "receiver_broke_transaction", "signal": "recipients_suppressed"},
        )
