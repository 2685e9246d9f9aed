"""Every case of the checksum contract that these protocols meet, each under its own name.

Packets are built by `pktlab.wire.build`, whose sums test_codecs and Scapy vouch for, or written out by hand; damage is
done to the bytes.
"""

from __future__ import annotations

import pytest
from scapy.layers.inet import IP, TCP, UDP, fragment
from scapy.layers.inet6 import IPv6
from scapy.packet import Raw

from pktlab.wire import build, dissect
from pktlab.wire.checksum import checksum, ones_sum
from pktlab.wire.ethernet import Ethernet, Vlan
from pktlab.wire.header import Header
from pktlab.wire.icmp import Echo, Icmp, Unused
from pktlab.wire.icmpv6 import Echo as Echo6
from pktlab.wire.icmpv6 import Icmpv6
from pktlab.wire.ipsec import Ah, Esp
from pktlab.wire.ipv4 import Ip, IpOption, IpOptions, RouteEntry, SourceRoute
from pktlab.wire.ipv6 import (
    DestinationOptions,
    Fragment,
    HomeAddress,
    HopByHop,
    Ipv6,
    Ipv6Option,
    JumboPayload,
    PadN,
    Routing,
    Segment,
    SegmentRouting,
    Type0,
    Type0Address,
    Type2,
)
from pktlab.wire.tcp import Tcp, TcpFlags
from pktlab.wire.udp import Udp
from pktlab.wire.verdict import STATUS, Judgement, Offload, Verdict, judge

V4 = {"src": "192.0.2.1", "dst": "192.0.2.2"}
V6 = {"src": "2001:db8::1", "dst": "2001:db8::2"}


def one(data: bytes, first: type[Header], protocol: str, **known: object) -> Judgement:
    """Return the verdict on the checksum of `protocol` in a packet."""
    found = [judgement for judgement in judge(dissect(data, first), **known) if judgement.protocol == protocol]  # type: ignore[arg-type]
    assert len(found) == 1, found
    return found[0]


def udp4(payload: bytes = b"hello", **udp: int) -> bytes:
    return build(Ip(proto=17, **V4), Udp(**{"srcport": 4711, "dstport": 53, **udp}), payload)


def udp6(payload: bytes = b"hello", **udp: int) -> bytes:
    return build(Ipv6(nxt=17, **V6), Udp(**{"srcport": 4711, "dstport": 53, **udp}), payload)


def put(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def swapped(data: bytes, at: int) -> bytes:
    return put(data, at, data[at : at + 2][::-1])


# ---- 1 to 6: the arithmetic


@pytest.mark.parametrize("size", [0, 1, 2, 3, 1471, 1472, 65507])
def test_case_1_odd_lengths_and_4_no_overflow_up_to_64_kib(size: int) -> None:
    data = bytes(IP(src=V4["src"], dst=V4["dst"]) / UDP(sport=1, dport=2) / Raw(b"\xff" * size))
    assert one(data, Ip, "udp").verdict is Verdict.good


def test_case_5_all_zero_data_with_field_zero_are_bad() -> None:
    data = build(Ip(proto=1, **V4), bytes(8))
    judgement = one(data, Ip, "icmp")
    assert (judgement.verdict, judgement.expected) == (Verdict.bad, 0xFFFF)


def udp_payload_that_sums_to_zero() -> bytes:
    expected = one(udp4(b"\0\0"), Ip, "udp").expected
    assert expected is not None
    return expected.to_bytes(2, "big")


def test_case_6_udp_sends_ffff_where_the_sum_is_zero() -> None:
    data = udp4(udp_payload_that_sums_to_zero())
    assert data[26:28] == b"\xff\xff"
    judgement = one(data, Ip, "udp")
    assert (judgement.verdict, judgement.note) == (Verdict.good, "")


def test_case_6_udp_over_ipv4_with_zero_is_absent() -> None:
    judgement = one(put(udp4(), 26, b"\0\0"), Ip, "udp")
    assert (judgement.verdict, STATUS[judgement.verdict]) == (Verdict.absent, 3)


def test_case_6_udp_over_ipv6_with_zero_is_illegal() -> None:
    judgement = one(put(udp6(), 46, b"\0\0"), Ipv6, "udp")
    assert (judgement.verdict, STATUS[judgement.verdict]) == (Verdict.illegal_zero, 4)


@pytest.mark.parametrize("port", [4789, 6081, 2152, 4341, 2268, 6635])
def test_case_6_tunnels_over_ipv6_may_leave_it_out(port: int) -> None:
    assert one(put(udp6(dstport=port), 46, b"\0\0"), Ipv6, "udp").verdict is Verdict.absent


def test_case_6_an_ipv4_header_may_carry_zero_and_be_right() -> None:
    right = one(build(Ip(proto=17, id=0, **V4), b""), Ip, "ip").expected
    assert right is not None
    data = build(Ip(proto=17, id=right, **V4), b"")
    assert data[10:12] == b"\0\0"
    assert one(data, Ip, "ip").verdict is Verdict.good


def test_minus_zero_is_good_and_said_so() -> None:
    right = one(build(Ip(proto=17, id=0, **V4), b""), Ip, "ip").expected
    assert right is not None
    data = put(build(Ip(proto=17, id=right, **V4), b""), 10, b"\xff\xff")
    judgement = one(data, Ip, "ip")
    assert judgement.verdict is Verdict.good
    assert "minus-zero" in judgement.note


def test_tcp_may_carry_zero() -> None:
    plain = build(Ip(proto=6, **V4), Tcp(srcport=1, dstport=2))
    right = one(plain, Ip, "tcp").expected
    assert right is not None
    data = build(Ip(proto=6, **V4), Tcp(srcport=1, dstport=2, urgent_pointer=right))
    assert data[36:38] == b"\0\0"
    assert one(data, Ip, "tcp").verdict is Verdict.good


# ---- 7 and 8: what is covered


def test_case_7_the_ipv4_sum_covers_options_and_nothing_behind() -> None:
    options = IpOptions(items=(IpOption(type=1), IpOption(type=1)))
    data = build(Ip(proto=253, options=options, **V4), b"payload")
    assert one(data, Ip, "ip").verdict is Verdict.good
    assert one(put(data, 21, b"\x07\x03\x04"), Ip, "ip").verdict is Verdict.bad
    assert one(put(data, 24, b"PAYLOAD"), Ip, "ip").verdict is Verdict.good


def test_case_8_pseudo_headers_of_both_versions() -> None:
    assert one(udp4(), Ip, "udp").verdict is Verdict.good
    assert one(udp6(), Ipv6, "udp").verdict is Verdict.good
    assert one(put(udp4(), 12, b"\xc0\x00\x02\x09"), Ip, "udp").verdict is Verdict.bad
    assert one(put(udp6(), 8, b"\x20\x02"), Ipv6, "udp").verdict is Verdict.bad


# ---- 9 and 10: routes


def source_route(pointer: int, kind: int = 131) -> IpOptions:
    hops = (RouteEntry(src_rt="198.51.100.1"), RouteEntry(src_rt="198.51.100.2"))
    return IpOptions(items=(IpOption(type=kind, body=SourceRoute(ptr=pointer, route=hops)),))


def udp_summed_for(destination: str, pointer: int, kind: int = 131) -> bytes:
    """Return a source-routed datagram whose UDP sum was taken for `destination`."""
    right = build(Ip(proto=17, src=V4["src"], dst=destination), Udp(srcport=1, dstport=2), b"hi")
    header = Ip(proto=17, options=source_route(pointer, kind), **V4)
    return build(header, right[20:])


@pytest.mark.parametrize("kind", [131, 137])
def test_case_9_source_route_under_way_is_summed_for_the_final_hop(kind: int) -> None:
    judgement = one(udp_summed_for("198.51.100.2", 4, kind), Ip, "udp")
    assert judgement.verdict is Verdict.good
    assert "198.51.100.2" in judgement.note


@pytest.mark.parametrize("kind", [131, 137])
def test_case_9_exhausted_source_route_is_summed_for_the_header_s_destination(kind: int) -> None:
    assert one(udp_summed_for(V4["dst"], 12, kind), Ip, "udp").verdict is Verdict.good
    assert one(udp_summed_for("198.51.100.2", 12, kind), Ip, "udp").verdict is Verdict.bad


def test_case_9_summed_for_the_wrong_destination_is_named() -> None:
    judgement = one(udp_summed_for(V4["dst"], 4), Ip, "udp")
    assert judgement.verdict is Verdict.bad
    assert judgement.cause == "taken with the destination of the IP header, not the final one"


def routed(routing: Routing, destination: str, source: str = V6["src"]) -> bytes:
    """Return a routed datagram whose UDP sum was taken between `source` and `destination`."""
    right = build(Ipv6(nxt=17, src=source, dst=destination), Udp(srcport=1, dstport=2), b"hi")
    return build(Ipv6(nxt=43, **V6), routing, right[40:])


TYPE_0 = Type0(addresses=(Type0Address(addr="2001:db8::8"), Type0Address(addr="2001:db8::9")))
SRH = SegmentRouting(addresses=(Segment(addr="2001:db8::9"), Segment(addr="2001:db8::8")))


@pytest.mark.parametrize(
    "body", [(0, TYPE_0), (2, Type2(home_address="2001:db8::9")), (4, SRH)], ids=["type 0", "type 2", "segment routing"]
)
def test_case_10_routing_header_names_the_final_destination(body: tuple[int, Header]) -> None:
    kind, inside = body
    under_way = Routing(nxt=17, type=kind, segleft=1, body=inside)
    assert one(routed(under_way, "2001:db8::9"), Ipv6, "udp").verdict is Verdict.good
    arrived = Routing(nxt=17, type=kind, segleft=0, body=inside)
    assert one(routed(arrived, V6["dst"]), Ipv6, "udp").verdict is Verdict.good
    assert one(routed(under_way, V6["dst"]), Ipv6, "udp").verdict is Verdict.bad


def test_case_10_unknown_routing_type_leaves_it_unverified() -> None:
    from pktlab.wire.ipv6 import OtherRouting

    routing = Routing(nxt=17, type=250, segleft=1, body=OtherRouting(unknown_data=bytes(4)))
    judgement = one(routed(routing, "2001:db8::9"), Ipv6, "udp")
    assert judgement.verdict is Verdict.unverified
    assert "250" in judgement.note


def test_case_10_home_address_replaces_the_source() -> None:
    right = build(Ipv6(nxt=17, src="2001:db8::77", dst=V6["dst"]), Udp(srcport=1, dstport=2), b"hi")
    home = (
        Ipv6Option(type=1, body=PadN(padn=bytes(2))),
        Ipv6Option(type=0xC9, body=HomeAddress(mipv6_home_address="2001:db8::77")),
    )
    options = DestinationOptions(nxt=17, options=home)
    data = build(Ipv6(nxt=60, **V6), options, right[40:])
    assert one(data, Ipv6, "udp").verdict is Verdict.good
    without = build(Ipv6(nxt=60, **V6), options, udp6()[40:])
    judgement = one(without, Ipv6, "udp")
    assert judgement.verdict is Verdict.bad
    assert "without the Home Address" in judgement.cause


# ---- 11 to 16: what hides or cuts


def test_case_11_behind_ah_is_verified_behind_esp_it_cannot_be() -> None:
    ah = build(Ip(proto=51, **V4), Ah(next_header=17, spi=1), udp4()[20:])
    assert one(ah, Ip, "udp").verdict is Verdict.good
    esp = build(Ip(proto=50, **V4), Esp(spi=1), bytes(20))
    assert one(esp, Ip, "esp").verdict is Verdict.unverified


def test_case_12_a_first_fragment_is_never_bad() -> None:
    whole = IP(src=V4["src"], dst=V4["dst"], id=7) / UDP(sport=1, dport=2) / Raw(b"x" * 100)
    first = bytes(fragment(whole, fragsize=48)[0])
    assert one(first, Ip, "udp").verdict is Verdict.unverified


def test_case_12_an_atomic_fragment_is_judged() -> None:
    data = build(Ipv6(nxt=44, **V6), Fragment(nxt=17, ident=1), udp6()[40:])
    assert one(data, Ipv6, "udp").verdict is Verdict.good
    part = build(Ipv6(nxt=44, **V6), Fragment(nxt=17, ident=1, more=True), udp6()[40:])
    assert one(part, Ipv6, "udp").verdict is Verdict.unverified


def test_case_13_the_surplus_area_is_left_out() -> None:
    data = build(Ip(proto=17, **V4), udp4()[20:], b"options!")
    assert one(data, Ip, "udp").verdict is Verdict.good


def test_case_13_a_sum_over_the_surplus_area_is_named() -> None:
    pseudo = bytes.fromhex("c0000201c00002020011") + (13 + 8).to_bytes(2, "big")
    datagram = put(udp4()[20:] + b"options!", 6, b"\0\0")
    wrong = checksum(pseudo + datagram).to_bytes(2, "big")
    data = build(Ip(proto=17, **V4), put(datagram, 6, wrong))
    assert one(data, Ip, "udp").cause == "taken over the surplus area behind udp.length too"


def test_case_14_a_jumbogram_s_length_stands_in_its_option() -> None:
    payload = bytes(70_000)
    length = 8 + 8 + len(payload)
    jumbo = (Ipv6Option(type=0xC2, body=JumboPayload(jumbo=length)),)
    datagram = put(b"\x00\x01\x00\x02\x00\x00\x00\x00" + payload, 6, b"\0\0")
    pseudo = bytes.fromhex("20010db8" + "00" * 11 + "01" + "20010db8" + "00" * 11 + "02")
    pseudo += (8 + len(payload)).to_bytes(4, "big") + bytes(3) + b"\x11"
    right = checksum(pseudo + datagram).to_bytes(2, "big")
    data = build(Ipv6(nxt=0, plen=0, **V6), HopByHop(nxt=17, options=jumbo), put(datagram, 6, right), b"trailer")
    packet = dissect(data, Ipv6)
    assert one(data, Ipv6, "udp").verdict is Verdict.good
    assert packet.data[slice(*packet.trailer)] == b"trailer"


@pytest.mark.parametrize("size", [3000, 70_000])
def test_case_15_offloaded_segments_without_an_ip_length(size: int) -> None:
    segment = bytes(20) + b"y" * size
    segment = put(segment, 12, b"\x50")
    length = len(segment)
    pseudo = bytes.fromhex("c0000201c00002020006") + (length & 0xFFFF).to_bytes(2, "big")
    carried = length >> 16
    right = checksum(pseudo + segment, carried).to_bytes(2, "big")
    data = build(Ip(proto=6, len=0, **V4), put(segment, 16, right))
    assert one(data, Ip, "tcp").verdict is Verdict.good
    partial = ones_sum(pseudo, carried).to_bytes(2, "big")
    assert one(build(Ip(proto=6, len=0, **V4), put(segment, 16, partial)), Ip, "tcp").verdict is Verdict.partial
    assert one(data, Ip, "tcp", cut=True).verdict is Verdict.unverified


def test_case_16_cut_by_the_snapshot_length() -> None:
    data = udp4(b"x" * 100)
    cut = judge(dissect(data[:60], Ip), cut=True)
    assert [judgement.verdict for judgement in cut] == [Verdict.good, Verdict.unverified]
    in_header = judge(dissect(data[:24], Ip), cut=True)
    assert [judgement.verdict for judgement in in_header] == [Verdict.good, Verdict.unverified]
    in_ip = judge(dissect(data[:12], Ip), cut=True)
    assert [judgement.verdict for judgement in in_ip] == [Verdict.unverified]


# ---- 17 to 19: what does not belong


@pytest.mark.parametrize(
    "tags", [(), (Vlan(id=1, etype=0x0800),), (Vlan(id=1, etype=0x8100), Vlan(id=2, etype=0x0800))]
)
def test_case_17_padding_and_trailer_are_no_payload(tags: tuple[Vlan, ...]) -> None:
    ethernet = Ethernet(dst="02:00:00:00:00:02", src="02:00:00:00:00:01", type=0x8100 if tags else 0x0800)
    data = build(ethernet, *tags, udp4(b"x"), b"\xde\xad" * 20)
    packet = dissect(data)
    assert one(data, Ethernet, "udp").verdict is Verdict.good
    assert packet.trailer[1] - packet.trailer[0] == 40


def test_case_17_a_sum_over_the_padding_is_named() -> None:
    ethernet = Ethernet(dst="02:00:00:00:00:02", src="02:00:00:00:00:01", type=0x0800)
    data = build(ethernet, udp4(b"x"), b"\xde\xad" * 8)
    pseudo = bytes.fromhex("c0000201c0000202001100") + b"\x09"
    wrong = checksum(pseudo + put(data[34:], 6, b"\0\0")).to_bytes(2, "big")
    judgement = one(put(data, 40, wrong), Ethernet, "udp")
    assert judgement.cause == "taken over the Ethernet padding or trailer too"


def test_case_19_icmp_has_no_pseudo_header_and_icmpv6_has() -> None:
    icmp = build(Ip(proto=1, **V4), Icmp(type=8, body=Echo(ident=1, seq=2)), b"ping")
    assert one(icmp, Ip, "icmp").verdict is Verdict.good
    assert one(put(icmp, 12, b"\xc0\x00\x02\x09"), Ip, "icmp").verdict is Verdict.good
    icmp6 = build(Ipv6(nxt=58, **V6), Icmpv6(type=128, body=Echo6(identifier=1, sequence_number=2)), b"ping")
    assert one(icmp6, Ipv6, "icmpv6").verdict is Verdict.good
    assert one(put(icmp6, 8, b"\x20\x02"), Ipv6, "icmpv6").verdict is Verdict.bad


def test_case_19_quoted_packets_get_no_verdict() -> None:
    quote = put(udp4(), 26, b"\x12\x34")[:28]
    data = build(Ip(proto=1, **V4), Icmp(type=3, code=3, body=Unused()), quote)
    assert [judgement.protocol for judgement in judge(dissect(data, Ip))] == ["ip", "icmp"]


# ---- partial, certain answers, malformed


def test_partial_is_the_pseudo_header_sum_not_complemented() -> None:
    pseudo = bytes.fromhex("c0000201c0000202001100") + b"\x0d"
    judgement = one(put(udp4(), 26, ones_sum(pseudo).to_bytes(2, "big")), Ip, "udp")
    assert (judgement.verdict, STATUS[judgement.verdict]) == (Verdict.partial, 0)


def test_what_the_capture_says_beats_what_the_field_suggests() -> None:
    wrong = put(udp4(), 26, b"\x12\x34")
    assert one(wrong, Ip, "udp", offload=Offload.not_ready).verdict is Verdict.partial
    assert one(wrong, Ip, "udp", offload=Offload.valid).verdict is Verdict.bad
    assert one(udp4(), Ip, "udp", offload=Offload.not_ready).verdict is Verdict.good


@pytest.mark.parametrize("length", [1, 7])
def test_udp_length_under_8_is_malformed(length: int) -> None:
    assert one(udp4(length=length), Ip, "udp").verdict is Verdict.malformed


def test_udp_length_0_outside_a_jumbogram_is_malformed() -> None:
    assert one(udp4(length=0), Ip, "udp").verdict is Verdict.malformed


def test_udp_length_past_the_ip_payload_is_malformed() -> None:
    judgement = one(udp4(length=14), Ip, "udp")
    assert judgement.verdict is Verdict.malformed
    assert judgement.note == "ip.len leaves 5 of 6 bytes that udp.length counts"


@pytest.mark.parametrize("offset", [0, 16])
def test_tcp_data_offset_under_5_is_malformed(offset: int) -> None:
    data = build(Ip(proto=6, **V4), Tcp(srcport=1, dstport=2, checksum=0, hdr_len=offset))
    assert one(data, Ip, "tcp").verdict is Verdict.malformed


def test_tcp_data_offset_past_the_end_is_malformed() -> None:
    data = build(Ip(proto=6, **V4), Tcp(srcport=1, dstport=2, checksum=0, hdr_len=24))
    assert one(data, Ip, "tcp").verdict is Verdict.malformed


def test_a_broken_tcp_option_does_not_hide_the_sum() -> None:
    segment = bytes(Tcp(srcport=1, dstport=2, hdr_len=24, checksum=0, flags=TcpFlags.of("syn"))) + b"\x02\x09\x05\xb4"
    pseudo = bytes.fromhex("c0000201c0000202000600") + b"\x18"
    right = checksum(pseudo + segment).to_bytes(2, "big")
    packet = dissect(build(Ip(proto=6, **V4), put(segment, 16, right)), Ip)
    assert packet.stop is not None
    assert [judgement.verdict for judgement in judge(packet)] == [Verdict.good, Verdict.good]


def test_ihl_under_5_is_malformed() -> None:
    data = build(Ip(proto=17, hdr_len=16, checksum=0, **V4), b"x" * 8)
    assert one(data, Ip, "ip").verdict is Verdict.malformed


# ---- causes


def test_cause_byte_swapped() -> None:
    assert one(swapped(udp4(), 26), Ip, "udp").cause.startswith("byte-swapped")


@pytest.mark.parametrize("value", [b"\xff\xff", b"\xab\xab"])
def test_cause_trivial_field(value: bytes) -> None:
    assert "offload" in one(put(udp4(), 26, value), Ip, "udp").cause


def test_cause_empty_ipv4_sum() -> None:
    assert "0x0000" in one(put(udp4(), 10, b"\0\0"), Ip, "ip").cause


@pytest.mark.parametrize("bit", range(16))
def test_cause_one_flipped_bit_is_only_consistent(bit: int) -> None:
    data = udp4(b"hello!")
    word = int.from_bytes(data[28:30], "big") ^ 1 << bit
    cause = one(put(data, 28, word.to_bytes(2, "big")), Ip, "udp").cause
    assert cause == f"consistent with one flipped bit in column {bit}"


def test_no_cause_is_made_up() -> None:
    judgement = one(put(udp4(), 26, b"\x12\x34"), Ip, "udp")
    assert (judgement.verdict, judgement.cause, judgement.found) == (Verdict.bad, "", 0x1234)


@pytest.mark.parametrize("transport", [TCP(sport=1, dport=2), UDP(sport=1, dport=2)], ids=["tcp", "udp"])
@pytest.mark.parametrize(
    "below", [IP(src=V4["src"], dst=V4["dst"]), IPv6(src=V6["src"], dst=V6["dst"])], ids=["v4", "v6"]
)
def test_scapy_s_sums_are_good(below: IP, transport: TCP) -> None:
    data = bytes(below / transport / Raw(b"some data"))
    first = Ip if isinstance(below, IP) else Ipv6
    assert all(judgement.verdict is Verdict.good for judgement in judge(dissect(data, first)))
