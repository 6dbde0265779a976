"""Rows that hold mails, events and notifications, each in another way."""

from __future__ import annotations

from django.db import models


class Order(models.Model):
    mail = models.ForeignKey("cmc_webhooks.Mail", on_delete=models.PROTECT, related_name="+")


class Invoice(models.Model):
    mail = models.ForeignKey("cmc_webhooks.Mail", on_delete=models.RESTRICT, related_name="+")


class Refund(models.Model):
    """It goes with the mail that announced it, and holds the mail that asked for it."""

    asked_by = models.ForeignKey("cmc_webhooks.Mail", on_delete=models.RESTRICT, related_name="+")
    announced_by = models.ForeignKey("cmc_webhooks.Mail", on_delete=models.CASCADE, related_name="+")


class Letter(models.Model):
    mail = models.OneToOneField("cmc_webhooks.Mail", on_delete=models.DO_NOTHING, related_name="+")


class Complaint(models.Model):
    event = models.ForeignKey("cmc_webhooks.BounceEvent", on_delete=models.PROTECT, related_name="+")


class Visit(models.Model):
    """It goes with its mail, unless a `Receipt` holds it."""

    mail = models.ForeignKey("cmc_webhooks.Mail", on_delete=models.CASCADE, related_name="+")


class Receipt(models.Model):
    visit = models.ForeignKey(Visit, on_delete=models.PROTECT, related_name="+")


class Audit(models.Model):
    notification = models.ForeignKey("cmc_webhooks.Notification", on_delete=models.PROTECT, related_name="+")
