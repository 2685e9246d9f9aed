"""The 4-byte headers of BSD loopback captures: NULL, in the byte order of the machine that wrote it, and LOOP.

Some systems put an EtherType into it, behind two octets of their own; Wireshark reads those as `null.type`.

Spec: tcpdump.org, LINKTYPE_NULL (0) and LINKTYPE_LOOP (108).
"""

from __future__ import annotations

from construct import Int16ub, Int32ub, Int32ul

from pktlab.wire.fields import field
from pktlab.wire.header import Header
from pktlab.wire.numbers import AddressFamily, EtherType

__all__ = ["Loop", "Null", "NullType"]


class Null(Header, layer="null", label="Null/Loopback"):
    """Written by a little-endian machine; a family over 0xFFFF was written by a big-endian one (see `Loop`)."""

    family: int = field(Int32ul, "Family", names=AddressFamily)


class Loop(Header, layer="null", label="Null/Loopback"):
    """Big-endian; a family over 0xFFFF is none (see `NullType`)."""

    family: int = field(Int32ub, "Family", names=AddressFamily)


class NullType(Header, layer="null", label="Null/Loopback"):
    """An EtherType where the family would be."""

    control: int = field(Int16ub, "Control", base="hex", default=0)
    type: int = field(Int16ub, "Type", base="hex", names=EtherType)
