"""Pictures of swarms: boxes, lines, words, an axis of time; as SVG, for which nothing has to be installed, or PNG."""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape
from typing import NamedTuple

__all__ = [
    "BLUE",
    "CHAR",
    "FONT",
    "GREEN",
    "GREY",
    "INK",
    "LIGHT",
    "ORANGE",
    "Box",
    "Drawing",
    "Line",
    "Mark",
    "Words",
    "ticks",
]

CHAR, FONT, TITLE_FONT = 7.3, 12, 15  # width of a character of the monospaced font, and sizes, px
INK, GREY, LIGHT = "#111827", "#6b7280", "#e5e7eb"
BLUE, GREEN, ORANGE = "#1f77b4", "#1b9e77", "#d95f02"
"""Readable on white, and told apart by people who see no red or green."""


class Box(NamedTuple):
    """A box, px; `fill` and `stroke` are colours or ``"none"``."""

    x: float
    y: float
    width: float
    height: float
    fill: str
    stroke: str


class Line(NamedTuple):
    """A straight line."""

    x: float
    y: float
    to_x: float
    to_y: float
    color: str
    width: float


class Mark(NamedTuple):
    """A small triangle that points down to a place."""

    x: float
    y: float
    color: str

    @property
    def corners(self) -> tuple[tuple[float, float], ...]:
        """Its three corners."""
        return (self.x - 4, self.y - 7), (self.x + 4, self.y - 7), (self.x, self.y)


class Words(NamedTuple):
    """Text with its baseline at y; `anchor` is start, middle or end."""

    x: float
    y: float
    text: str
    color: str
    size: int
    anchor: str
    weight: str


class Drawing:
    """Shapes in the order in which they lie on each other; `width` and `height` are set when all are there, px.

    >>> drawing = Drawing()
    >>> drawing.text(0, 12, "a < b")
    >>> print(drawing.svg().splitlines()[-2])
    <text x="0" y="12" fill="#111827" font-size="12" text-anchor="start" font-weight="normal">a &lt; b</text>
    """

    def __init__(self) -> None:
        self.shapes: list[Box | Line | Mark | Words] = []
        self.width = self.height = 100.0

    def box(self, x: float, y: float, width: float, height: float, fill: str, *, stroke: str = "none") -> None:
        """Draw a box; one that is too small to be seen is made half a px."""
        self.shapes.append(Box(x, y, max(width, 0.5), max(height, 0.5), fill, stroke))

    def line(self, x: float, y: float, to_x: float, to_y: float, color: str, width: float = 1.0) -> None:
        """Draw a line."""
        self.shapes.append(Line(x, y, to_x, to_y, color, width))

    def mark(self, x: float, y: float, color: str) -> None:
        """Draw a small triangle that points down to a place."""
        self.shapes.append(Mark(x, y, color))

    def text(
        self, x: float, y: float, text: str, *, color: str = INK, size: int = FONT, anchor: str = "start",
        weight: str = "normal",
    ) -> None:  # fmt: skip
        """Write words, the baseline at y; what does not print is a dot."""
        shown = "".join(char if char.isprintable() else "·" for char in text)
        self.shapes.append(Words(x, y, shown, color, size, anchor, weight))

    def title(self, x: float, y: float, text: str) -> None:
        """Write a title."""
        self.text(x, y, text, size=TITLE_FONT, weight="bold")

    def time_axis(self, x: float, y: float, width: float, span_s: float, label: str, up: float) -> None:
        """Draw an axis of time below a figure that is `up` px high, with lines through it."""
        for tick in ticks(span_s):
            at = x + width * tick / span_s
            self.line(at, y - up, at, y, LIGHT)
            self.line(at, y, at, y + 5, GREY)
            self.text(at, y + 18, f"{tick:g}", color=GREY, anchor="middle")
        self.line(x, y, x + width, y, GREY)
        self.text(x + width / 2, y + 36, label, color=GREY, anchor="middle")

    def svg(self) -> str:
        """Return it as an SVG document."""
        return "\n".join(self._svg()) + "\n"

    def _svg(self) -> Iterator[str]:
        yield (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width:.0f} {self.height:.0f}" '
            f'width="{self.width:.0f}" height="{self.height:.0f}" '
            f'font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="{FONT}">'
        )
        yield '<rect width="100%" height="100%" fill="#ffffff"/>'
        yield from map(_element, self.shapes)
        yield "</svg>"


def _element(shape: Box | Line | Mark | Words) -> str:
    """Return a shape as SVG has it."""
    match shape:
        case Box():
            return (
                f'<rect x="{shape.x:.1f}" y="{shape.y:.1f}" width="{shape.width:.1f}" height="{shape.height:.1f}" '
                f'fill="{shape.fill}" stroke="{shape.stroke}"/>'
            )
        case Line():
            path = f"M{shape.x:.1f},{shape.y:.1f} L{shape.to_x:.1f},{shape.to_y:.1f}"
            return f'<path d="{path}" stroke="{shape.color}" stroke-width="{shape.width}"/>'
        case Mark():
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in shape.corners)
            return f'<polygon points="{points}" fill="{shape.color}"/>'
        case Words():
            return (
                f'<text x="{shape.x:.0f}" y="{shape.y:.0f}" fill="{shape.color}" font-size="{shape.size}" '
                f'text-anchor="{shape.anchor}" font-weight="{shape.weight}">{escape(shape.text)}</text>'
            )


def ticks(span: float) -> list[float]:
    """Return round numbers from 0 to `span`, at most thirteen of them.

    >>> ticks(112.3)
    [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110]
    """
    if span <= 0:
        return [0]
    exact = span / 12.5
    power = 10.0 ** math.floor(math.log10(exact))
    step = next(power * one for one in (1, 2, 5, 10) if power * one >= exact)
    step = int(step) if step == int(step) else step
    return [number * step for number in range(int(span / step) + 1)]
