"""The streams of a whole capture, put together from columns.

Of a window the segments are sorted by connection. Those of a connection that are all in their turn, which is most, are
given out in bulk, as one `Data` for what one side says until the other one does; a connection of which any segment is
out of turn, or begins or ends something, goes segment by segment through `pktlab.flows.Reassembly`, which stays the one
truth: bulk only moves on what that would have moved on. What kernels leave alone is read by the exact reader.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from itertools import accumulate, islice, pairwise, repeat
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np

from pktlab.capture import CaptureReader
from pktlab.columns import kernels_flows as kernel
from pktlab.columns.batches import ExactReader
from pktlab.columns.plan import Plan, plan_for
from pktlab.columns.rules import compile_rules
from pktlab.columns.scan import Scan, Walked
from pktlab.columns.tracking import TRACKED, Tracker, key_of, keys_of, side_of, sides_of
from pktlab.columns.windows import NO_TIME
from pktlab.flows.keys import FlowKey
from pktlab.flows.reassembly import Segment, Way
from pktlab.flows.segments import SegmentReader
from pktlab.flows.stream_table import Stream, StreamTable, Told
from pktlab.flows.streams import Data
from pktlab.packets import Packet
from pktlab.wire.bindings import Binding
from pktlab.wire.tcp import TcpFlags

__all__ = ["read_streams"]

Array = np.ndarray[Any, Any]
_Odd = dict[int, list[tuple[int, FlowKey, Segment]]]
"""By stream, the segments that the exact reader found: their places in the window, who sends to whom."""
_WORD = 0xFFFF_FFFF
_ACK = TcpFlags.ack.mask
_TURNS = TcpFlags.syn.mask | TcpFlags.fin.mask | TcpFlags.reset.mask
"""Flags that begin or end something."""


def read_streams(
    capture: Any, table: StreamTable | None = None, *, threads: int = 0, exact_first: int = 1000
) -> Iterator[list[Told]]:
    """Yield what is told of the streams of a capture, or of a selection of it, some at a time.

    What is told of one stream is in order. A list is what a packet tells, or a whole window; in that one stream stands
    behind another.

    Parameters
    ----------
    capture : nothing of it was read yet
    table : which puts them together
    threads : 0 for as many as there are cores
    exact_first : packets of a whole capture that are read before the kernels are loaded
    """
    table = StreamTable() if table is None else table
    capture.track_flows(exactly=True)
    fragments = getattr(capture, "fragments", None)
    in_bulk = fragments is not None and isinstance(capture.reader, CaptureReader)
    exact, number = _Exactly(table), 0
    for packet in islice(capture, exact_first if in_bulk else None):
        number += 1
        if told := exact.add(packet):
            yield told
    if in_bulk and number == exact_first:
        bulk = _InBulk(exact, Tracker(capture.flow_table), capture.bindings)
        yield from bulk.read(capture, threads or os.cpu_count() or 1, number)
    yield list(table.end())


class _Exactly:
    """Streams of packets that were read one by one."""

    def __init__(self, table: StreamTable) -> None:
        self.table = table
        self._reader = SegmentReader()

    def add(self, packet: Packet) -> list[Told]:
        """Take a packet."""
        told: list[Told] = []
        for number, key, segment in self.segments(packet):
            told += self.put(number, key, segment)
        return told

    def segments(self, packet: Packet) -> Sequence[tuple[int, FlowKey, Segment]]:
        """Return the segments of a packet."""
        moment = packet.time_ns or 0
        time_ns = moment if abs(moment) < 1 << 63 else 0
        cut = packet.length - packet.cap_len
        found = self._reader.read(packet.dissection, packet.flows, packet.whole, packet.number, time_ns, cut)
        return [one for one in found if self.table.wants(one.number)]

    def put(self, number: int, key: FlowKey, segment: Segment) -> Iterator[Told]:
        """Give a segment to its stream."""
        stream = self.table.find(number)
        if stream is None:
            stream, told = self.table.open(number, key, segment.frame, segment.time_ns)
            yield from told
        yield from self.table.add(stream, [segment._replace(way=stream.way_of(key))])


class _Lanes(NamedTuple):
    """The segments of a window that kernels read, in file order.

    places : in the window; acks : -1 where there is none; sides : 1 for the larger end; starts, lengths : of the data
    """

    places: Array
    streams: Array
    seqs: Array
    acks: Array
    flags: Array
    sides: Array
    starts: Array
    lengths: Array

    def chosen(self, mask: Array | slice) -> _Lanes:
        """Return some of them."""
        return _Lanes(*(one[mask] for one in self))


class _InBulk:
    """Streams of packets that are read by kernels."""

    def __init__(self, exact: _Exactly, tracker: Tracker, bindings: Sequence[Binding]) -> None:
        self.exact, self.table, self.tracker, self.bindings = exact, exact.table, tracker, bindings

    def read(self, capture: Any, threads: int, read: int) -> Iterator[list[Told]]:
        """Yield what each window tells of a capture, of which `read` packets were read already."""
        plan = _plan(self.bindings)
        reader = ExactReader(self.bindings, capture.fragments)
        for walked, keys in Scan(capture.reader, plan, _keys, threads=threads, read=read):
            capture.note_window(walked.window)
            yield self._window(walked, keys, reader)

    def _window(self, walked: Walked, keys: _Keys, reader: ExactReader) -> list[Told]:
        told, done = np.zeros((3, walked.count), np.int64), 0
        odd: _Odd = {}
        for place in np.flatnonzero(keys.exact).tolist():
            self.tracker.run(keys.packets, done, place, told)
            packet = reader.packet(walked.window.record(place))
            packet.flows = self.tracker.add(packet.dissection, packet.length, packet.time_ns)
            done = place + 1
            for number, key, segment in self.exact.segments(packet):
                odd.setdefault(number, []).append((place, key, segment))
        self.tracker.run(keys.packets, done, walked.count, told)
        wanted = (keys.packets[kernel.PROTOCOL] == kernel.TCP) & ~keys.exact
        if self.table.only is not None:
            wanted &= np.isin(told[kernel.OUT_STREAM], list(self.table.only))
        places = np.flatnonzero(wanted)
        rows = keys.packets[:, places]
        found = _Lanes(
            places, told[kernel.OUT_STREAM][places], rows[kernel.SEQ],
            np.where(rows[kernel.FLAGS] & _ACK, rows[kernel.ACK], -1), rows[kernel.FLAGS], keys.sides[places],
            keys.starts[places], keys.lengths[places],
        )  # fmt: skip
        return _Window(self, walked, keys.packets, found, odd).tell()


class _Keys(NamedTuple):
    """What a thread makes of a window: the packets for the tracker, which are the exact reader's, where data are.

    sides : 1 where the sender is the larger end; starts, lengths : of the bytes behind the TCP header, in the buffer
    """

    packets: Array
    exact: Array
    sides: Array
    starts: Array
    lengths: Array


def _plan(bindings: Sequence[Binding]) -> Plan:
    return plan_for(compile_rules(bindings), [*TRACKED, "tcp.hdr_len"], layers=["tcp"], every=True, pieces=True)


def _keys(walked: Walked) -> _Keys:
    packets, is_odd = keys_of(walked)
    tcp = walked.plan.places["tcp"]
    lengths, has = walked.payloads(tcp)
    header_len, _ = walked.values(walked.plan.places["tcp.hdr_len"])
    starts = walked.window.index.starts[: walked.count] + walked.headers(tcp) + header_len
    exact = walked.exact | is_odd | (has & (lengths < 0))
    return _Keys(packets, exact, sides_of(packets), starts, lengths)


class _Window:
    """What a window tells of streams.

    Lanes are sorted by stream here, those of one in file order; a stream has a rank, its two ways are a pair of
    numbers: twice the rank, and that plus 1.
    """

    def __init__(self, bulk: _InBulk, walked: Walked, packets: Array, lanes: _Lanes, odd: _Odd) -> None:
        self.exact, self.table, self.first, self.packets = bulk.exact, bulk.table, walked.window.first, packets
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
            told += _joined(self._one_by_one(number, rest.get(number, slice(0))))
        return told

    def _slow(self, streams: Sequence[Stream | None], numbers: Array, ranks: Array, pairs: Array) -> Array:
        """Return which streams have anything but data in their turn: bool, by rank."""
        lanes, size = self.lanes, 2 * len(streams)
        slow = np.array([one is None for one in streams], np.bool_)
        slow |= np.isin(numbers, list(self.odd))
        slow[ranks[lanes.flags & _TURNS != 0]] = True
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

    def _in_bulk(self, streams: Sequence[Stream | None], pairs: Array, plain: Array) -> Iterator[Told]:
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

    def _acknowledge(self, streams: Sequence[Stream | None], pairs: Array, chosen: Array) -> None:
        """Note the last acknowledgment of each way."""
        found, places = np.unique(pairs[chosen][::-1], return_index=True)
        for pair, ack in zip(found.tolist(), self.lanes.acks[chosen][::-1][places].tolist(), strict=True):
            stream = streams[pair >> 1]
            assert stream is not None
            stream.connection.ways[1 - (pair & 1)].ack = ack

    def _one_by_one(self, number: int, lanes: slice) -> Iterator[Told]:
        """Give segments to their stream one by one."""
        own, odd = self.lanes.chosen(lanes), self.odd.get(number, [])
        stream = self.table.find(number)
        if stream is None:
            if len(own.places) and (not odd or own.places[0] < odd[0][0]):
                place, key = int(own.places[0]), key_of(self.packets, int(own.places[0]))
                moment = int(self.times[lanes][0])
            else:
                place, key, moment = odd[0][0], odd[0][1], odd[0][2].time_ns
            stream, told = self.table.open(number, key, self.first + place, moment)
            yield from told
        ways = own.sides ^ _side(stream)
        starts, stops = own.starts.tolist(), (own.starts + own.lengths).tolist()
        segments: Iterable[Segment] = map(
            Segment, ways.tolist(), own.seqs.tolist(), own.acks.tolist(), own.flags.tolist(),
            map(self.view.__getitem__, map(slice, starts, stops)), repeat(0), (own.places + self.first).tolist(),
            self.times[lanes].tolist(),
        )  # fmt: skip
        if odd:
            others = (segment._replace(way=stream.way_of(key)) for _, key, segment in odd)
            segments = merge(segments, others, key=attrgetter("frame"))
        yield from self.table.add(stream, segments)


_NOBODY = (Way(), Way())


def _is_waiting(way: Way) -> bool:
    """Tell whether a segment of the other way, or one in its turn, may do more than move a way on."""
    return bool(way.held) or way.stray is not None or (way.fin is not None and way.over is None)


def _side(stream: Stream | None) -> int:
    """Return whether way 0 of a stream is sent by the larger end."""
    if stream is None:
        return 0
    if stream.side is None:
        stream.side = side_of(stream.key)
    return stream.side


def _joined(told: Iterable[Told]) -> Iterator[Told]:
    """Join the data that one side sends until the other one does, or something else is told; all is copied."""
    waiting: list[Data] = []
    of: Stream | None = None
    for one in told:
        event = one.event
        if waiting and not (isinstance(event, Data) and one.stream is of and event.way == waiting[0].way):
            assert of is not None
            yield Told(of, _join(waiting))
            waiting = []
        if isinstance(event, Data):
            of = one.stream
            waiting.append(event)
        else:
            yield one
    if waiting and of is not None:
        yield Told(of, _join(waiting))


def _join(parts: Sequence[Data]) -> Data:
    first = parts[0]
    stops = accumulate(len(one.data) for one in parts)
    return Data(
        first.way, first.offset, b"".join(one.data for one in parts), [one.frames[0] for one in parts], list(stops),
        [one.times_ns[0] for one in parts],
    )  # fmt: skip
