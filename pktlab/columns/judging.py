"""The checksums of a capture judged in bulk: a verdict a protocol and packet, and who sent it.

What the kernels leave alone is marked; whoever asks has it judged by the exact reader.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from pktlab.capture import CaptureReader
from pktlab.columns import kernels
from pktlab.columns.plan import plan_for
from pktlab.columns.rules import compile_rules
from pktlab.columns.scan import VERDICTS, Scan, Walked, address_text
from pktlab.columns.windows import Window
from pktlab.wire.bindings import Binding

__all__ = ["VERDICTS", "Judged", "Senders", "census", "judged_windows"]

Array = np.ndarray[Any, Any]


class Judged(NamedTuple):
    """The verdicts on the packets of a window; valid until the next one is asked for.

    protocols : of the rows of `verdicts`, uint8 of shape (protocols, packets), places in `VERDICTS`;
    found, expected : uint16 of the same shape; codes : int64, shape (protocols,), a bit for each verdict given;
    exact : bool, shape (packets,): not judged here;
    sources : int64, shape (2, packets): the two halves of the sender's address, see `Senders`
    """

    window: Window
    protocols: tuple[str, ...]
    exact: Array
    verdicts: Array
    found: Array
    expected: Array
    codes: Array
    sources: Array


def judged_windows(
    reader: CaptureReader, bindings: Sequence[Binding] = (), *, threads: int = 1, read: int = 0
) -> Iterator[Judged]:
    """Yield the windows of a capture with their verdicts, in file order.

    Parameters
    ----------
    reader : a capture, of which `read` packets were read already
    bindings : the user's own protocols
    threads : how many windows are worked on at a time
    """
    plan = plan_for(compile_rules(bindings), ["ip.src", "ipv6.src"], sums=None, every=True)

    def work(walked: Walked) -> Array:
        return walked.addresses(plan.places["ip.src"], plan.places["ipv6.src"])

    scan = Scan(reader, plan, work, threads=threads, read=read)
    for walked, sources in scan:
        yield Judged(
            walked.window, plan.protocols, walked.exact, walked.verdicts, walked.found, walked.expected, walked.codes,
            sources,
        )  # fmt: skip


def census(judged: Judged, skipped: Array) -> Array:
    """Return how often each verdict was given to packets that are not `skipped`: int64, shape (protocols, 8)."""
    counts = np.zeros((len(judged.protocols), 8), np.int64)
    kernels.census(judged.verdicts, judged.codes, skipped, judged.window.count, counts)
    return counts


class Senders:
    """Verdicts counted by sender, of a bounded number of senders.

    >>> Senders(16).size
    16
    """

    def __init__(self, size: int = 1 << 15) -> None:
        self.size = size
        self._keys = np.zeros((size, 2), np.int64)
        self._used = np.zeros(1, np.int64)
        self._counts = np.zeros((size + 1, 8), np.int64)

    def add(self, judged: Judged, skipped: Array, present: Array) -> Array:
        """Count the packets that are not `skipped`, and return the entry of each one's sender, int32.

        present : bool, protocols of which there is a verdict
        """
        owners = np.empty(judged.window.count, np.int32)
        kernels.tally(
            judged.sources, judged.verdicts, present, skipped, judged.window.count,
            self._keys, self._used, self._counts, owners,
        )  # fmt: skip
        return owners

    def entries(self) -> Iterator[tuple[int, str, Array]]:
        """Yield each sender: its entry, its address as text, and its verdicts, int64 by `VERDICTS`."""
        for place in np.flatnonzero(self._counts[:, 1:].any(axis=1)):
            yield int(place), "" if place == self.size else self._name(int(place)), self._counts[place]

    def _name(self, place: int) -> str:
        high, low = map(int, self._keys[place])
        return address_text(high, low) if high or low else ""
