"""Wrong on purpose, and in nothing else: checksums of every kind, and near misses with one fault each."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pktlab
from pktlab.errors import CraftError
from pktlab.spoil import WISHES, near_misses, with_checksum
from pktlab.wire import build
from pktlab.wire.ethernet import Ethernet
from pktlab.wire.icmp import Echo, Icmp
from pktlab.wire.ipv4 import Ip
from pktlab.wire.ipv6 import Ipv6
from pktlab.wire.overlays import Vxlan
from pktlab.wire.sctp import Sctp
from pktlab.wire.tcp import Tcp
from pktlab.wire.udp import Udp

LOW = Ip(src="192.0.2.1", dst="192.0.2.2", proto=17)
MACS = {"dst": "02:00:00:00:00:02", "src": "02:00:00:00:00:01"}


def packet_of(*parts: Any) -> pktlab.Packet:
    return pktlab.packet(build(*parts), as_="raw")


def verdicts(packet: pktlab.Packet) -> list[str]:
    return [f"{one.protocol} {one.verdict}" for one in packet.judgements]


@pytest.mark.parametrize(
    ("wish", "verdict"),
    [("good", "good"), ("bad", "bad"), ("zero", "absent"), ("partial", "partial"), (0x1234, "bad"), (0, "absent")],
)
def test_a_checksum_is_what_was_wished(wish: str | int, verdict: str) -> None:
    packet = packet_of(LOW, Udp(srcport=1, dstport=2), b"hello")
    made = with_checksum(packet, wish)
    assert verdicts(made) == ["ip good", f"udp {verdict}"]
    assert made.data[:26] + made.data[28:] == packet.data[:26] + packet.data[28:]


@pytest.mark.parametrize(
    ("parts", "zero"),
    [
        ((Ip(src="192.0.2.1", dst="192.0.2.2", proto=6), Tcp(srcport=1, dstport=2)), "bad"),
        ((Ipv6(src="::1", dst="::2", nxt=17), Udp(srcport=1, dstport=2)), "illegal-zero"),
        ((Ip(src="192.0.2.1", dst="192.0.2.2", proto=1), Icmp(type=8, body=Echo(ident=1, seq=2))), "bad"),
    ],
)
def test_a_zero_means_what_the_protocol_makes_of_it(parts: tuple[Any, ...], zero: str) -> None:
    assert with_checksum(packet_of(*parts, b"x"), "zero").judgements[-1].verdict == zero


def test_the_innermost_is_meant_and_those_around_stay_right() -> None:
    inner = (Ethernet(**MACS, type=0x0800), LOW, Udp(srcport=3, dstport=4), b"inner")
    outer = packet_of(LOW, Udp(srcport=1, dstport=4789), Vxlan(vni=7), *inner)
    assert verdicts(outer) == ["ip good", "udp good", "ip good", "udp good"]
    assert verdicts(with_checksum(outer, "bad")) == ["ip good", "udp good", "ip good", "udp bad"]


def test_a_crc_has_four_bytes() -> None:
    packet = packet_of(Ip(src="192.0.2.1", dst="192.0.2.2", proto=132), Sctp(srcport=1, dstport=2, verification_tag=3))
    assert verdicts(with_checksum(packet, 0x12345678))[-1] == "sctp bad"
    assert with_checksum(packet, 0x12345678).data[28:32].hex() == "12345678"


@pytest.mark.parametrize(
    ("packet", "wish", "said"),
    [
        (packet_of(Ip(src="192.0.2.1", dst="192.0.2.2", proto=253), b"x"), "bad", "no transport checksum"),
        (packet_of(LOW, Udp(srcport=1, dstport=2)), 0x10000, "does not fit 2 bytes"),
        (packet_of(Ip(src="1.1.1.1", dst="2.2.2.2", proto=1), Icmp(type=8, body=Echo(ident=1, seq=2))), "partial",
         "no pseudo-header"),
        (packet_of(LOW.replace(frag_offset=0, flags=1), Udp(srcport=1, dstport=2), b"x"), "good", "fragment"),
    ],
)  # fmt: skip
def test_what_cannot_be_set(packet: pktlab.Packet, wish: str | int, said: str) -> None:
    with pytest.raises(CraftError, match=said):
        with_checksum(packet, wish)


def test_a_wish_is_one_of_a_few() -> None:
    with pytest.raises(ValueError, match="good, bad, zero, partial"):
        with_checksum(packet_of(LOW, Udp(srcport=1, dstport=2)), "worse")


def test_near_misses_are_each_other_and_say_what_they_are() -> None:
    packet = packet_of(LOW, Udp(srcport=1, dstport=2), b"hello world")
    made = list(near_misses(packet))
    assert len({one.data for one in made} | {packet.data}) == len(made) + 1
    said = [one.comments[-1] for one in made]
    assert len(set(said)) == len(said)
    assert {"udp checksum bad", "udp.length 19 -> 20", "ip.hdr_len 20 -> 16", "the last byte missing"} <= set(said)
    assert [one.number for one in made] == list(range(2, len(made) + 2))


def test_in_a_near_miss_the_sum_is_right_where_a_length_is_wrong() -> None:
    packet = packet_of(LOW, Udp(srcport=1, dstport=2), b"hello world")
    shorter = next(one for one in near_misses(packet) if one.comments[-1] == "udp.length 19 -> 18")
    assert verdicts(shorter) == ["ip good", "udp good"]
    swapped = next(one for one in near_misses(packet) if "no sum sees" in one.comments[-1])
    assert verdicts(swapped) == ["ip good", "udp good"]


WHOLE = build(Ethernet(**MACS, type=0x0800), LOW, Udp(srcport=1, dstport=2), b"hello world")
damaged = st.dictionaries(st.integers(0, len(WHOLE) - 1), st.integers(0, 255), max_size=4)


@given(damaged, st.integers(0, len(WHOLE)), st.sampled_from([*WISHES, 0x1234]))
def test_any_packet_is_spoilt_or_refused(damage: dict[int, int], size: int, wish: str | int) -> None:
    data = bytes(damage.get(index, byte) for index, byte in enumerate(WHOLE))[:size]
    packet = pktlab.packet(data)
    assert all(one.data != data for one in near_misses(packet))
    try:
        made = with_checksum(packet, wish)
    except CraftError:
        return
    assert len(made.data) == len(data)
    if wish == "bad":
        assert "bad" in {one.verdict for one in made.judgements}
