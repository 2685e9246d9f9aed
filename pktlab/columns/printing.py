"""Chosen fields as text, a row a packet: ``-T fields`` and ``-T csv``.

The text of a value is that of ``tshark -T fields``. For what kernels can take, rows are printed by a kernel while the
window is still in the processor's cache; the rows of the other packets, and those of the first packets of a capture,
are made of the exact reader's words. Both go through the same pieces of text around values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pktlab.columns.filters.occurrences import Moments, Occurrences
from pktlab.columns.registry import FieldType, Registry, registry
from pktlab.packets import Packet, time_text
from pktlab.wire.bindings import EITHER_END

__all__ = ["Cells", "Layout"]


@dataclass(frozen=True)
class Layout:
    """How a row is laid out, as tshark's ``-E`` says.

    separator : between cells; quote : around each cell that has a value; occurrence : ``"f"`` the first value of a
    field, ``"l"`` the last, ``"a"`` all, with `aggregator` between them; doubled : a quote inside a cell is doubled, as
    in CSV, and only cells that need quotes have them
    """

    separator: str = "\t"
    quote: str = ""
    occurrence: str = "f"
    aggregator: str = ","
    doubled: bool = False


class Cells:
    """The cells of packets, as the exact reader gives them.

    >>> import pktlab
    >>> cells = Cells(["udp.dstport", "udp.checksum.verdict"], Layout(separator=" "))
    >>> cells.row(pktlab.open("pcaps/first-light.pcapng")[6], Moments(0, 0))
    '12000 good'
    """

    def __init__(self, names: Sequence[str], layout: Layout = Layout(), known: Registry | None = None) -> None:
        self.names = list(names)
        self.layout = layout
        self.known = registry() if known is None else known
        self._texts = [_texts_of(self.known.find(name)) for name in names]

    def row(self, packet: Packet, moments: Moments) -> str:
        """Return a packet's row, without the end of the line."""
        asked = Occurrences(packet, self.known, moments)
        cells = [self._joined(texts(packet, asked)) for texts in self._texts]
        return self.layout.separator.join(map(self._quoted, cells))

    def _joined(self, texts: Sequence[str]) -> str | None:
        if not texts:
            return None
        match self.layout.occurrence:
            case "f":
                return texts[0]
            case "l":
                return texts[-1]
        return self.layout.aggregator.join(texts)

    def _quoted(self, cell: str | None) -> str:
        layout = self.layout
        if cell is None:
            return ""
        if layout.doubled:
            needs = any(mark in cell for mark in (layout.separator, layout.quote, "\n", "\r"))
            doubled = cell.replace(layout.quote, 2 * layout.quote)
            return f"{layout.quote}{doubled}{layout.quote}" if needs else cell
        return f"{layout.quote}{cell}{layout.quote}"


_Texts = Callable[[Packet, Occurrences], Sequence[str]]


def _texts_of(one: FieldType) -> _Texts:
    """Return the function that gives all values of a field as text."""
    if one.source in ("row", "either"):
        parts = EITHER_END.get(one.name, (one.name,))
        return lambda packet, _: [found.text for part in parts for found in packet.dissection.found(part)]
    if one.kind == "timestamp":
        return lambda _, asked: [time_text(value) for value in asked.values(one.name)]
    return lambda _, asked: [_plain(value) for value in asked.values(one.name)]


def _plain(value: Any) -> str:
    """Return a value that has no row: a number, octets that are text, octets."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value.hex()
    return str(int(value))
