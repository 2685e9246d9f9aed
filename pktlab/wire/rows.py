"""`Row`, a line of a schema's field table, and `Found`, a row where it lies in a packet."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any, NamedTuple

from pktlab.wire.values import Flags, View

__all__ = ["Found", "Names", "Row", "Traced", "hex_digits"]

Names = Mapping[int, str] | type[IntEnum]


class Row(NamedTuple):
    """One line of a schema's field table: all that a reader of columns, diagrams or ranges needs to know."""

    name: str  # full name, "tcp.hdr_len"; "" for what has no name of its own
    attr: str  # Python attribute, "hdr_len"; "flags.syn" for a bit of a flags number
    label: str  # for people, "Header Length"
    offset: int | None  # bytes from the start of the header; None where it varies
    width: int  # bytes of the word it lies in; 0 where it varies
    mask: int | None  # bits of that word; None for all of it
    shift: int  # bits to the right
    scale: int  # factor from what is stored to what is shown
    little: bool  # byte order of the word
    kind: str  # uint int bool ipv4 ipv6 mac flags enum bytes str header
    base: str  # "dec" or "hex", how text shows a number
    digits: int  # hex digits that tshark shows
    names: Names | None  # of values
    view: View | type[Flags] | None

    def value(self, raw: Any) -> Any:
        """Return the value that `raw` (of the whole word) holds here."""
        if raw is None:
            return None
        if self.mask is not None:
            number = ((raw & self.mask) >> self.shift) * self.scale
            if self.kind == "bool":
                return bool(number)
            return number if self.view is None else self.view(number)  # type: ignore[operator]
        if isinstance(self.view, View):
            return self.view.decode(raw)
        return raw if self.view is None else self.view(raw)

    def text(self, value: Any) -> str:
        """Return `value` as ``tshark -T fields`` prints it."""
        if isinstance(value, bool):
            return "1" if value else "0"
        if isinstance(value, int):
            return f"0x{value:0{self.digits}x}" if self.base == "hex" else f"{int(value)}"
        return value.hex() if isinstance(value, bytes) else str(value)

    def value_name(self, value: Any) -> str | None:
        """Return the registered name of an enumerated `value`, or None."""
        if self.names is None or value is None:
            return None
        if isinstance(self.names, Mapping):
            return self.names.get(value)
        return self.names(value).name if value in self.names._value2member_map_ else None


class Found(NamedTuple):
    """A field as it lies in a packet."""

    row: Row
    start: int  # first byte, from the start of the buffer
    stop: int  # byte after the last
    raw: Any  # the word it is a part of, or its bytes

    @property
    def name(self) -> str:
        """Full name, e.g. ``"udp.srcport"``; empty for a group of fields."""
        return self.row.name

    @property
    def value(self) -> Any:
        """The value as `packet[name]` gives it."""
        return self.row.value(self.raw)

    @property
    def text(self) -> str:
        """The value as ``tshark -T fields`` prints it."""
        return self.row.text(self.value)

    @property
    def bit_range(self) -> tuple[int, int, int]:
        """(byte offset, bit offset in that byte from its most significant bit, number of bits).

        A part of a little-endian word that crosses bytes lies in pieces: it is given as the bytes that hold it.
        """
        row = self.row
        if row.mask is None:
            return self.start, 0, 8 * (self.stop - self.start)
        count = row.mask.bit_length() - row.shift
        if row.little:
            first, last = row.shift // 8, (row.shift + count - 1) // 8
            pieces = first != last
            return (
                self.start + first,
                0 if pieces else -(row.shift + count) % 8,
                8 * (last - first + 1) if pieces else count,
            )
        lead = 8 * row.width - row.mask.bit_length()
        return self.start + lead // 8, lead % 8, count


Traced = tuple[Row, int, int, Any]
"""What a `Found` is made of. Traces hold these plain tuples, since a `Found` costs three times more."""


def hex_digits(bit_count: int) -> int:
    """Return how many hex digits a number of `bit_count` bits is shown with: whole bytes."""
    return -(-bit_count // 8) * 2
