"""One bit broken: the field, the sums, the sentence; and the table of all bits."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pktlab.api import packet as read_packet
from pktlab.wire import build
from pktlab.wire.dissection import Dissection, dissect
from pktlab.wire.ethernet import Ethernet
from pktlab.wire.flip import Flip, flip, flipped
from pktlab.wire.flip_table import FieldCount, flip_table
from pktlab.wire.header import Header
from pktlab.wire.ipv4 import Ip
from pktlab.wire.ipv6 import Ipv6
from pktlab.wire.tcp import Tcp
from pktlab.wire.udp import Udp
from pktlab.wire.verdict import Verdict

MACS = {"dst": "02:00:00:00:00:02", "src": "02:00:00:00:00:01"}
ETH4, ETH6 = (Ethernet(dst=MACS["dst"], src=MACS["src"], type=kind) for kind in (0x0800, 0x86DD))
IP = Ip(src="192.0.2.1", dst="192.0.2.2", proto=17)
IP6 = Ipv6(src="2001:db8::1", dst="2001:db8::2", nxt=17)
UDP = Udp(srcport=4000, dstport=53_000)


def frame(*parts: Header | bytes) -> Dissection:
    return dissect(build(*parts))


def bit_of(packet: Dissection, name: str, number: int = 0) -> int:
    """Return the bit `number` of a field, its most significant first."""
    byte, lead, _ = packet.found(name)[0].bit_range
    return 8 * byte + lead + number


def broken(packet: Dissection, name: str, number: int = 0) -> Flip:
    return flip(packet, bit_of(packet, name, number), dissect)


DATAGRAM = frame(ETH4, IP, UDP, b"hello!")
DATAGRAM6 = frame(ETH6, IP6, UDP, b"hello!")


class TestOneBit:
    def test_bit_0_is_the_most_significant_of_byte_0(self) -> None:
        assert [flipped(bytes(2), bit).hex() for bit in (0, 7, 8, 15)] == ["8000", "0100", "0080", "0001"]

    @pytest.mark.parametrize("bit", [-1, 16])
    def test_a_bit_that_is_not_there(self, bit: int) -> None:
        with pytest.raises(ValueError, match="bits 0 to 15"):
            flipped(bytes(2), bit)

    @given(st.binary(min_size=1, max_size=64), st.data())
    def test_to_break_a_bit_twice_is_to_leave_it(self, data: bytes, more: st.DataObject) -> None:
        bit = more.draw(st.integers(0, 8 * len(data) - 1))
        once = flipped(data, bit)
        assert int.from_bytes(once, "big") ^ int.from_bytes(data, "big") == 1 << (8 * len(data) - 1 - bit)
        assert flipped(once, bit) == data

    def test_the_field_says_something_else(self) -> None:
        one = broken(DATAGRAM, "udp.dstport", 15)
        assert one.field is not None
        assert (one.place, one.field.label, one.field.layer) == ("udp.dstport", "Destination Port", 2)
        assert (one.field.before, one.field.after) == ("53000", "53001")
        assert (one.byte, one.mask) == (37, 0x01)

    def test_the_innermost_field_is_named(self) -> None:
        assert broken(DATAGRAM, "ip.flags.mf").place == "ip.flags.mf"
        assert broken(DATAGRAM6, "ipv6.tclass.ecn").place == "ipv6.tclass.ecn"

    def test_the_packet_may_change_its_shape(self) -> None:
        one = broken(DATAGRAM, "eth.type", 4)
        assert [layer.protocol for layer in one.after.layers] == ["eth"]
        assert [change.after for change in one.sums] == [None, None]
        assert one.seen_by == ()
        assert one.now.counters == ("rx_dropped",)

    @pytest.mark.parametrize("name", ["ip.src", "ip.dst"])
    def test_the_pseudo_header_has_the_addresses(self, name: str) -> None:
        one = broken(DATAGRAM, name, 20)
        assert one.seen_by == ("ip", "udp")
        assert "pseudo-header" in one.sentence
        assert one.now.counters == ("IpExtInCsumErrors", "IpInHdrErrors")

    def test_over_ipv6_the_pseudo_header_alone_sees_an_address(self) -> None:
        one = broken(DATAGRAM6, "ipv6.src", 100)
        assert one.seen_by == ("udp",)
        assert one.now.counters == ("Udp6InCsumErrors", "Udp6InErrors")

    def test_the_sum_says_what_it_should_have_been(self) -> None:
        (_, change) = broken(DATAGRAM, "udp.checksum", 0).sums
        assert change.after is not None
        assert (change.after.verdict, change.after.expected) == (Verdict.bad, change.before.found)

    @pytest.mark.parametrize(
        ("packet", "name"),
        [(DATAGRAM, "eth.src"), (DATAGRAM6, "ipv6.hlim"), (DATAGRAM6, "ipv6.flow")],
        ids=["mac", "hop limit", "flow label"],
    )
    def test_what_no_sum_covers_is_delivered(self, packet: Dissection, name: str) -> None:
        one = broken(packet, name, 3)
        assert one.seen_by == ()
        assert one.sentence.startswith("Delivered although a bit is wrong")

    def test_without_a_sum_the_data_are_delivered_wrong_and_the_port_leads_elsewhere(self) -> None:
        packet = frame(ETH4, IP, UDP.replace(checksum=0), b"hello!")
        assert "no checksum" in flip(packet, 8 * 42, dissect).sentence
        assert broken(packet, "udp.dstport").now.counters == ("UdpNoPorts",)
        assert broken(packet, "udp.checksum").now.counters == ("UdpInCsumErrors", "UdpInErrors")
        assert broken(packet, "udp.length", 14).now.outcome == "delivered"  # shorter by two bytes, and nobody minds

    def test_a_bit_that_puts_a_sum_right(self) -> None:
        wrong = dissect(flipped(DATAGRAM.data, 8 * 42))
        one = flip(wrong, 8 * 42, dissect)
        assert one.sentence.startswith("Handed to whoever reads UDP port 53000; with the bit whole it is dropped by")

    def test_a_fragment_is_kept(self) -> None:
        packet = frame(ETH4, IP.replace(flags=1), UDP, b"hello!..")
        one = flip(packet, 8 * 44, dissect)
        assert (one.now.outcome, one.place) == ("held", "data")
        assert broken(packet, "ip.id").now.check == "checksum"

    def test_bytes_behind_the_packet_are_trailer(self) -> None:
        packet = frame(ETH4, IP, UDP, b"hi")
        padded = dissect(packet.data + bytes(16))
        assert flip(padded, 8 * 59, dissect).place == "trailer"

    def test_too_little_was_captured(self) -> None:
        short = dissect(DATAGRAM.data[:44])
        one = flip(short, 8 * 43, dissect, cut=True)
        assert one.now.outcome == "unknown"
        assert "not captured" in one.sentence

    def test_the_document_is_json(self) -> None:
        said = json.loads(json.dumps(broken(DATAGRAM, "ip.ttl").document()))
        assert said["receiver"]["after"]["counters"] == ["IpExtInCsumErrors", "IpInHdrErrors"]
        assert said["sums"][0]["after"]["verdict"] == "bad"


def counted(packet: Dissection, **options: Any) -> dict[str, FieldCount]:
    return {one.name: one for one in flip_table(packet, dissect, **options)}


class TestTable:
    @pytest.mark.parametrize("packet", [DATAGRAM, DATAGRAM6], ids=["ipv4", "ipv6"])
    def test_it_is_the_sum_of_its_bits(self, packet: Dissection) -> None:
        bits = [flip(packet, bit, dissect) for bit in range(8 * len(packet.data))]
        table = counted(packet)
        assert sum(one.bits for one in table.values()) == len(bits)
        for name, one in table.items():
            here = [each for each in bits if each.place == name]
            assert one.bits == len(here)
            assert one.sums["udp"] == sum("udp" in each.seen_by for each in here)
            unseen = [each for each in here if each.now.outcome == "delivered" and not each.seen_by]
            assert one.unseen == len(unseen)

    def test_a_tcp_segment(self) -> None:
        table = counted(frame(ETH4, IP.replace(proto=6), Tcp(srcport=1, dstport=2), b"data"))
        assert (table["tcp.seq_raw"].sums["tcp"], table["tcp.window_size_value"].sums["tcp"]) == (32, 16)
        assert table["tcp.hdr_len"].other == 4
        assert (table["eth.src"].unseen, table["eth.dst"].unseen) == (48, 0)

    def test_plain_bytes_are_counted_without_being_tried_one_by_one(self) -> None:
        calls = 0

        def read(data: bytes) -> Dissection:
            nonlocal calls
            calls += 1
            return dissect(data)

        packet = frame(ETH4, IP, UDP, bytes(range(256)) * 40)
        table = {one.name: one for one in flip_table(packet, read)}
        assert table["data"].bits == table["data"].sums["udp"] == 8 * 10_240
        assert calls <= 8 * 42 + 32


@given(st.binary(max_size=120), st.sampled_from(["eth", "ip", "ipv6", "udp", "sll2", "data"]), st.data())
def test_any_bytes_give_a_flip(data: bytes, start: str, more: st.DataObject) -> None:
    packet = read_packet(b"\x45" + data, as_=start)
    one = packet.flip(more.draw(st.integers(0, 8 * packet.cap_len - 1)))
    assert one.sentence.endswith(".")
    assert one.document()["place"]


@given(st.sampled_from([DATAGRAM, DATAGRAM6]), st.binary(max_size=40), st.data())
def test_no_single_bit_of_header_or_data_passes_a_good_sum(kind: Dissection, data: bytes, more: st.DataObject) -> None:
    make: Callable[..., Dissection] = frame
    packet = make(*kind.headers[:2], UDP, data)
    first = packet.layers[2].start
    bit = more.draw(st.integers(8 * first, 8 * len(packet.data) - 1))
    if packet.found("udp.checksum")[0].value.bit_count() > 1:  # else one bit could make it absent
        assert flip(packet, bit, dissect).now.outcome == "dropped"
