"""Linux cooked captures, what libpcap writes for the "any" device: SLL and SLL2.

The address stands in 8 bytes, of which `halen` says how many it has: 6 on an Ethernet, none on a tunnel. One that is
longer (InfiniBand) is cut to 8.

Spec: tcpdump.org, LINKTYPE_LINUX_SLL (113) and LINKTYPE_LINUX_SLL2 (276).
"""

from __future__ import annotations

from enum import IntEnum

from construct import Bytes, GreedyBytes, Int8ub, Int16ub, Int32ub, this

from pktlab.wire.fields import field
from pktlab.wire.header import Header
from pktlab.wire.nodes import Bounded, When
from pktlab.wire.numbers import EtherType
from pktlab.wire.values import IPV4, MAC

__all__ = ["PacketType", "Sll", "Sll2"]


_is_ipv4 = When(this.halen == 4, Bytes(4))
_is_mac = When(this.halen == 6, Bytes(6))
_is_other = When(
    (this.halen > 0) & (this.halen < 8) & (this.halen != 4) & (this.halen != 6), Bounded(this.halen, GreedyBytes)
)
_is_cut = When(this.halen > 7, Bytes(8))
_is_short = When(this.halen < 8, Bounded(8 - this.halen, GreedyBytes))


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
    src_ipv4: str | None = field(_is_ipv4, "Source", as_=IPV4, name="src.ipv4", default=None)
    src_eth: str | None = field(_is_mac, "Source", as_=MAC, name="src.eth", default=bytes(6))
    src_other: bytes | None = field(_is_other, "Source", name="src.other", default=None)
    src_cut: bytes | None = field(_is_cut, "Source, cut", name="src.other", default=None)
    unused: bytes | None = field(_is_short, "Unused", default=bytes(2))
    etype: int = field(Int16ub, "Protocol", base="hex", names=EtherType)


class Sll2(Header, layer="sll", label="Linux cooked capture v2"):
    """20 bytes in front of every packet, with the interface's index."""

    etype: int = field(Int16ub, "Protocol", base="hex", names=EtherType)
    reserved: int = field(Int16ub, "Reserved", default=0)
    ifindex: int = field(Int32ub, "Interface index", default=0)
    hatype: int = field(Int16ub, "Link-layer address type", default=1)
    pkttype: int = field(Int8ub, "Packet type", names=PacketType)
    halen: int = field(Int8ub, "Link-layer address length", default=6)
    src_ipv4: str | None = field(_is_ipv4, "Source", as_=IPV4, name="src.ipv4", default=None)
    src_eth: str | None = field(_is_mac, "Source", as_=MAC, name="src.eth", default=bytes(6))
    src_other: bytes | None = field(_is_other, "Source", name="src.other", default=None)
    src_cut: bytes | None = field(_is_cut, "Source, cut", name="src.other", default=None)
    unused: bytes | None = field(_is_short, "Unused", default=bytes(2))
