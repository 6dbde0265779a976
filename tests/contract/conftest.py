"""schemathesis against a live server: `tox -e contract-sqlite`. Nothing is collected without CMC_CONTRACT.

CMC_CONTRACT says how many examples are made for each operation: 30 in CI, 200 in full.
"""

from __future__ import annotations

import os

collect_ignore_glob = [] if os.environ.get("CMC_CONTRACT") else ["test_*.py"]
