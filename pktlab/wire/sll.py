"""Linux cooked captures, what libpcap writes for the "any" device: SLL and SLL2.

The address stands in 8 bytes whatever its length; the fields below are those of a 6-byte one, which nearly all are.

Spec: tcpdump.org, LINKTYPE_LINUX_SLL (113) and LINKTYPE_LINUX_SLL2 (276).
"""

from __future__ import annotations

from enum import IntEnum

from construct import Bytes, Int8ub, Int16ub, Int32ub

from pktlab.wire.fields import field
from pktlab.wire.header import Header
from pktlab.wire.numbers import EtherType
from pktlab.wire.values import MAC

__all__ = ["PacketType", "Sll", "Sll2"]


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
    src_eth: str = field(Bytes(6), "Source", as_=MAC, name="src.eth", default=bytes(6))
    unused: bytes = field(Bytes(2), "Unused", default=bytes(2))
    etype: int = field(Int16ub, "Protocol", base="hex", names=EtherType)


class Sll2(Header, layer="sll", label="Linux cooked capture v2"):
    """20 bytes in front of every packet, with the interface's index."""

    etype: int = field(Int16ub, "Protocol", base="hex", names=EtherType)
    reserved: int = field(Int16ub, "Reserved", default=0)
    ifindex: int = field(Int32ub, "Interface index", default=0)
    hatype: int = field(Int16ub, "Link-layer address type", default=1)
    pkttype: int = field(Int8ub, "Packet type", names=PacketType)
    halen: int = field(Int8ub, "Link-layer address length", default=6)
    src_eth: str = field(Bytes(6), "Source", as_=MAC, name="src.eth", default=bytes(6))
    unused: bytes = field(Bytes(2), "Unused", default=bytes(2))
