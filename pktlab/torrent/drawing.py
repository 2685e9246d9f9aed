"""SVG as text, for the pictures of swarms: boxes, lines, words and an axis of time. It needs nothing else."""

from __future__ import annotations

import math
from html import escape

__all__ = ["BLUE", "CHAR", "GREEN", "GREY", "INK", "LIGHT", "ORANGE", "Drawing", "ticks"]

CHAR, FONT, TITLE_FONT = 7.3, 12, 15  # width of a character of the monospaced font, and sizes, px
INK, GREY, LIGHT = "#111827", "#6b7280", "#e5e7eb"
BLUE, GREEN, ORANGE = "#1f77b4", "#1b9e77", "#d95f02"
"""Readable on white, and told apart by people who see no red or green."""


class Drawing:
    """Elements in the order in which they lie on each other.

    >>> drawing = Drawing()
    >>> drawing.text(0, 12, "a < b")
    >>> print(drawing.document(40, 20).splitlines()[-2])
    <text x="0" y="12" fill="#111827" font-size="12" text-anchor="start" font-weight="normal">a &lt; b</text>
    """

    def __init__(self) -> None:
        self._elements: list[str] = []

    def box(self, x: float, y: float, width: float, height: float, fill: str, *, stroke: str = "none") -> None:
        """Draw a box."""
        self._elements.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.5):.1f}" height="{max(height, 0.5):.1f}" '
            f'fill="{fill}" stroke="{stroke}"/>'
        )

    def line(self, x: float, y: float, to_x: float, to_y: float, color: str, width: float = 1.0) -> None:
        """Draw a line."""
        self._elements.append(
            f'<path d="M{x:.1f},{y:.1f} L{to_x:.1f},{to_y:.1f}" stroke="{color}" stroke-width="{width}"/>'
        )

    def mark(self, x: float, y: float, color: str) -> None:
        """Draw a small triangle that points down to a place."""
        self._elements.append(f'<path d="M{x - 4:.1f},{y - 7:.1f} h8 L{x:.1f},{y:.1f} z" fill="{color}"/>')

    def text(
        self, x: float, y: float, text: str, *, color: str = INK, size: int = FONT, anchor: str = "start",
        weight: str = "normal",
    ) -> None:  # fmt: skip
        """Write words, the baseline at y."""
        shown = escape("".join(char if char.isprintable() else "·" for char in text))
        self._elements.append(
            f'<text x="{x:.0f}" y="{y:.0f}" fill="{color}" font-size="{size}" text-anchor="{anchor}" '
            f'font-weight="{weight}">{shown}</text>'
        )

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

    def document(self, width: float, height: float) -> str:
        """Return the picture as an SVG document of that size, px."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
            f'height="{height:.0f}" font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="{FONT}">'
        )
        return "\n".join([head, '<rect width="100%" height="100%" fill="#ffffff"/>', *self._elements, "</svg>"]) + "\n"


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
