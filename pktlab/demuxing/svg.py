"""The picture as SVG, written as text: nothing has to be installed for it, and it looks alike in light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from pktlab.demuxing.picture import COLORS, FONT, RED, Box, Curve, Dash, Label, Picture, Shape
from pktlab.demuxing.tally import Demuxed

__all__ = ["svg"]


def svg(demuxed: Demuxed, title: str = "") -> str:
    """Return the picture as an SVG document.

    Parameters
    ----------
    demuxed : the packets have been read
    title : stands above it

    >>> from pktlab.flows.receiving import ReceivingHost
    >>> svg(Demuxed(ReceivingHost())).splitlines()[-1]
    '</svg>'
    """
    return "\n".join(_document(Picture(demuxed, title))) + "\n"


def _document(picture: Picture) -> Iterator[str]:
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {picture.width:.0f} {picture.height:.0f}" '
        f'width="{picture.width:.0f}" height="{picture.height:.0f}" '
        f'font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="{FONT}">'
    )
    yield '<rect width="100%" height="100%" fill="#ffffff"/>'
    yield "<defs>"
    for color in (*COLORS, RED):
        yield (
            f'<marker id="a{color[1:]}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
            f'orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="{color}"/></marker>'
        )
    yield "</defs>"
    yield from map(_element, picture.shapes())
    yield "</svg>"


def _element(shape: Shape) -> str:
    if isinstance(shape, Box):
        return _box(shape)
    return _text(shape) if isinstance(shape, Label) else _path(shape)


def _box(box: Box) -> str:
    return (
        f'<rect x="{box.x:.0f}" y="{box.y:.0f}" width="{box.width:.0f}" height="{box.height:.0f}" rx="5" '
        f'fill="{box.fill}" stroke="{box.stroke}"{_dashes(box.dash)}/>'
    )


def _text(label: Label) -> str:
    shown = escape("".join(char if char.isprintable() else "·" for char in label.text))
    weight = "bold" if label.is_bold else "normal"
    return (
        f'<text x="{label.x:.0f}" y="{label.y:.0f}" fill="{label.color}" font-size="{label.size}" '
        f'font-weight="{weight}">{shown}</text>'
    )


def _path(curve: Curve) -> str:
    if not curve.has_head:
        return f'<path d="M{curve.x:.0f},{curve.y:.0f} H{curve.to_x:.0f}" stroke="{curve.color}" fill="none"/>'
    middle = (curve.x + curve.to_x + 2) / 2
    return (
        f'<path d="M{curve.x:.0f},{curve.y:.0f} C{middle:.0f},{curve.y:.0f} {middle:.0f},{curve.to_y:.0f} '
        f'{curve.to_x:.0f},{curve.to_y:.0f}" stroke="{curve.color}" stroke-width="{curve.width}" fill="none"'
        f'{_dashes(curve.dash)} marker-end="url(#a{curve.color[1:]})"/>'
    )


def _dashes(dash: Dash | None) -> str:
    return f' stroke-dasharray="{dash[0]} {dash[1]}"' if dash else ""
