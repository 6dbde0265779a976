from __future__ import annotations

import pytest

from cmc_webhooks import feed


class Copy:
    """A copy that follows the feed: rows by key, as the documentation describes it."""

    def __init__(self):
        self.rows = {}
        self.entries = []
        self.cursor = feed.head()

    def follow(self, **options):
        """Read until nothing follows. Return the entries of this call."""
        new = []
        more = True
        while more:
            page = feed.read(self.cursor, **options)
            new += page.entries
            self.cursor, more = page.cursor, page.more
        for entry in new:
            if entry.row is None:
                self.rows.pop(entry.key, None)
            else:
                self.rows[entry.key] = entry.row
        self.entries += new
        return new


@pytest.fixture
def copy(settings):
    """A copy that begins now, with the feed on."""
    settings.CMC_WEBHOOKS_CHANGE_FEED = True
    return Copy()
