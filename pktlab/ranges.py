"""`RangeSet`: which numbers of a line are covered, as half-open ranges that do not touch."""

from __future__ import annotations

import bisect
from collections.abc import Iterator

__all__ = ["RangeSet"]


class RangeSet:
    """A set of integers kept as sorted, disjoint, non-adjacent ranges ``[start, stop)``.

    >>> covered = RangeSet()
    >>> covered.add(0, 8), covered.add(16, 24), covered.add(4, 16)
    (True, True, True)
    >>> list(covered), covered.covers(0, 24), list(covered.gaps(0, 32))
    ([(0, 24)], True, [(24, 32)])
    """

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []

    def add(self, start: int, stop: int) -> bool:
        """Add ``[start, stop)``; return whether any of it was new. An empty range adds nothing.

        Raises
        ------
        ValueError : `stop` is before `start`
        """
        if stop < start:
            raise ValueError(f"the range {start} to {stop} runs backwards")
        if self.covers(start, stop):
            return False
        first = bisect.bisect_left(self._stops, start)
        last = bisect.bisect_right(self._starts, stop)
        if first < last:
            start = min(start, self._starts[first])
            stop = max(stop, self._stops[last - 1])
        self._starts[first:last] = [start]
        self._stops[first:last] = [stop]
        return True

    def covers(self, start: int, stop: int) -> bool:
        """Tell whether all of ``[start, stop)`` is in the set; the empty range always is."""
        if start >= stop:
            return True
        index = bisect.bisect_right(self._starts, start) - 1
        return index >= 0 and self._stops[index] >= stop

    def gaps(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """Return the parts of ``[start, stop)`` that are not in the set, in order."""
        at = start
        for low, high in self:
            if high <= at:
                continue
            if low >= stop:
                break
            if low > at:
                yield at, low
            at = high
        if at < stop:
            yield at, stop

    def overlaps(self, start: int, stop: int) -> bool:
        """Tell whether any of ``[start, stop)`` is in the set."""
        return start < stop and sum(high - low for low, high in self.gaps(start, stop)) < stop - start

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(zip(self._starts, self._stops, strict=True))

    def __len__(self) -> int:
        """Return how many integers are in the set."""
        return sum(stop - start for start, stop in self)

    def __repr__(self) -> str:
        return f"RangeSet({list(self)})"
