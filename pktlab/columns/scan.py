"""A capture run through the kernels, window by window, on as many threads as there are cores.

Windows are read and indexed in order, each by the thread that then walks it (kernels release the interpreter's lock),
and given out in order. Memory is the windows in use and does not grow with the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from typing import Any, Generic, TypeVar

import numpy as np

from pktlab.capture import CaptureReader
from pktlab.columns import kernels, kernels_trails, kernels_walk
from pktlab.columns.crew import in_order
from pktlab.columns.plan import Place, Plan
from pktlab.columns.terms import bits_of
from pktlab.columns.trails import Trails
from pktlab.columns.windows import WINDOW_LEN, Window, Windows, max_packets
from pktlab.wire.values import ipv4_text, ipv6_text
from pktlab.wire.verdict import STATUS, Verdict

__all__ = ["IPV4_KEY", "STATUSES", "VERDICTS", "Scan", "Walked", "address_text"]

Array = np.ndarray[Any, Any]
VERDICTS: tuple[Verdict | None, ...] = (None, *Verdict)
"""What the codes of the kernels stand for."""
STATUSES = np.array([0, *(STATUS[verdict] for verdict in Verdict)], np.int64)
"""tshark's number for each of them."""
IPV4_KEY = (0xFFFF << 48) - (1 << 64)
"""First half of an IPv4 address as two numbers, with which no unicast IPv6 address starts."""
Result = TypeVar("Result")


def address_text(high: int, low: int) -> str:
    """Return the address that two numbers are, see `Walked.addresses`.

    >>> address_text(IPV4_KEY, 0x7F000001), address_text(0, 1)
    ('127.0.0.1', '::1')
    """
    if high == IPV4_KEY:
        return ipv4_text(low.to_bytes(4, "big"))
    return ipv6_text(b"".join((half & 0xFFFF_FFFF_FFFF_FFFF).to_bytes(8, "big") for half in (high, low)))


class Walked:
    """What the walk says of a window's packets; arrays are valid until the next window is asked for.

    places : int32, shape (slots, packets): where the first header of a kind starts in its packet, -1 if there is none
    exact : bool, shape (packets,): the exact reader has to answer
    verdicts : uint8, found, expected : uint16, shape (protocols, packets), by the rows of `Plan.protocols`
    codes : int64, shape (protocols,), a bit for each verdict that was given, also of packets that are not plain
    """

    def __init__(self, plan: Plan, size: int) -> None:
        slots, sums = max(int(plan.slots.max()) + 1, 1), max(len(plan.protocols), 1)
        self.plan = plan
        self.size = size
        self._places = np.empty((slots, size), np.int32)
        self._payloads = np.empty((slots, size), np.int32)
        self._status = np.empty(size, np.uint8)
        self._verdicts = np.zeros((sums, size), np.uint8)
        self._found = np.zeros((sums, size), np.uint16)
        self._expected = np.zeros((sums, size), np.uint16)
        self.codes = np.zeros(sums, np.int64)
        self._trails = Trails(plan)
        self._all, self._rest = np.arange(size, dtype=np.uint64), np.empty(size, np.uint64)
        found = (self._places, self._payloads, self._status, self._verdicts, self._found, self._expected, self.codes)
        self._retrace = kernels_trails.retrace.bound(
            plan.rules.tables, plan.reach, self._rest, *self._trails.arrays, *found
        )
        self._walk = kernels_walk.walk.bound(
            *plan.rules.arrays,
            plan.here, plan.deep, plan.reach, plan.slots, plan.judged, plan.need, plan.every, plan.pieces,
            *_rooms(len(plan.rules.heads)), self._trails.known, self._trails.samples, *found,
        )  # fmt: skip
        self.window: Window

    def run(self, window: Window) -> None:
        """Walk the packets of a window."""
        plan, index = self.plan, window.index
        self.window, self.count = window, window.count
        self._places[:, : window.count] = -1
        self._verdicts[self.codes.nonzero()[0]] = 0
        self.codes[:] = 0
        self._trails.begin(window)
        packets = (window.data, index.starts, index.captured, index.lengths, index.links, index.fcs, index.flags)
        firsts, rest, left = _firsts(plan, window.link_types), self._all, window.count
        if self._trails.known[kernels_trails.TRAILS]:
            rest, left = self._rest, self._retrace(*packets, window.count, firsts)
        self._walk(*packets, rest, left, firsts)
        self._trails.learn(window)

    @property
    def exact(self) -> Array:
        """Which packets the exact reader has to answer for."""
        is_exact: Array = self._status[: self.count] == kernels_walk.EXACT
        return is_exact

    @property
    def verdicts(self) -> Array:
        """The verdicts."""
        return self._verdicts[: len(self.plan.protocols), : self.count]

    @property
    def found(self) -> Array:
        """The stored values, where there is a verdict."""
        return self._found[: len(self.plan.protocols), : self.count]

    @property
    def expected(self) -> Array:
        """The right values, where a sum was taken."""
        return self._expected[: len(self.plan.protocols), : self.count]

    @property
    def arrays(self) -> tuple[Array, ...]:
        """Places, payloads, verdicts, found and expected, as `kernels_walk.walk` fills them: longer than the window."""
        return self._places, self._payloads, self._verdicts, self._found, self._expected

    def values(self, places: list[Place]) -> tuple[Array, Array]:
        """Return the values of a field, int64, and which packets have it."""
        values, origins = np.zeros(self.count, np.int64), np.full(self.count, -1, np.int32)
        for place in places:
            kernels.extract(
                self.window.data, self.window.index.starts, self._places[place.slot], self.count,
                place.row.offset, *bits_of(place.row), values, origins,
            )  # fmt: skip
        if any(place.row.kind == "bool" and bits_of(place.row)[2] > 1 for place in places):
            np.minimum(values, 1, out=values)  # several bits, one truth: tcp.flags.res
        return values, origins >= 0

    def octets(self, places: list[Place], width: int) -> tuple[Array, Array]:
        """Return the bytes of a field, uint8 of shape (packets, width), and which packets have it."""
        values, origins = np.zeros((self.count, width), np.uint8), np.full(self.count, -1, np.int32)
        for place in places:
            kernels.copy(
                self.window.data, self.window.index.starts, self._places[place.slot], self.count,
                place.row.offset, values, origins,
            )  # fmt: skip
        return values, origins >= 0

    def halves(self, places: Sequence[Place], mark: int, halves: Array | None = None) -> Array:
        """Return addresses as two numbers, int64 of shape (2, packets); see `kernels.halve`.

        halves : what stays where there is no such address; 0 if None
        """
        halves = np.zeros((2, self.count), np.int64) if halves is None else halves
        origins = np.full(self.count, -1, np.int32)
        for place in places:
            kernels.halve(
                self.window.data, self.window.index.starts, self._places[place.slot], self.count,
                place.row.offset, place.row.width, mark, halves, origins,
            )  # fmt: skip
        return halves

    def headers(self, places: list[Place]) -> Array:
        """Return where a header starts in its packet, int64, -1 where it has none."""
        found = np.full(self.count, -1, np.int64)
        for place in places:
            starts = self._places[place.slot, : self.count]
            takes = (starts >= 0) & ((found < 0) | (starts < found))
            found[takes] = starts[takes]
        return found

    def addresses(self, old: Sequence[Place], new: Sequence[Place]) -> Array:
        """Return the IP address of each packet as two numbers, int64 of shape (2, packets); `address_text` reads them.

        old, new : where IPv4 and IPv6 headers have it; of one in another's tunnel it is that of IPv4
        """
        return self.halves(old, IPV4_KEY, self.halves(new, 0))

    def payloads(self, places: list[Place]) -> tuple[Array, Array]:
        """Return how many bytes lie behind a header, int64, under 0 if some are missing; and which packets have it."""
        values, origins = np.zeros(self.count, np.int64), np.full(self.count, -1, np.int32)
        for place in places:
            starts = self._places[place.slot, : self.count]
            takes = (starts >= 0) & ((origins < 0) | (starts < origins))
            values[takes] = self._payloads[place.slot, : self.count][takes]
            origins[takes] = starts[takes]
        return values, origins >= 0


def _rooms(kinds: int) -> tuple[Array, ...]:
    """Return what `kernels_walk.walk` works in, with so many kinds of headers.

    lanes : LANE; numbers : int64, a line for each number of a header; order : uint64, which lanes are at the same kind
    of header, which of them are still with it, which go on; told : int64, by lane, what its numbers tell; waiting :
    int32 by kind, the first lane that is at such a header, or -1; turns : int32, a ring of the kinds that lanes wait
    at; paths : int32, by lane, the headers that it came to, of each its kind, where it starts, its length
    """
    size, lines = kernels_walk.LANES, kernels_walk.ZERO + 1
    return (
        np.zeros(size, kernels_walk.LANE), np.zeros((lines, size), np.int64), np.zeros((3, size), np.uint64),
        np.zeros((3, size), np.int64), np.full(kinds, -1, np.int32), np.zeros(kinds + 1, np.int32),
        np.zeros((size, 3 * kernels_walk.DEPTH), np.int32),
    )  # fmt: skip


def _firsts(plan: Plan, link_types: list[int]) -> Array:
    """Return the kind that packets of each link type start with, or the negative place of a table by version."""
    starts = [plan.rules.starts.get(link_type, (0, 0)) for link_type in link_types]
    return np.array([kind or -table for kind, table in starts] or [0], np.int32)


class Scan(Generic[Result]):
    """Windows walked and worked on, in file order.

    Parameters
    ----------
    reader : a capture; its packets from the next one on are walked
    plan : what is wanted
    work : what is done with each window, on any thread; its result is given out with the window
    threads : how many windows are worked on at a time
    read : packets that were read already; first_ns, previous_ns : times of the first and the last of them
    window_len : bytes of a window
    """

    def __init__(
        self,
        reader: CaptureReader,
        plan: Plan,
        work: Callable[[Walked], Result],
        *,
        threads: int = 1,
        read: int = 0,
        first_ns: int | None = None,
        previous_ns: int | None = None,
        window_len: int = WINDOW_LEN,
    ) -> None:
        self.reader, self.plan, self.work, self.window_len = reader, plan, work, window_len
        self.before = read, first_ns, previous_ns
        self.threads = threads if reader.is_plain_file else 1

    def __iter__(self) -> Iterator[tuple[Walked, Result]]:
        if self.threads > 1:
            yield from self._side_by_side(self.threads)
            return
        walked = Walked(self.plan, max_packets(self.window_len))
        for window in Windows(self.reader, 0, *self.before, window_len=self.window_len):
            yield walked, self._run(walked, window)

    def _side_by_side(self, threads: int) -> Iterator[tuple[Walked, Result]]:
        """Yield windows that threads have read and worked on, each its own: the bytes are in its core's cache."""
        windows = Windows(self.reader, threads, *self.before, window_len=self.window_len)
        walked = cycle([Walked(self.plan, max_packets(self.window_len)) for _ in range(threads + 1)])

        def work(both: tuple[Window, Walked]) -> tuple[Walked, Result]:
            window, own = both
            return own, self._run(own, window)

        yield from in_order(zip(windows, walked, strict=False), work, threads=threads, most=threads + 1)

    def _run(self, walked: Walked, window: Window) -> Result:
        walked.run(window)
        return self.work(walked)
