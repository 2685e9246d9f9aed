"""What kinds of packets a capture has, in bulk: packets of one shape hold the same protocols.

A packet's shape is which headers it has, where each starts, and whether anything lies behind the last. What protocols
that makes is for the exact reader to say, of one packet of each shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from pktlab.capture import CaptureReader
from pktlab.columns import kernels_flows as flows
from pktlab.columns import kernels_text
from pktlab.columns.judging import Judged
from pktlab.columns.lines import guessed_kinds
from pktlab.columns.phrases import compile_looks
from pktlab.columns.plan import plan_for_headers
from pktlab.columns.rules import LEAF, compile_rules
from pktlab.columns.scan import Scan, Walked
from pktlab.columns.tails import steps_of
from pktlab.columns.tracking import ENDS, ends_of, key_of
from pktlab.columns.windows import NO_TIME
from pktlab.flows import FlowKey
from pktlab.wire.bindings import Binding

__all__ = ["Met", "Shaped", "shaped_windows"]

Array = np.ndarray[Any, Any]
_SEED = 1071
_MAX_KNOWN = 1_000_000


class Shaped(NamedTuple):
    """The packets of a window; valid until the next one is asked for.

    judged : their verdicts; its `exact` marks those of which nothing is said here
    shapes : uint64, shape (packets,): equal for packets of one shape, and of no others but once in some 10^19 pairs
    ends : int64, shape (rows, packets), as `tracking.ends_of` gives them
    """

    judged: Judged
    shapes: Array
    ends: Array

    @property
    def timed(self) -> Array:
        """Which packets have a time; bool."""
        window = self.judged.window
        has: Array = window.index.times[: window.count] != NO_TIME
        return has


def shaped_windows(
    reader: CaptureReader, bindings: Sequence[Binding] = (), *, threads: int = 1, read: int = 0
) -> Iterator[Shaped]:
    """Yield the windows of a capture, of which `read` packets were read already, in file order."""
    rules = compile_rules(bindings)
    said = [kind for kind in rules.kinds if kind is not None and rules.heads[rules.numbers[kind]]["walked"] > LEAF]
    tails = {kind: steps for kind in said if (steps := steps_of(kind)) is not None}
    plan = plan_for_headers(rules, said, guessed=guessed_kinds(bindings), tails=tails, names=ENDS)
    looks = compile_looks(rules, said, tails)
    weights = np.random.default_rng(_SEED).integers(1 << 63, size=len(said) + 2, dtype=np.uint64) * 2 + 1

    def work(walked: Walked) -> tuple[Array, Array, Array]:
        window = walked.window
        ends, is_odd = ends_of(walked)
        is_odd |= walked.exact | window.may_have_comments()
        if window.packets is not None:  # one with a time that 64 bits do not hold, perhaps
            is_odd |= window.index.times[: window.count] == NO_TIME
        kernels_text.mark_odd(
            window.data, window.index.starts, window.index.captured, *walked.arrays, walked.count,
            *looks, np.empty(len(said) + 1, np.int64), is_odd,
        )  # fmt: skip
        return ends, is_odd, _shapes(walked, len(said), weights)

    for walked, (ends, is_odd, shapes) in Scan(reader, plan, work, threads=threads, read=read):
        judged = Judged(
            walked.window, plan.protocols, is_odd, walked.verdicts, walked.found, walked.expected,
            walked.codes, ends[flows.SRC_HIGH : flows.SRC_LOW + 1],
        )  # fmt: skip
        yield Shaped(judged, shapes, ends)


def _shapes(walked: Walked, slots: int, weights: Array) -> Array:
    """Return the shape of each packet."""
    index, count = walked.window.index, walked.count
    places, payloads = (array[:slots, :count] for array in walked.arrays[:2])
    shapes = (index.links[:count].astype(np.uint64) + np.uint64(1)) * weights[-1]
    last = np.full(count, -1, np.int32)
    behind = np.maximum(index.captured[:count] - index.fcs[:count], 0)
    for slot in np.flatnonzero((places >= 0).any(axis=1)).tolist():
        starts = places[slot]
        shapes += (starts + 1).astype(np.uint64) * weights[slot]
        is_last = starts > last
        there = payloads[slot]
        behind = np.where(is_last, np.where(there < 0, ~there, there), behind)
        last = np.maximum(last, starts)
    result: Array = shapes + (behind > 0) * weights[-2]
    return result


class Met:
    """The flows that were met, each of which is told once.

    >>> Met().count
    0
    """

    def __init__(self) -> None:
        self._known: set[int] = set()

    @property
    def count(self) -> int:
        """How many were told; a million at most."""
        return len(self._known)

    def new(self, ends: Array, which: Array) -> Iterator[FlowKey]:
        """Yield those of the packets `which` (bool) that were not met before."""
        places = np.flatnonzero(which & (ends[0] != 0))
        mixed = np.full(len(places), _SEED, np.uint64)
        for row in ends[:7, places].astype(np.uint64):
            mixed = (mixed ^ row) * np.uint64(0x9E3779B97F4A7C15)
            mixed ^= mixed >> np.uint64(29)
        values, firsts = np.unique(mixed, return_index=True)
        for value, first in zip(values.tolist(), firsts.tolist(), strict=True):
            if value not in self._known and len(self._known) < _MAX_KNOWN:
                self._known.add(value)
                yield key_of(ends, places[first])
