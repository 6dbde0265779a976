"""Events and notifications as CMC writes them, valid and plausible; a test says only what it is about.

Values go by our names (`recipient`, `api_data`, `bounce_code`) or by CMC's (`to`, `apiData`); both may hold
anything that JSON can. Without a `created` an event is of the time when the process first asked.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from cmc_webhooks import stories, wire
from cmc_webhooks.conf import app_settings
from cmc_webhooks.credentials import Credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cmc_webhooks.stories import Step, Story

__all__ = ["block", "bounce", "delivery", "events", "notification"]

_RECORDS: Mapping[str, type[wire.Record]] = {
    "deliveries": wire.DeliveryRecord,
    "bounces": wire.BounceRecord,
    "blocks": wire.BlockRecord,
}


def delivery(**values: Any) -> dict[str, Any]:
    """One item of `event.deliveries`: that CMC has taken a mail, if `status` does not say otherwise."""
    return _event(stories.Step(0, "deliveries", values.get("status", "queued")), values)


def bounce(**values: Any) -> dict[str, Any]:
    """One item of `event.bounces`, a second after a delivery: an unknown user, or what `bounce_code` says."""
    code = values.get("bounce_code", values.get("status", "2"))
    return _event(stories.Step(1, "bounces", code, stories.REASONS.get(code, "")), values)


def block(**values: Any) -> dict[str, Any]:
    """One item of `event.blocks`. CMC publishes no sample of it: the fields are those of its REST API."""
    blocked = {"created": _text(_now()), "email": stories.Letter().recipient, "status": "2", "occurred": "1"}
    return blocked | _by_wire_names("blocks", values)


def events(story: Story, **values: Any) -> list[stories.Told]:
    """The events of a story (see `samples`), each with these values. The last one is of now."""
    begun = _now() - timedelta(seconds=story[-1].seconds)
    return [stories.Told(step.event_type, _event(step, values, begun)) for step in story]


def notification(
    event_type: str,
    *events: Mapping[str, Any],
    form: bool = False,
    version: int = 2,
    api_key: str | None = None,
    server_composition: str = "pro",
) -> wire.Encoded:
    """The body of one POST and its Content-Type.

    It has the first key of the project's settings, or `api_key` ("" for none). Version 1 is always a form.
    """
    return wire.encode(
        event_type,
        events,
        server_composition=server_composition,
        api_key=(Credentials.configured().api_key if api_key is None else api_key) or None,
        form=form,
        version=version,
    )


@cache
def _now() -> datetime:
    """The same time for all events of a process: two that are made alike are one event."""
    return datetime.now(UTC).replace(microsecond=0)


def _event(step: Step, values: Mapping[str, Any], begun: datetime | None = None) -> dict[str, Any]:
    at = (begun or _now()) + timedelta(seconds=step.seconds)
    values = _by_wire_names(step.event_type, values)
    letter = stories.Letter(recipient=str(values.get("to", stories.Letter().recipient)))
    told = stories.event(letter, step, at.astimezone(app_settings.time_zone).replace(tzinfo=None))
    return {**told.values, **values}


def _by_wire_names(event_type: str, values: Mapping[str, Any]) -> dict[str, Any]:
    names = _RECORDS[event_type].wire_names()
    return {
        names.get(name, name): _text(value) if isinstance(value, datetime) else value
        for name, value in values.items()
    }


def _text(at: datetime) -> str:
    """As CMC writes a time: its wall clock, which a naive time is already."""
    clock = at.astimezone(app_settings.time_zone) if at.tzinfo else at
    return clock.replace(tzinfo=None).isoformat(" ", "seconds")
