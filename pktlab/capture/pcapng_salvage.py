"""Read a damaged pcapng: what its blocks look like, and which of them are believed.

A block ends with the length that it begins with, and a packet names an interface that was described, so a
packet block proves itself. What is asked beyond that, since zeros may lie inside a block whose two ends are
whole: that the captured length fits both the block and the length on the wire.

Spec: draft-ietf-opsawg-pcapng sections 3.1 and 4.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pktlab.capture.blocks import (
    ENHANCED_PACKET,
    INTERFACE,
    LAYOUTS,
    OBSOLETE_PACKET,
    SECTION_HEADER,
    SIMPLE_PACKET,
    Layout,
    byte_order_of,
)
from pktlab.capture.linktypes import MIN_LONGEST
from pktlab.capture.records import Interface
from pktlab.capture.salvage import CUT, ETHERNET_LEN, Step

__all__ = ["PcapngForm", "doubts"]

_KNOWN = frozenset((*range(1, 11), 0x0BAD, 0x4000_0BAD))
_MAX_TOTAL = MIN_LONGEST + (128 << 10) + 32  # the longest packet with 128 KiB of options, as in blocks.py
_MAX_LENGTH = 1 << 20  # bytes on the wire: well over what segmentation offload hands to a capture
_MIN_TOTAL = 12
_PATTERNS = {
    "little": re.compile(rb"(?=(?:[\1-\x0a]\0\0\0|\xad\x0b\0[\0\x40]|\x0a\x0d\x0d\x0a)..[\0-\x06]\0)", re.DOTALL),
    "big": re.compile(rb"(?=(?:\0\0\0[\1-\x0a]|[\0\x40]\0\x0b\xad|\x0a\x0d\x0d\x0a)\0[\0-\x06]..)", re.DOTALL),
}


class PcapngForm:
    """What plausible blocks look like, where the reading stands.

    Parameters
    ----------
    layout : the byte order of the present section
    interfaces : those of the present section
    """

    reach = MIN_LONGEST
    usual = ETHERNET_LEN
    can_merge = False  # the length at the end of each block lies between

    def __init__(self, layout: Layout, interfaces: Sequence[Interface]) -> None:
        self.layout = layout
        self.interfaces = interfaces
        self.pattern = _PATTERNS[layout.byte_order]

    def walker(self) -> _Walker:
        """Return what goes from block to block, and minds the sections and interfaces on its way."""
        return _Walker(self.layout, self.interfaces)


class _Walker:
    def __init__(self, layout: Layout, interfaces: Sequence[Interface]) -> None:
        self._layout = layout
        self._interfaces = interfaces
        self._more = 0  # interfaces that were described on the way

    def step(self, data: bytes, pos: int) -> Step | None:
        """Return the block at `pos`, `CUT`, or None if none can be there."""
        have = len(data) - pos
        if have < _MIN_TOTAL:
            return CUT
        kind, total = self._layout.block.unpack_from(data, pos)
        if kind == SECTION_HEADER:
            order = byte_order_of(data[pos + 8 : pos + 12])
            if order is None:
                return None
            self._layout, self._interfaces, self._more = LAYOUTS[order], (), 0
            _, total = self._layout.block.unpack_from(data, pos)
        elif kind not in _KNOWN:
            return None
        if total % 4 or not _MIN_TOTAL <= total <= _MAX_TOTAL:
            return None
        if total > have:
            return CUT
        if self._layout.length.unpack_from(data, pos + total - 4)[0] != total:
            return None
        return self._inside(data, pos, kind, total)

    def _inside(self, data: bytes, pos: int, kind: int, total: int) -> Step | None:
        if kind == INTERFACE:
            self._more += 1
        if kind not in (ENHANCED_PACKET, OBSOLETE_PACKET, SIMPLE_PACKET):
            return Step(pos + total, None)
        if doubts(self._layout, data, pos, kind, total):
            return None
        if kind == SIMPLE_PACKET:
            return Step(pos + total, None) if len(self._interfaces) + self._more else None
        fields = self._layout.enhanced if kind == ENHANCED_PACKET else self._layout.obsolete
        number, high, low, *_ = fields.unpack_from(data, pos)
        if number >= len(self._interfaces):
            return Step(pos + total, None) if number < len(self._interfaces) + self._more else None
        return Step(pos + total, self._interfaces[number].time_ns(high << 32 | low))


def doubts(layout: Layout, data: bytes, pos: int, kind: int, total: int) -> str:
    """Return what speaks against a packet block whose lengths agree; "" if nothing does.

    >>> block = bytes.fromhex("06000000 24000000 00000000 00000000 00000000 00000000 00000000 00000000 24000000")
    >>> doubts(LAYOUTS["little"], block, 0, 6, 36)
    'the packet claims no length, but its block holds bytes'
    """
    if kind == SIMPLE_PACKET:
        (length,) = layout.simple.unpack_from(data, pos)
        room = total - layout.simple.size - 4
        return "" if room <= length + 3 and length <= _MAX_LENGTH else "the simple packet does not fill its block"
    fields = layout.enhanced if kind == ENHANCED_PACKET else layout.obsolete
    if total < fields.size + 4:
        return "the packet block is too short"
    *_, captured, length = fields.unpack_from(data, pos)
    at, end = pos + fields.size + captured + -captured % 4, pos + total - 4
    if not length and at != end:
        return "the packet claims no length, but its block holds bytes"
    if captured > length or length > _MAX_LENGTH:
        return f"the packet claims {captured} captured bytes of {length}"
    return "" if at <= end else f"the packet claims {captured} captured bytes, its block is shorter"
