from __future__ import annotations

import pytest

from cmc_webhooks.api import serializers

PRIVATE = {
    serializers.MailSerializer: {"domain", "sender", "delivery_event_id", "bounce_event_id"},
    serializers.DeliveryEventSerializer: {"notification"},
    serializers.BounceEventSerializer: {"notification"},
}


class TestFields:
    @pytest.mark.parametrize("serializer", PRIVATE)
    def test_show_every_column_that_is_not_named_here(self, serializer):
        columns = {field.name for field in serializer.Meta.model._meta.concrete_fields}

        hidden = columns - set(serializer.Meta.fields)

        assert hidden == PRIVATE[serializer], "name the new column in api/serializers.py or in this test"

    @pytest.mark.parametrize("serializer", [*PRIVATE, serializers.TimelineEventSerializer])
    def test_take_nothing_from_outside(self, serializer):
        writable = [name for name, field in serializer().fields.items() if not field.read_only]

        assert writable == []
