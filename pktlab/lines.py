"""The packets of a capture as lines of text: the first ones by the exact reader, the rest in bulk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from pktlab.api import Capture, Selection
from pktlab.capture import CaptureReader, Record
from pktlab.columns.filters import Clock
from pktlab.packets import Packet
from pktlab.sources import exact_first as usual_first

if TYPE_CHECKING:
    from pktlab.columns.lines import Printed
    from pktlab.columns.where import Chosen

__all__ = ["Line", "Lines"]


class Line(NamedTuple):
    """A packet and its line.

    octets : the line in UTF-8, with its end
    """

    number: int
    time_ns: int | None
    octets: bytes
    maker: Callable[[], Record]

    @property
    def record(self) -> Record:
        """The packet as it lies in the file; to be asked for before the next line is."""
        return self.maker()


class Lines:
    r"""The lines of a capture.

    Parameters
    ----------
    capture : nothing of it was read yet
    threads : on how many cores all lines are made
    exact_first : packets whose lines are made before the kernels are loaded; see `sources.exact_first` if None

    >>> import pktlab
    >>> lines = Lines(pktlab.open("pcaps/first-light.pcapng").where("arp.opcode == 2"))
    >>> print(b"".join(lines).decode(), end="")
        2     0.000046  ARP 192.0.2.2 is at 02:00:00:00:00:02
       36     0.355973  VLAN 100 ARP 198.51.100.2 is at 02:00:00:00:00:02
    """

    def __init__(self, capture: Capture | Selection, *, threads: int = 1, exact_first: int | None = None) -> None:
        self.capture, self.threads = capture, threads
        self.exact_first = usual_first(capture.reader) if exact_first is None else exact_first

    def line(self, packet: Packet) -> bytes:
        """Return the line of the packet that the capture has just given out, with its end."""
        return _octets(packet, self.capture.first_ns)

    def __iter__(self) -> Iterator[bytes]:
        """Yield the lines, some at a time."""
        clock = Clock()
        yield from map(self.line, self._first(clock))
        if not self._goes_on(clock):
            return
        from pktlab.columns.rows import spliced

        for shown in self._rest(clock, self.threads):
            shown.capture.note_window(shown.window)
            yield from spliced(shown.printed.out, shown.printed.ends, shown.asked, shown.exact_line)

    def each(self) -> Iterator[Line]:
        """Yield the lines one by one, for somebody who will not have all of them: no packet is read that is not needed.

        Of a `Selection` what it reads ahead is read.
        """
        clock = Clock()
        for packet in self._first(clock):
            yield _line(packet, self.line(packet))
        if self._goes_on(clock):
            for shown in self._rest(clock, 1):
                yield from shown.each()

    def _goes_on(self, clock: Clock) -> bool:
        """Tell whether packets are left that are read in bulk."""
        return self._in_bulk and clock.count == self.exact_first

    @property
    def _in_bulk(self) -> bool:
        """Whether packets can be read in bulk at all."""
        capture = self.capture
        if isinstance(capture, Selection):
            return capture.is_chosen_in_bulk and not capture.tracks_flows
        return isinstance(capture.reader, CaptureReader)

    def _first(self, clock: Clock) -> Iterator[Packet]:
        """Yield the packets that are read one by one; all of them, if the rest cannot be read in bulk."""
        capture = self.capture
        if not self._in_bulk:
            yield from capture
        elif isinstance(capture, Capture):
            for packet in islice(capture, self.exact_first):
                clock.moments(packet.time_ns)
                yield packet
        else:
            assert isinstance(capture.capture, Capture)
            yield from capture.filter.select(islice(capture.capture, self.exact_first), clock)

    def _rest(self, clock: Clock, threads: int) -> Iterator[_Shown]:
        """Yield the windows of the packets that were not read yet."""
        from pktlab.columns.lines import LinePrinter

        printer = LinePrinter(self.capture.bindings)
        reader = self.capture.reader
        assert isinstance(reader, CaptureReader)
        if isinstance(self.capture, Capture):
            found = printer.windows(reader, threads=threads, read=clock.count, first_ns=clock.first_ns)
            for printed in found:
                yield _Shown(self.capture, printed)
            return
        from pktlab.columns.where import Where

        assert isinstance(self.capture.capture, Capture)
        selection, capture = self.capture, self.capture.capture

        def work(chosen: Chosen) -> Printed:
            return printer.printed(chosen.window, ~chosen.passes | chosen.asked)

        where = Where(selection.filter, capture.bindings, clock)
        for chosen, printed in where.windows(reader, work, threads=selection.threads, read=clock.count):
            yield _Chosen(capture, printed, selection, chosen)


class _Shown:
    """The lines of a window, of which the exact reader has to give some; to be asked for each of those, in order."""

    def __init__(self, capture: Capture, printed: Printed) -> None:
        self.capture, self.printed = capture, printed
        self.window = printed.window
        self.asked = printed.asked
        self.first_ns = printed.window.first_ns
        if capture.first_ns is None:
            capture.first_ns = self.first_ns

    def exact_line(self, place: int) -> bytes:
        """Return the line that the exact reader gives a packet; empty if it is not shown."""
        return _octets(self.capture.packet_of(self.window.record(place)), self.first_ns)

    def each(self) -> Iterator[Line]:
        """Yield the lines one by one."""
        links = dict(self.window.first_of_links())
        window, start = self.window, 0
        for place, (asked, stop) in enumerate(zip(self.asked.tolist(), self.printed.ends.tolist(), strict=True)):
            if place in links:
                self.capture.note_link_type(links[place], window.first + place)
            octets = self.exact_line(place) if asked else self.printed.out[start:stop].tobytes()
            start = stop
            if octets:
                yield Line(window.first + place, window.time_ns(place), octets, partial(window.record, place))


class _Chosen(_Shown):
    """The same of those packets that pass a filter."""

    def __init__(self, capture: Capture, printed: Printed, selection: Selection, chosen: Chosen) -> None:
        super().__init__(capture, printed)
        self.filter, self.unsure = selection.filter, chosen.asked
        self.asked = printed.asked | chosen.asked

    def exact_line(self, place: int) -> bytes:
        """Return the line of a packet that passes."""
        packet = self.capture.packet_of(self.window.record(place))
        if self.unsure[place] and not self.filter.matches(packet, self.window.moments(place)):
            return b""
        return _octets(packet, self.first_ns)


def _octets(packet: Packet, first_ns: int | None) -> bytes:
    return f"{packet.line(first_ns)}\n".encode()


def _line(packet: Packet, octets: bytes) -> Line:
    return Line(packet.number, packet.time_ns, octets, lambda: packet.record)
