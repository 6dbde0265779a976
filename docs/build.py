"""Build the documentation's site: `python docs/build.py FOLDER`.

Both languages, without a warning; the first page, which chooses one; the search index of Pagefind.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).parent
LANGUAGES = ("en", "ja")
FIRST_PAGE = DOCS / "_templates" / "first_page.html"


def build(folder: Path) -> int:
    """Build all of it, and return the first exit code that is not 0."""
    python = sys.executable
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory() as doctrees:
        pages = [
            subprocess.Popen(  # noqa: S603 - our own words
                [
                    *(python, "-m", "sphinx", "-q", "-W", "--keep-going", "-n", "-b", "html"),
                    *("-d", str(Path(doctrees) / language)),
                    *("-c", str(DOCS), "-D", f"language={language}", str(DOCS / language)),
                    str(folder / language),
                ]
            )
            for language in LANGUAGES
        ]
        if failed := next(filter(None, [page.wait() for page in pages]), 0):
            return failed
    shutil.copy(FIRST_PAGE, folder / "index.html")
    index = [
        python,
        "-m",
        "pagefind",
        "--site",
        str(folder),
        "--exclude-selectors",
        ".headerlink",
        "--silent",
    ]
    return subprocess.run(index, check=False).returncode  # noqa: S603 - the same


if __name__ == "__main__":
    sys.exit(build(Path(sys.argv[1]).resolve()))
