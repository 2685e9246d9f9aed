"""Streams of a window put together by a kernel: their states go in and come back, what is told comes out as events.

What one side says until the other one does, or something else is told, is one `Data`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pktlab.columns import kernels_streams as kernel
from pktlab.flows.reassembly import Reassembly
from pktlab.flows.streams import PIECE_LEN, Begin, Data, End, Event, Gap, Why
from pktlab.flows.tcp_way import WINDOW, Piece, Way
from pktlab.wire.tcp import TcpFlags

__all__ = ["Together"]

Array = np.ndarray[Any, Any]
MOST_CARRIED = 1 << 10
"""Pieces that wait of a stream when a window begins, with which it is left to the exact reassembly."""
STEPS = 1 << 22
"""Steps along what waits that are worth making in a window."""
_OVER: dict[Why | None, int] = {None: kernel.LIVE, Why.fin: kernel.FINISHED, Why.reset: kernel.RESET}
_WHY = {number: why for why, number in _OVER.items()}
_NEW = [0] * kernel.WAY_LEN
_NEW[kernel.LAST_ACK] = _NEW[kernel.FIN] = _NEW[kernel.RESET_FRAME] = -1


class Together:
    """What the kernel makes of a window.

    Parameters
    ----------
    connections : by rank; None for a new one
    left : ranks that are left to the exact reassembly; those are added that have to be
    rows : int64, shape (LANE_LEN, segments), sorted by rank; stops : by rank, where the segments of each end
    data : uint8, the window; frames and times are told as they stand in `rows`
    like : a connection as new ones are
    """

    def __init__(
        self, connections: Sequence[Reassembly | None], left: set[int], rows: Array, stops: Array, data: Array,
        like: Reassembly,
    ) -> None:  # fmt: skip
        self._ways: list[list[int]] = []
        self._pieces: list[tuple[int, ...]] = []  # rows of what waits; the first is none
        self._carried = bytearray()
        self._data = data
        for rank, connection in enumerate(connections):
            if rank not in left and not self._load(connection):
                left.add(rank)
            if rank in left:
                self._ways += [_NEW, _NEW]
        self._run(rows, stops.copy(), sorted(left), like)
        self._cut()

    # ---- states in

    def _load(self, connection: Reassembly | None) -> bool:
        """Give the kernel the state of a connection; tell whether it can take it."""
        if connection is None:
            self._ways += [_NEW, _NEW]
            return True
        ways = connection.ways
        for way in ways:
            if way.stray is not None or len(way.held) > MOST_CARRIED or any(one.data is None for one in way.held):
                return False
        self._ways += map(self._row, ways)
        return True

    def _row(self, way: Way) -> list[int]:
        at, when = (-1, 0) if way.reset is None else way.reset
        head = len(self._pieces) + 1 if way.held else 0
        for start, stop, data, frame in way.held:
            assert data is not None
            self._pieces.append((start, stop, -1 - len(self._carried), frame, len(self._pieces) + 2))
            self._carried += data
        if head:
            self._pieces[-1] = (*self._pieces[-1][:-1], 0)
        return [
            way.is_begun, _OVER.get(way.over, kernel.LIVE), way.first, way.seq, way.begin, way.next, way.ack,
            -1 if way.fin is None else way.fin, at, when, way.repeated, way.held_len, head,
            len(self._pieces) if head else 0,
        ]  # fmt: skip

    def _run(self, rows: Array, stops: Array, left: Sequence[int], like: Reassembly) -> None:
        stops[left] = -1 - stops[left]
        self.ways = np.array(self._ways, np.int64)
        most = len(self._pieces) + 2 * rows.shape[1] + 16
        self._held = np.empty((most + 1, kernel.HELD_LEN), np.int64)
        self._held[1 : len(self._pieces) + 1] = np.array(self._pieces, np.int64).reshape(-1, kernel.HELD_LEN)
        self.told = np.empty((4 * most + 3 * rows.shape[1], kernel.TELL_LEN), np.int64)
        self.ends = np.zeros((2, len(stops)), np.int64)
        rules = np.array([
            TcpFlags.syn.mask, TcpFlags.fin.mask, TcpFlags.reset.mask, WINDOW, like.max_held, PIECE_LEN,
            like.overlap == "first", len(self._pieces) + 1, 0, 0, STEPS,
        ], np.int64)  # fmt: skip
        carried = np.frombuffer(bytes(self._carried) + bytes(kernel.PAD), np.uint8)
        out = np.empty(int(rows[kernel.LENGTH].sum()) + len(carried), np.uint8)
        kernel.put_together(
            self._data, carried, rows, stops, self.ways, self._held, self.told, rules, self.ends, out
        )  # fmt: skip
        self._out = memoryview(out)  # type: ignore[arg-type]
        self.told = self.told[: rules[kernel.TOLD]]
        self._states = self.ways.tolist()
        self._rows = self._held[: rules[kernel.ROW]].tolist()

    # ---- events out

    def _cut(self) -> None:
        """Find where events begin among what is told, and lay ready what they are made of."""
        told = self.told
        kinds, whose, sizes = told[:, kernel.KIND], told[:, kernel.WHOSE], told[:, kernel.SIZE]
        goes_on = (kinds[1:] == kernel.DATA) & (kinds[:-1] == kernel.DATA) & (whose[1:] == whose[:-1])
        heads = np.flatnonzero(np.concatenate([[True], ~goes_on])[: len(told)])
        has_data = sizes * (kinds == kernel.DATA)
        behind = np.cumsum(has_data)
        starts = (behind - has_data)[heads]
        stops = behind - np.repeat(starts, np.diff(np.append(heads, len(told))))
        self._bounds = np.searchsorted(heads, np.concatenate([[0], self.ends[1]])).tolist()
        self._heads = told[heads].tolist()
        self._firsts = [*heads.tolist(), len(told)]
        self._starts = [*starts.tolist(), int(behind[-1]) if len(behind) else 0]
        self._lists = stops.tolist(), told[:, kernel.BY].tolist(), told[:, kernel.WHEN].tolist()

    def _view(self, place: int, size: int) -> memoryview:
        if place < 0:
            return memoryview(self._carried)[-1 - place : -1 - place + size]
        return memoryview(self._data)[place : place + size]  # type: ignore[arg-type]

    def events(self, rank: int) -> Iterator[Event]:
        """Yield what is told of a stream."""
        stops, frames, times = self._lists
        for number in range(self._bounds[rank], self._bounds[rank + 1]):
            kind, whose, offset, _, size, frame, time_ns = self._heads[number]
            way = whose & 1
            if kind == kernel.DATA:
                own = slice(self._firsts[number], self._firsts[number + 1])
                data = self._out[self._starts[number] : self._starts[number + 1]]
                yield Data(way, offset, data, frames[own], stops[own], times[own])
            elif kind == kernel.GAP:
                yield Gap(way, offset, size, Why.acknowledged, frame, time_ns)
            elif kind in (kernel.MIDDLE, kernel.OPENED):
                yield Begin(way, offset, kind == kernel.OPENED, frame, time_ns)
            else:
                yield End(way, offset, Why.fin if kind == kernel.ENDED else Why.reset, frame, time_ns)

    def end(self, rank: int) -> int:
        """Return the first segment of a stream that was not taken."""
        return int(self.ends[0, rank])

    # ---- states back

    def keep(self, rank: int, connection: Reassembly) -> None:
        """Give a connection the state that it is in now."""
        for way, row in zip(connection.ways, self._states[2 * rank : 2 * rank + 2], strict=True):
            begun, over, way.first, way.seq, way.begin, way.next, way.ack, fin, at, when, way.repeated = row[:11]
            if begun:
                way.is_begun, way.over = True, _WHY[over]
                way.fin = None if fin < 0 else fin
            way.reset = None if at < 0 else (at, when)
            way.held_len = row[kernel.COST]
            way.held = list(self._waiting(row[kernel.HEAD])) if row[kernel.HEAD] else []

    def _waiting(self, row: int) -> Iterator[Piece]:
        while row:
            start, stop, place, frame, row = self._rows[row]
            yield Piece(start, stop, bytes(self._view(place, stop - start)), frame)
