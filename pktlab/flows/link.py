"""A link that does to packets what networks do: it takes time, queues, loses, reorders, duplicates and breaks bits.

`Link` is a pure core: packets and `now` go in, packets come out when they are due, and the fate of each is told, so
that every capture made through it is a labelled one. Virtual time drives it as well as a relay between real stacks
(`pktlab.live.relay`). One link goes one way.

A packet that is lost is lost before the queue; one that finds the queue full is dropped; then it is sent, which takes
its length over the rate; then it is under way. Jitter changes no order: only what `reorder` holds back is overtaken.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

__all__ = ["Arrival", "Fate", "Link", "through"]

NS_PER_S = 1_000_000_000
HELD_NS = 20_000_000
"""How long a packet is held back if nobody says otherwise: some 20 full packets at 12 Mbit/s overtake it."""
MASK_64 = (1 << 64) - 1


class Arrival(NamedTuple):
    """A packet that comes out: when, ns; its number, counted from 1 as it went in; its bytes."""

    time_ns: int
    number: int
    data: bytes


@dataclass(frozen=True)
class Fate:
    """What became of a packet: a line of ``truth.jsonl``.

    number : counted from 1; in_ns : when it went in; out_ns : when it, and its duplicate, come out, empty if it was
    dropped; dropped : ``"loss"``, ``"queue"`` or nothing; queue : packets in front of it; corrupted_bit : which bit was
    flipped, counted from the first; held : it was held back so that others overtake it
    """

    number: int
    in_ns: int
    length: int
    queue: int
    out_ns: tuple[int, ...] = ()
    dropped: str = ""
    held: bool = False
    corrupted_bit: int | None = None

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "packet": self.number, "in_ns": self.in_ns, "length": self.length, "queue": self.queue,
            "out_ns": list(self.out_ns), "dropped": self.dropped or None, "held": self.held,
            "duplicated": len(self.out_ns) > 1, "corrupted_bit": self.corrupted_bit,
        }  # fmt: skip


class _Dice:
    """Numbers that look random and are the same for the same seed (SplitMix64, Steele et al., OOPSLA 2014)."""

    def __init__(self, seed: int) -> None:
        self._state = seed & MASK_64

    def below(self, limit: int) -> int:
        """Return a number in 0..limit-1."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & MASK_64
        mixed = ((self._state ^ self._state >> 30) * 0xBF58476D1CE4E5B9) & MASK_64
        mixed = ((mixed ^ mixed >> 27) * 0x94D049BB133111EB) & MASK_64
        return (mixed ^ mixed >> 31) * limit >> 64

    def hits(self, share: float) -> bool:
        """Return True in that share of the calls."""
        return self.below(1 << 53) < share * (1 << 53)


class Link:
    """One direction of a link.

    Parameters
    ----------
    rate : bits per second; 0 = no limit
    delay, jitter : ns under way; each packet takes `delay` plus or minus up to `jitter`
    loss, reorder, duplicate, corrupt : share of the packets, 0 to 1
    queue : packets that may wait or be being sent; 0 = no limit
    seed : of the dice: the same packets at the same times meet the same fates
    held : ns for which `reorder` holds a packet back

    Raises
    ------
    ValueError : a share is not in 0..1, or something is negative

    >>> link = Link(rate=8_000_000, delay=1_000_000)
    >>> link.send(bytes(1000), 0).out_ns, link.send(bytes(1000), 0).out_ns
    ((2000000,), (3000000,))
    >>> [(one.time_ns, one.number) for one in link.due(2_500_000)], link.next_ns
    ([(2000000, 1)], 3000000)
    """

    def __init__(
        self,
        *,
        rate: float = 0,
        delay: int = 0,
        jitter: int = 0,
        loss: float = 0,
        reorder: float = 0,
        duplicate: float = 0,
        corrupt: float = 0,
        queue: int = 0,
        seed: int = 0,
        held: int = HELD_NS,
    ) -> None:
        shares = {"loss": loss, "reorder": reorder, "duplicate": duplicate, "corrupt": corrupt}
        for name, share in shares.items():
            if not 0 <= share <= 1:
                raise ValueError(f"{name} = {share} is no share of the packets: it lies in 0..1")
        for name, value in {"rate": rate, "delay": delay, "jitter": jitter, "queue": queue, "held": held}.items():
            if value < 0:
                raise ValueError(f"{name} = {value} is negative")
        self.rate, self.delay, self.jitter, self.queue, self.held = rate, delay, jitter, queue, held
        self.loss, self.reorder, self.duplicate, self.corrupt = loss, reorder, duplicate, corrupt
        self.packets = 0
        self._dice = _Dice(seed)
        self._sent_ns: deque[int] = deque()  # when those in the queue will have been sent
        self._last_ns = 0  # when the last one that was not held back comes out
        self._under_way: list[Arrival] = []

    def send(self, data: bytes, now: int) -> Fate:
        """Put a packet in; return what becomes of it.

        Parameters
        ----------
        data : the packet; now : ns, any origin, not decreasing
        """
        self.packets += 1
        while self._sent_ns and self._sent_ns[0] <= now:
            self._sent_ns.popleft()
        waiting = len(self._sent_ns)
        # every packet throws all dice, so that one share changed changes no other fate
        lost, held, doubled, broken = map(self._dice.hits, (self.loss, self.reorder, self.duplicate, self.corrupt))
        wobble, bit = self._dice.below(2 * self.jitter + 1) - self.jitter, self._dice.below(max(8 * len(data), 1))
        if lost or (self.queue and waiting >= self.queue):
            return Fate(self.packets, now, len(data), waiting, dropped="loss" if lost else "queue")
        out_ns = self._leave(len(data), now) + max(self.delay + wobble, 0)
        if held:
            out_ns += self.held
        else:
            self._last_ns = out_ns = max(out_ns, self._last_ns)
        corrupted_bit = bit if broken and data else None
        out = (out_ns,) * (2 if doubled else 1)
        for time_ns in out:
            heapq.heappush(self._under_way, Arrival(time_ns, self.packets, _flipped(data, corrupted_bit)))
        return Fate(self.packets, now, len(data), waiting, out, "", held, corrupted_bit)

    def _leave(self, length: int, now: int) -> int:
        """Return when a packet has been sent, ns, and queue it until then."""
        if not self.rate:
            return now
        start = self._sent_ns[-1] if self._sent_ns else now
        sent_ns = start + round(8 * length * NS_PER_S / self.rate)
        self._sent_ns.append(sent_ns)
        return sent_ns

    @property
    def next_ns(self) -> int | None:
        """When the next packet comes out, ns; None if none is under way."""
        return self._under_way[0].time_ns if self._under_way else None

    def due(self, now: int) -> list[Arrival]:
        """Take out the packets that have arrived by `now`, in the order of their times."""
        arrived = []
        while self._under_way and self._under_way[0].time_ns <= now:
            arrived.append(heapq.heappop(self._under_way))
        return arrived


def through(link: Link, packets: Iterator[tuple[int, bytes]]) -> Iterator[tuple[Fate | None, Arrival | None]]:
    """Drive a link by virtual time: yield each packet's fate as it goes in, and each arrival, in the order of time.

    Parameters
    ----------
    packets : time in ns, not decreasing, and bytes

    >>> events = through(Link(delay=5), iter([(0, b"a"), (9, b"b")]))
    >>> [("in", fate.number) if fate else ("out", arrival.number) for fate, arrival in events]
    [('in', 1), ('out', 1), ('in', 2), ('out', 2)]
    """
    for now, data in packets:
        for arrival in link.due(now):
            yield None, arrival
        yield link.send(data, now), None
    while link.next_ns is not None:
        for arrival in link.due(link.next_ns):
            yield None, arrival


def _flipped(data: bytes, bit: int | None) -> bytes:
    """Return `data` with one bit, counted from the most significant of the first byte, turned over."""
    if bit is None:
        return data
    changed = bytearray(data)
    changed[bit >> 3] ^= 0x80 >> (bit & 7)
    return bytes(changed)
