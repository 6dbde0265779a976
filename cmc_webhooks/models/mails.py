"""One message to one recipient."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from cmc_webhooks.bounce_codes import bounce_class
from cmc_webhooks.conf import app_settings
from cmc_webhooks.models.querysets import ADDRESS_LENGTH, NAME_LENGTH, MailQuerySet
from cmc_webhooks.status import State, merge

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cmc_webhooks.models.events import MailEvent
    from cmc_webhooks.models.querysets import BounceEventManager, DeliveryEventManager, MailManager

__all__ = [
    "DERIVED_FIELDS",
    "FILLED_LATER_FIELDS",
    "FIXED_FIELDS",
    "MERGED_FIELDS",
    "PERSONAL_FIELDS",
    "SENT_FIELDS",
    "STATE_FIELDS",
    "Mail",
]

# Each column of `Mail` is in exactly one of the first four groups or is `erased_at`. Add a new column to its
# groups here. `TestFieldGroups` in `tests/models/test_mails.py` reports a column that is in none.

FIXED_FIELDS = ("id", "message_id", "recipient", "address", "domain", "server_composition", "created_at")
"""Set by the first event. Only anonymising, by erasure or retention, changes them."""

FILLED_LATER_FIELDS = ("header_from", "return_path", "subject", "api_data")
"""Set by the first event that has them."""

DERIVED_FIELDS = {"sender": "header_from"}
"""Normal forms of texts that are set and blanked together with the text."""

STATE_FIELDS = (
    *("status", "previous_status", "delivery_status", "delivery_event_id", "bounce_code", "bounce_class"),
    *("bounce_event_id", "status_at", "reason", "version", "first_event_at", "last_event_at"),
)
"""Computed from all events of the mail."""

MERGED_FIELDS = (*FILLED_LATER_FIELDS, *DERIVED_FIELDS, *STATE_FIELDS)
"""The columns that merging an event can change, which are those that ingest updates."""

SENT_FIELDS = ("message_id", "recipient", *FILLED_LATER_FIELDS)
"""Texts that every event of the mail repeats. An event stores its own text only where it differs."""

PERSONAL_FIELDS = ("recipient", "address", *FILLED_LATER_FIELDS, *DERIVED_FIELDS, "reason")
"""Personal data, blanked by erasure and retention. The domain is kept, for the counts by domain."""


class Mail(models.Model):
    """One message to one recipient: the data that its events share, and its current status.

    The primary key is made of the message id, the composition and the address, see `wire.mail_key`. Each text
    is from the first event that had it. `sender` is the canonical mailbox of `header_from`. `bounce_class`
    is the class of the winning bounce, "" if there is none. Times are aware where USE_TZ is on.
    """

    if TYPE_CHECKING:  # the reverse sides of the events' foreign keys

        @property
        def delivery_events(self) -> DeliveryEventManager: ...

        @property
        def bounce_events(self) -> BounceEventManager: ...

    id = models.UUIDField(primary_key=True, editable=False)
    message_id = models.TextField(_("message id"))
    recipient = models.TextField(_("recipient"))
    address = models.CharField(_("address"), max_length=ADDRESS_LENGTH)
    domain = models.CharField(_("domain"), max_length=NAME_LENGTH)
    header_from = models.TextField(_("header from"))
    sender = models.CharField(_("sender's address"), max_length=ADDRESS_LENGTH)
    return_path = models.TextField(_("return path"))
    subject = models.TextField(_("subject"))
    api_data = models.CharField(_("API data"), max_length=NAME_LENGTH)
    server_composition = models.CharField(_("server composition"), max_length=NAME_LENGTH)

    status = models.CharField(_("status"), max_length=32)
    previous_status = models.CharField(_("previous status"), max_length=32)
    delivery_status = models.CharField(_("delivery status"), max_length=32)
    delivery_event_id = models.UUIDField(null=True, editable=False)
    bounce_code = models.CharField(_("bounce code"), max_length=32)
    bounce_class = models.CharField(_("bounce class"), max_length=16)
    bounce_event_id = models.UUIDField(null=True, editable=False)
    status_at = models.DateTimeField(_("status changed at"), null=True)
    reason = models.TextField(_("reason"))
    version = models.PositiveIntegerField(_("revision"), default=0)

    created_at = models.DateTimeField(_("first notification received"))
    first_event_at = models.DateTimeField(_("first event at"))
    last_event_at = models.DateTimeField(_("last event at"))
    erased_at = models.DateTimeField(_("erased at"), null=True)

    objects: ClassVar[MailManager] = MailQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        verbose_name = _("mail")
        verbose_name_plural = _("mails")
        permissions = [
            ("redeliver_mail", _("Can send the signals of a mail again")),
            ("erase_mail", _("Can erase a person's data")),
            ("disclose_mail", _("Can disclose a person's data")),
            ("export_csv", _("Can export the filtered rows of lists")),
        ]
        # The index of a filter ends with the columns that lists are ordered by. After ANALYZE, SQLite would
        # otherwise read the list's own index to the end for a rare value in a column of few different values.
        indexes = [
            models.Index(  # other databases than PostgreSQL find the beginning of a text without a class
                fields=["address", "created_at"],
                name="cmc_mail_address",
                opclasses=["varchar_pattern_ops", "timestamptz_ops"],
            ),
            models.Index(  # the second field is for MariaDB, which ignores the condition
                fields=["address", "bounce_event_id"],
                name="cmc_mail_bounced",
                condition=models.Q(bounce_event_id__isnull=False),
            ),
            models.Index(fields=["domain", "created_at", "id"], name="cmc_mail_domain"),
            models.Index(fields=["sender", "created_at", "id"], name="cmc_mail_sender"),
            models.Index(fields=["status", "created_at", "id"], name="cmc_mail_status"),
            models.Index(
                fields=["bounce_code", "created_at", "id"],
                name="cmc_mail_bounce_code",
                condition=~models.Q(bounce_code=""),
            ),
            models.Index(
                fields=["bounce_class", "created_at", "id"],
                name="cmc_mail_bounce_class",
                condition=~models.Q(bounce_class=""),
            ),
            models.Index(fields=["server_composition", "created_at", "id"], name="cmc_mail_composition"),
            models.Index(fields=["created_at", "id"], name="cmc_mail_created"),
            models.Index(fields=["first_event_at", "id"], name="cmc_mail_first_event"),
            models.Index(
                fields=["api_data", "created_at", "id"],
                name="cmc_mail_api_data",
                opclasses=["varchar_pattern_ops", "timestamptz_ops", "uuid_ops"],
                condition=~models.Q(api_data=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.message_id} → {self.recipient}"

    @property
    def state(self) -> State:
        """Return the winning events, for `merge`."""
        return State(self.delivery_status, self.delivery_event_id, self.bounce_code, self.bounce_event_id)

    def merge(self, events: Iterable[MailEvent]) -> None:
        """Merge events of this mail that were not merged before, in one status change at most."""
        self.restate(self.state, events)

    def restate(self, known: State, events: Iterable[MailEvent]) -> None:
        """Set the state that follows from `known` and events of this mail, in one status change at most."""
        events = list(events)
        after = reduce(merge, [event.state for event in events], known)
        self.delivery_status, self.delivery_event_id, self.bounce_code, self.bounce_event_id = after
        self.bounce_class = bounce_class(after.bounce_code) if after.bounce_key else ""
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
        """Return the project's object that this mail is about, found by `api_data`; None if there is none.

        `CMC_WEBHOOKS_RELATED_OBJECT` names the function that finds it. Its exceptions are not caught here.
        """
        find = app_settings.related_object
        return find(self.api_data) if find and self.api_data else None
