"""Tables as one writes them by hand: an automatic key, what was sent, an index to find it by."""

from __future__ import annotations

from django.db import models


class Event(models.Model):
    created = models.DateTimeField()
    message_id = models.CharField(max_length=255, db_index=True)
    recipient = models.CharField(max_length=255, db_index=True)
    sender = models.CharField(max_length=255)
    return_path = models.CharField(max_length=255)
    subject = models.TextField()
    api_data = models.CharField(max_length=255)
    status = models.CharField(max_length=32)
    reason = models.TextField()
    source_ip = models.CharField(max_length=64)
    sender_ip = models.CharField(max_length=64)
    received_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        abstract = True


class Mail(models.Model):
    message_id = models.CharField(max_length=255)
    recipient = models.CharField(max_length=255, db_index=True)
    status = models.CharField(max_length=32, db_index=True)
    subject = models.TextField()
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True
        unique_together = [("message_id", "recipient")]


class NaiveEvent(Event):
    """Each event is a row, also when it is told twice."""


class DrfEvent(Event):
    """The same."""


class IdempotentEvent(Event):
    """Each event once."""

    class Meta:
        unique_together = [("message_id", "recipient", "status", "created")]


class IdempotentMail(Mail):
    """Where a mail stands."""


class SignalEvent(Event):
    """Each event once, stored by a receiver."""

    class Meta:
        unique_together = [("message_id", "recipient", "status", "created")]


class SignalMail(Mail):
    """Where a mail stands, for a receiver."""
