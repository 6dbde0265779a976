from __future__ import annotations

from django.db import models


class Order(models.Model):
    """An order, whose confirmation mail carries its number in the X-Api-Data header."""

    number = models.CharField(max_length=32, unique=True)
    mail_status = models.CharField(max_length=32, blank=True)
    mail_version = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return self.number
