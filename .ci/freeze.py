"""At a release: write a small database of this version, as each server has it, to `tests/upgrade/<version>`.

`tests/upgrade` loads these files into later versions. They are never written again: a release is what it was.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
SERVERS = (
    "",  # SQLite
    os.environ.get("CMC_POSTGRESQL_URL", "postgres://postgres@127.0.0.1:5432/postgres"),
    os.environ.get("CMC_MARIADB_URL", "mysql://root@127.0.0.1:3306/test"),
)


def main() -> None:
    sys.path.insert(0, str(ROOT))
    from cmc_webhooks import __version__

    folder = ROOT / "tests/upgrade" / __version__
    if folder.exists():
        raise SystemExit(f"{folder} exists: {__version__} was released before")
    try:
        for url in SERVERS:
            subprocess.run(
                [sys.executable, "-m", "tests.upgrade", "freeze", str(folder)],
                cwd=ROOT,
                env={**os.environ, "DATABASE_URL": url, "PYTHONPATH": str(ROOT)},
                check=True,
            )
    except subprocess.CalledProcessError:
        shutil.rmtree(folder, ignore_errors=True)
        raise SystemExit("Nothing was written.") from None
    print(*sorted(path.relative_to(ROOT).as_posix() for path in folder.iterdir()), sep="\n")


main()
