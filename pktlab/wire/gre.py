"""GRE: any protocol in IP, with checksum, key and sequence number where the flags say so; and Cisco's ERSPAN in it.

Spec: RFC 2784 section 2; RFC 2890 section 2 (key, sequence number); RFC 1701 (routing); RFC 2637 section 4.1 (PPTP);
draft-foschiano-erspan-03 section 4 (ERSPAN types I to III).
"""

from __future__ import annotations

from construct import Bytes, GreedyBytes, Int8ub, Int16ub, Int32ub, obj_, this

from pktlab.wire.fields import AUTO, bits, field
from pktlab.wire.fills import internet_checksum, present
from pktlab.wire.header import Header
from pktlab.wire.nodes import Bounded, Items, When
from pktlab.wire.numbers import EtherType

__all__ = ["Erspan", "Erspan3", "Gre", "GreRoute", "Pptp"]

ERSPAN, BRIDGED = 0x88BE, 0x6558


class GreRoute(Header, layer="gre.routing", label="Source route entry"):
    """RFC 1701: one entry; family and length of zero end the list."""

    address_family: int = field(Int16ub, "Address Family", default=0)
    sre_offset: int = field(Int8ub, "SRE Offset", default=0)
    src_length: int = field(Int8ub, "SRE Length", default=AUTO)
    information: bytes = field(Bounded(this.src_length, GreedyBytes), "Routing Information", default=b"")


_has_offset = (this.flags_checksum != 0) | (this.flags_routing != 0)


class Gre(Header, layer="gre", label="Generic Routing Encapsulation"):
    """RFC 2784 with what RFC 2890 put back in. The checksum covers the header and all behind it."""

    flags_and_version: int = field(Int16ub, "Flags and Version", base="hex", default=0)
    flags_checksum: bool = bits(flags_and_version, 0x8000, "Checksum", as_=bool, name="flags.checksum", default=None)
    flags_routing: bool = bits(flags_and_version, 0x4000, "Routing", as_=bool, name="flags.routing", default=None)
    flags_key: bool = bits(flags_and_version, 0x2000, "Key", as_=bool, name="flags.key", default=None)
    flags_sequence_number: bool = bits(
        flags_and_version, 0x1000, "Sequence Number", as_=bool, name="flags.sequence_number", default=None
    )
    flags_strict_source_route: bool = bits(
        flags_and_version, 0x0800, "Strict Source Route", as_=bool, name="flags.strict_source_route", default=None
    )
    flags_recursion_control: int = bits(
        flags_and_version, 0x0700, "Recursion control", name="flags.recursion_control", default=None
    )
    flags_reserved: int = bits(flags_and_version, 0x00F8, "Reserved", name="flags.reserved", default=None)
    flags_version: int = bits(flags_and_version, 0x0007, "Version", name="flags.version", default=None)
    proto: int = field(Int16ub, "Protocol Type", base="hex", names=EtherType)
    checksum: int | None = field(When(_has_offset, Int16ub), "Checksum", base="hex", default=internet_checksum())
    offset: int | None = field(When(_has_offset, Int16ub), "Offset", default=present(0))
    key: int | None = field(When(this.flags_key != 0, Int32ub), "Key", base="hex", default=present(0))
    sequence_number: int | None = field(
        When(this.flags_sequence_number != 0, Int32ub), "Sequence Number", default=present(0)
    )
    routing: tuple[GreRoute, ...] | None = field(
        When(
            this.flags_routing != 0,
            Items(GreRoute, stop=(obj_.address_family == 0) & (obj_.src_length == 0)),
        ),
        "Routing",
        name="",
        default=None,
    )

    @property
    def inside(self) -> int:
        """The EtherType of what follows: ERSPAN without a sequence number (type I) is a bare Ethernet frame."""
        return BRIDGED if self.proto == ERSPAN and not self.flags_sequence_number else self.proto

    def summary(self) -> str:
        """Return ``GRE key=0x0000002a seq=7``."""
        key = "" if self.key is None else f" key={self.key:#010x}"
        return f"GRE{key}" + ("" if self.sequence_number is None else f" seq={self.sequence_number}")


class Pptp(Header, layer="gre", label="Enhanced GRE", payload_len=this.key_payload_length):
    """RFC 2637 section 4.1: version 1; the key is a length and a call, and what came in may be acknowledged."""

    flags_and_version: int = field(Int16ub, "Flags and Version", base="hex", default=0x2001)
    flags_checksum: bool = bits(flags_and_version, 0x8000, "Checksum", as_=bool, name="flags.checksum", default=None)
    flags_routing: bool = bits(flags_and_version, 0x4000, "Routing", as_=bool, name="flags.routing", default=None)
    flags_key: bool = bits(flags_and_version, 0x2000, "Key", as_=bool, name="flags.key", default=None)
    flags_sequence_number: bool = bits(
        flags_and_version, 0x1000, "Sequence Number", as_=bool, name="flags.sequence_number", default=None
    )
    flags_strict_source_route: bool = bits(
        flags_and_version, 0x0800, "Strict Source Route", as_=bool, name="flags.strict_source_route", default=None
    )
    flags_recursion_control: int = bits(
        flags_and_version, 0x0700, "Recursion control", name="flags.recursion_control", default=None
    )
    flags_ack: bool = bits(flags_and_version, 0x0080, "Acknowledgment", as_=bool, name="flags.ack", default=None)
    flags_reserved: int = bits(flags_and_version, 0x0078, "Reserved", name="flags.reserved", default=None)
    flags_version: int = bits(flags_and_version, 0x0007, "Version", name="flags.version", default=None)
    proto: int = field(Int16ub, "Protocol Type", base="hex", names=EtherType, default=0x880B)
    key_payload_length: int = field(Int16ub, "Payload Length", name="key.payload_length", default=AUTO)
    key_call_id: int = field(Int16ub, "Call ID", name="key.call_id")
    sequence_number: int | None = field(
        When(this.flags_sequence_number != 0, Int32ub), "Sequence Number", default=present(0)
    )
    ack_number: int | None = field(When(this.flags_ack != 0, Int32ub), "Acknowledgment Number", default=present(0))

    def summary(self) -> str:
        """Return ``PPTP call 7 seq=1``."""
        sequence = "" if self.sequence_number is None else f" seq={self.sequence_number}"
        return f"PPTP call {self.key_call_id}{sequence}"


class Erspan(Header, layer="erspan", label="Encapsulated Remote Switched Packet Analysis"):
    """Type II (version 1), behind a GRE sequence number: which session, VLAN and port the copied frame is of."""

    _first = field(Int16ub)
    version: int = bits(_first, 0xF000, "Version", default=1)
    vlan: int = bits(_first, 0x0FFF, "VLAN", default=0)
    _second = field(Int16ub)
    cos: int = bits(_second, 0xE000, "Class of Service", default=0)
    encap: int = bits(_second, 0x1800, "Encapsulation", default=0)
    truncated: int = bits(_second, 0x0400, "Truncated", default=0)
    spanid: int = bits(_second, 0x03FF, "Session", default=0)
    _third = field(Int32ub)
    reserved: int = bits(_third, 0xFFF00000, "Reserved", default=0)
    index: int = bits(_third, 0x000FFFFF, "Index", default=0)

    def summary(self) -> str:
        """Return ``ERSPAN session 7``."""
        return f"ERSPAN session {self.spanid}"


class Erspan3(Header, layer="erspan", label="Encapsulated Remote Switched Packet Analysis, type III"):
    """Type III (version 2): with a time stamp, and a platform's own 8 octets where `o` is set."""

    _first = field(Int16ub)
    version: int = bits(_first, 0xF000, "Version", default=2)
    vlan: int = bits(_first, 0x0FFF, "VLAN", default=0)
    _second = field(Int16ub)
    cos: int = bits(_second, 0xE000, "Class of Service", default=0)
    bso: int = bits(_second, 0x1800, "Bad/Short/Oversized", default=0)
    truncated: int = bits(_second, 0x0400, "Truncated", default=0)
    spanid: int = bits(_second, 0x03FF, "Session", default=0)
    timestamp: int = field(Int32ub, "Timestamp", default=0)
    sgt: int = field(Int16ub, "Security Group Tag", default=0)
    _fifth = field(Int16ub)
    p: int = bits(_fifth, 0x8000, "Has Ethernet PDU", default=1)
    ft: int = bits(_fifth, 0x7C00, "Frame Type", default=0)
    hw: int = bits(_fifth, 0x03F0, "Hardware ID", default=0)
    direction: bool = bits(_fifth, 0x0008, "Direction", as_=bool, default=False)
    gra: int = bits(_fifth, 0x0006, "Timestamp granularity", default=0)
    o: int = bits(_fifth, 0x0001, "Optional Subheader", default=0)
    platform: bytes | None = field(When(this.o > 0, Bytes(8)), "Platform", name="", default=None)

    def summary(self) -> str:
        """Return ``ERSPAN session 7``."""
        return f"ERSPAN session {self.spanid}"
