"""What Customers Mail Cloud sends: body -> typed records and their keys, and events -> body.

Standard library only; no module here knows Django, settings or a database. Nothing above this package
knows CMC's spelling. Sources: https://smtps.jp/docs-en/apiv2/webhook and
https://smtps.jp/docs-en/apiv2/webhook/event.
"""

from __future__ import annotations

from cmc_webhooks.wire.body import BadBody, Frame, UnsupportedCharset, decode, decode_fields, load
from cmc_webhooks.wire.encoding import Encoded, encode
from cmc_webhooks.wire.keys import (
    UNTIMED_END,
    address_key,
    address_key_hex,
    count_key,
    event_key,
    key_at,
    key_ms,
    mail_key,
    message_range,
    rejection_key,
    time_key,
)
from cmc_webhooks.wire.notification import (
    Notification,
    Rejection,
    TooManyEvents,
    frame_within_bmp,
    read,
    reject,
)
from cmc_webhooks.wire.records import (
    BlockRecord,
    BounceRecord,
    DeliveryRecord,
    MailRecord,
    Record,
    moment,
    within_bmp,
)
from cmc_webhooks.wire.subjects import record_without_subject, rejection_without_subject
from cmc_webhooks.wire.text import (
    address_forms,
    bare_message_id,
    clean,
    domain_of,
    normalise_address,
)

__all__ = [
    "UNTIMED_END",
    "BadBody",
    "BlockRecord",
    "BounceRecord",
    "DeliveryRecord",
    "Encoded",
    "Frame",
    "MailRecord",
    "Notification",
    "Record",
    "Rejection",
    "TooManyEvents",
    "UnsupportedCharset",
    "address_forms",
    "address_key",
    "address_key_hex",
    "bare_message_id",
    "clean",
    "count_key",
    "decode",
    "decode_fields",
    "domain_of",
    "encode",
    "event_key",
    "frame_within_bmp",
    "key_at",
    "key_ms",
    "load",
    "mail_key",
    "message_range",
    "moment",
    "normalise_address",
    "read",
    "record_without_subject",
    "reject",
    "rejection_key",
    "rejection_without_subject",
    "time_key",
    "within_bmp",
]
