"""Cases 18, 20 and 22 of the checksum contract: coverage, tunnels, and the protocols with sums of their own.

Packets are built by Scapy where it is right, else written out by hand; damage is done to the bytes.
"""

from __future__ import annotations

import zlib

import pytest
from scapy.contrib.geneve import GENEVE
from scapy.contrib.gtp import GTP_U_Header
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPerror, UDPerror
from scapy.layers.inet6 import HAO, MIP6MH_BU, IPv6, IPv6ExtHdrDestOpt
from scapy.layers.l2 import GRE, Ether
from scapy.layers.ppp import PPP, PPPoE
from scapy.layers.sctp import SCTP, SCTPChunkData
from scapy.layers.vrrp import VRRP, VRRPv3
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet, Raw

from pktlab.wire import build, dissect
from pktlab.wire.checksum import checksum
from pktlab.wire.dccp import Dccp
from pktlab.wire.ethernet import Ethernet
from pktlab.wire.explain import explain
from pktlab.wire.gre import Gre
from pktlab.wire.header import Header
from pktlab.wire.ipv4 import Ip, IpFlags
from pktlab.wire.ipv6 import Ipv6
from pktlab.wire.routing import Pim, Pim6
from pktlab.wire.udplite import UdpLite
from pktlab.wire.verdict import Judgement, Verdict, judge

V4 = {"src": "192.0.2.1", "dst": "192.0.2.2"}
V6 = {"src": "2001:db8::1", "dst": "2001:db8::2"}
OUTER = IP(src="198.51.100.1", dst="198.51.100.2")
INNER = IP(**V4) / UDP(sport=4711, dport=4712) / Raw(b"hello")
MACS = {"dst": "02:00:00:00:00:02", "src": "02:00:00:00:00:01"}


def verdicts(data: bytes | Packet, first: type[Header] = Ip, **known: object) -> list[tuple[str, str]]:
    """Return (protocol, verdict) of every checksum in a packet, outermost first."""
    return [(one.protocol, str(one.verdict)) for one in judge(dissect(bytes(data), first), **known)]  # type: ignore[arg-type]


def one(data: bytes | Packet, protocol: str, first: type[Header] = Ip) -> Judgement:
    found = [judgement for judgement in judge(dissect(bytes(data), first)) if judgement.protocol == protocol]
    assert len(found) == 1, found
    return found[0]


def put(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def by_hand(proto: int, header: bytes, at: int, covered: bytes, length: int, version: int = 4) -> bytes:
    """Return an IP packet around `header` whose checksum at `at` is taken by hand, with a pseudo-header."""
    if version == 4:
        below = bytes(IP(**V4, proto=proto, len=20 + len(header)))
        front = below[12:20] + bytes((0, proto)) + length.to_bytes(2, "big")
    else:
        below = bytes(IPv6(**V6, nh=proto, plen=len(header)))
        front = below[8:40] + length.to_bytes(4, "big") + bytes((0, 0, 0, proto))
    total = checksum(front + covered) or 0xFFFF
    return below + put(header, at, total.to_bytes(2, "big"))


# ---- 18: UDP-Lite


def udp_lite(coverage: int, payload: bytes = b"sixteen octets..", version: int = 4) -> bytes:
    header = bytes.fromhex("12670035") + coverage.to_bytes(2, "big") + b"\0\0" + payload
    return by_hand(136, header, 6, header[: coverage or len(header)], len(header), version)


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("coverage", [0, 8, 9, 12, 24])
def test_case_18_coverage_says_how_much_is_summed(coverage: int, version: int) -> None:
    first = Ip if version == 4 else Ipv6
    data = udp_lite(coverage, version=version)
    assert one(data, "udplite", first).verdict is Verdict.good
    broken = data[:-1] + bytes((data[-1] ^ 1,))
    expected = Verdict.bad if coverage in (0, 24) else Verdict.good
    assert one(broken, "udplite", first).verdict is expected


@pytest.mark.parametrize("coverage", range(1, 8))
def test_case_18_coverage_of_1_to_7_is_malformed(coverage: int) -> None:
    assert one(put(udp_lite(8), 24, coverage.to_bytes(2, "big")), "udplite").verdict is Verdict.malformed


def test_case_18_coverage_past_the_ip_payload_is_malformed() -> None:
    judgement = one(put(udp_lite(8), 24, b"\0\x19"), "udplite")
    assert (judgement.verdict, judgement.note) == (Verdict.malformed, "covers 25 bytes, but ip.len leaves 24")


@pytest.mark.parametrize("version", [4, 6])
def test_case_18_zero_is_illegal(version: int) -> None:
    data = put(udp_lite(8, version=version), (20 if version == 4 else 40) + 6, b"\0\0")
    assert one(data, "udplite", Ip if version == 4 else Ipv6).verdict is Verdict.illegal_zero


def test_case_18_what_is_built_is_what_is_taken_by_hand() -> None:
    built = build(Ip(proto=136, **V4), UdpLite(srcport=0x1267, dstport=0x35, checksum_coverage=12), b"sixteen octets..")
    assert built[20:] == udp_lite(12)[20:]


# ---- 20: tunnels

TUNNELS = {
    "gre": OUTER / GRE() / INNER,
    "gre-ethernet": OUTER / GRE(proto=0x6558) / Ether(**MACS) / INNER,
    "ip-in-ip": OUTER / INNER,
    "vxlan": OUTER / UDP(dport=4789) / VXLAN(vni=1) / Ether(**MACS) / INNER,
    "geneve": OUTER / UDP(dport=6081) / GENEVE(vni=1) / Ether(**MACS) / INNER,
    "gtp-u": OUTER / UDP(dport=2152) / GTP_U_Header(teid=1, gtp_type=255) / INNER,
}


@pytest.mark.parametrize("tunnel", TUNNELS.values(), ids=TUNNELS)
def test_case_20_inner_and_outer_each_have_their_verdict(tunnel: Packet) -> None:
    data = bytes(tunnel)
    outer = [("ip", "good")] + ([("udp", "good")] if UDP in tunnel and tunnel.payload.name == "UDP" else [])
    assert verdicts(data) == [*outer, ("ip", "good"), ("udp", "good")]
    broken = data[:-1] + bytes((data[-1] ^ 1,))
    outer = [(protocol, "bad" if protocol == "udp" else "good") for protocol, _ in outer]
    assert verdicts(broken) == [*outer, ("ip", "good"), ("udp", "bad")]


def test_case_20_6in4() -> None:
    data = OUTER / IPv6(**V6) / TCP(sport=1, dport=2)
    assert verdicts(data) == [("ip", "good"), ("tcp", "good")]


def test_case_20_pppoe_padding_is_outside() -> None:
    frame = bytes(Ether(**MACS) / PPPoE(sessionid=1) / PPP(proto=0x21) / INNER) + bytes(9)
    assert verdicts(frame, Ethernet) == [("ip", "good"), ("udp", "good")]


def test_case_20_inner_padding_is_outer_payload() -> None:
    data = bytes(OUTER / UDP(dport=4789) / VXLAN(vni=1) / Ether(**MACS) / IP(**V4) / UDP() / Raw(b""))
    padded = bytes(OUTER / UDP(dport=4789) / Raw(data[28:] + bytes(18)))
    assert verdicts(padded) == [("ip", "good"), ("udp", "good"), ("ip", "good"), ("udp", "good")]
    assert one_of_outer(put(padded, len(padded) - 1, b"\x01")) == "bad"


def one_of_outer(data: bytes) -> str:
    return next(verdict for protocol, verdict in verdicts(data) if protocol == "udp")


def test_case_20_quoted_tunnels_get_no_verdict() -> None:
    quoted = IPerror(bytes(IP(**V4, proto=17) / UDPerror(sport=1, dport=4789) / VXLAN(vni=1) / Ether(**MACS) / INNER))
    data = OUTER / ICMP(type=3, code=3) / Raw(bytes(quoted))
    assert verdicts(data) == [("ip", "good"), ("icmp", "good")]


def test_case_20_a_fragment_of_the_tunnel_says_nothing_of_what_it_cuts() -> None:
    whole = bytes(GRE() / IP(**V4) / UDP(sport=1, dport=2) / Raw(bytes(64)))
    data = build(Ip(proto=47, flags=IpFlags.of("mf"), **V4), whole[:64])
    assert ("udp", "unverified") in verdicts(data)


# ---- 22: plain sums, CRC32c, DCCP


def test_case_22_gre_has_a_sum_only_where_its_flag_says_so() -> None:
    assert "gre" not in dict(verdicts(OUTER / GRE() / INNER))
    data = bytes(OUTER / GRE(chksum_present=1) / INNER)
    assert verdicts(data) == [("ip", "good"), ("gre", "good"), ("ip", "good"), ("udp", "good")]
    assert one(data[:-1] + b"\0", "gre").verdict is Verdict.bad
    built = build(
        Ip(proto=47, src="198.51.100.1", dst="198.51.100.2"), Gre(flags_checksum=True, proto=0x800), bytes(INNER)
    )
    assert built[20:] == data[20:]


@pytest.mark.parametrize(
    "message",
    ["1600 0000 e00000fb", "1114 0000 e0000001 027d 0001 c0000209", "2200 0000 0000 0001 04000000 e00000fb"],
    ids=["version 2", "query of version 3", "report of version 3"],
)
def test_case_22_igmp_sums_the_whole_message_without_a_pseudo_header(message: str) -> None:
    zeroed = bytes.fromhex(message.replace(" ", ""))
    message_bytes = put(zeroed, 2, checksum(zeroed).to_bytes(2, "big"))
    data = build(Ip(proto=2, src="192.0.2.1", dst="224.0.0.251"), message_bytes)
    assert one(data, "igmp").verdict is Verdict.good
    assert one(data[:-1] + bytes((data[-1] ^ 4,)), "igmp").verdict is Verdict.bad
    assert one(put(data, 12, b"\xc0\x00\x02\x07"), "igmp").verdict is Verdict.good


def sctp() -> bytes:
    return bytes(IP(**V4) / SCTP(sport=1, dport=2, tag=7) / SCTPChunkData(data=b"hello", tsn=1))


def test_case_22_sctp_has_a_crc32c() -> None:
    data = sctp()
    assert one(data, "sctp").verdict is Verdict.good
    for at in range(20, len(data)):
        assert one(put(data, at, bytes((data[at] ^ 0x10,))), "sctp").verdict is Verdict.bad
    assert one(data[:36] + data[38:40] + data[36:38] + data[40:], "sctp").verdict is Verdict.bad  # no sum sees that


def test_case_22_sctp_left_to_the_network_card_is_said_to_be_zero_filled() -> None:
    judgement = one(put(sctp(), 28, bytes(4)), "sctp")
    assert (judgement.verdict, judgement.cause) == (
        Verdict.bad,
        "zero-filled, as a sender leaves it to the network card",
    )
    assert judgement.expected == int.from_bytes(sctp()[28:32], "big")


def test_case_22_sctp_s_old_adler_32_is_named() -> None:
    data = put(sctp(), 28, bytes(4))
    judgement = one(put(data, 28, zlib.adler32(data[20:]).to_bytes(4, "big")), "sctp")
    assert (judgement.verdict, judgement.cause[:11]) == (Verdict.bad, "an Adler-32")


def test_case_22_a_crc_is_explained_as_one() -> None:
    packet = dissect(sctp(), Ip)
    assert "CRC32c over 36 bytes" in "\n".join(explain(packet, judge(packet)[1]))


def dccp(cscov: int, payload: bytes = b"twelve bytes") -> bytes:
    header = (
        bytes.fromhex("12671389")
        + bytes((5, cscov))
        + bytes.fromhex("0000 0500 0000 0000 0001".replace(" ", ""))
        + bytes(4)
    )
    data = header + payload
    covered = data if not cscov else data[: 20 + 4 * (cscov - 1)]
    return by_hand(33, data, 6, covered, len(data))


@pytest.mark.parametrize("cscov", [0, 1, 2, 3, 4])
def test_case_22_dccp_coverage(cscov: int) -> None:
    data = dccp(cscov)
    assert one(data, "dccp").verdict is Verdict.good
    for at in (20 + 20, 20 + 24, 20 + 28):
        in_sum = not cscov or at - 20 < 20 + 4 * (cscov - 1)
        assert one(put(data, at, b"\xff"), "dccp").verdict is (Verdict.bad if in_sum else Verdict.good)


def test_case_22_dccp_coverage_past_the_end_is_malformed() -> None:
    assert one(put(dccp(1), 25, b"\x05"), "dccp").verdict is Verdict.malformed


def test_case_22_dccp_data_offset_past_the_end_is_malformed() -> None:
    assert one(put(dccp(0), 24, b"\x09"), "dccp").verdict is Verdict.malformed
    assert one(put(dccp(0), 24, b"\x02"), "dccp").verdict is Verdict.malformed


def test_case_22_dccp_is_built_as_taken_by_hand() -> None:
    built = build(
        Ip(proto=33, **V4), Dccp(srcport=0x1267, dstport=0x1389, cscov=2, type=2, seq_raw=1, x=True), b"twelve bytes"
    )
    assert one(built, "dccp").verdict is Verdict.good


def test_case_10_mobility_is_summed_with_the_home_address_as_source() -> None:
    home = IPv6(src="2001:db8::c0a", dst=V6["dst"]) / IPv6ExtHdrDestOpt(options=[HAO(hoa="2001:db8::1")])
    data = bytes(home / MIP6MH_BU(seq=1))
    judgement = one(data, "mipv6", Ipv6)
    assert (judgement.verdict, judgement.note) == (Verdict.good, "home address 2001:db8::1 as source")
    assert one(data[:-1] + b"\x07", "mipv6", Ipv6).verdict is Verdict.bad


def test_vrrp_2_is_a_plain_sum_and_3_has_a_pseudo_header() -> None:
    two = bytes(IP(**V4, proto=112) / VRRP(addrlist=["192.0.2.9"]))
    three = bytes(IP(**V4, proto=112) / VRRPv3(addrlist=["192.0.2.9"]))
    assert one(two, "vrrp").verdict is Verdict.good
    assert one(three, "vrrp").verdict is Verdict.good
    assert one(put(two, 12, b"\xc0\x00\x02\x07"), "vrrp").verdict is Verdict.good
    assert one(put(three, 12, b"\xc0\x00\x02\x07"), "vrrp").verdict is Verdict.bad


def test_of_a_pim_register_the_first_8_octets_are_summed() -> None:
    data = build(Ip(proto=103, **V4), Pim(type=1, register_flag=0), bytes(INNER))
    assert verdicts(data) == [("ip", "good"), ("pim", "good"), ("ip", "good"), ("udp", "good")]
    assert dict(verdicts(data[:-1] + b"\0"))["pim"] == "good"
    over_ipv6 = build(Ipv6(nxt=103, **V6), Pim6(type=0), b"\x00\x01\x00\x02\x00\x69")
    assert one(over_ipv6, "pim", Ipv6).verdict is Verdict.good
    assert one(put(over_ipv6, 23, b"\x07"), "pim", Ipv6).verdict is Verdict.bad


@pytest.mark.parametrize("data", [udp_lite(0), sctp(), dccp(0), bytes(OUTER / GRE(chksum_present=1) / INNER)])
def test_cut_by_the_snapshot_length_is_unverified(data: bytes) -> None:
    judgements = judge(dissect(data[:-3], Ip), cut=True)
    assert judgements[1].verdict is Verdict.unverified


@pytest.mark.parametrize("left", [0, 1])
def test_a_gre_header_that_ends_in_front_of_its_checksum_is_malformed(left: int) -> None:
    """A flag promises the field; Hypothesis found that its absence was an AssertionError."""
    gre = bytes.fromhex("80000800") + bytes(left)
    data = bytes(IP(src="10.0.0.1", dst="10.0.0.2", proto=47) / gre)
    assert judge(dissect(data, Ip))[1].note == f"ip.len leaves {left} of 2 bytes of gre.checksum"
