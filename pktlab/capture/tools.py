"""Merge, slice and convert captures, packet by packet, in memory that does not grow with them.

What slices packets takes records as well as anything else with a time that comes in the order of the file.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from typing import Literal, Protocol, TypeVar

from pktlab.capture.linktypes import link_type_name
from pktlab.capture.other_blocks import Block
from pktlab.capture.output import Target
from pktlab.capture.reader import CaptureReader, open_capture
from pktlab.capture.records import Interface, Record, Section
from pktlab.capture.salvage import Hole
from pktlab.capture.source import Source
from pktlab.capture.writer import open_writer
from pktlab.errors import CaptureError, DamagedCapture
from pktlab.ranges import RangeSet

__all__ = ["Merged", "Timed", "between", "convert", "merge", "numbered", "open_merged", "picked"]

_NS_PER_US = 1000
_Item = TypeVar("_Item")


class Timed(Protocol):
    """What stands at a time."""

    @property
    def time_ns(self) -> int | None:
        """Return ns since 1970-01-01 UTC; None if it is not known."""


_TimedItem = TypeVar("_TimedItem", bound=Timed)


class Merged:
    """The packets of several captures as of one, by time; `merge` makes these.

    A section of a capture is a section here, so each packet still names the interface that it was seen on, and
    `open_writer` takes this as `like`.

    Attributes
    ----------
    sections, interfaces : those that were met so far, of all captures
    readers : the captures
    """

    format: Literal["pcapng"] = "pcapng"
    compression = None

    def __init__(self, readers: Sequence[CaptureReader]) -> None:
        self.sections: list[Section] = []
        self.interfaces: list[Interface] = []
        self.readers = readers
        self._known: set[Interface] = set()
        self._places: dict[tuple[int, int], int] = {}  # capture and its section -> section here
        self._watchers: list[Callable[[Block], None]] = []
        for index, reader in enumerate(readers):
            reader.watch_blocks(lambda block, index=index: self._pass_on(index, block))  # type: ignore[misc]
            self._section(index, 0)
        self._records = self._merge()

    def __iter__(self) -> Iterator[Record]:
        return self._records

    @property
    def name(self) -> str:
        """The first file as the user named it, and how many more there are."""
        more = len(self.readers) - 1
        return self.readers[0].name + (f" and {more} more" if more else "")

    @property
    def description(self) -> str:
        """What this is, in words."""
        return f"{len(self.readers)} captures merged by time"

    @property
    def damage(self) -> DamagedCapture | None:
        """The damage of the first capture that has any."""
        return next((reader.damage for reader in self.readers if reader.damage is not None), None)

    @property
    def holes(self) -> list[Hole]:
        """The parts of all captures from which no packet could be proven."""
        return [hole for reader in self.readers for hole in reader.holes]

    @property
    def bytes_read(self) -> int:
        """Bytes taken from all files so far."""
        return sum(reader.bytes_read for reader in self.readers)

    def close(self) -> None:
        """Close all files, and end the iteration."""
        self._records.close()
        for reader in self.readers:
            reader.close()

    def interface_of(self, record: Record) -> Interface:
        """Return the interface that a packet of this was seen on."""
        return self.sections[record.section].interfaces[record.interface_id or 0]

    def watch_blocks(self, watcher: Callable[[Block], None]) -> None:
        """Have each block without a packet told, beginning with those that are kept already."""
        self._watchers.append(watcher)
        for index, reader in enumerate(self.readers):
            for block in reader.blocks:
                watcher(replace(block, section=self._section(index, block.section)))

    def _pass_on(self, index: int, block: Block) -> None:
        self._note(self.readers[index].sections[block.section].interfaces)
        for watcher in self._watchers:
            watcher(replace(block, section=self._section(index, block.section)))

    def _section(self, index: int, section: int) -> int:
        """Return the number that a section of a capture has here, and note its interfaces."""
        place = self._places.setdefault((index, section), len(self.sections))
        if place == len(self.sections):
            self.sections.append(self.readers[index].sections[section])
        return place

    def _note(self, interfaces: Iterable[Interface]) -> None:
        for interface in interfaces:
            if interface not in self._known:
                self._known.add(interface)
                self.interfaces.append(interface)

    def _merge(self) -> Generator[Record, None, None]:
        waiting: list[tuple[int, int, Record]] = []
        for index in range(len(self.readers)):
            _advance(waiting, self.readers[index], index)
        number = 0
        while waiting:
            _, index, head = heapq.heappop(waiting)
            reader = self.readers[index]
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


def open_merged(sources: Sequence[Source], *, salvage: bool = False) -> Merged:
    """Open several captures as one, their packets by time; the parameters are those of `open_capture`.

    Raises
    ------
    CaptureError : one of them cannot be read; none stays open then

    >>> open_merged(["/no/such.pcap"])
    Traceback (most recent call last):
    pktlab.errors.CaptureError: /no/such.pcap: no such file
    """
    with ExitStack() as unless_opened:
        readers = []
        for source in sources:
            readers.append(open_capture(source, salvage=salvage))
            unless_opened.callback(readers[-1].close)
        unless_opened.pop_all()
    return merge(readers)


def numbered(records: Iterable[_Item], first: int = 1, last: int | None = None) -> Iterator[_Item]:
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


def picked(records: Iterable[_Item], numbers: RangeSet) -> Iterator[_Item]:
    """Yield the packets whose number, counted from 1, is in a set; reading ends behind the last of them.

    >>> numbers = RangeSet()
    >>> numbers.add(2, 4), numbers.add(6, 7)
    (True, True)
    >>> [record.number for record in picked((Record(n, 0, b"", 0, 1) for n in range(1, 9)), numbers)]
    [2, 3, 6]
    """
    ranges = deque(numbers)  # a list would take the length of the set for that of itself
    if not ranges:
        return
    source = enumerate(records, 1)
    start, stop = ranges.popleft()
    for number, record in source:
        if number >= start:
            yield record
            if number + 1 == stop:
                if not ranges:
                    return
                start, stop = ranges.popleft()


def between(
    records: Iterable[_TimedItem], start_ns: int | None = None, end_ns: int | None = None
) -> Iterator[_TimedItem]:
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
