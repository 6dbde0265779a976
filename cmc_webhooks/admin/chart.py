"""Stacked bars, a day each, as SVG that a template draws: no library's inline style passes a strict CSP."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH, HEIGHT = 1000, 240
_GAP = 0.2


class Part(NamedTuple):
    """One part of a bar: how many, in which colours, what it says and where it leads."""

    number: int
    tone: str
    title: str
    url: str


class Box(NamedTuple):
    """A part where it is drawn; numbers as SVG reads them, whatever the language."""

    x: str
    y: str
    width: str
    height: str
    part: Part


class Line(NamedTuple):
    """A line of the scale."""

    y: str
    label: str


class Chart(NamedTuple):
    """What the template draws."""

    boxes: list[Box]
    lines: list[Line]


def stacked(bars: Sequence[Sequence[Part]]) -> Chart:
    """Bars side by side, the parts of each on top of each other, on one scale."""
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
    """The next of 2, 4, 10, 20, 40, 100, ..., so that half of it is a whole number."""
    scale = 1
    while True:
        for factor in (2, 4, 10):
            if number <= factor * scale:
                return factor * scale
        scale *= 10


def _svg(number: float) -> str:
    return f"{number:.2f}"
