"""Stacked bars, one a day, drawn as SVG by a template: libraries' inline styles fail a strict CSP."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH, HEIGHT = 1000, 240
_GAP = 0.2


class Part(NamedTuple):
    """A segment of a bar: its number, the name of its colours, its tooltip and its URL."""

    number: int
    tone: str
    title: str
    url: str


class Box(NamedTuple):
    """A part with its position and size. Numbers are formatted for SVG, whatever the language."""

    x: str
    y: str
    width: str
    height: str
    part: Part


class Line(NamedTuple):
    """A horizontal line of the scale."""

    y: str
    label: str


class Chart(NamedTuple):
    """The boxes and scale lines that the template draws."""

    boxes: list[Box]
    lines: list[Line]


def stacked(bars: Sequence[Sequence[Part]]) -> Chart:
    """Return the bars side by side on one scale, the parts of each bar stacked."""
    top = _nice(max((sum(part.number for part in bar) for bar in bars), default=0))
    step = WIDTH / max(len(bars), 1)
    boxes = []
    for place, bar in enumerate(bars):
        reached = 0
        for part in bar:
            if part.number <= 0:
                continue
            height = HEIGHT * part.number / top
            reached += part.number
            y = HEIGHT - HEIGHT * reached / top
            boxes.append(
                Box(
                    _svg(place * step + step * _GAP / 2), _svg(y), _svg(step * (1 - _GAP)), _svg(height), part
                )
            )
    lines = [Line(_svg(HEIGHT - HEIGHT * share), f"{round(top * share):,}") for share in (0, 0.5, 1)]
    return Chart(boxes, lines)


def _nice(number: int) -> int:
    """Return the next round even number: the bars fill at least three quarters of the height from 7 on."""
    scale = 1
    while True:
        for factor in (10, 12, 16, 20, 24, 30, 40, 50, 60, 80):
            top, rest = divmod(factor * scale, 10)
            if number <= top and not rest and not top % 2:
                return top
        scale *= 10


def _svg(number: float) -> str:
    return f"{number:.2f}"
