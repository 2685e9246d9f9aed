"""The packets of a capture that pass a filter, chosen in bulk.

Columns choose where they can; the exact reader is asked for the rest, in file order, and for every fragment, since a
datagram is judged where it is complete. A packet that neither chooses costs no object.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from pktlab.capture import CaptureReader
from pktlab.columns import kernels_bpf
from pktlab.columns.batches import ExactReader
from pktlab.columns.bpf import HOST_ORDERED, MOST_FAMILY, CaptureFilter
from pktlab.columns.filters import Clock, Filter
from pktlab.columns.filters.columns import Truth, vectorised
from pktlab.columns.filters.wanted import View, Wanted, second_walk
from pktlab.columns.registry import registry
from pktlab.columns.rules import compile_rules
from pktlab.columns.scan import Scan, Walked
from pktlab.columns.tracking import Tracker, keys_of, seen_of
from pktlab.columns.windows import WINDOW_LEN, Window, max_packets
from pktlab.flows import FlowTable, Fragments
from pktlab.packets import Packet
from pktlab.wire.bindings import Binding

__all__ = ["Chosen", "Programs", "Where"]

Array = np.ndarray[Any, Any]


class Chosen(NamedTuple):
    """What columns say of a window; valid until the next one is asked for.

    passes : bool, shape (packets,): it passes; asked : the same: the exact reader has to say
    """

    window: Window
    passes: Array
    asked: Array


Result = TypeVar("Result")


def _nothing(_: Chosen) -> None:
    """Do nothing with a window."""


class Where:
    """A filter over captures.

    Parameters
    ----------
    chosen : the filter; bindings : the user's own protocols, those that it was made with
    clock : what relative times count from; it went over the packets that were read already
    flow_table : where conversations have to be known, for the filter or for those that get the packets: what the
        packets before have left behind
    """

    def __init__(
        self,
        chosen: Filter,
        bindings: Sequence[Binding] = (),
        clock: Clock | None = None,
        flow_table: FlowTable | None = None,
    ) -> None:
        self.filter, self.bindings = chosen, bindings
        self.clock = Clock() if clock is None else clock
        self._wanted = Wanted(compile_rules(bindings), registry(binding.protocol for binding in bindings))
        self._holds = _any_packet if chosen.tree is None else vectorised(chosen.tree, self._wanted)
        self._programs = None if chosen.bpf is None else Programs(chosen.bpf)
        self._wanted.has_flows = flow_table is not None
        self._tracker = None if flow_table is None else Tracker(flow_table)
        self._plan = self._wanted.plan()
        self._local = threading.local()

    def windows(
        self, reader: CaptureReader, work: Callable[[Chosen], Result], *, threads: int = 1, read: int = 0
    ) -> Iterator[tuple[Chosen, Result]]:
        """Yield the windows of a capture, of which `read` packets were read already, in file order.

        `work` is done with each on any thread, and its result given out too.
        """

        def choose(walked: Walked) -> tuple[Chosen, Result]:
            chosen = self._choose(walked)
            return chosen, work(chosen)

        first_ns, previous_ns = self.clock.first_ns, self.clock.previous_ns
        scan = Scan(reader, self._plan, choose, threads=threads, read=read, first_ns=first_ns, previous_ns=previous_ns)
        for _, result in scan:
            yield result

    def passing(
        self,
        reader: CaptureReader,
        fragments: Fragments | None = None,
        *,
        threads: int = 1,
        read: int = 0,
        watch: Callable[[Window], None] = lambda _: None,
    ) -> Iterator[tuple[Window, int, Packet | None]]:
        """Yield each packet that passes: its window and place in it, and the packet if the exact reader was asked.

        `watch` is told each window.
        """
        exact = ExactReader(self.bindings, fragments)
        if self._tracker is not None:
            yield from self._tracked(reader, exact, self._tracker, threads, read, watch)
            return
        for (window, passes, asked), _ in self.windows(reader, _nothing, threads=threads, read=read):
            watch(window)
            for place in np.flatnonzero(passes | asked).tolist():
                packet = exact.packet(window.record(place)) if asked[place] else None
                if packet is None or self.filter.matches(packet, window.moments(place)):
                    yield window, place, packet

    def choose(self, window: Window, window_len: int = WINDOW_LEN) -> Chosen:
        """Choose among the packets of a window of at most `window_len` bytes, on any thread."""
        if not hasattr(self._local, "first"):
            self._local.first = Walked(self._plan, max_packets(window_len))
        self._local.first.run(window)
        return self._choose(self._local.first)

    def _tracked(
        self, reader: CaptureReader, exact: ExactReader, tracker: Tracker, threads: int, read: int,
        watch: Callable[[Window], None],
    ) -> Iterator[tuple[Window, int, Packet | None]]:  # fmt: skip
        """Yield each packet that passes, which knows its conversation: that is found in file order, then is chosen."""
        first_ns, previous_ns = self.clock.first_ns, self.clock.previous_ns
        scan = Scan(reader, self._plan, keys_of, threads=threads, read=read, first_ns=first_ns, previous_ns=previous_ns)
        for walked, (keys, is_odd) in scan:
            window, told, known, done = walked.window, np.zeros((3, walked.count), np.int64), {}, 0
            watch(window)
            for place in np.flatnonzero(walked.exact | is_odd).tolist():
                tracker.run(keys, done, place, told)
                packet = known[place] = exact.packet(window.record(place))
                packet.flows = tracker.add(packet.dissection, packet.length, packet.time_ns)
                done = place + 1
            tracker.run(keys, done, walked.count, told)
            _, passes, asked = self._choose(walked, (keys, told))
            asked |= is_odd
            for place in np.flatnonzero(passes | asked).tolist():
                if place not in known:
                    packet = known[place] = exact.packet(window.record(place))
                    packet.flows = seen_of(packet.dissection, place, told)
                if not asked[place] or self.filter.matches(known[place], window.moments(place)):
                    yield window, place, known[place]

    def _choose(self, walked: Walked, flows: tuple[Array, Array] | None = None) -> Chosen:
        if not hasattr(self._local, "second"):
            self._local.second = second_walk(self._wanted)
        view = View(walked, self._local.second, flows)
        surely, maybe = self._holds(view)
        if self._programs is not None:
            passes = self._programs.run(walked.window)
            surely, maybe = surely & passes, maybe & passes
        asked = walked.exact | (maybe & ~surely)
        if self._wanted.has_lengths:
            lengths, has = view.lengths()
            asked |= has & (lengths < 0)
        return Chosen(walked.window, surely & ~asked, asked)


def _any_packet(view: View) -> Truth:
    """Tell of each packet that it passes."""
    return Truth(view.all(), view.all())


class Programs:
    """A capture filter over windows."""

    def __init__(self, chosen: CaptureFilter) -> None:
        self.filter = chosen

    def run(self, window: Window) -> Array:
        """Return which packets pass, bool, shape (packets,)."""
        index, count = window.index, window.count
        kinds = [(link_type, False) for link_type in window.link_types]
        programs_of = index.links[:count].copy()
        for place, link_type in enumerate(window.link_types):
            if link_type in HOST_ORDERED:
                words = window.data[index.starts[:count, None] + np.arange(4)].view(np.uint32).ravel()
                swapped = (programs_of == place) & (index.captured[:count] >= 4) & (words > MOST_FAMILY)
                programs_of[swapped] = len(kinds)
                kinds.append((link_type, True))
        used = np.unique(programs_of)
        programs = [self.filter.program(*kinds[place]) for place in used.tolist()]
        joined = np.concatenate(programs)
        firsts = np.cumsum([0, *map(len, programs)])
        passes = np.empty(count, np.bool_)
        kernels_bpf.run_programs(
            window.data, index.starts, index.captured, index.lengths, np.searchsorted(used, programs_of), count,
            joined["code"].astype(np.int64), np.stack([joined["jt"], joined["jf"]], 1).astype(np.int64),
            joined["k"].astype(np.int64), firsts, np.zeros(16, np.int64), passes,
        )  # fmt: skip
        return passes
