"""ARP, the Address Resolution Protocol (RFC 826).

Addresses have the lengths that the header gives; the usual pair, Ethernet and IPv4, has field names of its own, as
in Wireshark.
"""

from __future__ import annotations

from enum import IntEnum

from construct import Bytes, GreedyBytes, Int8ub, Int16ub, this

from pktlab.wire.fields import field
from pktlab.wire.header import Header
from pktlab.wire.nodes import Bounded, When
from pktlab.wire.numbers import EtherType
from pktlab.wire.values import IPV4, MAC

__all__ = ["Arp", "ArpOpcode"]

# Ethernet is hardware type 1, any IEEE 802 network 6 (IANA arp-parameters); both have MAC addresses.
_is_mac = ((this.hw_type == 1) | (this.hw_type == 6)) & (this.hw_size == 6)
_not_mac = ((this.hw_type != 1) & (this.hw_type != 6)) | (this.hw_size != 6)
_is_ipv4 = (this.proto_type == 0x0800) & (this.proto_size == 4)
_not_ipv4 = (this.proto_type != 0x0800) | (this.proto_size != 4)


class ArpOpcode(IntEnum):
    """What the message asks or says."""

    request = 1
    reply = 2
    rarp_request = 3
    rarp_reply = 4


class Arp(Header, layer="arp", label="Address Resolution Protocol", payload_len=0):
    """RFC 826. What follows it in an Ethernet frame is padding."""

    hw_type: int = field(Int16ub, "Hardware type", name="hw.type", default=1)
    proto_type: int = field(
        Int16ub, "Protocol type", base="hex", names=EtherType, name="proto.type", default=EtherType.IPv4
    )
    hw_size: int = field(Int8ub, "Hardware size", name="hw.size", default=6)
    proto_size: int = field(Int8ub, "Protocol size", name="proto.size", default=4)
    opcode: int = field(Int16ub, "Opcode", names=ArpOpcode)
    src_hw_mac: str | None = field(
        When(_is_mac, Bytes(6)), "Sender MAC address", as_=MAC, name="src.hw_mac", default=None
    )
    src_hw: bytes | None = field(
        When(_not_mac, Bounded(this.hw_size, GreedyBytes)), "Sender hardware address", name="src.hw", default=None
    )
    src_proto_ipv4: str | None = field(
        When(_is_ipv4, Bytes(4)), "Sender IP address", as_=IPV4, name="src.proto_ipv4", default=None
    )
    src_proto: bytes | None = field(
        When(_not_ipv4, Bounded(this.proto_size, GreedyBytes)),
        "Sender protocol address", name="src.proto", default=None,
    )  # fmt: skip
    dst_hw_mac: str | None = field(
        When(_is_mac, Bytes(6)), "Target MAC address", as_=MAC, name="dst.hw_mac", default=None
    )
    dst_hw: bytes | None = field(
        When(_not_mac, Bounded(this.hw_size, GreedyBytes)), "Target hardware address", name="dst.hw", default=None
    )
    dst_proto_ipv4: str | None = field(
        When(_is_ipv4, Bytes(4)), "Target IP address", as_=IPV4, name="dst.proto_ipv4", default=None
    )
    dst_proto: bytes | None = field(
        When(_not_ipv4, Bounded(this.proto_size, GreedyBytes)),
        "Target protocol address", name="dst.proto", default=None,
    )  # fmt: skip

    def summary(self) -> str:
        """Return ``ARP who has 10.0.0.2? tell 10.0.0.1`` or ``ARP 10.0.0.2 is at 02:…``."""
        sender, target = self.src_proto_ipv4, self.dst_proto_ipv4
        if self.opcode == ArpOpcode.request and sender and target:
            return f"ARP who has {target}? tell {sender}"
        if self.opcode == ArpOpcode.reply and sender:
            return f"ARP {sender} is at {self.src_hw_mac}"
        return f"ARP opcode {self.opcode}"
