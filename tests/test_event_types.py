"""The table of event types, and what a new line in it needs elsewhere."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from django.contrib import admin

from cmc_webhooks import event_types, ingest, wire
from cmc_webhooks.event_types import EVENT_TYPES
from tests.conftest import PAYLOADS

KINDS = [pytest.param(name, kind, id=name) for name, kind in EVENT_TYPES.items()]


class TestEventTypes:
    @pytest.mark.parametrize(("name", "kind"), KINDS)
    def test_have_a_recorded_payload_that_becomes_a_row(self, db, name, kind):
        recorded = sorted(PAYLOADS.glob(f"*{name}*.form"))
        assert recorded, f"tests/payloads/ has no *{name}*.form"

        receipt = ingest.receive(wire.decode(Path(recorded[0]).read_bytes()))

        assert receipt.new == kind.model.objects.count() > 0

    @pytest.mark.parametrize(("name", "kind"), KINDS)
    def test_are_shown_in_the_admin(self, name, kind):
        assert kind.model in admin.site._registry, (
            f"cmc_webhooks/admin/ does not register {kind.model.__name__}"
        )

    @pytest.mark.parametrize(("name", "kind"), KINDS)
    def test_have_a_column_for_each_field_of_their_record(self, name, kind):
        of_the_mail = {"message_id", "recipient", "header_from", "return_path", "subject", "api_data"}
        derived = {"key", "position", "created", "created_text", "server_composition"} | of_the_mail
        columns = {field.name for field in kind.model._meta.concrete_fields}

        missing = {field.name for field in fields(kind.record)} - columns - derived

        assert missing == set(), f"cmc_webhooks/models.py: {kind.model.__name__} lacks {missing}"

    @pytest.mark.parametrize(("name", "kind"), KINDS)
    def test_are_named_by_their_model(self, name, kind):
        assert event_types.name_of(kind.model) == name
