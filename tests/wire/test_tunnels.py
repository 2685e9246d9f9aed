"""Links, tunnels and transports: what follows what, codecs both ways, and what is said of them in a line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.contrib.geneve import GENEVE
from scapy.contrib.gtp import GTP_U_Header, GTPPDUSessionContainer
from scapy.contrib.mpls import MPLS
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import ICMPv6MLDMultAddrRec, ICMPv6MLReport2, IPv6
from scapy.layers.l2 import GRE, LLC, SNAP, STP, Dot1Q, Dot3, Ether
from scapy.layers.ppp import PPP, PPPoE
from scapy.layers.sctp import SCTP, SCTPChunkData, SCTPChunkInit
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet, Raw

import pktlab
from pktlab.errors import PktlabError, Truncated
from pktlab.wire import PROTOCOLS, build, dissect
from pktlab.wire.dccp import Dccp, DccpOption
from pktlab.wire.ethernet import Ethernet, Ieee8023
from pktlab.wire.gre import Erspan, Gre, GreRoute, Pptp
from pktlab.wire.gtp import GtpExtension, Gtpu
from pktlab.wire.header import Header
from pktlab.wire.igmp import GroupRecord, Igmp, Igmp3Report, IgmpQuery, QueryV3, Source
from pktlab.wire.ipv4 import Ip
from pktlab.wire.ipv6 import Ipv6
from pktlab.wire.llc import Llc
from pktlab.wire.mobility import BindingUpdate, Mobility, MobilityOption
from pktlab.wire.mpls import Mpls
from pktlab.wire.overlays import Geneve, GeneveOption, Vxlan
from pktlab.wire.ppp import PppControl
from pktlab.wire.pppoe import AcName, PppoeDiscovery, PppoeTag
from pktlab.wire.routing import Ospf, Pim, Vrrp
from pktlab.wire.sctp import OtherChunk, Sctp, SctpChunk, SctpData
from pktlab.wire.stp import Configuration, Stp
from pktlab.wire.text import one_line
from pktlab.wire.udp import Udp
from pktlab.wire.udplite import UdpLite

INNER = IP(src="192.0.2.1", dst="192.0.2.2") / UDP(sport=4711, dport=4712) / Raw(b"hello")
OUTER = IP(src="198.51.100.1", dst="198.51.100.2")
MACS = {"dst": "02:00:00:00:00:02", "src": "02:00:00:00:00:01"}
V4 = {"src": "192.0.2.1", "dst": "192.0.2.2"}


def names(packet: Packet | bytes, first: type[Header] = Ethernet) -> list[str]:
    return [layer.protocol for layer in dissect(bytes(packet), first).layers]


@pytest.mark.parametrize(
    ("packet", "first", "expected"),
    [
        (Dot3(**MACS) / LLC(dsap=0x42, ssap=0x42, ctrl=3) / STP(), Ethernet, "eth llc stp"),
        (Dot3(**MACS) / LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP(code=0x800) / INNER, Ethernet, "eth llc ip udp data"),
        (Ether(**MACS) / PPPoE(sessionid=7) / PPP(proto=0x21) / INNER, Ethernet, "eth pppoes ppp ip udp data"),
        (Ether(**MACS) / Dot1Q(vlan=5) / MPLS(s=0) / MPLS(s=1) / INNER, Ethernet, "eth vlan mpls mpls ip udp data"),
        (OUTER / GRE(proto=0x800) / INNER, Ip, "ip gre ip udp data"),
        (OUTER / GRE(proto=0x6558, key_present=1, key=7) / Ether(**MACS) / INNER, Ip, "ip gre eth ip udp data"),
        (OUTER / INNER, Ip, "ip ip udp data"),
        (OUTER / IPv6(src="2001:db8::1", dst="2001:db8::2") / UDP(sport=1, dport=2) / b"x", Ip, "ip ipv6 udp data"),
        (OUTER / UDP(dport=4789) / VXLAN(vni=5) / Ether(**MACS) / INNER, Ip, "ip udp vxlan eth ip udp data"),
        (OUTER / UDP(dport=6081) / GENEVE(vni=5) / Ether(**MACS) / INNER, Ip, "ip udp geneve eth ip udp data"),
        (OUTER / UDP(dport=2152) / GTP_U_Header(teid=1, gtp_type=255) / INNER, Ip, "ip udp gtp ip udp data"),
        (
            OUTER / UDP(dport=2152) / GTP_U_Header(teid=1, gtp_type=255, E=1, next_ex=0x85)
            / GTPPDUSessionContainer(type=1, QFI=9) / INNER, Ip, "ip udp gtp ip udp data",
        ),
        (OUTER / SCTP() / SCTPChunkData(data=b"abc"), Ip, "ip sctp"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_scapy_builds_is_read_to_the_inside(packet: Packet, first: type[Header], expected: str) -> None:
    assert " ".join(names(packet, first)) == expected
    assert dissect(bytes(packet), first).stop is None


def test_a_length_in_a_vlan_tag_ends_the_payload() -> None:
    tagged = bytes(Ether(**MACS, type=0x8100)) + bytes.fromhex("0005 0003 4242 03".replace(" ", "")) + bytes(9)
    packet = dissect(tagged, Ethernet)
    assert [layer.protocol for layer in packet.layers] == ["eth", "vlan", "llc"]
    assert packet.trailer == (len(tagged) - 9, len(tagged))


def test_padding_of_an_inner_frame_is_payload_not_trailer() -> None:
    frame = bytes(OUTER / UDP(dport=4789) / VXLAN(vni=5) / Ether(**MACS) / IP() / Raw(b"") / Raw(bytes(20)))
    packet = dissect(frame + b"trail", Ip)
    assert packet.data[packet.trailer[0] :] == b"trail"


def test_a_port_alone_makes_no_tunnel() -> None:
    for port in (2152, 4789, 6081, 3544):
        packet = dissect(build(Ip(proto=17, **V4), Udp(srcport=1, dstport=port), b"\xf0 no tunnel at all"), Ip)
        assert ([layer.protocol for layer in packet.layers], packet.stop) == (["ip", "udp", "data"], None)


@pytest.mark.parametrize("first", ["ff030021", "0021", "21"])
def test_ppp_with_its_octets_left_out(first: str) -> None:
    assert [layer.protocol for layer in dissect(bytes.fromhex(first) + bytes(INNER), 9).layers][:3] == [
        "ppp",
        "ip",
        "udp",
    ]


def test_cisco_hdlc_on_a_serial_line() -> None:
    data = bytes.fromhex("0f000800") + bytes(INNER)
    assert [layer.protocol for layer in dissect(data, 50).layers][:2] == ["chdlc", "ip"]
    assert [layer.protocol for layer in dissect(data, 104).layers][:2] == ["chdlc", "ip"]


# ---- codecs

PAGES: list[tuple[Header, bytes]] = [
    (Ieee8023(**MACS), b"abc"),
    (Llc(dsap=0xAA, ssap=0xAA, oui=0, type=0x800), b""),
    (Stp(type=0, body=Configuration(root_hw=MACS["src"], bridge_hw=MACS["dst"], port=1)), b""),
    (Mpls(label_=16), b""),
    (PppoeDiscovery(code=9, tags=(PppoeTag(tag=0x102, body=AcName(ac_name=b"ac")),)), b""),
    (PppControl(code=1, data=b"\x01\x04\x05\xdc"), b""),
    (Gre(flags_and_version=0xB000, proto=0x800, key=7, sequence_number=9), b"abc"),
    (Gre(flags_and_version=0x4000, proto=0x800, routing=(
        GreRoute(address_family=2, information=b"abcd"), GreRoute())), b""),
    (Pptp(flags_and_version=0x3081, key_call_id=5), b"abc"),
    (Erspan(spanid=5), b""),
    (Vxlan(vni=7), b""),
    (Geneve(proto_type=0x6558, vni=7, options=(GeneveOption(class_=1, type=2, data=b"abcd"),)), b""),
    (Gtpu(flags_e=True, teid=1, next=0x85, extensions=(GtpExtension(),)), b"abc"),
    (Sctp(srcport=1, dstport=2, chunks=(
        SctpChunk(chunk_type=0, body=SctpData(data_tsn_raw=1, data=b"abc")),
        SctpChunk(chunk_type=4, body=OtherChunk(chunk_value=b"abcd")),
    )), b""),
    (Igmp(type=0x11, body=IgmpQuery(maddr="224.0.0.1", v3=(QueryV3(sources=(Source(saddr="192.0.2.1"),)),))), b""),
    (Igmp3Report(num_grp_recs=1, records=(GroupRecord(record_type=4, maddr="224.0.0.251"),)), b""),
    (Ospf(msg=1, srcrouter="192.0.2.1", area_id="0.0.0.0"), b"abcd"),
    (Vrrp(virt_rtr_id=1), b""),
    (Pim(type=1, register_flag=0), b"abcd"),
]  # fmt: skip
WITH_ENDS: list[tuple[Header, bytes]] = [
    (UdpLite(srcport=1, dstport=2, checksum_coverage=8), b"abc"),
    (Dccp(srcport=1, dstport=2, type=0, seq_raw=5, options=tuple(DccpOption(option_type=0) for _ in range(4))), b"abc"),
    (Dccp(srcport=1, dstport=2, type=3, x=False, seq_short=5), b"abc"),
    (Mobility(mhtype=5, body=BindingUpdate(seqnr=1, options=(MobilityOption(mobility_opt=1, data=b"\0\0"),))), b""),
]


def built(header: Header, payload: bytes) -> bytes:
    return header.build(payload, lambda length: length.to_bytes(4, "big"))


def shorter_one(kind: type[Header], data: bytes) -> Header | Truncated:
    try:
        return kind.parse(data)
    except Truncated as error:
        return error


@pytest.mark.parametrize(("header", "payload"), [*PAGES, *WITH_ENDS], ids=lambda value: type(value).__name__)
def test_what_is_built_reads_back_and_says_where_it_is_cut(header: Header, payload: bytes) -> None:
    data = built(header, payload)
    parsed = type(header).parse(data)
    length = len(data) - len(payload) if parsed.header_len != len(data) else len(data)
    assert parsed.build() == data[:length]
    for cut in range(length):
        told = shorter_one(type(header), data[:cut])
        if isinstance(told, Truncated):
            assert told.offset + told.needed > cut == told.offset + told.available
        else:
            assert told.build() == data[:cut]  # a list that may end here


@given(st.sampled_from(PROTOCOLS), st.binary(max_size=120))
def test_any_bytes_give_a_value_that_builds_them_or_an_error(kind: type[Header], data: bytes) -> None:
    try:
        header = kind.parse(data)
    except PktlabError:
        return
    assert header.build() == data[: header.header_len]
    assert header.summary()


@given(st.sampled_from([*PAGES, *WITH_ENDS]), st.integers(0, 200), st.integers(0, 255))
def test_a_damaged_octet_gives_a_value_or_an_error(page: tuple[Header, bytes], at: int, octet: int) -> None:
    data = bytearray(built(*page))
    data[at % len(data)] = octet
    try:
        header = type(page[0]).parse(bytes(data))
    except PktlabError:
        return
    assert header.build() == bytes(data[: header.header_len])


FILES = (
    "pppoe-over-qinq.pcap", "PPPoEDiscovery.pcap", "MplsPackets.pcap", "hdlc_slarp.pcapng", "erspan-type-ii-3.pcap",
    "various_gre.pcap", "vxlan.pcap", "geneve-many-options.pcap", "gtp6_gtp_0x32.pcap", "igmp-many-sources.pcap",
    "wireshark-wiki-IGMP-dataset.pcap", "ipv6_mobility_1.pcap", "sctp.pcap", "dccp_partial_csum_v4_longer.pcap",
    "OSPFv2_Capture_FINAL.pcapng", "vrrp3.pcapng", "pim.pcap", "icmp6-mldv2.pcap", "tor.pcap",
)  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_every_header_of_real_captures_builds_its_own_bytes(name: str, corpus: Path) -> None:
    count = 0
    for packet in pktlab.open(next(corpus.rglob(name))):
        for layer in packet.layers:
            if layer.header is not None and layer.error is None:
                assert layer.header.build() == packet.data[layer.start : layer.stop]
                count += 1
        if packet.number == 300:
            break
    assert count


# ---- what a person reads


@pytest.mark.parametrize(
    ("header", "payload", "said"),
    [
        (Stp(type=0, body=Configuration(root_hw=MACS["src"], bridge_hw=MACS["dst"], root_cost=4, port=0x8001)), b"",
         "STP Configuration root 32768/0/02:00:00:00:00:01 cost 4 port 0x8001"),
        (PppControl(code=9), b"", "Echo-Request id=0"),
        (Gre(flags_and_version=0x2000, proto=0x88CC, key=42), b"", "GRE key=0x0000002a"),
        (Sctp(srcport=1, dstport=2, chunks=(SctpChunk(chunk_type=14, body=OtherChunk()),)), b"",
         "SCTP 1 → 2 [SHUTDOWN_COMPLETE]"),
        (Igmp3Report(num_grp_recs=1, records=(GroupRecord(record_type=4, maddr="224.0.0.251"),)), b"",
         "IGMP Membership Report v3 CHANGE_TO_EXCLUDE 224.0.0.251"),
    ],
)  # fmt: skip
def test_summaries(header: Header, payload: bytes, said: str) -> None:
    assert type(header).parse(built(header, payload)).summary() == said


def test_a_tunnel_in_a_line_names_both_ends_of_both() -> None:
    packet = dissect(bytes(OUTER / GRE(proto=0x800) / INNER), Ip)
    assert one_line(packet) == "198.51.100.1 → 198.51.100.2 GRE 192.0.2.1 → 192.0.2.2 UDP 4711 → 4712 Len=5"


def test_scapy_reads_the_same_mld_report_and_sctp_init() -> None:
    report = bytes(
        IPv6(src="fe80::1", dst="ff02::16") / ICMPv6MLReport2(records=[ICMPv6MLDMultAddrRec(rtype=4, dst="ff02::fb")])
    )
    found = dissect(report, Ipv6).found("icmpv6.mldr.mar.multicast_address")
    assert [one.value for one in found] == ["ff02::fb"]
    init = dissect(bytes(OUTER / SCTP() / SCTPChunkInit(init_tag=7)), Ip)
    assert [one.value for one in init.found("sctp.init_initiate_tag")] == [7]
