"""What was said in a swarm: every message between its peers with its time and its way, kept small and in order.

A ledger is filled from wherever peers can be heard, a capture or a simulation, and it is all that the analyses need:
who has what (`swarm`), who chokes whom (`choking`), which piece is asked for first (`rarest`). A message takes about 30
bytes here, whatever it carried.

A `Link` is one connection between two peers; its way 0 is what the side says that opened it, way 1 the answers.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Address", "Columns", "Ledger", "Link", "Said", "Type", "ones"]

Address = tuple[str, int]
"""An IP address as text, and a port."""


_AT_ONCE = 1 << 16  # messages that are made of the columns at a time


class Type(IntEnum):
    """The messages that an analysis asks for, by their numbers on the wire (BEP 3, 6), and what has none there."""

    choke = 0
    unchoke = 1
    interested = 2
    not_interested = 3
    have = 4
    request = 6
    piece = 7
    cancel = 8
    have_all = 14
    have_none = 15
    reject = 16
    closed = 250  # the connection is over
    bitfield = 5
    donthave = 251  # BEP 54: a piece is gone


class Said(NamedTuple):
    """A message.

    link : number of the connection; way : 0 from the side that opened it; type : see `Type`
    piece, begin, length : which piece or block, bytes; of a bitfield `piece` is its number in `Ledger.bitfields`
    """

    time_ns: int
    link: int
    way: int
    type: int
    piece: int = 0
    begin: int = 0
    length: int = 0


class Columns(NamedTuple):
    """Messages as arrays of int64; each as of `Said`."""

    times: Any
    links: Any
    ways: Any
    types: Any
    pieces: Any
    begins: Any
    lengths: Any


@dataclass(eq=False)
class Link:
    """A connection between two peers.

    number : of it in the ledger; transport : ``"tcp"`` or ``"utp"``; stream : its number in the capture
    ends : the addresses of the side that opened it and of the other; if its beginning was not captured
        (`was_opened` is False), of who was heard first and of the other
    opened_ns, closed_ns : first and last that was seen of it, ns since the epoch
    peer_ids, versions, ports : of both sides, as they say; an empty value if they did not say so
    is_known : whether each way was heard from its handshake on
    missing : bytes that were not captured, of both ways
    unknown : bytes that are no message, of both ways; length : bytes of the streams, of both ways
    is_encrypted : begins with a key exchange (MSE); is_over : its end was seen; violations : of the protocol
    """

    number: int
    transport: str
    ends: tuple[Address, Address]
    opened_ns: int
    stream: int = 0
    closed_ns: int = 0
    peer_ids: list[bytes] = field(default_factory=lambda: [b"", b""])
    versions: list[str] = field(default_factory=lambda: ["", ""])
    ports: list[int] = field(default_factory=lambda: [0, 0])
    length: list[int] = field(default_factory=lambda: [0, 0])
    missing: list[int] = field(default_factory=lambda: [0, 0])
    unknown: list[int] = field(default_factory=lambda: [0, 0])
    was_opened: bool = True
    is_known: list[bool] = field(default_factory=lambda: [True, True])
    is_encrypted: bool = False
    is_over: bool = False
    violations: list[int] = field(default_factory=lambda: [0, 0])

    def may_lack(self, way: int) -> bool:
        """Tell whether a way said things that were not heard: before the capture began, or in bytes that it lacks."""
        return not self.is_known[way] or self.missing[way] > 0


class Ledger:
    """The messages of one torrent.

    info_hash : lower-case hex, as its handshakes have it

    >>> ledger = Ledger("00" * 20)
    >>> link = ledger.link("tcp", (("192.0.2.1", 50000), ("192.0.2.2", 6881)), 5)
    >>> ledger.say(9, link, 1, Type.unchoke)
    >>> ledger.say(7, link, 0, Type.interested)
    >>> [(one.time_ns, Type(one.type).name) for one in ledger.said()]
    [(7, 'interested'), (9, 'unchoke')]
    """

    def __init__(self, info_hash: str) -> None:
        self.info_hash = info_hash
        self.links: list[Link] = []
        self.bitfields: list[bytes] = []
        self._times = array("q")
        self._heads = array("Q")  # link, way and type in one number
        self._blocks = (array("I"), array("I"), array("I"))
        self._adds = tuple(one.append for one in (self._times, self._heads, *self._blocks))
        self._order: Any = None  # of the messages by time, an array of int64; None if some came since

    def __len__(self) -> int:
        return len(self._times)

    def link(self, transport: str, ends: tuple[Address, Address], opened_ns: int, stream: int = 0) -> Link:
        """Add a connection and return it."""
        link = Link(len(self.links), transport, ends, opened_ns, stream, opened_ns)
        self.links.append(link)
        return link

    def say(
        self, time_ns: int, link: Link, way: int, kind: int, piece: int = 0, begin: int = 0, length: int = 0
    ) -> None:
        """Write a message down. They may come out of order; of one connection and way they may not."""
        add_time, add_head, add_piece, add_begin, add_length = self._adds
        add_time(time_ns)
        add_head(link.number << 16 | way << 8 | kind)
        add_piece(piece)
        add_begin(begin)
        add_length(length)
        self._order = None
        if time_ns > link.closed_ns:
            link.closed_ns = time_ns

    def say_bitfield(self, time_ns: int, link: Link, way: int, octets: bytes) -> None:
        """Write a bitfield down (BEP 3: the first piece is the highest bit)."""
        self.say(time_ns, link, way, Type.bitfield, len(self.bitfields))
        self.bitfields.append(octets)

    def columns(self) -> Columns:
        """Return all messages as they were written down."""
        heads = np.array(self._heads, np.uint64).astype(np.int64)
        pieces, begins, lengths = (np.array(one, np.int64) for one in self._blocks)
        times = np.array(self._times, np.int64)
        return Columns(times, heads >> 16, heads >> 8 & 0xFF, heads & 0xFF, pieces, begins, lengths)

    def absorb(self, other: Ledger) -> None:
        """Take over all that another ledger has, whose links get the next numbers here."""
        first = len(self.links)
        for link in other.links:
            link.number += first
        self.links += other.links
        heads = np.array(other._heads, np.uint64)
        pieces = np.array(other._blocks[0], np.uint32)
        pieces[heads & np.uint64(0xFF) == Type.bitfield] += np.uint32(len(self.bitfields))
        self.bitfields += other.bitfields
        self._times.extend(other._times)
        self._heads.frombytes((heads + np.uint64(first << 16)).tobytes())
        self._blocks[0].frombytes(pieces.tobytes())
        self._blocks[1].extend(other._blocks[1])
        self._blocks[2].extend(other._blocks[2])
        self._order = None

    def speakers(self) -> set[tuple[int, int]]:
        """Return which ways of which links said anything."""
        heads = np.unique(np.array(self._heads, np.uint64).astype(np.int64)).tolist()
        return {(head >> 16, head >> 8 & 0xFF) for head in heads if head & 0xFF != Type.closed}

    def said(self) -> Iterator[Said]:
        """Yield all messages in the order of time; those of one moment as they were written down."""
        columns = self.columns()
        if self._order is None:
            self._order = np.argsort(columns.times, kind="stable")
        for at in range(0, len(self), _AT_ONCE):
            chosen = self._order[at : at + _AT_ONCE]
            yield from map(Said, *(column[chosen].tolist() for column in columns))


def ones(octets: bytes) -> list[int]:
    r"""Return which pieces a bitfield holds.

    >>> ones(b"\xa0\x01")
    [0, 2, 15]
    """
    return np.flatnonzero(np.unpackbits(np.frombuffer(octets, np.uint8))).tolist()
