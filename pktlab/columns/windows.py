"""Windows on a capture: a reused buffer of bytes, and where the packets in it lie.

The index kernels find plain records and enhanced packet blocks at the speed of memory. Whatever else there is (another
block, a record that is cut or cannot be, an old version) is read by `pktlab.capture`, which owns the formats: the bytes
are put back into its window, it reads on packet by packet, and gives back what is left. Such packets are put together
in a buffer too, so that all that follows knows one shape.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle, islice
from typing import Any

import numpy as np

from pktlab.capture import CaptureReader, Interface, Record, canonical_link_type, max_packet_len
from pktlab.capture.blocks import Layout
from pktlab.capture.options import parse_options
from pktlab.capture.pcap import PcapDecoder
from pktlab.capture.pcapng import PcapngDecoder, apply_options
from pktlab.capture.records import NS_PER_S
from pktlab.columns import kernels
from pktlab.columns.filters.occurrences import Moments

__all__ = ["WINDOW_LEN", "Window", "Windows", "max_packets"]

Array = np.ndarray[Any, Any]
WINDOW_LEN = 1 << 22
"""Bytes looked at together: more than a processor's own cache holds, less than its cores share. With a quarter of it
the interpreter, which runs a few hundred lines a window, took half of the time."""
PAD = 64
_U32 = (1 << 32) - 1
NO_TIME = -(1 << 63)
"""Stands for a packet that has no time, or one that 64 bits do not hold."""
_ODD_RUN = 256  # packets that are read one by one before the kernels are tried again


def max_packets(window_len: int) -> int:
    """Return how many packets a window may hold.

    >>> max_packets(WINDOW_LEN), max_packets(64)
    (87381, 256)
    """
    return max(window_len // 48, _ODD_RUN)


class Index:
    """Where the packets of a window lie: one entry a packet in each array.

    starts : int64, first byte in the buffer; captured : int32, lengths : uint32, bytes in the file and on the wire;
    times : int64, ns since the epoch; links : int32, place in `Window.link_types`; fcs : int8, bytes of frame check
    sequence; flags : int32, the lower bits of epb_flags, or -1. As narrow as can be: what is written for each packet
    competes with packets for the processor's caches.
    """

    def __init__(self, size: int) -> None:
        self.starts = np.empty(size, np.int64)
        self.captured = np.empty(size, np.int32)
        self.lengths = np.empty(size, np.uint32)
        self.times = np.empty(size, np.int64)
        self.links = np.zeros(size, np.int32)
        self.fcs = np.zeros(size, np.int8)
        self.flags = np.full(size, -1, np.int32)


class Window:
    """Some packets of a capture, one behind another.

    data : uint8, the buffer; index : where they lie in it; count : how many; first : `frame.number` of the first;
    link_types : what `index.links` counts; timeless : none of them has a time
    """

    def __init__(self, buffer: Array, index: Index) -> None:
        self.data = buffer
        self.index = index
        self.count = 0
        self.first = 1
        self.link_types: list[int] = []
        self.interfaces: list[Interface] = []
        self.packets: list[Record] | None = None
        self.first_ns: int | None = None  # time of the first packet of the capture that has one
        self.previous_ns: int | None = None  # time of the packet before the first one here
        self.offset = 0  # of the buffer in the stream, bytes
        self.header_len = 0
        self.decoder: Any = None
        self.layout: Layout | None = None  # of a pcapng; that of the decoder may be of a later section

    def frame(self, name: str) -> tuple[Array, Array]:
        """Return what the capture says of each packet, int64, and of which it says it; `name` is a ``frame.`` field."""
        index, has = self.index, np.ones(self.count, np.bool_)
        match name:
            case "frame.number":
                return np.arange(self.first, self.first + self.count), has
            case "frame.len":
                return index.lengths[: self.count].astype(np.int64), has
            case "frame.cap_len":
                return index.captured[: self.count].astype(np.int64), has
            case "frame.interface_id":
                return self._interface_ids()
        return self._times(name)

    def _interface_ids(self) -> tuple[Array, Array]:
        if self.packets is not None:
            known = [packet.interface_id for packet in self.packets]
            return np.array([one or 0 for one in known], np.int64), np.array([one is not None for one in known])
        is_told = isinstance(self.decoder, PcapngDecoder)
        return self.index.links[: self.count].astype(np.int64), np.full(self.count, is_told)

    def _times(self, name: str) -> tuple[Array, Array]:
        times = self.index.times[: self.count].copy()
        has = times != NO_TIME
        if name in ("frame.time_relative", "frame.time_delta") and not self.has_origin:
            return times, np.zeros(self.count, np.bool_)
        if name == "frame.time_relative":
            return np.where(has, times - (self.first_ns or 0), 0), has
        if name == "frame.time_delta":
            before = np.concatenate([[times[0] if self.previous_ns is None else self.previous_ns], times[:-1]])
            return np.where(has & (before != NO_TIME), times - before, 0), has
        return times, has

    def moments(self, place: int) -> Moments:
        """Return what the relative times of a packet count from."""
        previous = self.time_ns(place - 1) if place else self.previous_ns
        return Moments(self.first_ns, self.time_ns(place) if previous is None else previous)

    def time_ns(self, place: int) -> int | None:
        """Return the time of a packet, ns since the epoch; None if it has none."""
        return int(self.index.times[place]) if self.packets is None else self.packets[place].time_ns

    @property
    def has_origin(self) -> bool:
        """Whether 64 bits hold the times that relative times count from."""
        return all(_bounded(one or 0) != NO_TIME for one in (self.first_ns, self.previous_ns))

    def first_time_ns(self) -> int | None:
        """Return the time of the first packet that has one."""
        times = (self.time_ns(place) for place in range(self.count))
        return next((one for one in times if one is not None), None)

    def first_of_links(self) -> Iterator[tuple[int, int]]:
        """Yield the place of the first packet of each link type, and the link type."""
        links = self.index.links[: self.count]
        if len(self.link_types) == 1:
            yield 0, self.link_types[0]
            return
        for link, place in zip(*np.unique(links, return_index=True), strict=True):
            yield int(place), self.link_types[link]

    def record(self, place: int) -> Record:
        """Return a packet of the window as `CaptureReader` gives it."""
        if self.packets is not None:
            return self.packets[place]
        index = self.index
        start = int(index.starts[place])
        stop = start + int(index.captured[place])
        interface = self.interfaces[index.links[place]]
        record = Record(
            self.first + place, int(index.times[place]), self.data[start:stop].tobytes(), int(index.lengths[place]),
            interface.link_type, interface.interface_id, self.offset + start - self.header_len, None, (),
            interface.fcs_len, interface.section,
        )  # fmt: skip
        if self.layout is not None:
            self._add_options(record, start, stop, self.layout)
        return record

    def _add_options(self, record: Record, start: int, stop: int, layout: Layout) -> None:
        length_at = start - self.header_len + 4
        total = int.from_bytes(self.data[length_at : length_at + 4].tobytes(), layout.byte_order)
        at, end = stop + -(stop - start) % 4, start - self.header_len + total - 4
        if at < end:
            found, _ = parse_options(self.data[at:end].tobytes(), 0, end - at, layout.option)
            apply_options(record, found, layout)

    def may_have_comments(self) -> Array:
        """Return which packets have options, of which one may be a comment; bool, shape (packets,)."""
        if self.packets is not None:
            return np.array([bool(packet.comments) for packet in self.packets], np.bool_)
        if self.layout is None:
            return np.zeros(self.count, np.bool_)
        starts, captured = self.index.starts[: self.count], self.index.captured[: self.count]
        totals = self.data[(starts - self.header_len + 4)[:, None] + np.arange(4)]
        lengths = totals.view("<u4" if self.layout.byte_order == "little" else ">u4").ravel()
        has: Array = captured + -captured % 4 + self.header_len + 4 < lengths
        return has


class Windows:
    """The windows of a capture, in file order.

    Parameters
    ----------
    reader : a capture; its packets from the next one on are given
    read : packets of it that were read already; first_ns, previous_ns : times of the first and the last of them
    spare : windows that are in use besides the one that is given out last; each is filled again after that
    window_len : bytes of a window; a packet that is longer is read by the exact reader
    """

    def __init__(
        self,
        reader: CaptureReader,
        spare: int = 0,
        read: int = 0,
        first_ns: int | None = None,
        previous_ns: int | None = None,
        window_len: int = WINDOW_LEN,
    ) -> None:
        self.reader = reader
        self._decoder: Any = reader.decoder
        self._len, room = window_len, max(window_len // 48, 1)
        self._windows = cycle([Window(np.empty(window_len + PAD, np.uint8), Index(room)) for _ in range(spare + 1)])
        self._waits = reader.is_plain_file  # for a window to be full
        self._count = read  # packets given out
        self._first_ns, self._previous_ns = first_ns, previous_ns
        self._run = 1  # packets that are next read one by one
        self._cut = 0  # bytes of a packet that has not all come yet

    def __iter__(self) -> Iterator[Window]:
        for window in self._windows_in_order():
            if self._first_ns is None:
                self._first_ns = window.first_time_ns()
            window.first_ns, window.previous_ns = self._first_ns, self._previous_ns
            self._previous_ns = window.time_ns(window.count - 1)
            yield window

    def _windows_in_order(self) -> Iterator[Window]:
        if not self._is_indexable():
            yield from self._one_by_one(iter(self.reader))
            return
        if isinstance(self._decoder, PcapngDecoder):
            self._decoder.leave()
        while True:
            window = next(self._windows)
            why = self._fill(window)
            if window.count:
                yield window
            if why != kernels.ODD:
                continue
            records = self.reader.taking(self._decoder.records(self._count))
            if isinstance(self._decoder, PcapDecoder):  # which does not come back from what is odd
                yield from self._one_by_one(records)
                break
            wanted = self._run if self._waits else 1
            run = list(islice(records, wanted))
            yield from self._one_by_one(iter(run))
            if len(run) < wanted:
                break
            self._run = min(2 * self._run, _ODD_RUN)
        self.reader.close()

    def _is_indexable(self) -> bool:
        """Tell whether kernels can find packets in it."""
        decoder = self._decoder
        plain = decoder.plain if isinstance(decoder, PcapDecoder | PcapngDecoder) else None
        return plain is not None and not self.reader.salvages

    def _fill(self, window: Window) -> int:
        """Put the next packets into a window; return why there are no more in it."""
        stream = self._decoder.window
        if isinstance(self._decoder, PcapngDecoder):
            self._decoder.leave()
        end, is_end = self._read(stream, memoryview(window.data))  # type: ignore[arg-type]
        window.packets, window.decoder = None, self._decoder
        window.first, window.offset = self._count + 1, stream.offset - end
        index_of = self._index_pcap if isinstance(self._decoder, PcapDecoder) else self._index_pcapng
        window.count, pos, why = index_of(window, end)
        self._count += window.count
        if window.count >= _ODD_RUN:
            self._run = 1
        stream.put_back(window.data[pos:end].tobytes())
        is_stuck = why == kernels.MORE and (is_end or (not pos and end == self._len))
        self._cut = end - pos if why == kernels.MORE and not is_stuck else 0
        return int(kernels.ODD) if is_stuck else int(why)

    def _read(self, stream: Any, room: memoryview) -> tuple[int, bool]:
        """Read what is there, of a file on a disk as much as there is room for; return how much, and if that is all."""
        end = 0
        while end < self._len:
            count = stream.read_into(room[end : self._len])
            end += count
            if not count:
                return end, True
            if end > self._cut and not self._waits:
                break
        return end, False

    def _index_pcap(self, window: Window, end: int) -> tuple[int, int, int]:
        little, fraction_ns = self._decoder.plain
        window.interfaces = self._decoder.interfaces
        link_type = window.interfaces[0].link_type
        window.link_types, window.header_len = [canonical_link_type(link_type)], 16
        index = window.index
        return kernels.index_pcap(  # type: ignore[no-any-return]
            window.data, 0, end, little, fraction_ns, max_packet_len(link_type), window.interfaces[0].fcs_len or 0,
            index.starts, index.captured, index.lengths, index.times, index.fcs,
        )  # fmt: skip

    def _index_pcapng(self, window: Window, end: int) -> tuple[int, int, int]:
        window.interfaces, window.header_len, window.layout = list(self._decoder.here), 28, self._decoder.layout
        window.link_types = [canonical_link_type(one.link_type) for one in window.interfaces]
        index = window.index
        return kernels.index_pcapng(  # type: ignore[no-any-return]
            window.data, 0, end, self._decoder.plain[0], _clocks(window.interfaces),
            index.starts, index.captured, index.lengths, index.times, index.links, index.fcs, index.flags,
        )  # fmt: skip

    def _one_by_one(self, records: Iterator[Record]) -> Iterator[Window]:
        """Put packets that were read into windows."""
        while taken := list(islice(records, _ODD_RUN if self._waits else 1)):
            window = _window_of(taken)
            self._count += len(taken)
            yield window


def _clocks(interfaces: list[Interface]) -> Array:
    """Return what `index_pcapng` has to know of each interface; a clock that needs more than 64 bits cannot be told."""
    clocks = np.zeros((len(interfaces), 4), np.int64)
    for place, one in enumerate(interfaces):
        unit, rest = divmod(NS_PER_S, one.ticks_per_second)
        offset_ns = one.ts_offset_s * NS_PER_S
        is_told = not rest and abs(offset_ns) < 1 << 61
        clocks[place] = (
            unit if is_told else 0,
            offset_ns if is_told else 0,
            max_packet_len(one.link_type),
            (one.fcs_len or 0),
        )
    return clocks


def _window_of(packets: list[Record]) -> Window:
    """Return a window of packets that were read one by one."""
    size = sum(len(packet.data) for packet in packets)
    window = Window(np.zeros(size + PAD, np.uint8), Index(len(packets)))
    window.packets, window.first, window.count = packets, packets[0].number, len(packets)
    links: dict[int, int] = {}
    index, at = window.index, 0
    for place, packet in enumerate(packets):
        captured = len(packet.data)
        window.data[at : at + captured] = np.frombuffer(packet.data, np.uint8)
        link_type = canonical_link_type(packet.link_type)
        index.starts[place], index.captured[place], index.lengths[place] = at, captured, min(packet.length, _U32)
        index.times[place] = _bounded(packet.time_ns)
        index.links[place] = links.setdefault(link_type, len(links))
        index.fcs[place] = (packet.fcs_len or 0) if captured >= packet.length else 0
        index.flags[place] = -1 if packet.flags is None else packet.flags & 0x7FFF_FFFF
        at += captured
    window.link_types = list(links)
    return window


def _bounded(time_ns: int | None) -> int:
    return time_ns if time_ns is not None and abs(time_ns) < 1 << 63 else NO_TIME
