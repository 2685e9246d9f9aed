"""ICMP for IPv4.

Spec: RFC 792; RFC 950 (address mask); RFC 1191 (next-hop MTU); RFC 1256 (router discovery); RFC 8335 (extended echo).
"""

from __future__ import annotations

from collections.abc import Mapping

from construct import Bytes, Int8ub, Int16ub, Int32sb, Int32ub, Pass, this

from pktlab.wire.extended_echo import ProbeReply, ProbeRequest
from pktlab.wire.fields import field
from pktlab.wire.fills import internet_checksum
from pktlab.wire.header import Header
from pktlab.wire.nodes import Bounded, Items, Switch
from pktlab.wire.values import IPV4

__all__ = ["ERROR_TYPES", "Echo", "Icmp", "Unused", "message_name"]

TYPE_NAMES = {
    0: "Echo reply", 3: "Destination unreachable", 4: "Source quench", 5: "Redirect", 8: "Echo request",
    9: "Router advertisement", 10: "Router solicitation", 11: "Time exceeded", 12: "Parameter problem",
    13: "Timestamp request", 14: "Timestamp reply", 15: "Information request", 16: "Information reply",
    17: "Address mask request", 18: "Address mask reply", 42: "Extended echo request", 43: "Extended echo reply",
}  # fmt: skip
CODE_NAMES = {
    (3, 0): "network unreachable", (3, 1): "host unreachable", (3, 2): "protocol unreachable",
    (3, 3): "port unreachable", (3, 4): "fragmentation needed", (3, 5): "source route failed",
    (3, 13): "administratively prohibited", (11, 0): "time to live exceeded in transit",
    (11, 1): "fragment reassembly time exceeded",
}  # fmt: skip
ERROR_TYPES = frozenset({3, 4, 5, 11, 12})
"""Types that quote the packet they are about."""


def message_name(kind: int, code: int, kinds: Mapping[int, str], codes: Mapping[tuple[int, int], str]) -> str:
    """Return what people call a message of ICMP, of either version.

    >>> message_name(3, 1, TYPE_NAMES, CODE_NAMES), message_name(8, 0, TYPE_NAMES, CODE_NAMES)
    ('Destination unreachable (host unreachable)', 'Echo request')
    >>> message_name(250, 7, TYPE_NAMES, CODE_NAMES)
    'type 250 (code 7)'
    """
    said = codes.get((kind, code), f"code {code}" if code else "")
    return kinds.get(kind, f"type {kind}") + (f" ({said})" if said else "")


class Unused(Header, layer="icmp"):
    """Four octets that say nothing."""

    unused: bytes = field(Bytes(4), "Unused", default=bytes(4))


class Unreachable(Header, layer="icmp"):
    """RFC 1191: code 4 says which MTU would do."""

    unused: bytes = field(Bytes(2), "Unused", default=bytes(2))
    mtu: int = field(Int16ub, "MTU of next hop", default=0)


class Redirect(Header, layer="icmp"):
    """The gateway to use instead."""

    redir_gw: str = field(Bytes(4), "Gateway Address", as_=IPV4)


class Problem(Header, layer="icmp"):
    """Which octet of the quoted header is wrong."""

    pointer: int = field(Int8ub, "Pointer")
    unused: bytes = field(Bytes(3), "Unused", default=bytes(3))


class Echo(Header, layer="icmp"):
    """What matches a reply to its request."""

    ident: int = field(Int16ub, "Identifier", default=0)
    seq: int = field(Int16ub, "Sequence Number", default=0)


class ExtendedRequest(Header, layer="icmp"):
    """RFC 8335 section 2."""

    ident: int = field(Int16ub, "Identifier", default=0)
    probe: ProbeRequest = field(ProbeRequest, name="", default=ProbeRequest())


class ExtendedReply(Header, layer="icmp"):
    """RFC 8335 section 3."""

    ident: int = field(Int16ub, "Identifier", default=0)
    probe: ProbeReply = field(ProbeReply, name="", default=ProbeReply())


class Timestamp(Header, layer="icmp"):
    """Three times, ms since midnight UT."""

    ident: int = field(Int16ub, "Identifier", default=0)
    seq: int = field(Int16ub, "Sequence Number", default=0)
    originate_timestamp: int = field(Int32ub, "Originate Timestamp", default=0)
    receive_timestamp: int = field(Int32ub, "Receive Timestamp", default=0)
    transmit_timestamp: int = field(Int32ub, "Transmit Timestamp", default=0)


class AddressMask(Header, layer="icmp"):
    """RFC 950, appendix I."""

    ident: int = field(Int16ub, "Identifier", default=0)
    seq: int = field(Int16ub, "Sequence Number", default=0)
    address_mask: str = field(Bytes(4), "Address Mask", as_=IPV4)


class Router(Header, layer="icmp"):
    """A router's address and how much it is preferred."""

    router_address: str = field(Bytes(4), "Router Address", as_=IPV4)
    pref_level: int = field(Int32sb, "Preference Level", default=0)


class Advertisement(Header, layer="icmp"):
    """RFC 1256 section 3; entries have two words of four octets each."""

    num_addrs: int = field(Int8ub, "Number of addresses")
    addr_entry_size: int = field(Int8ub, "Address entry size", equals=2, default=2)
    lifetime: int = field(Int16ub, "Lifetime")
    routers: tuple[Router, ...] = field(Bounded(this.num_addrs * 8, Items(Router)), name="")


class Icmp(Header, layer="icmp", label="Internet Control Message Protocol"):
    """RFC 792: a type, a code, a checksum over everything to the end, and four octets or more that depend on both."""

    type: int = field(Int8ub, "Type", names=TYPE_NAMES)
    code: int = field(Int8ub, "Code", default=0)
    checksum: int = field(Int16ub, "Checksum", base="hex", default=internet_checksum())
    body: Header | None = field(
        Switch(
            this.type,
            {
                0: Echo, 3: Switch(this.code, {4: Unreachable}, default=Unused), 4: Unused, 5: Redirect, 8: Echo,
                9: Advertisement, 11: Unused, 12: Problem, 13: Timestamp, 14: Timestamp, 15: Echo, 16: Echo,
                17: AddressMask, 18: AddressMask, 42: ExtendedRequest, 43: ExtendedReply,
            },
            default=Pass,
        ),
        name="",
        default=None,
    )  # fmt: skip

    def summary(self) -> str:
        """Return ``ICMP Echo request id=1 seq=2``."""
        echo = f" id={self.body.ident} seq={self.body.seq}" if isinstance(self.body, Echo) else ""
        return f"ICMP {message_name(self.type, self.code, TYPE_NAMES, CODE_NAMES)}{echo}"
