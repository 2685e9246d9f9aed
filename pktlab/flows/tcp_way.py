"""One way of a TCP connection as it is put together: where it is, and what waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pktlab.flows.streams import Why, held_cost

if TYPE_CHECKING:
    from pktlab.flows.reassembly import Segment

__all__ = ["WINDOW", "WORD", "Piece", "Way"]

WINDOW = 1 << 26
"""Bytes ahead or behind up to which numbers are taken for the same connection's: more than ever waits."""
WORD = 0xFFFF_FFFF
"""Sequence numbers are so many, and one more."""
_HALF = 1 << 31


class Piece(NamedTuple):
    """Bytes that wait for their turn: those of offsets `start` up to `stop`; `data` None if they were cut off."""

    start: int
    stop: int
    data: bytes | None
    frame: int

    @property
    def cost(self) -> int:
        """How much memory it takes, roughly, bytes."""
        return held_cost(0 if self.data is None else self.stop - self.start)

    def part(self, start: int, stop: int) -> Piece:
        """Return a part of it."""
        data = None if self.data is None else self.data[start - self.start : stop - self.start]
        return Piece(start, stop, data, self.frame)


class Way:
    """What is known of one way.

    first : number of the first byte behind the SYN, or of the first byte seen; seq : the number that is next
    begin, next : the offsets of those; ack : the last acknowledgment number of the other side, -1 without one
    fin : offset behind the last byte, if a FIN told; over : why it has ended, None if not; stray : a segment far off
    reset : by which frame the receiver ended it, and when; None if not
    repeated, strayed : bytes that came again, and bytes that belong nowhere
    """

    __slots__ = (
        "ack", "begin", "fin", "first", "held", "held_len", "is_begun", "next", "over", "repeated", "reset", "seq",
        "stray", "strayed",
    )  # fmt: skip

    def __init__(self) -> None:
        self.is_begun = False
        self.over: Why | None = None
        self.reset: tuple[int, int] | None = None
        self.first = self.seq = self.begin = self.next = 0
        self.ack = -1
        self.fin: int | None = None
        self.stray: Segment | None = None
        self.held: list[Piece] = []  # in order, and not overlapping
        self.held_len = self.repeated = self.strayed = 0

    def begin_at(self, seq: int) -> None:
        """Expect `seq` next."""
        self.is_begun, self.over, self.reset = True, None, None
        self.first = self.seq = seq
        self.begin, self.fin, self.stray = self.next, None, None

    def advance(self, length: int) -> int:
        """Move on by `length` bytes; return the offset of the first of them."""
        offset = self.next
        self.next = offset + length
        self.seq = self.seq + length & WORD
        return offset

    def ahead(self, seq: int) -> int:
        """Return how far ahead of the next byte a number is; below 0 if it is behind."""
        return ((seq - self.seq + _HALF) & WORD) - _HALF

    @property
    def acknowledged(self) -> int:
        """The offset up to which the receiver has the bytes, so far as it is past the next one; else that."""
        if self.ack < 0:
            return self.next
        ahead = self.ahead(self.ack)
        return self.next + ahead if 0 < ahead <= WINDOW else self.next
