"""How the headers of a packet lie in one another: by hand-made bytes, case after case, and as an invariant."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from construct import GreedyBytes, Int8ub, Int16ub
from hypothesis import given
from hypothesis import strategies as st

from pktlab.capture import open_capture
from pktlab.errors import CaptureError, Malformed, Truncated
from pktlab.testing import damaged, from_schema
from pktlab.wire import LINK_TYPES, Dissection, Header, bind, dissect, field
from pktlab.wire.ethernet import Ethernet
from pktlab.wire.ipv4 import Ip
from pktlab.wire.ipv6 import Ipv6

from .codecs import DRAWN, build

ETH = "020000000002 020000000001"
IPV6_ENDS = "20010db8000000000000000000000001 20010db8000000000000000000000002"
UDP = "0035 0045 000a 0000 6869"  # two bytes of data, no checksum
TCP = "0050 1388 00000001 00000002 5010 2000 0000 0000"


def raw(*parts: str) -> bytes:
    return bytes.fromhex("".join(parts).replace(" ", ""))


def ipv4(length: int, proto: int = 17, fragment: str = "0000", first: str = "45") -> str:
    return f"{first}00 {length:04x} 0001 {fragment} 40{proto:02x} 0000 0a000001 0a000002"


def ipv6(length: int, nxt: int) -> str:
    return f"60000000 {length:04x} {nxt:02x}40 {IPV6_ENDS}"


def names(packet: Dissection) -> list[str]:
    return [layer.protocol for layer in packet.layers]


def data_of(packet: Dissection) -> list[str]:
    """Return the bytes of the layers without a header, in hex."""
    return [packet.data[layer.start : layer.stop].hex() for layer in packet.layers if layer.header is None]


def trailer(packet: Dissection) -> str:
    return packet.data[slice(*packet.trailer)].hex()


def assert_accounted(packet: Dissection) -> None:
    """Every byte is in exactly one layer, or in the trailer."""
    size = len(packet.data)
    pieces = sorted((layer.start, layer.stop) for layer in packet.layers)
    pieces += [packet.trailer] if packet.trailer[0] < packet.trailer[1] else []
    at = 0
    for start, stop in pieces:
        assert at == start <= stop, (pieces, size)
        at = stop
    assert at == size, (pieces, size)
    for layer in packet.layers:
        assert layer.stop <= layer.end <= size or layer.error is not None
        assert all(layer.start <= found.start <= found.stop <= layer.stop for found in layer.spans())


def dissected(data: bytes, first: type[Header] | int = Ethernet, **options: int) -> Dissection:
    packet = dissect(data, first, **options)  # type: ignore[arg-type]
    assert_accounted(packet)
    return packet


# ---- the link


def test_padding_and_fcs_are_the_trailer() -> None:
    frame = raw(ETH, "0800", ipv4(30), UDP, "00" * 16, "deadbeef")
    packet = dissected(frame, fcs_len=4)
    assert names(packet) == ["eth", "ip", "udp", "data"]
    assert data_of(packet) == ["6869"]
    assert trailer(packet) == "00" * 16 + "deadbeef"
    assert packet.stop is None


def test_an_fcs_longer_than_the_packet_is_all_there_is() -> None:
    packet = dissected(b"\x01\x02", fcs_len=4)
    assert trailer(packet) == "0102"


def test_stacked_tags() -> None:
    packet = dissected(raw(ETH, "88a8 0064 8100 2065 9100 0066 0800", ipv4(30), UDP))
    assert names(packet) == ["eth", "ieee8021ad", "vlan", "vlan", "ip", "udp", "data"]
    assert [found.value for found in packet.found("vlan.id")] == [0x65, 0x66]
    assert [found.value for found in packet.found("vlan.priority")] == [1, 0]


def test_an_8023_length_bounds_its_payload() -> None:
    packet = dissected(raw(ETH, "0003 424203", "00" * 10))
    assert names(packet) == ["eth", "llc"]
    assert [found.value for found in packet.found("eth.len")] == [3]
    assert packet.found("eth.type") == []
    assert (data_of(packet), trailer(packet)) == ([], "00" * 10)


def test_a_frame_that_ends_in_its_header_keeps_what_is_there() -> None:
    packet = dissected(raw(ETH)[:8])
    assert isinstance(packet.stop, Truncated)
    assert packet.stop.args == ("eth", 0, 14, 8, "buffer")
    assert [found.name for found in packet.layers[0].spans()] == ["eth.dst"]
    assert data_of(packet) == ["0200"]


@pytest.mark.parametrize(("word", "family"), [("02000000", 2), ("00000002", 2), ("1e000000", 30), ("0000001e", 30)])
def test_null_is_read_in_the_byte_order_of_its_writer(word: str, family: int) -> None:
    inside = ipv4(30) if family == 2 else ipv6(10, 17)
    packet = dissected(raw(word, inside, UDP), 0)
    assert names(packet) == ["null", "ip" if family == 2 else "ipv6", "udp", "data"]
    assert [found.value for found in packet.found("null.family")] == [family]


def test_raw_ip_is_told_by_its_version() -> None:
    assert names(dissected(raw(ipv4(30), UDP), 101)) == ["ip", "udp", "data"]
    assert names(dissected(raw(ipv6(10, 17), UDP), 101)) == ["ipv6", "udp", "data"]
    assert names(dissected(b"\x10\x20", 101)) == ["data"]
    assert names(dissected(b"", 101)) == []


def test_an_unknown_link_type_is_bytes() -> None:
    packet = dissected(b"\x01\x02\x03", 54321)
    assert (names(packet), data_of(packet), packet.stop) == (["data"], ["010203"], None)


def test_an_unknown_type_is_bytes() -> None:
    packet = dissected(raw(ETH, "88b5", "010203"))
    assert (names(packet), data_of(packet), packet.stop) == (["eth", "data"], ["010203"], None)


# ---- IPv4


def test_ipv4_with_length_0_runs_to_the_end() -> None:
    packet = dissected(raw(ipv4(0), UDP, "ffff"), Ip)
    assert names(packet) == ["ip", "udp", "data", "data"]
    assert data_of(packet) == ["6869", "ffff"]
    assert "ip.len is 0" in packet.layers[0].notes[0]


def test_ipv4_whose_length_is_less_than_its_header_is_malformed() -> None:
    packet = dissected(raw(ipv4(19), UDP), Ip)
    assert isinstance(packet.stop, Malformed)
    assert (packet.stop.layer, packet.stop.field, packet.stop.value, packet.stop.offset) == ("ip", "ip.len", 19, 2)
    assert names(packet) == ["ip", "data"]


def test_ipv4_whose_length_is_beyond_the_frame_is_read_as_far_as_it_goes() -> None:
    packet = dissected(raw(ETH, "0800", ipv4(1500), UDP))
    assert names(packet) == ["eth", "ip", "udp", "data"]
    overrun = packet.layers[1].overrun
    assert overrun is not None
    assert overrun.args == ("ip", 34, 1480, 10, "buffer")
    assert packet.stop is None


@pytest.mark.parametrize(("first", "name", "value"), [("55", "ip.version", 5), ("44", "ip.hdr_len", 16)])
def test_ipv4_that_cannot_be_is_malformed(first: str, name: str, value: int) -> None:
    packet = dissected(raw(ipv4(30, first=first), UDP), Ip)
    assert isinstance(packet.stop, Malformed)
    assert (packet.stop.field, packet.stop.value) == (name, value)


def test_ipv4_options_past_the_end() -> None:
    packet = dissected(raw(ipv4(30, first="4f"), "0101"), Ip)
    assert isinstance(packet.stop, Truncated)
    assert packet.stop.args == ("ip.options", 20, 40, 2, "buffer")


def test_a_first_fragment_has_its_transport_header_and_a_later_one_has_not() -> None:
    assert names(dissected(raw(ipv4(30, fragment="2000"), UDP), Ip)) == ["ip", "udp", "data"]
    assert names(dissected(raw(ipv4(30, fragment="2001"), UDP), Ip)) == ["ip", "data"]
    assert names(dissected(raw(ipv4(30, fragment="0001"), UDP), Ip)) == ["ip", "data"]
    whole = dissect(raw(ipv4(20, fragment="0001"), UDP), Ip, whole=True)
    assert names(whole) == ["ip", "udp", "data"]


# ---- UDP


def test_udp_whose_length_is_less_than_its_header_is_malformed() -> None:
    packet = dissected(raw(ipv4(30), "0035 0045 0007 0000 6869"), Ip)
    assert isinstance(packet.stop, Malformed)
    assert (packet.stop.field, packet.stop.value, packet.stop.offset) == ("udp.length", 7, 24)
    assert data_of(packet) == ["6869"]


def test_udp_whose_length_is_beyond_the_ip_payload_says_so() -> None:
    packet = dissected(raw(ipv4(30), "0035 0045 0064 0000 6869", "00" * 200), Ip)
    overrun = packet.layers[1].overrun
    assert overrun is not None
    assert overrun.args == ("udp", 28, 92, 2, "ip.len")
    assert (data_of(packet), trailer(packet)) == (["6869"], "00" * 200)


def test_the_surplus_behind_udp_is_bytes_of_its_own() -> None:
    packet = dissected(raw(ipv4(34), UDP, "01020304"), Ip)
    assert names(packet) == ["ip", "udp", "data", "data"]
    assert data_of(packet) == ["6869", "01020304"]
    assert "udp.length" in packet.layers[3].notes[0]


def test_udp_cut_by_the_ip_length_names_it() -> None:
    packet = dissected(raw(ipv4(24), UDP), Ip)
    assert isinstance(packet.stop, Truncated)
    assert packet.stop.args == ("udp", 20, 8, 4, "ip.len")


# ---- IPv6


def test_a_chain_of_extension_headers() -> None:
    chain = "2b00 010400000000 3c02 0400 00000000" + "00" * 16 + "2c00 010400000000 1100 0001 0000002a"
    packet = dissected(raw(ipv6(58, 0), chain, UDP), Ipv6)
    assert names(packet) == ["ipv6", "ipv6.hopopts", "ipv6.routing", "ipv6.dstopts", "ipv6.fraghdr", "udp", "data"]


def test_a_later_ipv6_fragment_is_bytes() -> None:
    packet = dissected(raw(ipv6(18, 44), "1100 0008 0000002a", UDP), Ipv6)
    assert names(packet) == ["ipv6", "ipv6.fraghdr", "data"]
    first = dissected(raw(ipv6(18, 44), "1100 0001 0000002a", UDP), Ipv6)
    assert names(first) == ["ipv6", "ipv6.fraghdr", "udp", "data"]


def test_no_next_header_is_no_open_length() -> None:
    packet = dissected(raw(ipv6(0, 59), "0102"), Ipv6)
    assert (names(packet), trailer(packet)) == (["ipv6"], "0102")


def test_a_jumbogram_takes_its_length_from_its_option() -> None:
    packet = dissected(raw(ipv6(0, 0), "1100 c204 00000012", "0035 0045 0000 0000 6869", "eeee"), Ipv6)
    assert names(packet)[:3] == ["ipv6", "ipv6.hopopts", "udp"]
    assert (data_of(packet), trailer(packet)) == (["6869"], "eeee")
    assert packet.layers[0].limit == "ipv6.opt.jumbo"


def test_a_jumbo_length_that_does_not_hold_its_own_option_bounds_nothing_before_it() -> None:
    packet = dissected(raw(ipv6(0, 0), "1100 c204 00000003", "0035 0045 0000 0000 6869"), Ipv6)
    assert names(packet)[:2] == ["ipv6", "ipv6.hopopts"]
    assert packet.trailer[0] >= 48


def test_udp_of_length_0_outside_a_jumbogram_is_malformed() -> None:
    packet = dissected(raw(ipv6(10, 17), "0035 0045 0000 0000 6869"), Ipv6)
    assert isinstance(packet.stop, Malformed)
    assert (packet.stop.field, packet.stop.value) == ("udp.length", 0)


# ---- AH, ESP, ICMP


def test_ah_is_read_through_and_esp_is_not() -> None:
    ah = "1104 0000 00000007 00000001" + "00" * 12
    assert names(dissected(raw(ipv4(54, proto=51), ah, UDP), Ip)) == ["ip", "ah", "udp", "data"]
    packet = dissected(raw(ipv4(38, proto=50), "00000007 00000001", UDP), Ip)
    assert names(packet) == ["ip", "esp", "data"]


def test_an_icmp_error_quotes_the_start_of_a_segment() -> None:
    quoted = ipv4(40, proto=6) + TCP[:19]  # 8 bytes of TCP
    packet = dissected(raw(ipv4(56, proto=1), "0301 0000 00000000", quoted), Ip)
    assert names(packet) == ["ip", "icmp", "ip", "tcp"]
    assert [layer.quoted for layer in packet.layers] == [False, False, True, True]
    assert isinstance(packet.stop, Truncated)
    assert packet.stop.args == ("tcp", 48, 20, 8, "ip.len")
    assert [found.value for found in packet.found("tcp.dstport")] == [0x1388]
    overrun = packet.layers[2].overrun
    assert overrun is not None
    assert (overrun.needed, overrun.available) == (20, 8)


def test_an_icmpv6_error_quotes_ipv6() -> None:
    packet = dissected(raw(ipv6(58, 58), "0104 0000 00000000", ipv6(10, 17), UDP), Ipv6)
    assert names(packet) == ["ipv6", "icmpv6", "ipv6", "udp", "data"]
    assert packet.layers[3].quoted


# ---- the user's own protocols


class Echo(Header, layer="echo"):
    number: int = field(Int16ub)
    text: bytes = field(GreedyBytes, default=b"")


class Strict(Header, layer="strict"):
    version: int = field(Int8ub, equals=1)


@pytest.mark.parametrize("condition", ["udp.port=69", "udp.srcport==53", "udp.dstport = 0x45"])
def test_a_binding_goes_before_the_table(condition: str) -> None:
    packet = dissect(raw(ipv4(30), UDP), Ip, [bind(condition, Echo)])
    assert_accounted(packet)
    assert names(packet) == ["ip", "udp", "echo"]
    assert packet.layers[2].limit == "udp.length"


def test_a_binding_that_fails_stands_in_stop() -> None:
    packet = dissect(raw(ipv4(30), UDP), Ip, [bind("ip.proto=17", Strict)])
    assert_accounted(packet)
    assert isinstance(packet.stop, Malformed)
    assert (packet.stop.field, packet.stop.value) == ("strict.version", 0)
    assert names(packet) == ["ip", "strict", "data"]


def test_a_binding_for_another_value_does_nothing() -> None:
    packet = dissect(raw(ipv4(30), UDP), Ip, [bind("udp.port=9999", Echo)])
    assert names(packet) == ["ip", "udp", "data"]


# ---- every byte is accounted for

firsts = st.sampled_from([*LINK_TYPES, 54321]) | st.sampled_from(DRAWN)


@given(st.binary(max_size=200), firsts, st.integers(0, 6))
def test_every_byte_of_random_packets(data: bytes, first: type[Header] | int, fcs_len: int) -> None:
    dissected(data, first, fcs_len=fcs_len)


DAMAGED = st.sampled_from(DRAWN).flatmap(lambda header: st.tuples(st.just(header), damaged(header)))


@given(DAMAGED, st.binary(max_size=90))
def test_every_byte_of_damaged_packets(case: tuple[type[Header], tuple[bytes, object]], behind: bytes) -> None:
    header, (data, _) = case
    dissected(data + behind, header)


@given(st.sampled_from(DRAWN).flatmap(from_schema), st.binary(max_size=90))
def test_every_byte_of_valid_packets(header: Header, behind: bytes) -> None:
    dissected(build(header) + behind, type(header))


IP_CHAINS = st.lists(
    st.sampled_from([header for header in DRAWN if header.layer.startswith(("ip", "ah", "icmp", "udp"))]).flatmap(
        lambda header: from_schema(header, faults=True)
    ),
    min_size=1,
    max_size=5,
)


@given(IP_CHAINS, st.binary(max_size=60))
def test_every_byte_of_headers_in_any_order(headers: list[Header], behind: bytes) -> None:
    dissected(b"".join(build(header) for header in headers) + behind, type(headers[0]))


def corpus_packets(folder: Path, each: int) -> Iterator[tuple[int, bytes]]:
    """Yield the link type and the bytes of the first packets of every capture in `folder`."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            with open_capture(str(path)) as reader:
                for record in islice(reader, each):
                    yield record.link_type, record.data
        except CaptureError:
            continue  # no capture, or damaged behind what was read


def test_every_byte_of_real_packets(corpus: Path) -> None:
    count = 0
    for link_type, data in corpus_packets(corpus, 8):
        dissected(data, link_type)
        count += 1
    assert count > 8_000


@pytest.mark.thorough
def test_every_byte_of_the_corpus(corpus: Path) -> None:
    for link_type, data in corpus_packets(corpus, 1 << 30):
        dissected(data, link_type)
