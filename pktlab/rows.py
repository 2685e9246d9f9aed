"""Chosen fields of a capture as rows of text: the first packets by the exact reader, the rest in bulk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from pktlab.api import Capture, Selection
from pktlab.capture import CaptureReader
from pktlab.columns.filters import Clock, Filter
from pktlab.columns.filters.occurrences import Moments
from pktlab.columns.printing import JsonLayout, Layout, printer_of
from pktlab.columns.registry import registry
from pktlab.packets import Packet
from pktlab.sources import exact_first

if TYPE_CHECKING:
    pass

__all__ = ["Rows"]


class Rows:
    r"""The rows of a capture.

    Parameters
    ----------
    capture : nothing of it was read yet
    names : of fields; layout : how a row is laid out

    >>> import pktlab
    >>> capture = pktlab.open("pcaps/first-light.pcapng")
    >>> b"".join(Rows(capture, ["frame.number", "ip.ttl"], Layout()))[:20]
    b'1\t\n2\t\n3\t64\n4\t64\n5\t64'
    """

    def __init__(
        self, capture: Capture | Selection, names: Sequence[str], layout: Layout | JsonLayout, *, threads: int = 1
    ) -> None:
        self.capture, self.names, self.layout, self.threads = capture, list(names), layout, threads
        capture.prepare(names)
        self.cells = printer_of(names, layout, registry(binding.protocol for binding in capture.bindings))
        self._end = layout.end.encode()

    def row(self, packet: Packet) -> bytes:
        """Return the row of the packet that the capture has just given out, with its end."""
        moments = Moments(self.capture.first_ns, self.capture.previous_ns)
        return self.cells.row(packet, moments).encode(errors="surrogateescape") + self._end

    def __iter__(self) -> Iterator[bytes]:
        """Yield the rows, some at a time."""
        chosen = self.capture.filter if isinstance(self.capture, Selection) else None
        capture = self.capture.capture if isinstance(self.capture, Selection) else self.capture
        tracks_flows = isinstance(self.capture, Selection) and self.capture.tracks_flows
        if tracks_flows or not isinstance(capture, Capture) or not isinstance(capture.reader, CaptureReader):
            yield from map(self.row, self.capture)
            return
        clock, first = Clock(), exact_first(capture.reader)
        for packet in islice(capture, first):
            moments = clock.moments(packet.time_ns)
            if chosen is None or chosen.matches(packet, moments):
                yield self.row(packet)
        if clock.count == first:
            yield from self._in_bulk(capture, capture.reader, chosen, clock)

    def _in_bulk(self, capture: Capture, reader: CaptureReader, chosen: Filter | None, clock: Clock) -> Iterator[bytes]:
        from pktlab.columns.rows import TextRows
        from pktlab.columns.where import Where

        yield from TextRows(self.names, self.layout, capture.bindings).read(
            reader, capture.fragments, capture.flow_table, Moments(clock.first_ns, clock.previous_ns),
            threads=self.threads, read=clock.count, watch=capture.note_window,
            where=None if chosen is None else Where(chosen, capture.bindings, clock),
        )  # fmt: skip
