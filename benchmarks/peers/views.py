"""What others would write instead. Four webhooks that know their input to be clean, and check the key."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from django.db import transaction
from django.dispatch import Signal, receiver
from django.http import HttpResponse, HttpResponseForbidden
from django.utils.crypto import constant_time_compare
from django.views.decorators.csrf import csrf_exempt
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from benchmarks.payloads import KEY
from benchmarks.peers import models

ZONE = ZoneInfo("Asia/Tokyo")
NAMES = {
    "messageId": "message_id", "to": "recipient", "from": "sender", "returnPath": "return_path",
    "subject": "subject", "apiData": "api_data", "status": "status", "reason": "reason",
    "sourceIp": "source_ip", "senderIp": "sender_ip",
}  # fmt: skip


def _events(frame: dict[str, Any]) -> list[dict[str, Any]]:
    event = frame["event"]
    told = json.loads(event) if isinstance(event, str) else event
    return [
        {name: each.get(wire_name, "") for wire_name, name in NAMES.items()}
        | {"created": datetime.fromisoformat(each["created"]).replace(tzinfo=ZONE)}
        for each in told[frame["event_type"]]
    ]


def _frame(body: bytes) -> dict[str, Any]:
    return json.loads(body) if body.startswith(b"{") else dict(parse_qsl(body.decode()))


def _may(frame: dict[str, Any]) -> bool:
    return constant_time_compare(frame.get("api_key", ""), KEY)


@csrf_exempt
def naive(request: Any) -> HttpResponse:
    """A row for each event, in one transaction; no status, and repeats are stored again."""
    frame = _frame(request.body)
    if not _may(frame):
        return HttpResponseForbidden()
    with transaction.atomic():
        for event in _events(frame):
            models.NaiveEvent.objects.create(**event)
    return HttpResponse("ok")


@csrf_exempt
def idempotent(request: Any) -> HttpResponse:
    """Each event once and the status of its mail, by the ORM's own words, in one transaction."""
    frame = _frame(request.body)
    if not _may(frame):
        return HttpResponseForbidden()
    with transaction.atomic():
        for event in _events(frame):
            _store(models.IdempotentEvent, models.IdempotentMail, event)
    return HttpResponse("ok")


def _store(event_model: Any, mail_model: Any, event: dict[str, Any]) -> None:
    key = {name: event[name] for name in ("message_id", "recipient", "status", "created")}
    _, is_new = event_model.objects.get_or_create(**key, defaults=event)
    if is_new:
        mail_model.objects.update_or_create(
            message_id=event["message_id"],
            recipient=event["recipient"],
            defaults={"status": event["status"], "subject": event["subject"]},
        )


class EventSerializer(serializers.ModelSerializer[models.DrfEvent]):
    class Meta:
        model = models.DrfEvent
        exclude = ("received_at",)


class Drf(APIView):
    """A serializer that takes many; neither each event once nor a status."""

    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []

    def post(self, request: Any) -> Response:
        frame = _frame(request.body)
        if not _may(frame):
            return Response(status=403)
        events = [
            {**event, "reason": event["reason"] or "-", "api_data": event["api_data"] or "-"}
            | {name: event[name] or "-" for name in ("source_ip", "sender_ip")}
            for event in _events(frame)
        ]
        serializer = EventSerializer(data=events, many=True)
        serializer.is_valid(raise_exception=True)
        with transaction.atomic():
            serializer.save()
        return Response("ok")


tracking = Signal()


@csrf_exempt
def signals(request: Any) -> HttpResponse:
    """A signal for each event, as django-anymail sends; a receiver that stores it once."""
    frame = _frame(request.body)
    if not _may(frame):
        return HttpResponseForbidden()
    for event in _events(frame):
        tracking.send(sender=signals, event=event, esp_name="CMC")
    return HttpResponse("ok")


@receiver(tracking)
def store(event: dict[str, Any], **kwargs: Any) -> None:
    with transaction.atomic():
        _store(models.SignalEvent, models.SignalMail, event)
