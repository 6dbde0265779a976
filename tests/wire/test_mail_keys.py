"""Keys of mails, and the range of one message's."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given

from cmc_webhooks import wire
from tests.wire.test_keys import QUEUED_KEY, UNTIMED_KEY, texts


class TestMailKey:
    MESSAGE = "m1@example.com"

    @pytest.mark.parametrize(
        ("message_id", "composition", "address", "key"),
        [
            (MESSAGE, "pro", "user@example.jp", UUID("01c9c771-f222-87f7-b348-fb2f3666a2c3")),
            (MESSAGE, "pro", "", UUID("01c9c771-f222-87f7-b953-63fb44d41371")),
            ("", "pro", "user@example.jp", UUID("95363fb4-4d41-8371-b953-63fb44d41371")),
            ("", "", "", UUID("95363fb4-4d41-8371-b953-63fb44d41371")),
        ],
        ids=["whole", "no-recipient", "no-message", "nothing"],
    )
    def test_is_frozen(self, message_id, composition, address, key):
        assert wire.mail_key(message_id, composition, address, UNTIMED_KEY) == key

    def test_does_not_depend_on_the_event_when_message_and_address_are_known(self):
        keys = {
            wire.mail_key(self.MESSAGE, "pro", "user@example.jp", event)
            for event in (UNTIMED_KEY, QUEUED_KEY)
        }

        assert len(keys) == 1

    @pytest.mark.parametrize(("message_id", "address"), [("", "user@example.jp"), (MESSAGE, ""), ("", "")])
    def test_ties_events_that_lack_a_half_never_together(self, message_id, address):
        keys = {wire.mail_key(message_id, "pro", address, event) for event in (UNTIMED_KEY, QUEUED_KEY)}

        assert len(keys) == 2

    @pytest.mark.parametrize(
        ("message_id", "composition", "address"),
        [
            ("M1@example.com", "pro", "user@example.jp"),
            (MESSAGE, "sandbox", "user@example.jp"),
            (MESSAGE, "pro", "other@example.jp"),
            (MESSAGE, "prouser", "@example.jp"),
        ],
        ids=["message-by-case", "composition", "address", "no-running-together"],
    )
    def test_is_another_for_another_mail(self, message_id, composition, address):
        key = wire.mail_key(self.MESSAGE, "pro", "user@example.jp", UNTIMED_KEY)

        assert wire.mail_key(message_id, composition, address, UNTIMED_KEY) != key

    @given(texts, texts, texts)
    def test_is_a_uuid_that_every_database_orders_by_its_bytes(self, message_id, composition, address):
        key = wire.mail_key(message_id, composition, address, QUEUED_KEY)

        assert key.version == 8
        assert 0xB0 <= key.bytes[8] <= 0xBF


class TestMessageRange:
    def test_is_frozen(self):
        assert wire.message_range("m1@example.com") == (
            UUID("01c9c771-f222-87f7-b000-000000000000"),
            UUID("01c9c771-f222-87f7-bfff-ffffffffffff"),
        )

    @given(texts.filter(bool), texts, texts)
    def test_holds_every_mail_of_the_message(self, message_id, composition, address):
        first, last = wire.message_range(message_id)

        assert first <= wire.mail_key(message_id, composition, address, QUEUED_KEY) <= last

    @pytest.mark.parametrize("message_id", ["", "M1@example.com", "m1@example.co", "<m1@example.com>"])
    def test_holds_no_mail_of_another_message(self, message_id):
        first, last = wire.message_range("m1@example.com")

        key = wire.mail_key(message_id, "pro", "user@example.jp", QUEUED_KEY)

        assert not first <= key <= last
