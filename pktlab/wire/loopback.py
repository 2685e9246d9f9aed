"""The 4-byte headers of BSD loopback captures: NULL, in the byte order of the machine that wrote it, and LOOP.

Spec: tcpdump.org, LINKTYPE_NULL (0) and LINKTYPE_LOOP (108).
"""

from __future__ import annotations

from construct import Int32ub, Int32ul

from pktlab.wire.fields import field
from pktlab.wire.header import Header
from pktlab.wire.numbers import AddressFamily

__all__ = ["Loop", "Null"]


class Null(Header, layer="null", label="Null/Loopback"):
    """Written by a little-endian machine; a family over 0xFFFF was written by a big-endian one (see `Loop`)."""

    family: int = field(Int32ul, "Family", names=AddressFamily)


class Loop(Header, layer="null", label="Null/Loopback"):
    """Always big-endian."""

    family: int = field(Int32ub, "Family", names=AddressFamily)
