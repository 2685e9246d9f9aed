"""Which cases are tried: a fixed schedule first, then drawn ones without end.

The schedule does not depend on the seed. It starts with what random drawing never finds: packets of 1,500 bytes to 64
KiB. Then come *tuned* ones, whose sum is one of those at which carries carry again or the two zeros differ; for
verifiers, sums that were taken wrongly, and damage; every small size; every part at its extremes; every size up to that
of a frame, and others at which buffers end. `ladder` has the small ones again, the smallest first: the first of them
that fails is close to the smallest that does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from random import Random
from typing import NamedTuple

from pktlab.testing.conformance.kinds import Kind, Part, Parts, place_of, tuned
from pktlab.testing.conformance.probes import probes

__all__ = ["drawn", "ladder", "scheduled"]

BIG = (
    1501, 1502, 2047, 2048, 2049, 4095, 4097, 8191, 8193, 9001, 16385, 32767, 32768, 32769, 65535, 65536,
)  # fmt: skip
"""Sizes past an Ethernet frame's, around powers of two; the last is where a length of 16 bits wraps."""
SMALL = 132
"""Every size below is tried: unrolled loops go up to 64 bytes, and have a rest."""
FRAME = 1_600
"""Every size below is tried too, with one pattern: buffers and loops may end anywhere."""
EDGES = (
    *((1 << bit) + step for bit in range(11, 16) for step in (-2, -1, 0, 1, 2)), 1_984, 4_000, 8_000, 8_972, 9_000,
    9_014, 9_216, 10_000, 16_110, 32_000, 50_000, 60_000, 65_000, 65_467, 65_495, 65_507, 65_515, 65_527, 65_534,
    65_535, 65_536,
)  # fmt: skip
"""Sizes beyond at which something may end: blocks, jumbo frames, the most data that UDP and TCP can hold."""
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


def plain(kind: Kind) -> Iterator[Parts]:
    """Yield the plainest parts; of a kind with two transports those of either."""
    parts = tuple(part.simple for part in kind.parts)
    yield parts
    for index, part in enumerate(kind.parts):
        if part.name == "which":
            yield _with(parts, index, b"\1")


def _with(parts: Parts, index: int, value: bytes) -> Parts:
    return (*parts[:index], value, *parts[index + 1 :])


def _largest(kind: Kind) -> int:
    return max(range(len(kind.parts)), key=lambda index: kind.parts[index].most)


def scheduled(kind: Kind) -> Iterator[Parts]:
    """Yield the fixed schedule."""
    return chain(_near(kind), _all_damaged(kind, _sizes(kind)))


def _near(kind: Kind) -> Iterator[Parts]:
    """Yield the schedule but for the sizes that are tried last."""
    data = _largest(kind)
    bases = tuple(plain(kind))
    yield bases[0]
    yield _with(bases[0], data, bytes.fromhex("0001f203f4f5f6f7"))  # RFC 1071 section 3
    if kind.is_verify:
        yield (*bases[0][:-2], b"\0\0", b"\0\1")
    for steps in (_big, _tuned):
        yield from _all_damaged(kind, (parts for base in bases for parts in steps(kind, base, data)))
    for base in bases if kind.is_verify else ():
        for size in (0, 1, 2, 3):
            yield from probes(kind, _with(base, data, PATTERNS[-1].of(size * kind.parts[data].step)))
    yield from _all_damaged(kind, (parts for base in bases for parts in _small(kind, base, data)))
    yield from _all_damaged(kind, (parts for base in bases for parts in _extremes(kind, base)))
    random = Random(768)
    yield from _all_damaged(kind, (draw(kind, random) for _ in range(200)))


def _all_damaged(kind: Kind, cases: Iterable[Parts]) -> Iterator[Parts]:
    """Yield the cases, each followed for a verifier by itself with a fault."""
    for number, parts in enumerate(cases):
        yield parts
        if kind.is_verify:
            yield from _damaged(kind, parts, number)


def _big(kind: Kind, base: Parts, data: int) -> Iterator[Parts]:
    most = kind.parts[data].most
    for size in BIG:
        if size // kind.parts[data].step * kind.parts[data].step <= most:
            for pattern in PATTERNS[:3]:
                filled = pattern.of(size // kind.parts[data].step * kind.parts[data].step)
                last = b"\1" if not pattern.unit else filled[-1:] or b"\0"
                yield _with(base, data, filled[:-1] + (b"\1" if last == b"\0" else last))


def _tuned(kind: Kind, base: Parts, data: int) -> Iterator[Parts]:
    step = kind.parts[data].step
    for total in SUMS:
        for size in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 20, 33, 64):
            for pattern in PATTERNS[:3]:
                yield tuned(kind, _with(base, data, pattern.of(_fit(kind.parts[data], size * step))), total)


def _small(kind: Kind, base: Parts, data: int) -> Iterator[Parts]:
    part = kind.parts[data]
    for size in range(0, min(SMALL * part.step, part.most + 1), part.step):
        for pattern in PATTERNS if size < 24 else PATTERNS[:2]:
            yield _with(base, data, pattern.of(size))


def _sizes(kind: Kind) -> Iterator[Parts]:
    """Yield data of every size up to a frame's, and of those beyond at which something may end."""
    data = _largest(kind)
    part = kind.parts[data]
    if part.most < SMALL * part.step:
        return
    bases = tuple(plain(kind))
    for number, size in enumerate((*range(SMALL, FRAME), *EDGES)):
        if size * part.step <= part.most:
            yield _with(bases[number % len(bases)], data, PATTERNS[1].of(size * part.step))


def _extremes(kind: Kind, base: Parts) -> Iterator[Parts]:
    for index, part in enumerate(kind.parts[: -2 if kind.is_verify else None]):
        for size in range(part.least, min(part.most, 80) + 1, part.step):
            for pattern in PATTERNS[:3]:
                yield _with(base, index, pattern.of(size))


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
    found: dict[Parts, None] = dict.fromkeys(_within(_near(kind), 600))
    return sorted(found, key=lambda parts: (sum(map(len, parts)), parts))


def _within(cases: Iterable[Parts], most: int) -> Iterator[Parts]:
    return (parts for parts in cases if sum(map(len, parts)) < most)
