"""ICMPv6: errors, echo, and neighbour discovery; its multicast part is in `mld`.

Spec: RFC 4443; RFC 4861 section 4; RFC 8106 (DNS options); RFC 4191 (routes); RFC 3971 section 5.3.2 (nonce).
"""

from __future__ import annotations

from construct import Bytes, GreedyBytes, Int8ub, Int16ub, Int32ub, Pass, this

from pktlab.wire.extended_echo import ProbeReply6, ProbeRequest6
from pktlab.wire.fields import AUTO, bits, field
from pktlab.wire.fills import internet_checksum
from pktlab.wire.header import Header
from pktlab.wire.icmp import message_name
from pktlab.wire.mld import MldMessage, MldQuery, MldReport
from pktlab.wire.nodes import Bounded, Items, Switch
from pktlab.wire.values import IPV6

__all__ = ["ERROR_TYPES", "Echo", "Icmpv6", "NeighborAdvertisement", "NeighborSolicitation"]

TYPE_NAMES = {
    1: "Destination Unreachable", 2: "Packet Too Big", 3: "Time Exceeded", 4: "Parameter Problem",
    128: "Echo request", 129: "Echo reply", 130: "Multicast Listener Query", 131: "Multicast Listener Report",
    132: "Multicast Listener Done", 133: "Router Solicitation", 134: "Router Advertisement",
    135: "Neighbor Solicitation", 136: "Neighbor Advertisement", 137: "Redirect",
    143: "Multicast Listener Report v2", 160: "Extended echo request", 161: "Extended echo reply",
}  # fmt: skip
CODE_NAMES = {
    (1, 0): "no route", (1, 1): "administratively prohibited", (1, 3): "address unreachable",
    (1, 4): "port unreachable", (3, 0): "hop limit exceeded in transit",
    (3, 1): "fragment reassembly time exceeded",
}  # fmt: skip
ND_OPTION_NAMES = {
    1: "Source link-layer address", 2: "Target link-layer address", 3: "Prefix information",
    4: "Redirected header", 5: "MTU", 14: "Nonce", 24: "Route information", 25: "Recursive DNS server",
    31: "DNS search list",
}  # fmt: skip
ERROR_TYPES = frozenset({1, 2, 3, 4})
"""Types that quote the packet they are about."""


class Reserved(Header, layer="icmpv6"):
    """Four octets that say nothing."""

    reserved: bytes = field(Bytes(4), "Reserved", default=bytes(4))


class TooBig(Header, layer="icmpv6"):
    """The MTU of the link that the packet did not fit."""

    mtu: int = field(Int32ub, "MTU")


class Problem(Header, layer="icmpv6"):
    """Which octet of the quoted packet is wrong."""

    pointer: int = field(Int32ub, "Pointer")


class Echo(Header, layer="icmpv6.echo"):
    """What matches a reply to its request."""

    identifier: int = field(Int16ub, "Identifier", base="hex", default=0)
    sequence_number: int = field(Int16ub, "Sequence", default=0)


class LinkAddress(Header, layer="icmpv6.opt"):
    """RFC 4861 section 4.6.1."""

    linkaddr: bytes = field(GreedyBytes, "Link-layer address")


class Prefix(Header, layer="icmpv6.opt"):
    """RFC 4861 section 4.6.2."""

    prefix_length: int = field(Int8ub, "Prefix Length", name="prefix.length", default=64)
    prefix_flag: int = field(Int8ub, "Flag", base="hex", name="prefix.flag", default=0)
    prefix_flag_l: bool = bits(prefix_flag, 0x80, "On-link", as_=bool, name="prefix.flag.l", default=None)
    prefix_flag_a: bool = bits(prefix_flag, 0x40, "Autonomous", as_=bool, name="prefix.flag.a", default=None)
    prefix_flag_r: bool = bits(prefix_flag, 0x20, "Router address", as_=bool, name="prefix.flag.r", default=None)
    prefix_flag_reserved: int = bits(prefix_flag, 0x1F, "Reserved", name="prefix.flag.reserved", default=None)
    prefix_valid_lifetime: int = field(Int32ub, "Valid Lifetime", name="prefix.valid_lifetime")
    prefix_preferred_lifetime: int = field(Int32ub, "Preferred Lifetime", name="prefix.preferred_lifetime")
    reserved: bytes = field(Bytes(4), "Reserved", default=bytes(4))
    prefix: str = field(Bytes(16), "Prefix", as_=IPV6)


class Mtu(Header, layer="icmpv6.opt"):
    """RFC 4861 section 4.6.4."""

    reserved: bytes = field(Bytes(2), "Reserved", default=bytes(2))
    mtu: int = field(Int32ub, "MTU")


class Redirected(Header, layer="icmpv6.opt"):
    """RFC 4861 section 4.6.3: the start of the packet that went the wrong way."""

    reserved: bytes = field(Bytes(6), "Reserved", default=bytes(6))
    redirected_packet: bytes = field(GreedyBytes, "Redirected Packet", default=b"")


class Nonce(Header, layer="icmpv6.opt"):
    """RFC 3971 section 5.3.2."""

    nonce: bytes = field(GreedyBytes, "Nonce")


class RouteInformation(Header, layer="icmpv6.opt"):
    """RFC 4191 section 2.3; of the prefix as many octets are there as the length of the option leaves: 0, 8, 16."""

    prefix_length: int = field(Int8ub, "Prefix Length", name="prefix.length")
    route_info_flag: int = field(Int8ub, "Flag", base="hex", name="route_info.flag", default=0)
    route_preference: int = bits(
        route_info_flag, 0x18, "Route Preference", name="route_info.flag.route_preference", default=None
    )
    route_reserved: int = bits(route_info_flag, 0xE7, "Reserved", name="route_info.flag.reserved", default=None)
    route_lifetime: int = field(Int32ub, "Route Lifetime")
    route_prefix: bytes = field(GreedyBytes, "Prefix", name="", default=b"")


class DnsServer(Header, layer="icmpv6.opt"):
    """One server."""

    rdnss: str = field(Bytes(16), "Recursive DNS Server", as_=IPV6)


class DnsServers(Header, layer="icmpv6.opt"):
    """RFC 8106 section 5.1."""

    reserved: bytes = field(Bytes(2), "Reserved", default=bytes(2))
    rdnss_lifetime: int = field(Int32ub, "Lifetime", name="rdnss.lifetime")
    servers: tuple[DnsServer, ...] = field(Items(DnsServer), name="", default=())


class DnsSearchList(Header, layer="icmpv6.opt"):
    """RFC 8106 section 5.2; the names are left as they are."""

    reserved: bytes = field(Bytes(2), "Reserved", default=bytes(2))
    dnssl_lifetime: int = field(Int32ub, "Lifetime", name="dnssl.lifetime")
    domain_names: bytes = field(GreedyBytes, "Domain Names", name="", default=b"")


class OtherOption(Header, layer="icmpv6.opt"):
    """An option whose inside has no page here."""

    data: bytes = field(GreedyBytes, "Data", default=b"")


class NdOption(Header, layer="icmpv6.opt", label="Option"):
    """RFC 4861 section 4.6. `length` counts units of 8 bytes, the type and itself too."""

    type: int = field(Int8ub, "Type", names=ND_OPTION_NAMES)
    length: int = field(Int8ub, "Length", min=1, default=AUTO)
    body: Header = field(
        Bounded(
            this.length * 8 - 2,
            Switch(
                this.type,
                {
                    1: LinkAddress, 2: LinkAddress, 3: Prefix, 4: Redirected, 5: Mtu, 14: Nonce, 24: RouteInformation,
                    25: DnsServers, 31: DnsSearchList,
                },
                default=OtherOption,
            ),
        ),
        name="",
    )  # fmt: skip

    def summary(self) -> str:
        """Return the option's name."""
        return ND_OPTION_NAMES.get(self.type, f"Option {self.type}")


class RouterSolicitation(Header, layer="icmpv6"):
    """RFC 4861 section 4.1."""

    reserved: bytes = field(Bytes(4), "Reserved", default=bytes(4))
    options: tuple[NdOption, ...] = field(Items(NdOption), name="", default=())


class RouterAdvertisement(Header, layer="icmpv6.nd.ra"):
    """RFC 4861 section 4.2."""

    cur_hop_limit: int = field(Int8ub, "Cur hop limit", default=0)
    flag: int = field(Int8ub, "Flags", base="hex", default=0)
    flag_m: bool = bits(flag, 0x80, "Managed address configuration", as_=bool, name="flag.m", default=None)
    flag_o: bool = bits(flag, 0x40, "Other configuration", as_=bool, name="flag.o", default=None)
    flag_h: bool = bits(flag, 0x20, "Home agent", as_=bool, name="flag.h", default=None)
    flag_prf: int = bits(flag, 0x18, "Default router preference", name="flag.prf", default=None)
    flag_p: bool = bits(flag, 0x04, "ND proxy", as_=bool, name="flag.p", default=None)
    router_lifetime: int = field(Int16ub, "Router lifetime", default=0)
    reachable_time: int = field(Int32ub, "Reachable time", default=0)
    retrans_timer: int = field(Int32ub, "Retrans timer", default=0)
    options: tuple[NdOption, ...] = field(Items(NdOption), name="", default=())


class ExtendedRequest(Header, layer="icmpv6.echo"):
    """RFC 8335 section 2."""

    identifier: int = field(Int16ub, "Identifier", base="hex", default=0)
    probe: ProbeRequest6 = field(ProbeRequest6, name="", default=ProbeRequest6())


class ExtendedReply(Header, layer="icmpv6.echo"):
    """RFC 8335 section 3."""

    identifier: int = field(Int16ub, "Identifier", base="hex", default=0)
    probe: ProbeReply6 = field(ProbeReply6, name="", default=ProbeReply6())


class NeighborSolicitation(Header, layer="icmpv6"):
    """RFC 4861 section 4.3."""

    reserved: bytes = field(Bytes(4), "Reserved", default=bytes(4))
    nd_ns_target_address: str = field(Bytes(16), "Target Address", as_=IPV6, name="nd.ns.target_address")
    options: tuple[NdOption, ...] = field(Items(NdOption), name="", default=())


class NeighborAdvertisement(Header, layer="icmpv6.nd.na"):
    """RFC 4861 section 4.4."""

    flag: int = field(Int32ub, "Flags", base="hex", default=0)
    flag_r: bool = bits(flag, 0x80000000, "Router", as_=bool, name="flag.r", default=None)
    flag_s: bool = bits(flag, 0x40000000, "Solicited", as_=bool, name="flag.s", default=None)
    flag_o: bool = bits(flag, 0x20000000, "Override", as_=bool, name="flag.o", default=None)
    flag_rsv: int = bits(flag, 0x1FFFFFFF, "Reserved", name="flag.rsv", default=None)
    target_address: str = field(Bytes(16), "Target Address", as_=IPV6)
    options: tuple[NdOption, ...] = field(Items(NdOption), name="", default=())


class NeighborRedirect(Header, layer="icmpv6"):
    """RFC 4861 section 4.5."""

    reserved: bytes = field(Bytes(4), "Reserved", default=bytes(4))
    nd_rd_target_address: str = field(Bytes(16), "Target Address", as_=IPV6, name="nd.rd.target_address")
    rd_na_destination_address: str = field(Bytes(16), "Destination Address", as_=IPV6, name="rd.na.destination_address")
    options: tuple[NdOption, ...] = field(Items(NdOption), name="", default=())


class Icmpv6(Header, layer="icmpv6", label="Internet Control Message Protocol v6"):
    """RFC 4443 section 2.1; unlike ICMP for IPv4, its checksum covers a pseudo-header."""

    type: int = field(Int8ub, "Type", names=TYPE_NAMES)
    code: int = field(Int8ub, "Code", default=0)
    checksum: int = field(Int16ub, "Checksum", base="hex", default=internet_checksum(pseudo=True))
    body: Header | None = field(
        Switch(
            this.type,
            {
                1: Reserved, 2: TooBig, 3: Reserved, 4: Problem, 128: Echo, 129: Echo, 130: MldQuery,
                131: MldMessage, 132: MldMessage, 133: RouterSolicitation,
                134: RouterAdvertisement, 135: NeighborSolicitation, 136: NeighborAdvertisement,
                137: NeighborRedirect, 143: MldReport, 160: ExtendedRequest, 161: ExtendedReply,
            },
            default=Pass,
        ),
        name="",
        default=None,
    )  # fmt: skip

    def summary(self) -> str:
        """Return ``ICMPv6 Echo request id=0x0001 seq=2``, with a neighbour's address where there is one."""
        return f"ICMPv6 {message_name(self.type, self.code, TYPE_NAMES, CODE_NAMES)}{self._about()}"

    def _about(self) -> str:
        match self.body:
            case Echo(identifier=identifier, sequence_number=number):
                return f" id={identifier:#06x} seq={number}"
            case NeighborSolicitation(nd_ns_target_address=target):
                return f" for {target}"
            case NeighborAdvertisement(target_address=target):
                return f" of {target}"
            case MldMessage(multicast_address=group) | MldQuery(multicast_address=group):
                return f" {group}"
            case MldReport(records=records):
                return f" {', '.join(record.summary() for record in records)}".rstrip()
        return ""
