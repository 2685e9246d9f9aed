"""Chosen fields of a capture as rows of text: the first packets by the exact reader, the rest in bulk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from pktlab.api import Capture, Selection
from pktlab.capture import CaptureReader
from pktlab.columns.filters.occurrences import Moments
from pktlab.columns.printing import Cells, Layout
from pktlab.columns.registry import registry
from pktlab.judging import EXACT_FIRST
from pktlab.packets import Packet

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

    def __init__(self, capture: Capture | Selection, names: Sequence[str], layout: Layout, *, threads: int = 1) -> None:
        self.capture, self.names, self.layout, self.threads = capture, list(names), layout, threads
        capture.prepare(names)
        self.cells = Cells(names, layout, registry(binding.protocol for binding in capture.bindings))

    def row(self, packet: Packet) -> bytes:
        """Return the row of the packet that the capture has just given out, with its end."""
        moments = Moments(self.capture.first_ns, self.capture.previous_ns)
        return self.cells.row(packet, moments).encode(errors="surrogateescape") + b"\n"

    def __iter__(self) -> Iterator[bytes]:
        """Yield the rows, some at a time."""
        capture = self.capture
        if not isinstance(capture, Capture) or not isinstance(capture.reader, CaptureReader):
            yield from map(self.row, capture)
            return
        packet = None
        for packet in islice(capture, EXACT_FIRST):
            yield self.row(packet)
        if packet is not None and packet.number == EXACT_FIRST:
            from pktlab.columns.rows import TextRows

            rows = TextRows(self.names, self.layout, capture.bindings)
            moments = Moments(capture.first_ns, packet.time_ns)
            left = capture.fragments, capture.flow_table, moments
            yield from rows.read(capture.reader, *left, threads=self.threads, read=EXACT_FIRST)
