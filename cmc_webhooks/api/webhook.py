"""OpenAPI schema of the webhook, which is not a DRF view: what CMC posts, and the responses.

Source: https://smtps.jp/docs-en/apiv2/webhook/event
"""

from __future__ import annotations

from typing import Any

from django.urls import NoReverseMatch, reverse

from cmc_webhooks.api.schema import example_of

__all__ = ["describe_webhook"]


def describe_webhook(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Add the webhook at the path where the project mounted it, if it is mounted.

    This is a hook of drf-spectacular (POSTPROCESSING_HOOKS).
    """
    try:
        path = reverse("cmc_webhooks:webhook", urlconf=generator.urlconf)
    except NoReverseMatch:
        return result
    result["paths"][path] = {"post": _OPERATION}
    result["components"].setdefault("schemas", {}).update(_in_version(_SCHEMAS))
    result["components"]["securitySchemes"] = {
        **result["components"].get("securitySchemes", {}),
        **_SECURITY_SCHEMES,
    }
    result["paths"] = dict(sorted(result["paths"].items()))
    return result


def _in_version(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a copy with each example in the form of the project's OpenAPI version."""
    made: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "examples":
            made |= example_of(value[0])
        else:
            made[key] = _in_version(value) if isinstance(value, dict) else value
    return made


def _text(description: str, example: str) -> dict[str, Any]:
    return {"type": "string", "description": description, "examples": [example]}


def _number(description: str, example: int) -> dict[str, Any]:
    return {"type": "integer", "description": description, "examples": [example]}


_SHARED = {
    "created": _text("YYYY-MM-DD HH:MM:SS in the zone chosen in CMC's console.", "2023-01-25 14:06:07"),
    "messageId": _text("The Message-ID header, with its angle brackets.", "<1f2e@shop.example.jp>"),
    "from": _text("The From header's address; not in version 1.", "info@shop.example.jp"),
    "to": _text("The envelope recipient; `envelopeTo` in version 1.", "hanako@example.jp"),
    "returnPath": _text("The envelope sender; `envelopeFrom` in version 1.", "bounce@shop.example.jp"),
    "subject": _text("The decoded subject.", "ご予約の確認"),
    "apiData": _text("The mail's X-Api-Data header; not in version 1.", "order-20314"),
    "reason": _text("The remote server's answer, or CMC's own.", "550 5.1.1 user unknown"),
}

_FRAME = {
    "api_key": _text("The webhook API key, if one is set in CMC's console.", "a-long-secret"),
    "event_type": _text("deliveries, bounces or blocks; other words are kept.", "deliveries"),
    "server_composition": _text("The server composition that sent the mails.", "pro"),
}

_ANY = "No field is promised, and further ones are kept."

_SCHEMAS: dict[str, Any] = {
    "PostedDelivery": {
        "type": "object",
        "description": f"A delivery event of a mail, as CMC posts it. {_ANY}",
        "properties": {
            **_SHARED,
            "status": _text("queued, deferred, succeeded, failed, or any other word.", "succeeded"),
            "sourceIp": _text("The IP address that sent the mail to CMC.", "192.0.2.10"),
            "senderIp": _text("The IP address from which CMC sent the mail.", "198.51.100.7"),
        },
    },
    "PostedBounce": {
        "type": "object",
        "description": f"A bounce, as CMC posts it. {_ANY}",
        "properties": {**_SHARED, "status": _text("CMC's number of the cause, as text.", "2")},
    },
    "PostedBlock": {
        "type": "object",
        "description": "An operation on the list of blocked addresses (Pro plan). All fields are kept.",
    },
    "PostedNotification": {
        "type": "object",
        "description": "Up to 100 events by CMC's default.",
        "required": ["event_type", "event"],
        "properties": {
            **_FRAME,
            "event": {
                "type": "object",
                "description": "The events, under the name that `event_type` has.",
                "properties": {
                    "deliveries": {"type": "array", "items": {"$ref": "#/components/schemas/PostedDelivery"}},
                    "bounces": {"type": "array", "items": {"$ref": "#/components/schemas/PostedBounce"}},
                    "blocks": {"type": "array", "items": {"$ref": "#/components/schemas/PostedBlock"}},
                },
            },
        },
    },
    "PostedForm": {
        "type": "object",
        "description": "The same as a form: `event` is JSON text.",
        "required": ["event_type", "event"],
        "properties": {
            **_FRAME,
            "event": _text("The events as JSON.", '{"deliveries": []}'),
        },
    },
    "Receipt": {
        "type": "object",
        "description": "What became of the events, which are committed now.",
        "required": ["new", "repeated", "rejected"],
        "properties": {
            "new": _number("Events that were new.", 98),
            "repeated": _number("Events that were known already.", 2),
            "rejected": _number("Events that could not be stored.", 0),
        },
    },
}

_SECURITY_SCHEMES = {
    "cmcBasic": {"type": "http", "scheme": "basic", "description": "One of BASIC_AUTH."},
    "cmcBearer": {"type": "http", "scheme": "bearer", "description": "One of BEARER_TOKENS."},
}


def _refusal(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"text/plain": {"schema": {"type": "string"}}}}


_OPERATION = {
    "operationId": "webhook",
    "tags": ["webhook"],
    "summary": "What Customers Mail Cloud posts.",
    "description": "A 200 means that the events are committed; the same again changes nothing. The secret is"
    " `api_key` in the body, BASIC, or a Bearer token, as the project's settings say.",
    "security": [{}, {"cmcBasic": []}, {"cmcBearer": []}],
    "requestBody": {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {"schema": {"$ref": "#/components/schemas/PostedForm"}},
            "multipart/form-data": {"schema": {"$ref": "#/components/schemas/PostedForm"}},
            "application/json": {"schema": {"$ref": "#/components/schemas/PostedNotification"}},
        },
    },
    "responses": {
        "200": {
            "description": "Committed.",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Receipt"}}},
        },
        "400": _refusal("No notification, an ambiguous one or a part of one: the text says what and where."),
        "401": _refusal("No or wrong BASIC credentials."),
        "403": _refusal("No or a wrong secret, a client outside the allow-list, or no secret configured."),
        "411": _refusal("A body without a length, under a server that does not say where it ends."),
        "413": _refusal("Too large, or too many events."),
        "415": _refusal("A content encoding or a charset that is not read."),
        "503": _refusal("The database is unavailable or locked; nothing is stored. See `Retry-After`."),
    },
}
