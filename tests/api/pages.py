"""What tests of pages share: rows of one moment, and a walk over all pages."""

from __future__ import annotations

from cmc_webhooks import models
from tests.helpers import factories

BATCH = 260
START = factories.START
WORDS = {"mail": "created_at", "delivery-event": "occurred_at", "bounce-event": "occurred_at"}
OTHERS = {"mail": "first_event_at", "delivery-event": "received_at", "bounce-event": "received_at"}
FACTORIES = {
    "mail": factories.MailFactory,
    "delivery-event": factories.DeliveryEventFactory,
    "bounce-event": factories.BounceEventFactory,
}


def batch(name, size=BATCH, **values):
    """Rows of one moment, as a batch leaves them."""
    if name == "mail":
        mails = factories.MailFactory.build_batch(size, **{"created_at": START, **values})
        return models.Mail.objects.bulk_create(mails)
    return FACTORIES[name].create_batch(size, **{"occurred_at": START, **values})


def walk(api, name, way="next", url=None, between=None, **parameters):
    """The keys of all pages, in the order of the pages."""
    page = api.page(url) if url else api.list(name, **parameters).json()
    pages = [page]
    while page[way]:
        if between:
            between()
        page = api.page(page[way])
        pages.append(page)
    return [[row["id"] for row in page["results"]] for page in pages], page


def flat(pages):
    return [key for page in pages for key in page]
