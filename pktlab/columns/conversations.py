"""The conversations of a capture as a table: who with whom, how much, how long.

Rows come as conversations end, and the rest when all is read. Memory is bounded: of more than `MAX_FLOWS` rows those
are kept that come first in the order that is asked for.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from pktlab.capture import CaptureReader
from pktlab.columns.table import Table, TableColumn
from pktlab.flows import MAX_FLOWS, Flow
from pktlab.wire.tcp import TcpFlags

__all__ = ["SORTS", "Conversation", "Conversations", "count_flows"]

EXACT_FIRST = 1000
"""Packets that are read one by one before the kernels are loaded."""
_log = logging.getLogger(__name__)


class Conversation(NamedTuple):
    """A row; `src` sent the first packet, ``out`` is from there, ``back`` is what was answered.

    stream : Wireshark's number of it, among those of its protocol; bytes are those on the wire
    start_time_epoch : ns since the epoch, None where packets have no time; duration_s : seconds
    state : of TCP ``opening`` (no more than SYNs of one side), ``open``, ``closing`` (one side has sent FIN),
        ``closed`` (both have), ``reset``; None of UDP
    """

    protocol: str
    stream: int
    src: str
    srcport: int
    dst: str
    dstport: int
    packets_out: int
    packets_back: int
    bytes_out: int
    bytes_back: int
    start_time_epoch: int | None
    duration_s: float | None
    state: str | None

    @classmethod
    def of(cls, flow: Flow) -> Conversation:
        """Return the row of a conversation."""
        way = int(flow.turned)
        key = flow.key.reversed() if way else flow.key
        duration = None if flow.first_ns is None or flow.last_ns is None else (flow.last_ns - flow.first_ns) / 1e9
        return cls(
            key.protocol, flow.stream, key.src, key.srcport, key.dst, key.dstport, flow.packets[way],
            flow.packets[1 - way], flow.bytes[way], flow.bytes[1 - way], flow.first_ns, duration,
            None if key.protocol == "udp" else _state(flow.flags[way], flow.flags[1 - way]),
        )  # fmt: skip


_SYN, _FIN, _RESET = TcpFlags.syn.mask, TcpFlags.fin.mask, TcpFlags.reset.mask


def _state(out: int, back: int) -> str:
    """Return what the flags of both sides, each all that were seen, say of a connection."""
    if (out | back) & _RESET:
        return "reset"
    if out & back & _FIN:
        return "closed"
    if (out | back) & _FIN:
        return "closing"
    return "opening" if 0 in (out, back) and out | back == _SYN else "open"


_Order = Callable[[Conversation], tuple[Any, ...]]


def _named(one: Conversation) -> tuple[Any, ...]:
    return one.protocol, one.stream


SORTS: dict[str, _Order] = {
    "start": lambda one: (one.start_time_epoch or 0, *_named(one)),
    "packets": lambda one: (-one.packets_out - one.packets_back, *_named(one)),
    "bytes": lambda one: (-one.bytes_out - one.bytes_back, *_named(one)),
    "duration": lambda one: (-(one.duration_s or 0), *_named(one)),
}
"""Orders of the rows: the earliest first, or the most."""
_KINDS = dict(
    zip(
        Conversation._fields,
        ("text", "uint32", "text", "uint16", "text", "uint16", *("uint64",) * 4, "time", "float64", "text"),
        strict=True,
    )
)


class Conversations:
    """Rows that are gathered.

    Parameters
    ----------
    sort : one of `SORTS`; most : rows that are wanted, None for all
    limit : rows that are kept at a time, and not many more

    Raises
    ------
    ValueError : there is no such order

    >>> Conversations("bytes").table().column_names[:3]
    ['protocol', 'stream', 'src']
    """

    def __init__(self, sort: str = "start", most: int | None = None, limit: int = MAX_FLOWS) -> None:
        if sort not in SORTS:
            raise ValueError(f"sort is {sort!r}; it is one of {', '.join(SORTS)}")
        self.sort, self.most = sort, most
        self.limit = limit if most is None else min(most, limit)
        self.left_out = 0
        self._rows: list[Conversation] = []

    def add(self, flow: Flow) -> None:
        """Take a conversation; one without a packet that counts is none."""
        if any(flow.packets):
            self._rows.append(Conversation.of(flow))
            if len(self._rows) > self.limit + self.limit // 4 + 1000:
                self._cut()

    def _cut(self) -> None:
        self._rows.sort(key=SORTS[self.sort])
        dropped = len(self._rows) - self.limit
        if dropped > 0:
            del self._rows[self.limit :]
            if self.most is None and not self.left_out:
                _log.warning(
                    "more than %s conversations: the first of them by %s are kept", f"{self.limit:,}", self.sort
                )
            self.left_out += dropped

    def table(self) -> Table:
        """Return the rows in order, as columns named as in `Conversation`."""
        self._cut()
        columns = zip(*self._rows, strict=True) if self._rows else [()] * len(_KINDS)
        return Table(
            {name: _column(kind, values) for (name, kind), values in zip(_KINDS.items(), columns, strict=True)}
        )


def _column(kind: str, values: Sequence[Any]) -> TableColumn:
    valid = np.array([one is not None for one in values], np.bool_)
    if kind == "text":
        words: dict[str, int] = {}
        codes = [0 if one is None else words.setdefault(one, len(words)) for one in values]
        return TableColumn("text", np.array(codes, np.int32), valid, tuple(words))
    dtype = np.int64 if kind == "time" else np.dtype(kind)
    return TableColumn(kind, np.array([one or 0 for one in values], dtype), valid)


def count_flows(
    capture: Any, rows: Conversations, *, threads: int = 0, exact_first: int = EXACT_FIRST
) -> Iterator[int]:
    """Gather the conversations of a capture, or of a selection of it; yield, on the way, how many packets were read.

    Parameters
    ----------
    capture : nothing of it was read yet
    threads : 0 for as many as there are cores
    exact_first : packets of a whole capture that are read before the kernels are loaded
    """
    capture.track_flows(exactly=True)
    capture.flow_table.finished = rows.add
    fragments = getattr(
        capture, "fragments", None
    )  # a selection has none: which packets count is for its filter to say
    in_bulk = fragments is not None and isinstance(capture.reader, CaptureReader)
    number = 0
    for number, packet in enumerate(islice(capture, exact_first if in_bulk else None), 1):
        for seen in packet.flows:
            seen.tally(packet.length, packet.time_ns)
        yield number
    flows = iter(capture.flow_table)
    if in_bulk and number == exact_first:
        from pktlab.columns.batches import Columns
        from pktlab.columns.tracking import Tracker

        tracker = Tracker(capture.flow_table)
        batches = Columns(["tcp.stream"], capture.bindings).read(
            capture.reader, lambda _: None, threads=threads or os.cpu_count() or 1, read=number,
            fragments=capture.fragments, tracker=tracker,
        )  # fmt: skip
        for batch, _ in batches:
            yield batch.first + batch.count - 1
        flows = tracker.flows()
    for flow in flows:
        rows.add(flow)
