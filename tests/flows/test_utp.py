"""uTP streams: told as traces, in any order, with losses and wrap; and told from other datagrams."""

from __future__ import annotations

import os
import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pktlab
from pktlab.flows.keys import FlowKey
from pktlab.flows.stream_table import Told
from pktlab.flows.streams import Begin, Data, End, Gap, Why
from pktlab.flows.utp import UtpConnection, UtpPacket, may_be_utp, read_utp
from pktlab.flows.utp_table import MAX_GUESSED, UtpTable
from pktlab.wire.apps.bittorrent.utp import DATA, FIN, RESET, STATE, SYN, Sack, Utp, Utp0

SWARMS = os.environ.get("PKTLAB_SWARMS")
THERE = FlowKey("udp", "192.0.2.1", 6881, "192.0.2.2", 51413)
KINDS = {"D": DATA, "F": FIN, "A": STATE, "R": RESET, "S": SYN}


def told(trace: str, first: int = 65530, **options: Any) -> list[str]:
    """Return in words what a trace tells: ``> D 7 3 2 text`` is data with ID 7, number and acknowledgment.

    Numbers count from `first`; ``r`` is a reset of version 0, ``text+3`` misses three bytes.
    """
    table, found = UtpTable(**options), []
    for frame, line in enumerate(trace.strip().splitlines(), 1):
        side, kind, number, seq, ack, *rest = line.split()
        data, _, missing = (rest[0] if rest else "").partition("+")
        numbers = (int(one) + first & 0xFFFF for one in (seq, ack))
        version = 0 if kind == "r" else 1
        packet = UtpPacket(
            version, KINDS[kind.upper()], int(number), *numbers, data.encode(), int(missing or 0), frame, frame
        )
        found += table.add(THERE if side == ">" else THERE.reversed(), packet)
    return list(map(words, [*found, *table.end()]))


def words(one: Told) -> str:
    stream, event = one
    mark = f"{stream.number} {'<' if event.way else '>'} {event.offset}"
    match event:
        case Data():
            return f"{mark} {event.data.decode()} of {event.frames[0]} at {event.times_ns[0]}"
        case Gap():
            return f"{mark} gap {event.length} {event.why} at {event.frame}"
        case Begin():
            return f"{mark} {'begin' if event.is_first else 'middle'} at {event.frame}"
    return f"{mark} end {event.why} at {event.frame}"


OPENED = "> S 7 0 -1\n< A 7 5 0\n> A 8 1 4\n"
BEGUN = ["0 > 0 begin at 1", "0 < 0 begin at 3"]
TRACES: dict[str, tuple[str, list[str]]] = {
    "in order over the wrap, both ways, with FIN": (
        OPENED + "> D 8 1 4 hello\n< D 7 5 1 yes\n< D 7 6 1 no\n> F 8 2 6\n< F 7 7 2",
        [*BEGUN, "0 > 0 hello of 4 at 4", "0 < 0 yes of 5 at 5", "0 < 3 no of 6 at 6", "0 > 5 end fin at 7",
         "0 < 5 end fin at 8"],
    ),
    "out of order and twice": (
        OPENED + "> D 8 3 4 c\n> D 8 2 4 b\n> D 8 2 4 b\n> D 8 1 4 a\n> D 8 1 4 a",
        [*BEGUN, "0 > 0 a of 7 at 7", "0 > 1 b of 5 at 7", "0 > 2 c of 4 at 7", "0 > 3 end open at 0",
         "0 < 0 end open at 0"],
    ),
    "acknowledged and never seen": (
        OPENED + "> D 8 1 4 a\n> D 8 4 4 d\n< A 7 5 2\n< A 7 5 4",
        [*BEGUN, "0 > 0 a of 4 at 4", "0 > 1 gap None acknowledged at 7", "0 > 1 d of 5 at 7", "0 > 2 end open at 0",
         "0 < 0 end open at 0"],
    ),
    "a hole in front of a FIN": (
        OPENED + "> F 8 2 4\n< A 7 5 0\n> D 8 1 4 a",
        [*BEGUN, "0 > 0 a of 6 at 6", "0 > 1 end fin at 6", "0 < 0 end open at 0"],
    ),
    "a FIN acknowledged over a hole": (
        OPENED + "> F 8 2 4\n< A 7 5 2",
        [*BEGUN, "0 > 0 gap None acknowledged at 5", "0 > 0 end fin at 5", "0 < 0 end open at 0"],
    ),
    "the end acknowledged and never seen": (
        OPENED + "> D 8 1 4 a\n< A 7 5 3",
        [*BEGUN, "0 > 0 a of 4 at 4", "0 > 1 gap None acknowledged at 0", "0 > 1 end open at 0", "0 < 0 end open at 0"],
    ),
    "cut when captured": (
        OPENED + "> D 8 1 4 abc+4\n> D 8 2 4 d",
        [*BEGUN, "0 > 0 abc of 4 at 4", "0 > 3 gap 4 cut at 4", "0 > 7 d of 5 at 5", "0 > 8 end open at 0",
         "0 < 0 end open at 0"],
    ),
    "a reset of version 0, which names the packet that it answers": (
        OPENED + "> D 8 2 4 b\n> F 8 3 4\n< r 8 0 3",
        [*BEGUN, "0 < 0 end reset at 6", "0 > 0 gap None reset at 6", "0 > 0 b of 4 at 6", "0 > 1 end reset at 6"],
    ),
    "a reset of version 1 with the other side's ID": (
        OPENED + "> R 7 1 4", [*BEGUN, "0 > 0 end reset at 4", "0 < 0 end reset at 4"]
    ),
    "in the middle": (
        "> D 8 10 20 a\n> D 8 11 20 b\n< D 7 21 11 yes\n> D 8 12 21 c",
        ["0 > 0 middle at 1", "0 < 0 middle at 1", "0 > 0 a of 1 at 1", "0 > 1 b of 2 at 2", "0 < 0 yes of 3 at 3",
         "0 > 2 c of 4 at 4", "0 > 3 end open at 0", "0 < 3 end open at 0"],
    ),
    "a SYN that nobody answers": ("> S 7 0 -1\n> S 7 0 -1", []),
    "one side only": ("> D 8 10 20 a\n> D 8 11 20 b\n> D 8 12 20 c", []),
    "numbers that do not fit": ("> D 8 10 20 a\n< D 7 5000 11 yes\n> D 8 11 20 b", []),
    "IDs that do not fit": ("> D 8 10 20 a\n< D 8 21 10 yes\n> D 8 11 20 b", []),
    "another connection with the same ID": (
        OPENED + "> F 8 1 4\n< F 7 5 1\n> S 7 500 0\n< A 7 900 500\n> D 8 501 899 new",
        [*BEGUN, "0 > 0 end fin at 4", "0 < 0 end fin at 5", "1 > 0 begin at 6", "1 < 0 begin at 8",
         "1 > 0 new of 8 at 8", "1 > 3 end open at 0", "1 < 0 end open at 0"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TRACES)
def test_a_trace(name: str) -> None:
    trace, wanted = TRACES[name]
    assert told(trace) == wanted


@given(st.lists(st.binary(min_size=1, max_size=9), min_size=1, max_size=40), st.integers(0, 65535), st.data())
def test_any_order_gives_the_text(parts: list[bytes], first: int, data: st.DataObject) -> None:
    connection = UtpConnection()
    connection.add(0, UtpPacket(1, SYN, 7, first - 1 & 0xFFFF, 0, b"", 0, 1, 1))
    order = [*range(len(parts)), *data.draw(st.lists(st.integers(0, len(parts) - 1), max_size=9))]
    random.Random(data.draw(st.integers(0, 2**32))).shuffle(order)
    events = [
        event
        for place in order
        for event in connection.add(0, UtpPacket(1, DATA, 8, first + place & 0xFFFF, 0, parts[place], 0, place + 2, 1))
    ]
    found = [event for event in events if isinstance(event, Data)]
    assert [event.data for event in found] == parts
    assert [event.frames[0] for event in found] == [*range(2, len(parts) + 2)]
    assert connection.held_len == 0


@given(
    st.lists(
        st.tuples(
            st.booleans(), st.sampled_from(list(KINDS.values())), st.sampled_from([7, 8, 9, 65535, 0]),
            st.sampled_from([0, 1, 2, 3, 65535, 2000, 9000]), st.sampled_from([0, 1, 2, 3, 65535, 2000]),
            st.binary(max_size=3), st.sampled_from([0, 0, 5]), st.booleans(),
        ),
        max_size=60,
    ),
    st.sampled_from([300, 1 << 20]),
)  # fmt: skip
def test_any_packets_are_told_in_order_and_in_bounds(packets: list[Any], most: int) -> None:
    table = UtpTable(max_held=most, max_bytes=2 * most, max_streams=2)
    found: list[Told] = []
    for frame, (there, kind, number, seq, ack, data, missing, version) in enumerate(packets, 1):
        packet = UtpPacket(int(version), kind, number, seq, ack, data, missing, frame, frame)
        found += table.add(THERE if there else THERE.reversed(), packet)
        assert len(table._streams) <= 2
    found += table.end()
    at: dict[Any, int] = defaultdict(int)
    for stream, event in found:
        assert event.offset == at[stream, event.way]
        at[stream, event.way] += len(event.data) if isinstance(event, Data) else getattr(event, "length", 0) or 0
    assert not table._places
    assert table._held._length == 0


def test_what_is_guessed_is_bounded() -> None:
    table = UtpTable()
    for seq in range(100):
        table.add(THERE, UtpPacket(1, DATA, 8, seq, 20, b"x", 0, seq, seq))
    assert [len(one) for one in table._guessed.values()] == [MAX_GUESSED]


def test_memory_is_bounded_by_giving_up_holes() -> None:
    connection = UtpConnection(max_held=2000)
    connection.add(0, UtpPacket(1, SYN, 7, 0, 0, b"", 0, 1, 1))
    events = [one for seq in range(2, 60, 2) for one in connection.add(0, UtpPacket(1, DATA, 8, seq, 0, b"x", 0, 1, 1))]
    assert connection.held_len <= 2000
    assert any(isinstance(one, Gap) and one.why == Why.memory for one in events)


@pytest.mark.parametrize(
    ("data", "is_one"),
    [
        (Utp(type=SYN, connection_id=1, seq_nr=1).build(), True),
        (Utp(type=STATE, extension=1, connection_id=1, seq_nr=1, extensions=(Sack(bitmask=b"abc"),)).build(), True),
        (Utp(type=DATA, connection_id=1, seq_nr=1).build() + b"x", True),
        (Utp(type=DATA, connection_id=1, seq_nr=1).build(), False),
        (Utp(type=STATE, connection_id=1, seq_nr=1).build() + b"x", False),
        (Utp(type=SYN, connection_id=1, seq_nr=1).build()[:-1], False),
        (Utp(type=5, connection_id=1, seq_nr=1).build(), False),
        (Utp(type=SYN, extension=1, connection_id=1, seq_nr=1).build() + b"\0\xff", False),
        (Utp0(connection_id=0x21000007, type=RESET, seq_nr=0).build(), True),
        (Utp0(connection_id=0x21000007, type=DATA, seq_nr=0).build(), False),
        (b"", False),
    ],
    ids=[
        "SYN", "STATE with SACK", "DATA", "no data", "data in STATE", "cut", "type", "extension over the end",
        "v0 RESET", "v0 DATA", "nothing",
    ],
)  # fmt: skip
def test_what_can_be_utp(data: bytes, is_one: bool) -> None:
    assert may_be_utp(data) is is_one


@given(st.binary(max_size=60), st.integers(0, 3))
def test_any_bytes_are_read(data: bytes, missing: int) -> None:
    packet = read_utp(data, missing, 1, 1)
    assert packet is None or data.endswith(packet.data)


@pytest.mark.skipif(SWARMS is None, reason="PKTLAB_SWARMS is not set")
def test_a_swarm_with_losses() -> None:
    """Seven connections, both ways from their SYN to a FIN or a reset, and not a byte of them is missing."""
    found: dict[Any, list[Any]] = defaultdict(list)
    for some in pktlab.open(Path(SWARMS or "") / "utploss.pcap.zst").streams():
        for stream, event in some:
            if stream.protocol == "utp":
                found[stream, event.way].append(event)
    assert len(found) == 14
    for events in found.values():
        assert isinstance(events[0], Begin)
        assert events[0].is_first
        assert b"".join(one.data for one in events if isinstance(one, Data)).startswith(b"\x13BitTorrent protocol")
        assert not any(isinstance(one, Gap) for one in events)
        assert sum(isinstance(one, End) for one in events) == 1
