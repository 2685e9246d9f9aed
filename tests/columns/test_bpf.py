"""Capture filters: what libpcap compiles, run by libpcap and by the kernel; and what is said of wrong ones."""

from __future__ import annotations

import ctypes.util
import io
from functools import cache
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pktlab
from pktlab.capture import canonical_link_type, open_capture
from pktlab.columns import bpf
from pktlab.columns.bpf import CaptureFilter
from pktlab.columns.filters import compile_filter
from pktlab.columns.where import Programs
from pktlab.columns.windows import Windows

from .captures import Piece, captures, mutants, pcap

needs_libpcap = pytest.mark.skipif(ctypes.util.find_library("pcap") is None, reason="libpcap is not installed")
pytestmark = needs_libpcap
FIRST_LIGHT = Path(__file__).resolve().parents[2] / "pcaps" / "first-light.pcapng"
FILTERS = (
    "tcp", "udp port 53", "host 192.0.2.1 and not port 53", "ip6 protochain 6", "vlan and tcp", "greater 100",
    "less 60", "ip[0] & 0xf != 5", "ip[2:2] - ((ip[0] & 0xf) << 2) > 20",
    "ip[6:2] & 0x1fff = 0 and ip[8] * ip[9] > 4000",
    "len / ip[9] > 5", "len % 7 = 3", "ip[12:4] / 3 >> 4 = 0x3ab", "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
    "ip[4:2] ^ ip[10:2] | 1 = len", "- ip[8] = 0xffffffc0", "ip[ip[0] & 15] = 1", "ip[len - 50:4] > 7",
    "udp[8:4] << 3 > 1000000000", "net 2001:db8::/32", "icmp6 or arp", "tcp portrange 1-1024 or udp portrange 9-65535",
    "pppoes", "iso or llc", "1 << ip[8] > 0", "ether host 02:00:00:00:00:01", "ether multicast",
    "udp or not ip",
)  # fmt: skip
WRONG = (
    ("tcp prot 80", 4), ("tcp and (port 80 or", 19), ("tcp[13 & 2 != 0", 11), ("udp port", 8), ("port abc", 5),
    ("udp port 70000", 9), ("tcp port 80 udp", 12), ("host 1.2.3.300", 5), ("@", 0), (" ", 0), ("", 0),
    ("ip broadcast", 0), ("udp\0tcp", 0), ("vlan 5000", 5),
)  # fmt: skip


@cache
def compiled(text: str) -> tuple[CaptureFilter, Programs]:
    """Return a filter, for packets and for windows."""
    chosen = CaptureFilter(text)
    return chosen, Programs(chosen)


def chosen_both_ways(data: bytes, text: str) -> tuple[list[int], list[int]]:
    """Return the packets of a capture that libpcap lets pass, and those that the kernel does."""
    one, programs = compiled(text)
    wanted = [record.number for record in open_capture(io.BytesIO(data)) if one.matches(record)]
    windows = Windows(open_capture(io.BytesIO(data)))
    return wanted, [window.first + int(place) for window in windows for place in programs.run(window).nonzero()[0]]


def suits(chosen: CaptureFilter, link_type: int) -> bool:
    """Tell whether a filter can be asked of a link type."""
    try:
        return len(chosen.program(canonical_link_type(link_type))) > 0
    except pktlab.FilterError:
        return False


@pytest.mark.parametrize("text", FILTERS, ids=range(len(FILTERS)))
def test_the_kernel_runs_programs_as_libpcap_does(text: str) -> None:
    data = pcap(one for one in mutants(5, 1500) if one.link_type == 1)
    wanted, got = chosen_both_ways(data, text)
    assert got == wanted


@settings(max_examples=40)
@given(captures(), st.sampled_from(FILTERS))
def test_any_capture_is_filtered_the_same(data: bytes, text: str) -> None:
    link_types = {record.link_type for record in open_capture(io.BytesIO(data))}
    if all(suits(compiled(text)[0], link_type) for link_type in link_types):
        wanted, got = chosen_both_ways(data, text)
        assert got == wanted


@settings(max_examples=100)
@given(st.integers(0, 0xFFFFFFFF), st.sampled_from("+-*/%&|^"), st.integers(0, 0xFFFFFFFF), st.integers(0, 40))
def test_arithmetic_of_32_bits(number: int, sign: str, other: int, shift: int) -> None:
    packet = pcap([Piece(number.to_bytes(4, "big") + other.to_bytes(4, "big") + shift.to_bytes(4, "big") + bytes(8))])
    for text in (f"ether[0:4] {sign} ether[4:4] > ether[8:4]", f"ether[0:4] {sign} ether[4:4] << ether[8:4] > {other}"):
        wanted, got = chosen_both_ways(packet, text)
        assert got == wanted


@pytest.mark.parametrize("order", "<>")
def test_a_loopback_packet_has_its_family_in_the_order_of_its_machine(order: str) -> None:
    family = (2).to_bytes(4, "little" if order == "<" else "big")
    ip = next(one.data[14:] for one in mutants(0, 200) if one.data[12:15] == b"\x08\x00\x45")
    data = pcap([Piece(family + ip), Piece(family[::-1] + ip)], order=order, link_type=0)
    assert chosen_both_ways(data, "ip") == ([1, 2], [1, 2])


# ---- as captures are asked


@pytest.mark.parametrize(("text", "threads"), list(product((None, "udp.length > 20", "udp.checksum.verdict"), (1, 2))))
def test_both_filters_have_to_hold(text: str | None, threads: int) -> None:
    with pktlab.open(FIRST_LIGHT) as capture:
        packets = list(capture)
    accepted, display = CaptureFilter("udp and not port 53"), text and compile_filter(text)
    wanted = [
        packet.document()
        for packet in packets
        if accepted.matches(packet.record) and (not display or display.matches(packet))
    ]
    chosen = pktlab.open(FIRST_LIGHT).where(text, bpf="udp and not port 53")
    assert [packet.document() for packet in chosen] == wanted
    chosen.exact_first, chosen.threads = 1, threads
    assert [packet.document() for packet in chosen] == wanted
    assert len(wanted) > 3


def test_filters_one_after_another() -> None:
    udp = pktlab.open(FIRST_LIGHT).where(bpf="udp")
    assert udp.where("udp.port == 53", bpf="greater 1").count() == udp.where(bpf="port 53").count() == 2
    assert pktlab.open(FIRST_LIGHT).where(compile_filter("udp.port == 53"), bpf="dst port 53").count() == 1


# ---- what is wrong


@pytest.mark.parametrize(("text", "at"), WRONG, ids=range(len(WRONG)))
def test_a_wrong_filter_is_pointed_at(text: str, at: int) -> None:
    with pytest.raises(pktlab.FilterError) as caught:
        CaptureFilter(text)
    assert caught.value.at == at
    assert len(str(caught.value).splitlines()) == 1


def test_a_filter_that_a_link_type_cannot_be_asked() -> None:
    wireless = CaptureFilter("wlan type mgt")
    with pytest.raises(pktlab.FilterError, match=r"of Ethernet packets it cannot be asked: 802\.11 link-layer types"):
        wireless.program(1)
    with pytest.raises(pktlab.FilterError, match="inbound/outbound not supported"):
        CaptureFilter("inbound").program(1)


@settings(max_examples=30)
@given(st.lists(st.sampled_from(["tcp", "port", "80", "and", "not", "(", ")", "[", "]", "=", "1", "&", "ip", "\\"])))
def test_any_words_are_a_filter_or_an_error_in_a_line(words: list[str]) -> None:
    error = None
    try:
        CaptureFilter(" ".join(words)).program(1)
    except pktlab.FilterError as caught:
        error = caught
    assert error is None or (len(str(error).splitlines()) == 1 and 0 <= error.at <= len(error.text))


def test_without_libpcap_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bpf, "_NAMES", ("libnone.so",))
    monkeypatch.setattr(ctypes.util, "find_library", lambda _: None)
    bpf._libpcap.cache_clear()
    try:
        with pytest.raises(pktlab.PktlabError, match=r"needs libpcap.*libpcap0\.8 on Debian"):
            CaptureFilter("tcp")
    finally:
        bpf._libpcap.cache_clear()
