"""Rows of text by the kernel: what `printing.Cells` and `printing.Objects` print, for a whole window at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from pktlab.capture import CaptureReader
from pktlab.columns import kernels_text
from pktlab.columns.batches import VERDICTS, Batch, Column, Columns
from pktlab.columns.filters.occurrences import Moments
from pktlab.columns.printing import JsonLayout, Layout, printer_of
from pktlab.columns.tracking import Tracker
from pktlab.columns.where import Where
from pktlab.columns.windows import Window
from pktlab.flows import FlowTable, Fragments
from pktlab.wire.bindings import Binding

__all__ = ["TextRows", "spliced"]

Array = np.ndarray[Any, Any]
_VERDICT_WORDS = ["" if one is None else str(one) for one in VERDICTS]
_BOOL_WORDS = ["false", "true"]


class TextRows:
    """Prints the rows of a capture.

    Parameters
    ----------
    names : of fields; layout : how a row is laid out; bindings : the user's own protocols
    """

    def __init__(self, names: Sequence[str], layout: Layout | JsonLayout, bindings: Sequence[Binding] = ()) -> None:
        self.layout = layout
        self.is_json = isinstance(layout, JsonLayout)
        names = list(dict.fromkeys(names)) if self.is_json else names
        self.columns = Columns(names, bindings, every=layout.occurrence != "f")
        by_name = {column.name: column for column in self.columns.columns}
        self._order = [by_name[name] for name in names]
        self.cells = printer_of(names, layout, self.columns.registry)
        kinds = [_kind_of(column, self.is_json) for column in self._order]
        self._kinds, self._digits = (np.array(each, np.int32) for each in zip(*kinds, strict=True))
        self._set_texts()

    def _set_texts(self) -> None:
        pieces: list[str] = []
        for place, column in enumerate(self._order):
            is_text = self._kinds[place] != kernels_text.DECIMAL and column.type.kind != "bool"
            pieces += self.layout.around(place, column.name, is_text)
        words_at = []
        pieces.append(self.layout.end)
        for column in self._order:
            words_at.append(len(pieces))
            pieces += _VERDICT_WORDS if column.store == "verdict" else _BOOL_WORDS
        octets = [piece.encode() for piece in pieces]
        self._texts = np.frombuffer(b"".join(octets) or b"\0", np.uint8)
        self._text_at = np.cumsum([0, *map(len, octets)]).astype(np.int32)
        self._words_at = np.array(words_at, np.int32)
        widths = [max(map(len, _VERDICT_WORDS)) if kind == kernels_text.WORD else kernels_text.WIDTHS[kind]
                  for kind in self._kinds]  # fmt: skip
        self._most = sum(widths) + int(self._text_at[3 * len(self._order) + 1]) + 8

    def read(
        self,
        reader: CaptureReader,
        fragments: Fragments,
        flow_table: FlowTable,
        moments: Moments,
        *,
        threads: int = 1,
        read: int = 0,
        where: Where | None = None,
        watch: Callable[[Window], None] = lambda _: None,
    ) -> Iterator[bytes]:
        """Yield the rows of the packets that were not read yet, each with its end, some at a time.

        Parameters
        ----------
        fragments, flow_table, moments : what the packets that were read left behind; read : how many they were
        where : chooses packets; watch : is told each window
        """
        batches = self.columns.read(
            reader, self._print, threads=threads, read=read, fragments=fragments, moments=moments, where=where,
            watch=watch, tracker=Tracker(flow_table) if self.columns.tracks else None,
        )  # fmt: skip
        for batch, printed in batches:
            left = batch.exact | (batch.asked & ~batch.chosen)
            yield from spliced(*printed, left, partial(self._row, batch))

    def _print(self, batch: Batch) -> tuple[Array, Array]:
        count, columns = batch.count, len(self._order)
        values, lows = np.zeros((columns, count), np.int64), np.zeros((columns, count), np.int64)
        has = np.zeros((columns, count), np.bool_)
        for place, column in enumerate(self._order):
            if column.store == "object":
                continue
            has[place] = batch.has[column.name]
            if column.store == "wide":
                halves = batch.values[column.name].view(">i8")
                values[place], lows[place] = halves[:, 0], halves[:, 1]
            else:
                values[place] = batch.values[column.name]
            if self._kinds[place] == kernels_text.WORD and column.type.kind == "bool":
                values[place] = values[place] != 0
        skipped = batch.exact | ~(batch.chosen | batch.asked)
        out, ends = np.empty(count * self._most, np.uint8), np.empty(count, np.int64)
        size = kernels_text.format_rows(
            values, lows, has, skipped, count, self._kinds, self._digits, self._texts, self._text_at,
            self._words_at, out, ends,
        )  # fmt: skip
        return out[:size], ends

    def _row(self, batch: Batch, place: int) -> bytes:
        if not batch.chosen[place]:
            return b""
        row = self.cells.row(batch.packets[place], batch.moments[place])
        return row.encode(errors="surrogateescape") + self.layout.end.encode()


def spliced(out: Array, ends: Array, left: Array, row: Callable[[int], bytes]) -> Iterator[bytes]:
    """Yield the rows that a kernel printed, with those of the exact reader in their places.

    Parameters
    ----------
    out : uint8, the kernel's rows; ends : where each ends in it
    left : bool, which of them `row` gives instead; one that it does not want is empty
    """
    start = 0
    for place in np.flatnonzero(left).tolist():
        stop = int(ends[place - 1]) if place else 0
        if stop > start:
            yield out[start:stop].tobytes()
        if octets := row(place):
            yield octets
        start = int(ends[place])
    if len(out) > start:
        yield out[start:].tobytes()


def _kind_of(column: Column, is_json: bool) -> tuple[int, int]:
    """Return how a column is printed, and its hex digits."""
    row = column.type.row
    if column.store == "wide":
        return kernels_text.IPV6, 0
    if column.store == "verdict":
        return kernels_text.WORD, 0
    kind = column.type.kind
    for part in column.type.parts[:1]:
        kind, row = ("ipv4" if part.startswith("ip.") else kind), row
    if kind in ("ipv4", "mac", "timestamp"):
        return {"ipv4": kernels_text.IPV4, "mac": kernels_text.MAC, "timestamp": kernels_text.TIME}[kind], 0
    if is_json and kind == "bool":
        return kernels_text.WORD, 0
    if row is not None and row.base == "hex" and kind != "bool" and (kind == "flags" or not is_json):
        return kernels_text.HEX, row.digits
    return kernels_text.DECIMAL, 0
