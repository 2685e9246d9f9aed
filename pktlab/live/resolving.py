"""What crafting leaves out and sending finds out: where a packet comes from, its way, whose MAC address it gets.

Only this asks the network: who has an address on the link, by ARP or neighbour discovery, as a kernel would. Names are
looked up by the system.

Spec: RFC 826 (ARP), RFC 4861 section 7.2 (neighbour discovery).
"""

from __future__ import annotations

import ipaddress
import socket
import time

from pktlab.errors import PktlabError
from pktlab.live.building import Address, Constants, group_mac
from pktlab.live.craft import craft
from pktlab.live.links import IFF_NOARP, Link, Route, known_mac, route_to
from pktlab.live.packet_socket import PacketSocket
from pktlab.packets import Packet

__all__ = ["Asking", "LookingUp"]

TRIES, WAIT_S = 3, 1.0
"""How often an address is asked for, and how long each time; Linux does the same (RFC 4861 section 10)."""
BROADCAST = "ff:ff:ff:ff:ff:ff"


class LookingUp(Constants):
    """Looks up names; all else is a constant still."""

    def named(self, name: str, version: int) -> str | None:
        """Return the first address of `name`."""
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        try:
            return str(socket.getaddrinfo(name, None, family)[0][4][0])
        except (OSError, UnicodeError):
            return None


class Asking(LookingUp):
    """Asks the kernel, and who is on the link.

    Parameters
    ----------
    link : where packets go out
    wire : a socket there; None for who will not ask the network
    """

    def __init__(self, link: Link, wire: PacketSocket | None = None) -> None:
        self.link = link
        self._wire = wire
        self._routes: dict[str, Route] = {}
        self._macs: dict[str, str] = {}

    def source(self, version: int, goal: Address | None) -> str:
        """Return the address that the kernel would use; without a way there, where none is needed, the constant."""
        if goal is None or goal.is_unspecified or goal.version != version:
            return super().source(version, goal)
        try:
            return self._route(str(goal)).source or super().source(version, goal)
        except PktlabError:
            return super().source(version, goal)

    def source_mac(self) -> str:
        """Return the address of the interface."""
        return self.link.mac or super().source_mac()

    def destination_mac(self, goal: Address | None) -> str:
        """Return the address of `goal`, or of the gateway on the way there.

        Raises
        ------
        PktlabError : nobody answers for it
        """
        if self.link.is_loopback:
            return self.link.mac
        if goal is None or goal.is_unspecified or self.link.flags & IFF_NOARP or self._wire is None:
            return super().destination_mac(goal)
        if goal.is_multicast:
            return group_mac(goal)
        route = self._route(str(goal))
        if route.is_broadcast or str(goal) == "255.255.255.255":
            return BROADCAST
        hop = route.gateway or str(goal)
        if hop not in self._macs:
            self._macs[hop] = known_mac(self.link.index, hop) or self._asked(hop, route.source)
        return self._macs[hop]

    def _route(self, goal: str) -> Route:
        if goal not in self._routes:
            self._routes[goal] = route_to(goal, self.link.index)
        return self._routes[goal]

    def _asked(self, address: str, source: str) -> str:
        """Ask who has an address, and return the MAC address of who says so."""
        assert self._wire is not None
        self._wire.start()
        question, what = _question(address, source, self.link.mac)
        for _ in range(TRIES):
            self._wire.put(question.data)
            for record in self._wire.until(time.monotonic() + WAIT_S):
                mac = _answer(Packet(record, record.link_type), address)
                if mac:
                    return mac
        raise PktlabError(
            f"nobody on {self.link.name} answers for {address} ({what}): give the MAC address, Ether(dst=...)"
        )


def _question(address: str, source: str, mac: str) -> tuple[Packet, str]:
    """Return the question who has an address, and what it is called."""
    if ":" not in address:
        text = (
            f'Ether(dst="{BROADCAST}", src="{mac}")/ARP(hwsrc="{mac}", psrc="{source or "0.0.0.0"}", pdst="{address}")'
        )
        return _one(text), "ARP"
    low = ipaddress.IPv6Address(address).packed[-3:]
    group = ipaddress.IPv6Address(bytes.fromhex("ff0200000000000000000001ff") + low)
    text = (
        f'Ether(dst="{group_mac(group)}", src="{mac}")/IPv6(src="{source or "::"}", dst="{group}", hlim=255)'
        f'/ICMPv6ND_NS(tgt="{address}")/ICMPv6NDOptSrcLLAddr(lladdr="{mac}")'
    )
    return _one(text), "neighbour discovery"


def _one(text: str) -> Packet:
    made = craft(text)
    assert isinstance(made, Packet)
    return made


def _answer(packet: Packet, address: str) -> str:
    """Return the MAC address that a packet tells of `address`; empty if it tells none."""
    if packet.get("arp.opcode") == 2 and packet.get("arp.src.proto_ipv4") == address:
        return str(packet.get("arp.src.hw_mac") or "")
    if packet.get("icmpv6.type") == 136 and packet.get("icmpv6.nd.na.target_address") == address:
        told = packet.get("icmpv6.opt.linkaddr")
        return told.hex(":") if isinstance(told, bytes) and len(told) == 6 else str(packet["eth.src"])
    return ""
