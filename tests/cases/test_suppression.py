"""Cases of kind W: what bounces mean, and whether one may write again."""

from __future__ import annotations

import pytest
from django.utils import translation

from cmc_webhooks import models, suppression
from cmc_webhooks.bounce_codes import bounce_class
from tests.conftest import CASES

pytestmark = pytest.mark.django_db

CLASSES = {
    **dict.fromkeys(("1", "2", "9"), "hard"),
    **dict.fromkeys(("3", "5", "6", "7"), "soft"),
    "4": "policy",
    "8": "message",
    **dict.fromkeys(("10", "11"), "suppressed"),
    "99": "unknown",
}


class TestC65WhatEachCodeMeans:
    def test_is_a_class_of_its_own_label(self, open_hook):
        assert open_hook.file(CASES / "C65.json").json()["new"] == 12

        found = {event.bounce_code: event.bounce_class for event in models.BounceEvent.objects.all()}
        labels = {}
        for language in ("en", "ja"):
            with translation.override(language):
                labels[language] = {code: str(bounce_class(code).label) for code in CLASSES}
        assert found == CLASSES
        assert all(labels["en"][code] != labels["ja"][code] for code in CLASSES)
        assert len(set(labels["en"].values())) == len(set(labels["ja"].values())) == 6


class TestC66BlockedForEver:
    def test_is_lifted_until_a_newer_bounce(self, open_hook):
        address = "back@example.jp"
        told = []

        def post(name):
            assert open_hook.file(CASES / name).status_code == 200
            told.append(suppression.may_send(address))

        post("C66-1.json")
        suppression.release(address)
        told.append(suppression.may_send(address))
        post("C66-1.json")
        post("C66-2.json")

        assert told == [False, True, True, False]
