"""The types of the factories: factory-boy's own leave the rows that it makes unknown."""

from typing import Any, Generic, TypeVar

from django.db.models import Model

from cmc_webhooks.models import BlockEvent, BounceEvent, DeliveryEvent, Mail, Notification, RejectedEvent

Row = TypeVar("Row", bound=Model)

class Factory(Generic[Row]):
    """A `DjangoModelFactory`. For type checkers it is an object, since its class returns rows of a model."""

    def __call__(self, **values: Any) -> Row: ...
    def build(self, **values: Any) -> Row: ...
    def build_batch(self, size: int, **values: Any) -> list[Row]: ...
    def create(self, **values: Any) -> Row: ...
    def create_batch(self, size: int, **values: Any) -> list[Row]: ...

MailFactory: Factory[Mail]
DeliveryEventFactory: Factory[DeliveryEvent]
BounceEventFactory: Factory[BounceEvent]
BlockEventFactory: Factory[BlockEvent]
NotificationFactory: Factory[Notification]
RejectedEventFactory: Factory[RejectedEvent]
