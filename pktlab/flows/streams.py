"""What is told of a stream of bytes, whichever transport carries it: the events that TCP and uTP reassembly give.

A stream has two ways: 0 is that of whoever sent the first packet that was seen, 1 the answers. Offsets count the bytes
of a way from 0, the first that was seen or announced by a SYN; those that are missing count too, as far as it is known
how many they are. A way is told in order, without overlaps: every byte is in one `Data` or one `Gap`.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

__all__ = ["Begin", "Buffer", "Data", "End", "Event", "Gap", "Overlap", "Why", "held_cost"]

Buffer = bytes | bytearray | memoryview
PIECE_LEN = 200
"""Bytes that a piece that waits takes besides its data."""


class Why(StrEnum):
    """What decided that bytes are missing, or that a way is over."""

    acknowledged = "acknowledged"  # the receiver has them: they passed, but not here
    cut = "cut"  # the snap length of the capture
    memory = "memory"  # too much that came behind them was waiting
    jump = "jump"  # the sender's numbers go on somewhere else: how many are missing is not known
    fin = "fin"
    reset = "reset"
    restart = "restart"  # a new connection between the same ends
    open = "open"  # nothing: it was not over when the capture was, or the conversation was forgotten


class Begin(NamedTuple):
    """A way begins; `is_first` where its SYN was seen, so that no byte was before, else somewhere in its middle."""

    way: int
    offset: int
    is_first: bool
    frame: int
    time_ns: int


class Data(NamedTuple):
    """Bytes, in order.

    offset : of the first byte; data : as long valid as what was given to be put together
    frames : numbers of those that brought them, one a piece; stops : where each piece ends in `data`
    times_ns : when each piece was there in order, which is when the receiver could read it
    """

    way: int
    offset: int
    data: Buffer
    frames: Sequence[int]
    stops: Sequence[int]
    times_ns: Sequence[int]


class Gap(NamedTuple):
    """Bytes that are missing for good; `length` None where it is not known; `frame` is where that was decided."""

    way: int
    offset: int
    length: int | None
    why: Why
    frame: int
    time_ns: int


class Overlap(NamedTuple):
    """Bytes that came twice and differ: which ones were given on is the policy's."""

    way: int
    offset: int
    length: int
    frame: int
    time_ns: int


class End(NamedTuple):
    """A way ends; `frame` 0 where nothing in the capture says so."""

    way: int
    offset: int
    why: Why
    frame: int
    time_ns: int


Event = Begin | Data | Gap | Overlap | End


def held_cost(length: int) -> int:
    """Return what a piece of `length` bytes that waits takes of memory, roughly.

    >>> held_cost(0), held_cost(1460)
    (200, 1660)
    """
    return PIECE_LEN + length
