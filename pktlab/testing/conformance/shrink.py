"""From a case that fails to the smallest one that does.

Every part is made shorter (to nothing, by halves, by a step), then plainer (the plainest bytes, zeros, smaller numbers)
as long as the case still fails. What is legal is no question here: whatever the parts are, the kind makes a legal
packet of them. The work is bounded in bytes, not in time, so that a run can be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pktlab.testing.conformance.kinds import Part, Parts

__all__ = ["CALL", "shrunk"]

WORK = 6_000_000
"""Bytes that may be tried in all; a call counts for `CALL` bytes beside."""
CALL = 1_500
MENDED = 2_000
"""Bytes of a part up to which it is worth trying again with the sum of before."""
FEW = 48
"""Bytes of a part up to which every single one is made smaller."""


def shrunk(
    kind_parts: tuple[Part, ...], parts: Parts, fails: Callable[[Parts], bool], *, call: int = CALL,
    mended: Callable[[Parts], Parts] = lambda parts: parts,
) -> Parts:  # fmt: skip
    r"""Return the smallest parts found that still fail; `fails` holds for `parts`, and a try costs `call`.

    What does not fail is tried again as `mended` makes it: with the sum that the first case had.

    >>> shrunk((Part("data", 0, 9999),), (bytes(range(256)) * 5,), lambda parts: 7 in parts[0][2:])
    (b'\x00\x00\x07',)
    """
    search = _Search(parts, fails, call, mended)
    order = sorted(range(len(parts)), key=lambda index: -kind_parts[index].most)
    before = None
    while before != search.best and search.work > 0:
        before = search.best
        for index in order:
            search.shorten(index, kind_parts[index])
        for index in order:
            search.simplify(index, kind_parts[index])
    return search.best


class _Search:
    def __init__(
        self, parts: Parts, fails: Callable[[Parts], bool], call: int, mended: Callable[[Parts], Parts]
    ) -> None:
        self.best = parts
        self.fails = fails
        self.call = call
        self.mended = mended
        self.work = WORK
        self.seen: set[Parts] = {parts}

    def take(self, index: int, value: bytes) -> bool:
        """Put `value` in place of a part if the case still fails, as it is or mended."""
        parts = (*self.best[:index], value, *self.best[index + 1 :])
        if self._take(parts):
            return True
        return len(value) < len(self.best[index]) < MENDED and self._take(self.mended(parts))

    def _take(self, parts: Parts) -> bool:
        if parts in self.seen or self.work <= 0:
            return False
        self.seen.add(parts)
        self.work -= self.call + sum(map(len, parts))
        if self.fails(parts):
            self.best = parts
            return True
        return False

    def shorten(self, index: int, part: Part) -> None:
        """Make a part as short as it gets: at once, by halves, then piece by piece from everywhere in it."""
        if part.least == part.most or self.take(index, self.best[index][: part.least]):
            return
        low, high = part.least // part.step, len(self.best[index]) // part.step
        while low + 1 < high:
            middle = (low + high) // 2
            data, size = self.best[index], middle * part.step
            if self.take(index, data[:size]) or self.take(index, data[len(data) - size :]):
                high = middle
            else:
                low = middle
        size = len(self.best[index]) // 2
        while size >= part.step:
            for piece in sorted({max(size // part.step * part.step, part.step), part.step}, reverse=True):
                self._cut(index, part, piece)
            size //= 2

    def _cut(self, index: int, part: Part, size: int) -> None:
        """Leave out pieces of `size` bytes, from the end to the front."""
        at = len(self.best[index]) - size
        tries = 0
        while at >= 0 and tries < 64:
            data = self.best[index]
            if len(data) - size < part.least or not self.take(index, data[:at] + data[at + size :]):
                tries += 1
            at = min(at - size, len(self.best[index]) - size)

    def simplify(self, index: int, part: Part) -> None:
        """Make the bytes of a part plainer."""
        data = self.best[index]
        plain = part.simple if len(part.simple) == len(data) else bytes(len(data))
        if data == plain or self.take(index, plain):
            return
        self._blank(index, plain)
        data = self.best[index]
        changed = [at for at in range(len(data)) if data[at] != plain[at]]
        for at in changed if len(changed) <= FEW else ():
            for value in _smaller(self.best[index][at], plain[at]):
                now = self.best[index]
                if self.take(index, now[:at] + bytes((value,)) + now[at + 1 :]):
                    break

    def _blank(self, index: int, plain: bytes) -> None:
        """Put what is plain in place of ever smaller pieces."""
        size = len(plain) // 2
        while size:
            tries = 0
            for at in range(0, len(plain), size):
                data = self.best[index]
                if data[at : at + size] == plain[at : at + size] or tries > 64:
                    continue
                tries += not self.take(index, data[:at] + plain[at : at + size] + data[at + size :])
            size //= 2


def _smaller(value: int, plain: int) -> Iterator[int]:
    """Yield what may stand for a byte, the plainest first."""
    yield plain
    for one in (0, 1, 0x80, value >> 1, value - 1):
        if 0 <= one < value:
            yield one
