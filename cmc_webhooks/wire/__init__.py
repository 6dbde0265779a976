"""The wire format of Customers Mail Cloud: body -> typed records and their keys, and events -> body.

Standard library only: no module here uses Django, settings or a database. Above this package CMC's field
names stand only in the simulator and in the OpenAPI description of the webhook.

Sources: https://smtps.jp/docs-en/apiv2/webhook and https://smtps.jp/docs-en/apiv2/webhook/event.
"""

from __future__ import annotations

from cmc_webhooks.wire.api_keys import api_keys_in
from cmc_webhooks.wire.body import (
    BadBody,
    Frame,
    ReceivedMail,
    UnsupportedCharset,
    decode,
    decode_fields,
    load,
)
from cmc_webhooks.wire.encoded_words import decode_words
from cmc_webhooks.wire.encoding import Encoded, encode
from cmc_webhooks.wire.envelopes import is_empty, readable
from cmc_webhooks.wire.keys import (
    UNTIMED_END,
    address_key,
    address_key_hex,
    count_key,
    decision_key,
    event_key,
    key_at,
    key_ms,
    mail_key,
    message_range,
    rejection_key,
    time_key,
)
from cmc_webhooks.wire.mailboxes import LONGEST_MAILBOX, canonical_mailbox, quoted_local
from cmc_webhooks.wire.notification import (
    MAX_RAW_BYTES,
    Notification,
    Rejection,
    TooManyEvents,
    read,
    reject,
    replace_astral_in_frame,
)
from cmc_webhooks.wire.records import (
    BlockRecord,
    BounceRecord,
    DeliveryRecord,
    MailRecord,
    Record,
    moment,
    replace_astral_in_record,
)
from cmc_webhooks.wire.subjects import record_without_subject, rejection_without_subject
from cmc_webhooks.wire.text import (
    address_forms,
    bare_message_id,
    clean,
    domain_of,
    normalise_address,
    shown,
)

__all__ = [
    "LONGEST_MAILBOX",
    "MAX_RAW_BYTES",
    "UNTIMED_END",
    "BadBody",
    "BlockRecord",
    "BounceRecord",
    "DeliveryRecord",
    "Encoded",
    "Frame",
    "MailRecord",
    "Notification",
    "ReceivedMail",
    "Record",
    "Rejection",
    "TooManyEvents",
    "UnsupportedCharset",
    "address_forms",
    "address_key",
    "address_key_hex",
    "api_keys_in",
    "bare_message_id",
    "canonical_mailbox",
    "clean",
    "count_key",
    "decision_key",
    "decode",
    "decode_fields",
    "decode_words",
    "domain_of",
    "encode",
    "event_key",
    "is_empty",
    "key_at",
    "key_ms",
    "load",
    "mail_key",
    "message_range",
    "moment",
    "normalise_address",
    "quoted_local",
    "read",
    "readable",
    "record_without_subject",
    "reject",
    "rejection_key",
    "rejection_without_subject",
    "replace_astral_in_frame",
    "replace_astral_in_record",
    "shown",
    "time_key",
]
