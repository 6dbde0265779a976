"""Charts as shapes that a template draws as SVG: inline styles, as libraries have them, fail a strict CSP.

Positions across are percentages and heights are pixels, so that a chart fills any width and its texts keep
their size, on a phone as well. All are formatted for SVG, whatever the language.
"""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, NamedTuple

from cmc_webhooks import numerals
from cmc_webhooks.admin import labels
from cmc_webhooks.admin.overview.periods import EACH_NAMED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cmc_webhooks.admin.overview.periods import Slot

__all__ = ["Bar", "Chart", "Part", "Shape", "latencies", "shares", "stacked"]

TOP, HEIGHT, BOTTOM, LINE = 20, 140, 34, 14
_TOPS_OF_SHARES = (1, 2, 4, 6, 8, 10, 12, 16, 20, 24, 30, 40, 50, 60, 80, 100)
_TIMES = (1, 10, 60, 600, 3600, 6 * 3600, 86_400, 5 * 86_400)
"""The lines of a scale of times, in seconds."""
_LEAST_HEIGHT = 2.0
"""Pixels, so that a little is not nothing."""


class Part(NamedTuple):
    """A segment of a stacked bar: its number, the name of its colours, its tooltip and its URL."""

    number: int
    tone: str
    title: str
    url: str


class Bar(NamedTuple):
    """What stands over a slot: a value, the one to compare it with, tooltip and URL. None is no value."""

    now: float | None
    before: float | None
    title: str
    url: str = ""


class Shape(NamedTuple):
    """A rectangle: the name of its look, position and size; tooltip and URL, if it has them."""

    look: str
    x: str
    y: str
    width: str
    height: str
    title: str = ""
    url: str = ""


class Text(NamedTuple):
    """A text at a position."""

    x: str
    y: str
    text: str


class Chart(NamedTuple):
    """Shapes in the order in which they are drawn, and the texts and lines around them."""

    shapes: list[Shape]
    values: list[Text]
    scale: list[Text]
    labels: list[Text]
    height: int = TOP + HEIGHT + BOTTOM


def stacked(slots: Sequence[Slot], bars: Sequence[Sequence[Part]]) -> Chart:
    """Return the numbers of mails: bars side by side on one scale, the parts of each bar stacked."""
    top = _nice(max((sum(part.number for part in bar) for bar in bars), default=0))
    shapes, values = [], []
    for place, bar in enumerate(bars):
        reached = 0
        for part in bar:
            if part.number <= 0:
                continue
            reached += part.number
            y, height = _up(reached / top), HEIGHT * part.number / top
            shapes.append(
                _shape(f"cmc-box cmc-{part.tone}", place, len(bars), 0.8, y, height, part.title, part.url)
            )
        if reached and len(bars) <= EACH_NAMED:
            values.append(_above(place, len(bars), _up(reached / top), numerals.grouped(reached)))
    scale = [_mark(share, numerals.grouped(round(top * share))) for share in (0, 0.5, 1)]
    return Chart(shapes, values, scale, _labels(slots))


def shares(slots: Sequence[Slot], bars: Sequence[Bar]) -> Chart:
    """Return shares (0 to 1) as bars, each before a wider one of the period before."""
    known = [value for bar in bars for value in (bar.now, bar.before) if value is not None]
    top = next(top for top in _TOPS_OF_SHARES if 100 * max(known, default=0) <= top)

    def box(look: str, place: int, value: float, width: float) -> Shape:
        height = max(HEIGHT * 100 * value / top, _LEAST_HEIGHT) if value else 0
        return _shape(look, place, len(bars), width, TOP + HEIGHT - height, height)

    shapes, values = [], []
    for place, bar in enumerate(bars):
        if bar.before:
            shapes.append(box("cmc-before", place, bar.before, 0.86))
        if bar.now:
            shapes.append(box("cmc-now", place, bar.now, 0.46))
        shapes += _target(place, len(bars), bar)
        if bar.now is not None and len(bars) <= EACH_NAMED:
            highest = 100 * max(bar.now, bar.before or 0) / top
            values.append(_above(place, len(bars), _up(highest), numerals.percentage(bar.now, 1)))
    marks = [
        _mark(share, f"{numerals.grouped(top * share, int(top == 1 and share == 0.5))} %")
        for share in (0, 0.5, 1)
    ]
    return Chart(shapes, values, marks, _labels(slots))


def latencies(slots: Sequence[Slot], bars: Sequence[Bar]) -> Chart:
    """Return times in seconds on a logarithmic scale: from the median (`now`) to a longer one (`before`)."""
    longest = max((bar.before for bar in bars if bar.before is not None), default=0)
    top = next((time for time in _TIMES[2:] if longest <= time), _TIMES[-1])

    def share(seconds: float) -> float:
        return min(max(log(max(seconds, 1)) / log(top), 0), 1)

    shapes, values = [], []
    for place, bar in enumerate(bars):
        if bar.now is None or bar.before is None:
            continue
        low, high = _up(share(bar.now)), _up(share(bar.before))
        shapes.append(_shape("cmc-before", place, len(bars), 0.46, high, max(low - high, _LEAST_HEIGHT)))
        shapes.append(_shape("cmc-median", place, len(bars), 0.8, low - 2, 4))
        shapes += _target(place, len(bars), bar)
        if len(bars) <= EACH_NAMED:
            values.append(_above(place, len(bars), high, labels.duration(bar.before)))
    scale = [_mark(share(time), labels.duration(time)) for time in _TIMES if time <= top]
    return Chart(shapes, values, scale, _labels(slots))


def _target(place: int, number: int, bar: Bar) -> list[Shape]:
    """Return what a pointer or a finger meets: the whole height of the slot."""
    return [_shape("cmc-target", place, number, 1, TOP, HEIGHT, bar.title, bar.url)]


def _shape(
    look: str, place: int, number: int, width: float, y: float, height: float, title: str = "", url: str = ""
) -> Shape:
    step = 100 / number
    x = place * step + step * (1 - width) / 2
    return Shape(look, f"{x:.2f}%", f"{y:.2f}", f"{step * width:.2f}%", f"{height:.2f}", title, url)


def _up(share: float) -> float:
    """Return the y of a share of the height, seen from the base line."""
    return TOP + HEIGHT * (1 - share)


def _mark(share: float, text: str) -> Text:
    return Text("100%", f"{_up(share):.2f}", text)


def _above(place: int, number: int, y: float, text: str) -> Text:
    return Text(_middle(place, number), f"{y - 4:.2f}", text)


def _labels(slots: Sequence[Slot]) -> list[Text]:
    return [
        Text(_middle(place, len(slots)), str(TOP + HEIGHT + LINE * (row + 1)), line)
        for place, slot in enumerate(slots)
        for row, line in enumerate(slot.label)
    ]


def _middle(place: int, number: int) -> str:
    return f"{100 * (place + 0.5) / number:.2f}%"


def _nice(number: int) -> int:
    """Return the next round even number: the bars fill at least three quarters of the height from 7 on."""
    scale = 1
    while True:
        for factor in (10, 12, 16, 20, 24, 30, 40, 50, 60, 80):
            top, rest = divmod(factor * scale, 10)
            if number <= top and not rest and not top % 2:
                return top
        scale *= 10
