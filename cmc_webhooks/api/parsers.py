"""Bodies of requests: JSON objects of limited size and depth. Nothing in them is ignored."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from rest_framework import exceptions, parsers, renderers

from cmc_webhooks import wire
from cmc_webhooks.conf import app_settings

__all__ = ["BodyParser", "TooLarge"]

_BROKE_OFF = "The body broke off."


class TooLarge(exceptions.APIException):
    """The body is larger than allowed."""

    status_code = 413
    default_code = "too_large"


class BodyParser(parsers.BaseParser):
    """A parser of JSON in UTF-8, as large as a notification may be. Numbers are texts, see `wire.load`.

    It is no `JSONParser`, for which DRF reads the whole body first.
    """

    media_type = "application/json"
    renderer_class = renderers.JSONRenderer  # of the form of the browsable API

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        """Return the parsed body.

        Raises:
            ParseError: it is not JSON, is nested too deeply, or gives a name twice.
            TooLarge: it is larger than `MAX_BODY` or Django's own limit.
        """
        try:
            document = wire.load(_read(stream).decode("utf-8-sig"), "The body")
        except UnicodeDecodeError:
            raise exceptions.ParseError("The body is not UTF-8.") from None
        except wire.BadBody as error:
            raise exceptions.ParseError(f"{error}.") from None
        if twice := getattr(document, "twice", None):
            names = ", ".join(f"{name[:64]!a}" for name in sorted(twice))
            raise exceptions.ParseError(f"Given more than once: {names}.")
        return document


def _read(stream: Any) -> bytes:
    """Return what a stream has, at most as much as is allowed."""
    limits = app_settings.max_body, settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    most = min(limit for limit in limits if limit is not None)
    pieces, size = list[bytes](), 0
    try:
        while size <= most and (piece := stream.read(most + 1 - size)):
            pieces.append(piece)
            size += len(piece)
    except OSError:
        raise exceptions.ParseError(_BROKE_OFF) from None
    if size > most:
        raise TooLarge(f"The body is larger than {most} bytes.")
    return b"".join(pieces)
