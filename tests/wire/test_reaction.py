"""What a receiver does with a frame, check by check, and which counter says so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pktlab.wire import build
from pktlab.wire.dissection import dissect
from pktlab.wire.ethernet import Ethernet, Vlan
from pktlab.wire.header import Header
from pktlab.wire.icmp import Icmp
from pktlab.wire.ipv4 import Ip, IpOption, IpOptions, RouteEntry, SourceRoute
from pktlab.wire.ipv6 import Ipv6
from pktlab.wire.reaction import react
from pktlab.wire.receiver import Reaction, Receiver
from pktlab.wire.tcp import Tcp, TcpFlags
from pktlab.wire.udp import Udp

SYN = TcpFlags(0x002)
ROUTE = IpOptions(items=(IpOption(type=131, body=SourceRoute(ptr=4, route=(RouteEntry(src_rt="192.0.2.9"),))),))
HOST = Receiver(
    macs=frozenset({"02:00:00:00:00:02"}),
    addresses=frozenset({"192.0.2.2", "2001:db8::2"}),
    networks=("192.0.2.0/24", "2001:db8::/64"),
    udp_ports=frozenset({9000}),
    tcp_ports=frozenset({9000}),
)
ETH = Ethernet(dst="02:00:00:00:00:02", src="02:00:00:00:00:01", type=0x0800)
ETH6 = ETH.replace(type=0x86DD)
IP = Ip(src="192.0.2.1", dst="192.0.2.2", proto=17)
IP6 = Ipv6(src="2001:db8::1", dst="2001:db8::2", nxt=17)
UDP = Udp(srcport=1, dstport=9000)
TCP = Tcp(srcport=1, dstport=9000)


def reaction(*parts: Header | bytes, host: Receiver = HOST) -> Reaction:
    return react(dissect(build(*parts)), host)


CASES = {
    "udp": ((ETH, IP, UDP, b"x"), "delivered", ()),
    "udp6": ((ETH6, IP6, UDP, b"x"), "delivered", ()),
    "another station": ((ETH.replace(dst="02:00:00:00:00:03"), IP, UDP), "address", ()),
    "a group, udp": ((ETH.replace(dst="03:00:00:00:00:02"), IP, UDP), "delivered", ()),
    "a group, tcp": ((ETH.replace(dst="03:00:00:00:00:02"), IP.replace(proto=6), TCP), "address", ()),
    "unknown type": ((ETH.replace(type=0x0900), IP, UDP), "type", ("rx_dropped",)),
    "a tag for another VLAN": ((ETH.replace(type=0x8100), Vlan(id=5, etype=0x0800), IP, UDP), "type", ("rx_dropped",)),
    "version": ((ETH, IP.replace(version=5), UDP), "header", ("IpInHdrErrors",)),
    "sum": ((ETH, IP.replace(checksum=1), UDP), "checksum", ("IpExtInCsumErrors", "IpInHdrErrors")),
    "total length": ((ETH, IP.replace(len=99), UDP), "length", ("IpExtInTruncatedPkts",)),
    "no length": ((ETH, IP.replace(len=0), UDP), "header", ("IpInHdrErrors",)),
    "another address": ((ETH, IP.replace(dst="192.0.2.3"), UDP), "address", ("IpInAddrErrors",)),
    "another group": ((ETH, IP.replace(dst="224.0.0.9"), UDP), "address", ()),
    "a group as source": ((ETH, IP.replace(src="224.0.0.9"), UDP), "address", ()),
    "fragment": ((ETH, IP.replace(frag_offset=5), b"later"), "fragment", ()),
    "protocol": ((ETH, IP.replace(proto=99), b"x"), "protocol", ("IpInUnknownProtos",)),
    "nothing for udp": ((ETH, IP), "length", ("UdpInErrors",)),
    "nothing for tcp": ((ETH, IP.replace(proto=6)), "length", ()),
    "udp length": ((ETH, IP, UDP.replace(length=99)), "length", ("UdpInErrors",)),
    "short udp length": ((ETH, IP, UDP.replace(length=7)), "length", ("UdpInErrors",)),
    "udp sum": ((ETH, IP, UDP.replace(checksum=1)), "checksum", ("UdpInCsumErrors", "UdpInErrors")),
    "no sum": ((ETH, IP, UDP.replace(checksum=0)), "delivered", ()),
    "no sum over ipv6": ((ETH6, IP6, UDP.replace(checksum=0)), "checksum", ("Udp6InCsumErrors", "Udp6InErrors")),
    "closed port": ((ETH, IP, UDP.replace(dstport=9)), "port", ("UdpNoPorts",)),
    "closed port over ipv6": ((ETH6, IP6, UDP.replace(dstport=9)), "port", ("Udp6NoPorts",)),
    "tcp": ((ETH, IP.replace(proto=6), TCP), "delivered", ()),
    "tcp offset": ((ETH, IP.replace(proto=6), TCP.replace(hdr_len=16)), "header", ("TcpInErrs",)),
    "tcp offset too far": ((ETH, IP.replace(proto=6), TCP.replace(hdr_len=60)), "length", ()),
    "tcp sum": ((ETH, IP.replace(proto=6), TCP.replace(checksum=1)), "checksum", ("TcpInCsumErrors", "TcpInErrs")),
    "closed tcp port": ((ETH, IP.replace(proto=6), TCP.replace(dstport=9)), "port", ("TcpOutRsts",)),
    "version 6": ((ETH6, IP6.replace(version=7), UDP), "header", ("Ip6InHdrErrors",)),
    "payload length": ((ETH6, IP6.replace(plen=99), UDP), "length", ("Ip6InTruncatedPkts",)),
    "no payload length": ((ETH6, IP6.replace(plen=0), UDP), "length", ("Udp6InErrors",)),
    "next header": ((ETH6, IP6.replace(nxt=99), b"x"), "protocol", ("Ip6InUnknownProtos",)),
    "a neighbour": ((ETH6, IP6.replace(dst="2001:db8::3"), UDP), "address", ("Ip6InAddrErrors",)),
    "no route": ((ETH6, IP6.replace(dst="2001:db9::2"), UDP), "address", ("Ip6InNoRoutes",)),
    "everybody": ((ETH, IP.replace(dst="192.0.2.255"), UDP), "delivered", ()),
    "every host": ((ETH, IP.replace(dst="224.0.0.1"), UDP), "delivered", ()),
    "every host over ipv6": ((ETH6, IP6.replace(dst="ff02::1"), UDP), "delivered", ()),
    "a group over ipv6": ((ETH6, IP6.replace(dst="ff02::9"), UDP), "address", ()),
    "a group of one interface": ((ETH6, IP6.replace(dst="ff01::1"), UDP), "address", ("Ip6InHdrErrors",)),
    "tcp to everybody": ((ETH, IP.replace(dst="192.0.2.255", proto=6), TCP.replace(flags=SYN)), "address", ()),
    "loopback on a wire": ((ETH, IP.replace(src="127.0.0.1"), UDP), "address", ()),
    "to loopback": ((ETH, IP.replace(dst="127.0.0.1"), UDP), "address", ()),
    "its own address": ((ETH, IP.replace(src="192.0.2.2"), UDP), "address", ()),
    "no address": ((ETH, IP.replace(src="0.0.0.0"), UDP), "address", ()),
    "no address, to everybody": ((ETH, IP.replace(src="0.0.0.0", dst="255.255.255.255"), UDP), "delivered", ()),
    "loopback over ipv6": ((ETH6, IP6.replace(src="::1"), UDP), "address", ("Ip6InHdrErrors",)),
    "a mapped address, udp": ((ETH6, IP6.replace(src="::ffff:192.0.2.1"), UDP), "delivered", ()),
    "a mapped address, tcp": (
        (ETH6, IP6.replace(src="::ffff:192.0.2.1", nxt=6), TCP.replace(flags=SYN)), "address", ("Ip6InHdrErrors",),
    ),
    "no way back": ((ETH, IP.replace(src="198.51.100.1", proto=6), TCP.replace(flags=SYN)), "address", ()),
    "source route": ((ETH, IP.replace(options=ROUTE), UDP), "options", ()),
    "two source routes": ((ETH, IP.replace(options=IpOptions(items=ROUTE.items * 2)), UDP), "header", (
        "IpInHdrErrors",
    )),
    "options of tcp": ((ETH, IP.replace(proto=6), TCP.replace(hdr_len=40), b"\2\x63" + bytes(18)), "options", ()),
    "options of tcp, closed port": (
        (ETH, IP.replace(proto=6), TCP.replace(hdr_len=40, dstport=9), b"\2\x63" + bytes(18)), "port", ("TcpOutRsts",),
    ),
    "icmp": ((ETH, IP.replace(proto=1), Icmp(type=8, code=0), b"ping"), "delivered", ()),
    "icmp sum": (
        (ETH, IP.replace(proto=1), Icmp(type=8, code=0, checksum=1)), "checksum", ("IcmpInCsumErrors", "IcmpInErrors"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_each_check_has_its_counter(name: str) -> None:
    parts, check, counters = CASES[name]
    seen = reaction(*parts)
    assert (seen.check or str(seen.outcome), seen.counters) == (check, counters)
    assert seen.outcome == {"delivered": "delivered", "fragment": "held"}.get(check, "dropped")


def test_a_tag_leads_to_its_own_interface() -> None:
    parts = (ETH.replace(type=0x8100), Vlan(id=5, etype=0x0800), IP, UDP)
    tagged = replace(HOST, ether_types=HOST.ether_types | {0x8100}, vlans=frozenset({5}))
    assert reaction(*parts, host=tagged).outcome == "delivered"
    assert reaction(*parts, host=replace(tagged, vlans=frozenset({6}))).text.startswith("goes elsewhere: VLAN 5")


def test_the_host_that_a_packet_is_for_takes_it() -> None:
    packet = dissect(build(ETH, IP, UDP.replace(dstport=4711), b"x"))
    assert react(packet).outcome == "delivered"
    assert react(packet, HOST).check == "port"


def test_what_was_passed_is_told() -> None:
    assert reaction(ETH, IP, UDP).passed == ("IpInReceives", "IpInDelivers", "UdpInDatagrams")
    assert reaction(ETH6, IP6, UDP.replace(dstport=9)).passed == ("Ip6InReceives", "Ip6InDelivers")
