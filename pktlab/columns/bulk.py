"""Tables out of the kernels: batches put together until they are worth converting, and handed on in file order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from pktlab.capture import CaptureReader
from pktlab.columns.batches import Batch, Columns
from pktlab.columns.cells import Wanted, from_array, from_values
from pktlab.columns.table import Table
from pktlab.wire.bindings import Binding

__all__ = ["bulk_tables"]

Piece = tuple[Batch, slice]
"""Some packets of a batch."""


def bulk_tables(
    reader: CaptureReader, columns: Sequence[Wanted], bindings: Sequence[Binding] = (), *, size: int, threads: int = 0
) -> Iterator[Table]:
    """Yield the packets of a capture as tables.

    Parameters
    ----------
    reader : a capture of which nothing was read yet
    size : rows of a table; the last one has fewer, and one without rows comes only if there is nothing at all
    threads : 0 for as many as there are cores; a pipe is read on one, and handed on as it comes
    """
    threads = threads or os.cpu_count() or 1
    read = Columns([one.source.name for one in columns], bindings)
    batches = (batch for batch, _ in read.read(reader, _nothing, threads=threads))
    waits = reader.is_plain_file
    yield from _converted(columns, _parts(batches, size, waits), threads if waits else 1)


def _nothing(_: Batch) -> None:
    """Do nothing with a batch before the exact reader's answers are in it."""


def _parts(batches: Iterable[Batch], size: int, waits: bool) -> Iterator[list[Piece]]:
    """Yield runs of pieces that have `size` packets, and a last one; with `waits` false, what is there at once."""
    part: list[Piece] = []
    count, given = 0, False
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
