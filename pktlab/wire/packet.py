"""What follows what in a packet: one literal table, `FOLLOWS`; and `build`, which puts headers together.

A user's own protocols are not added to the table but given with each call, as `Binding`s, and go before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from construct import this

from pktlab.wire import icmp, icmpv6
from pktlab.wire.apps.bittorrent.http_tracker import TrackerAnswer, TrackerGet
from pktlab.wire.apps.bittorrent.krpc import Krpc
from pktlab.wire.apps.bittorrent.lsd import Lsd
from pktlab.wire.apps.bittorrent.peers import Bittorrent, BittorrentIdle
from pktlab.wire.apps.bittorrent.tracker import (
    Announce,
    Announced,
    Announced6,
    Connect,
    Connected,
    Refused,
    Scrape,
    Scraped,
)
from pktlab.wire.apps.bittorrent.utp import TYPES as UTP_TYPES
from pktlab.wire.apps.bittorrent.utp import Utp, Utp0
from pktlab.wire.apps.dhcp import Dhcp
from pktlab.wire.apps.dhcpv6 import Dhcpv6
from pktlab.wire.apps.dns import Dns, DnsTcp
from pktlab.wire.apps.http import METHODS, Http, Ssdp
from pktlab.wire.apps.llmnr import Llmnr
from pktlab.wire.apps.mdns import Mdns
from pktlab.wire.apps.ntp import Ntp
from pktlab.wire.apps.quic import Quic
from pktlab.wire.apps.rtcp import Rtcp
from pktlab.wire.apps.rtp import Rtp
from pktlab.wire.apps.stun import Stun
from pktlab.wire.apps.tls import CONTENT, Tls
from pktlab.wire.arp import Arp
from pktlab.wire.dccp import Dccp
from pktlab.wire.ethernet import Ethernet, Ieee8021ad, Ieee8021ah, Ieee8023, Vlan, VlanLength
from pktlab.wire.gre import Erspan, Erspan3, Gre, Pptp
from pktlab.wire.gtp import G_PDU, Gtpu
from pktlab.wire.header import Header
from pktlab.wire.icmp import Icmp
from pktlab.wire.icmpv6 import Icmpv6
from pktlab.wire.igmp import Igmp, Igmp3Report
from pktlab.wire.ipsec import Ah, Esp
from pktlab.wire.ipv4 import Ip
from pktlab.wire.ipv6 import DestinationOptions, Fragment, HopByHop, Ipv6, Routing
from pktlab.wire.llc import Llc, LlcNumbered
from pktlab.wire.loopback import Loop, Null, NullType
from pktlab.wire.mobility import Mobility
from pktlab.wire.mpls import Mpls
from pktlab.wire.overlays import EtherIp, Geneve, Vxlan
from pktlab.wire.ppp import Chdlc, Ppp, PppCompressed, PppControl, PppHdlc
from pktlab.wire.pppoe import PppoeDiscovery, PppoeSession
from pktlab.wire.pseudo import ends_of, pseudo_header
from pktlab.wire.routing import Ospf, Ospf3, Pim, Pim6, Vrrp, Vrrp3, Vrrp6
from pktlab.wire.sctp import Sctp
from pktlab.wire.sll import Sll, Sll2
from pktlab.wire.stp import Stp
from pktlab.wire.tcp import Tcp
from pktlab.wire.udp import Udp
from pktlab.wire.udplite import UdpLite

__all__ = ["FOLLOWS", "INSTEAD", "LINK_LAYERS", "LINK_TYPES", "PROTOCOLS", "Follows", "build"]


class Follows(NamedTuple):
    """What a header says about the one behind it.

    by : the field that tells, or several, of which the first that is in the table decides
    table : values of the field, and the headers that they stand for
    version : where the table is silent, headers by the first four bits behind, as IP has its version
    otherwise : where both are silent
    unless : expression over the header: nothing of the kind follows
    quotes : what follows is the start of another packet, quoted in an error
    guess : the field is only a hint, like a port: what does not read as the header it suggests is not that protocol
    first : with `guess`, where no hint holds, headers by the first byte behind, of which the first that the bytes look
        like (`Header.looks_like`) is read; `by` then names whole fields, no bits, and has to be looked like, too
    """

    by: str | tuple[str, ...]
    table: Mapping[int, type[Header]]
    version: Mapping[int, type[Header]] | None = None
    otherwise: type[Header] | None = None
    unless: Any = None
    quotes: bool = False
    guess: bool = False
    first: Mapping[int, tuple[type[Header], ...]] | None = None


ETHERTYPES: dict[int, type[Header]] = {
    0x0800: Ip, 0x0806: Arp, 0x6558: Ethernet, 0x8035: Arp, 0x8100: Vlan, 0x86DD: Ipv6, 0x880B: PppHdlc, 0x8847: Mpls,
    0x8848: Mpls, 0x8863: PppoeDiscovery, 0x8864: PppoeSession, 0x88A8: Ieee8021ad, 0x88E7: Ieee8021ah,
    0x9100: Vlan,
}  # fmt: skip
SLL_TYPES: dict[int, type[Header]] = {**ETHERTYPES, 0x0004: Llc}
CHDLC_TYPES: dict[int, type[Header]] = {0x0800: Ip, 0x86DD: Ipv6, 0x8847: Mpls, 0x8848: Mpls}
"""Cisco's keep-alive (SLARP) has the number that is RARP elsewhere."""
SAPS: dict[int, type[Header]] = {**ETHERTYPES, 0x06: Ip, 0x42: Stp, 0x010B: Stp}
"""By EtherType, Cisco's number (0x010b is PVST+) or service access point: none is also one of the others."""
PPP_PROTOCOLS: dict[int, type[Header]] = {
    0x0021: Ip, 0x0057: Ipv6, 0x0281: Mpls, 0x0283: Mpls, 0x8021: PppControl, 0x8057: PppControl, 0x80FD: PppControl,
    0x8281: PppControl, 0xC021: PppControl, 0xC023: PppControl, 0xC223: PppControl,
}  # fmt: skip
IP_PROTOCOLS: dict[int, type[Header]] = {
    0: HopByHop, 1: Icmp, 2: Igmp, 4: Ip, 6: Tcp, 17: Udp, 33: Dccp, 41: Ipv6, 43: Routing, 44: Fragment, 47: Gre,
    50: Esp, 51: Ah, 58: Icmpv6, 60: DestinationOptions, 89: Ospf, 97: EtherIp, 103: Pim, 112: Vrrp, 132: Sctp,
    135: Mobility, 136: UdpLite, 137: Mpls,
}  # fmt: skip
IPV6_PROTOCOLS: dict[int, type[Header]] = {**IP_PROTOCOLS, 103: Pim6, 112: Vrrp6}
"""The same over IPv6; two have other sums or addresses there."""
GRE_TYPES: dict[int, type[Header]] = {**ETHERTYPES, 0x88BE: Erspan, 0x22EB: Erspan3}
FAMILIES: dict[int, type[Header]] = {2: Ip, 10: Ipv6, 24: Ipv6, 28: Ipv6, 30: Ipv6}
VERSIONS: dict[int, type[Header]] = {4: Ip, 6: Ipv6}
UDP_PORTS: dict[int, type[Header]] = {
    53: Dns, 67: Dhcp, 68: Dhcp, 123: Ntp, 546: Dhcpv6, 547: Dhcpv6, 1900: Ssdp, 2152: Gtpu, 3544: Ipv6, 4789: Vxlan,
    5353: Mdns, 5355: Llmnr, 6081: Geneve, 6635: Mpls, 6969: Connected, 8472: Vxlan,
}  # fmt: skip
"""Ports that suggest a protocol; 3544 is Teredo, of which the bare form is read."""
TCP_PORTS: dict[int, type[Header]] = {53: DnsTcp}


def _by_first_byte(*known: tuple[Iterable[int], type[Header]]) -> dict[int, tuple[type[Header], ...]]:
    """Return for each byte the headers that may start with it, in the order in which they are tried."""
    table: dict[int, tuple[type[Header], ...]] = {}
    for octets, kind in known:
        for octet in dict.fromkeys(octets):
            table[octet] = (*table.get(octet, ()), kind)
    return table


LONG_HEADERS = _by_first_byte((range(0x80, 0x100), Quic))
ANY = range(0x100)
UDP_FIRST = _by_first_byte(
    (range(2), Stun), (range(0x80, 0x100), Quic), (b"d", Krpc), (b"B", Lsd), (b"\0", Connect), (ANY, Announce),
    (ANY, Scrape), (b"\0", Announced6), (b"\0", Announced), (b"\0", Scraped), (b"\0", Refused),
    ([kind << 4 | 1 for kind in UTP_TYPES], Utp), (ANY, Utp0),
)  # fmt: skip
PEER_FIRST = _by_first_byte((b"\0\x13", Bittorrent), (b"\0", BittorrentIdle))
TCP_FIRST = {
    **_by_first_byte(
        (CONTENT, Tls), (b"G", TrackerGet), ([ord("H"), *(method[0] for method in METHODS)], Http),
        (b"d", TrackerAnswer),
    ),
    **PEER_FIRST,
}  # fmt: skip
"""Protocols that are known by how they begin, on any port: by their first byte."""

FOLLOWS: dict[type[Header], Follows] = {
    Ethernet: Follows("type", ETHERTYPES),
    Ieee8023: Follows((), {}, otherwise=Llc),
    Vlan: Follows("etype", ETHERTYPES),
    VlanLength: Follows((), {}, otherwise=Llc),
    Ieee8021ad: Follows("etype", ETHERTYPES),
    Ieee8021ah: Follows("etype", ETHERTYPES),
    Sll: Follows("etype", SLL_TYPES),
    Sll2: Follows("etype", SLL_TYPES),
    Llc: Follows(("type", "cisco_pid", "dsap"), SAPS, unless=this.control != 3),
    Mpls: Follows("bottom", {0: Mpls}, version=VERSIONS, guess=True),
    PppoeSession: Follows((), {}, otherwise=Ppp),
    Ppp: Follows("protocol", PPP_PROTOCOLS),
    PppCompressed: Follows("protocol", PPP_PROTOCOLS),
    PppHdlc: Follows("protocol", PPP_PROTOCOLS),
    Chdlc: Follows("protocol", CHDLC_TYPES),
    Null: Follows("family", FAMILIES),
    Loop: Follows("family", FAMILIES),
    NullType: Follows("type", ETHERTYPES),
    Ip: Follows("proto", IP_PROTOCOLS, unless=this.frag_offset > 0),
    Ipv6: Follows("nxt", IPV6_PROTOCOLS),
    HopByHop: Follows("nxt", IPV6_PROTOCOLS),
    DestinationOptions: Follows("nxt", IPV6_PROTOCOLS),
    Routing: Follows("nxt", IPV6_PROTOCOLS),
    Fragment: Follows("nxt", IPV6_PROTOCOLS, unless=this.offset > 0),
    Ah: Follows("next_header", IP_PROTOCOLS),
    Pim: Follows((), {}, version=VERSIONS, unless=this.type != 1),
    Pim6: Follows((), {}, version=VERSIONS, unless=this.type != 1),
    Gre: Follows("inside", GRE_TYPES),
    Pptp: Follows("proto", GRE_TYPES),
    Erspan: Follows((), {}, otherwise=Ethernet),
    Erspan3: Follows("ft", {0: Ethernet}, version=VERSIONS),
    Vxlan: Follows((), {}, otherwise=Ethernet, guess=True),
    Geneve: Follows("proto_type", ETHERTYPES, guess=True),
    EtherIp: Follows((), {}, otherwise=Ethernet),
    Gtpu: Follows((), {}, version=VERSIONS, unless=this.message != G_PDU, guess=True),
    Icmp: Follows("type", dict.fromkeys(icmp.ERROR_TYPES, Ip), quotes=True),
    Icmpv6: Follows("type", dict.fromkeys(icmpv6.ERROR_TYPES, Ipv6), quotes=True),
    Udp: Follows(("dstport", "srcport"), UDP_PORTS, guess=True, first=UDP_FIRST),
    Tcp: Follows(("dstport", "srcport"), TCP_PORTS, guess=True, first=TCP_FIRST),
    Quic: Follows((), {}, guess=True, first=LONG_HEADERS),
    Http: Follows((), {}, guess=True, first=_by_first_byte((b"d", TrackerAnswer))),
    Utp: Follows((), {}, guess=True, first=PEER_FIRST),
}
INSTEAD: dict[type[Header], tuple[tuple[Any, type[Header]], ...]] = {
    Ethernet: ((this.type < 0x0600, Ieee8023),),
    Vlan: ((this.etype < 0x0600, VlanLength),),
    Llc: (((this.control & 3) != 3, LlcNumbered),),
    PppHdlc: (((this.address & 0x7F) == 0x0F, Chdlc), (this.address != 0xFF, Ppp)),
    Igmp: ((this.type == 0x22, Igmp3Report),),
    Ospf: ((this.version == 3, Ospf3),),
    Vrrp: ((this.version == 3, Vrrp3),),
    Gre: ((this.flags_version == 1, Pptp),),
    Ppp: (((this.protocol & 0x0100) > 0, PppCompressed),),
    Null: ((this.family > 0xFFFF, Loop),),
    Loop: ((this.family > 0xFFFF, NullType),),
}
"""Headers that are another one if the expression over them holds; the first that does decides."""
LINK_TYPES: dict[int, type[Header] | Mapping[int, type[Header]]] = {
    0: Null, 1: Ethernet, 9: PppHdlc, 12: VERSIONS, 14: VERSIONS, 50: PppHdlc, 51: PppoeSession, 101: VERSIONS,
    104: Chdlc, 108: Loop, 113: Sll, 228: Ip, 229: Ipv6, 276: Sll2,
}  # fmt: skip
"""Outermost header of each link type of tcpdump.org; raw IP is told by its version."""
PROTOCOLS: tuple[type[Header], ...] = (
    Ethernet, Ieee8023, Vlan, VlanLength, Ieee8021ad, Ieee8021ah, Sll, Sll2, Null, Loop, NullType, Llc, LlcNumbered,
    Stp, Mpls, PppoeDiscovery, PppoeSession, Ppp, PppCompressed, PppHdlc, PppControl, Chdlc,
    Arp, Ip, Icmp, Ipv6, HopByHop, Routing, Fragment, DestinationOptions, Ah, Esp, Icmpv6, Udp, Tcp,
    UdpLite, Sctp, Dccp, Mobility, Igmp, Igmp3Report, Ospf, Ospf3, Vrrp, Vrrp3, Vrrp6, Pim, Pim6,
    Gre, Pptp, Erspan, Erspan3, Vxlan, Geneve, EtherIp, Gtpu,
    Dns, DnsTcp, Mdns, Llmnr, Http, Ssdp, Tls, Dhcp, Dhcpv6, Ntp, Stun, Quic, Rtp, Rtcp,
    Bittorrent, BittorrentIdle, Utp, Utp0, Krpc, Lsd,
    Connect, Announce, Scrape, Connected, Announced, Announced6, Scraped, Refused, TrackerGet, TrackerAnswer,
)  # fmt: skip
"""Every header that can be a layer, from the link up."""
LINK_LAYERS = (
    Ethernet, Ieee8023, Vlan, VlanLength, Ieee8021ad, Ieee8021ah, Sll, Sll2, Null, Loop, NullType, Llc, LlcNumbered,
    Mpls, PppoeDiscovery, PppoeSession, Ppp, PppCompressed, PppHdlc, Chdlc,
)  # fmt: skip
"""Headers of the link; what is behind the first other one is trailer, not payload."""


def build(*parts: Header | bytes) -> bytes:
    """Return the bytes of a packet made of headers and data, from the outermost in.

    Lengths and checksums that were left open are filled, innermost first; transport checksums are taken between the
    ends that the headers below name.

    >>> build(Ip(src="127.0.0.1", dst="127.0.0.1", proto=17), Udp(srcport=53, dstport=69), b"hi").hex()
    '4500001e0000000040117ccd7f0000017f00000100350045000a98f46869'
    """
    payload = b""
    for index in range(len(parts) - 1, -1, -1):
        part = parts[index]
        if isinstance(part, bytes | bytearray):
            payload = bytes(part) + payload
            continue
        below = [header for header in parts[:index] if isinstance(header, Header)]
        payload = part.build(payload, _pseudo_of(below))
    return payload


def _pseudo_of(below: list[Header]) -> Any:
    ends = ends_of(below)
    if ends is None:
        return None
    return lambda length: pseudo_header(ends, length).build()
