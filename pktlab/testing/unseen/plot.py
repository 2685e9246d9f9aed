"""The rates as a picture: an SVG that needs nothing to be drawn, or a PNG, for which Matplotlib is needed."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from html import escape

from pktlab.demuxing.png import DPI, PX_PER_INCH, check_png
from pktlab.testing.unseen.measure import Count

__all__ = ["png", "svg"]

WIDTH, LEFT, RIGHT, ROW, TOP = 860, 190, 30, 22, 56
FIRST, OTHER = "#b3261e", "#2b5d8a"
"""Colours of the Internet checksum and of all others."""
LEGEND = "dot: measured; line: 99 % interval, thin where none went unseen; cross: formula"
LOWEST = -10
"""Power of ten at the left edge; what was never seen to go wrong has its interval alone."""


def _x(share: float) -> float:
    power = max(math.log10(share), LOWEST) if share > 0 else LOWEST
    return LEFT + (power - LOWEST) / -LOWEST * (WIDTH - LEFT - RIGHT)


def _color(count: Count) -> str:
    return FIRST if count.check == "internet" else OTHER


def _width(count: Count) -> int:
    return 3 if count.unseen else 1


def svg(counts: Sequence[Count], title: str) -> str:
    """Return a drawing of the rates on a logarithmic scale: a dot and its 99 % interval each, the formula a cross.

    >>> svg([Count("swap", "internet", 10, 10, 1.0)], "random")[:4]
    '<svg'
    """
    return "\n".join(_lines(counts, title)) + "\n"


def _lines(counts: Sequence[Count], title: str) -> Iterator[str]:
    height = TOP + ROW * len(counts) + 44
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif" '
        'font-size="12">'
    )
    yield f'<rect width="{WIDTH}" height="{height}" fill="white"/>'
    yield f'<text x="{LEFT}" y="22" font-size="15">Share of errors that go unseen: {escape(title)}</text>'
    yield f'<text x="{LEFT}" y="40" fill="#555">{LEGEND}</text>'
    for power in range(LOWEST, 1, 2):
        x = _x(10.0**power)
        yield f'<line x1="{x:.1f}" y1="{TOP - 8}" x2="{x:.1f}" y2="{height - 36}" stroke="#ddd"/>'
        yield f'<text x="{x:.1f}" y="{height - 18}" text-anchor="middle">1e{power}</text>'
    for number, count in enumerate(counts):
        yield from _row(count, TOP + ROW * number + 8)
    yield "</svg>"


def _row(count: Count, y: int) -> Iterator[str]:
    low, high = count.interval
    color = _color(count)
    yield f'<text x="{LEFT - 12}" y="{y + 4}" text-anchor="end">{escape(count.model)}, {escape(count.check)}</text>'
    yield (
        f'<line x1="{_x(low):.1f}" y1="{y}" x2="{_x(high):.1f}" y2="{y}" stroke="{color}" '
        f'stroke-width="{_width(count)}"/>'
    )
    if count.unseen:
        yield f'<circle cx="{_x(count.rate):.1f}" cy="{y}" r="4" fill="{color}"/>'
    if count.formula:
        x = _x(count.formula)
        yield f'<path d="M{x - 4:.1f} {y - 4}l8 8m0-8l-8 8" stroke="black"/>'


def png(counts: Sequence[Count], title: str) -> bytes:
    r"""Return the same picture as the bytes of a PNG file.

    Raises
    ------
    MissingExtra : Matplotlib is not installed

    >>> png([Count("swap", "internet", 10, 10, 1.0)], "random")[:8]
    b'\x89PNG\r\n\x1a\n'
    """
    check_png()
    from matplotlib.figure import Figure

    height = TOP + ROW * len(counts) + 44
    figure = Figure((WIDTH / PX_PER_INCH, height / PX_PER_INCH), dpi=DPI, facecolor="white")
    axes = figure.add_axes((LEFT / WIDTH, 36 / height, 1 - (LEFT + RIGHT) / WIDTH, ROW * len(counts) / height))
    axes.set(xscale="log", xlim=(10.0**LOWEST, 1), ylim=(len(counts) - 0.5, -0.5))
    axes.set_yticks(range(len(counts)), [f"{count.model}, {count.check}" for count in counts])
    axes.grid(axis="x", color="#dddddd")
    axes.set_title(f"Share of errors that go unseen: {title}\n{LEGEND}".replace("$", r"\$"), loc="left", fontsize=12)
    for number, count in enumerate(counts):
        low, high = (max(share, 10.0**LOWEST) for share in count.interval)
        axes.plot((low, high), (number, number), color=_color(count), linewidth=_width(count))
        if count.unseen:
            axes.plot(count.rate, number, "o", color=_color(count), clip_on=False)
        if count.formula:
            axes.plot(count.formula, number, "x", color="black", zorder=3, clip_on=False)
    target = io.BytesIO()
    figure.savefig(target, format="png", metadata={"Software": "pktlab"})
    return target.getvalue()
