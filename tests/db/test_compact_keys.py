from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmc_webhooks.db import compact_keys

KEYS = st.integers(0, 2**128 - 1).map(lambda number: UUID(int=number))


class TestCompactKeys:
    @given(st.lists(st.lists(KEYS, max_size=5), max_size=9), st.lists(KEYS, max_size=9))
    def test_holds_what_was_added_and_nothing_else(self, added, others):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(compact_keys, "_SORTED_AT", 4)
            keys = compact_keys.CompactKeys()
            for some in added:
                keys.update(some)

            known = {key for some in added for key in some}
            assert all(key in keys for key in known)
            folded = {compact_keys._folded(key) for key in known}
            assert [key in keys for key in others] == [compact_keys._folded(key) in folded for key in others]

    def test_tells_keys_apart_that_differ_in_one_half(self):
        keys = compact_keys.CompactKeys()
        keys.update([UUID(int=1 << 64 | 5)])

        assert UUID(int=1 << 64 | 5) in keys
        assert UUID(int=2 << 64 | 5) not in keys
        assert UUID(int=1 << 64 | 6) not in keys
