"""The picture as PNG, the same shapes drawn by Matplotlib, which the extra ``plot`` brings along."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from pktlab.demuxing.picture import Box, Curve, Label, Picture
from pktlab.demuxing.tally import Demuxed
from pktlab.errors import MissingExtra

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.patches import Patch

__all__ = ["check_png", "png"]

DPI = 144
PX_PER_INCH = 72
"""So that a px of the picture is a point, the unit of fonts and lines."""
FONT_FAMILY = "DejaVu Sans Mono"  # comes with Matplotlib


def check_png() -> None:
    """Raise MissingExtra if Matplotlib is not installed, for those who would rather know before they read a capture."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        raise MissingExtra("matplotlib", "pktlab-toolkit[plot]") from None


def png(demuxed: Demuxed, title: str = "") -> bytes:
    r"""Return the picture as the bytes of a PNG file.

    Parameters
    ----------
    demuxed : the packets have been read
    title : stands above it

    Raises
    ------
    MissingExtra : Matplotlib is not installed

    >>> from pktlab.flows.receiving import ReceivingHost
    >>> png(Demuxed(ReceivingHost()))[:8]
    b'\x89PNG\r\n\x1a\n'
    """
    check_png()
    from matplotlib.figure import Figure

    picture = Picture(demuxed, title)
    figure = Figure((picture.width / PX_PER_INCH, picture.height / PX_PER_INCH), dpi=DPI, facecolor="#ffffff")
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.set(xlim=(0, picture.width), ylim=(picture.height, 0))
    for order, shape in enumerate(picture.shapes()):
        if isinstance(shape, Label):
            _write(axes, shape, order)
        else:
            axes.add_patch(_box(shape, order) if isinstance(shape, Box) else _wire(shape, order))
    target = io.BytesIO()
    figure.savefig(target, format="png", metadata={"Software": "pktlab"})
    return target.getvalue()


def _write(axes: Axes, label: Label, order: int) -> None:
    shown = "".join(char if char.isprintable() else "·" for char in label.text).replace("$", r"\$")
    axes.text(
        label.x, label.y, shown, color=label.color, fontsize=label.size, family=FONT_FAMILY, zorder=order,
        fontweight="bold" if label.is_bold else "normal",
    )  # fmt: skip


def _box(box: Box, order: int) -> Patch:
    from matplotlib.patches import BoxStyle, FancyBboxPatch

    return FancyBboxPatch(
        (box.x, box.y), box.width, box.height, boxstyle=BoxStyle.Round(pad=0, rounding_size=5), edgecolor=box.stroke,
        facecolor=box.fill, linestyle=(0, box.dash) if box.dash else "solid", zorder=order,
    )  # fmt: skip


def _wire(curve: Curve, order: int) -> Patch:
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    middle = (curve.x + curve.to_x) / 2
    points = [(curve.x, curve.y), (middle, curve.y), (middle, curve.to_y), (curve.to_x, curve.to_y)]
    return FancyArrowPatch(
        path=Path(points, [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]), color=curve.color, fill=False,
        arrowstyle="-|>" if curve.has_head else "-", mutation_scale=10, linewidth=curve.width, zorder=order,
        linestyle=(0, curve.dash) if curve.dash else "solid", shrinkA=0, shrinkB=0,
    )  # fmt: skip
