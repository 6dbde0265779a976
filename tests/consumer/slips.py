"""Slips that type checkers find. Each comment is reported if its line has no such error."""

from __future__ import annotations

from typing import Any

from cmc_webhooks.models import BounceEvent, DeliveryEvent, Mail
from cmc_webhooks.signals import address_erased, event_recorded, on_status, status_changed
from cmc_webhooks.suppression import verdicts

for mail in Mail.objects.for_address("user@example.jp"):
    print(mail.statuss)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]

Mail.objects.for_address("user@example.jp").first().status  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]  # noqa: B018
Mail.objects.for_adress("user@example.jp")  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
Mail.objects.for_address(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
DeliveryEvent.objects.all()[0].bounce_code  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]  # noqa: B018
BounceEvent.objects.with_status("failed")  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
verdicts(["user@example.jp"])["user@example.jp"].may_sent  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]  # noqa: B018


def of_no_such_argument(mail: Mail, status: str) -> None:
    """A receiver that asks for what `status_changed` does not send."""


def of_another_type(event: DeliveryEvent, **kwargs: Any) -> None:
    """A receiver that takes deliveries alone, of a signal that is sent for bounces and blocks too."""


status_changed.connect(of_no_such_argument)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
event_recorded.connect(of_another_type)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
on_status("bounced")(of_no_such_argument)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
on_status(bounce_class=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def of_an_address(address: str, **kwargs: Any) -> None:
    """A receiver that asks for the address, which `address_erased` never sends."""


address_erased.connect(of_an_address)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
