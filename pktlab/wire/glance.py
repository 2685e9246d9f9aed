"""What the first bytes of a protocol have to be: the part of `Header.looks_like` that is told at a glance.

A glance is data, so that kernels can take it too: bytes that do not stand it are not of that protocol, whoever asks.
Bytes that do may still be something else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["Glance", "stands"]


class Glance(NamedTuple):
    """A number in network byte order, `width` bytes (1 to 4) at `offset`, in one of `ranges`, ends included."""

    offset: int
    width: int
    ranges: tuple[tuple[int, int], ...]


def stands(glances: Iterable[Glance], data: bytes, start: int, end: int) -> bool:
    r"""Tell whether the bytes from `start` to `end` hold all that is looked at, and stand every glance.

    >>> stands([Glance(0, 2, ((1, 1), (5, 9)))], b"\x00\x07", 0, 2), stands([Glance(0, 1, ((1, 1),))], b"", 0, 0)
    (True, False)
    """
    for offset, width, ranges in glances:
        at = start + offset
        if at + width > end:
            return False
        number = int.from_bytes(data[at : at + width], "big")
        if not any(least <= number <= most for least, most in ranges):
            return False
    return True
