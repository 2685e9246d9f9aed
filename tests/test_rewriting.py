"""Addresses exchanged: every checksum says afterwards what it said before, and the way back leads to the same bytes."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pktlab
from pktlab.capture import Record, open_writer
from pktlab.errors import PktlabError
from pktlab.rewriting import Rewriter, parse_rewrites
from pktlab.testing import packets

ALL = {"0.0.0.0/1": "128.0.0.0/1"}


def crafted(text: str) -> pktlab.Packet:
    made = pktlab.craft(text)
    assert isinstance(made, pktlab.Packet)
    return made


def verdicts(packet: pktlab.Packet) -> list[tuple[str, str]]:
    return [(one.protocol, str(one.verdict)) for one in (*packet.judgements, *packet.whole_judgements)]


ENDS = 'IP(src="10.0.0.1", dst="10.0.0.2")'
SIX = 'IPv6(src="2001:db8::1", dst="2001:db8::2")'
MAP = {
    "10.0.0.0/24": "203.0.113.0/24", "2001:db8::/64": "2001:db8:ffff::/64", "02:00:00:00:00:01": "06:11:22:33:44:55",
}  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        f"Ether()/{ENDS}/UDP()/b'abc'",
        f"Ether()/Dot1Q(vlan=5)/{ENDS}/TCP()/b'abc'",
        f"{ENDS}/UDP(chksum=0)/b'absent'",
        f"{ENDS}/UDP(chksum=0x1234)/b'bad'",
        "IP(src='10.0.0.1', dst='10.0.0.2', chksum=7)/TCP(chksum=0x1234)",
        f"{SIX}/UDP()/b'abc'",
        f"{SIX}/UDP(chksum=0)/b'illegal'",
        f"{SIX}/ICMPv6EchoRequest()",
        f"{SIX}/IPv6ExtHdrRouting(type=0, addresses=['2001:db8::3', '2001:db8::4'], segleft=1)/UDP()",
        "IP(src='10.0.0.1', dst='10.0.0.2', options=[IPOption_LSRR(routers=['10.0.0.7'])])/UDP()/b'x'",
        f"{ENDS}/GRE()/{ENDS}/TCP()/b'tunnel'",
        f"{ENDS}/UDP(dport=4789, sport=9)/VXLAN()/Ether()/{ENDS}/UDP()/b'inner'",
        f"{ENDS}/ICMP(type=3, code=3)/{ENDS}/UDP()/b'quoted'",
        f"{ENDS}/SCTP()/SCTPChunkCookieAck()",
    ],
)
def test_each_sum_says_what_it_said(text: str) -> None:
    packet = crafted(text.replace("Ether()", 'Ether(src="02:00:00:00:00:01")'))
    other = Rewriter(MAP)(packet)
    assert verdicts(other) == verdicts(packet)
    assert len(other.data) == len(packet.data)
    addresses = [str(value) for name in ("ip.addr", "ipv6.addr") for value in other.values(name)]
    assert addresses
    assert not [one for one in addresses if one.startswith(("10.0.0.", "2001:db8::"))]
    back = Rewriter({new: old for old, new in MAP.items()})(other)
    assert back.data == packet.data


def test_a_partial_sum_has_the_new_pseudo_header() -> None:
    from pktlab.spoil import with_checksum

    packet = with_checksum(crafted(f"{ENDS}/UDP()/b'abc'"), "partial")
    other = Rewriter(MAP)(packet)
    assert verdicts(other) == [("ip", "good"), ("udp", "partial")]
    assert Rewriter({new: old for old, new in MAP.items()})(other).data == packet.data


def test_a_bad_sum_is_off_by_as_much() -> None:
    packet = crafted(f"{ENDS}/UDP(chksum=0x1234)/b'bad'")
    other = Rewriter(MAP)(packet)

    def error(one: pktlab.Packet) -> int:
        judged = one.judgements[-1]
        assert judged.found is not None
        assert judged.expected is not None
        return (judged.found - judged.expected) % 0xFFFF

    assert error(other) == error(packet) != 0


def test_neighbours_are_told_of_the_same_ends() -> None:
    arp = crafted('Ether(src="02:00:00:00:00:01")/ARP(hwsrc="02:00:00:00:00:01", psrc="10.0.0.1", pdst="10.0.0.2")')
    other = Rewriter(MAP)(arp)
    assert other["arp.src.hw_mac"] == other["eth.src"] == "06:11:22:33:44:55"
    assert (other["arp.src.proto_ipv4"], other["arp.dst.proto_ipv4"]) == ("203.0.113.1", "203.0.113.2")
    asked = crafted(f'Ether()/{SIX}/ICMPv6ND_NS(tgt="2001:db8::9")/ICMPv6NDOptSrcLLAddr(lladdr="02:00:00:00:00:01")')
    other = Rewriter(MAP)(asked)
    assert other["icmpv6.nd.ns.target_address"] == "2001:db8:ffff::9"
    assert other["icmpv6.opt.linkaddr"] == bytes.fromhex("061122334455")
    assert verdicts(other) == verdicts(asked)


def test_what_applications_write_is_left_alone() -> None:
    packet = crafted(f'{ENDS}/UDP(sport=53)/DNS(qr=1, an=[DNSRR(rrname="a.b", type="A", rdata="10.0.0.1")])')
    assert Rewriter(MAP)(packet)["dns.a"] == "10.0.0.1"


def test_the_longest_prefix_fits() -> None:
    packet = crafted(f"{ENDS}/UDP()")
    other = Rewriter({"10.0.0.0/8": "11.0.0.0/8", "10.0.0.2": "192.0.2.2", "0.0.0.0/0": "1.2.3.4/0"})(packet)
    assert (other["ip.src"], other["ip.dst"]) == ("11.0.0.1", "192.0.2.2")


def test_a_packet_without_such_addresses_is_itself() -> None:
    packet = crafted(f"{ENDS}/UDP()")
    assert Rewriter({"10.9.9.9": "10.8.8.8"})(packet) is packet


@pytest.mark.parametrize("size", [0, 5, 12, 14, *range(34, 51), *range(52, 62)])  # no address or sum is there in part
def test_cut_packets_are_rewritten_as_far_as_they_go(size: int) -> None:
    whole = crafted(f'Ether(src="02:00:00:00:00:01")/{ENDS}/TCP(options=[("MSS", 1)])/b"abcd"')
    record = Record(1, None, whole.data[:size], len(whole.data), 1)
    other = Rewriter(MAP)(pktlab.Packet(record, 1))
    assert other.data == Rewriter(MAP)(whole).data[:size]


def test_fragments_complete_to_what_they_were(first_light: Path, tmp_path: Path) -> None:
    rewriter = Rewriter(
        ALL
        | {
            "192.0.2.0/24": "203.0.113.0/24",
            "2001:db8::/64": "2001:db8:5::/64",
            "02:00:00:00:00:01": "06:00:00:00:00:01",
        }
    )
    with open_writer(tmp_path / "other.pcapng") as writer:
        for packet in pktlab.open(first_light):
            writer.write(rewriter(packet).record)
    before, after = list(pktlab.open(first_light)), list(pktlab.open(tmp_path / "other.pcapng"))
    assert [verdicts(packet) for packet in after] == [verdicts(packet) for packet in before]
    assert "192.0.2.1" not in {str(packet.get("ip.src")) for packet in after}


def test_of_real_captures(corpus: Path) -> None:
    rewriter = Rewriter({**ALL, "128.0.0.0/1": "0.0.0.0/1", "::/1": "8000::/1", "8000::/1": "::/1"})
    count = 0
    for path in sorted(corpus.rglob("*.pcap"))[::29]:
        try:
            capture = pktlab.open(path)
            for packet in islice(capture, 60):
                other = rewriter(packet)
                judged = [(one.protocol, one.verdict) for one in packet.judgements]
                assert [(one.protocol, one.verdict) for one in other.judgements] == judged, (path, packet.number)
                count += other is not packet
        except PktlabError:
            continue
    assert count > 300


@pytest.mark.parametrize(
    ("rewrites", "said"),
    [
        ({"10.0.0.1": "::1"}, "10.0.0.1 and ::1 are not of one kind"),
        ({"10.0.0.0/8": "10.0.0.0/9"}, "are not of one kind"),
        ({"here": "10.0.0.1"}, "'here' is no IP address, network or MAC address"),
        ({"02:00:00:00:00:01": "10.0.0.1"}, "is no IP address"),
    ],
)
def test_what_is_no_pair_is_refused(rewrites: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Rewriter(rewrites)


def test_a_text_without_an_equals_sign_is_refused() -> None:
    with pytest.raises(ValueError, match="write OLD=NEW"):
        parse_rewrites(["10.0.0.1"])


HALVES = {"0.0.0.0/1": "128.0.0.0/1", "128.0.0.0/1": "0.0.0.0/1", "::/1": "8000::/1", "8000::/1": "::/1"}
"""Every address becomes another one, and the same again when this is done twice."""
STACKS = (
    "eth/ip/udp", "eth/vlan/ip/tcp", "ip/icmp", "eth/ipv6/udp", "ipv6/tcp", "ipv6/routing/udp", "ipv6/dstopts/tcp",
    "ip/gre/ipv6/udp", "eth/ip/udp/vxlan/eth/ip/tcp", "ipv6/icmpv6",
)  # fmt: skip


@pytest.mark.parametrize("stack", STACKS)
@settings(max_examples=40)
@given(data=st.data())
def test_whatever_the_packet_twice_is_as_it_was(stack: str, data: st.DataObject) -> None:
    valid = data.draw(st.booleans())
    packet = data.draw(packets(stack, valid=valid))
    rewriter = Rewriter(HALVES)
    other = rewriter(packet)
    assert verdicts(other) == verdicts(packet)
    sums = {one.found for one in (*packet.judgements, *other.judgements)}
    if not sums & {0, 0xFFFF}:  # one's complement has two zeros
        assert rewriter(other).data == packet.data


@given(st.binary(max_size=200), st.sampled_from([1, 101, 113, 228, 229]))
def test_any_bytes_are_rewritten_without_an_error(data: bytes, link_type: int) -> None:
    packet = pktlab.Packet(Record(1, None, data, len(data), link_type), link_type)
    assert len(Rewriter(HALVES | {"00:00:00:00:00:00": "02:00:00:00:00:01"})(packet).data) == len(data)
