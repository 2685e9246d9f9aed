"""A drawing as PNG, by Matplotlib, which is an extra."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from pktlab.errors import MissingExtra
from pktlab.torrent.drawing import Box, Drawing, Line, Mark, Words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["check_png", "png"]

DPI, PX_PER_INCH = 144, 72
FONT_FAMILY = "DejaVu Sans Mono"  # comes with Matplotlib
ALIGNMENTS = {"start": "left", "middle": "center", "end": "right"}


def check_png() -> None:
    """Raise MissingExtra if Matplotlib is not installed, for those who would rather know before they read a capture."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        raise MissingExtra("matplotlib", "pktlab-toolkit[plot]") from None


def png(drawing: Drawing) -> bytes:
    r"""Return a drawing as the bytes of a PNG file.

    Raises
    ------
    MissingExtra : Matplotlib is not installed

    >>> png(Drawing())[:8]
    b'\x89PNG\r\n\x1a\n'
    """
    check_png()
    from matplotlib.figure import Figure

    figure = Figure((drawing.width / PX_PER_INCH, drawing.height / PX_PER_INCH), dpi=DPI, facecolor="#ffffff")
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.set(xlim=(0, drawing.width), ylim=(drawing.height, 0))
    for order, shape in enumerate(drawing.shapes):
        _draw(axes, shape, order)
    target = io.BytesIO()
    figure.savefig(target, format="png")
    return target.getvalue()


def _draw(axes: Axes, shape: Box | Line | Mark | Words, order: int) -> None:
    from matplotlib.patches import Polygon, Rectangle

    match shape:
        case Box():
            size = (shape.width, shape.height)
            axes.add_patch(Rectangle(shape[:2], *size, fc=shape.fill, ec=shape.stroke, lw=1, zorder=order))
        case Line():
            ends = (shape.x, shape.to_x), (shape.y, shape.to_y)
            axes.plot(*ends, color=shape.color, lw=shape.width, zorder=order, solid_capstyle="butt")
        case Mark():
            axes.add_patch(Polygon(shape.corners, fc=shape.color, ec="none", zorder=order))
        case Words():
            axes.text(
                shape.x, shape.y, shape.text, color=shape.color, size=shape.size, weight=shape.weight, zorder=order,
                ha=ALIGNMENTS[shape.anchor], va="baseline", family=FONT_FAMILY, parse_math=False,
            )  # fmt: skip
