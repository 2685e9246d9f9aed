"""What a window tells of TCP streams: in bulk as far as a kernel knows what to do, then segment by segment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from heapq import merge
from itertools import accumulate
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

from pktlab.columns.scan import Walked
from pktlab.columns.stream_bulk import Together
from pktlab.columns.tracking import key_of, side_of
from pktlab.columns.windows import NO_TIME
from pktlab.flows.keys import FlowKey
from pktlab.flows.reassembly import Segment
from pktlab.flows.stream_table import StreamTable, TcpStream, Told
from pktlab.flows.streams import Buffer, Data, held_cost
from pktlab.wire.tcp import TcpFlags

__all__ = ["Lanes", "Odd", "WindowStreams"]

Array = np.ndarray[Any, Any]
Odd = dict[int, list[tuple[int, FlowKey, Segment]]]
"""By stream, the segments that the exact reader found: their places in the window, who sends to whom."""
_TURNS = TcpFlags.syn.mask | TcpFlags.fin.mask | TcpFlags.reset.mask
"""Flags that begin or end something."""


class Lanes(NamedTuple):
    """The segments of a window that kernels read, in file order.

    places : in the window; acks : -1 where there is none; sides : 1 for the larger end; starts, lengths : of the data;
    missing : bytes of them that were not captured
    """

    places: Array
    streams: Array
    seqs: Array
    acks: Array
    flags: Array
    sides: Array
    starts: Array
    lengths: Array
    missing: Array

    def chosen(self, mask: Array | slice) -> Lanes:
        """Return some of them."""
        return Lanes(*(one[mask] for one in self))


class WindowStreams:
    """What a window tells of streams.

    Lanes are sorted by stream here, those of one in file order; a stream has a rank, its two ways are a pair of
    numbers: twice the rank, and that plus 1.
    """

    def __init__(self, table: StreamTable, walked: Walked, packets: Array, lanes: Lanes, odd: Odd) -> None:
        self.table, self.first, self.packets = table, walked.window.first, packets
        self.lanes, self.odd = lanes.chosen(np.argsort(lanes.streams, kind="stable")), odd
        self.data = walked.window.data
        self.view = memoryview(self.data)  # type: ignore[arg-type]
        times = walked.window.index.times[: walked.count]
        self.times = np.where(times == NO_TIME, 0, times)[self.lanes.places]

    def tell(self) -> list[Told]:
        """Return it: streams that are known first, then those that are new, for which others may end."""
        lanes = self.lanes
        if not len(lanes.places) and not self.odd:
            return []
        firsts = np.flatnonzero(np.diff(lanes.streams, prepend=-1))
        numbers, bounds = lanes.streams[firsts].tolist(), [*firsts.tolist(), len(lanes.places)]
        streams = [self.table.find(number) for number in numbers]
        known = {number for number, stream in zip(numbers, streams, strict=True) if stream is not None}
        known |= {number for number in self.odd if number not in known and self.table.find(number) is not None}
        left = {rank for rank, number in enumerate(numbers) if number in self.odd}
        if int(lanes.lengths.sum()) + held_cost(0) * len(lanes.places) > self.table.room:
            left = set(range(len(numbers)))
        bulk = self._together(streams, left, firsts)
        ranks = {number: rank for rank, number in enumerate(numbers)}
        told: list[Told] = []
        for number in sorted({*numbers, *self.odd}, key=lambda number: (number not in known, number)):
            rank = ranks.get(number)
            if rank is None:
                told += self._one_by_one(number, slice(0))
            elif bulk is None or rank in left:
                told += self._one_by_one(number, slice(bounds[rank], bounds[rank + 1]))
            else:
                told += self._in_bulk(bulk, rank, number, slice(bounds[rank], bounds[rank + 1]))
        return told

    def _together(self, streams: Sequence[TcpStream | None], left: set[int], firsts: Array) -> Together | None:
        """Have the kernel take all streams but those in `left`, to which it adds; None if nothing is left to do."""
        if len(left) == len(streams):
            return None
        lanes, size = self.lanes, len(self.lanes.places)
        counts = np.diff(np.append(firsts, size))
        first_sides = lanes.sides[firsts].tolist()
        sides = [first if one is None else _side(one) for one, first in zip(streams, first_sides, strict=True)]
        pairs = np.repeat(2 * np.arange(len(streams)), counts) + (lanes.sides ^ np.repeat(np.array(sides), counts))
        rows = np.array([
            pairs, lanes.seqs, lanes.acks, lanes.flags, lanes.starts, lanes.lengths, lanes.missing,
            self.first + lanes.places, self.times,
        ], np.int64)  # fmt: skip
        connections = [None if one is None else one.connection for one in streams]
        return Together(connections, left, rows, firsts + counts, self.data, self.table.new_connection())

    def _in_bulk(self, bulk: Together, rank: int, number: int, lanes: slice) -> list[Told]:
        """Give out what the kernel made of a stream, and give the segments to it that the kernel left."""
        stream = self.table.find(number)
        told: list[Told] = []
        if stream is None:
            stream, told = self._open(number, lanes.start)
        told += [Told(stream, event) for event in bulk.events(rank)]
        bulk.keep(rank, stream.connection)
        end = bulk.end(rank)
        if stream.held_len != stream.connection.held_len:
            last = max(end - 1, lanes.start)
            told += self.table.count(stream, self.first + int(self.lanes.places[last]), int(self.times[last]))
        return told if end == lanes.stop else told + self._one_by_one(number, slice(end, lanes.stop))

    def _open(self, number: int, lane: int) -> tuple[TcpStream, list[Told]]:
        """Return a new stream whose first segment is in a lane, and what is told of those that end for it."""
        place = int(self.lanes.places[lane])
        stream, told = self.table.open(
            number, key_of(self.packets, place), self.first + place, int(self.times[lane])
        )  # fmt: skip
        stream.side = int(self.lanes.sides[lane])
        return stream, told

    @cached_property
    def _lists(self) -> tuple[list[int], ...]:
        """What `_one_by_one` takes of the lanes, as lists."""
        own = self.lanes
        columns = (
            own.places, own.sides, own.seqs, own.acks, own.flags, own.starts, own.starts + own.lengths, own.missing,
            self.times,
        )  # fmt: skip
        return tuple(one.tolist() for one in columns)

    def _one_by_one(self, number: int, lanes: slice) -> list[Told]:
        """Give segments to their stream one by one."""
        places, sides, seqs, acks, flags, starts, stops, missing, times = (one[lanes] for one in self._lists)
        odd, stream = self.odd.get(number, []), self.table.find(number)
        told: list[Told] = []
        if stream is None:
            if places and (not odd or places[0] < odd[0][0]):
                stream, told = self._open(number, lanes.start)
            else:
                place, key, segment = odd[0]
                stream, told = self.table.open(number, key, self.first + place, segment.time_ns)
        side = _side(stream)
        segments: Iterable[Sequence[Any]] = zip(
            [one ^ side for one in sides], seqs, acks, flags, map(self.view.__getitem__, map(slice, starts, stops)),
            missing, [self.first + place for place in places], times, strict=True,
        )  # fmt: skip
        if odd:
            others = (segment._replace(way=stream.way_of(key)) for _, key, segment in odd)
            segments = merge(segments, others, key=itemgetter(6))
        gathered = _Gathered(self.table, stream)
        gathered.take(segments)
        return told + gathered.told


def _side(stream: TcpStream | None) -> int:
    """Return whether way 0 of a stream is sent by the larger end."""
    if stream is None:
        return 0
    if stream.side is None:
        stream.side = side_of(stream.key)
    return stream.side


class _Gathered:
    """What is told of a stream: the data that one side sends until the other one does as one piece; all is copied.

    A segment that only moves its way on, or acknowledges where nothing waits, is not given to `Reassembly` for it.
    """

    def __init__(self, table: StreamTable, stream: TcpStream) -> None:
        self.table, self.stream = table, stream
        self.told: list[Told] = []
        self._way, self._offset = 0, 0
        self._spans: list[Buffer] = []
        self._frames: list[int] = []
        self._times: list[int] = []

    def take(self, segments: Iterable[Sequence[Any]]) -> None:
        """Take segments, as `Segment` has them."""
        ways = self.stream.connection.ways
        for segment in segments:
            way, seq, ack, flags, data, missing, frame, time_ns = segment
            mine, other = ways[way], ways[1 - way]
            if (
                flags & _TURNS or missing or not mine.is_begun or other.held
                or (other.fin is not None and other.over is None)
                or (data and (seq != mine.seq or mine.held or mine.fin is not None))
            ):  # fmt: skip
                for one in self.table.add(self.stream, (Segment(*segment),)):
                    self._tell(one)
                continue
            if ack >= 0:
                other.ack = ack
            if data:
                self._gather(way, mine.advance(len(data)), data, frame, time_ns)
        self._flush()

    def _tell(self, one: Told) -> None:
        event = one.event
        if isinstance(event, Data) and one.stream is self.stream:
            self._gather(event.way, event.offset, event.data, event.frames[0], event.times_ns[0])
        else:
            self._flush()
            self.told.append(one)

    def _gather(self, way: int, offset: int, data: Buffer, frame: int, time_ns: int) -> None:
        if way != self._way:
            self._flush()
        if not self._spans:
            self._way, self._offset = way, offset
        self._spans.append(data)
        self._frames.append(frame)
        self._times.append(time_ns)

    def _flush(self) -> None:
        if self._spans:
            stops = list(accumulate(map(len, self._spans)))
            data = b"".join(self._spans)
            self.told.append(Told(self.stream, Data(self._way, self._offset, data, self._frames, stops, self._times)))
            self._spans, self._frames, self._times = [], [], []
