"""One connection between peers: heard whole, byte by byte, with holes, from the middle; said by a side of our own."""

from __future__ import annotations

import os
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pktlab
from pktlab.flows.reassembly import Reassembly, Segment
from pktlab.flows.streams import Begin, Data, End, Event, Gap, Why
from pktlab.torrent.connection import PeerConnection
from pktlab.torrent.events import Broken, Closed, Entered, Entry, KeyExchange, Lost, Message, Rule, Unknown, Violation
from pktlab.torrent.reading import HOPE_LEN, SCAN_LEN
from pktlab.wire.apps.bittorrent import peer
from pktlab.wire.bencode import encode

SWARMS = os.environ.get("PKTLAB_SWARMS")
FAST = bytes([0, 0, 0, 0, 0, 0x10, 0, 4])  # extension protocol, fast
HELLO = tuple(
    peer.Handshake(reserved=FAST, info_hash=b"h" * 20, peer_id=bytes([65 + way]) * 20).build() for way in (0, 1)
)
BLOCK = 1 << 14


def block(index: int, begin: int = 0, length: int = BLOCK) -> bytes:
    """Return a message with a block that says what it is."""
    return peer.Piece(index=index, begin=begin, data=(b"%04d %06d " % (index, begin) * 2000)[:length]).build()


TALK: list[tuple[int, bytes]] = [
    (0, HELLO[0]),
    (1, HELLO[1]),
    (0, peer.HaveNone().build()),
    (1, peer.Bitfield(bitfield=b"\xff\x80").build()),
    (0, peer.Extended(id=0, payload=encode({b"m": {b"ut_pex": 7}, b"v": b"pktlab"})).build()),
    (1, peer.Extended(id=7, payload=encode({b"added": b""})).build()),
    (1, peer.AllowedFast(index=3).build()),
    (0, peer.Interested().build()),
    (1, peer.Unchoke().build()),
    (0, peer.Request(index=3, begin=0, length=BLOCK).build() + peer.Request(index=4, begin=0, length=100).build()),
    (1, block(3)),
    (0, peer.KeepAlive().build()),
    (1, peer.Reject(index=4, begin=0, length=100).build()),
    (0, peer.Have(index=3).build()),
    (1, peer.Choke().build()),
]


def heard(talk: Iterable[tuple[int, bytes]], connection: PeerConnection | None = None) -> list[Any]:
    """Return what a connection tells of bytes that come one after another."""
    connection = PeerConnection() if connection is None else connection
    return [one for now, (way, data) in enumerate(talk, 1) for one in connection.receive(way, data, now=now, frame=now)]


def words(told: Iterable[Any]) -> list[str]:
    """Return events in short."""
    found = []
    for one in told:
        mark = "<" if one.way else ">"
        if isinstance(one, Message):
            found.append(f"{mark} {one.name}{' ' + one.extension if one.extension else ''}")
        elif isinstance(one, Entered | Closed):
            found.append(f"{mark} {type(one).__name__.lower()} {one.how if isinstance(one, Entered) else one.why}")
        elif isinstance(one, Violation):
            found.append(f"{mark} {one.rule}: {one.why}")
        elif isinstance(one, Unknown):
            found.append(f"{mark} unknown {one.size} {one.why}")
        elif isinstance(one, Broken):
            found.append(f"{mark} broken {one.type} {one.fields} {one.size} without {one.missing}")
        elif isinstance(one, Lost):
            found.append(f"{mark} lost {one.size}")
        else:
            found.append(f"{mark} exchange {one.is_sure} {one.flights}")
    return found


def check_tiles(told: Iterable[Any], lengths: Sequence[int]) -> None:
    """Make sure that each byte of both ways is in exactly one event."""
    at = [0, 0]
    for one in told:
        if isinstance(one, Message | Broken | Lost | Unknown):
            assert one.offset == at[one.way]
            at[one.way] += one.size
    assert at == list(lengths)


def test_a_talk() -> None:
    connection = PeerConnection(pieces=9, piece_length=BLOCK)
    told = heard(TALK, connection)
    assert words(told) == [
        "> entered handshake", "> handshake", "< entered handshake", "< handshake", "> have none", "< bitfield",
        "> extended handshake", "< extended ut_pex", "< allowed fast", "> interested", "< unchoke", "> request",
        "> request", "< piece", "> keep-alive", "< reject request", "> have", "< choke",
    ]  # fmt: skip
    first, second = connection.sides
    assert (first.peer_id, second.peer_id, connection.info_hash) == (b"A" * 20, b"B" * 20, b"h" * 20)
    assert (first.is_interested, first.is_choking, second.is_interested, second.is_choking) == (True, True, False, True)
    assert (list(first.pieces), len(second.pieces), second.allowed_fast) == ([3], 9, {3})
    assert (dict(first.requests), first.extensions, first.about[b"v"]) == ({}, {7: "ut_pex"}, b"pktlab")
    (piece,) = [one for one in told if isinstance(one, Message) and one.type == 7]
    assert (piece.fields, piece.time_ns, piece.header.data[:12]) == ((3, 0), 11, b"0003 000000 ")


@given(st.data())
def test_cuts_anywhere_tell_the_same(data: st.DataObject) -> None:
    """The order of the two ways stays; within one, messages may be cut at any byte."""
    parts = []
    for way, said in TALK:
        cuts = sorted(data.draw(st.sets(st.integers(0, len(said)), max_size=6)))
        parts += [(way, said[low:high]) for low, high in zip([0, *cuts], [*cuts, len(said)], strict=True)]
    assert words(heard(parts)) == words(heard(TALK))


def test_byte_by_byte_tells_the_same() -> None:
    parts = [(way, said[at : at + 1]) for way, said in TALK for at in range(len(said))]
    told = heard(parts)
    assert words(told) == words(heard(TALK))
    assert [one.raw for one in told if isinstance(one, Message)] == [
        one.raw for one in heard(TALK) if isinstance(one, Message)
    ]


def test_all_at_once_tells_the_same_of_each_way() -> None:
    told = heard([(way, b"".join(said for one, said in TALK if one == way)) for way in (0, 1)])
    for way in (0, 1):
        names = [one.name for one in told if isinstance(one, Message) and one.way == way]
        assert names == [one.name for one in heard(TALK) if isinstance(one, Message) and one.way == way]


@given(st.data(), st.sampled_from([0, 2**32 - 5000]))
def test_segments_in_any_order_tell_the_same(data: st.DataObject, isn: int) -> None:
    """Reordered, twice and overlapping: what each side says is the same, and so is what is known of both."""
    reassembly, connection, told = Reassembly(), PeerConnection(pieces=9), []
    segments = []
    for way in (0, 1):
        text = b"".join(said for one, said in TALK if one == way)
        cuts = [0, *sorted(data.draw(st.sets(st.integers(1, len(text) - 1), max_size=12))), len(text)]
        spans = [*pairwise(cuts), *data.draw(st.lists(st.sampled_from([*pairwise(cuts)]), max_size=4))]
        spans += [(max(low - 7, 0), min(high + 9, len(text))) for low, high in spans[:3]]
        segments += [(way, isn + 1 + low & 0xFFFFFFFF, text[low:high]) for low, high in spans]
    order = data.draw(st.permutations(segments))
    opening = [(way, isn, b"") for way in (0, 1)]
    for frame, (way, seq, part) in enumerate([*opening, *order], 1):
        segment = Segment(way, seq, -1, 0x10 if part else 2, part, 0, frame, frame)
        told += [one for event in reassembly.add(segment) for one in connection.hear(event)]
    plain = PeerConnection(pieces=9)
    wanted = heard(TALK, plain)
    for way in (0, 1):
        found = [(one.name, one.offset, bytes(one.raw)) for one in told if isinstance(one, Message) and one.way == way]
        assert found == [
            (one.name, one.offset, bytes(one.raw)) for one in wanted if isinstance(one, Message) and one.way == way
        ]
        mine, theirs = connection.sides[way], plain.sides[way]
        assert (list(mine.pieces), mine.is_choking, mine.is_interested, mine.extensions) == (
            list(theirs.pieces), theirs.is_choking, theirs.is_interested, theirs.extensions,
        )  # fmt: skip


# ---- holes and middles


def stream(*parts: bytes | int | None, first: bool = True, way: int = 0) -> list[Any]:
    """Return what is told of a way: bytes are data, a number so many bytes that are missing, None an unknown number."""
    events: list[Event] = [Begin(way, 0, first, 1, 1)]
    at = 0
    for frame, part in enumerate(parts, 2):
        if isinstance(part, bytes):
            events.append(Data(way, at, part, (frame,), (len(part),), (frame,)))
        else:
            events.append(Gap(way, at, part, Why.acknowledged, frame, frame))
        at += len(part) if isinstance(part, bytes) else part or 0
    events.append(End(way, at, Why.fin, 99, 99))
    connection = PeerConnection()
    told = [one for event in events for one in connection.hear(event)]
    check_tiles(told, (at, 0) if way == 0 else (0, at))
    return told


HAVES = b"".join(peer.Have(index=index).build() for index in (1, 5, 2, 9))


def test_a_hole_in_a_block_costs_that_block() -> None:
    whole = HELLO[0] + block(1) + block(2) + HAVES
    cut = len(HELLO[0]) + 5000
    for low, high in ((cut, cut + 300), (cut, len(HELLO[0]) + len(block(1)))):
        told = words(stream(whole[:low], high - low, whole[high:]))
        assert told[2:4] == [f"> broken 7 (1, 0) 16397 without {high - low}", "> piece"]
        assert told[-1] == "> closed fin"


def test_several_holes_in_one_block() -> None:
    data = block(1)
    told = words(stream(HELLO[0], data[:1000], 10, data[1010:2000], 500, data[2500:] + HAVES))
    assert told[2:] == ["> broken 7 (1, 0) 16397 without 510", *["> have"] * 4, "> closed fin"]


def test_behind_a_longer_hole_the_next_chain_is_found() -> None:
    told = words(stream(HELLO[0] + block(1)[:1000], 20_000, block(2)[-700:] + HAVES))
    assert told[2:] == [
        "> unknown 1000 cut", "> lost 20000", "> unknown 700 before", "> entered gap", *["> have"] * 4, "> closed fin",
    ]  # fmt: skip


def test_a_hole_of_unknown_length() -> None:
    told = words(stream(HELLO[0], None, HAVES))
    assert told[2:] == ["> lost 0", "> entered gap", *["> have"] * 4, "> closed fin"]


def test_a_hole_between_messages() -> None:
    told = words(stream(HELLO[0], 9, HAVES))
    assert told[2:] == ["> lost 9", "> entered gap", *["> have"] * 4, "> closed fin"]


@pytest.mark.parametrize("skipped", [0, 1, 4000, 16000])
def test_a_stream_that_starts_in_the_middle(skipped: int) -> None:
    told = words(stream((block(1) + block(2) + HAVES)[skipped:], first=False))
    start = ["> entered middle"] if not skipped else [f"> unknown {16397 - skipped} before", "> entered middle"]
    assert told == [*start, *["> piece"] * (2 - bool(skipped)), *["> have"] * 4, "> closed fin"]


def test_what_was_said_before_the_middle_is_not_known() -> None:
    connection = PeerConnection()
    for event in (Begin(0, 0, False, 1, 1), Data(0, 0, HAVES, (2,), (len(HAVES),), (2,))):
        list(connection.hear(event))
    side = connection.sides[0]
    assert (side.entered, side.is_choking, side.is_interested, side.is_known) == (Entry.middle, None, None, False)


def test_what_ends_in_the_middle_of_a_message() -> None:
    assert words(stream(HELLO[0] + block(1)[:77]))[2:] == ["> unknown 77 cut", "> closed fin"]


def test_something_else_is_no_bittorrent_and_takes_no_memory() -> None:
    text = b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n" * 40_000
    parts = [text[at : at + 10_000] for at in range(0, len(text), 10_000)]
    connection = PeerConnection()
    told, waiting = [], 0
    for now, part in enumerate(parts):
        told += connection.receive(0, part, now=now)
        waiting = max(waiting, connection._readers[0]._size)
    told += connection.close(0, now=99)
    check_tiles(told, (len(text), 0))
    assert {type(one) for one in told} == {Unknown, Closed}
    assert waiting <= SCAN_LEN + 10_000
    assert sum(one.size for one in told if isinstance(one, Unknown) and one.why == "other") > len(text) - 2 * HOPE_LEN
    assert not connection.is_bittorrent


# ---- key exchanges


def randoms(length: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(length)


def test_a_key_exchange_and_then_plaintext() -> None:
    talk = [
        (0, randoms(200)), (1, randoms(300, 2)), (0, randoms(150, 3)), (1, randoms(40, 4) + HELLO[1]),
        (1, peer.HaveAll().build()), (0, peer.HaveNone().build() + peer.Interested().build()),
        (1, peer.Unchoke().build()),
    ]  # fmt: skip
    told = heard(talk)
    assert words(told) == [
        "> exchange False (200, 300)", "< unknown 340 exchange", "< exchange True (200, 300)", "< entered exchange",
        "< handshake", "< have all", "> unknown 350 exchange", "> entered exchange", "> have none", "> interested",
        "< unchoke",
    ]  # fmt: skip
    check_tiles(told, [sum(len(data) for one, data in talk if one == way) for way in (0, 1)])


@pytest.mark.parametrize(
    "talk",
    [
        [(0, b"A" * 100), (1, b"B" * 100), (0, b"C")],
        [(0, randoms(95)), (1, randoms(100, 2)), (0, b"C")],
        [(0, randoms(609)), (1, randoms(100, 2)), (0, b"C")],
        [(0, b"\x16\x03\x01" + randoms(200)), (1, b"\x16\x03\x03" + randoms(200, 2)), (0, b"C")],
        [(0, b"GET /announce?info_hash=" + b"%25" * 40), (1, b"HTTP/1.0 200 OK\r\n" + b"x" * 100), (0, b"C")],
    ],
    ids=["no chance", "too short", "too long", "TLS", "HTTP"],
)
def test_what_is_no_key_exchange(talk: list[tuple[int, bytes]]) -> None:
    assert not any(isinstance(one, KeyExchange) for one in heard(talk))


# ---- violations


def violations(*said: bytes, pieces: int | None = 9, other: bytes = b"", reserved: bytes = FAST) -> list[str]:
    """Return what is wrong with what side 0 says behind its handshake."""
    hello = peer.Handshake(reserved=reserved, info_hash=b"h" * 20, peer_id=b"A" * 20).build()
    connection = PeerConnection(pieces=pieces, piece_length=BLOCK, length=None if pieces is None else 8 * BLOCK + 100)
    heard([(0, hello), (1, HELLO[1] + other)], connection)
    told = heard([(0, one) for one in said], connection)
    return [f"{one.rule}: {one.why}" for one in told if isinstance(one, Violation)]


def raw(kind: int, payload: bytes = b"") -> bytes:
    return (len(payload) + 1).to_bytes(4, "big") + bytes([kind]) + payload


WRONG: dict[str, tuple[list[bytes], dict[str, Any], list[str]]] = {
    "a second bitfield": (
        [peer.Bitfield(bitfield=bytes(2)).build()] * 2, {},
        ["first: it comes behind messages that it has to come before"],
    ),
    "a bitfield behind an extended handshake is usual": (
        [peer.Extended(id=0, payload=b"de").build(), peer.Bitfield(bitfield=bytes(2)).build()], {}, []
    ),
    "a long bitfield": ([peer.Bitfield(bitfield=bytes(3)).build()], {}, ["bitfield: 3 bytes for 9 pieces"]),
    "spare bits": ([peer.Bitfield(bitfield=b"\0\x40").build()], {}, ["bitfield: spare bits are set"]),
    "spare bits of a torrent that is not known": ([peer.Bitfield(bitfield=b"\0\x40").build()], {"pieces": None}, []),
    "a piece too many": ([peer.Have(index=9).build()], {}, ["piece: piece 9 of 9"]),
    "a piece past the bitfield": (
        [peer.Bitfield(bitfield=b"\0").build(), peer.Have(index=8).build()], {"pieces": None}, ["piece: piece 8 of 8"]
    ),
    "a piece that no torrent has": (
        [peer.Have(index=2**32 - 1).build()], {"pieces": None}, ["piece: piece 4294967295 is more than there can be"]
    ),
    "a request that is too long": (
        [peer.Request(index=1, begin=0, length=1 << 20).build()], {}, ["block: a block of 1048576 bytes"]
    ),
    "a request over the end of the last piece": (
        [peer.Request(index=8, begin=0, length=101).build()], {}, ["block: bytes 0 to 101 of a piece of 100"]
    ),
    "a block that nobody asked for": (
        [block(1, 0, 10)], {}, ["unasked: nobody asked for 10 bytes of piece 1 at 0"]
    ),
    "a block that was asked for": (
        [block(1, 0, 10)], {"other": peer.Request(index=1, begin=0, length=10).build()}, []
    ),
    "a block that was cancelled too late": (
        [block(1, 0, 10)], {"other": peer.Request(index=1, begin=0, length=10).build()
                            + peer.Cancel(index=1, begin=0, length=10).build()}, []
    ),
    "a block that was asked for twice": (
        [block(1, 0, 10), block(1, 0, 10)], {"other": 2 * peer.Request(index=1, begin=0, length=10).build()}, []
    ),
    "a block behind a choke": (
        [peer.Choke().build(), block(1, 0, 10)],
        {"other": peer.Request(index=1, begin=0, length=10).build(), "reserved": bytes(8)}, [],
    ),
    "fast messages without the bit": (
        [peer.HaveAll().build()], {"reserved": bytes(8)},
        ["fast: not both sides said that they know the fast extension"],
    ),
    "extended messages without the bit": (
        [peer.Extended(id=0, payload=b"de").build()], {"reserved": bytes(8)},
        ["extension: not both sides said that they know the extension protocol"],
    ),
    "an extended message that has no meaning": (
        [peer.Extended(id=3).build()], {}, ["extension: the other side has no number 3"]
    ),
    "one that had": (
        [peer.Extended(id=3).build()],
        {"other": peer.Extended(id=0, payload=encode({b"m": {b"x": 3}})).build()
         + peer.Extended(id=0, payload=encode({b"m": {b"x": 0}})).build()},
        ["extension: the other side has no number 3"],
    ),
    "no bencoding": ([peer.Extended(id=0, payload=b"i3e").build()], {}, ["bencode: the handshake is no dictionary"]),
    "an unknown type": ([raw(99, b"abc")], {}, ["type: type 99 has no meaning"]),
    "a length that the type cannot have": (
        [raw(4, b"abc"), HAVES], {"pieces": None}, ["length: length 4 is no length of type 4"]
    ),
    "a length that nothing has": (
        [b"\x7f\xff\xff\xff" + HAVES], {"pieces": None}, ["length: length 2147483647 is over 1048589"]
    ),
    "a second handshake": ([HELLO[0]], {}, ["handshake: a handshake is the first thing that is said"]),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said(name: str) -> None:
    said, more, wanted = WRONG[name]
    assert violations(*said, **more) == wanted


def test_handshakes_that_do_not_fit() -> None:
    other = peer.Handshake(info_hash=b"i" * 20, peer_id=b"A" * 20).build()
    told = heard([(0, HELLO[0]), (1, other)])
    assert [one.why for one in told if isinstance(one, Violation)] == [
        "it is of another torrent than that of the other side", "both sides have the same peer ID",
    ]  # fmt: skip


def test_behind_what_is_no_message_the_next_chain_is_found() -> None:
    told = words(heard([(0, HELLO[0] + b"\xff" * 50 + HAVES)]))
    assert told[2:] == [
        "> length: length 4294967295 is over 1048589", "> unknown 50 fault", "> entered fault", *["> have"] * 4,
    ]  # fmt: skip


def test_a_piece_that_is_taken_back() -> None:
    connection = PeerConnection(pieces=9)
    heard([(0, HELLO[0]), (1, HELLO[1])], connection)
    heard([(1, peer.Extended(id=0, payload=encode({b"m": {b"lt_donthave": 4}})).build())], connection)
    heard([(0, peer.HaveAll().build() + peer.Extended(id=4, payload=b"\0\0\0\2").build())], connection)
    side = connection.sides[0]
    assert (side.has(1), side.has(2), list(side.pieces)) == (True, False, [0, 1, 3, 4, 5, 6, 7, 8])


def test_pieces_that_are_known_late() -> None:
    connection = PeerConnection()
    heard([(0, HELLO[0] + peer.HaveAll().build())], connection)
    assert (connection.sides[0].has(77), len(connection.sides[0].pieces)) == (True, 0)
    connection.know(pieces=9)
    assert len(connection.sides[0].pieces) == 9


def test_a_new_connection_in_the_same_stream() -> None:
    connection = PeerConnection()
    heard([(0, HELLO[0] + peer.Interested().build())], connection)
    list(connection.hear(Begin(0, 73, True, 5, 5)))
    assert not connection.sides[0].peer_id
    assert words(connection.receive(0, HELLO[0], now=6)) == ["> entered handshake", "> handshake"]


# ---- a side of our own


def test_two_sides_hear_what_the_other_says() -> None:
    ours = [PeerConnection(pieces=9, piece_length=BLOCK), PeerConnection(pieces=9, piece_length=BLOCK)]
    for now, (way, said) in enumerate(TALK):
        at = 0
        while at < len(said):
            size = 68 if said[at : at + 1] == b"\x13" and at == 0 and len(said) == 68 else None
            message = peer.Handshake.parse(said) if size else peer.message_at(said, at)
            own = ours[way].send(way, message, now=now)
            sent = ours[way].data_to_send()
            assert sent == said[at : at + len(sent)]
            assert words(ours[1 - way].receive(way, sent, now=now)) == words(own)
            at += len(sent)
    for way in (0, 1):
        mine, theirs = (one.sides[way] for one in ours)
        assert (mine.is_choking, mine.is_interested, list(mine.pieces), mine.requests.keys(), mine.extensions) == (
            theirs.is_choking, theirs.is_interested, list(theirs.pieces), theirs.requests.keys(), theirs.extensions,
        )  # fmt: skip
    assert ours[0].data_to_send() == b""


def test_a_side_of_our_own_says_nothing_wrong() -> None:
    connection = PeerConnection(pieces=9)
    hello = peer.Handshake(reserved=FAST, info_hash=b"h" * 20, peer_id=b"A" * 20)
    connection.send(0, hello, peer.HaveNone(), now=1)
    with pytest.raises(ValueError, match="have 9: piece 9 of 9"):
        connection.send(0, peer.Have(index=3), peer.Have(index=9), now=2)
    assert connection.data_to_send() == hello.build() + peer.HaveNone().build() + peer.Have(index=3).build()
    assert list(connection.sides[0].pieces) == [3]


# ---- anything


@st.composite
def noisy(draw: Any) -> list[tuple[int, bytes]]:
    """Return a talk with damage: bytes changed, left out, put in, and anything at all."""
    talk = []
    for way, said in TALK:
        data = bytearray(said[:400])
        for _ in range(draw(st.sampled_from([0, 0, 0, 1, 3]))):
            place = draw(st.integers(0, len(data)))
            match draw(st.integers(0, 2)):
                case 0 if place < len(data):
                    data[place] = draw(st.sampled_from([0, 1, 7, 0x13, 0x80, 0xFF]))
                case 1:
                    del data[place : place + draw(st.integers(1, 9))]
                case _:
                    data[place:place] = draw(st.binary(max_size=9))
        talk.append((way, bytes(data)))
    return talk


@settings(max_examples=200)
@given(noisy() | st.lists(st.tuples(st.integers(0, 1), st.binary(max_size=90)), max_size=20), st.data())
def test_any_bytes_are_told_and_none_twice(talk: list[tuple[int, bytes]], data: st.DataObject) -> None:
    connection = PeerConnection(pieces=data.draw(st.sampled_from([None, 1, 9])))
    told, lengths = [], [0, 0]
    for now, (way, said) in enumerate(talk):
        told += connection.receive(way, said, now=now)
        lengths[way] += len(said)
        if data.draw(st.integers(0, 9)) == 0:
            missing = data.draw(st.sampled_from([None, 1, 5, 100, 20_000]))
            told += list(connection.hear(Gap(way, lengths[way], missing, Why.cut, now, now)))
            lengths[way] += missing or 0
            connection._lengths[way] = lengths[way]
    for way in (0, 1):
        told += connection.close(way, now=99)
    check_tiles(told, lengths)


def test_hostile_talks_take_little_memory() -> None:
    """What is kept of a side is bounded, however much it says."""
    connection = PeerConnection()
    heard([(0, HELLO[0]), (1, HELLO[1])], connection)
    for start in range(0, 1 << 18, 1 << 14):
        said = b"".join(
            peer.Request(index=index % 8000, begin=0, length=index + 1).build() for index in range(start, start + 2000)
        )
        heard(
            [(0, said), (0, b"".join(peer.AllowedFast(index=start + one).build() for one in range(2000)))], connection
        )
        about = encode({b"%d" % (start + one): one for one in range(900)})
        heard([(0, peer.Extended(id=0, payload=about).build())], connection)
    side = connection.sides[0]
    assert len(side.requests) <= 1 << 13
    assert len(side.allowed_fast) <= 1 << 12
    assert len(side.about) <= 1000


# ---- real swarms


@pytest.mark.skipif(SWARMS is None, reason="PKTLAB_SWARMS is not set")
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("name", "blocks", "leechers", "pieces", "rules"),
    [
        ("plain", 1024, 7, 7461, {Rule.first}),
        ("magnet", 256, 4, 842, {Rule.first}),
        ("v2", 256, 3, 847, set()),
        ("udptrk", 128, 4, 512, {Rule.first}),
        ("mseplain", 64, 1, 64, set()),
        ("utploss", 64, 3, 213, set()),
    ],
)
def test_a_swarm(name: str, blocks: int, leechers: int, pieces: int, rules: set[Rule]) -> None:
    """Every block that each leecher got is heard, every byte is accounted for, and only aria2 breaks a rule.

    It sends bitfields in the middle of connections (BEP 3 wants them first).
    """
    connections: dict[Any, PeerConnection] = {}
    got, count, broken = defaultdict(set), 0, Counter[Rule]()
    contents: dict[tuple[int, int], bytes] = {}
    at: dict[tuple[Any, int], int] = defaultdict(int)
    for stream, event in (
        one for some in pktlab.open(Path(SWARMS or "") / f"{name}.pcap.zst").streams() for one in some
    ):
        connection = connections.setdefault(stream, PeerConnection())
        for one in connection.hear(event):
            if isinstance(one, Message | Broken | Lost | Unknown):
                assert at[stream, one.way] == one.offset
                at[stream, one.way] += one.size
            if isinstance(one, Message) and one.type == 7:
                count += 1
                index, begin = one.fields
                assert contents.setdefault((index, begin), bytes(one.raw[13:])) == one.raw[13:]
                got[stream.sender(1 - one.way).src].add((index, begin))
            elif isinstance(one, Violation):
                broken[one.rule] += 1
    assert count >= pieces
    assert [len(one) for one in got.values()] == [blocks] * leechers
    assert set(broken) == rules


@pytest.mark.thorough
@pytest.mark.skipif(SWARMS is None, reason="PKTLAB_SWARMS is not set")
@pytest.mark.timeout(900)
def test_damaged_talks_of_real_clients_are_told_to_the_last_byte() -> None:
    """Bytes changed, cut out and put in, and holes: nothing is raised, and each byte is in one event."""
    talks: dict[Any, list[tuple[int, bytes]]] = defaultdict(list)
    for stream, event in (
        one for some in pktlab.open(Path(SWARMS or "") / "udptrk.pcap.zst").streams() for one in some
    ):
        if isinstance(event, Data) and sum(len(data) for _, data in talks[stream]) < 60_000:
            talks[stream].append((event.way, bytes(event.data[:20_000])))
    chance = random.Random(7)
    for _ in range(5000):
        connection, told, lengths = PeerConnection(pieces=chance.choice([None, 8])), [], [0, 0]
        for way, data in chance.choice(list(talks.values())):
            said = damaged(data, chance)
            told += connection.receive(way, said, now=1)
            lengths[way] += len(said)
            if chance.random() < 0.05:
                missing = chance.choice([1, 100, 5000])
                told += connection.hear(Gap(way, lengths[way], missing, Why.cut, 1, 1))
                lengths[way] += missing
        told += connection.close(0, now=2) + connection.close(1, now=2)
        check_tiles(told, lengths)


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Return bytes with up to five faults, half of them near the start."""
    said = bytearray(data)
    for _ in range(chance.choice([0, 0, 1, 2, 5])):
        at = chance.randrange(min(len(said), chance.choice([200, len(said) + 1])) + 1)
        match chance.randrange(4):
            case 0 if at < len(said):
                said[at] = chance.choice([0, 1, 4, 5, 6, 7, 20, 255])
            case 1:
                del said[at : at + chance.choice([1, 2, 4, 100])]
            case 2:
                said[at:at] = bytes(chance.choice([1, 4, 5]))
            case _:
                said[at:at] = said[: chance.randrange(300)]
    return bytes(said)
