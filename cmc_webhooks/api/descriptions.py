"""Descriptions of fields and parameters for the OpenAPI document and the browsable API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from cmc_webhooks.bounce_codes import BounceClass
from cmc_webhooks.models import Notification, Suppression
from cmc_webhooks.suppression import rules

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["DECISION_KINDS", "FIELDS", "PARAMETERS", "REFUSALS", "REFUSALS_OF_BODIES", "WORDS", "Words"]

FIELDS: Mapping[str, tuple[str, Any]] = {
    "id": ("The key of the row, a UUID of version 8 (RFC 9562).", "0185e93d-4990-8006-b576-638a9971be14"),
    "mail": ("The key of the event's mail.", "2b1c2d9e-57a4-8c1f-b0a1-5d2f5a0c9e77"),
    "message_id": ("The Message-ID header as first sent, with its angle brackets.", "<1f2e@shop.example.jp>"),
    "recipient": ("The envelope recipient (RCPT TO) as first sent.", "Hanako@example.jp"),
    "address": ("The bare address in lower case.", "hanako@example.jp"),
    "header_from": ("The From header, not the envelope sender.", "info@shop.example.jp"),
    "return_path": ("The envelope sender (MAIL FROM), where bounces go.", "bounce@shop.example.jp"),
    "subject": ("The decoded subject; empty where the project does not store subjects.", "ご予約の確認"),
    "api_data": ("The sending project's own reference, from its X-Api-Data header.", "order-20314"),
    "server_composition": ("The server composition at CMC that sent the mail.", "pro"),
    "status": (
        "queued, deferred, succeeded (handed over, no proof of reading), failed, bounced, or any other word.",
        "bounced",
    ),
    "previous_status": ("The status before the last change; empty for a new mail.", "failed"),
    "delivery_status": (
        "The status of the deliveries alone. Of a bounced mail: failed if refused, succeeded if returned.",
        "failed",
    ),
    "bounce_code": ("CMC's number of the cause as text; empty without a bounce.", "2"),
    "bounce_class": ("hard, soft, policy, message, suppressed or unknown; empty without a bounce.", "hard"),
    "status_at": (
        "When the event that decided the status happened, by CMC's clock.",
        "2023-01-25T14:06:07+09:00",
    ),
    "reason": ("The remote server's answer, unparsed.", "550 5.1.1 user unknown"),
    "version": ("The number of changes of the status so far: the greater one is the later.", 2),
    "created_at": ("When the mail's first event was received.", "2023-01-25T14:03:07.123456+09:00"),
    "first_event_at": ("The earliest time of its events, by CMC's clock.", "2023-01-25T14:03:06+09:00"),
    "last_event_at": ("The latest time of its events, by CMC's clock.", "2023-01-25T14:06:07+09:00"),
    "erased_at": ("When its personal data was erased; null while it was not.", "2023-07-25T15:00:00+09:00"),
    "occurred_at": (
        "When it happened, by CMC's clock; the time of receipt if none was sent.",
        "2023-01-25T14:06:07+09:00",
    ),
    "received_at": ("When it was received.", "2023-01-25T14:06:08.654321+09:00"),
    "source_ip": ("The IP address that sent the mail to CMC.", "192.0.2.10"),
    "sender_ip": ("The IP address from which CMC sent the mail.", "198.51.100.7"),
    "extra": (
        "By CMC's names: what has no field, differs from the mail's, or was cut; any JSON.",
        {"campaign": "7"},
    ),
    "kind": ("delivery or bounce.", "bounce"),
    "timeline": ("All events of the mail, oldest first by CMC's clock, the latest 500 of each kind.", None),
    "may_send": (
        "Whether mail may be sent to the address, by its mails, CMC's lists and decisions by hand.",
        False,
    ),
    "forbidden_by": (
        "What forbids it: by_hand, hard, blocked, unsubscribed or soft; empty where one may send.",
        "hard",
    ),
    "forbidden_since": (
        "When that bounce happened, by CMC's clock, or when it was decided.",
        "2023-01-25T14:06:07+09:00",
    ),
    "forbidden_until": (
        "When that ends; null where one may send, and where it has no end.",
        "2023-07-24T14:06:07+09:00",
    ),
    "composition": (
        "The server composition that it is forbidden for, or that CMC refuses for; empty for all.",
        "",
    ),
    "at_cmc": (
        "True where CMC itself refuses until its own entry is removed, whatever is decided here.",
        False,
    ),
    "reasons": ("All that forbids it; the first one is that of the verdict.", None),
    "number": ("How many soft bounces in a row there were, a number; 1 for other reasons.", 1),
    "cmc_entries": ("Entries of CMC's own lists that still hold there, whatever was decided here.", None),
    "decisions": (
        "Decisions about the address, the latest first; only for users with the permission view_suppression.",
        None,
    ),
    "until": ("When a block ends; null where it has no end.", "2099-01-01T00:00:00+09:00"),
    "note": ("Why, for people; it is erased with the person's data.", "asked by phone"),
    "author": ("Who decided: the key of a user, or the login name of a command.", "17"),
    "decided_at": ("When it was decided.", "2023-01-25T15:00:00.123456+09:00"),
    "decision": ("The decision as it was recorded.", None),
    "replaced": ("The decision that it replaced; null if there was none.", None),
    "now": (
        "What holds now for mail through the decision's server composition, or, without one, through any.",
        None,
    ),
    "replace": ("True to replace another person's decision, which is otherwise answered with 409.", False),
    "forgotten": ("False if there was no decision to withdraw.", True),
    "seq": ("The number of the change; numbers below it were given before.", 20314),
    "key": ("The key of what changed, also after it was deleted.", "2b1c2d9e-57a4-8c1f-b0a1-5d2f5a0c9e77"),
    "at": ("When it changed.", "2023-01-25T14:06:08.654321+09:00"),
    "block": ("The block event as it is now; null if the change is about none, or if it was deleted.", None),
    "suppression": ("The decision as it is now; null if the change is about none, or if it is gone.", None),
    "cursor": ("The place behind these changes: the next `after`.", "9f1c2b3a4d5e6f70.20314"),
    "more": ("Whether other changes follow already.", False),
    "done": ("Whether CMC removed the entry.", True),
    "answer": ("CMC's answer as it came.", '{"code": "00-000"}'),
    "asked": ("The address as it was asked for.", "Hanako <hanako@example.jp>"),
    "addresses": ("Up to 1,000 addresses in any spelling.", ["hanako@example.jp", "Taro <taro@example.jp>"]),
    "transactional": ("Whether the recipient asked for the mail, such as a password reset.", False),
    "bounces": ("How many of the latest 1,000 mails to it bounced, by class.", None),
    "latest": ("The latest 20 mails to it, the one received last first.", None),
    "truncated": (
        "Only in lists: fields of over 10,000 characters. Texts are cut to that length, JSON becomes {}.",
        ["reason"],
    ),
    "occurrences": ("How often CMC says it occurred, as sent.", "1"),
    "raw": ("What was sent, without secrets.", {"to": "hanako@example.jp", "status": "2"}),
    "source": (
        "webhook (posted by CMC), rest (fetched by cmc_backfill) or retry (rejected events, read again).",
        "webhook",
    ),
    "event_type": ("CMC's word for the kind of the events.", "deliveries"),
    "new": ("Events that were new, a number.", 98),
    "repeated": ("Events that were known already, a number.", 2),
    "rejected": ("Events that could not be stored, a number.", 0),
    "position": ("The place of the event in its list, from 0.", 3),
    "error": ("What was wrong, and where.", "event.deliveries[3]: to is not text"),
    "resolved_at": (
        "When it was read and stored after all; null while it is not.",
        "2023-01-26T09:00:00+09:00",
    ),
    "dismissed_at": (
        "When a person dismissed it; null if nobody did. It is open while `resolved_at` is null too.",
        "2023-01-26T09:00:00+09:00",
    ),
    "from": ("The first day that is counted, in the project's zone.", "2023-01-01"),
    "to": ("The last day that is counted, in the project's zone.", "2023-01-31"),
    "results": (
        "The sums, sorted by the columns of `by`; of domains, by day and composition, then most mails first.",
        None,
    ),
    "mails": ("How many mails, a number.", 1205),
    "succeeded": ("How many of them were handed over, a number.", 1180),
    "failed": ("How many of them were refused without a bounce, a number.", 5),
    "bounced": ("How many of them bounced, a number.", 20),
    "day": ("The day of the mails' first receipt, in the project's zone.", "2023-01-25"),
    "domain": ("The recipients' domain; empty for all that are not among the largest.", "example.jp"),
}
"""Field descriptions by name: the meaning, and an example or None."""


class Words(NamedTuple):
    """All values that a field can hold: the name of their component, their meaning and the values."""

    component: str
    meaning: str
    words: Sequence[str]


WORDS: Mapping[str, Words] = {
    "bounce_class": Words(
        "CmcBounceClass",
        "Our classes of CMC's bounce codes: hard (1, 2, 9), soft (3, 5, 6, 7), policy (4), message (8),"
        " suppressed (10, 11), unknown (any other).",
        BounceClass.values,
    ),
    "forbidden_by": Words(
        "CmcForbidding",
        "What forbids to send: a decision by hand, a hard bounce, CMC's list of blocked addresses (code 10),"
        " its list of unsubscribed ones (code 11), soft bounces in a row.",
        rules.REASONS,
    ),
    "kind": Words("CmcEventKind", "Which list has the event.", ["delivery", "bounce"]),
    "source": Words("CmcSource", "How a notification came.", Notification.Sources.values),
}

DECISION_KINDS = Words(
    "CmcDecisionKind",
    "A decision (blocked, released), what an erasure kept, or an entry that was lifted at CMC.",
    Suppression.Kinds.values,
)

_AFTER = "A day, or a time in ISO 8601, which is included; without an offset, in the active zone. "
_BEFORE = (
    "A day, which is included, or a time in ISO 8601, which is not; without an offset, in the active zone. "
)

PARAMETERS: Mapping[str, tuple[str, Any]] = {
    "id": ("The key of the row.", "0185e93d-4990-8006-b576-638a9971be14"),
    "id__in": ("One of these keys, with commas between them.", ["0185e93d-4990-8006-b576-638a9971be14"]),
    "mail": ("The key of the mail.", "2b1c2d9e-57a4-8c1f-b0a1-5d2f5a0c9e77"),
    "address": ("An address in any spelling, known or not.", "hanako@example.jp"),
    "message_id": ("The Message-ID, with or without angle brackets.", "<1f2e@shop.example.jp>"),
    "recipient": ("An address in any spelling, with or without a name before it.", "hanako@example.jp"),
    "sender": ("The From header's address, in any letter case.", "info@shop.example.jp"),
    "domain": ("The recipient's domain, with or without @, in any letter case.", "example.jp"),
    "api_data": ("The very text of the X-Api-Data header, of which 255 characters count.", "order-20314"),
    "server_composition": ("The very name.", "pro"),
    "server_composition__in": ("One of these names, with commas between them.", ["pro", "sandbox"]),
    "status": ("The very word, known or not.", "failed"),
    "status__in": ("One of these words, with commas between them.", ["failed", "bounced"]),
    "bounce_code": ("CMC's number of the cause; of mails, that of the winning bounce.", "2"),
    "bounce_code__in": ("One of these numbers, with commas between them.", ["1", "2"]),
    "bounce_class": ("Our class of the bounce code; of mails, that of the winning bounce.", "hard"),
    "bounce_class__in": ("One of these classes, with commas between them.", ["hard", "suppressed"]),
    "event_type": ("CMC's very word for the kind of the events.", "deliveries"),
    "source": ("How the notification came.", "webhook"),
    "resolved": ("Whether the event was read and stored after all.", "false"),
    "dismissed": ("Whether a person dismissed the event.", "false"),
    "occurred_after": (_AFTER + "By CMC's clock; of mails, that of the first event.", "2023-01-25"),
    "occurred_before": (_BEFORE + "By CMC's clock; of mails, that of the first event.", "2023-01-25"),
    "received_after": (_AFTER + "Of mails, when the first event was received.", "2023-01-25T00:00:00+09:00"),
    "received_before": (
        _BEFORE + "Of mails, when the first event was received.",
        "2023-01-26T00:00:00+09:00",
    ),
    "ordering": (
        "The time to order by, with - the latest first; by default so, by the time that is filtered by.",
        None,
    ),
    "page_size": ("How many rows a page has.", 200),
    "cursor": ("The position of a page. Use the value in `next` or `previous` unchanged.", None),
    "format": ("Instead of the Accept header; csv and jsonl are all rows at once.", None),
    "from": ("The first day, in the project's zone; 29 days before the last by default.", "2023-01-01"),
    "to": ("The last day, which is counted, in the project's zone; today by default.", "2023-01-31"),
    "by": (
        "What to sum by, with commas: day,status by default. domain takes day and server_composition alone.",
        None,
    ),
    "composition": (
        "The server composition that the mail is to be sent through; any if it is not given.",
        "newsletter",
    ),
    "transactional": ("Whether the recipient asked for the mail, such as a password reset.", False),
    "after": ("The `cursor` of the answer before; without it, only the newest cursor is returned.", None),
    "kind__in": ("One of these kinds, with commas between them; by default all that one may see.", ["mail"]),
    "changed_after": (
        "A `cursor` of `changes/`: the mails that changed after it, if at most 10,000 changes follow it.",
        None,
    ),
    "reason": ("One of the reasons that forbid it is this one.", "hard"),
    "If-None-Match": ("The ETag of an answer that one has already.", None),
}
"""Parameter descriptions by name: the meaning, and an example or None."""

REFUSALS: Mapping[str, str] = {
    "400": "A parameter is unknown, is given twice, or has a value that is not allowed: the text says more.",
    "401": "Not signed in, where the project's authentication has a challenge.",
    "403": "Not signed in, or without the view permission of what is asked.",
    "404": "No such row, page or format.",
    "406": "A media type that is not given.",
}

REFUSALS_OF_BODIES: Mapping[str, str] = {
    "400": "A field of the body is missing, unknown or has a value that is not allowed: the text says more.",
    "403": "Not signed in, or without the permission that this needs.",
    "413": "The body is larger than `MAX_BODY` or Django's own limit.",
    "415": "The body is not JSON by its Content-Type.",
}
