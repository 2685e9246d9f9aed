"""Linux cooked captures, what libpcap writes for the "any" device: SLL and SLL2.

The address stands in 8 bytes, of which `halen` says how many it has: 6 on an Ethernet, none on a tunnel. One that is
longer (InfiniBand) is cut to 8.

Spec: tcpdump.org, LINKTYPE_LINUX_SLL (113) and LINKTYPE_LINUX_SLL2 (276).
"""

from __future__ import annotations

from enum import IntEnum

from construct import Bytes, Int8ub, Int16ub, Int32ub, this

from pktlab.wire.fields import field
from pktlab.wire.header import Header
from pktlab.wire.nodes import Bounded, Switch
from pktlab.wire.numbers import EtherType
from pktlab.wire.values import IPV4, MAC

__all__ = ["PacketType", "Sll", "Sll2"]


class Ipv4Source(Header, layer="sll"):
    """An address of 4 bytes."""

    src_ipv4: str = field(Bytes(4), "Source", as_=IPV4, name="src.ipv4")
    unused: bytes = field(Bytes(4), "Unused", default=bytes(4))


class MacSource(Header, layer="sll"):
    """An address of 6 bytes."""

    src_eth: str = field(Bytes(6), "Source", as_=MAC, name="src.eth", default=bytes(6))
    unused: bytes = field(Bytes(2), "Unused", default=bytes(2))


class NoSource(Header, layer="sll"):
    """No address, as on a tunnel."""

    unused: bytes = field(Bytes(8), "Unused", default=bytes(8))


class LongSource(Header, layer="sll"):
    """An address of 8 bytes, or one that was cut to them."""

    src_other: bytes = field(Bytes(8), "Source", name="src.other", default=bytes(8))


def _source_of(length: int) -> type[Header]:
    """Return the header of an address of a length that has no meaning of its own."""

    class OtherSource(Header, layer="sll"):
        src_other: bytes = field(Bytes(length), "Source", name="src.other", default=bytes(length))
        unused: bytes = field(Bytes(8 - length), "Unused", default=bytes(8 - length))

    return OtherSource


_SOURCES = {0: NoSource, 4: Ipv4Source, 6: MacSource, **{length: _source_of(length) for length in (1, 2, 3, 5, 7)}}


class PacketType(IntEnum):
    """How the packet met the interface."""

    to_us = 0
    broadcast = 1
    multicast = 2
    to_another = 3
    from_us = 4


class Sll(Header, layer="sll", label="Linux cooked capture v1"):
    """16 bytes in front of every packet."""

    pkttype: int = field(Int16ub, "Packet type", names=PacketType)
    hatype: int = field(Int16ub, "Link-layer address type", default=1)
    halen: int = field(Int16ub, "Link-layer address length", default=6)
    address: Header = field(Bounded(8, Switch(this.halen, _SOURCES, default=LongSource)), name="", default=MacSource())
    etype: int = field(Int16ub, "Protocol", base="hex", names=EtherType)


class Sll2(Header, layer="sll", label="Linux cooked capture v2"):
    """20 bytes in front of every packet, with the interface's index."""

    etype: int = field(Int16ub, "Protocol", base="hex", names=EtherType)
    reserved: int = field(Int16ub, "Reserved", default=0)
    ifindex: int = field(Int32ub, "Interface index", default=0)
    hatype: int = field(Int16ub, "Link-layer address type", default=1)
    pkttype: int = field(Int8ub, "Packet type", names=PacketType)
    halen: int = field(Int8ub, "Link-layer address length", default=6)
    address: Header = field(Bounded(8, Switch(this.halen, _SOURCES, default=LongSource)), name="", default=MacSource())
