"""Which pieces somebody has."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["MAX_PIECES", "Pieces"]

MAX_PIECES = 1 << 23
"""Pieces of a torrent at most: what a bitfield of the longest message has room for."""
_LOOSE = 1 << 14  # numbers that are kept one by one, before they get a bit each


class Pieces:
    r"""A set of numbers of pieces, kept as bits where there are many.

    >>> pieces = Pieces()
    >>> pieces.fill(b"\xa0"), pieces.add(9), pieces.add(9)
    (None, True, False)
    >>> list(pieces), len(pieces), 2 in pieces
    ([0, 2, 9], 3, True)
    """

    def __init__(self) -> None:
        self._bits = bytearray()
        self._loose: set[int] = set()
        self._count = 0

    def fill(self, bits: bytes, count: int | None = None) -> None:
        """Have the pieces of a bitfield, the first one the highest bit; `count` is how many pieces there are."""
        self._bits, self._loose = bytearray(bits), set()
        if count is not None and count < 8 * len(bits):
            del self._bits[(count + 7) // 8 :]
            if count % 8:
                self._bits[-1] &= 0xFF << 8 - count % 8 & 0xFF
        self._count = int.from_bytes(self._bits, "big").bit_count()

    def fill_all(self, count: int) -> None:
        """Have the first `count` pieces."""
        self.fill(b"\xff" * ((count + 7) // 8), count)

    def add(self, index: int) -> bool:
        """Have one more; return whether it is new. Numbers from `MAX_PIECES` on are left out."""
        if index in self or index >= MAX_PIECES:
            return False
        self._count += 1
        if index < 8 * len(self._bits):
            self._bits[index >> 3] |= 0x80 >> (index & 7)
            return True
        self._loose.add(index)
        if len(self._loose) > _LOOSE:
            self._bits.extend(bytes((max(self._loose) >> 3) + 1 - len(self._bits)))
            for one in self._loose:
                self._bits[one >> 3] |= 0x80 >> (one & 7)
            self._loose = set()
        return True

    def remove(self, index: int) -> bool:
        """Have one no longer (BEP 54); return whether it was there."""
        if index not in self:
            return False
        self._count -= 1
        if index in self._loose:
            self._loose.remove(index)
        else:
            self._bits[index >> 3] &= ~(0x80 >> (index & 7))
        return True

    def bitfield(self, count: int) -> bytes:
        """Return the first `count` as a bitfield."""
        bits = bytearray((count + 7) // 8)
        for index in self:
            if index < count:
                bits[index >> 3] |= 0x80 >> (index & 7)
        return bytes(bits)

    def __contains__(self, index: int) -> bool:
        if index < 8 * len(self._bits):
            return bool(self._bits[index >> 3] & 0x80 >> (index & 7))
        return index in self._loose

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[int]:
        for place, octet in enumerate(self._bits):
            if octet:
                yield from (8 * place + bit for bit in range(8) if octet & 0x80 >> bit)
        yield from sorted(self._loose)
