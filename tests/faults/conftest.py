"""CMC_FAULTS says how many faults (10 in CI, 200 in full); without it nothing is collected here."""

from __future__ import annotations

import os

collect_ignore_glob = [] if os.environ.get("CMC_FAULTS") else ["test_*.py"]
