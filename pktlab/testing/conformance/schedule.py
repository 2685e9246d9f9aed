"""Which cases are tried: a fixed schedule first, then drawn ones without end.

The schedule does not depend on the seed. It starts with what random drawing never finds: packets of 1,500 bytes to 64
KiB. Then come *tuned* ones, whose sum is one of those at which carries carry again or the two zeros differ; every small
size; every part at its extremes; and for verifiers, damage. `ladder` has the small ones again, the smallest first: the
first of them that fails is close to the smallest that does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random
from typing import NamedTuple

from pktlab.testing.conformance.kinds import Kind, Part, Parts, place_of, tuned

__all__ = ["drawn", "ladder", "scheduled"]

BIG = (
    1501, 1502, 2047, 2048, 2049, 4095, 4097, 8191, 8193, 9001, 16385, 32767, 32768, 32769, 65535, 65536,
)  # fmt: skip
"""Sizes past an Ethernet frame's, around powers of two; the last is where a length of 16 bits wraps."""
SMALL = 132
"""Every size below is tried: unrolled loops go up to 64 bytes, and have a rest."""
SUMS = (0xFFFF, 1, 2, 0x0100, 0xFFFE, 0xFF00, 0x00FF, 0x8000, 0x7FFF)
"""Sums that matter: the answer 0; just carried over, in either byte order; all others are met by chance."""
POOL = Random(1071).randbytes(1 << 17)


class Pattern(NamedTuple):
    """Bytes of any length: `unit` over and over; at random if it is empty."""

    unit: bytes

    def of(self, size: int) -> bytes:
        """Return `size` bytes."""
        if not self.unit:
            return POOL[size : 2 * size]
        return (self.unit * (size // len(self.unit) + 1))[:size]


PATTERNS = tuple(
    Pattern(bytes.fromhex(unit))
    for unit in ("ff", "", "00", "0001", "0100", "80", "7f", "ff00", "00ff", "0102030405060708")
)


def simple(kind: Kind) -> Parts:
    """Return the plainest parts."""
    return tuple(part.simple for part in kind.parts)


def _with(parts: Parts, index: int, value: bytes) -> Parts:
    return (*parts[:index], value, *parts[index + 1 :])


def _largest(kind: Kind) -> int:
    return max(range(len(kind.parts)), key=lambda index: kind.parts[index].most)


def scheduled(kind: Kind) -> Iterator[Parts]:
    """Yield the fixed schedule."""
    data = _largest(kind)
    start = simple(kind)
    yield start
    yield _with(start, data, bytes.fromhex("0001f203f4f5f6f7"))  # RFC 1071 section 3
    if kind.is_verify:
        yield (*start[:-2], b"\0\0", b"\0\1")
    for number, parts in enumerate((*_big(kind, data), *_tuned(kind, data), *_small(kind, data), *_extremes(kind))):
        yield parts
        if kind.is_verify:
            yield from _damaged(kind, parts, number)


def _big(kind: Kind, data: int) -> Iterator[Parts]:
    most = kind.parts[data].most
    for size in BIG:
        if size // kind.parts[data].step * kind.parts[data].step <= most:
            for pattern in PATTERNS[:3]:
                filled = pattern.of(size // kind.parts[data].step * kind.parts[data].step)
                last = b"\1" if not pattern.unit else filled[-1:] or b"\0"
                yield _with(simple(kind), data, filled[:-1] + (b"\1" if last == b"\0" else last))


def _tuned(kind: Kind, data: int) -> Iterator[Parts]:
    step = kind.parts[data].step
    for total in SUMS:
        for size in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 20, 33, 64):
            for pattern in PATTERNS[:3]:
                yield tuned(kind, _with(simple(kind), data, pattern.of(_fit(kind.parts[data], size * step))), total)


def _small(kind: Kind, data: int) -> Iterator[Parts]:
    part = kind.parts[data]
    for size in range(0, min(SMALL * part.step, part.most + 1), part.step):
        for pattern in PATTERNS if size < 24 else PATTERNS[:2]:
            yield _with(simple(kind), data, pattern.of(size))


def _extremes(kind: Kind) -> Iterator[Parts]:
    for index, part in enumerate(kind.parts[: -2 if kind.is_verify else None]):
        for size in range(part.least, min(part.most, 80) + 1, part.step):
            for pattern in PATTERNS[:3]:
                yield _with(simple(kind), index, pattern.of(size))
    random = Random(768)
    for _ in range(200):
        yield draw(kind, random)


def _fit(part: Part, size: int) -> int:
    """Return the size nearest to `size` that `part` may have."""
    size = min(max(size, part.least), part.most)
    return part.least + (size - part.least) // part.step * part.step


def _damaged(kind: Kind, parts: Parts, number: int) -> Iterator[Parts]:
    """Yield `parts` with a bit of them flipped, and if the checksum is 0 with the other zero in the field."""
    made = kind.make(parts)
    size = len(made.data)
    place = (0, 3, size // 2, size - 1, 1)[number % 5]
    yield (*parts[:-2], (place & 0xFFFF).to_bytes(2, "big"), b"\1\0" if number % 2 else b"\x80\0")
    if made.data[made.at : made.at + 2] == b"\0\0":
        yield (*parts[:-2], place_of(made.free, made.at), b"\xff\xff")


# ---- drawing


def drawn(kind: Kind, seed: int) -> Iterator[Parts]:
    """Yield cases without end, the same ones for the same seed."""
    random = Random(seed)
    while True:
        yield draw(kind, random)


def draw(kind: Kind, random: Random) -> Parts:
    """Return the parts of one case: each plain, patterned or random, some tuned to a sum that matters."""
    parts = tuple(_draw(part, random) for part in kind.parts)
    if random.random() < 0.15:
        parts = tuned(kind, parts, random.choice(SUMS))
    if kind.is_verify:
        parts = (*parts[:-2], *_damage(kind, parts, random))
    return parts


def _draw(part: Part, random: Random) -> bytes:
    chance = random.random()
    if part.least == part.most:
        size = part.least
    else:
        top = 16 if chance < 0.5 else 128 if chance < 0.97 else 1600 if chance < 0.997 else 9000
        top = part.most if chance > 0.9998 else top
        size = _fit(part, int(random.random() * (top + 1)) * part.step)
    choice = int(random.random() * 20)
    if choice == 0:
        return part.simple if len(part.simple) == size else bytes(size)
    if choice < 5:
        return PATTERNS[int(random.random() * len(PATTERNS))].of(size)
    start = int(random.random() * (len(POOL) - size))
    return POOL[start : start + size]


def _damage(kind: Kind, parts: Parts, random: Random) -> tuple[bytes, bytes]:
    chance = random.random()
    if chance < 0.5:
        return b"\0\0", b"\0\0"
    if chance < 0.6:
        made = kind.make((*parts[:-2], b"\0\0", b"\0\0"))
        return place_of(made.free, made.at), b"\xff\xff"
    where = random.randbytes(2)
    return where, bytes((1 << int(random.random() * 8), 0)) if chance < 0.9 else random.randbytes(2)


def ladder(kind: Kind) -> list[Parts]:
    """Return the scheduled cases of up to some 130 bytes of data, those that the function is given least of first."""
    found: dict[Parts, None] = dict.fromkeys(_within(scheduled(kind), 600))
    return sorted(found, key=lambda parts: (sum(map(len, parts)), parts))


def _within(cases: Iterable[Parts], most: int) -> Iterator[Parts]:
    return (parts for parts in cases if sum(map(len, parts)) < most)
