"""Tables out of the kernels: batches put together until they are worth converting, and handed on in file order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

import numpy as np

from pktlab.capture import CaptureReader
from pktlab.columns.batches import Batch, Columns
from pktlab.columns.cells import Wanted, from_array, from_values
from pktlab.columns.filters import Clock, Filter
from pktlab.columns.filters.occurrences import Moments
from pktlab.columns.table import Table, joined
from pktlab.columns.tracking import Tracker
from pktlab.columns.where import Where
from pktlab.flows import FlowTable, Fragments
from pktlab.wire.bindings import Binding

__all__ = ["bulk_tables"]

Piece = tuple[Batch, slice]
"""Some packets of a batch."""


def bulk_tables(
    reader: CaptureReader,
    columns: Sequence[Wanted],
    bindings: Sequence[Binding] = (),
    *,
    size: int,
    threads: int = 0,
    chosen: Filter | None = None,
    before: Table | None = None,
    clock: Clock | None = None,
    fragments: Fragments | None = None,
    flow_table: FlowTable | None = None,
) -> Iterator[Table]:
    """Yield the packets of a capture as tables.

    Parameters
    ----------
    size : rows of a table; the last one has fewer, and one without rows comes only if there is nothing at all
    threads : 0 for as many as there are cores; a pipe is read on one, and handed on as it comes
    chosen : the filter; None lets all pass
    before : the packets that were read already, and pass; clock : went over all that were read already; fragments,
        flow_table : what they left behind
    """  # fmt: skip
    threads = threads or os.cpu_count() or 1
    clock = Clock() if clock is None else clock
    start = 0
    while before is not None and len(before) - start >= size:
        yield before.slice(start, start + size)
        start += size
    before = None if before is None or start == len(before) else before.slice(start, len(before))
    where = None if chosen is None else Where(chosen, bindings, clock)
    wanted = Columns([one.source.name for one in columns], bindings)
    tracker = Tracker(flow_table) if wanted.tracks and flow_table is not None else None
    read = wanted.read(
        reader, _nothing, threads=threads, read=clock.count, fragments=fragments, where=where, tracker=tracker,
        moments=Moments(clock.first_ns, clock.previous_ns),
    )  # fmt: skip
    waits = reader.is_plain_file
    parts = _parts((batch.picked() for batch, _ in read), size, waits, 0 if before is None else len(before))
    tables = _converted(columns, parts, threads if waits else 1)
    if before is not None:
        yield joined([before, *islice(tables, 1)])
        yield from tables
    elif start:
        yield from (table for table in tables if len(table))
    else:
        yield from tables


def _nothing(_: Batch) -> None:
    """Do nothing with a batch before the exact reader's answers are in it."""


def _parts(batches: Iterable[Batch], size: int, waits: bool, count: int) -> Iterator[list[Piece]]:
    """Yield runs of pieces that have `size` packets, and a last one; with `waits` false, what is there at once.

    count : packets that the first run lacks
    """
    part: list[Piece] = []
    given = False
    for batch in batches:
        start = 0
        while start < batch.count:
            stop = min(batch.count, start + size - count)
            part.append((batch, slice(start, stop)))
            count, start = count + stop - start, stop
            if count == size or not waits:
                yield part
                part, count, given = [], 0, True
    if part or not given:
        yield part


def _converted(columns: Sequence[Wanted], parts: Iterable[list[Piece]], threads: int) -> Iterator[Table]:
    """Yield the table of each part; one is converted while the next is read."""
    if threads == 1:
        yield from (_table(columns, part) for part in parts)
        return
    waiting: deque[Future[Table]] = deque()
    with ThreadPoolExecutor(1) as pool:
        for part in parts:
            waiting.append(pool.submit(_table, columns, part))
            if len(waiting) > 1:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _table(columns: Sequence[Wanted], part: Sequence[Piece]) -> Table:
    if not part:
        return Table({one.name: from_values(one, ()) for one in columns})
    stores = {column.name: column.store for column in part[0][0].columns}
    table = {}
    for one in columns:
        name = one.source.name
        valid = np.concatenate([batch.has[name][rows] for batch, rows in part])
        values = _joined([batch.values[name][rows] for batch, rows in part])
        table[one.name] = from_array(one, stores[name], values, valid)
    return Table(table)


def _joined(values: Sequence[Any]) -> Any:
    if isinstance(values[0], list):
        return [one for some in values for one in some]
    return np.concatenate(values)
