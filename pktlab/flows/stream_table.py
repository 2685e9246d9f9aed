"""The streams of a capture: one `Reassembly` a connection, in bounded memory.

Which TCP connection a segment belongs to is told by its number (`tcp.stream`, see `pktlab.flows.FlowTable`). A
connection ends when another one follows between the same ends, when it was idle longest of too many, or at the end.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from pktlab.flows.assembly import MAX_HELD, Assembly
from pktlab.flows.keys import FlowKey
from pktlab.flows.reassembly import Policy, Reassembly, Segment
from pktlab.flows.streams import Event, Why

__all__ = ["MAX_BYTES", "MAX_STREAMS", "Held", "Stream", "StreamTable", "TcpStream", "Told"]

MAX_STREAMS = 1 << 16
"""Connections that are put together at a time; each takes about a kilobyte."""
MAX_BYTES = 64 << 20
"""Bytes that wait for their turn in all of them together."""
_log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class Stream:
    """A connection.

    protocol : ``"tcp"`` or ``"utp"``; number : of it, ``tcp.stream``, or of the uTP connections in order
    key : who sent the first packet that was seen to whom: that is way 0
    """

    protocol: str
    number: int
    key: FlowKey
    connection: Assembly[Any]
    held_len: int = 0  # of it, that the table has counted

    def way_of(self, key: FlowKey) -> int:
        """Return which way a packet with these ends goes."""
        return int(self.key != key)

    def sender(self, way: int) -> FlowKey:
        """Return the key of a way: from whom to whom."""
        return self.key.reversed() if way else self.key

    def __str__(self) -> str:
        return f"{self.protocol} {self.number}"


@dataclass(eq=False, slots=True)
class TcpStream(Stream):
    """A TCP connection; `side` is 1 if way 0 is sent by the larger end, as columns order them, None if nobody asked."""

    connection: Reassembly
    side: int | None = None


class Told(NamedTuple):
    """What is told of a stream."""

    stream: Stream
    event: Event


class Held:
    """What waits in all streams of a table: beyond `max_bytes`, who has waited longest gives up a hole."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._waiting: dict[int, Stream] = {}  # in the order in which they began to hold something
        self._length = 0

    @property
    def room(self) -> int:
        """How many bytes more may wait."""
        return self.max_bytes - self._length

    def count(self, stream: Stream, frame: int, time_ns: int) -> Iterator[Told]:
        """Note how much a stream holds; yield what is told for room."""
        self._note(stream)
        while self._length > self.max_bytes:
            first = next(iter(self._waiting.values()))
            for event in first.connection.relieve(frame, time_ns):
                yield Told(first, event)
            self._note(first)

    def _note(self, stream: Stream) -> None:
        held_len = stream.connection.held_len
        self._length += held_len - stream.held_len
        stream.held_len = held_len
        if held_len:
            self._waiting.setdefault(id(stream), stream)
        else:
            self._waiting.pop(id(stream), None)


class StreamTable:
    """The TCP connections of a capture.

    Parameters
    ----------
    overlap, max_held : as of `Reassembly`
    only : numbers of the connections that are wanted; None for all
    max_streams : connections at a time; beyond, the one that was idle longest is ended
    max_bytes : bytes that wait in all of them; beyond, who has waited longest gives up a hole

    `evicted` counts those that were ended for room.
    """

    def __init__(
        self,
        *,
        overlap: Policy = "first",
        max_held: int = MAX_HELD,
        max_streams: int = MAX_STREAMS,
        max_bytes: int = MAX_BYTES,
        only: Iterable[int] | None = None,
    ) -> None:
        self.only = None if only is None else frozenset(only)
        self.overlap: Policy = overlap
        self.max_held, self.max_streams = max_held, max_streams
        self.evicted = 0
        self._streams: OrderedDict[int, TcpStream] = OrderedDict()  # the one idle longest is first
        self._latest: dict[FlowKey, int] = {}
        self._held = Held(max_bytes)

    def wants(self, number: int) -> bool:
        """Tell whether a connection is wanted."""
        return self.only is None or number in self.only

    def find(self, number: int) -> TcpStream | None:
        """Return a stream that is known, which is now the one used last."""
        stream = self._streams.get(number)
        if stream is not None:
            self._streams.move_to_end(number)
        return stream

    def open(self, number: int, key: FlowKey, frame: int, time_ns: int) -> tuple[TcpStream, list[Told]]:
        """Return a new stream, whose first packet goes as `key` says, and what is told of those that end for it."""
        told: list[Told] = []
        ends = key.conversation
        before = self._latest.get(ends)
        if before is not None and before in self._streams:
            told += self._close(self._streams[before], Why.restart, frame, time_ns)
        elif len(self._streams) >= self.max_streams:
            if not self.evicted:
                _log.warning("more than %s streams at a time: the one idle longest ends", f"{self.max_streams:,}")
            self.evicted += 1
            told += self._close(next(iter(self._streams.values())), Why.open, frame, time_ns)
        stream = self._streams[number] = TcpStream("tcp", number, key, self.new_connection())
        self._latest[ends] = number
        return stream, told

    def new_connection(self) -> Reassembly:
        """Return a connection as those of the table are, which is not in it."""
        return Reassembly(overlap=self.overlap, max_held=self.max_held)

    @property
    def room(self) -> int:
        """How many bytes more may wait."""
        return self._held.room

    def count(self, stream: TcpStream, frame: int, time_ns: int) -> Iterator[Told]:
        """Note how much a stream holds by now; yield what is told for room."""
        return self._held.count(stream, frame, time_ns)

    def add(self, stream: TcpStream, segments: Iterable[Segment]) -> Iterator[Told]:
        """Take segments of a stream; yield what they tell."""
        connection = stream.connection
        for segment in segments:
            for event in connection.add(segment):
                yield Told(stream, event)
            if stream.held_len != connection.held_len:
                yield from self.count(stream, segment.frame, segment.time_ns)

    def end(self) -> Iterator[Told]:
        """Yield what is to be told of all streams when nothing more comes."""
        for stream in list(self._streams.values()):
            yield from self._close(stream, Why.open, 0, 0)

    def _close(self, stream: TcpStream, why: Why, frame: int, time_ns: int) -> list[Told]:
        told = [Told(stream, event) for event in stream.connection.end(why, frame, time_ns)]
        told += self._held.count(stream, frame, time_ns)
        del self._streams[stream.number]
        ends = stream.key.conversation
        if self._latest.get(ends) == stream.number:
            del self._latest[ends]
        return told
