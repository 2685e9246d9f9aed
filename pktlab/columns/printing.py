"""Chosen fields as text, a row a packet: ``-T fields`` and ``-T csv``, ``-T json`` and ``-T jsonl``.

The text of a value in rows is that of ``tshark -T fields``; in JSON it is what `Packet.flat` has. For what kernels can
take, rows are printed by a kernel while the window is still in the processor's cache; the rows of the other packets,
and those of the first packets of a capture, are made of the exact reader's words. Both go through the same pieces of
text around values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pktlab.columns.filters.occurrences import Moments, Occurrences
from pktlab.columns.registry import FieldType, Registry, registry
from pktlab.jsontext import json_text
from pktlab.packets import Packet, time_text
from pktlab.wire.bindings import EITHER_END

__all__ = ["Cells", "JsonLayout", "Layout", "Objects", "printer_of"]


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
    end = "\n"

    def around(self, place: int, name: str, is_text: bool) -> tuple[str, str, str]:
        """Return what stands in front of the value in a column, behind it, and instead of all if there is none."""
        before, quote = self.separator if place else "", "" if self.doubled else self.quote
        return before + quote, quote, before


@dataclass(frozen=True)
class JsonLayout:
    """A packet as a JSON object: in a line of its own, or as an item of an array, with a comma in front."""

    is_item: bool = False
    occurrence = "f"

    @property
    def end(self) -> str:
        """What ends an object."""
        return "\n  }" if self.is_item else "}\n"

    def around(self, place: int, name: str, is_text: bool) -> tuple[str, str, str]:
        """Return the same as `Layout.around`."""
        opened, next_one = (",\n  {\n    ", ",\n    ") if self.is_item else ("{", ", ")
        before = f"{next_one if place else opened}{json_text(name)}: "
        quote = '"' if is_text else ""
        return before + quote, quote, before + "null"


def printer_of(names: Sequence[str], layout: Layout | JsonLayout, known: Registry | None = None) -> Cells | Objects:
    """Return what prints packets that the exact reader has read."""
    return Objects(names, layout) if isinstance(layout, JsonLayout) else Cells(names, layout, known)


class Objects:
    """The JSON objects of packets, as the exact reader gives them.

    >>> import pktlab
    >>> packet = pktlab.open("pcaps/first-light.pcapng")[6]
    >>> Objects(["ip.src", "udp.dstport", "tcp.flags"], JsonLayout()).row(packet, Moments(0, 0))
    '{"ip.src": "192.0.2.1", "udp.dstport": 12000, "tcp.flags": null'
    """

    def __init__(self, names: Sequence[str], layout: JsonLayout) -> None:
        self.names, self.layout = list(names), layout

    def row(self, packet: Packet, moments: Moments) -> str:
        """Return a packet's object, without its end."""
        flat, time_ns = packet.flat(self.names), packet.time_ns
        for name, since_ns in (("frame.time_relative", moments.first_ns), ("frame.time_delta", moments.previous_ns)):
            if name in flat and since_ns is not None and time_ns is not None:
                flat[name] = time_text(time_ns - since_ns)
        values = flat.items()
        return "".join(
            self.layout.around(place, name, False)[0] + json_text(value) for place, (name, value) in enumerate(values)
        )


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
