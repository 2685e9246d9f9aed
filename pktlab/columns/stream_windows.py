"""What a window tells of TCP streams: in bulk where all is in its turn, segment by segment where it is not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from itertools import accumulate, pairwise
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

from pktlab.columns.scan import Walked
from pktlab.columns.tracking import key_of, side_of
from pktlab.columns.windows import NO_TIME
from pktlab.flows.keys import FlowKey
from pktlab.flows.reassembly import Segment
from pktlab.flows.stream_table import StreamTable, TcpStream, Told
from pktlab.flows.streams import Buffer, Data
from pktlab.flows.tcp_way import Way
from pktlab.wire.tcp import TcpFlags

__all__ = ["Lanes", "Odd", "WindowStreams"]

Array = np.ndarray[Any, Any]
Odd = dict[int, list[tuple[int, FlowKey, Segment]]]
"""By stream, the segments that the exact reader found: their places in the window, who sends to whom."""
_WORD = 0xFFFF_FFFF
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
        self.view = memoryview(walked.window.data)  # type: ignore[arg-type]
        times = walked.window.index.times[: walked.count]
        self.times = np.where(times == NO_TIME, 0, times)[self.lanes.places]

    def tell(self) -> list[Told]:
        """Return it: streams that are told in bulk, then the others, those that are new at last."""
        lanes = self.lanes
        if not len(lanes.places) and not self.odd:
            return []
        numbers, firsts, counts = np.unique(lanes.streams, return_index=True, return_counts=True)
        streams = [self.table.find(number) for number in numbers.tolist()]
        ranks = np.repeat(np.arange(len(streams)), counts)
        pairs = 2 * ranks + (lanes.sides ^ np.repeat(np.array([_side(one) for one in streams], np.int64), counts))
        slow = self._slow(streams, numbers, ranks, pairs)
        told = list(self._in_bulk(streams, pairs, ~slow[ranks]))
        rest = {number: slice(first, first + count) for number, first, count in zip(
            numbers[slow].tolist(), firsts[slow].tolist(), counts[slow].tolist(), strict=True)}  # fmt: skip
        new = {number for number, stream in zip(numbers.tolist(), streams, strict=True) if stream is None}
        new |= {number for number in self.odd if number not in rest and self.table.find(number) is None}
        for number in sorted({*rest, *self.odd}, key=lambda number: (number in new, number)):
            told += self._one_by_one(number, rest.get(number, slice(0)))
        return told

    def _slow(self, streams: Sequence[TcpStream | None], numbers: Array, ranks: Array, pairs: Array) -> Array:
        """Return which streams have anything but data in their turn: bool, by rank."""
        lanes, size = self.lanes, 2 * len(streams)
        slow = np.array([one is None for one in streams], np.bool_)
        slow |= np.isin(numbers, list(self.odd))
        slow[ranks[(lanes.flags & _TURNS != 0) | (lanes.missing > 0)]] = True
        ways = [way for one in streams for way in (_NOBODY if one is None else one.connection.ways)]
        has_data, is_there = lanes.lengths > 0, np.bincount(pairs, minlength=size) > 0
        bad = np.array([_is_waiting(way) for way in ways], np.bool_) | (
            is_there & np.array([not way.is_begun for way in ways], np.bool_)
        )
        order = np.flatnonzero(has_data)[np.argsort(pairs[has_data], kind="stable")]
        pair, seqs = pairs[order], lanes.seqs[order]
        expected = np.concatenate([[0], seqs[:-1] + lanes.lengths[order[:-1]]])[: len(order)]
        is_first = np.concatenate([[True], pair[1:] != pair[:-1]])[: len(order)]
        expected[is_first] = np.array([way.seq if way.fin is None else -1 for way in ways], np.int64)[pair[is_first]]
        bad[pair[(expected & _WORD != seqs) | (expected < 0)]] = True
        slow |= bad.reshape(-1, 2).any(axis=1)
        return slow

    def _in_bulk(self, streams: Sequence[TcpStream | None], pairs: Array, plain: Array) -> Iterator[Told]:
        """Give out what one side says until the other one does, of streams in which all is in its turn."""
        lanes = self.lanes
        self._acknowledge(streams, pairs, plain & (lanes.acks >= 0))
        chosen = np.flatnonzero(plain & (lanes.lengths > 0))
        pair = pairs[chosen]
        firsts = np.flatnonzero(np.concatenate([[True], pair[1:] != pair[:-1]])[: len(pair)])
        lengths = lanes.lengths[chosen]
        behind = np.cumsum(lengths)
        stops = behind - np.repeat((behind - lengths)[firsts], np.diff(np.append(firsts, len(pair))))
        starts = lanes.starts[chosen]
        spans = list(map(self.view.__getitem__, map(slice, starts.tolist(), (starts + lengths).tolist())))
        frames, times = (self.first + lanes.places[chosen]).tolist(), self.times[chosen].tolist()
        ends, whose = stops.tolist(), pair.tolist()
        bounds = [*firsts.tolist(), len(pair)]
        for first, last in pairwise(bounds):
            stream, way = streams[whose[first] >> 1], whose[first] & 1
            assert stream is not None
            offset = stream.connection.ways[way].advance(ends[last - 1])
            data = b"".join(spans[first:last])
            yield Told(stream, Data(way, offset, data, frames[first:last], ends[first:last], times[first:last]))

    def _acknowledge(self, streams: Sequence[TcpStream | None], pairs: Array, chosen: Array) -> None:
        """Note the last acknowledgment of each way."""
        found, places = np.unique(pairs[chosen][::-1], return_index=True)
        for pair, ack in zip(found.tolist(), self.lanes.acks[chosen][::-1][places].tolist(), strict=True):
            stream = streams[pair >> 1]
            assert stream is not None
            stream.connection.ways[1 - (pair & 1)].ack = ack

    def _one_by_one(self, number: int, lanes: slice) -> list[Told]:
        """Give segments to their stream one by one."""
        own, odd = self.lanes.chosen(lanes), self.odd.get(number, [])
        told: list[Told] = []
        stream = self.table.find(number)
        if stream is None:
            if len(own.places) and (not odd or own.places[0] < odd[0][0]):
                place, key = int(own.places[0]), key_of(self.packets, int(own.places[0]))
                moment = int(self.times[lanes][0])
            else:
                place, key, moment = odd[0][0], odd[0][1], odd[0][2].time_ns
            stream, told = self.table.open(number, key, self.first + place, moment)
        ways = own.sides ^ _side(stream)
        starts, stops = own.starts.tolist(), (own.starts + own.lengths).tolist()
        segments: Iterable[Sequence[Any]] = zip(
            ways.tolist(), own.seqs.tolist(), own.acks.tolist(), own.flags.tolist(),
            map(self.view.__getitem__, map(slice, starts, stops)), own.missing.tolist(),
            (own.places + self.first).tolist(), self.times[lanes].tolist(), strict=True,
        )  # fmt: skip
        if odd:
            others = (segment._replace(way=stream.way_of(key)) for _, key, segment in odd)
            segments = merge(segments, others, key=itemgetter(6))
        gathered = _Gathered(self.table, stream)
        gathered.take(segments)
        return told + gathered.told


_NOBODY = (Way(), Way())


def _is_waiting(way: Way) -> bool:
    """Tell whether a segment of the other way, or one in its turn, may do more than move a way on."""
    return bool(way.held) or way.stray is not None or (way.fin is not None and way.over is None)


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
