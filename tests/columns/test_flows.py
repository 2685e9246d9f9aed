"""The flow table in bulk beside the exact one: the same conversations, numbers and figures, packet for packet."""

from __future__ import annotations

import io
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pktlab
import pktlab.api
from pktlab.capture import open_capture
from pktlab.columns import kernels_flows, windows
from pktlab.columns.batches import Columns
from pktlab.columns.conversations import Conversation, Conversations, count_flows
from pktlab.columns.tracking import Tracker
from pktlab.flows import FLOW_FIELDS, Flow, FlowTable
from pktlab.wire import build
from pktlab.wire.icmp import Icmp, Unused
from pktlab.wire.ipv4 import Ip
from pktlab.wire.ipv6 import Ipv6
from pktlab.wire.tcp import Tcp
from pktlab.wire.udp import Udp
from pktlab.wire.udplite import UdpLite

from .captures import Piece, captures, pcap
from .compare import column_differences
from .test_batches import CORPUS, PARTS, by_packet, corpus, differences

NAMES = sorted(FLOW_FIELDS)
COLUMNS = Columns(NAMES)
HOSTS = [("192.0.2.1", "192.0.2.2", "192.0.2.3"), ("2001:db8::1", "2001:db8::2", "::ffff:192.0.2.1")]
NUMBERS = st.sampled_from([0, 1, 5, 2**31, 2**32 - 1])
RAW_IP = 101


@st.composite
def packets(draw: Any) -> bytes:
    """Return a packet of one of few conversations: plain, quoted, in a tunnel, in pieces, or cut."""
    hosts = draw(st.sampled_from(HOSTS))
    ends = {"src": draw(st.sampled_from(hosts)), "dst": draw(st.sampled_from(hosts))}
    ports = {"srcport": draw(st.integers(1, 2)), "dstport": draw(st.integers(1, 3))}
    number, transport = draw(
        st.sampled_from([(6, "tcp")] * 4 + [(17, "udp"), (136, "udplite")]),
    )
    header: Tcp | Udp | UdpLite
    if transport == "tcp":
        flags = draw(st.sampled_from([0x02, 0x12, 0x10, 0x11, 0x04, 0x18]))
        header = Tcp(seq_raw=draw(NUMBERS), ack_raw=draw(NUMBERS), flags=flags, **ports)
    else:
        header = Udp(**ports) if transport == "udp" else UdpLite(**ports)
    below = Ip(proto=number, **ends) if "." in hosts[0] else Ipv6(nxt=number, **ends)
    data = build(below, header, draw(st.binary(max_size=4)))
    match draw(st.integers(0, 9)):
        case 0:
            return build(Ip(proto=1, src="192.0.2.9", dst="192.0.2.1"), Icmp(type=3, code=3, body=Unused()), data)
        case 1:
            outer = {"src": "192.0.2.1", "dst": "192.0.2.2"}
            return build(Ip(proto=4 if "." in hosts[0] else 41, **outer), data)
        case 2 if "." in hosts[0]:
            return data[:6] + b"\x20\x00" + data[8:]
        case 3:
            return data[: -draw(st.integers(1, 12))]
        case 4:
            at = draw(st.integers(20, len(data) - 1))
            return data[:at] + bytes([draw(st.sampled_from([0, 0x40, 0x50, 0x60, 0xFF]))]) + data[at + 1 :]
    return data


def figures(flows: list[Flow]) -> list[Conversation]:
    """Return the rows of conversations that have packets, in order."""
    return sorted((Conversation.of(one) for one in flows if any(one.packets)), key=lambda one: one[:2])


@settings(max_examples=150)
@given(st.lists(packets(), min_size=1, max_size=60), st.integers(1, 6), st.integers(0, 8), st.sampled_from([200, 4096]))
def test_both_tables_say_the_same(found: list[bytes], max_flows: int, before: int, window_len: int) -> None:
    data = pcap([Piece(one, time=7, fraction=place) for place, one in enumerate(found)], link_type=RAW_IP)
    gone: list[Flow] = []
    exact = FlowTable(max_flows, gone.append)
    wanted = []
    for record in open_capture(io.BytesIO(data)):
        packet = pktlab.api.Packet(record, RAW_IP, flow_table=exact)
        for seen in packet.flows:
            seen.tally(packet.length, packet.time_ns)
        wanted.append({name: values[0] for name in NAMES if (values := packet.values(name))})

    gone_too: list[Flow] = []
    first = FlowTable(max_flows, gone_too.append)
    reader = open_capture(io.BytesIO(data))
    for record in islice(reader, before):
        for seen in pktlab.api.Packet(record, RAW_IP, flow_table=first).flows:
            seen.tally(record.length, record.time_ns)
    tracker = Tracker(first)
    batches = COLUMNS.read(reader, lambda _: None, tracker=tracker, read=before, window_len=window_len)
    got = [values for batch, _ in batches for values in by_packet(batch)]
    assert got == wanted[before:]
    kept = list(tracker.flows())  # which tells those that are finished, too
    assert figures([*gone_too, *kept]) == figures([*gone, *exact])
    assert first.evicted == exact.evicted


@settings(max_examples=60)
@given(captures())
def test_captures_of_any_shape(data: bytes) -> None:
    assert column_differences(data, NAMES) == []


@pytest.mark.parametrize("threads", [1, 2])
def test_rows_of_a_large_capture(threads: int, tmp_path: Path) -> None:
    path = many(tmp_path / "many.pcap", 3000)
    rows = [Conversations("bytes"), Conversations("bytes")]
    for one, exact_first in zip(rows, (50, 10_000), strict=True):
        for _ in count_flows(pktlab.open(path), one, threads=threads, exact_first=exact_first):
            pass
    assert rows[0].table().to_rows() == rows[1].table().to_rows()
    assert len(rows[0].table()) == 100


def test_a_table_of_a_large_capture_and_a_filter_agree(tmp_path: Path) -> None:
    capture = pktlab.open(many(tmp_path / "many.pcap", 3000))
    streams = capture.table("frame.number", "tcp.stream")
    numbers = [row["frame.number"] for row in streams.to_rows() if row["tcp.stream"] == 3]
    assert numbers == [packet.number for packet in capture.where("tcp.stream == 3")]
    chosen = capture.where("tcp.port == 80").table("tcp.stream")["tcp.stream"].to_list()
    assert chosen == [one for one in streams["tcp.stream"].to_list() if one is not None]


@pytest.mark.parametrize(
    "condition",
    ["tcp.stream == 7", "udp.stream < 5 or tcp.seq > 100", "not tcp.ack", "tcp.stream in {1..3} and ip.len == 42",
     'tcp.port == 80 and string(tcp.stream) matches "^1"'],
)  # fmt: skip
def test_filters_in_bulk_choose_what_the_exact_ones_do(condition: str, tmp_path: Path) -> None:
    path = many(tmp_path / "many.pcap", 3000)
    bulk, exact = pktlab.open(path).where(condition), pktlab.open(path).where(condition)
    bulk.exact_first, exact.exact_first = 40, 10_000
    found = [(packet.number, packet.values("tcp.stream"), packet.values("tcp.ack")) for packet in bulk]
    assert found == [(packet.number, packet.values("tcp.stream"), packet.values("tcp.ack")) for packet in exact]
    assert found


def many(path: Path, count: int) -> Path:
    """Write packets of 50 connections, and datagrams between 50 pairs of ports."""
    pieces = []
    for n in range(count):
        ends = {"src": f"192.0.2.{n % 50}", "dst": "198.51.100.1"}
        if n % 3:
            header: Tcp | Udp = Tcp(srcport=1000 + n % 2, dstport=80, seq_raw=n, ack_raw=7, flags=0x10)
        else:
            header = Udp(srcport=n % 50, dstport=53)
        proto = 6 if n % 3 else 17
        pieces.append(Piece(build(Ip(proto=proto, **ends), header, b"x" * (n % 7)), time=n))
    path.write_bytes(pcap(pieces, link_type=RAW_IP))
    return path


def test_what_two_files_have_to_say_alike_is_alike() -> None:
    assert kernels_flows.NO_TIME == windows.NO_TIME


@pytest.mark.skipif(CORPUS is None, reason="PKTLAB_CORPUS is not set")
@pytest.mark.parametrize("part", [pytest.param(n, marks=[pytest.mark.thorough] if n else []) for n in range(4 * PARTS)])
def test_conversations_of_the_corpus(part: int) -> None:
    assert [one for path in corpus()[part :: 4 * PARTS] for one in differences(path, NAMES)] == []
