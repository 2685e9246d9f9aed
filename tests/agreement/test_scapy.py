"""Bytes built from the schemas are those that Scapy builds, where Scapy is right."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pktlab.wire import build
from pktlab.wire.arp import Arp
from pktlab.wire.ethernet import Ethernet, Vlan
from pktlab.wire.icmp import Echo, Icmp
from pktlab.wire.icmpv6 import Echo as Echo6
from pktlab.wire.icmpv6 import Icmpv6
from pktlab.wire.ipv4 import Ip, IpFlags, IpOption, IpOptions, RouteEntry, RouterAlert, SourceRoute
from pktlab.wire.ipv6 import Fragment, Ipv6
from pktlab.wire.tcp import Mss, SackBlock, SackPermitted, Tcp, TcpFlags, TcpOption, TcpOptions, Timestamps, WindowScale
from pktlab.wire.udp import Udp

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Scapy looks for ciphers that newer libraries have moved
    scapy = pytest.importorskip("scapy.all", reason="Scapy is not installed")

words = st.integers(0, 0xFFFF)
octets = st.integers(0, 0xFF)
longs = st.integers(0, 0xFFFFFFFF)
data = st.binary(max_size=40)
ipv4s = st.ip_addresses(v=4).map(str)
ipv6s = st.ip_addresses(v=6).map(str)
macs = st.binary(min_size=6, max_size=6).map(lambda raw: raw.hex(":"))


def same(ours: bytes, theirs: Any) -> None:
    assert ours.hex() == bytes(theirs).hex()


@given(ipv4s, ipv4s, words, words, data, words, octets, octets)
def test_udp_over_ipv4(
    src: str, dst: str, sport: int, dport: int, body: bytes, id_: int, ttl: int, tos: int
) -> None:  # fmt: skip
    ours = build(Ip(src=src, dst=dst, proto=17, id=id_, ttl=ttl, dsfield=tos), Udp(srcport=sport, dstport=dport), body)
    theirs = scapy.IP(src=src, dst=dst, id=id_, ttl=ttl, tos=tos) / scapy.UDP(sport=sport, dport=dport) / body
    same(ours, theirs)


@given(ipv6s, ipv6s, words, words, data, octets, st.integers(0, 0xFFFFF), octets)
def test_udp_over_ipv6(
    src: str, dst: str, sport: int, dport: int, body: bytes, tc: int, flow: int, hlim: int
) -> None:  # fmt: skip
    ours = build(
        Ipv6(src=src, dst=dst, nxt=17, tclass=tc, flow=flow, hlim=hlim), Udp(srcport=sport, dstport=dport), body
    )
    low = scapy.IPv6(src=src, dst=dst, tc=tc, fl=flow, hlim=hlim)
    same(ours, low / scapy.UDP(sport=sport, dport=dport) / body)


Edges = list[tuple[int, int]]


def options_of(mss: int, shift: int, tsval: int, tsecr: int, edges: Edges) -> tuple[TcpOptions, list[Any]]:
    """Return the same TCP options for us and for Scapy."""
    blocks = tuple(SackBlock(sack_le=left, sack_re=right) for left, right in edges)
    ours = [
        TcpOption(kind=2, body=Mss(mss_val=mss)), TcpOption(kind=1), TcpOption(kind=3, body=WindowScale(shift=shift)),
        TcpOption(kind=4, body=SackPermitted()), TcpOption(kind=8, body=Timestamps(tsval=tsval, tsecr=tsecr)),
    ]  # fmt: skip
    flat = tuple(edge for pair in edges for edge in pair)
    theirs: list[Any] = [
        ("MSS", mss), ("NOP", None), ("WScale", shift), ("SAckOK", b""), ("Timestamp", (tsval, tsecr)),
    ]  # fmt: skip
    if edges:
        ours.append(TcpOption(kind=5, body=blocks))
        theirs.append(("SAck", flat))
    return TcpOptions(items=tuple(ours)), theirs


@given(
    ipv4s, words, longs, longs, st.integers(0, 0x1FF), words, words, octets, longs,
    st.lists(st.tuples(longs, longs), max_size=1),
)  # fmt: skip
def test_tcp_with_options(
    src: str, port: int, seq: int, ack: int, flags: int, window: int, mss: int, shift: int, tsval: int, edges: Edges
) -> None:
    ours_options, theirs_options = options_of(mss, shift, tsval, seq, edges)
    ours = build(
        Ip(src=src, dst="192.0.2.1", proto=6),
        Tcp(
            srcport=port, dstport=80, seq_raw=seq, ack_raw=ack, flags=TcpFlags(flags), window_size_value=window,
            options=ours_options,
        ),
        b"data",
    )  # fmt: skip
    theirs = scapy.IP(src=src, dst="192.0.2.1", id=0) / scapy.TCP(
        sport=port, dport=80, seq=seq, ack=ack, flags=flags, window=window, options=theirs_options
    )
    same(ours, theirs / b"data")


@given(ipv4s, words, st.integers(0, 7), st.integers(0, 0x1FFF), data)
def test_ipv4_with_options_and_fragment_fields(src: str, alert: int, flags: int, offset: int, body: bytes) -> None:
    options = IpOptions(items=(IpOption(type=148, body=RouterAlert(ra=alert)), IpOption(type=1)))
    ours = build(
        Ip(src=src, dst="192.0.2.1", proto=253, flags=IpFlags(flags), frag_offset=offset, options=options), body
    )
    theirs_options = [scapy.IPOption_Router_Alert(alert=alert), scapy.IPOption_NOP()]
    theirs = scapy.IP(src=src, dst="192.0.2.1", proto=253, id=0, flags=flags, frag=offset, options=theirs_options)
    same(ours, theirs / body)


@given(words, words, data)
def test_icmp_echo(ident: int, seq: int, body: bytes) -> None:
    ours = build(Ip(src="192.0.2.1", dst="192.0.2.2", proto=1), Icmp(type=8, body=Echo(ident=ident, seq=seq)), body)
    theirs = scapy.IP(src="192.0.2.1", dst="192.0.2.2", id=0) / scapy.ICMP(type=8, id=ident, seq=seq) / body
    same(ours, theirs)


@given(ipv6s, words, words, data)
def test_icmpv6_echo(src: str, ident: int, seq: int, body: bytes) -> None:
    echo = Icmpv6(type=128, body=Echo6(identifier=ident, sequence_number=seq))
    ours = build(Ipv6(src=src, dst="2001:db8::1", nxt=58), echo, body)
    theirs = scapy.IPv6(src=src, dst="2001:db8::1") / scapy.ICMPv6EchoRequest(id=ident, seq=seq, data=body)
    same(ours, theirs)


@given(macs, macs, st.integers(0, 7), st.integers(0, 1), st.integers(0, 0xFFF), ipv4s, ipv4s)
def test_arp_behind_a_tag(src: str, dst: str, priority: int, dei: int, vlan: int, sender: str, target: str) -> None:
    arp = Arp(opcode=1, src_hw_mac=src, src_proto_ipv4=sender, dst_hw_mac=dst, dst_proto_ipv4=target)
    ours = build(
        Ethernet(dst=dst, src=src, type=0x8100), Vlan(priority=priority, dei=bool(dei), id=vlan, etype=0x0806), arp
    )
    tag = scapy.Dot1Q(prio=priority, dei=dei, vlan=vlan)
    theirs = scapy.ARP(op=1, hwsrc=src, psrc=sender, hwdst=dst, pdst=target)
    same(ours, scapy.Ether(dst=dst, src=src) / tag / theirs)


@given(longs, st.integers(0, 0x1FFF), st.booleans(), data)
def test_ipv6_fragment(ident: int, offset: int, more: bool, body: bytes) -> None:
    fragment = Fragment(nxt=253, ident=ident, offset=offset, more=more)
    ours = build(Ipv6(src="2001:db8::1", dst="2001:db8::2", nxt=44), fragment, body)
    low = scapy.IPv6(src="2001:db8::1", dst="2001:db8::2")
    same(ours, low / scapy.IPv6ExtHdrFragment(nh=253, id=ident, offset=offset, m=int(more)) / body)


# ---- where Scapy is wrong: its bytes are given, and tshark or the RFC tells who is right


def test_scapy_sums_the_surplus_area() -> None:
    """RFC 9868 section 4: what lies between the UDP length and the end of the IP payload is not in the sum."""
    ours = build(Ip(src="192.0.2.1", dst="192.0.2.2", proto=17, len=34), Udp(srcport=1, dstport=2, length=10), b"hi")
    low = scapy.IP(src="192.0.2.1", dst="192.0.2.2", id=0)
    theirs = bytes(low / scapy.UDP(sport=1, dport=2, len=10) / b"hi" / scapy.Raw(b"\1\2\3\4"))
    assert ours[:26] == theirs[:26]
    assert ours[26:28] != theirs[26:28]


def test_scapy_sums_to_the_last_hop_of_a_source_route_that_is_used_up() -> None:
    """RFC 791 section 3.1: behind the last hop the destination is that of the header."""
    route = SourceRoute(ptr=8, route=(RouteEntry(src_rt="198.51.100.9"),))
    options = IpOptions(items=(IpOption(type=131, body=route),))
    ours = build(Ip(src="192.0.2.1", dst="192.0.2.2", proto=17, options=options), Udp(srcport=1, dstport=2))
    used_up = scapy.IPOption_LSRR(routers=["198.51.100.9"], pointer=8)
    low = scapy.IP(src="192.0.2.1", dst="192.0.2.2", id=0, options=[used_up])
    theirs = bytes(low / scapy.UDP(sport=1, dport=2))
    assert ours[:34] == theirs[:34]
    plain = build(Ip(src="192.0.2.1", dst="192.0.2.2", proto=17), Udp(srcport=1, dstport=2))
    assert ours[34:] == plain[26:]
    assert theirs[34:] != plain[26:]
