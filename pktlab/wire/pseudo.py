"""The pseudo-header in front of a transport checksum: which source, which destination, which protocol.

It names the two ends, so a packet on its way through source routes has not the destination of its IP header but the
final one, and a mobile node has its home address as source. Exhausted routes are back to the header's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pktlab.wire import ipv4, ipv6
from pktlab.wire.checksum import fold
from pktlab.wire.header import Header
from pktlab.wire.ipsec import Ah
from pktlab.wire.ipv4 import Ip, PseudoIpv4
from pktlab.wire.ipv6 import DestinationOptions, Fragment, HopByHop, Ipv6, PseudoIpv6, Routing

__all__ = ["NEXT_FIELD", "PSEUDO_HEADERS", "Ends", "ends_of", "pseudo_header"]

NEXT_FIELD: dict[type[Header], str] = {
    Ip: "proto", Ipv6: "nxt", HopByHop: "nxt", DestinationOptions: "nxt", Routing: "nxt", Fragment: "nxt",
    Ah: "next_header",
}  # fmt: skip
"""Which field of a header holds the number of the protocol behind it."""
PSEUDO_HEADERS: dict[type[Header], type[Header]] = {Ip: PseudoIpv4, Ipv6: PseudoIpv6}
"""What transports over a header sum in front of their own bytes."""


@dataclass(frozen=True)
class Ends:
    """The ends that a transport checksum is taken between.

    `src`, `dst` as text; `proto` the transport's number; `note` says where an end is not that of the IP header;
    `unknown` says why an end cannot be told, and is empty if both can.
    """

    version: int
    src: str
    dst: str
    proto: int
    note: str = ""
    unknown: str = ""


def ends_of(below: Sequence[Header]) -> Ends | None:
    """Return the ends for a transport header that follows the headers `below`; None if there is no IP among them.

    Spec: RFC 791 section 3.1 (source routes); RFC 8200 section 8.1; RFC 8754 section 4.3; RFC 6275 section 11.3.1.
    """
    for index in range(len(below) - 1, -1, -1):
        header = below[index]
        if isinstance(header, Ip):
            return _ipv4_ends(header, _protocol(below))
        if isinstance(header, Ipv6):
            return _ipv6_ends(header, below[index + 1 :], _protocol(below))
    return None


def _protocol(below: Sequence[Header]) -> int:
    for header in reversed(below):
        name = NEXT_FIELD.get(type(header))
        if name is not None:
            return int(getattr(header, name))
    raise AssertionError("called with an IP header among `below`")


def _ipv4_ends(ip: Ip, proto: int) -> Ends:
    for option in ip.options.items:
        if option.type not in (ipv4.LOOSE_SOURCE_ROUTE, ipv4.STRICT_SOURCE_ROUTE):
            continue
        body = option.body
        if isinstance(body, ipv4.SourceRoute) and body.route and body.ptr <= (option.len or 0):
            final = body.route[-1].src_rt
            return Ends(4, ip.src, final, proto, note=f"final destination {final} of the source route")
    return Ends(4, ip.src, ip.dst, proto)


def _ipv6_ends(ip: Ipv6, extensions: Sequence[Header], proto: int) -> Ends:
    src, dst, notes, unknown = ip.src, ip.dst, [], ""
    for header in extensions:
        if isinstance(header, Routing) and header.segleft:
            final = _final_destination(header)
            if final is None:
                unknown = f"a routing header of type {header.type} hides the final destination"
            else:
                dst = final
                notes.append(f"final destination {final} of the routing header")
        elif isinstance(header, DestinationOptions):
            for option in header.options:
                if isinstance(option.body, ipv6.HomeAddress):
                    src = option.body.mipv6_home_address
                    notes.append(f"home address {src} as source")
    return Ends(6, src, dst, proto, note=", ".join(notes), unknown=unknown)


def _final_destination(routing: Routing) -> str | None:
    match routing.body:
        case ipv6.Type0(addresses=addresses) if addresses:
            return str(addresses[-1].addr)
        case ipv6.Type2(home_address=address):
            return str(address)
        case ipv6.SegmentRouting(addresses=addresses) if addresses:
            return str(addresses[0].addr)
    return None


def pseudo_header(ends: Ends, length: int) -> Header:
    """Return the pseudo-header of a transport header and data of `length` bytes together.

    Over IPv4 a length past 16 bits (segmentation offload, BIG TCP) is folded into them, as Linux sums it.

    >>> bytes(pseudo_header(Ends(4, "10.0.0.1", "10.0.0.2", 17), 12)).hex()
    '0a0000010a0000020011000c'
    """
    if ends.version == 4:
        return PseudoIpv4(src=ends.src, dst=ends.dst, proto=ends.proto, length=fold(length))
    return PseudoIpv6(src=ends.src, dst=ends.dst, nxt=ends.proto, length=length)
