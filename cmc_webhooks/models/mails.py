"""One message to one recipient."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from cmc_webhooks.conf import app_settings
from cmc_webhooks.querysets import ADDRESS_LENGTH, NAME_LENGTH, MailQuerySet
from cmc_webhooks.status import State, bounce_class, merge

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cmc_webhooks.models.events import MailEvent

__all__ = ["Mail"]


class Mail(models.Model):
    """One message to one recipient: what does not change between its events, and where it stands now.

    The primary key is made of the message id, the composition and the address, see `wire.mail_key`. Texts
    are the first event's that had them. Times are aware where USE_TZ is on.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    message_id = models.TextField(_("message id"))
    recipient = models.TextField(_("recipient"))
    address = models.CharField(_("address"), max_length=ADDRESS_LENGTH)
    domain = models.CharField(_("domain"), max_length=NAME_LENGTH)
    header_from = models.TextField(_("header from"))
    return_path = models.TextField(_("return path"))
    subject = models.TextField(_("subject"))
    api_data = models.CharField(_("API data"), max_length=NAME_LENGTH)
    server_composition = models.CharField(_("server composition"), max_length=NAME_LENGTH)

    status = models.CharField(_("status"), max_length=32)
    previous_status = models.CharField(_("previous status"), max_length=32)
    delivery_status = models.CharField(_("delivery status"), max_length=32)
    delivery_event_id = models.UUIDField(null=True, editable=False)
    bounce_code = models.CharField(_("bounce code"), max_length=32)
    bounce_event_id = models.UUIDField(null=True, editable=False)
    status_at = models.DateTimeField(_("status at"), null=True)
    reason = models.TextField(_("reason"))
    version = models.PositiveIntegerField(_("version"), default=0)

    created_at = models.DateTimeField(_("first received at"))
    first_event_at = models.DateTimeField(_("first event at"))
    last_event_at = models.DateTimeField(_("last event at"))
    erased_at = models.DateTimeField(_("erased at"), null=True)

    objects = MailQuerySet.as_manager()

    class Meta:
        verbose_name = _("mail")
        verbose_name_plural = _("mails")
        permissions = [
            ("redeliver_mail", _("Can send the signals of a mail again")),
            ("erase_mail", _("Can erase the personal data of a person")),
            ("export_csv", _("Can export what is filtered as CSV")),
        ]
        indexes = [
            models.Index(fields=["address", "created_at"], name="cmc_mail_address"),
            models.Index(  # the second field for MariaDB, which ignores the condition
                fields=["address", "bounce_event_id"],
                name="cmc_mail_bounced",
                condition=models.Q(bounce_event_id__isnull=False),
            ),
            models.Index(fields=["domain", "created_at"], name="cmc_mail_domain"),
            models.Index(fields=["status", "created_at"], name="cmc_mail_status"),
            models.Index(fields=["created_at", "id"], name="cmc_mail_created"),
            models.Index(fields=["first_event_at", "id"], name="cmc_mail_first_event"),
            models.Index(fields=["api_data"], name="cmc_mail_api_data", condition=~models.Q(api_data="")),
        ]

    def __str__(self) -> str:
        return f"{self.message_id} → {self.recipient}"

    @property
    def state(self) -> State:
        """The winning events, for `merge`."""
        return State(self.delivery_status, self.delivery_event_id, self.bounce_code, self.bounce_event_id)

    def merge(self, events: Iterable[MailEvent]) -> None:
        """Let the mail know of events of its own that it did not know, as one change of status at most."""
        self.restate(self.state, events)

    def restate(self, known: State, events: Iterable[MailEvent]) -> None:
        """Give the mail the state that follows from `known` and these events of its own."""
        events = list(events)
        after = reduce(merge, [event.state for event in events], known)
        self.delivery_status, self.delivery_event_id, self.bounce_code, self.bounce_event_id = after
        deciding_key = after.deciding_key
        for event in events:
            if event.id == deciding_key:
                self.status_at, self.reason = event.occurred_at, event.reason
            self.first_event_at = min(self.first_event_at, event.occurred_at)
            self.last_event_at = max(self.last_event_at, event.occurred_at)
        if after.status != self.status:
            self.previous_status, self.status = self.status, after.status
            self.version += 1

    @property
    def related_object(self) -> Any:
        """The project's own object that this mail is about, found by its `api_data`; None if there is none.

        `CMC_WEBHOOKS_RELATED_OBJECT` names the function that finds it. What that raises is raised here.
        """
        find = app_settings.related_object
        return find(self.api_data) if find and self.api_data else None

    @property
    def bounce_class(self) -> str:
        """The class of the winning bounce; "" if there is none."""
        return bounce_class(self.bounce_code) if self.bounce_event_id else ""
