"""TCP streams against a stupid model, and connections told as traces: a line a segment, relative numbers."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pktlab.flows.reassembly import MAX_HELD, Reassembly, Segment
from pktlab.flows.streams import Begin, Data, End, Event, Gap, Overlap, Why

BITS = {"S": 2, "A": 0x10, "F": 1, "R": 4}
ISNS = st.sampled_from([0, 1, 2**31 - 3, 2**32 - 1, 2**32 - 20, 2**32 - 300])
TEXT = bytes(range(256)) * 2


def told(trace: str, isns: tuple[int, int] = (1000, 2**32 - 2), **options: Any) -> list[str]:
    """Return in words what a trace tells; ``> SA 0 1 text`` is a segment of way 0 with flags, numbers and data.

    ``text+3`` misses three bytes that were cut off; a number ``-`` is none.
    """
    connection, found = Reassembly(**options), []
    lines = [line.split() for line in trace.strip().splitlines()]
    for frame, (side, flags, seq, ack, *rest) in enumerate(lines, 1):
        way = int(side == "<")
        data, _, missing = (rest[0] if rest else "").partition("+")
        found += connection.add(
            Segment(
                way, int(seq) + isns[way] & 0xFFFFFFFF, -1 if ack == "-" else int(ack) + isns[1 - way] & 0xFFFFFFFF,
                sum(BITS[one] for one in flags), data.encode(), int(missing or 0), frame, frame,
            )
        )  # fmt: skip
    return list(map(words, [*found, *connection.end()]))


def words(event: Event) -> str:
    side = "<" if event.way else ">"
    match event:
        case Data(_, offset, data, frames, _, times):
            return f"{side} {offset} {bytes(data).decode()} of {frames[0]} at {times[0]}"
        case Gap(_, offset, length, why, frame):
            return f"{side} {offset} gap {length} {why} at {frame}"
        case Begin(_, offset, is_first, frame):
            return f"{side} {offset} {'begin' if is_first else 'middle'} at {frame}"
        case Overlap(_, offset, length, frame):
            return f"{side} {offset} overlap {length} at {frame}"
        case End(_, offset, why, frame):
            return f"{side} {offset} end {why} at {frame}"


OPENED = "> S 0 -\n< SA 0 1\n"
BEGUN = ["> 0 begin at 1", "< 0 begin at 2"]
TRACES: dict[str, tuple[str, list[str]]] = {
    "in order, both ways, with FIN": (
        OPENED + "> A 1 1 hello\n< A 1 6 yes\n> FA 6 4\n< A 4 7\n< FA 4 7\n> A 7 5",
        [*BEGUN, "> 0 hello of 3 at 3", "< 0 yes of 4 at 4", "> 5 end fin at 5", "< 3 end fin at 7"],
    ),
    "data in the FIN": (
        OPENED + "> FA 1 1 abc\n< A 1 5",
        [*BEGUN, "> 0 abc of 3 at 3", "> 3 end fin at 3", "< 0 end open at 0"],
    ),
    "out of order": (
        OPENED + "> A 4 1 def\n> A 7 1 ghi\n> A 1 1 abc",
        [*BEGUN, "> 0 abc of 5 at 5", "> 3 def of 3 at 5", "> 6 ghi of 4 at 5", "> 9 end open at 0",
         "< 0 end open at 0"],
    ),
    "a retransmission and an overlap that agree": (
        OPENED + "> A 1 1 abc\n> A 1 1 abc\n> A 2 1 bcde",
        [*BEGUN, "> 0 abc of 3 at 3", "> 3 de of 5 at 5", "> 5 end open at 0", "< 0 end open at 0"],
    ),
    "acknowledged and never seen": (
        OPENED + "> A 1 1 abc\n> A 7 1 ghi\n< A 1 4\n< A 1 10",
        [*BEGUN, "> 0 abc of 3 at 3", "> 3 gap 3 acknowledged at 6", "> 6 ghi of 4 at 6", "> 9 end open at 0",
         "< 0 end open at 0"],
    ),
    "acknowledged before what is behind it is seen": (
        OPENED + "< A 1 4\n> A 4 1 def",
        [*BEGUN, "> 0 gap 3 acknowledged at 4", "> 3 def of 4 at 4", "> 6 end open at 0", "< 0 end open at 0"],
    ),
    "an acknowledgment captured too early": (
        OPENED + "< A 1 4\n> A 1 1 abc",
        [*BEGUN, "> 0 abc of 4 at 4", "> 3 end open at 0", "< 0 end open at 0"],
    ),
    "the end acknowledged and never seen": (
        OPENED + "> A 1 1 abc\n< A 1 10",
        [*BEGUN, "> 0 abc of 3 at 3", "> 3 gap 6 acknowledged at 0", "> 9 end open at 0", "< 0 end open at 0"],
    ),
    "a hole in front of a FIN": (
        OPENED + "> FA 4 1 def\n< A 1 1\n> A 1 1 abc",
        [*BEGUN, "> 0 abc of 5 at 5", "> 3 def of 3 at 5", "> 6 end fin at 5", "< 0 end open at 0"],
    ),
    "a FIN acknowledged over a hole": (
        OPENED + "> FA 4 1\n< A 1 5",
        [*BEGUN, "> 0 gap 3 acknowledged at 4", "> 3 end fin at 4", "< 0 end open at 0"],
    ),
    "it goes on behind a FIN": (
        OPENED + "> FA 1 1\n> A 1 1 abc",
        [*BEGUN, "> 0 end fin at 3", "> 0 abc of 4 at 4", "> 3 end open at 0", "< 0 end open at 0"],
    ),
    "a reset, with a reason in it": (
        OPENED + "> A 4 1 def\n< RA 1 1 sorry",
        [*BEGUN, "< 0 end reset at 4", "> 0 gap 3 reset at 4", "> 3 def of 3 at 4", "> 6 end reset at 4"],
    ),
    "a reset by the sender": (
        OPENED + "> A 4 1 def\n> R 7 -\n< A 1 1 abc",
        [*BEGUN, "> 0 gap 3 reset at 4", "> 3 def of 3 at 4", "> 6 end reset at 4", "< 0 abc of 5 at 5",
         "< 3 end reset at 4"],
    ),
    "data under way when the other side resets": (
        OPENED + "> A 4 1 def\n< RA 1 1\n> A 1 1 abc",
        [*BEGUN, "< 0 end reset at 4", "> 0 abc of 5 at 5", "> 3 def of 3 at 5", "> 6 end reset at 4"],
    ),
    "keep-alives and a probe": (
        OPENED + "> A 1 1 abc\n> A 3 1\n> A 3 1 x\n> A 4 1 d\n< A 1 4\n> A 4 1 de",
        [*BEGUN, "> 0 abc of 3 at 3", "> 3 d of 6 at 6", "> 4 e of 8 at 8", "> 5 end open at 0", "< 0 end open at 0"],
    ),
    "in the middle": (
        "> A 50 70 abc\n< A 70 53\n> A 40 70 xyz\n< A 70 53 yes",
        ["> 0 middle at 1", "> 0 abc of 1 at 1", "< 0 middle at 2", "< 0 yes of 4 at 4", "> 3 end open at 0",
         "< 3 end open at 0"],
    ),
    "cut when captured": (
        OPENED + "> A 1 1 abc+3\n> A 7 1 ghi\n> A 13 1 mno+2\n> A 10 1 jkl",
        [*BEGUN, "> 0 abc of 3 at 3", "> 3 gap 3 cut at 3", "> 6 ghi of 4 at 4", "> 9 jkl of 6 at 6",
         "> 12 mno of 5 at 6", "> 15 gap 2 cut at 5", "> 17 end open at 0", "< 0 end open at 0"],
    ),
    "cut, and there in another segment": (
        OPENED + "> A 4 1 d+2\n> A 5 1 ef\n> A 1 1 abc",
        [*BEGUN, "> 0 abc of 5 at 5", "> 3 d of 3 at 5", "> 4 ef of 4 at 5", "> 6 end open at 0", "< 0 end open at 0"],
    ),
    "data in the SYN": (
        "> S 0 - abc\n> A 4 1 def",
        ["> 0 begin at 1", "> 0 abc of 1 at 1", "> 3 def of 2 at 2", "> 6 end open at 0"],
    ),
    "SYNs again": (
        OPENED + "> S 0 -\n< SA 0 1\n> A 1 1 abc",
        [*BEGUN, "> 0 abc of 5 at 5", "> 3 end open at 0", "< 0 end open at 0"],
    ),
    "another SYN before data": (
        "> S 0 -\n> S 500 -\n> A 501 - abc",
        ["> 0 begin at 1", "> 0 end restart at 2", "> 0 begin at 2", "> 0 abc of 3 at 3", "> 3 end open at 0"],
    ),
    "another answer to a SYN, of which the first was acknowledged": (
        OPENED + "> A 1 1\n< SA 1000000000 1\n< A 1 1 abc",
        [*BEGUN, "< 0 abc of 5 at 5", "> 0 end open at 0", "< 3 end open at 0"],
    ),
    "another answer to a SYN": (
        OPENED + "< SA 1000000000 1\n> A 1 1000000001\n< A 1000000001 1 abc",
        [*BEGUN, "< 0 end restart at 3", "< 0 begin at 3", "< 0 abc of 5 at 5", "> 0 end open at 0",
         "< 3 end open at 0"],
    ),
    "a SYN by mistake in the middle": (
        OPENED + "> A 1 1 abc\n> SA 4 1 def\n> A 7 1 ghi",
        [*BEGUN, "> 0 abc of 3 at 3", "> 3 def of 4 at 4", "> 6 ghi of 5 at 5", "> 9 end open at 0",
         "< 0 end open at 0"],
    ),
    "a new connection between the same ends": (
        OPENED + "> A 1 1 abc\n> A 7 1 ghi\n> S 1000000000 -\n< SA 2000000000 1000000001\n"
        "< A 2000000001 1000000001 yes",
        [*BEGUN, "> 0 abc of 3 at 3", "> 3 gap 3 restart at 5", "> 6 ghi of 4 at 5", "> 9 end restart at 5",
         "< 0 end restart at 5", "> 9 begin at 5", "< 0 begin at 6", "< 0 yes of 7 at 7", "> 9 end open at 0",
         "< 3 end open at 0"],
    ),
    "a new connection of which the SYN was not seen": (
        OPENED + "> A 1 1 abc\n> A 1000000000 1 def\n> A 1000000003 1 ghi",
        [*BEGUN, "> 0 abc of 3 at 3", "> 3 gap None jump at 4", "> 3 def of 4 at 5", "> 6 ghi of 5 at 5",
         "> 9 end open at 0", "< 0 end open at 0"],
    ),
    "one wrong number": (
        OPENED + "> A 1 1 abc\n> A 1000000000 1 xyz\n> A 4 1 def",
        [*BEGUN, "> 0 abc of 3 at 3", "> 3 def of 5 at 5", "> 6 end open at 0", "< 0 end open at 0"],
    ),
    "one way only": (
        "> S 0 -\n> A 4 - def\n> A 1 - abc\n> A 10 - jkl",
        ["> 0 begin at 1", "> 0 abc of 3 at 3", "> 3 def of 2 at 3", "> 6 gap 3 open at 0", "> 9 jkl of 4 at 0",
         "> 12 end open at 0"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TRACES)
def test_a_trace(name: str) -> None:
    trace, wanted = TRACES[name]
    assert told(trace) == wanted


CONFLICT = OPENED + "> A 4 1 abcdef\n> A 6 1 XYZ\n> A 2 1 mnop\n> A 1 1 -"


@pytest.mark.parametrize(
    ("policy", "wanted"),
    [
        ("first", ["> 0 - of 6 at 6", "> 1 mn of 5 at 6", "> 3 abcdef of 3 at 6"]),
        ("last", ["> 0 - of 6 at 6", "> 1 mnop of 5 at 6", "> 5 XYZ of 4 at 6", "> 8 f of 3 at 6"]),
    ],
)
def test_the_policy_says_which_bytes_stay(policy: Any, wanted: list[str]) -> None:
    found = told(CONFLICT, overlap=policy)
    assert [one for one in found if " of " in one] == wanted
    assert [one for one in found if "overlap" in one] == ["> 5 overlap 3 at 4", "> 3 overlap 2 at 5"]


def test_a_policy_that_there_is_not() -> None:
    with pytest.raises(ValueError, match="'reject'"):
        Reassembly(overlap="reject")  # type: ignore[arg-type]


# ---- against a model

Span = tuple[int, int]


@st.composite
def spans(draw: Any) -> list[Span]:
    """Return parts of the text that cover it, in any order, some twice, some over others."""
    cuts = sorted({0, len(TEXT), *draw(st.lists(st.integers(1, len(TEXT) - 1), max_size=30))})
    found = list(pairwise(cuts))
    for start, size in draw(st.lists(st.tuples(st.integers(0, len(TEXT) - 1), st.integers(1, 90)), max_size=12)):
        found.append((start, min(start + size, len(TEXT))))
    random.Random(draw(st.integers(0, 2**32))).shuffle(found)
    return found


def feed(connection: Reassembly, isn: int, parts: Iterable[Span], text: bytes = TEXT) -> list[Event]:
    """Give parts of a text as segments of way 0, behind a SYN."""
    found = connection.add(Segment(0, isn, -1, 2, b"", 0, 1, 1))
    for frame, (start, stop) in enumerate(parts, 2):
        found += connection.add(
            Segment(0, isn + 1 + start & 0xFFFFFFFF, -1, 0x10, memoryview(text[start:stop]), 0, frame, frame)
        )
    return found


def check_order(events: Sequence[Event], way: int = 0) -> bytes:
    """Return the data of a way with a zero for each byte that is missing; that offsets go on is made sure."""
    found = bytearray()
    for event in events:
        if event.way != way or isinstance(event, Overlap):
            continue
        assert event.offset == len(found)
        if isinstance(event, Data):
            assert event.stops[-1] == len(event.data) > 0
            found += event.data
        elif isinstance(event, Gap):
            found += bytes(event.length or 0)
    return bytes(found)


@given(spans(), ISNS, st.sampled_from(["first", "last"]))
def test_any_order_gives_the_text(parts: list[Span], isn: int, policy: Any) -> None:
    events = feed(Reassembly(overlap=policy), isn, parts)
    assert check_order(events) == TEXT
    assert not any(isinstance(event, Gap | Overlap) for event in events)
    for event in events:
        if isinstance(event, Data):
            start, stop = parts[event.frames[0] - 2]
            assert start <= event.offset < event.offset + len(event.data) <= stop  # it is from there


@given(spans(), ISNS, st.data())
def test_what_is_lost_is_a_gap_and_nothing_else(parts: list[Span], isn: int, data: st.DataObject) -> None:
    lost = data.draw(st.sets(st.sampled_from(range(len(parts))), max_size=len(parts)))
    kept = [one for place, one in enumerate(parts) if place not in lost]
    there = bytearray(len(TEXT))
    for start, stop in kept:
        there[start:stop] = b"\1" * (stop - start)
    text = bytes(one or 7 for one in TEXT)  # in which no byte looks like a missing one
    connection = Reassembly()
    events = feed(connection, isn, kept, text)
    if data.draw(st.booleans()):
        events += connection.add(Segment(1, 5, isn + 1 + len(TEXT) & 0xFFFFFFFF, 0x10, b"", 0, 99, 99))
    events += connection.end()
    wanted = bytes(one * there[place] for place, one in enumerate(text))
    found = check_order(events)
    assert found == wanted[: len(found)]
    assert not any(wanted[len(found) :])


@given(
    st.lists(
        st.tuples(
            st.integers(0, 1), st.sampled_from([0, 1, 5, 2**31, 2**32 - 1]), st.integers(0, 30), st.integers(0, 30),
            st.sampled_from([2, 0x12, 0x10, 0x11, 4, 0x14, 0x18, 0]), st.integers(0, 9), st.sampled_from([0, 0, 4]),
        ),
        max_size=60,
    ),
    st.sampled_from(["first", "last"]), st.sampled_from([300, MAX_HELD]),
)  # fmt: skip
def test_any_segments_are_told_in_order_and_in_bounds(found: list[Any], policy: Any, max_held: int) -> None:
    connection, events = Reassembly(overlap=policy, max_held=max_held), []
    for frame, (way, base, seq, ack, flags, length, missing) in enumerate(found, 1):
        numbers = base + seq & 0xFFFFFFFF, base + ack & 0xFFFFFFFF if flags & 0x10 else -1
        events += connection.add(Segment(way, *numbers, flags, bytes(length), missing, frame, frame))
        assert connection.held_len <= 2 * max_held
        assert connection.held_len == sum(
            200 + (0 if one.data is None else one.stop - one.start) for way in connection.ways for one in way.held
        )
    if connection.held_len:
        relieved = connection.relieve(0, 0)
        assert any(isinstance(event, Gap) and event.why == Why.memory for event in relieved)
        events += relieved
    events += connection.end()
    check_order(events, 0)
    check_order(events, 1)
    assert connection.held_len == 0
    assert connection.relieve(0, 0) == []


def test_memory_is_bounded_by_giving_up_holes() -> None:
    connection = Reassembly(max_held=10_000)
    events = feed(connection, 0, [(start, start + 1) for start in range(1, 500, 2)], bytes(500))
    assert connection.held_len <= 10_000
    assert all(event.why == Why.memory and event.length == 1 for event in events if isinstance(event, Gap))
    assert check_order(events) == bytes(len(check_order(events)))
