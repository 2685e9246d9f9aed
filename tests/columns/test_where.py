"""Filters over columns against the exact filter: the same packets pass, whoever is asked."""

from __future__ import annotations

import io
import os
import struct
from contextlib import closing
from functools import cache
from itertools import islice, takewhile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pktlab
from pktlab.capture import open_capture
from pktlab.columns.filters import Clock, Filter, compile_filter
from pktlab.columns.where import Where

from ..agreement.filterlist import ACCEPTED, ASKED

ROOT = Path(__file__).resolve().parents[2]
FIRST_LIGHT = ROOT / "pcaps" / "first-light.pcapng"
CORPUS = os.environ.get("PKTLAB_CORPUS")
PARTS = 120
TENTHS = 10
MOST_PACKETS = 500
OWN = (
    "frame.number > 20 and udp.checksum.verdict == bad",
    "udp.checksum.verdict in {bad, partial} or tcp.checksum.verdict != good",
    "not udp.checksum.verdict",
    "tcp.port == 80 and tcp.payload contains \"x\"",
    "not (tcp.port == 80 and tcp.payload contains \"x\")",
    "frame.time_relative > 0.5 or frame.time_delta > 0.1",
    "frame.time_epoch > 1000000000 and not frame.comment",
    "frame.interface_id == 0",
    "tcp.options.mss_val == 1460 or udp.port == 53",
    "ipv6.addr & ffff:: == fe80::",
    "udp.checksum.cause",
    "ntp.xmt or dns.flags.response == 1 or ip.opt.type",
    "data.len > 100",
    "tcp.flags.syn == 1 and tcp.seq_raw > 1000 and not tcp.options.wscale.shift == 7",
    "icmp.checksum.status == 1 and ip.ttl#1 > 10",
)  # fmt: skip
FILTERS = tuple(dict.fromkeys((*ASKED, *ACCEPTED, *OWN)))


def corpus() -> list[Path]:
    """Return the captures of the corpus, in a fixed order."""
    if CORPUS is None:
        return []
    return sorted(path for path in Path(CORPUS).rglob("*") if path.is_file())


@cache
def compiled(text: str) -> tuple[Filter, Where]:
    """Return a filter, for packets and for columns."""
    one = compile_filter(text)
    return one, Where(one)


def differences(path: Path, filters: tuple[str, ...]) -> list[str]:
    """Return the filters for which columns and exact filter choose others of the first packets."""
    try:
        with pktlab.open(path) as capture:
            packets = list(islice(capture, MOST_PACKETS))
    except pktlab.PktlabError:
        return []
    found = []
    for text in filters:
        one, where = compiled(text)
        where.clock = Clock()
        wanted = [packet.number for packet in one.select(packets)]
        with closing(open_capture(path)) as reader:
            passing = (window.first + place for window, place, _ in where.passing(reader))
            got = list(takewhile(lambda number: number <= len(packets), passing))
        if got != wanted:
            found.append(f"{path.name} {text}: frames {sorted(set(got) ^ set(wanted))[:5]}")
    return found


@pytest.mark.parametrize("text", FILTERS, ids=range(len(FILTERS)))
def test_columns_choose_what_the_exact_filter_chooses(text: str) -> None:
    assert differences(FIRST_LIGHT, (text,)) == []


@pytest.mark.skipif(CORPUS is None, reason="PKTLAB_CORPUS is not set")
@pytest.mark.parametrize("part", [pytest.param(n, marks=[pytest.mark.thorough] if n else []) for n in range(PARTS)])
def test_columns_choose_the_same_of_the_corpus(part: int) -> None:
    paths = list(enumerate(corpus()))[part::PARTS]
    assert [one for place, path in paths for one in differences(path, FILTERS[place // PARTS % TENTHS :: TENTHS])] == []


# ---- any filter, any bytes


@cache
def ethernet() -> tuple[bytes, ...]:
    """Return packets to start from."""
    return tuple(packet.data for packet in pktlab.open(FIRST_LIGHT) if packet.link_type == 1)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Return a packet with some octets changed, cut, or put behind the start of another."""
    data = bytearray(draw(st.sampled_from(ethernet())))
    for _ in range(draw(st.integers(0, 3))):
        data[draw(st.integers(0, min(len(data), 60) - 1))] = draw(st.integers(0, 255))
    if draw(st.booleans()):
        other = draw(st.sampled_from(ethernet()))
        data = data[: draw(st.sampled_from([14, 18, 34, 42, 54]))] + other[draw(st.sampled_from([0, 14, 34])) :]
    return bytes(data[: draw(st.integers(1, len(data)))] if draw(st.integers(0, 3)) == 0 else data)


def in_a_file(packets: list[bytes]) -> bytes:
    """Return a pcap, a quarter of a second from packet to packet."""
    records = (
        struct.pack("<IIII", number // 4, number % 4 * 250_000, len(data), len(data)) + data
        for number, data in enumerate(packets)
    )
    return struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1) + b"".join(records)


TREES = st.recursive(
    st.sampled_from(FILTERS).map("({})".format),
    lambda inner: st.one_of(
        inner.map("not {}".format),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda three: f"({' '.join(three)})"),
    ),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(mutated(), min_size=1, max_size=20), TREES)
def test_any_filter_chooses_the_same_of_any_packets(packets: list[bytes], text: str) -> None:
    one, file = compile_filter(text), in_a_file(packets)
    wanted = [packet.number for packet in one.select(pktlab.open(io.BytesIO(file)))]
    found = Where(one).passing(open_capture(io.BytesIO(file)))
    assert [window.first + place for window, place, _ in found] == wanted


# ---- as captures are asked


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    "text", ["udp or frame.time_delta > 1", "ip.addr == 192.0.2.0/24", "udp.checksum.verdict == bad"]
)
def test_a_selection_is_the_same_in_bulk(text: str, threads: int) -> None:
    exact = pktlab.open(FIRST_LIGHT).where(text)
    bulk = pktlab.open(FIRST_LIGHT).where(text)
    bulk.exact_first, bulk.threads = 1, threads
    for _ in range(2):
        pairs = list(zip(exact, bulk, strict=True))
        assert pairs
        for one, other in pairs:
            assert other.document() == one.document()
            assert other.record == one.record
    with pktlab.open(FIRST_LIGHT) as capture:
        chosen_ones = capture.where(text)
        chosen_ones.exact_first = 1
        assert list(chosen_ones.records()) == [one.record for one, _ in pairs]
