"""One connection between two peers: bytes of either way in, events out. No socket, no clock, no file.

Whoever has the bytes drives it. A capture gives it what was put together of a stream, and it is heard from outside::

    connection = PeerConnection()
    for event in events_of_a_stream:                 # Begin, Data, Gap, End of pktlab.flows.streams
        for told in connection.hear(event):          # Message, Violation ... of pktlab.torrent.events
            ...

A peer of our own is one of the two sides, and so is one in virtual time::

    connection = PeerConnection(pieces=80)
    connection.send(0, Handshake(info_hash=..., peer_id=...), now=now)     # queued, and heard as if it came from there
    sock.sendall(connection.data_to_send())
    told = connection.receive(1, sock.recv(65536), now=now)

Way 0 is that of the side that opened the connection. What a side has said stands in ``connection.sides[way]``, see
`Side`: whether it chokes the other, is interested, what it has, what it asked for. States change as messages are told,
in the order in which they could be read; with a capture, that is where it was taken, not at either end.

Nothing is guessed from a port, and nothing that is heard raises: what is wrong with a message is a `Violation` behind
it. What a side of our own says has to be right: `send` raises ValueError before anything is queued.
"""

from __future__ import annotations

from collections.abc import Iterator

from pktlab.flows.streams import Begin, Data, End, Event, Gap, Why
from pktlab.torrent.events import Broken, Entered, Entry, KeyExchange, Message, PeerEvent, Violation
from pktlab.torrent.exchange import Flights
from pktlab.torrent.reading import WayReader
from pktlab.torrent.side import EXTENDED, USUAL, Geometry, Side, faults, take, take_piece, take_usual
from pktlab.wire.apps.bittorrent.framing import PIECE, frames
from pktlab.wire.header import Header

__all__ = ["PeerConnection"]


class PeerConnection:
    r"""A connection, from outside or from one of its sides.

    Parameters
    ----------
    pieces, piece_length, length : what is known of the torrent, see `Geometry`; `know` tells it later

    Attributes
    ----------
    sides : what each side has said

    >>> connection = PeerConnection(pieces=9)
    >>> told = connection.receive(0, b"\x13BitTorrent protocol" + bytes(8) + b"h" * 20 + b"p" * 20, now=5)
    >>> [type(one).__name__ for one in told], connection.sides[0].peer_id == b"p" * 20
    (['Entered', 'Message'], True)
    >>> told = connection.receive(0, b"\0\0\0\1\2\0\0\0\5\4\0\0\0\x09", now=6)
    >>> [getattr(one, "name", None) or one.why for one in told], connection.sides[0].is_interested
    (['interested', 'have', 'piece 9 of 9'], True)
    """

    def __init__(
        self, *, pieces: int | None = None, piece_length: int | None = None, length: int | None = None
    ) -> None:
        self.geometry = Geometry(pieces, piece_length, length)
        self.sides = [Side(self.geometry), Side(self.geometry)]
        self.closed = [False, False]
        """Which ways are over."""
        self.exchange: KeyExchange | None = None
        """The key exchange that both sides began with, or seem to have; None if they did not."""
        self._readers = (WayReader(0), WayReader(1))
        self._readers[0].other, self._readers[1].other = self._readers[1], self._readers[0]
        self._flights: Flights | None = Flights()
        self._lengths = [0, 0]  # of both ways so far
        self._outgoing: list[bytes] = []

    def know(self, *, pieces: int | None = None, piece_length: int | None = None, length: int | None = None) -> None:
        """Take in what is known of the torrent by now."""
        if pieces is not None and self.geometry.pieces is None:
            for side in self.sides:
                if side.has_all:
                    side.pieces.fill_all(pieces)
        self.geometry.pieces = self.geometry.pieces if pieces is None else pieces
        self.geometry.piece_length = self.geometry.piece_length if piece_length is None else piece_length
        self.geometry.length = self.geometry.length if length is None else length

    @property
    def is_bittorrent(self) -> bool:
        """Whether messages were found on either way."""
        return self.sides[0].entered is not None or self.sides[1].entered is not None

    @property
    def info_hash(self) -> bytes:
        """Which torrent it is about, as the handshakes say; empty if none was seen."""
        return self.sides[0].info_hash or self.sides[1].info_hash

    # ---- from outside

    def hear(self, event: Event) -> Iterator[PeerEvent]:
        """Take what is told of the stream; yield what it says. The states change while it is iterated over."""
        reader = self._readers[event.way]
        match event:
            case Data():
                self._lengths[event.way] = event.offset + len(event.data)
                found = reader.data(event)
                if self._flights is not None:
                    yield from self._fly(self._flights, event)
            case Gap():
                self._lengths[event.way] = event.offset + (event.length or 0)
                if event.offset == 0:
                    self._flights = None
                self.sides[event.way].forget()
                found = reader.gap(event)
            case End():
                self.closed[event.way] = True
                if self._flights is not None:
                    yield from self._landed(self._flights, event.frame, event.time_ns)
                found = reader.end(event)
            case Begin():
                self._begin(event)
                return
            case _:
                return
        yield from self._told(found)

    def receive(self, way: int, data: bytes, *, now: int, frame: int = 0) -> list[PeerEvent]:
        """Take bytes of one way as they came from a socket; return what they say.

        Parameters
        ----------
        way : 0 if from the side that opened the connection; data : the next bytes, however many
        now : ns, any origin; frame : number of what brought them, if they came from somewhere numbered
        """
        if not data:
            return []
        return list(self.hear(Data(way, self._lengths[way], data, (frame,), (len(data),), (now,))))

    def close(self, way: int, *, now: int, frame: int = 0) -> list[PeerEvent]:
        """Take it that a way is over; return what that says."""
        return list(self.hear(End(way, self._lengths[way], Why.fin, frame, now)))

    # ---- from inside

    def send(self, way: int, *messages: Header, now: int) -> list[PeerEvent]:
        """Say something as the side `way`: it is queued for `data_to_send`. Return it as whoever hears it is told.

        Parameters
        ----------
        messages : headers of `pktlab.wire.apps.bittorrent.peer`

        Raises
        ------
        ValueError : a message is not allowed at this point, or not one at all; those before it are queued
        """
        told: list[PeerEvent] = []
        for message in messages:
            data = message.build()
            (frame,) = frames(data).frames
            wrong = faults(self.sides[way], self.sides[1 - way], frame.type, frame.fields, data)
            if wrong:
                raise ValueError(f"{message.summary()}: {wrong[0][1]}")
            self._outgoing.append(data)
            told += self.receive(way, data, now=now)
        return told

    def data_to_send(self) -> bytes:
        """Return the bytes that were queued since the last time."""
        data = b"".join(self._outgoing)
        self._outgoing.clear()
        return data

    # ---- what messages do

    def _told(self, found: Iterator[PeerEvent]) -> Iterator[PeerEvent]:
        for one in found:
            mine, other = self.sides[one.way], self.sides[1 - one.way]
            if type(one) is Message:
                way, kind, fields, _, raw, offset, frame, time_ns = one
                if kind in USUAL:
                    wrong = take_usual(mine, other, kind, fields, len(raw), time_ns)
                else:
                    if kind == EXTENDED:
                        one = one._replace(extension=other.extensions.get(raw[5], "") if raw[5] else "handshake")
                    wrong = faults(mine, other, kind, fields, raw)
                    take(mine, other, kind, fields, raw, time_ns)
                yield one
                for rule, why in wrong:
                    yield Violation(way, rule, why, offset, frame, time_ns)
                continue
            if isinstance(one, Entered):
                yield from self._entered(one, mine)
            elif isinstance(one, Broken) and one.type == PIECE and one.fields:
                take_piece(mine, other, PIECE, one.fields, one.size, one.time_ns)
            yield one
            if isinstance(one, Entered):
                yield from self._told(self._readers[1 - one.way].retry())

    def _entered(self, one: Entered, mine: Side) -> Iterator[PeerEvent]:
        if mine.entered is None:
            mine.entered = one.how
        if one.how in (Entry.middle, Entry.gap, Entry.fault):
            mine.forget()
        elif one.how is Entry.exchange and (self.exchange is None or not self.exchange.is_sure):
            flights = (0, 0) if self._flights is None else self._flights.lengths
            flights = flights if self.exchange is None else self.exchange.flights
            self.exchange = KeyExchange(one.way, True, flights, 0, one.frame, one.time_ns)
            yield self.exchange

    # ---- how it begins

    def _begin(self, event: Begin) -> None:
        """Begin a way; where it began before, there is a new connection between the same ends."""
        if event.offset:
            self._readers[event.way].restart(event.offset)
            self.sides[event.way] = Side(self.geometry)
            self.closed[event.way] = False
        if not event.is_first:
            self._readers[event.way].entry = Entry.middle
            self._flights = None

    def _fly(self, flights: Flights, event: Data) -> Iterator[PeerEvent]:
        """Look at the first bytes of both sides."""
        if self.is_bittorrent:
            self._flights = None
        elif flights.add(event.way, event.data):
            yield from self._landed(flights, event.frames[0], event.times_ns[0])

    def _landed(self, flights: Flights, frame: int, time_ns: int) -> Iterator[PeerEvent]:
        self._flights = None
        if flights.look_encrypted and self.exchange is None:
            self.exchange = KeyExchange(0, False, flights.lengths, 0, frame, time_ns)
            yield self.exchange
