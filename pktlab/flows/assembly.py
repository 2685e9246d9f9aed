"""What TCP and uTP have in common where they are put together: two ways, what waits of them, and how they end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence, Sized
from typing import Generic, Protocol, TypeVar

from pktlab.flows.streams import End, Event, Why

__all__ = ["MAX_HELD", "AnyWay", "Assembly"]

MAX_HELD = 8 << 20
"""Bytes of a way that wait at most: more than Linux lets a connection have under way (tcp_rmem, 6 MiB)."""


class AnyWay(Protocol):
    """One way.

    next : offset of the next byte; over : why it has ended, None if not; reset : by which frame the receiver ended it,
    and when; None if not
    """

    is_begun: bool
    next: int
    over: Why | None
    reset: tuple[int, int] | None
    held_len: int

    @property
    def held(self) -> Sized:
        """What waits."""


AWay = TypeVar("AWay", bound=AnyWay)


class Assembly(ABC, Generic[AWay]):
    """A connection, both ways; `max_held` is how many bytes of one wait at most."""

    ways: tuple[AWay, AWay]
    max_held: int

    @property
    def held_len(self) -> int:
        """How much memory takes what waits, roughly, bytes."""
        return self.ways[0].held_len + self.ways[1].held_len

    @property
    def is_over(self) -> bool:
        """Whether both ways have ended, or their receivers have ended them."""
        return all((one.over or one.reset) is not None for one in self.ways)

    def end(self, why: Why = Why.open, frame: int = 0, time_ns: int = 0) -> list[Event]:
        """Return what there is to tell when nothing more comes."""
        events: list[Event] = []
        self._close((0, 1), why, frame, time_ns, events)
        return events

    def relieve(self, frame: int, time_ns: int) -> list[Event]:
        """Give up the hole that most waits behind; return what that tells, nothing if nothing waits."""
        events: list[Event] = []
        way = int(self.ways[1].held_len > self.ways[0].held_len)
        if self.ways[way].held:
            self._skip(way, Why.memory, frame, time_ns, events)
        return events

    def _close(self, ways: Sequence[int], reason: Why, at: int, moment: int, events: list[Event]) -> None:
        """End ways: what waits is given out, and what the receiver has behind it is missing."""
        for way in ways:
            mine, why, frame, now = self.ways[way], reason, at, moment
            if mine.reset is not None and mine.over is None:
                why, (frame, now) = Why.reset, mine.reset
            while mine.held:
                self._skip(way, mine.over or why, frame, now, events)
            if mine.is_begun and mine.over is None:
                self._miss_end(way, frame, now, events)
                self._over(way, why, frame, now, events)

    def _over(self, way: int, why: Why, frame: int, now: int, events: list[Event]) -> None:
        mine = self.ways[way]
        mine.over = why
        events.append(End(way, mine.next, why, frame, now))

    @abstractmethod
    def _skip(self, way: int, why: Why, frame: int, now: int, events: list[Event]) -> None:
        """Give up the first hole, and give out what waits behind it."""

    @abstractmethod
    def _miss_end(self, way: int, frame: int, now: int, events: list[Event]) -> None:
        """Tell of what the receiver has that was never seen."""
