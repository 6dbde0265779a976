# shop/models.py
from django.db import models


class Order(models.Model):
    number = models.CharField(max_length=32, unique=True)
    email = models.EmailField()
    mail_bounced = models.BooleanField(default=False)

    def __str__(self):
        return self.number


class Customer(models.Model):
    email = models.EmailField()
    newsletter = models.BooleanField(default=True)
    mail_decision = models.TextField(blank=True)
    mail_note = models.TextField(blank=True)
    mail_not_sent = models.TextField(blank=True)

    def __str__(self):
        return self.email


class MailCopy(models.Model):
    mail_id = models.UUIDField(unique=True)

    def __str__(self):
        return str(self.mail_id)
