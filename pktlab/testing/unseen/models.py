"""The kinds of error: how they are drawn, what they do to a segment, and by how much they change its sum.

An error is seen by the sum if it changes it by anything but a multiple of 65535, so the *difference* alone tells; that
makes ten million trials a matter of seconds. `applied` does the same the long way round, on the words themselves, and a
test holds the two together.

Spec: RFC 1071; for splices J. Stone, M. Greenwald, C. Partridge, J. Hughes, "Performance of Checksums and CRCs over
Real Data", 1998: of two packets that follow each other the cells in between are lost, and one is made of both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pktlab.testing.unseen.sources import BASE, RANDOM_BYTES, Source, Words

__all__ = ["MODELS", "Errors", "Model", "model_of", "unseen"]

Numbers = npt.NDArray[np.int64]
Truths = npt.NDArray[np.bool_]
Random = np.random.Generator

CELL_WORDS = 24  # 48 bytes of an ATM cell
MAX_BURST = 48


class Errors(NamedTuple):
    """Errors in segments of `size` words of `source`.

    start : word at which each segment starts; a, b : what the model needs beside
    """

    source: Source
    size: int
    start: Numbers
    a: Numbers
    b: Any

    @property
    def trials(self) -> int:
        """How many errors these are."""
        return len(self.start)

    @property
    def segments(self) -> Words:
        """The segments as they were: uint16, shape (errors, size)."""
        found: Words = self.source.words[self.start[:, None] + np.arange(self.size)]
        return found


class Model(NamedTuple):
    """A kind of error.

    difference : by how much the sum of each segment changes, exactly; applied : the segments afterwards
    is_error : which of them changed at all
    formula : share that the sum does not see, given the words of a segment and random data; None if there is none
    """

    name: str
    text: str
    draw: Callable[[Random, Source, int, int], Errors]
    difference: Callable[[Errors], Numbers]
    applied: Callable[[Errors], Words]
    formula: Callable[[int], float | None]
    is_error: Callable[[Errors], Truths] = lambda errors: np.ones(errors.trials, bool)


def unseen(model: Model, errors: Errors) -> Truths:
    """Tell which errors the Internet checksum does not see, by the differences that they make.

    One that leaves nothing but zeros is seen even if it took away 0xffff: the sum is +0 then, not -0.
    """
    difference = model.difference(errors)
    source, start = errors.source, errors.start
    after = source.before[start + errors.size] - source.before[start] + difference
    answer: Truths = (difference % 0xFFFF == 0) & (after != 0)
    return answer


def _starts(random: Random, source: Source, size: int, count: int, segments: int = 1) -> Numbers:
    return random.integers(0, len(source.words) - segments * size - 3, count)


# ---- single bits, and two


def _draw_bit(random: Random, source: Source, size: int, count: int) -> Errors:
    return Errors(source, size, _starts(random, source, size, count), random.integers(0, 16 * size, count), None)


def _flipped(errors: Errors, bit: Numbers) -> Numbers:
    """Return by how much the sum changes with each `bit`, 0 being the top of the first word."""
    column = 15 - bit % 16
    word = errors.source.words[errors.start + bit // 16].astype(np.int64)
    change: Numbers = (1 - 2 * (word >> column & 1)) << column
    return change


def _flip(errors: Errors, words: Words, bit: Numbers) -> Words:
    words[np.arange(errors.trials), bit // 16] ^= (1 << (15 - bit % 16)).astype(np.uint16)
    return words


def _draw_two(random: Random, source: Source, size: int, count: int) -> Errors:
    one = _draw_bit(random, source, size, count)
    return one._replace(b=(one.a + 1 + random.integers(0, 16 * size - 1, count)) % (16 * size))


# ---- bursts


def _burst(length: int) -> Model:
    def draw(random: Random, source: Source, size: int, count: int) -> Errors:
        start = _starts(random, source, size, count)
        inner = random.integers(0, 1 << max(length - 2, 0), count, dtype=np.int64)
        ends = 1 | 1 << length - 1
        return Errors(source, size, start, random.integers(0, 16 * size - length + 1, count), inner << 1 | ends)

    def masks(errors: Errors) -> list[npt.NDArray[np.uint16]]:
        """Return what is flipped in the word in which each burst starts, and in the three behind it."""
        spread = errors.b.astype(np.uint64) << (64 - length - errors.a % 16).astype(np.uint64)
        return [(spread >> np.uint64(48 - 16 * place)).astype(np.uint16) for place in range((length + 30) // 16)]

    def difference(errors: Errors) -> Numbers:
        total = np.zeros(errors.trials, np.int64)
        for place, mask in enumerate(masks(errors)):
            word = errors.source.words[errors.start + errors.a // 16 + place]
            total += (word ^ mask).astype(np.int64) - word
        return total

    def applied(errors: Errors) -> Words:
        words = np.pad(errors.segments, ((0, 0), (0, 3)))
        for place, mask in enumerate(masks(errors)):
            words[np.arange(errors.trials), errors.a // 16 + place] ^= mask
        return words[:, : errors.size]

    def formula(size: int) -> float | None:
        return 0.0 if length < 16 else 2.0**-29 if length == 16 else None

    return Model(
        f"burst:{length}", f"{length} bits from the first to the last damaged", draw, difference, applied, formula
    )


# ---- words and pieces in the wrong place


def _draw_swap(random: Random, source: Source, size: int, count: int) -> Errors:
    first = random.integers(0, size, count)
    other = (first + 1 + random.integers(0, size - 1, count)) % size
    return Errors(source, size, _starts(random, source, size, count), first, other)


def _swapped(errors: Errors) -> Words:
    words, rows = errors.segments, np.arange(errors.trials)
    words[rows, errors.a], words[rows, errors.b] = words[rows, errors.b].copy(), words[rows, errors.a].copy()
    return words


def _swap_is_error(errors: Errors) -> Truths:
    words = errors.source.words
    answer: Truths = words[errors.start + errors.a] != words[errors.start + errors.b]
    return answer


def _draw_splice(random: Random, source: Source, size: int, count: int) -> Errors:
    start = _starts(random, source, size, count, segments=2)
    cells = max((size - 1) // CELL_WORDS, 1)
    cut = random.integers(1, cells + 1, count) * min(CELL_WORDS, size // 2)
    return Errors(source, size, start, cut, None)


def _splice_difference(errors: Errors) -> Numbers:
    before, end = errors.source.before, errors.start + errors.size
    lost = before[end] - before[errors.start + errors.a]
    change: Numbers = before[end + errors.size] - before[end + errors.a] - lost
    return change


def _spliced(errors: Errors) -> Words:
    following = errors._replace(start=errors.start + errors.size).segments
    return np.where(np.arange(errors.size) < errors.a[:, None], errors.segments, following)


def _splice_is_error(errors: Errors) -> Truths:
    hashes, end = errors.source.hashes, errors.start + errors.size
    step = np.uint64(pow(BASE, errors.size, 1 << 64))
    lost = (hashes[end] - hashes[errors.start + errors.a]) * step
    answer: Truths = hashes[end + errors.size] - hashes[end + errors.a] != lost
    return answer


def _draw_random(random: Random, source: Source, size: int, count: int) -> Errors:
    other = Source("", random.bytes(RANDOM_BYTES))
    return Errors(source, size, _starts(random, source, size, count), _starts(random, other, size, count), other)


def _random_difference(errors: Errors) -> Numbers:
    before, end = errors.source.before, errors.start + errors.size
    other = errors.b.before
    change: Numbers = other[errors.a + errors.size] - other[errors.a] - (before[end] - before[errors.start])
    return change


MODELS: dict[str, Model] = {
    one.name: one
    for one in (
        Model(
            "bit", "one bit flipped", _draw_bit, lambda errors: _flipped(errors, errors.a),
            lambda errors: _flip(errors, errors.segments, errors.a), lambda size: 0.0,
        ),
        Model(
            "2bit", "two bits flipped", _draw_two,
            lambda errors: _flipped(errors, errors.a) + _flipped(errors, errors.b),
            lambda errors: _flip(errors, _flip(errors, errors.segments, errors.a), errors.b),
            lambda size: (size - 1) / (16 * size - 1) / 2,
        ),
        _burst(15),
        _burst(16),
        Model(
            "swap", "two 16-bit words exchanged", _draw_swap, lambda errors: np.zeros(errors.trials, np.int64),
            _swapped, lambda size: 1.0, _swap_is_error,
        ),
        Model(
            "splice", "a packet that goes on as the next one, from a 48-byte cell on", _draw_splice, _splice_difference,
            _spliced, lambda size: 1 / 0xFFFF, _splice_is_error,
        ),
        Model(
            "random", "everything replaced by random bytes", _draw_random, _random_difference,
            lambda errors: errors._replace(source=errors.b, start=errors.a).segments, lambda size: 1 / 0xFFFF,
        ),
    )
}  # fmt: skip
"""The models that are measured together; ``burst:N`` makes more."""


def model_of(name: str) -> Model:
    """Return the model called `name`; ValueError if there is none.

    >>> model_of("burst:20").text
    '20 bits from the first to the last damaged'
    """
    kind, _, number = name.partition(":")
    if name in MODELS:
        return MODELS[name]
    if kind == "burst" and number.isdecimal() and 1 <= int(number) <= MAX_BURST:
        return _burst(int(number))
    raise ValueError(
        f"there is no model {name!r}; there are bit, 2bit, burst:1 to burst:{MAX_BURST}, swap, splice, random"
    )
