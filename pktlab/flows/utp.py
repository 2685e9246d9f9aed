"""uTP streams: the bytes of both ways of a connection over UDP, in order, with the events of `pktlab.flows.streams`.

uTP numbers packets, not bytes, in 16 bits that wrap; only data and the FIN take a number. So of a packet that is
missing it is not known how many bytes it had: a `Gap` then has no length, and its offset goes on where it was. A packet
is given up for missing as a byte of TCP is: its receiver has it, too much waits behind it, or the way ends.

Nothing in a datagram says that it is uTP. A connection is believed

- if its SYN was answered: a STATE the other way with the SYN's ID that acknowledges its number;
- or in the middle, if two packets go to and fro whose IDs differ by 1 and whose acknowledgments fit each other's
  numbers.

Spec: BEP 29. The side that opens sends its SYN with an ID, and all else with the next one; the other side answers with
the SYN's ID. A reset of version 0 names the packet that it answers (libutp), a reset of version 1 either ID.
"""

from __future__ import annotations

from typing import NamedTuple

from pktlab.flows.assembly import MAX_HELD, Assembly
from pktlab.flows.streams import Begin, Data, Event, Gap, Why, held_cost
from pktlab.wire.apps.bittorrent.utp import DATA, FIN, RESET, SYN, WINDOW_MAX, Utp, Utp0, extensions_end

__all__ = ["UtpConnection", "UtpPacket", "may_be_utp", "read_utp"]

_WORD, _HALF = 0xFFFF, 1 << 15
WINDOW = 1 << 12
"""Packets ahead or behind up to which numbers belong together: libutp keeps 511 under way, libtorrent 1024."""
_READ, _READ0 = Utp.schema.fixed.unpack_from, Utp0.schema.fixed.unpack_from


class UtpPacket(NamedTuple):
    """A packet of uTP.

    version, type, id, seq, ack : of its header; data : behind it; missing : bytes of those that were not captured
    """

    version: int
    type: int
    id: int
    seq: int
    ack: int
    data: bytes
    missing: int
    frame: int
    time_ns: int


def may_be_utp(data: bytes, missing: int = 0) -> bool:
    """Tell whether the data of a datagram can be a packet of uTP, or a reset of version 0.

    >>> may_be_utp(Utp(type=4, connection_id=7, seq_nr=1).build()), may_be_utp(b"some words that are no packet")
    (True, False)
    """
    return read_utp(data, missing, 0, 0) is not None


def read_utp(data: bytes, missing: int, frame: int, time_ns: int) -> UtpPacket | None:
    """Return the packet of uTP that the data of a datagram can be; None if they cannot.

    missing : bytes of them that were not captured
    """
    size = len(data)
    if size < Utp.HEADER_LEN:
        return None
    first, extension, number, _, _, window, seq, ack = _READ(data)
    if first & 0x0F == 1 and first >> 4 <= SYN and window <= WINDOW_MAX:
        end = extensions_end(data, Utp.HEADER_LEN, size, extension)
        kind = first >> 4
        if end >= 0 and ((end < size or missing > 0) if kind == DATA else end == size):
            return UtpPacket(1, kind, number, seq, ack, data[end:], missing, frame, time_ns)
    if size == Utp0.HEADER_LEN and not missing:
        number, _, _, _, _, extension, kind, seq, ack = _READ0(data)
        if kind == RESET and not extension:
            return UtpPacket(0, kind, number & _WORD, seq, ack, b"", 0, frame, time_ns)
    return None


class _Piece(NamedTuple):
    """A packet that waits for its turn."""

    data: bytes
    missing: int
    frame: int


class _Way:
    """What is known of one way.

    seq : number of the packet that is next; next : where its bytes stand in the stream
    ack : the last acknowledgment number of the other side, -1 without one; fin : number of the FIN
    """

    __slots__ = ("ack", "fin", "held", "held_len", "is_begun", "is_first", "next", "over", "reset", "seq")

    def __init__(self) -> None:
        self.is_begun = self.is_first = False
        self.seq = self.next = self.held_len = 0
        self.ack = -1
        self.fin: int | None = None
        self.over: Why | None = None
        self.reset: tuple[int, int] | None = None
        self.held: dict[int, _Piece] = {}

    def ahead(self, number: int) -> int:
        """Return how far ahead of the next packet a number is; below 0 if it is behind."""
        return ((number - self.seq + _HALF) & _WORD) - _HALF


class UtpConnection(Assembly[_Way]):
    """A connection, both ways; way 0 is that of the side that sent the first packet that was seen.

    max_held : bytes of a way that wait, at most

    >>> connection = UtpConnection()
    >>> def packet(type, seq, data=b""):
    ...     return UtpPacket(1, type, 7, seq, 0, data, 0, seq, seq)
    >>> connection.add(0, packet(4, 10))
    [Begin(way=0, offset=0, is_first=True, frame=10, time_ns=10)]
    >>> [type(one).__name__ for one in connection.add(0, packet(0, 12, b"there"))]
    ['Begin']
    >>> [one.data for one in connection.add(0, packet(0, 11, b"hello "))]
    [b'hello ', b'there']
    """

    def __init__(self, *, max_held: int = MAX_HELD) -> None:
        self.max_held = max_held
        self.ways = (_Way(), _Way())

    def add(self, way: int, packet: UtpPacket) -> list[Event]:
        """Take a packet of a way; return what it tells, in order."""
        mine, other = self.ways[way], self.ways[1 - way]
        events: list[Event] = []
        self._begin(way, packet, events)
        if packet.type != SYN and packet.version:
            other.ack = packet.ack
        if packet.type == DATA:
            self._place(way, packet, events)
        elif packet.type == FIN and mine.fin is None and 0 <= mine.ahead(packet.seq) <= WINDOW:
            mine.fin = packet.seq
        elif packet.type == RESET:
            self._close((way,), Why.reset, packet.frame, packet.time_ns, events)
            other.reset = other.reset or (packet.frame, packet.time_ns)
        for one in (way, 1 - way):
            self._settle(one, packet.frame, packet.time_ns, events)
        return events

    def _begin(self, way: int, packet: UtpPacket, events: list[Event]) -> None:
        """Begin ways: at a SYN, or with what the first packets say of both sides' numbers."""
        mine, other = self.ways[way], self.ways[1 - way]
        if packet.type == SYN:
            if not mine.is_begun:
                self._open(way, packet.seq + 1, packet, True, events)
            return
        if not mine.is_begun and packet.type in (DATA, FIN):
            self._open(way, packet.seq, packet, False, events)
        if not other.is_begun and packet.version and packet.type != RESET and mine.is_begun:
            self._open(1 - way, packet.ack + 1, packet, mine.is_first, events)

    def _open(self, way: int, seq: int, packet: UtpPacket, is_first: bool, events: list[Event]) -> None:
        mine = self.ways[way]
        mine.is_begun, mine.is_first, mine.seq = True, is_first, seq & _WORD
        events.append(Begin(way, mine.next, is_first, packet.frame, packet.time_ns))

    def _place(self, way: int, packet: UtpPacket, events: list[Event]) -> None:
        mine = self.ways[way]
        ahead = mine.ahead(packet.seq)
        if not 0 <= ahead <= WINDOW or packet.seq in mine.held:
            return
        piece = _Piece(packet.data, packet.missing, packet.frame)
        if not ahead and not mine.held:
            self._tell(way, piece, packet.time_ns, events)
            return
        mine.held[packet.seq] = piece
        mine.held_len += held_cost(len(packet.data))
        self._drain(way, packet.time_ns, events)
        while mine.held_len > self.max_held:
            self._skip(way, Why.memory, packet.frame, packet.time_ns, events)

    def _tell(self, way: int, piece: _Piece, now: int, events: list[Event]) -> None:
        """Give out the next packet."""
        mine, size = self.ways[way], len(piece.data)
        if size:
            events.append(Data(way, mine.next, piece.data, (piece.frame,), (size,), (now,)))
        if piece.missing:
            events.append(Gap(way, mine.next + size, piece.missing, Why.cut, piece.frame, now))
        mine.next += size + piece.missing
        mine.seq = mine.seq + 1 & _WORD

    def _drain(self, way: int, now: int, events: list[Event]) -> None:
        mine = self.ways[way]
        while (piece := mine.held.pop(mine.seq, None)) is not None:
            mine.held_len -= held_cost(len(piece.data))
            self._tell(way, piece, now, events)

    def _settle(self, way: int, frame: int, now: int, events: list[Event]) -> None:
        """Give out what is over holes that the receiver does not have, and end a way behind its FIN."""
        mine = self.ways[way]
        while mine.held and mine.ack >= 0 and 0 <= mine.ahead(mine.ack) <= WINDOW:
            if min(map(mine.ahead, mine.held)) > mine.ahead(mine.ack) + 1:
                break
            self._skip(way, Why.acknowledged, frame, now, events)
        if mine.fin is not None and mine.over is None and not mine.held:
            if 0 < mine.ahead(mine.fin) <= mine.ahead(mine.ack) <= WINDOW and mine.ack >= 0:
                self._miss(way, mine.fin, Why.acknowledged, frame, now, events)
            if mine.ahead(mine.fin) <= 0:
                self._over(way, Why.fin, frame, now, events)

    def _skip(self, way: int, why: Why, frame: int, now: int, events: list[Event]) -> None:
        mine = self.ways[way]
        self._miss(way, min(mine.held, key=mine.ahead), why, frame, now, events)
        self._drain(way, now, events)

    def _miss(self, way: int, number: int, why: Why, frame: int, now: int, events: list[Event]) -> None:
        mine = self.ways[way]
        if mine.seq != number:
            events.append(Gap(way, mine.next, None, why, frame, now))
            mine.seq = number

    def _miss_end(self, way: int, frame: int, now: int, events: list[Event]) -> None:
        mine = self.ways[way]
        if mine.ack >= 0 and 0 <= mine.ahead(mine.ack) <= WINDOW and mine.fin is None:
            self._miss(way, mine.ack + 1 & _WORD, Why.acknowledged, frame, now, events)
