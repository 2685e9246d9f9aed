"""Merge, slice and convert captures, packet by packet, in memory that does not grow with them."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Literal

from pktlab.capture.linktypes import link_type_name
from pktlab.capture.other_blocks import Block
from pktlab.capture.output import Target
from pktlab.capture.reader import CaptureReader
from pktlab.capture.records import Interface, Record, Section
from pktlab.capture.writer import open_writer
from pktlab.errors import CaptureError

__all__ = ["Merged", "between", "convert", "merge", "numbered"]

_NS_PER_US = 1000


class Merged:
    """The packets of several captures as of one, by time; `merge` makes these.

    A section of a capture is a section here, so each packet still names the interface that it was seen on, and
    `open_writer` takes this as `like`.

    Attributes
    ----------
    sections, interfaces : those that were met so far, of all captures
    """

    format: Literal["pcapng"] = "pcapng"

    def __init__(self, readers: Sequence[CaptureReader]) -> None:
        self.sections: list[Section] = []
        self.interfaces: list[Interface] = []
        self._readers = readers
        self._known: set[Interface] = set()
        self._places: dict[tuple[int, int], int] = {}  # capture and its section -> section here
        self._watchers: list[Callable[[Block], None]] = []
        for index, reader in enumerate(readers):
            reader.watch_blocks(lambda block, index=index: self._pass_on(index, block))  # type: ignore[misc]
            self._section(index, 0)
        self._records = self._merge()

    def __iter__(self) -> Iterator[Record]:
        return self._records

    def interface_of(self, record: Record) -> Interface:
        """Return the interface that a packet of this was seen on."""
        return self.sections[record.section].interfaces[record.interface_id or 0]

    def watch_blocks(self, watcher: Callable[[Block], None]) -> None:
        """Have each block without a packet told, beginning with those that are kept already."""
        self._watchers.append(watcher)
        for index, reader in enumerate(self._readers):
            for block in reader.blocks:
                watcher(replace(block, section=self._section(index, block.section)))

    def _pass_on(self, index: int, block: Block) -> None:
        self._note(self._readers[index].sections[block.section].interfaces)
        for watcher in self._watchers:
            watcher(replace(block, section=self._section(index, block.section)))

    def _section(self, index: int, section: int) -> int:
        """Return the number that a section of a capture has here, and note its interfaces."""
        place = self._places.setdefault((index, section), len(self.sections))
        if place == len(self.sections):
            self.sections.append(self._readers[index].sections[section])
        return place

    def _note(self, interfaces: Iterable[Interface]) -> None:
        for interface in interfaces:
            if interface not in self._known:
                self._known.add(interface)
                self.interfaces.append(interface)

    def _merge(self) -> Iterator[Record]:
        waiting: list[tuple[int, int, Record]] = []
        for index in range(len(self._readers)):
            _advance(waiting, self._readers[index], index)
        number = 0
        while waiting:
            _, index, head = heapq.heappop(waiting)
            reader = self._readers[index]
            record: Record | None = head
            while record and (record is head or record.time_ns is None):
                number += 1
                self._note([reader.interface_of(record)])
                yield replace(record, number=number, section=self._section(index, record.section))
                record = next(iter(reader), None)
            if record and record.time_ns is not None:
                heapq.heappush(waiting, (record.time_ns, index, record))


def _advance(waiting: list[tuple[int, int, Record]], reader: CaptureReader, index: int) -> None:
    """Put the first packet of a capture in line; one without a time is the very first."""
    record = next(iter(reader), None)
    if record is not None:
        heapq.heappush(waiting, (record.time_ns or 0, index, record))


def merge(readers: Sequence[CaptureReader]) -> Merged:
    r"""Return the packets of several captures by time, numbered anew; at one time the first capture's first.

    Nothing is sorted within a capture: a packet never passes one that stands before it in its own file. A packet
    without a time follows the one before it.

    >>> import io
    >>> from pktlab.capture import open_capture
    >>> header = bytes.fromhex("d4c3b2a1 02000400 00000000 00000000 ffff0000 01000000")
    >>> packet = lambda second: second.to_bytes(4, "little") + bytes(4) + b"\1\0\0\0" * 2 + bytes([second])
    >>> one, other = (io.BytesIO(header + packet(s) + packet(s + 5)) for s in (1, 3))
    >>> [(record.number, record.section, record.data[0]) for record in merge([open_capture(one), open_capture(other)])]
    [(1, 0, 1), (2, 1, 3), (3, 0, 6), (4, 1, 8)]
    """
    return Merged(readers)


def numbered(records: Iterable[Record], first: int = 1, last: int | None = None) -> Iterator[Record]:
    """Yield the packets from the `first` to the `last`, counted from 1, both included; then reading ends.

    Raises
    ------
    ValueError : `first` is under 1

    >>> [record.number for record in numbered((Record(n, 0, b"", 0, 1) for n in range(1, 9)), 3, 4)]
    [3, 4]
    """
    if first < 1:
        raise ValueError(f"packets are counted from 1, not from {first}")
    return islice(records, first - 1, None if last is None else max(last, first - 1))


def between(records: Iterable[Record], start_ns: int | None = None, end_ns: int | None = None) -> Iterator[Record]:
    """Yield the packets from `start_ns` on and before `end_ns`, in ns since 1970.

    A packet without a time goes with the one before it, the first ones of a file with those that follow no start.

    >>> [record.time_ns for record in between((Record(n, n * 10, b"", 0, 1) for n in range(1, 9)), 30, 50)]
    [30, 40]
    """
    is_in = start_ns is None
    for record in records:
        if record.time_ns is not None:
            is_in = (start_ns is None or record.time_ns >= start_ns) and (end_ns is None or record.time_ns < end_ns)
        if is_in:
            yield record


def convert(
    source: CaptureReader | Merged,
    target: Target,
    *,
    format: Literal["pcap", "pcapng"] | None = None,
    nanoseconds: bool | None = None,
    records: Iterable[Record] | None = None,
) -> int:
    """Write the packets of a capture in another format, and return how many they were.

    Parameters
    ----------
    source : the capture, or several that are merged
    target : a path, `"-"` or a binary file object
    format, nanoseconds : as for `open_writer`; a pcap of several link types is refused
    records : if not all packets are to be written: those that are

    Raises
    ------
    CaptureError : the format cannot hold a packet: its link type differs, it has no time (pcap), or its time is
        finer than the format counts. Nothing is left of the target then

    >>> import io
    >>> from pktlab.capture import open_capture
    >>> header = bytes.fromhex("4d3cb2a1 02000400 00000000 00000000 ffff0000 01000000")
    >>> packet = bytes.fromhex("01000000 07000000 01000000 01000000 aa")
    >>> out = io.BytesIO()
    >>> convert(open_capture(io.BytesIO(header + packet)), out, format="pcapng")
    1
    >>> next(open_capture(io.BytesIO(out.getvalue()))).time_ns
    1000000007
    >>> convert(open_capture(io.BytesIO(header + packet)), out, format="pcap", nanoseconds=False)
    Traceback (most recent call last):
    pktlab.errors.CaptureError: <stream>: packet 1 has a time of 1000000007 ns: microseconds cannot hold it
    """
    with open_writer(target, format=format, nanoseconds=nanoseconds, like=source) as writer:
        for record in source if records is None else records:
            if writer.format == "pcap" and record.time_ns is None:
                kind = link_type_name(record.link_type)
                raise CaptureError(
                    f"{_name(target)}: packet {record.number} ({kind}) has no time: write pcapng instead"
                )
            if nanoseconds is False and (record.time_ns or 0) % _NS_PER_US:
                why = f"has a time of {record.time_ns} ns: microseconds cannot hold it"
                raise CaptureError(f"{_name(target)}: packet {record.number} {why}")
            writer.write(record)
        return writer.packets


def _name(target: Target) -> str:
    name = target if isinstance(target, str) else getattr(target, "name", None) or "<stream>"
    return str(name)
