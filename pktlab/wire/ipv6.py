"""IPv6 (RFC 8200) and its extension headers.

Spec: RFC 8200 sections 3 and 4; RFC 2675 (jumbograms); RFC 6275 (type 2 routing, Home Address); RFC 8754 (segment
routing); RFC 5095 (why type 0 routing is gone, but still seen); RFC 2711 (router alert).
"""

from __future__ import annotations

from construct import Bytes, GreedyBytes, Int8ub, Int16ub, Int32ub, this

from pktlab.wire.fields import AUTO, bits, field
from pktlab.wire.header import Header
from pktlab.wire.nodes import Bounded, Items, Switch, When
from pktlab.wire.numbers import IpProtocol
from pktlab.wire.values import IPV6

__all__ = ["DestinationOptions", "Fragment", "HopByHop", "Ipv6", "Ipv6Option", "PseudoIpv6", "Routing"]

OPTION_NAMES = {
    0x00: "Pad1", 0x01: "PadN", 0x04: "Tunnel Encapsulation Limit", 0x05: "Router Alert", 0x07: "CALIPSO",
    0x26: "Quick-Start", 0x30: "Path MTU Record", 0x63: "RPL Option", 0x6D: "MPL Option",
    0xC2: "Jumbo Payload", 0xC9: "Home Address",
}  # fmt: skip
JUMBO_PAYLOAD, HOME_ADDRESS = 0xC2, 0xC9
ROUTING_NAMES = {0: "Source Route", 2: "Mobile IPv6", 3: "RPL Source Route", 4: "Segment Routing"}


class PseudoIpv6(Header, layer="pseudo", label="IPv6 pseudo-header"):
    """What a transport checksum covers of the IPv6 header (RFC 8200 section 8.1)."""

    src: str = field(Bytes(16), "source address", as_=IPV6)
    dst: str = field(Bytes(16), "final destination address", as_=IPV6)
    length: int = field(Int32ub, "length of header and data")
    zero: bytes = field(Bytes(3), "zero", default=bytes(3))
    nxt: int = field(Int8ub, "next header of the upper layer", names=IpProtocol)


class Ipv6(
    Header,
    layer="ipv6",
    label="Internet Protocol Version 6",
    payload_len=this.plen,
    open_if=(this.plen == 0) & (this.nxt != 59),
    says=(this.src, " → ", this.dst),
):
    """RFC 8200 section 3. `plen` counts everything behind these 40 bytes, extension headers too."""

    _word = field(Int32ub)
    version: int = bits(_word, 0xF0000000, "Version", default=6, equals=6)
    tclass: int = bits(_word, 0x0FF00000, "Traffic Class", base="hex", digits=8, default=0)
    tclass_dscp: int = bits(_word, 0x0FC00000, "Differentiated Services Codepoint", name="tclass.dscp", default=None)
    tclass_ecn: int = bits(_word, 0x00300000, "Explicit Congestion Notification", name="tclass.ecn", default=None)
    flow: int = bits(_word, 0x000FFFFF, "Flow Label", base="hex", default=0)
    plen: int = field(Int16ub, "Payload Length", default=AUTO)
    nxt: int = field(Int8ub, "Next Header", names=IpProtocol)
    hlim: int = field(Int8ub, "Hop Limit", default=64)
    src: str = field(Bytes(16), "Source Address", as_=IPV6)
    dst: str = field(Bytes(16), "Destination Address", as_=IPV6)


class PadN(Header, layer="ipv6.opt"):
    """Two or more octets that say nothing."""

    padn: bytes = field(GreedyBytes, "PadN", default=b"")


class RouterAlert(Header, layer="ipv6.opt"):
    """RFC 2711."""

    router_alert: int = field(Int16ub, "Router Alert", default=0)


class JumboPayload(Header, layer="ipv6.opt"):
    """RFC 2675: the payload's length where 16 bits do not hold it."""

    jumbo: int = field(Int32ub, "Payload Length")


class HomeAddress(Header, layer="ipv6.opt"):
    """RFC 6275 section 6.3: a mobile node's own address, while the source is the one where it visits."""

    mipv6_home_address: str = field(Bytes(16), "MIPv6 Home Address", as_=IPV6, name="mipv6.home_address")


class OtherOption(Header, layer="ipv6.opt"):
    """An option whose inside has no page here."""

    unknown: bytes = field(GreedyBytes, "Unknown Option Payload", default=b"")


class Ipv6Option(Header, layer="ipv6.opt", label="Option"):
    """A type, whose upper bits say what a node does that does not know it; all but Pad1 have a length."""

    type: int = field(Int8ub, "Type", base="hex", names=OPTION_NAMES)
    type_action: int = bits(type, 0xC0, "Action", name="type.action", default=None)
    type_change: bool = bits(type, 0x20, "May change", as_=bool, name="type.change", default=None)
    type_rest: int = bits(type, 0x1F, "Low-order bits", base="hex", name="type.rest", default=None)
    length: int | None = field(When(this.type > 0, Int8ub), "Length", default=AUTO)
    body: Header | None = field(
        When(
            this.type > 0,
            Bounded(
                this.length,
                Switch(
                    this.type,
                    {1: PadN, 5: RouterAlert, 0xC2: JumboPayload, 0xC9: HomeAddress},
                    default=OtherOption,
                ),
            ),
        ),
        name="",
        default=None,
    )

    def summary(self) -> str:
        """Return the option's name."""
        return OPTION_NAMES.get(self.type, f"Option {self.type:#04x}")


class HopByHop(Header, layer="ipv6.hopopts", label="IPv6 Hop-by-Hop Options"):
    """RFC 8200 section 4.3. `len` counts units of 8 bytes after the first."""

    nxt: int = field(Int8ub, "Next Header", names=IpProtocol)
    len: int = field(Int8ub, "Length", default=AUTO)
    options: tuple[Ipv6Option, ...] = field(
        Bounded(this.len * 8 + 6, Items(Ipv6Option)), name="", default=(Ipv6Option(type=1, body=PadN(padn=bytes(4))),)
    )


class DestinationOptions(Header, layer="ipv6.dstopts", label="IPv6 Destination Options"):
    """RFC 8200 section 4.6. `len` counts units of 8 bytes after the first."""

    nxt: int = field(Int8ub, "Next Header", names=IpProtocol)
    len: int = field(Int8ub, "Length", default=AUTO)
    options: tuple[Ipv6Option, ...] = field(
        Bounded(this.len * 8 + 6, Items(Ipv6Option)), name="", default=(Ipv6Option(type=1, body=PadN(padn=bytes(4))),)
    )


class Type0Address(Header, layer="ipv6.routing.src"):
    """One hop."""

    addr: str = field(Bytes(16), "Address", as_=IPV6)


class Type0(Header, layer="ipv6.routing.src"):
    """RFC 2460 section 4.4: the addresses still to visit, the last of them the final destination."""

    reserved: bytes = field(Bytes(4), "Reserved", default=bytes(4))
    addresses: tuple[Type0Address, ...] = field(Items(Type0Address), name="", default=())


class Type2(Header, layer="ipv6.routing.mipv6"):
    """RFC 6275 section 6.4: the mobile node's home address."""

    reserved: bytes = field(Bytes(4), "Reserved", default=bytes(4))
    home_address: str = field(Bytes(16), "Home Address", as_=IPV6)


class Segment(Header, layer="ipv6.routing.srh"):
    """One entry of the segment list."""

    addr: str = field(Bytes(16), "Address", as_=IPV6)


class SegmentRouting(Header, layer="ipv6.routing.srh"):
    """RFC 8754 section 2: the segments in reverse, so that entry 0 is the final destination; then TLVs."""

    last_entry: int = field(Int8ub, "Last Entry", default=AUTO)
    flags: int = field(Int8ub, "Flags", base="hex", default=0)
    tag: bytes = field(Bytes(2), "Tag", default=bytes(2))
    addresses: tuple[Segment, ...] = field(Bounded((this.last_entry + 1) * 16, Items(Segment)), name="")
    tlv: bytes = field(GreedyBytes, "Optional TLVs", default=b"")


class OtherRouting(Header, layer="ipv6.routing"):
    """A routing type that has no page here."""

    unknown_data: bytes = field(GreedyBytes, "Type-Specific Data", default=bytes(4))


class Routing(Header, layer="ipv6.routing", label="IPv6 Routing Header"):
    """RFC 8200 section 4.4. `len` counts units of 8 bytes after the first; `segleft` the hops still to make."""

    nxt: int = field(Int8ub, "Next Header", names=IpProtocol)
    len: int = field(Int8ub, "Length", default=AUTO)
    type: int = field(Int8ub, "Type", names=ROUTING_NAMES)
    segleft: int = field(Int8ub, "Segments Left", default=0)
    body: Header = field(
        Bounded(
            this.len * 8 + 4,
            Switch(this.type, {0: Type0, 2: Type2, 4: SegmentRouting}, default=OtherRouting),
        ),
        name="",
    )


class Fragment(Header, layer="ipv6.fraghdr", label="IPv6 Fragment Header"):
    """RFC 8200 section 4.5. `offset` counts units of 8 bytes."""

    nxt: int = field(Int8ub, "Next header", names=IpProtocol)
    reserved_octet: int = field(Int8ub, "Reserved octet", base="hex", default=0)
    _offset_more = field(Int16ub)
    offset: int = bits(_offset_more, 0xFFF8, "Offset", default=0)
    reserved_bits: int = bits(_offset_more, 0x0006, "Reserved bits", default=0)
    more: bool = bits(_offset_more, 0x0001, "More fragments", as_=bool, default=False)
    ident: int = field(Int32ub, "Identification", base="hex", default=0)

    def summary(self) -> str:
        """Return ``fragment of 0x0000002a at 1448, more follow``."""
        more = ", more follow" if self.more else ", the last"
        return f"fragment of {self.ident:#010x} at {8 * self.offset}{more}"
