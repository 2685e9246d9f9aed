"""Open a capture, index a packet, ask it for a field: where reading, judging and reassembly meet.

>>> import pktlab
>>> packet = pktlab.packet(bytes.fromhex("4500001c0000000040117ccf7f0000017f000001003500450008fe1b"), as_="ip")
>>> packet["udp.dstport"], packet.udp.dstport, packet["udp.checksum.verdict"]
(69, 69, 'partial')
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Self

from pktlab.alone import AS, packet
from pktlab.capture import CaptureReader, Hole, Merged, Record, canonical_link_type
from pktlab.columns.filters import Clock, Filter, compile_filter
from pktlab.errors import CaptureError, DamagedCapture
from pktlab.flows import FlowTable, Fragments
from pktlab.packets import Packet, time_text, tree_text
from pktlab.schemas import load_schema
from pktlab.sources import Sources, exact_first, is_stored, open_reader
from pktlab.tables import Tabular, tables_of
from pktlab.wire.bindings import Binding, bind
from pktlab.wire.header import Header
from pktlab.wire.packet import LINK_TYPES

if TYPE_CHECKING:
    from pktlab.columns.cells import Wanted
    from pktlab.columns.table import Table
    from pktlab.columns.windows import Window

__all__ = ["AS", "Capture", "Packet", "Selection", "load_schema", "open", "packet", "time_text", "tree_text"]

Protocols = Mapping[str, type[Header]]


class Capture(Tabular):
    """A capture that is read as it is iterated over: packets come one by one, and memory does not grow.

    A capture named by its path can also be indexed, ``cap[0]`` is the first packet, and iterated over again; a stream
    (``"-"`` or a file object) is read once. The file is closed at its end, by `close`, or by leaving ``with``.
    """

    def __init__(self, source: Sources, protocols: Protocols | None = None, *, salvage: bool = False) -> None:
        self._source: Sources = source
        self._protocols = protocols
        self._salvage = salvage
        self.bindings = tuple(bind(condition, header) for condition, header in (protocols or {}).items())
        self.reader: CaptureReader | Merged = open_reader(source, salvage)
        self._started = False
        self.first_ns: int | None = None
        """Time of the first packet that has one, ns since the epoch; None before it was read."""
        self._last_ns: int | None = None
        self.previous_ns: int | None = None
        """Time of the packet before the one that was given out last; of that itself, if it was the first."""
        self.fragments = Fragments()
        self.flow_table = FlowTable()
        self.unknown_link_types: dict[int, int] = {}
        """Link types met that pktlab does not read, and the first frame of each; such packets are plain bytes."""

    @property
    def name(self) -> str:
        """The file as the user named it."""
        return self.reader.name

    @property
    def damage(self) -> DamagedCapture | None:
        """Where and why reading ended early, with `salvage` the first such place; None so far, or if all is whole."""
        return self.reader.damage

    @property
    def holes(self) -> list[Hole]:
        """With `salvage`, the parts that were passed over so far."""
        return self.reader.holes

    def __iter__(self) -> Iterator[Packet]:
        self._start()
        yield from self.rest()

    def _start(self) -> None:
        """Make sure that nothing was read yet."""
        if self._started:
            again = self._again()
            self.close()
            self.reader, self.fragments = again.reader, again.fragments
            self.flow_table = FlowTable(finished=self.flow_table.finished)
            del again.reader  # which it would close when it goes
        self._started = True

    def rest(self) -> Iterator[Packet]:
        """Yield the packets that were not read yet."""
        for record in self.reader:
            link_type = canonical_link_type(record.link_type)
            if self.first_ns is None:
                self.first_ns = record.time_ns
            last_ns, self._last_ns = self._last_ns, record.time_ns
            self.previous_ns = record.time_ns if last_ns is None else last_ns
            self.note_link_type(link_type, record.number)
            yield self.packet_of(record, self.flow_table)

    def records(self) -> Iterator[Record]:
        """Yield the records that were not read yet, without reading them as packets."""
        return iter(self.reader)

    def packet_of(self, record: Record, flow_table: FlowTable | None = None) -> Packet:
        """Return a record of this capture as a packet; `flow_table` is for whoever gives all of them, in order."""
        return Packet(record, canonical_link_type(record.link_type), self.bindings, self.fragments, flow_table)

    def note_link_type(self, link_type: int, number: int) -> None:
        """Remember a link type that is not read, and the first frame that has it."""
        if link_type not in LINK_TYPES:
            self.unknown_link_types.setdefault(link_type, number)

    def note_window(self, window: Window) -> None:
        """Remember of packets that are read in bulk what is remembered of each that is read alone."""
        for place, link_type in window.first_of_links():
            self.note_link_type(link_type, window.first + place)
        if self.first_ns is None:
            self.first_ns = window.first_time_ns()

    def frame(self, number: int) -> Packet:
        """Return the packet with `frame.number` `number`, counted from 1; the file is read up to it.

        Raises
        ------
        IndexError : the capture has fewer packets
        CaptureError : it is a stream, which can be read once
        """
        count = 0
        if number > 0:
            with self._again() as again:
                for found in again:
                    count = found.number
                    if count == number:
                        return found
        raise IndexError(f"{self.name} has no frame {number}" + (f"; it has {count}" if number > 0 else ""))

    def __getitem__(self, index: int) -> Packet:
        return self.frame((index if index >= 0 else index + self.count()) + 1)

    def count(self) -> int:
        """Return the number of packets; the file is read once for it.

        It is no ``len()``, for that `list` would ask before it reads the packets itself.
        """
        with self._again() as again:
            return sum(1 for _ in again.reader)

    def where(self, condition: str | Filter | None = None, *, bpf: str | None = None) -> Selection:
        """Return the packets that pass a display filter, as a capture of its own; nothing is read yet.

        bpf : a filter in libpcap's language, as for tcpdump, that has to hold too, or alone

        Raises
        ------
        FilterError : the filter does not read, or asks for what no packet can have
        MissingLibrary : there is a `bpf`, and libpcap is not installed

        >>> import pktlab
        >>> found = pktlab.open("pcaps/first-light.pcapng").where("udp.checksum.verdict == bad or udp.length == 9")
        >>> [packet.number for packet in found]
        [28]
        >>> pktlab.open("pcaps/first-light.pcapng").where("udp.length > 40", bpf="udp port 53").count()
        1
        """
        if isinstance(condition, Filter) and bpf is None:
            return Selection(self, condition)
        text = str(condition) if isinstance(condition, Filter) else condition
        return Selection(self, compile_filter(text, self._protocols or {}, bpf=bpf))

    @property
    def protocols(self) -> Sequence[type[Header]]:
        """The user's own."""
        return tuple((self._protocols or {}).values())

    def _batches(self, columns: Sequence[Wanted], size: int, threads: int) -> Iterator[Table]:
        return self.tables_where(None, columns, size, threads, exact_first(self.reader))

    def tables_where(
        self, chosen: Filter | None, columns: Sequence[Wanted], size: int, threads: int, exact_first: int
    ) -> Iterator[Table]:
        """Yield the tables of the packets that pass."""
        self._start()
        yield from tables_of(self, columns, chosen, size=size, threads=threads, exact_first=exact_first)

    def _again(self) -> Capture:
        if not is_stored(self._source):
            raise CaptureError(f"{self.name}: a stream can be read once; iterate over it, or name a file")
        return Capture(self._source, self._protocols, salvage=self._salvage)

    def close(self) -> None:
        """Close the file."""
        self.reader.close()

    def __del__(self) -> None:
        if hasattr(self, "reader"):  # ``pktlab.open(path)[3]`` leaves nobody to close it
            self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Capture {self.name}: {self.reader.format}>"


class Selection(Tabular):
    """The packets of a capture that pass a filter: read, indexed and counted as those of a `Capture` are.

    Their numbers are those in the file. Of a capture with more than `exact_first` packets the rest is chosen in bulk,
    of a file on `threads` cores.
    """

    def __init__(self, capture: Capture | Selection, chosen: Filter) -> None:
        self.capture = capture
        self.filter = chosen
        self.threads = os.cpu_count() or 1
        self.exact_first, self.tracks_flows = exact_first(capture.reader), chosen.asks_for_flows

    @property
    def name(self) -> str:
        """The file as the user named it."""
        return self.capture.name

    @property
    def reader(self) -> CaptureReader | Merged:
        """What reads the file."""
        return self.capture.reader

    @property
    def damage(self) -> DamagedCapture | None:
        """Where and why reading ended early; None before the end, and for a file that is whole."""
        return self.capture.damage

    @property
    def bindings(self) -> tuple[Binding, ...]:
        """The user's own protocols, and where they are found."""
        return self.capture.bindings

    @property
    def first_ns(self) -> int | None:
        """Time of the first packet of the file that has one, whether it passes or not."""
        return self.capture.first_ns

    @property
    def previous_ns(self) -> int | None:
        """Time of the packet in the file before the one that was given out last."""
        return self.capture.previous_ns

    @property
    def unknown_link_types(self) -> dict[int, int]:
        """Link types met that pktlab does not read, and the first frame of each."""
        return self.capture.unknown_link_types

    def __iter__(self) -> Iterator[Packet]:
        if not isinstance(self.capture, Capture):
            yield from self.filter.select(self.capture)  # whose times count from those that pass the other filter
            return
        for found in self._passing(self.capture):
            yield found if isinstance(found, Packet) else self.capture.packet_of(found)

    def records(self) -> Iterator[Record]:
        """Yield the records of the packets that pass; most are chosen without being read as packets."""
        found = self._passing(self.capture) if isinstance(self.capture, Capture) else self
        yield from (one.record if isinstance(one, Packet) else one for one in found)

    def _passing(self, capture: Capture) -> Iterator[Packet | Record]:
        """Yield what passes: the first ones by the exact reader."""
        clock = Clock()
        capture._start()
        yield from self.filter.select(islice(capture.rest(), self.exact_first), clock)
        if clock.count == self.exact_first:
            yield from self._rest(capture, clock)

    @property
    def is_chosen_in_bulk(self) -> bool:
        """Whether the packets of a large capture are chosen by columns: those of one file, by the first filter."""
        reader = self.reader
        is_one = isinstance(reader, CaptureReader) and not reader.salvages
        return is_one and isinstance(self.capture, Capture)

    def _rest(self, capture: Capture, clock: Clock) -> Iterator[Packet | Record]:
        """Yield those of the packets not read yet that pass: of a file they are chosen in bulk."""
        reader = capture.reader
        if not isinstance(reader, CaptureReader) or not self.is_chosen_in_bulk:
            yield from self.filter.select(capture.rest(), clock)
            return
        from pktlab.columns.where import Where

        where = Where(self.filter, capture.bindings, clock, capture.flow_table if self.tracks_flows else None)
        found = where.passing(
            reader, capture.fragments, threads=self.threads, read=clock.count, watch=capture.note_window
        )
        for window, place, asked in found:
            capture.previous_ns = window.moments(place).previous_ns
            yield window.record(place) if asked is None else asked

    def frame(self, number: int) -> Packet:
        """Return the packet with `frame.number` `number`; IndexError if there is none, or it does not pass."""
        with self._again() as again:
            for found in again:
                if found.number == number:
                    return found
        raise IndexError(f"{self.name} has no frame {number} that passes {self.filter}")

    def __getitem__(self, index: int) -> Packet:
        wanted = index if index >= 0 else index + self.count()
        with self._again() as again:
            for place, found in enumerate(again):
                if place == wanted:
                    return found
        raise IndexError(f"{self.name} has no {index} among the packets that pass {self.filter}")

    def count(self) -> int:
        """Return the number of packets that pass; the file is read once for it."""
        with self._again() as again:
            return sum(1 for _ in again)

    @property
    def protocols(self) -> Sequence[type[Header]]:
        """The user's own."""
        return self.capture.protocols

    @property
    def flow_table(self) -> FlowTable:
        """What knows the conversations."""
        return self.capture.flow_table

    def track_flows(self, *, exactly: bool = False) -> None:
        """Look at all packets for their conversations, so that those that pass know them."""
        self.tracks_flows, self.exact_first = True, sys.maxsize if exactly else self.exact_first
        self.capture.track_flows(exactly=exactly)

    def _batches(self, columns: Sequence[Wanted], size: int, threads: int) -> Iterator[Table]:
        if isinstance(self.capture, Capture) and not self.tracks_flows:
            return self.capture.tables_where(self.filter, columns, size, threads, self.exact_first)
        from pktlab.columns.exactly import exact_tables

        return exact_tables(self.capture, columns, self.protocols, size=size, chosen=self.filter)

    def where(self, condition: str | Filter | None = None, *, bpf: str | None = None) -> Selection:
        """Return those that pass another filter too."""
        return Selection(self, self.capture.where(condition, bpf=bpf).filter)

    def _again(self) -> Selection:
        return Selection(self.capture._again(), self.filter)

    def close(self) -> None:
        """Close the file."""
        self.capture.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Selection of {self.capture!r} where {self.filter}>"


def open(source: Sources, *, protocols: Protocols | None = None, salvage: bool = False) -> Capture:
    """Open a capture: pcap or pcapng, plain or packed with gzip or zstd.

    Parameters
    ----------
    source : path, ``"-"`` for standard input, or a binary file object; of a list of them the packets come merged, by
        time
    protocols : a user's own, by where they are found: ``{"udp.port=9999": Echo}``; they go before the built-in ones
    salvage : behind damage, go on with the next packet that can be proven; `Capture.holes` lists what was passed over

    Raises
    ------
    CaptureError : there is nothing to read; says what is there instead
    SchemaError : a condition in `protocols` names no known field
    """
    return Capture(source, protocols, salvage=salvage)
