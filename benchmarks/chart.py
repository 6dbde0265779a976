"""Bars for the README, as SVG that follows the reader's light or dark theme."""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import escape

ROW, LABEL, WIDTH = 26, 190, 720


def drawn(figures: Mapping[str, float], unit: str = "ms") -> str:
    """A bar for each figure, the least first."""
    most = max(figures.values())
    rows = []
    for place, (name, value) in enumerate(sorted(figures.items(), key=lambda item: item[1])):
        top = place * ROW + 4
        length = max(2.0, (WIDTH - LABEL - 90) * value / most)
        kind = "ours" if name == "cmc_webhooks" else "other"
        rows.append(
            f'<text class="name" x="{LABEL - 8}" y="{top + 13}">{escape(name)}</text>'
            f'<rect class="{kind}" x="{LABEL}" y="{top}" width="{length:.1f}" height="{ROW - 8}" rx="2"/>'
            f'<text class="value" x="{LABEL + length + 6:.1f}" y="{top + 13}">{value:.1f} {unit}</text>'
        )
    style = (
        "text{font:13px system-ui,sans-serif;fill:#333}.name{text-anchor:end}"
        ".ours{fill:#2a78d6}.other{fill:#b9bdc4}"
        "@media (prefers-color-scheme:dark){text{fill:#ddd}.other{fill:#6b7078}.ours{fill:#5a9ff0}}"
    )
    height = ROW * len(rows) + 4
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    title = "<title>Milliseconds for 100 new events</title>"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">{title}<style>{style}</style>'
        f"{''.join(rows)}</svg>\n"
    )
