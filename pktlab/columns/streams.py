"""The streams of a whole capture, put together from columns.

Of a window the segments are sorted by connection. Those of a connection that are all in their turn, which is most, are
given out in bulk, as one `Data` for what one side says until the other one does; a connection of which any segment is
out of turn, or begins or ends something, goes segment by segment through `pktlab.flows.Reassembly`, which stays the one
truth: bulk only moves on what that would have moved on. What kernels leave alone is read by the exact reader.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

from pktlab.capture import CaptureReader
from pktlab.columns import kernels_flows as kernel
from pktlab.columns.batches import ExactReader
from pktlab.columns.plan import Plan, plan_for
from pktlab.columns.rules import compile_rules
from pktlab.columns.scan import Scan, Walked
from pktlab.columns.stream_windows import Lanes, Odd, WindowStreams
from pktlab.columns.tracking import TRACKED, Tracker, key_of, keys_of, sides_of
from pktlab.columns.windows import NO_TIME, Window
from pktlab.flows.keys import FlowKey
from pktlab.flows.reassembly import Segment
from pktlab.flows.segments import Datagram, SegmentReader, datagrams
from pktlab.flows.stream_table import StreamTable, Told
from pktlab.flows.utp import UtpPacket, read_utp
from pktlab.flows.utp_table import UtpTable
from pktlab.packets import Packet
from pktlab.wire.apps.bittorrent.tracker import ANNOUNCE
from pktlab.wire.apps.bittorrent.utp import SYN, Utp, Utp0
from pktlab.wire.bindings import Binding
from pktlab.wire.ipv6 import Ipv6
from pktlab.wire.tcp import TcpFlags
from pktlab.wire.udp import Udp

__all__ = ["Hear", "read_streams"]

Array = np.ndarray[Any, Any]
Hear = Callable[[Datagram, int], None]
"""Takes a datagram that may be about peers, and when it was captured, ns."""
_ACK = TcpFlags.ack.mask
_LEAST = 20
"""Bytes of the shortest datagram that is heard: the answer of a UDP tracker that names nobody."""
_FIRST_WORDS = (
    ANNOUNCE,
    *(int.from_bytes(first, "big") for first in (b"d1:a", b"d1:e", b"d1:q", b"d1:r", b"d2:i", b"BT-S")),
)
"""What is heard begins with one of these, or has `ANNOUNCE` in the third word, as requests have."""
_LENGTHS = {"udp.length": 0, "ip.len": 0, "ipv6.plen": Ipv6.HEADER_LEN}
"""Fields that say how much there should be, the innermost first, and the bytes in front of what they count."""


def read_streams(
    capture: Any,
    table: StreamTable | None = None,
    *,
    utp: UtpTable | None = None,
    hear: Hear | None = None,
    threads: int = 0,
    exact_first: int = 1000,
) -> Iterator[list[Told]]:
    """Yield what is told of the streams of a capture, or of a selection of it, some at a time.

    What is told of one stream is in order. A list is what a packet tells, or a whole window; in that one stream stands
    behind another.

    Parameters
    ----------
    capture : nothing of it was read yet
    table, utp : which put those of TCP and of uTP together; where one is given, the other is left out if it is not
    hear : is given each datagram that may be of a UDP tracker, the DHT or LSD
    threads : 0 for as many as there are cores
    exact_first : packets of a whole capture that are read before the kernels are loaded
    """
    if table is None:
        table, utp = StreamTable(only=None if utp is None else ()), utp or UtpTable()
    capture.track_flows(exactly=True)
    fragments = getattr(capture, "fragments", None)
    in_bulk = fragments is not None and isinstance(capture.reader, CaptureReader)
    exact, number = _Exactly(table, utp, hear), 0
    for packet in islice(capture, exact_first if in_bulk else None):
        number += 1
        if told := exact.add(packet):
            yield told
    if in_bulk and number == exact_first:
        bulk = _InBulk(exact, Tracker(capture.flow_table), capture.bindings)
        yield from bulk.read(capture, threads or os.cpu_count() or 1, number)
    yield [*table.end(), *(() if utp is None else utp.end())]


class _Exactly:
    """Streams of packets that were read one by one."""

    def __init__(self, table: StreamTable, utp: UtpTable | None, hear: Hear | None) -> None:
        self.table, self.utp, self.hear = table, utp, hear
        self._reader = SegmentReader()

    def add(self, packet: Packet) -> list[Told]:
        """Take a packet."""
        told: list[Told] = []
        for number, key, segment in self.segments(packet):
            told += self.put(number, key, segment)
        for key, found in self.utp_packets(packet):
            told += () if self.utp is None else self.utp.add(key, found)
        return told

    def segments(self, packet: Packet) -> Sequence[tuple[int, FlowKey, Segment]]:
        """Return the segments of a packet."""
        cut = packet.length - packet.cap_len
        found = self._reader.read(
            packet.dissection, packet.flows, packet.whole, packet.number, _moment(packet), cut
        )  # fmt: skip
        return [one for one in found if self.table.wants(one.number)]

    def utp_packets(self, packet: Packet) -> Iterator[tuple[FlowKey, UtpPacket]]:
        """Yield what may be uTP in a packet; what other datagrams say is heard."""
        for one in datagrams(packet.dissection, packet.flows, packet.length - packet.cap_len):
            found = read_utp(one.data, one.missing, packet.number, _moment(packet))
            if found is not None:
                yield one.key, found
            if self.hear is not None:
                self.hear(one, _moment(packet))

    def put(self, number: int, key: FlowKey, segment: Segment) -> Iterator[Told]:
        """Give a segment to its stream."""
        stream = self.table.find(number)
        if stream is None:
            stream, told = self.table.open(number, key, segment.frame, segment.time_ns)
            yield from told
        yield from self.table.add(stream, [segment._replace(way=stream.way_of(key))])


def _moment(packet: Packet) -> int:
    """Return when a packet was captured, ns; 0 where that is not known, or more than 64 bits hold."""
    moment = packet.time_ns or 0
    return moment if abs(moment) < 1 << 63 else 0


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
        odd: Odd = {}
        utp: list[tuple[int, FlowKey, UtpPacket]] = []
        for place in np.flatnonzero(keys.exact).tolist():
            self.tracker.run(keys.packets, done, place, told)
            packet = reader.packet(walked.window.record(place))
            packet.flows = self.tracker.add(packet.dissection, packet.length, packet.time_ns)
            done = place + 1
            for number, key, segment in self.exact.segments(packet):
                odd.setdefault(number, []).append((place, key, segment))
            utp += ((place, *one) for one in self.exact.utp_packets(packet))
        self.tracker.run(keys.packets, done, walked.count, told)
        wanted = (keys.packets[kernel.PROTOCOL] == kernel.TCP) & ~keys.exact
        if self.table.only is not None:
            wanted &= np.isin(told[kernel.OUT_STREAM], list(self.table.only))
        places = np.flatnonzero(wanted)
        rows = keys.packets[:, places]
        found = Lanes(
            places, told[kernel.OUT_STREAM][places], rows[kernel.SEQ],
            np.where(rows[kernel.FLAGS] & _ACK, rows[kernel.ACK], -1), rows[kernel.FLAGS], keys.sides[places],
            keys.starts[places], keys.lengths[places], keys.missing[places],
        )  # fmt: skip
        window = WindowStreams(self.table, walked, keys.packets, found, odd)
        self._hear(walked.window, keys)
        return window.tell() + self._utp(walked, keys, utp)

    def _utp(
        self, walked: Walked, keys: _Keys, odd: Iterable[tuple[int, FlowKey, UtpPacket]]
    ) -> list[Told]:  # fmt: skip
        """Return what a window tells of uTP; `odd` is what the exact reader found."""
        if self.exact.utp is None:
            return []
        window, packets = walked.window, keys.packets
        told: list[Told] = []
        for place, key, packet in merge(self._datagrams(window, keys), odd, key=itemgetter(0)):
            told += self.exact.utp.add(key or key_of(packets, place), packet)
        return told

    def _hear(self, window: Window, keys: _Keys) -> None:
        """Give on the datagrams that kernels read and whose first bytes may be of a tracker, the DHT or LSD."""
        if self.exact.hear is None:
            return
        places = np.flatnonzero((keys.packets[kernel.PROTOCOL] == kernel.UDP) & ~keys.exact & (keys.lengths >= _LEAST))
        starts, words = keys.starts[places], np.zeros((3, len(places)), np.int64)
        for at in range(12):
            words[at // 4] = words[at // 4] << 8 | window.data[starts + at]
        is_heard = np.isin(words[0], _FIRST_WORDS) | (words[2] == ANNOUNCE)
        for place in places[is_heard].tolist():
            start, length, time_ns = int(keys.starts[place]), int(keys.lengths[place]), int(window.index.times[place])
            one = Datagram(
                key_of(keys.packets, place), window.data[start : start + length].tobytes(), int(keys.missing[place])
            )
            self.exact.hear(one, 0 if time_ns == NO_TIME else time_ns)

    @staticmethod
    def _datagrams(window: Window, keys: _Keys) -> Iterator[tuple[int, None, UtpPacket]]:
        """Yield what may be uTP among the datagrams that kernels read, and its place."""
        may_be = (keys.packets[kernel.PROTOCOL] == kernel.UDP) & ~keys.exact & (keys.lengths >= Utp.HEADER_LEN)
        places = np.flatnonzero(may_be)
        firsts = window.data[keys.starts[places]]
        places = places[(keys.lengths[places] == Utp0.HEADER_LEN) | ((firsts & 0x0F == 1) & (firsts >> 4 <= SYN))]
        for place in places.tolist():
            start, length, time_ns = int(keys.starts[place]), int(keys.lengths[place]), int(window.index.times[place])
            data = window.data[start : start + length].tobytes()
            found = read_utp(data, int(keys.missing[place]), window.first + place, 0 if time_ns == NO_TIME else time_ns)
            if found is not None:
                yield place, None, found


class _Keys(NamedTuple):
    """What a thread makes of a window: the packets for the tracker, which are the exact reader's, where data are.

    sides : 1 where the sender is the larger end
    starts, lengths : of what is behind the TCP or UDP header, in the buffer
    missing : bytes behind that which were not captured
    """

    packets: Array
    exact: Array
    sides: Array
    starts: Array
    lengths: Array
    missing: Array


def _plan(bindings: Sequence[Binding]) -> Plan:
    names = [*TRACKED, "tcp.hdr_len", *_LENGTHS]
    return plan_for(compile_rules(bindings), names, layers=["tcp", "udp"], every=True, pieces=True)


def _keys(walked: Walked) -> _Keys:
    packets, is_odd = keys_of(walked)
    both = walked.plan.places["tcp"] + walked.plan.places["udp"]
    lengths, has = walked.payloads(both)
    header_len, is_tcp = walked.values(walked.plan.places["tcp.hdr_len"])
    header_len = np.where(is_tcp, header_len, Udp.HEADER_LEN)
    starts = walked.window.index.starts[: walked.count] + walked.headers(both) + header_len
    is_cut = np.flatnonzero(has & (lengths < 0))
    missing, exact = np.zeros(walked.count, np.int64), walked.exact | is_odd
    if len(is_cut):
        lengths = lengths.copy()
        lengths[is_cut], missing[is_cut], is_told = _cut(walked, is_cut, starts[is_cut])
        exact[is_cut[~is_told]] = True
    return _Keys(packets, exact, sides_of(packets), starts, lengths, missing)


def _cut(walked: Walked, places: Array, starts: Array) -> tuple[Array, Array, Array]:
    """Return what is there and what is missing behind transport headers of packets that are cut, and if that is known.

    The innermost length that runs out tells it.
    """
    index = walked.window.index
    there = np.maximum(index.starts[places] + index.captured[places] - index.fcs[places] - starts, 0)
    cut = np.maximum(index.lengths[places] - index.captured[places], 0)
    missing, is_told = np.zeros(len(places), np.int64), np.zeros(len(places), np.bool_)
    for name, fixed in _LENGTHS.items():
        values, has = walked.values(walked.plan.places[name])
        ends = index.starts[places] + walked.headers(walked.plan.places[name])[places] + values[places] + fixed
        overrun = ends - starts - there
        takes = has[places] & (values[places] > 0) & ~is_told & (overrun > 0)
        missing[takes], is_told[takes] = np.minimum(overrun, cut)[takes], True
    return there, missing, is_told
