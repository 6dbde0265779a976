"""Valid and plausible events and notifications as CMC writes them. A test sets only the values it is about.

Values have our names (`recipient`, `api_data`, `bounce_code`) or CMC's (`to`, `apiData`). Both may hold
anything that JSON can. Without `created`, an event has the time at which the process made its first one.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from cmc_webhooks import wire
from cmc_webhooks.conf import app_settings
from cmc_webhooks.simulator import scenarios
from cmc_webhooks.simulator.credentials import Credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cmc_webhooks.simulator.scenarios import Scenario, ScenarioStep

__all__ = ["block", "bounce", "delivery", "events", "notification"]

_RECORDS: Mapping[str, type[wire.Record]] = {
    "deliveries": wire.DeliveryRecord,
    "bounces": wire.BounceRecord,
    "blocks": wire.BlockRecord,
}


def delivery(**values: Any) -> dict[str, Any]:
    """Return one item of `event.deliveries`: a mail accepted by CMC, unless `status` is given."""
    return _event(scenarios.ScenarioStep(0, "deliveries", values.get("status", "queued")), values)


def bounce(**values: Any) -> dict[str, Any]:
    """Return one item of `event.bounces`, a second after a delivery.

    It is an unknown user, unless `bounce_code` is given.
    """
    code = values.get("bounce_code", values.get("status", "2"))
    return _event(scenarios.ScenarioStep(1, "bounces", code, scenarios.REASONS.get(code, "")), values)


def block(**values: Any) -> dict[str, Any]:
    """Return one item of `event.blocks`. CMC publishes no sample, so the fields are those of its REST API."""
    blocked = {
        "created": _text(_now()),
        "email": scenarios.Message().recipient,
        "status": "2",
        "occurred": "1",
    }
    return blocked | _by_wire_names("blocks", values)


def events(scenario: Scenario, **values: Any) -> list[scenarios.SimulatedEvent]:
    """Return the events of a scenario (see `samples`) with these values. The last has the default time."""
    begun = _now() - timedelta(seconds=scenario[-1].seconds)
    return [scenarios.SimulatedEvent(step.event_type, _event(step, values, begun)) for step in scenario]


def notification(
    event_type: str,
    *events: Mapping[str, Any],
    form: bool = False,
    version: int = 2,
    api_key: str | None = None,
    server_composition: str = "pro",
) -> wire.Encoded:
    """Return the body of one POST and its Content-Type.

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
    """Return the same time for all events of a process, so that two with equal values are one event."""
    return datetime.now(UTC).replace(microsecond=0)


def _event(step: ScenarioStep, values: Mapping[str, Any], begun: datetime | None = None) -> dict[str, Any]:
    at = (begun or _now()) + timedelta(seconds=step.seconds)
    values = _by_wire_names(step.event_type, values)
    message = scenarios.Message(recipient=str(values.get("to", scenarios.Message().recipient)))
    event = scenarios.event(message, step, at.astimezone(app_settings.time_zone).replace(tzinfo=None))
    return {**event.values, **values}


def _by_wire_names(event_type: str, values: Mapping[str, Any]) -> dict[str, Any]:
    names = _RECORDS[event_type].wire_names()
    return {
        names.get(name, name): _text(value) if isinstance(value, datetime) else value
        for name, value in values.items()
    }


def _text(at: datetime) -> str:
    """Return a time as CMC writes it: by its wall clock. A naive time is on that clock already."""
    clock = at.astimezone(app_settings.time_zone) if at.tzinfo else at
    return clock.replace(tzinfo=None).isoformat(" ", "seconds")
