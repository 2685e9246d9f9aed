"""What application protocols say in a line, that they are built again as read, and what no bytes may do to them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pktlab.errors import WireError
from pktlab.wire import Header, bind, build, dissect
from pktlab.wire.apps.dhcp import Dhcp, MessageType
from pktlab.wire.apps.dhcp import Option as DhcpOption
from pktlab.wire.apps.dhcpv6 import Dhcpv6, Transaction
from pktlab.wire.apps.dns import Dns, DnsTcp, Question
from pktlab.wire.apps.http import Http, Ssdp
from pktlab.wire.apps.llmnr import Llmnr
from pktlab.wire.apps.mdns import Mdns, MdnsQuestion
from pktlab.wire.apps.ntp import Ntp
from pktlab.wire.apps.quic import Quic, VarInt
from pktlab.wire.apps.rtcp import Blocks as RtcpBlocks
from pktlab.wire.apps.rtcp import Packet, ReceiverReport, Rtcp
from pktlab.wire.apps.rtp import Csrc, Rtp
from pktlab.wire.apps.stun import Attribute, Stun, XorAddress, Xored4
from pktlab.wire.apps.tls import (
    ClientHello,
    Extension,
    ExtensionList,
    Extensions,
    Handshake,
    Handshakes,
    Record,
    ServerName,
    ServerNames,
    Suite,
    Tls,
)  # fmt: skip
from pktlab.wire.ipv4 import Ip
from pktlab.wire.packet import TCP_FIRST, TCP_PORTS, UDP_PORTS
from pktlab.wire.tcp import Tcp, TcpFlags
from pktlab.wire.udp import Udp

ENDS = {"src": "192.0.2.1", "dst": "192.0.2.2"}
NAMES = ServerNames(names=(ServerName(name="example.com"),))
CLIENT_HELLO = ClientHello(
    random=bytes(range(32)),
    suites=(Suite(ciphersuite=0x1301),),
    lists=(ExtensionList(extensions=Extensions(items=(Extension(type=0, body=NAMES),))),),
)
HELLO = Record(content_type=22, version=0x0301, body=Handshakes(messages=(Handshake(type=1, body=CLIENT_HELLO),)))
SEARCH = b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nST: ssdp:all\r\n\r\n"
MESSAGES: dict[str, tuple[Header, str]] = {
    "dns": (Dns(questions=(Question(qname="example.com", qtype=28),)), "DNS query AAAA example.com"),
    "llmnr": (Llmnr(questions=(Question(qname="host"),)), "LLMNR query A host"),
    "mdns": (Mdns(questions=(MdnsQuestion(qname="a.local", qu=True),)), "mDNS query A a.local"),
    "dhcp": (
        Dhcp(
            hw_mac_addr="02:00:00:00:00:01",
            options=(DhcpOption(type=53, body=MessageType(dhcp=1)), DhcpOption(type=255, length=None)),
        ),
        "DHCP Discover 02:00:00:00:00:01",
    ),
    "dhcpv6": (Dhcpv6(msgtype=1, body=Transaction(xid=0x123456)), "DHCPv6 Solicit xid 0x123456"),
    "ntp": (Ntp(), "NTP client v4"),
    "stun": (
        Stun(
            type=0x0101, id=bytes(12),
            attributes=(
                Attribute(type=0x20, body=XorAddress(family=1, end=Xored4(port=4711, ipv4="192.0.2.9"))),
            ),
        ),
        "STUN Binding success 192.0.2.9:4711",
    ),
    "quic": (
        Quic(
            dcid=bytes.fromhex("8394c8f03e515708"), token_length=0, token=b"", length=VarInt(20, 2), payload=bytes(20)
        ),
        "QUIC Initial v1 dcid=8394c8f03e515708",
    ),
    "rtp": (
        Rtp(p_type=0, seq=1, timestamp=160, ssrc=0x1234ABCD, sources=(Csrc(item=7),)),
        "RTP PCMU ssrc=0x1234abcd seq=1 time=160",
    ),
    "rtcp": (
        Rtcp(packets=(Packet(pt=201, body=ReceiverReport(senderssrc=1, reports=RtcpBlocks())),)),
        "RTCP Receiver Report",
    ),
    "tls": (Tls(records=(HELLO,)), "TLS ClientHello SNI=example.com"),
    "http": (
        Http.parse(b"GET /index.html HTTP/1.1\r\nHost: example.com\r\n\r\n"), "HTTP GET /index.html example.com",
    ),
    "ssdp": (Ssdp.parse(SEARCH), "SSDP M-SEARCH ssdp:all"),
}  # fmt: skip
PORTS = {"dns": 53, "llmnr": 5355, "mdns": 5353, "dhcp": 67, "dhcpv6": 547, "ntp": 123, "ssdp": 1900}
OVER_TCP = {"tls", "http"}
KINDS = [type(header) for header, _ in MESSAGES.values()] + [DnsTcp]


def over(payload: bytes, port: int, *, tcp: bool) -> bytes:
    if tcp:
        return build(Ip(proto=6, **ENDS), Tcp(srcport=40000, dstport=port, flags=TcpFlags.of("ack")), payload)
    return build(Ip(proto=17, **ENDS), Udp(srcport=40000, dstport=port), payload)


@pytest.mark.parametrize("name", MESSAGES)
def test_a_line_and_the_bytes_again(name: str) -> None:
    header, line = MESSAGES[name]
    data = header.build()
    read = type(header).parse(data)
    assert read.summary() == line
    assert read.build() == data
    assert read.replace() == read


@pytest.mark.parametrize("name", MESSAGES)
def test_found_in_a_packet(name: str) -> None:
    header, line = MESSAGES[name]
    bindings = [bind("udp.port=9", type(header))] if name in ("rtp", "rtcp") else []
    data = over(header.build(), PORTS.get(name, 9), tcp=name in OVER_TCP)
    packet = dissect(data, Ip, bindings)
    assert [layer.protocol for layer in packet.layers] == ["ip", "tcp" if name in OVER_TCP else "udp", name]
    assert packet.headers[-1].summary() == line
    assert packet.stop is None


@pytest.mark.parametrize("name", ["rtp", "rtcp"])
def test_media_is_not_guessed(name: str) -> None:
    packet = dissect(over(MESSAGES[name][0].build(), 5004, tcp=False), Ip)
    assert packet.layers[-1].protocol == "data"


@pytest.mark.parametrize("name", sorted(OVER_TCP))
def test_a_segment_that_ends_early_is_no_error(name: str) -> None:
    data = MESSAGES[name][0].build()
    for size in range(1, len(data)):
        packet = dissect(over(data[:size], 9, tcp=True), Ip, ranges=True)
        assert packet.stop is None
        assert packet.layers[2].protocol in (name, "data")
    assert packet.layers[2].protocol == name
    if name == "tls":
        assert packet.layers[2].header is not None


@pytest.mark.parametrize("name", [name for name in MESSAGES if name not in OVER_TCP])
def test_a_cut_frame_stops_in_the_message(name: str) -> None:
    data = over(MESSAGES[name][0].build(), PORTS.get(name, 9), tcp=False)
    for size in range(28, len(data)):
        packet = dissect(data[:size], Ip)
        assert packet.stop is None or packet.stop.layer.partition(".")[0] in (name, "dns", "dns name", "http", "text")
        assert sum(layer.stop - layer.start for layer in packet.layers) == size


@given(st.sampled_from(KINDS), st.binary(max_size=200))
def test_any_bytes_give_a_header_that_builds_them_or_an_error(kind: type[Header], data: bytes) -> None:
    try:
        header = kind.parse(data)
    except WireError:
        return
    assert isinstance(header.summary(), str)
    assert data.startswith(header.build())


@given(st.sampled_from(sorted(MESSAGES)), st.data())
def test_a_damaged_message_too(name: str, data: st.DataObject) -> None:
    header, _ = MESSAGES[name]
    damaged = bytearray(header.build())
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        read = type(header).parse(bytes(damaged))
    except WireError:
        pass
    else:
        assert isinstance(read.summary(), str)
        assert damaged.startswith(read.build())
        assert all(0 <= found.start <= found.stop <= len(damaged) and found.text is not None for found in read.spans())
    packet = dissect(over(bytes(damaged), PORTS.get(name, 9), tcp=name in OVER_TCP), Ip, ranges=True)
    assert packet.stop is None


PORT = st.sampled_from(sorted({*UDP_PORTS, *TCP_PORTS, 9}))


@given(st.binary(min_size=1, max_size=120), PORT, st.booleans(), st.sampled_from([*TCP_FIRST, 0, 1, 0xC0]))
def test_no_port_makes_a_packet_malformed(noise: bytes, port: int, tcp: bool, first: int) -> None:
    for payload in (noise, bytes([first]) + noise):
        packet = dissect(over(payload, port, tcp=tcp), Ip, ranges=True)
        assert packet.stop is None
        assert sum(layer.stop - layer.start for layer in packet.layers) == len(packet.data)
