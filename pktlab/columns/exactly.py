"""Tables out of the exact reader, a packet at a time: for small captures, which need not load the kernels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pktlab.columns.cells import Wanted, from_values
from pktlab.columns.filters import Clock, Filter
from pktlab.columns.filters.occurrences import Occurrences, PacketLike
from pktlab.columns.registry import registry
from pktlab.columns.table import Table
from pktlab.wire.header import Header

__all__ = ["exact_tables"]


def exact_tables(
    packets: Iterable[PacketLike],
    columns: Sequence[Wanted],
    protocols: Iterable[type[Header]] = (),
    *,
    size: int,
    chosen: Filter | None = None,
    clock: Clock | None = None,
) -> Iterator[Table]:
    """Yield tables of the packets that pass.

    Parameters
    ----------
    packets : of one capture, from its first one on, which relative times count from
    protocols : the user's own
    size : rows of a table; the last one has fewer, and one without rows comes only if there is nothing at all
    chosen : the filter; None lets all pass
    clock : goes over the packets, for what comes after them
    """
    known = registry(protocols)
    rows: list[list[Any]] = []
    given = False
    clock = Clock() if clock is None else clock
    for packet in packets:
        moments = clock.moments(packet.record.time_ns)
        if chosen is not None and not chosen.matches(packet, moments):
            continue
        asked = Occurrences(packet, known, moments)
        rows.append([next(iter(asked.values(one.source.name)), None) for one in columns])
        if len(rows) == size:
            yield _table(columns, rows)
            rows, given = [], True
    if rows or not given:
        yield _table(columns, rows)


def _table(columns: Sequence[Wanted], rows: Sequence[Sequence[Any]]) -> Table:
    found = zip(*rows, strict=True) if rows else [()] * len(columns)
    return Table({one.name: from_values(one, values) for one, values in zip(columns, found, strict=True)})
