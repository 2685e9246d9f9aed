"""The uTP connections of a capture: told from other datagrams by what they say to each other, never by a port.

Until a connection is believed (see `pktlab.flows.utp`), its packets are kept: the last `MAX_GUESSED` between the same
ends, of `MAX_PAIRS` pairs. Memory is bounded as in `StreamTable`.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from pktlab.flows.assembly import MAX_HELD
from pktlab.flows.keys import FlowKey
from pktlab.flows.stream_table import MAX_BYTES, Held, Stream, Told
from pktlab.flows.streams import Why
from pktlab.flows.utp import UtpConnection, UtpPacket
from pktlab.wire.apps.bittorrent.utp import RESET, STATE, SYN

__all__ = ["MAX_GUESSED", "UtpStream", "UtpTable"]

MAX_GUESSED = 16
MAX_PAIRS = 1 << 12
MAX_STREAMS = 1 << 14
NEAR = 1 << 10
"""Packets that numbers that fit each other are apart: as many as libtorrent has under way."""
_WORD, _HALF = 0xFFFF, 1 << 15
_Guessed = list[tuple[FlowKey, UtpPacket]]
_log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class UtpStream(Stream):
    """A uTP connection; `places` are what it is found by, `syn` the number of its SYN, None if that was not seen."""

    connection: UtpConnection
    places: tuple[tuple[FlowKey, int], ...] = ()
    syn: int | None = None


class UtpTable:
    """The uTP connections of a capture, numbered from 0 as they are believed.

    Parameters
    ----------
    max_held : bytes of a way that wait; max_bytes : of all
    max_streams : connections at a time; beyond, the one that was idle longest is ended

    >>> table = UtpTable()
    >>> there = FlowKey("udp", "192.0.2.1", 6881, "192.0.2.2", 6881)
    >>> table.add(there, UtpPacket(1, SYN, 7, 100, 0, b"", 0, 1, 1))
    []
    >>> told = table.add(there.reversed(), UtpPacket(1, STATE, 7, 5, 100, b"", 0, 2, 2))
    >>> [(str(one.stream), type(one.event).__name__) for one in told]
    [('utp 0', 'Begin')]
    """

    def __init__(self, *, max_held: int = MAX_HELD, max_streams: int = MAX_STREAMS, max_bytes: int = MAX_BYTES) -> None:
        self.max_held, self.max_streams = max_held, max_streams
        self.count = self.evicted = 0
        self._streams: OrderedDict[UtpStream, None] = OrderedDict()  # the one idle longest is first
        self._places: dict[tuple[FlowKey, int], UtpStream] = {}
        self._guessed: OrderedDict[FlowKey, _Guessed] = OrderedDict()
        self._held = Held(max_bytes)

    def add(self, key: FlowKey, packet: UtpPacket) -> list[Told]:
        """Take a packet, `key` says from whom to whom; return what it tells."""
        stream = self._places.get((key, packet.id))
        if stream is not None and packet.type == SYN and stream.syn != packet.seq:
            if not stream.connection.is_over:
                return []
            return [*self._close(stream, Why.restart, packet.frame, packet.time_ns), *self._guess(key, packet)]
        if stream is None:
            return self._guess(key, packet)
        self._streams.move_to_end(stream)
        return list(self._feed(stream, key, packet))

    def end(self) -> Iterator[Told]:
        """Yield what is to be told of all connections when nothing more comes."""
        for stream in list(self._streams):
            yield from self._close(stream, Why.open, 0, 0)

    def _feed(self, stream: UtpStream, key: FlowKey, packet: UtpPacket) -> Iterator[Told]:
        for event in stream.connection.add(stream.way_of(key), packet):
            yield Told(stream, event)
        if stream.held_len or stream.connection.held_len:
            yield from self._held.count(stream, packet.frame, packet.time_ns)

    def _guess(self, key: FlowKey, packet: UtpPacket) -> list[Told]:
        """Keep a packet of a connection that is not known, unless it makes it one."""
        between = key.conversation
        guessed = self._guessed.setdefault(between, [])
        self._guessed.move_to_end(between)
        for before in guessed:
            number = _number(before, (key, packet))
            if number is not None:
                return self._believe(between, [*guessed, (key, packet)], *number)
        guessed.append((key, packet))
        del guessed[:-MAX_GUESSED]
        if len(self._guessed) > MAX_PAIRS:
            self._guessed.popitem(last=False)
        return []

    def _believe(self, between: FlowKey, guessed: _Guessed, opener: FlowKey, number: int) -> list[Told]:
        """Open a connection: `opener` sends its SYN with the ID `number`, and all else with the next one."""
        told: list[Told] = []
        if len(self._streams) >= self.max_streams:
            if not self.evicted:
                _log.warning("more than %s uTP streams at a time: the one idle longest ends", f"{self.max_streams:,}")
            self.evicted += 1
            told += self._close(next(iter(self._streams)), Why.open, guessed[-1][1].frame, guessed[-1][1].time_ns)
        ids = number, number + 1 & _WORD
        mine = [(key, packet) for key, packet in guessed if packet.id in ids]
        places = tuple((key, one) for key in (opener, opener.reversed()) for one in ids)
        syn = next((packet.seq for key, packet in mine if packet.type == SYN and key == opener), None)
        stream = UtpStream("utp", self.count, mine[0][0], UtpConnection(max_held=self.max_held), 0, places, syn)
        self.count += 1
        self._streams[stream] = None
        self._places |= dict.fromkeys(places, stream)
        rest = [(key, packet) for key, packet in guessed if packet.id not in ids]
        if rest:
            self._guessed[between] = rest
        else:
            self._guessed.pop(between, None)
        for key, packet in mine:
            told += self._feed(stream, key, packet)
        return told

    def _close(self, stream: UtpStream, why: Why, frame: int, time_ns: int) -> list[Told]:
        told = [Told(stream, event) for event in stream.connection.end(why, frame, time_ns)]
        told += self._held.count(stream, frame, time_ns)
        del self._streams[stream]
        for place in stream.places:
            if self._places.get(place) is stream:
                del self._places[place]
        return told


def _number(before: tuple[FlowKey, UtpPacket], after: tuple[FlowKey, UtpPacket]) -> tuple[FlowKey, int] | None:
    """Return who opened the connection of two packets and the ID of its SYN; None if they do not prove that it is one.

    >>> there = FlowKey("udp", "192.0.2.1", 6881, "192.0.2.2", 6881)
    >>> state = UtpPacket(1, STATE, 7, 5, 100, b"", 0, 2, 2)
    >>> _number((there, state._replace(id=8, seq=101, ack=4)), (there.reversed(), state))[1]
    7
    """
    (there, one), (back, other) = before, after
    if there.reversed() != back or RESET in (one.type, other.type) or not one.version or not other.version:
        return None
    if one.type == SYN or other.type == SYN:
        is_answer = (one.type, other.type, other.id, other.ack) == (SYN, STATE, one.id, one.seq)
        return (there, one.id) if is_answer else None
    if not _near(one.seq, other.ack) or not _near(other.seq, one.ack):
        return None
    apart = one.id - other.id & _WORD
    return (there, other.id) if apart == 1 else (back, one.id) if apart == _WORD else None


def _near(seq: int, ack: int) -> bool:
    """Tell whether a number and an acknowledgment of the other side fit each other."""
    return abs(((ack - seq + _HALF) & _WORD) - _HALF) <= NEAR
