"""What has to be known of a host to say what it does with a frame, and the answer; `reaction` works it out."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pktlab.wire.dissection import Dissection
from pktlab.wire.ethernet import Ethernet, Vlan
from pktlab.wire.header import Header
from pktlab.wire.ipv4 import Ip
from pktlab.wire.ipv6 import Ipv6
from pktlab.wire.numbers import EtherType, IpProtocol
from pktlab.wire.tcp import Tcp
from pktlab.wire.udp import Udp
from pktlab.wire.verdict import Verdict, judge

__all__ = ["LLC", "Outcome", "Reaction", "Receiver"]

LLC = 0x0004
"""Linux's own number for frames that have a length where the type would be; see ``/proc/net/ptype``."""
ALL_HOSTS = ("224.0.0.1", "ff02::1")
_IPV4_HANDLED = {IpProtocol.ICMP, IpProtocol.IGMP, IpProtocol.TCP, IpProtocol.UDP}
_IPV6_HANDLED = {
    IpProtocol.HOPOPT, IpProtocol.TCP, IpProtocol.UDP, IpProtocol.IPv6_ROUTE, IpProtocol.IPv6_FRAG, IpProtocol.ICMPv6,
    IpProtocol.IPv6_NONXT, IpProtocol.IPv6_OPTS,
}  # fmt: skip


class Outcome(StrEnum):
    """How a packet ends at a receiver."""

    delivered = "delivered"  # to a program, a connection, or the kernel's own part for the protocol
    dropped = "dropped"
    held = "held"  # a fragment waits for the others
    unknown = "unknown"  # the bytes that would decide were not captured


@dataclass(frozen=True)
class Reaction:
    """What a receiver does with one frame.

    outcome : how it ends; layer : protocol of the header that decides that; check : what it failed, such as
    ``"checksum"``, empty if it was delivered; text : the same for people; counters : those of Linux that count the
    drop, by `nstat`'s names, ``rx_dropped`` being the interface's; passed : counters of what it passed before
    """

    outcome: Outcome
    layer: str
    check: str
    text: str
    counters: tuple[str, ...] = ()
    passed: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "outcome": str(self.outcome), "layer": self.layer, "check": self.check, "text": self.text,
            "counters": list(self.counters),
        }  # fmt: skip


@dataclass(frozen=True)
class Receiver:
    """What has to be known of a host to say what it does with a frame.

    macs : of its interface, and the groups it listens to on the link; empty if it takes every frame
    addresses : its IP addresses, and the multicast groups that it joined
    networks : where it has a route to, and their broadcast addresses; an address outside all of them is counted
    differently over IPv6, and gets no answer
    udp_ports, tcp_ports : bound or listening, or the local ends of connections
    ether_types, ip_protocols, ipv6_protocols : what it has code for
    vlans : VLAN ids that it has an interface for
    tunnel_ports : UDP ports that take datagrams without a sum over IPv6
    source_routes : whether it takes IPv4 packets whose sender chose their way
    loopback : whether the interface is the one that leads back to itself, on which its own addresses are senders too

    A host forwards nothing: a router would send on what is not for it.
    """

    macs: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()
    networks: tuple[str, ...] = ("0.0.0.0/0", "::/0")
    udp_ports: frozenset[int] = frozenset()
    tcp_ports: frozenset[int] = frozenset()
    ether_types: frozenset[int] = frozenset({EtherType.IPv4, EtherType.ARP, EtherType.IPv6})
    ip_protocols: frozenset[int] = frozenset(_IPV4_HANDLED)
    ipv6_protocols: frozenset[int] = frozenset(_IPV6_HANDLED)
    vlans: frozenset[int] = frozenset()
    tunnel_ports: frozenset[int] = frozenset()
    source_routes: bool = False
    loopback: bool = False

    @classmethod
    def of(cls, packet: Dissection) -> Receiver:
        """Return the host that takes `packet` as it is: it has its addresses, and its ports are open.

        >>> from pktlab.wire.dissection import dissect
        >>> data = bytes.fromhex("4500001c0000000040117ccf7f0000017f000001003500450008fe1b")
        >>> host = Receiver.of(dissect(data, Ip))
        >>> sorted(host.addresses), sorted(host.udp_ports)
        (['127.0.0.1'], [69])
        """

        def values(kind: type[Header], name: str) -> list[Any]:
            headers = [layer.header for layer in packet.layers if not layer.quoted and type(layer.header) is kind]
            return [value for value in (getattr(one, name, None) for one in headers) if value is not None]

        ports = frozenset(values(Udp, "dstport"))
        senders, targets = ({*values(Ip, way), *values(Ipv6, way)} for way in ("src", "dst"))
        no_sum = any(one.protocol == "udp" and one.verdict is Verdict.absent for one in judge(packet))
        return cls(
            macs=frozenset(values(Ethernet, "dst")[:1]),
            addresses=frozenset(targets),
            udp_ports=ports,
            tcp_ports=frozenset(values(Tcp, "dstport")),
            ether_types=cls.ether_types | {*values(Ethernet, "type"), *values(Vlan, "etype")},
            ip_protocols=cls.ip_protocols | set(values(Ip, "proto")),
            ipv6_protocols=cls.ipv6_protocols | set(values(Ipv6, "nxt")),
            vlans=frozenset(values(Vlan, "id")),
            tunnel_ports=ports if no_sum else frozenset(),
            source_routes=True,
            loopback=any(one in targets or ipaddress.ip_address(one).is_loopback for one in senders),
        )

    def is_member(self, group: str) -> bool:
        """Tell whether it takes packets for a multicast group: it joined it, or every host is in it.

        Spec: RFC 1112 section 4; RFC 4291 section 2.8.

        >>> Receiver().is_member("224.0.0.1"), Receiver().is_member("ff02::9")
        (True, False)
        """
        return group in self.addresses or group in ALL_HOSTS

    def is_broadcast(self, address: str) -> bool:
        """Tell whether an IPv4 address is everybody's, of all or of one of its networks."""
        wanted = ipaddress.ip_address(address)
        return any(wanted == ipaddress.ip_network(one).broadcast_address for one in (*self.networks, "0.0.0.0/0"))

    def has_route(self, address: str) -> bool:
        """Tell whether an address lies in one of its networks."""
        wanted = ipaddress.ip_address(address)
        return any(wanted in ipaddress.ip_network(network) for network in self.networks)
