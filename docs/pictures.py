"""Draw the data model and the life of a mail: `python docs/pictures.py` writes them to `docs/_static/`.

What they name is read from the models and from `status`. Only the places of the boxes stand here. A test
draws them again, so a new model, relation or status cannot be forgotten.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

DOCS = Path(__file__).parent

if __name__ == "__main__":
    sys.path.insert(0, str(DOCS.parent))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_project.settings")
    import django

    django.setup()

from django.apps import apps
from django.utils.translation import override

from cmc_webhooks import status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import Model

LANGUAGES = ("en", "ja")
WIDTH = 560
STYLE = """
text{font:13px system-ui,-apple-system,"Hiragino Sans","Noto Sans CJK JP","Noto Sans JP",sans-serif;fill:#333}
.name{font:600 14px ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#111}
.field{font:12px ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#555}
.key{font-size:11px}.group{font-weight:600;fill:#555}.small{font-size:12px;fill:#555}
.box{fill:#fff;stroke:#8a919c}.main{stroke:#2a78d6;stroke-width:2}.band{fill:#f3f5f8}
.line{fill:none;stroke:#5b6572;stroke-width:1.5}.head{fill:#5b6572}
.halo{stroke:#f3f5f8;stroke-width:4px;paint-order:stroke}
@media (prefers-color-scheme:dark){text{fill:#d5d9df}.name{fill:#f2f4f7}.field,.group,.small{fill:#aab2bd}
.box{fill:#1b1f26;stroke:#6b7683}.main{stroke:#5a9ff0}.band{fill:#262b33}
.line{stroke:#a3acb8}.head{fill:#a3acb8}.halo{stroke:#262b33}}
""".replace("\n", "")

# ---- The data model ----------------------------------------------------------------------------------------

COLUMN, GAP, MARGIN = 168, 12, 16
HISTORY, WORK, COUNTS, ALERTS, FEED = range(5)
GROUPS = {
    "en": ("History", "Signals and decisions", "Counts", "Alerts", "The change feed"),
    "ja": ("履歴", "シグナルと、担当者の操作", "集計", "アラート", "変更フィード"),
}
TITLES = {
    "en": ("The data model", "The life of a mail"),
    "ja": ("データモデル", "メールのステータスの移り変わり"),
}
PLACES: dict[str, tuple[int, int, int, int, tuple[str, ...]]] = {
    # model: group, row in it, column, width in columns, fields that are shown
    "Notification": (HISTORY, 0, 0, 3, ("source", "event_type", "new", "repeated", "rejected")),
    "RejectedEvent": (HISTORY, 2, 2, 1, ("raw", "error", "resolved_at", "dismissed_at")),
    "DeliveryEvent": (
        HISTORY,
        1,
        0,
        1,
        ("occurred_at", "status", "reason", "source_ip", "sender_ip"),
    ),
    "BounceEvent": (HISTORY, 1, 1, 1, ("occurred_at", "bounce_code", "reason")),
    "BlockEvent": (HISTORY, 1, 2, 1, ("occurred_at", "address", "bounce_code")),
    "Mail": (
        *(HISTORY, 2, 0, 2),
        (
            "message_id",
            "recipient",
            "subject",
            "api_data",
            "status",
            "bounce_class",
            "status_at",
            "version",
        ),
    ),
    "PendingSignal": (WORK, 0, 0, 1, ("items", "state", "attempts", "receivers")),
    "Suppression": (WORK, 0, 1, 1, ("address", "kind", "until", "note")),
    "Trail": (WORK, 0, 2, 1, ("at", "what", "who", "reason")),
    "MailCount": (COUNTS, 0, 0, 1, ("day", "status", "bounce_class", "number")),
    "DomainCount": (COUNTS, 0, 1, 1, ("day", "domain", "mails", "bounced")),
    "RefusalCount": (COUNTS, 0, 2, 1, ("hour", "status", "reason", "number")),
    "AlertMessage": (ALERTS, 1, 0, 1, ("event", "channel", "attempts", "sent_at")),
    "Alert": (ALERTS, 0, 0, 1, ("kind", "domain", "raised_at", "resolved_at")),
    "AlertLook": (ALERTS, 0, 1, 1, ("looked_at", "rates_at")),
    "Change": (FEED, 0, 0, 1, ("seq", "kind", "key", "at")),
    "FeedHead": (FEED, 0, 1, 1, ("epoch", "seq", "trimmed")),
}
MAIN = {"Mail"}
LINE, ABOVE_FIELDS, ROOM = 16, 44, 34
"""The height of a line of fields, of what stands above them, and between two rows."""


class Box:
    """A model's place in the picture."""

    def __init__(self, model: type[Model], top: int, height: int) -> None:
        self.model = model
        self.group, self.row, column, columns, self.fields = PLACES[model.__name__]
        self.left = MARGIN + column * (COLUMN + GAP)
        self.width = columns * COLUMN + (columns - 1) * GAP
        self.top, self.height = top, height

    @property
    def middle(self) -> float:
        return self.left + self.width / 2

    @property
    def bottom(self) -> int:
        return self.top + self.height

    def svg(self) -> Iterator[str]:
        name = self.model.__name__
        kind = "box main" if name in MAIN else "box"
        yield rect(kind, self.left, self.top, self.width, self.height)
        yield text("name", self.left + 10, self.top + 20, name)
        label = str(self.model._meta.verbose_name)
        yield text("small", self.left + 10, self.top + 36, label, room=self.width - 18)
        for number, line in enumerate(lines_of(self.fields, self.width), start=1):
            yield text("field", self.left + 10, self.top + ABOVE_FIELDS + number * LINE - 4, line)


def lines_of(fields: tuple[str, ...], width: int) -> list[str]:
    """Return the fields as lines, as many to a line as the box has room for."""
    lines, room = [""], (width - 20) / 7.3
    for field in fields:
        longer = f"{lines[-1]}, {field}" if lines[-1] else field
        if width > COLUMN and len(longer) <= room:
            lines[-1] = longer
        elif not lines[-1]:
            lines[-1] = field
        else:
            lines.append(field)
    return lines


def models() -> list[type[Model]]:
    return [*apps.get_app_config("cmc_webhooks").get_models()]


def relations() -> list[tuple[type[Model], str, type[Model]]]:
    """Return each foreign key of the app: its model, its name and the model that it leads to."""
    return [
        (model, field.name, field.related_model)
        for model in models()
        for field in model._meta.concrete_fields
        if field.is_relation
    ]


def data_model(language: str) -> str:
    """Return the picture of all tables and relations."""
    missing = {model.__name__ for model in models()} ^ {*PLACES}
    if missing:
        raise LookupError(f"PLACES in docs/pictures.py and the models differ: {sorted(missing)}")
    for model in models():
        for field in PLACES[model.__name__][-1]:
            model._meta.get_field(field)
    parts, boxes, y = [], {}, MARGIN
    for group, title in enumerate(GROUPS[language]):
        top = y
        y += 30
        rows = sorted(
            {PLACES[model.__name__][1] for model in models() if PLACES[model.__name__][0] == group}
        )
        for row in rows:
            here = [model for model in models() if PLACES[model.__name__][:2] == (group, row)]
            height = ABOVE_FIELDS + LINE * max(
                len(lines_of(box.fields, box.width)) for box in (Box(model, 0, 0) for model in here)
            )
            boxes |= {model: Box(model, y, height + 4) for model in here}
            y += height + 4 + (ROOM if row != rows[-1] else GAP)
        parts.append(rect("band", MARGIN / 2, top, WIDTH - MARGIN, y - top))
        parts.append(text("group", MARGIN, top + 20, title))
        y += GAP
    with override(language):
        for model, name, other in relations():
            parts += relation(boxes[model], name, boxes[other])
        for box in boxes.values():
            parts += box.svg()
    return picture(TITLES[language][0], y, parts)


def relation(box: Box, name: str, other: Box) -> Iterator[str]:
    """Yield an arrow from the box that has the foreign key, straight up or down, and the key's name."""
    start, end = (box.top, other.bottom + 2) if other.top < box.top else (box.bottom, other.top - 2)
    if not other.left < box.middle < other.left + other.width:
        raise LookupError(f"Place {box.model.__name__} and {other.model.__name__} above each other")
    yield arrow(f"{box.model.__name__}.{name}", f"M{box.middle:g} {start}V{end}")
    yield text("field key", box.middle - 6, (start + end) / 2 + 4, name, "end")


# ---- The life of a mail ------------------------------------------------------------------------------------

LIFE = {
    "en": {
        "sent": "The mail is handed to CMC",
        "delivery": "a delivery event",
        "later": "the later",
        "wins": "one wins",
        "bounce": "a bounce event, however late",
        "bounced": "refused or returned",
        "down": "A status moves down, never up.",
    },
    "ja": {
        "sent": "メールを CMC に渡す",
        "delivery": "配信イベント",
        "later": "あとの",
        "wins": "ほうが優先",
        "bounce": "不達イベント（遅れて届いても）",
        "bounced": "拒否または返送された",
        "down": "ステータスは下に進むだけで、上には戻りません。",
    },
}
LEFT, RIGHT = 40, 320
STATUS_WIDTH, STATUS_HEIGHT = 200, 50
STATUSES = {  # left and top of each box
    "queued": (LEFT, 84),
    "deferred": (RIGHT, 84 + 76),
    "succeeded": (LEFT, 84 + 190),
    "failed": (RIGHT, 84 + 190),
    status.BOUNCED: (LEFT, 84 + 310),
}
TRANSITIONS = {
    ("queued", "deferred"): f"M{LEFT + STATUS_WIDTH} 109H{RIGHT + 100}V158",
    ("queued", "succeeded"): f"M{LEFT + 100} 134V272",
    ("queued", "failed"): f"M{LEFT + 100} 134V242H{RIGHT + 100}V272",
    ("deferred", "succeeded"): f"M{RIGHT + 100} 210V242H{LEFT + 100}V272",
    ("deferred", "failed"): f"M{RIGHT + 100} 210V272",
    ("succeeded", "failed"): f"M{LEFT + STATUS_WIDTH} 292H{RIGHT - 2}",
    ("failed", "succeeded"): f"M{RIGHT} 306H{LEFT + STATUS_WIDTH + 2}",
    ("succeeded", status.BOUNCED): f"M{LEFT + 100} 324V392",
    ("failed", status.BOUNCED): f"M{RIGHT + 100} 324V392",
    ("deferred", status.BOUNCED): f"M{RIGHT + STATUS_WIDTH} 185H542V419H{RIGHT + STATUS_WIDTH + 2}",
    ("queued", status.BOUNCED): f"M{LEFT} 109H18V419H{LEFT - 2}",
}
"""What may follow what, and the path of the arrow. A test compares it with `status.merge`."""


def life(language: str) -> str:
    """Return the picture of the statuses, from the hand-over to a bounce."""
    words = LIFE[language]
    parts = [
        rect("band", MARGIN / 2, MARGIN / 2, WIDTH - MARGIN, 470),
        text("group", LEFT + 100, 32, words["sent"], "middle"),
        arrow("", f"M{LEFT + 100} 40V82"),
    ]
    parts += [arrow(f"{one} {other}", path) for (one, other), path in TRANSITIONS.items()]
    with override(language):
        labels = {**dict(status.DeliveryStatus.choices), status.BOUNCED: words["bounced"]}
        for name, (left, top) in STATUSES.items():
            width = STATUS_WIDTH if name != status.BOUNCED else RIGHT + STATUS_WIDTH - LEFT
            parts += [
                rect(
                    "box main" if name == status.BOUNCED else "box", left, top, width, STATUS_HEIGHT
                ),
                text("name", left + width / 2, top + 21, name, "middle"),
                text("small", left + width / 2, top + 39, str(labels[name]), "middle", width - 16),
            ]
    middle = (LEFT + STATUS_WIDTH + RIGHT) / 2
    parts += [
        text("small halo", middle, 237, words["delivery"], "middle"),
        text("small", middle, 285, words["later"], "middle"),
        text("small", middle, 322, words["wins"], "middle"),
        text("small halo", middle, 362, words["bounce"], "middle"),
        text("small", WIDTH / 2, 466, words["down"], "middle"),
    ]
    return picture(TITLES[language][1], 486, parts)


# ---- SVG ---------------------------------------------------------------------------------------------------


def rect(kind: str, x: float, y: float, width: float, height: float) -> str:
    return (
        f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="5"/>'
    )


def text(
    kind: str, x: float, y: float, shown: str, anchor: str = "start", room: float = WIDTH
) -> str:
    """Return a text. One that may be wider than its room is squeezed into it."""
    placed = "" if anchor == "start" else f' text-anchor="{anchor}"'
    if sum(12 if ord(letter) > 0x2E7F else 6.6 for letter in shown) > room:
        placed += f' textLength="{room:g}" lengthAdjust="spacingAndGlyphs"'
    return f'<text class="{kind}" x="{x:g}" y="{y:g}"{placed}>{escape(shown)}</text>'


def arrow(label: str, path: str) -> str:
    named = f' data-from-to="{escape(label)}"' if label else ""
    return f'<path class="line"{named} d="{path}" marker-end="url(#head)"/>'


def picture(title: str, height: float, parts: list[str]) -> str:
    """Return a picture that is readable on light and on dark pages, and that says its title."""
    head = (
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8"'
        ' markerUnits="userSpaceOnUse" orient="auto"><path class="head" d="M0 0L8 4L0 8z"/></marker></defs>'
    )
    shown = "\n".join(part for part in parts if part)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}"'
        f' height="{height:g}" role="img">\n<title>{escape(title)}</title>\n<style>{STYLE}</style>\n'
        f"{head}\n{shown}\n</svg>\n"
    )


def pictures() -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each file."""
    for language in LANGUAGES:
        suffix = "" if language == "en" else f"-{language}"
        yield f"data-model{suffix}.svg", data_model(language)
        yield f"life{suffix}.svg", life(language)


if __name__ == "__main__":
    for name, drawn in pictures():
        (DOCS / "_static" / name).write_text(drawn, encoding="utf-8")
