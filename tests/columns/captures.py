"""Captures of any shape out of packets, and packets of any kind, arbitrary and mutated."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import strategies as st

from pktlab.capture import open_capture
from pktlab.testing import from_schema
from pktlab.wire.header import Header
from pktlab.wire.packet import FOLLOWS, LINK_TYPES, Follows, build

__all__ = ["Piece", "arbitrary", "captures", "first_light", "mutants", "pcap", "pcapng"]

Draw = Callable[[st.SearchStrategy[Any]], Any]
FIRST_LIGHT = Path(__file__).resolve().parents[2] / "pcaps" / "first-light.pcapng"
MAX_DEPTH = 6
TIMES = st.integers(0, 2**32 - 1)


class Piece(NamedTuple):
    """What a capture has of one packet; `time` is in units of the file's clock."""

    data: bytes
    more: int = 0  # bytes on the wire that were not captured; below 0 the file claims fewer than it has
    time: int = 1
    fraction: int = 0
    link_type: int = 1
    options: bytes = b""

    @property
    def length(self) -> int:
        """Bytes on the wire."""
        return max(len(self.data) + self.more, 0)


# ---- files


def pcap(pieces: Iterable[Piece], *, order: str = "<", nanoseconds: bool = False, link_type: int = 1) -> bytes:
    """Return a pcap of `pieces`, all of which are taken for packets of one link type."""
    parts = [struct.pack(order + "IHHIIII", 0xA1B23C4D if nanoseconds else 0xA1B2C3D4, 2, 4, 0, 0, 65535, link_type)]
    for one in pieces:
        parts += [struct.pack(order + "IIII", one.time, one.fraction, len(one.data), one.length), one.data]
    return b"".join(parts)


def block(order: str, kind: int, body: bytes) -> bytes:
    """Return a pcapng block."""
    body += bytes(-len(body) % 4)
    return struct.pack(order + "II", kind, len(body) + 12) + body + struct.pack(order + "I", len(body) + 12)


def option(order: str, code: int, value: bytes) -> bytes:
    """Return an option of a pcapng block."""
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def section(order: str, interfaces: Iterable[tuple[int, bytes]]) -> bytes:
    """Return the head of a section: interfaces are link types with options."""
    head = block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))
    return head + b"".join(block(order, 1, struct.pack(order + "HHI", one, 0, 0) + more) for one, more in interfaces)


def packet_block(order: str, number: int, one: Piece) -> bytes:
    """Return an enhanced packet block; `time` is the high half of its time stamp."""
    head = struct.pack(order + "IIIII", number, one.time, one.fraction, len(one.data), one.length)
    return block(order, 6, head + one.data + bytes(-len(one.data) % 4) + one.options)


def pcapng(pieces: Iterable[Piece], *, order: str = "<") -> bytes:
    """Return a pcapng of one section, with an interface for each link type."""
    pieces = list(pieces)
    links = list(dict.fromkeys(one.link_type for one in pieces))
    return section(order, [(one, b"") for one in links]) + b"".join(
        packet_block(order, links.index(one.link_type), one) for one in pieces
    )


# ---- packets


def first_light() -> list[Piece]:
    """Return the packets of the project's own capture."""
    with open_capture(FIRST_LIGHT) as reader:
        return [Piece(record.data, record.length - len(record.data), link_type=record.link_type) for record in reader]


@st.composite
def arbitrary(draw: Draw, link_type: int) -> bytes:
    """Return bytes of a packet: any, or headers that follow one another as the protocols say, with faults in them."""
    if draw(st.integers(0, 5)) == 0:
        return bytes(draw(st.binary(max_size=90)))
    kind: Any = LINK_TYPES[link_type]
    headers: list[Header | bytes] = []
    while kind is not None and len(headers) < MAX_DEPTH:
        if not isinstance(kind, type):
            kind = draw(st.sampled_from(list(kind.values())))
        fixed, following = _next(draw, FOLLOWS[kind]) if kind in FOLLOWS else ({}, None)
        values = _values(kind, frozenset(one for one in fixed.items() if one[0] in kind.schema.declared))
        if values is None:
            break
        try:
            headers.append(draw(values))
        except ValueError:  # a number that does not fit
            break
        kind = following
    data = bytearray(_built(headers, draw(st.binary(max_size=40))))
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        if data:
            data[draw(st.integers(0, len(data) - 1))] = draw(
                st.sampled_from([0, 1, 0x45, 0x60, 0xFF]) | st.integers(0, 255)
            )
    cut = draw(st.sampled_from([0, 0, 0, 1, 4, 9, 17, 30]))
    return bytes(data[: max(len(data) - cut, 0)])


@cache
def _values(kind: Any, fixed: frozenset[tuple[str, int]]) -> st.SearchStrategy[Any] | None:
    """Return a strategy of headers; None if the schema has a part that cannot be drawn."""
    try:
        return from_schema(kind, fixed=dict(fixed))
    except TypeError:
        return None


def _next(draw: Draw, rule: Follows) -> tuple[dict[str, int], Any]:
    """Draw what follows a header, and the number in it that says so."""
    if rule.table and draw(st.integers(0, 9)):
        name = rule.by if isinstance(rule.by, str) else draw(st.sampled_from(rule.by))
        value = draw(st.sampled_from(list(rule.table)))
        return {name: value}, rule.table[value]
    return {}, rule.otherwise or rule.version


def _built(headers: list[Header | bytes], data: bytes) -> bytes:
    """Return headers and data built together; each alone where a length does not come out over that much."""
    try:
        return build(*headers, data)
    except ValueError:
        return b"".join(one if isinstance(one, bytes) else one.build(b"", lambda length: b"") for one in headers) + data


@st.composite
def pieces(draw: Draw, link_types: st.SearchStrategy[int], most: int = 5) -> list[Piece]:
    """Return packets, some cut, some with options."""
    found = []
    for _ in range(draw(st.integers(1, most))):
        link_type = draw(link_types)
        found.append(
            Piece(
                draw(arbitrary(link_type)),
                draw(st.sampled_from([0, 0, 0, 0, 1, 60, 1400, -1, -4])),
                draw(TIMES),
                draw(st.integers(0, 999_999) | TIMES),
                link_type,
            )
        )
    return found


@st.composite
def captures(draw: Draw) -> bytes:
    """Return a pcap or a pcapng of any shape."""
    order = draw(st.sampled_from("<>"))
    if draw(st.booleans()):
        link_type = draw(st.sampled_from(sorted(LINK_TYPES)))
        found = draw(pieces(st.just(link_type)))
        has_fcs = draw(st.sampled_from([0, 0, 0x2400_0000]))  # two words of frame check sequence
        return pcap(found, order=order, nanoseconds=draw(st.booleans()), link_type=link_type | has_fcs)
    parts = []
    for _ in range(draw(st.integers(1, 2))):
        order = draw(st.sampled_from("<>"))
        parts.append(_section(draw, order))
    return b"".join(parts)


def _section(draw: Draw, order: str) -> bytes:
    clocks = {  # options of an interface, and the highest half of a time that 64 bits of nanoseconds hold
        b"": 400_000,
        option(order, 9, b"\x09"): (1 << 31) - 1,
        option(order, 9, b"\x83"): 1,
        option(order, 9, b"\x03") + option(order, 14, struct.pack(order + "q", -5)): 1,
        option(order, 13, b"\x04"): 400_000,
    }
    links = draw(st.lists(st.sampled_from(sorted(LINK_TYPES)), min_size=1, max_size=3))
    told = [draw(st.sampled_from(list(clocks))) for _ in links]
    parts = [section(order, zip(links, told, strict=True))]
    for _ in range(draw(st.integers(1, 5))):
        number = draw(st.integers(0, len(links) - 1))
        one = draw(pieces(st.just(links[number]), most=1))[0]
        one = one._replace(time=draw(st.integers(0, clocks[told[number]])))
        match draw(st.integers(0, 7)):
            case 0:
                parts.append(block(order, 3, struct.pack(order + "I", len(one.data)) + one.data))
            case 1:
                parts.append(block(order, draw(st.sampled_from([4, 5, 10, 0x0BAD])), b"\0" * 8))
            case 2:
                flags = option(order, 2, struct.pack(order + "I", draw(st.sampled_from([1, 0x200, 0x82]))))
                comment = option(order, 1, draw(st.binary(max_size=9)))
                more = draw(st.sampled_from([flags, comment, comment + flags, flags + comment]))
                parts.append(
                    packet_block(order, number, one._replace(options=more + draw(st.sampled_from([b"", bytes(4)]))))
                )
            case _:
                parts.append(packet_block(order, number, one))
    return b"".join(parts)


def mutants(seed: int, count: int) -> list[Piece]:
    """Return changed packets of the project's own capture: bytes set, most of them early, and ends cut."""
    dice, originals, found = random.Random(seed), first_light(), []
    for _ in range(count):
        one = dice.choice(originals)
        data = bytearray(one.data)
        for _ in range(dice.choice([0, 1, 1, 2, 3])):
            at = dice.randrange(min(len(data), dice.choice([20, 60, 1500])))
            data[at] = dice.choice(
                [0, 1, 4, 6, 17, 0x45, 0x46, 0xFF, data[at] ^ 1 << dice.randrange(8), dice.randrange(256)]
            )
        keep = dice.choice([len(data)] * 3 + [dice.randrange(len(data) + 1)])
        more = dice.choice([0, 0, len(one.data) - keep, 7])
        found.append(Piece(bytes(data[:keep]), more, fraction=len(found) % 1000, link_type=one.link_type))
    return found
