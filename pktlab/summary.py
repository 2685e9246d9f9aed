"""A capture in figures: what is in it, how much of it, for how long.

The first packets are counted one by one, the rest of a large capture in bulk; nothing in the figures tells which way
they came.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from pktlab.api import Capture, Selection
from pktlab.capture import CaptureReader, link_type_name
from pktlab.flows import FlowKey, flow_key
from pktlab.health import Health
from pktlab.packets import Packet, time_text
from pktlab.sources import exact_first as usual_first

if TYPE_CHECKING:
    from pktlab.columns.shapes import Shaped

__all__ = ["MAX_CONVERSATIONS", "Summary", "path_of", "summarise"]

MAX_CONVERSATIONS = 1_000_000
"""Conversations that are told apart: each takes some 100 bytes while a capture is read."""
_MAX_SHAPES = 65_536


class Summary:
    """The figures of one capture, packet by packet."""

    def __init__(self) -> None:
        self.length = 0  # bytes on the wire
        self.cap_len = 0  # bytes captured
        self.comments = 0
        self.first_ns: int | None = None
        self.last_ns: int | None = None
        self.paths: Counter[tuple[str, ...]] = Counter()  # packets by the protocols in them, every prefix too
        self.path_bytes: Counter[tuple[str, ...]] = Counter()
        self._conversations: set[int] = set()  # hashes: of a million, two are the same once in 37 million captures
        self.health = Health(0)

    def add(self, packet: Packet) -> None:
        """Count a packet."""
        self.length += packet.length
        self.cap_len += packet.cap_len
        self.comments += len(packet.comments)
        if packet.time_ns is not None:
            self.note_time(packet.time_ns)
        self.count_path(path_of(packet), 1, packet.length)
        key = flow_key(packet.dissection)
        if key is not None:
            self.note_flow(key)
        self.health.add(packet)

    def count_path(self, path: tuple[str, ...], packets: int, length: int) -> None:
        """Count packets, and their bytes, that have the same protocols."""
        for depth in range(1, len(path) + 1):
            self.paths[path[:depth]] += packets
            self.path_bytes[path[:depth]] += length

    def note_flow(self, key: FlowKey) -> None:
        """Take notice of a flow, one of the two that a conversation has."""
        if len(self._conversations) < MAX_CONVERSATIONS:
            self._conversations.add(hash(key.conversation))

    def note_time(self, time_ns: int) -> None:
        """Take notice of when a packet came."""
        self.first_ns = time_ns if self.first_ns is None else min(time_ns, self.first_ns)
        self.last_ns = time_ns if self.last_ns is None else max(time_ns, self.last_ns)

    @property
    def packets(self) -> int:
        """Packets counted."""
        return self.health.packets

    @property
    def conversations(self) -> int:
        """Conversations over TCP and UDP; counting ends at `MAX_CONVERSATIONS`."""
        return len(self._conversations)

    @property
    def duration_ns(self) -> int | None:
        """From the earliest packet to the latest; None if no packet has a time."""
        return None if self.first_ns is None or self.last_ns is None else self.last_ns - self.first_ns

    def hierarchy(self) -> list[tuple[tuple[str, ...], int, int]]:
        """Return (protocols from the outside in, packets, bytes): parents before children, the frequent first."""
        found: list[tuple[tuple[str, ...], int, int]] = []

        def walk(parent: tuple[str, ...]) -> None:
            children = [path for path in self.paths if path[:-1] == parent]
            for path in sorted(children, key=lambda path: (-self.paths[path], path)):
                found.append((path, self.paths[path], self.path_bytes[path]))
                walk(path)

        walk(())
        return found

    def document(self, capture: Capture | Selection) -> dict[str, Any]:
        """Return what is known of `capture`, all of whose packets were counted, as JSON has it."""
        reader, damage = capture.reader, capture.damage
        return {
            "file": capture.name,
            "format": reader.format,
            "description": reader.description,
            "compression": reader.compression,
            "packets": self.packets,
            "bytes": self.length,
            "captured_bytes": self.cap_len,
            "first_time_epoch": None if self.first_ns is None else time_text(self.first_ns),
            "last_time_epoch": None if self.last_ns is None else time_text(self.last_ns),
            "comments": self.comments,
            "conversations": self.conversations,
            "interfaces": [
                {
                    "section": one.section, "interface_id": one.interface_id, "name": one.name,
                    "description": one.description, "link_type": one.link_type,
                    "link_type_name": link_type_name(one.link_type), "snaplen": one.snaplen,
                }
                for one in reader.interfaces
            ],
            "written_by": [section.application for section in reader.sections if section.application],
            "protocols": [
                {"protocols": ":".join(path), "packets": packets, "bytes": size}
                for path, packets, size in self.hierarchy()
            ],
            "checksums": self.health.table(),
            "diagnosis": self.health.diagnosis.sentence(),
            "damage": damage and {"offset": damage.offset, "packets": damage.packets, "why": damage.why},
        }  # fmt: skip


def path_of(packet: Packet) -> tuple[str, ...]:
    """Return the protocols of a packet, from the outside in, without those that are quoted."""
    return tuple(layer.protocol for layer in packet.layers if not layer.quoted)


def summarise(
    capture: Capture | Selection, summary: Summary, *, threads: int = 0, exact_first: int | None = None
) -> Iterator[int]:
    """Add all packets of a capture to `summary`; yield, on the way, how many were added.

    Parameters
    ----------
    capture : nothing of it was read yet; of a selection each packet is read alone
    threads : 0 for as many as there are cores
    exact_first : packets that are read before the kernels are loaded; see `sources.exact_first` if None
    """
    is_bulky = isinstance(capture, Capture) and isinstance(capture.reader, CaptureReader)
    first = usual_first(capture.reader) if exact_first is None else exact_first
    for packet in islice(capture, first if is_bulky else None):
        summary.add(packet)
        yield summary.packets
    if isinstance(capture, Capture) and is_bulky and summary.packets == first:
        yield from _add_rest(capture, summary, threads or os.cpu_count() or 1)
    summary.health.finish()


def _add_rest(capture: Capture, summary: Summary, threads: int) -> Iterator[int]:
    """Add the packets that were not read yet, in bulk."""
    from pktlab.columns.shapes import shaped_windows

    bulk = _Bulk(capture, summary)
    assert isinstance(capture.reader, CaptureReader)
    for shaped in shaped_windows(capture.reader, capture.bindings, threads=threads, read=summary.packets):
        capture.note_window(shaped.judged.window)
        bulk.add(shaped)
        yield summary.packets
    bulk.verdicts.finish()


class _Bulk:
    """Brings windows of packets to a `Summary`."""

    def __init__(self, capture: Capture, summary: Summary) -> None:
        from pktlab.columns.shapes import Met
        from pktlab.judging import BulkVerdicts

        self.capture, self.summary = capture, summary
        self.verdicts = BulkVerdicts(summary.health, capture, summary.add)
        self.flows = Met()
        self.paths: dict[int, tuple[str, ...]] = {}  # by shape

    def add(self, shaped: Shaped) -> None:
        """Add the packets of a window, those that need it as the exact reader has them."""
        import numpy as np

        self.verdicts.add(shaped.judged)
        summary, index, count = self.summary, shaped.judged.window.index, shaped.judged.window.count
        here = ~shaped.judged.exact
        lengths = index.lengths[:count][here]
        summary.length += int(lengths.sum())
        summary.cap_len += int(index.captured[:count][here].sum())
        times = index.times[:count][here & shaped.timed]
        if len(times):
            summary.note_time(int(times.min()))
            summary.note_time(int(times.max()))
        for key in self.flows.new(shaped.ends, here):
            summary.note_flow(key)
        shapes, firsts, which = np.unique(shaped.shapes[here], return_index=True, return_inverse=True)
        sizes = np.zeros(len(shapes), np.int64)
        np.add.at(sizes, which, lengths)
        places = np.flatnonzero(here)[firsts]
        for shape, place, packets, size in zip(
            shapes.tolist(), places.tolist(), np.bincount(which).tolist(), sizes.tolist(), strict=True
        ):
            summary.count_path(self._path(shape, place, shaped), packets, size)

    def _path(self, shape: int, place: int, shaped: Shaped) -> tuple[str, ...]:
        """Return the protocols of a shape of packets, of which one is at `place`."""
        if shape not in self.paths:
            if len(self.paths) > _MAX_SHAPES:
                self.paths.clear()
            self.paths[shape] = path_of(self.capture.packet_of(shaped.judged.window.record(place)))
        return self.paths[shape]
