"""Streams put together in bulk beside those of the exact reader: the same, piece for piece."""

from __future__ import annotations

import io
import os
from collections import defaultdict
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pktlab
from pktlab.columns import stream_windows, streams
from pktlab.columns.scan import Scan
from pktlab.columns.streams import read_streams
from pktlab.columns.windows import WINDOW_LEN
from pktlab.flows.stream_table import StreamTable, Told
from pktlab.flows.streams import Begin, Data, End, Gap
from pktlab.flows.utp_table import UtpTable
from pktlab.wire import build
from pktlab.wire.apps.bittorrent.utp import Utp, Utp0
from pktlab.wire.ipv4 import Ip
from pktlab.wire.ipv6 import Ipv6
from pktlab.wire.tcp import Tcp
from pktlab.wire.udp import Udp

from .captures import Piece, captures, pcap
from .test_batches import CORPUS, PARTS, corpus
from .test_flows import packets

RAW_IP = 101
SWARMS = os.environ.get("PKTLAB_SWARMS")
ALL = 1 << 62
TEXT = bytes(range(256)) * 4


def pieces(told: list[list[Told]]) -> dict[tuple[str, str], list[Any]]:
    """Return by stream what is told of it, its data a piece each."""
    found: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for stream, event in chain.from_iterable(told):
        own = found[str(stream), str(stream.key)]
        if not isinstance(event, Data):
            own.append(event)
            continue
        start = 0
        for frame, stop, time_ns in zip(event.frames, event.stops, event.times_ns, strict=True):
            own.append((event.way, event.offset + start, bytes(event.data[start:stop]), frame, time_ns))
            start = stop
        assert start == len(event.data)
    return found


def both(source: Any, *, before: int = 0, window_len: int = WINDOW_LEN, **options: Any) -> tuple[Any, Any]:
    """Return what is told of a capture by packets, and in bulk behind the first ones."""
    found = []
    for exact_first in (ALL, before):
        capture = pktlab.open(io.BytesIO(source) if isinstance(source, bytes) else source)
        table = StreamTable(**options)
        with patch.object(streams, "Scan", partial(Scan, window_len=window_len)):
            told = list(read_streams(capture, table, utp=UtpTable(), threads=1, exact_first=exact_first))
        found.append(pieces(told))
    return found[0], found[1]


@st.composite
def connections(draw: Any) -> list[bytes]:
    """Return packets of a few connections: most in order, some lost, late, twice, cut, in pieces or reset."""
    found = []
    for port in range(1, draw(st.integers(1, 3)) + 1):
        for way in (0, 1):
            isn, at, own = draw(st.sampled_from([0, 7, 2**32 - 50])), 0, []
            if draw(st.integers(0, 3)):
                own.append((isn, 0x12 if way else 2, b""))
            for size in draw(st.lists(st.sampled_from([0, 1, 5, 40, 100]), max_size=8)):
                own.append((isn + 1 + at, 0x10, TEXT[at : at + size]))
                at += size
            if draw(st.booleans()):
                own.append((isn + 1 + at, draw(st.sampled_from([0x11, 0x14])), b""))
            for seq, flags, data in own:
                ack = draw(st.integers(0, 300)) + draw(st.sampled_from([0, 7, 2**32 - 50]))
                ends = {"src": f"192.0.2.{1 + way}", "dst": f"192.0.2.{2 - way}"}
                ports = {"srcport": 80 if way else port, "dstport": port if way else 80}
                header = Tcp(seq_raw=seq % 2**32, ack_raw=ack % 2**32, flags=flags, **ports)
                found.append(build(Ip(proto=6, **ends), header, data))
    for _ in range(draw(st.integers(0, 5))):
        place = draw(st.integers(0, len(found) - 1)) if found else 0
        match draw(st.sampled_from(["lost", "late", "twice", "cut", "fragment"])) if found else "":
            case "lost":
                del found[place]
            case "late":
                found.append(found.pop(place))
            case "twice":
                found.insert(draw(st.integers(0, len(found))), found[place])
            case "cut":
                found[place] = found[place][: -draw(st.integers(1, 12))]
            case "fragment":
                found[place] = found[place][:6] + b"\x20\x00" + found[place][8:]
    return found


@st.composite
def lossy(draw: Any) -> list[bytes]:
    """Return packets of a connection as a bad path leaves them: late, twice, over each other, some different."""
    isns = [draw(st.sampled_from([0, 7, 2**32 - 50, 2**32 - 300])) for _ in (0, 1)]
    texts, at, found = [TEXT, TEXT[::-1]], [0, 0], []
    for way in (0, 1) if draw(st.integers(0, 4)) else ():
        found.append((way, isns[way], 0, 0x12 if way else 2, b""))
    for _ in range(draw(st.integers(0, 25))):
        way = draw(st.sampled_from([0, 0, 0, 1]))
        start = max(at[way] + draw(st.sampled_from([0, 0, 0, 0, 30, 60, 200, -10, -30, -80])), 0)
        data = texts[way][start : start + draw(st.sampled_from([0, 1, 10, 30, 30, 30, 70]))]
        if data and draw(st.integers(0, 30)) == 0:
            data = bytes(len(data))
        flags = draw(st.sampled_from([0x10] * 12 + [0x11, 0x11, 0x14, 0x00, 0x02]))
        found.append(
            (way, isns[way] + 1 + start, at[1 - way] + draw(st.sampled_from([0, 0, -30, 30, 100])), flags, data)
        )
        at[way] = max(at[way], start + len(data))
    parts = []
    for way, seq, acked, flags, data in found:
        ends = {"src": f"192.0.2.{1 + way}", "dst": f"192.0.2.{2 - way}"}
        ports = {"srcport": 80 if way else 1, "dstport": 1 if way else 80}
        ack = (isns[1 - way] + 1 + acked) % 2**32 if flags & 0x10 else 0
        parts.append(build(Ip(proto=6, **ends), Tcp(seq_raw=seq % 2**32, ack_raw=ack, flags=flags, **ports), data))
    return parts


@st.composite
def utp_datagrams(draw: Any) -> bytes:
    """Return a packet of one of few uTP connections, some cut or damaged."""
    way, number = draw(st.integers(0, 1)), draw(st.sampled_from([7, 65535]))
    kind = draw(st.sampled_from([0, 0, 0, 1, 2, 2, 3, 4]))
    header = Utp(
        type=kind, connection_id=number + (way == 0 and kind != 4) & 0xFFFF,
        seq_nr=draw(st.sampled_from([65535, 0, 1, 2, 3])), ack_nr=draw(st.sampled_from([65534, 65535, 0, 1, 2, 3])),
    )  # fmt: skip
    ends = {"src": f"192.0.2.{1 + way}", "dst": f"192.0.2.{2 - way}"}
    ports = {"srcport": 1 + way, "dstport": 2 - way}
    data = build(Ip(proto=17, **ends), Udp(**ports), header.build() + draw(st.binary(max_size=5)))
    match draw(st.integers(0, 9)):
        case 0:
            return data[: -draw(st.integers(1, 24))]
        case 1:
            reset = Utp0(connection_id=1 << 24 | number, type=3, seq_nr=0)
            return build(Ip(proto=17, **ends), Udp(**ports), reset.build())
    return data


@settings(max_examples=80)
@given(connections() | st.lists(packets(), min_size=1, max_size=40), st.integers(0, 8))
def test_both_tell_the_same(found: list[bytes], before: int) -> None:
    data = pcap([Piece(one, time=7, fraction=place) for place, one in enumerate(found)], link_type=RAW_IP)
    exact, bulk = both(data, before=before)
    assert bulk == exact


@settings(max_examples=150)
@given(lossy(), st.sampled_from([WINDOW_LEN, 100, 300, 1000]), st.sampled_from([1 << 23, 600, 1000]), st.integers(0, 4))
def test_both_tell_the_same_of_a_lossy_connection(found: list[bytes], size: int, most: int, before: int) -> None:
    """Windows are cut anywhere; what waits in front of one goes on in the next; there may be little room."""
    data = pcap([Piece(one, time=7, fraction=place) for place, one in enumerate(found)], link_type=RAW_IP)
    exact, bulk = both(data, before=before, window_len=size, max_held=most)
    assert bulk == exact


@settings(max_examples=60)
@given(lossy(), st.sampled_from([WINDOW_LEN, 300]), st.sampled_from(["first", "last"]), st.sampled_from([1 << 26, 800]))
def test_both_have_the_same_policy_and_bounds(found: list[bytes], size: int, policy: str, most: int) -> None:
    data = pcap([Piece(one, time=7, fraction=place) for place, one in enumerate(found)], link_type=RAW_IP)
    exact, bulk = both(data, window_len=size, overlap=policy, max_bytes=most)
    assert bulk == exact


@settings(max_examples=40)
@given(connections())
def test_of_too_many_streams_some_end_early_and_no_byte_is_told_twice(found: list[bytes]) -> None:
    data = pcap([Piece(one) for one in found], link_type=RAW_IP)
    for told in both(data, max_streams=1):
        for events in told.values():
            assert sum(isinstance(one, End) for one in events) == sum(isinstance(one, Begin) for one in events)


@settings(max_examples=60)
@given(st.lists(utp_datagrams(), max_size=30), st.integers(0, 8))
def test_both_tell_the_same_of_utp(found: list[bytes], before: int) -> None:
    exact, bulk = both(pcap([Piece(one) for one in found], link_type=RAW_IP), before=before)
    assert bulk == exact


@settings(max_examples=60)
@given(captures())
def test_captures_of_any_shape(data: bytes) -> None:
    exact, bulk = both(data)
    assert bulk == exact


@pytest.mark.skipif(CORPUS is None, reason="PKTLAB_CORPUS is not set")
@pytest.mark.parametrize("part", [pytest.param(n, marks=[pytest.mark.thorough] if n else []) for n in range(4 * PARTS)])
def test_streams_of_the_corpus(part: int) -> None:
    for path in corpus()[part :: 4 * PARTS]:
        try:
            exact, bulk = both(path)
        except pktlab.PktlabError:
            continue
        assert bulk == exact, path


def segment(seq: int, data: bytes, flags: int = 0x10, port: int = 1, old: bool = True) -> bytes:
    header = Tcp(srcport=port, dstport=80, seq_raw=seq % 2**32, flags=flags)
    below = Ip(proto=6, src="192.0.2.1", dst="192.0.2.2") if old else Ipv6(nxt=6, src="2001:db8::1", dst="2001:db8::2")
    return build(below, header, data)


@pytest.mark.parametrize("old", [True, False])
@pytest.mark.parametrize("exact_first", [0, ALL])
def test_a_snap_length_leaves_gaps(exact_first: int, old: bool) -> None:
    head = len(segment(0, b"", old=old))
    parts = [segment(0, b"", 2, old=old), *(segment(1 + 100 * n, b"x" * 100, old=old) for n in range(3))]
    data = pcap([Piece(one[: head + 30], len(one) - len(one[: head + 30])) for one in parts], link_type=RAW_IP)
    capture = pktlab.open(io.BytesIO(data))
    events = [event for _, event in chain.from_iterable(read_streams(capture, exact_first=exact_first))]
    assert [(type(one), one.offset) for one in events] == [
        (Begin, 0), (Data, 0), (Gap, 30), (Data, 100), (Gap, 130), (Data, 200), (Gap, 230), (End, 300),
    ]  # fmt: skip
    assert {one.length for one in events if isinstance(one, Gap)} == {70}


@pytest.mark.parametrize("exact_first", [0, ALL])
def test_a_segment_in_fragments_counts_once_it_is_whole(exact_first: int) -> None:
    whole = segment(1, b"fragmented datagram of TCP")
    first = whole[:2] + (20 + 24).to_bytes(2, "big") + whole[4:6] + b"\x20\x00" + whole[8:44]
    second = whole[:2] + (len(whole) - 24).to_bytes(2, "big") + whole[4:6] + b"\x00\x03" + whole[8:20] + whole[44:]
    data = pcap([Piece(one) for one in (segment(0, b"", 2), first, second, segment(27, b"!"))], link_type=RAW_IP)
    found = list(chain.from_iterable(read_streams(pktlab.open(io.BytesIO(data)), exact_first=exact_first)))
    assert b"".join(event.data for _, event in found if isinstance(event, Data)) == b"fragmented datagram of TCP!"
    assert not any(isinstance(event, Gap) for _, event in found)
    assert [frame for _, event in found if isinstance(event, Data) for frame in event.frames] == [3, 4]


def test_a_window_tells_what_one_side_says_in_one_piece() -> None:
    parts = [segment(0, b"", 2), *(segment(1 + n, b"x") for n in range(100))]
    data = pcap([Piece(one) for one in parts], link_type=RAW_IP)
    told = list(read_streams(pktlab.open(io.BytesIO(data)), exact_first=1))
    (found,) = [event for _, event in chain.from_iterable(told) if isinstance(event, Data)]
    assert (found.data, found.frames, found.stops) == (b"x" * 100, [*range(2, 102)], [*range(1, 101)])


@pytest.mark.parametrize("exact_first", [0, ALL])
def test_a_connection_ends_where_another_begins_between_the_same_ends(exact_first: int) -> None:
    parts = [segment(0, b"", 2), segment(1, b"old"), segment(10**9, b"", 2), segment(10**9 + 1, b"new")]
    data = pcap([Piece(one) for one in parts], link_type=RAW_IP)
    told = chain.from_iterable(read_streams(pktlab.open(io.BytesIO(data)), exact_first=exact_first))
    found = [(stream.number, type(event), getattr(event, "why", "")) for stream, event in told]
    assert found == [
        (0, Begin, ""), (0, Data, ""), (0, End, "restart"), (1, Begin, ""), (1, Data, ""), (1, End, "open"),
    ]  # fmt: skip


def test_what_waits_in_all_streams_is_bounded() -> None:
    parts = [segment(10, b"x" * 100, port=port) for port in range(1, 50)]
    opened = [segment(0, b"", 2, port) for port in range(1, 50)]
    data = pcap([Piece(one) for one in opened + parts], link_type=RAW_IP)
    table = StreamTable(max_bytes=3000)
    found = list(chain.from_iterable(read_streams(pktlab.open(io.BytesIO(data)), table, exact_first=ALL)))
    assert sum(isinstance(event, Gap) and event.why == "memory" for _, event in found) == 39


@pytest.mark.skipif(SWARMS is None, reason="PKTLAB_SWARMS is not set")
@pytest.mark.parametrize("name", [
    "mseplain", "utploss",
    *(pytest.param(one, marks=pytest.mark.thorough) for one in ("magnet", "plain", "udptrk", "v2")),
])  # fmt: skip
def test_a_swarm(name: str) -> None:
    exact, bulk = both(Path(SWARMS or "") / f"{name}.pcap.zst")
    assert bulk == exact


def test_the_bulk_is_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes on in its turn never meets the reassembly of segments."""
    parts = [segment(0, b"", 2), *(segment(1 + n, b"x") for n in range(100))]
    data = pcap([Piece(one) for one in parts], link_type=RAW_IP)
    monkeypatch.setattr(stream_windows.WindowStreams, "_one_by_one", None)
    assert sum(len(one) for one in read_streams(pktlab.open(io.BytesIO(data)), exact_first=1)) == 3


@pytest.mark.parametrize("window_len", [WINDOW_LEN, 500])
def test_losses_are_the_bulk_s_too(monkeypatch: pytest.MonkeyPatch, window_len: int) -> None:
    """So are what comes late, twice or over something else, beginnings, ends and resets."""
    numbers = [1, 0, 2, 4, 3, 3, 8, 9, 7, 9, 6, 5]
    parts = [segment(0, b"", 2), *(segment(1 + 20 * n, TEXT[20 * n : 20 * n + 30]) for n in numbers)]
    parts += [segment(211, TEXT[210:230], 0x11), segment(0, b"", 2, port=2), segment(1, b"", 4, port=2)]
    data = pcap([Piece(one, fraction=place) for place, one in enumerate(parts)], link_type=RAW_IP)
    exact, _ = both(data)
    monkeypatch.setattr(stream_windows.WindowStreams, "_one_by_one", None)
    _, bulk = both(data, window_len=window_len)
    assert bulk == exact
    (told,) = (events for (name, _), events in bulk.items() if name == "tcp 0")
    assert b"".join(one[2] for one in told if type(one) is tuple) == TEXT[:230]
