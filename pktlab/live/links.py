"""The interfaces of this machine (of this network namespace), where packets to an address go, and who is at home there.

Nothing is sent: what is not known already is asked for by `pktlab.live.resolving`.
"""

from __future__ import annotations

import difflib
import errno
import ipaddress
import socket
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from pktlab.errors import PktlabError
from pktlab.live.netlink import GET_LINK, GET_NEIGHBOUR, GET_ROUTE, ask, attributes

__all__ = ["LINK_TYPES", "Link", "Route", "known_mac", "leads_outside", "link_named", "links", "route_to"]

LINK_TYPES = {1: 1, 772: 1, 65534: 101, 768: 101, 769: 101, 776: 101, 519: 101}
"""ARPHRD_ numbers (include/uapi/linux/if_arp.h) of Ethernet and loopback, of NONE (TUN), TUNNEL, TUNNEL6, SIT and
RAWIP, and the link types of their packets."""
ETHERNET = 1
IFF_UP, IFF_LOOPBACK, IFF_NOARP = 0x1, 0x8, 0x80
VIRTUAL = {"veth", "tun", "dummy"}
WIDE = 8
"""A route to a network whose prefix is shorter leads to the world."""
USABLE = 0xDE  # NUD_REACHABLE, STALE, DELAY, PROBE, NOARP, PERMANENT
UNICAST, BROADCAST, MAIN_TABLE = 1, 3, 254
_LINK = struct.Struct("=BxHiII")  # family, hardware, index, flags, change
_ROUTE = struct.Struct("=8BI")  # family, dst_len, src_len, tos, table, protocol, scope, type, flags
_NEIGHBOUR = struct.Struct("=B3xiHBB")  # family, index, state, flags, type
_HOP = struct.Struct("=H2xi")  # length, flags and hops, index
_IFLA_ADDRESS, _IFLA_NAME, _IFLA_MTU, _IFLA_LINKINFO, _INFO_KIND = 1, 3, 4, 18, 1
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PREFSRC, _RTA_MULTIPATH, _RTA_VIA = 1, 4, 5, 7, 9, 18
_NDA_DST, _NDA_MAC = 1, 2


@dataclass(frozen=True)
class Link:
    """An interface.

    index : the kernel's number for it; hardware : ARPHRD_ number; mac : its address, empty if it has none;
    kind : what sort of virtual interface it is, as ``ip link`` has it; empty if it is none

    >>> loopback = Link(1, "lo", 772, IFF_UP | IFF_LOOPBACK, 65536, "00:00:00:00:00:00", "")
    >>> loopback.link_type, loopback.is_loopback, loopback.is_up
    (1, True, True)
    """

    index: int
    name: str
    hardware: int
    flags: int
    mtu: int
    mac: str
    kind: str

    @property
    def link_type(self) -> int:
        """What its packets start with, as captures have it.

        Raises
        ------
        PktlabError : something that pktlab does not read
        """
        if self.hardware not in LINK_TYPES:
            raise PktlabError(f"{self.name} carries neither Ethernet nor IP (ARPHRD {self.hardware}): take another one")
        return LINK_TYPES[self.hardware]

    @property
    def is_ethernet(self) -> bool:
        """Whether its packets start with an Ethernet header."""
        return self.link_type == ETHERNET

    @property
    def is_loopback(self) -> bool:
        """Whether what is sent there comes back."""
        return bool(self.flags & IFF_LOOPBACK)

    @property
    def is_up(self) -> bool:
        """Whether it is switched on."""
        return bool(self.flags & IFF_UP)


class Route(NamedTuple):
    """Which way packets to an address go: the interface's number, the address that they come from, who takes them on.

    gateway : empty if the goal itself is on the link; source : empty if the kernel has no address to use;
    is_broadcast : the goal is everybody on the link
    """

    link_index: int
    source: str
    gateway: str
    is_broadcast: bool


def links() -> list[Link]:
    """Return the interfaces there are.

    >>> any(link.is_loopback for link in links())
    True
    """
    found = []
    for fixed, given in ask(GET_LINK, _LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0), dump=True):
        _, hardware, index, flags, _ = _LINK.unpack(fixed)
        name = given[_IFLA_NAME].rstrip(b"\0").decode(errors="surrogateescape")
        kind = dict(attributes(given.get(_IFLA_LINKINFO, b""))).get(_INFO_KIND, b"").rstrip(b"\0").decode()
        mac = given.get(_IFLA_ADDRESS, b"")
        mtu = int.from_bytes(given.get(_IFLA_MTU, b""), sys.byteorder)
        found.append(Link(index, name, hardware, flags, mtu, mac.hex(":") if len(mac) == 6 else "", kind))
    return found


def link_named(name: str) -> Link:
    """Return an interface by its name.

    Raises
    ------
    PktlabError : there is none, or it is switched off

    >>> link_named("lo").mtu >= 1500
    True
    >>> link_named("lo0")
    Traceback (most recent call last):
    ...
    pktlab.errors.PktlabError: there is no interface lo0, did you mean lo?
    """
    known = {link.name: link for link in links()}
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f", did you mean {near[0]}?" if near else f"; there are {', '.join(known)}"
        raise PktlabError(f"there is no interface {name}{hint}")
    if not known[name].is_up:
        raise PktlabError(f"{name} is switched off: sudo ip link set {name} up")
    return known[name]


def route_to(address: str, index: int = 0) -> Route:
    """Return which way packets to `address` go; with `index`, out of that interface.

    Raises
    ------
    PktlabError : there is no way

    >>> route_to("127.0.0.1").source
    '127.0.0.1'
    """
    goal = ipaddress.ip_address(address)
    family = socket.AF_INET if goal.version == 4 else socket.AF_INET6
    given = {_RTA_DST: goal.packed}
    if index:
        given[_RTA_OIF] = struct.pack("=I", index)
    try:
        answers = ask(GET_ROUTE, _ROUTE.pack(family, goal.max_prefixlen, 0, 0, 0, 0, 0, 0, 0), given)
    except OSError as error:
        where = f" out of {socket.if_indextoname(index)}" if index else ""
        raise PktlabError(
            f"there is no route to {address}{where} ({error.strerror}): name an interface with -i"
        ) from None
    kind, found = answers[0][0][7], answers[0][1]
    gateway = found.get(_RTA_GATEWAY) or found.get(_RTA_VIA, b"")[2:]
    return Route(
        int.from_bytes(found[_RTA_OIF], sys.byteorder),
        _text(found.get(_RTA_PREFSRC, b"")),
        _text(gateway),
        kind == BROADCAST,
    )


def known_mac(index: int, address: str) -> str:
    """Return the MAC address that the kernel knows for an address on an interface; empty if it knows none."""
    goal = ipaddress.ip_address(address)
    family = socket.AF_INET if goal.version == 4 else socket.AF_INET6
    for fixed, given in ask(GET_NEIGHBOUR, _NEIGHBOUR.pack(family, 0, 0, 0, 0), dump=True):
        _, at, state, _, _ = _NEIGHBOUR.unpack(fixed)
        if at == index and state & USABLE and given.get(_NDA_DST) == goal.packed and _NDA_MAC in given:
            return given[_NDA_MAC].hex(":")
    return ""


def leads_outside(link: Link) -> bool:
    """Tell whether what is sent on `link` may reach somebody else's network.

    It may not on loopback, and on a virtual interface (veth, TUN, dummy) over which no route of the namespace leads on:
    none through a gateway, and none to more than a /8. So a sandbox is one's own, and a container's uplink, which is a
    veth too, is not.
    """
    if link.is_loopback:
        return False
    if link.kind not in VIRTUAL:
        return True
    return any(_leads_on(family, link.index) for family in (socket.AF_INET, socket.AF_INET6))


def _leads_on(family: int, index: int) -> bool:
    try:
        routes = ask(GET_ROUTE, _ROUTE.pack(family, 0, 0, 0, 0, 0, 0, 0, 0), dump=True)
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.EAFNOSUPPORT):
            return False  # a kernel without IPv6
        raise
    for fixed, given in routes:
        _, dst_len, _, _, table, _, _, kind, _ = _ROUTE.unpack(fixed)
        several = given.get(_RTA_MULTIPATH, b"")
        if kind == UNICAST and several and index in _hops(several):
            return True
        if kind != UNICAST or int.from_bytes(given.get(_RTA_OIF, b""), sys.byteorder) != index:
            continue
        if _RTA_GATEWAY in given or _RTA_VIA in given or (dst_len < WIDE and table == MAIN_TABLE):
            return True
    return False


def _hops(several: bytes) -> Iterator[int]:
    """Yield the interfaces of a route that has several ways."""
    at = 0
    while at + _HOP.size <= len(several):
        length, index = _HOP.unpack_from(several, at)
        yield index
        at += max(length + -length % 4, _HOP.size)


def _text(packed: bytes) -> str:
    return str(ipaddress.ip_address(packed)) if packed else ""
