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
from pktlab.columns.batches import ExactReader
from pktlab.columns.filters import Clock, Filter
from pktlab.columns.filters.columns import vectorised
from pktlab.columns.filters.wanted import View, Wanted, second_walk
from pktlab.columns.registry import registry
from pktlab.columns.rules import compile_rules
from pktlab.columns.scan import Scan, Walked
from pktlab.columns.windows import Window
from pktlab.flows import Fragments
from pktlab.packets import Packet
from pktlab.wire.bindings import Binding

__all__ = ["Chosen", "Where"]

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
    """

    def __init__(self, chosen: Filter, bindings: Sequence[Binding] = (), clock: Clock | None = None) -> None:
        self.filter, self.bindings = chosen, bindings
        self.clock = Clock() if clock is None else clock
        self._wanted = Wanted(compile_rules(bindings), registry(binding.protocol for binding in bindings))
        self._holds = vectorised(chosen.tree, self._wanted)
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
        for (window, passes, asked), _ in self.windows(reader, _nothing, threads=threads, read=read):
            watch(window)
            for place in np.flatnonzero(passes | asked).tolist():
                packet = exact.packet(window.record(place)) if asked[place] else None
                if packet is None or self.filter.matches(packet, window.moments(place)):
                    yield window, place, packet

    def _choose(self, walked: Walked) -> Chosen:
        if not hasattr(self._local, "second"):
            self._local.second = second_walk(self._wanted)
        view = View(walked, self._local.second)
        surely, maybe = self._holds(view)
        asked = walked.exact | (maybe & ~surely)
        if self._wanted.has_lengths:
            lengths, has = view.lengths()
            asked |= has & (lengths < 0)
        return Chosen(walked.window, surely & ~asked, asked)
