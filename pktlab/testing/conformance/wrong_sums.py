"""Known ways to get the sum itself wrong: each a function of all the bytes that are summed.

They are what an implementation with that mistake answers, so that a mistake can be named when its answers are those
that came back. Faults of the pseudo-header and of what is covered are in `mistakes`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from pktlab.wire.checksum import checksum, fold, swap

__all__ = ["WrongSum", "wrong_sums"]

Summing = Callable[[bytes], int]


class WrongSum(NamedTuple):
    """A mistake: its name, what is wrong as the end of a sentence, and the checksum that it gives."""

    name: str
    text: str
    summing: Summing


def _padded(data: bytes, size: int = 2) -> bytes:
    return data + b"\0" * (-len(data) % size)


def _words(data: bytes, form: str = "H") -> tuple[int, ...]:
    size = struct.calcsize(f">{form}")
    padded = _padded(data, size)
    return struct.unpack(f">{len(padded) // size}{form}", padded)


def _total(data: bytes) -> int:
    return sum(_words(data))


def _odd_low(data: bytes) -> bytes:
    return data if len(data) % 2 == 0 else data[:-1] + b"\0" + data[-1:]


def _one_fold(data: bytes) -> int:
    total = _total(data)
    return ((total & 0xFFFF) + (total >> 16)) & 0xFFFF ^ 0xFFFF


def _dropped_at_16(data: bytes) -> int:
    return _total(data) & 0xFFFF ^ 0xFFFF


def _wide(form: str, bits: int) -> Summing:
    """Return the sum of wide words whose carries out of the top are lost."""
    return lambda data: fold(sum(_words(data, form)) % (1 << bits)) ^ 0xFFFF


def _wide_little(form: str, bits: int) -> Summing:
    def summing(data: bytes) -> int:
        size = struct.calcsize(f">{form}")
        padded = _padded(data, size)
        total = sum(struct.unpack(f"<{len(padded) // size}{form}", padded)) % (1 << bits)
        return swap(fold(total)) ^ 0xFFFF

    return summing


def _one_fold_little(data: bytes) -> int:
    total = sum(swap(word) for word in _words(data))
    return swap(((total & 0xFFFF) + (total >> 16)) & 0xFFFF) ^ 0xFFFF


def _signed_words(data: bytes) -> int:
    total = sum(_words(data, "h"))
    while total >> 16 not in (0, -1):
        total = (total & 0xFFFF) + (total >> 16)
    return (total & 0xFFFF) + (total >> 16) & 0xFFFF ^ 0xFFFF


def _signed_folded_twice(data: bytes) -> int:
    total = sum(_words(data, "h"))
    for _ in range(2):
        total = (total >> 16) + (total & 0xFFFF)
    return ~total & 0xFFFF


def _signed_bytes(data: bytes) -> int:
    padded = _padded(data)
    total = sum(
        (high << 8) + low for high, low in zip(_words(padded[::2], "b"), _words(padded[1::2], "b"), strict=True)
    )  # fmt: skip
    for _ in range(3):
        total = (total >> 16) + (total & 0xFFFF)
    return ~total & 0xFFFF


def _signed_low_bytes(data: bytes) -> int:
    padded = _padded(data)
    total = sum((high << 8) | low for high, low in zip(padded[::2], _words(padded[1::2], "b"), strict=True))
    for _ in range(3):
        total = (total >> 16) + (total & 0xFFFF)
    return ~total & 0xFFFF


def _one_carry(data: bytes) -> int:
    total = _total(data)
    return (total & 0xFFFF) + (total > 0xFFFF) & 0xFFFF ^ 0xFFFF


def _last_carry(data: bytes) -> int:
    *most, last = _words(data) or (0,)
    return fold(sum(most)) + last & 0xFFFF ^ 0xFFFF


def _late_carry(data: bytes) -> int:
    total = 0
    for word in _words(data):
        total += word
        total -= 0xFFFF if total > 0x10000 else 0
    return total & 0xFFFF ^ 0xFFFF


def _wide_one_fold(data: bytes) -> int:
    total = sum(_words(data, "L"))
    total = (total & 0xFFFFFFFF) + (total >> 32)
    return (total & 0xFFFF) + (total >> 16) & 0xFFFF ^ 0xFFFF


def _halves(data: bytes, *, low_carries: bool) -> int:
    high, low = sum(data[::2]), sum(data[1::2])
    high += low >> 8 if low_carries else 0
    return ((high & 0xFF) << 8 | low & 0xFF) ^ 0xFFFF


def _up_to_zero_word(data: bytes) -> int:
    words = _words(data)
    return fold(sum(words[: words.index(0)] if 0 in words else words)) ^ 0xFFFF


def _followed_by(byte: int) -> Summing:
    return lambda data: checksum(data + bytes((byte,)) * (len(data) % 2))


def _xored(data: bytes) -> int:
    result = 0
    for word in _words(data):
        result ^= word
    return result ^ 0xFFFF


def _chunked(size: int, *, pads: bool) -> Summing:
    """Return the sum of chunks of odd `size`: each padded, or each from the second on a byte out of step."""

    def summing(data: bytes) -> int:
        total = 0
        for at in range(0, len(data), size):
            piece = data[at : at + size]
            total += _total(piece) if pads else _total(_odd_low(piece))
        return fold(total) ^ 0xFFFF

    return summing


def _without_rest(size: int) -> Summing:
    return lambda data: checksum(data[: len(data) // size * size])


def _first_only(size: int) -> Summing:
    return lambda data: checksum(data[:size])


def wrong_sums() -> Iterator[WrongSum]:
    """Yield every known mistake, the more usual ones first."""
    yield from _usual()
    yield from _unusual()
    yield from _with_bytes()
    yield from _with_sizes()


def _usual() -> Iterator[WrongSum]:
    yield WrongSum("odd-dropped", "an odd last byte is left out", lambda data: checksum(data[: len(data) & ~1]))
    yield WrongSum("odd-low", "an odd last byte is taken as the low half of its word", lambda d: checksum(_odd_low(d)))
    yield WrongSum(
        "odd-front", "data of odd length are padded in front", lambda data: checksum(b"\0" * (len(data) % 2) + data)
    )
    yield WrongSum("no-carry", "carries out of the 16 bits are dropped", _dropped_at_16)
    yield WrongSum("one-fold", "carries are added back once, and what that carries is dropped", _one_fold)
    yield WrongSum(
        "one-fold-swapped", "carries are added back once, in the other byte order, and what that carries is dropped",
        _one_fold_little,
    )  # fmt: skip
    yield WrongSum("swapped", "the two bytes of the result are exchanged", lambda data: swap(checksum(data)))
    yield WrongSum("no-complement", "the sum is not complemented", lambda data: checksum(data) ^ 0xFFFF)
    yield WrongSum("negated", "the sum is negated instead of complemented", lambda d: -(checksum(d) ^ 0xFFFF) & 0xFFFF)
    yield WrongSum("last-byte", "the length is one too small: the last byte is left out", lambda d: checksum(d[:-1]))
    yield WrongSum("last-word", "the last two bytes are left out", lambda data: checksum(data[:-2]))
    yield WrongSum("first-word", "the first two bytes are left out", lambda data: checksum(data[2:]))
    yield WrongSum("first-byte", "the first byte is left out", lambda data: checksum(data[1:]))
    yield WrongSum("signed-words", "words are added as signed numbers", _signed_words)
    yield WrongSum("signed-words", "words are added as signed numbers", _signed_folded_twice)
    yield WrongSum("signed-bytes", "bytes are taken as signed numbers", _signed_bytes)
    yield WrongSum("signed-bytes", "the low byte of a word is taken as a signed number", _signed_low_bytes)
    yield WrongSum(
        "ffff-rule", "0 is answered as 0xffff: a rule of UDP alone, or a remainder by 65535, which has one zero",
        lambda data: checksum(data) or 0xFFFF,
    )  # fmt: skip
    yield WrongSum("carry-32", "carries out of 32 bits are dropped", _wide("L", 32))
    yield WrongSum("carry-32", "carries out of 32 bits are dropped", _wide_little("L", 32))
    yield WrongSum("carry-64", "carries out of 64 bits are dropped", _wide("Q", 64))
    yield WrongSum("carry-64", "carries out of 64 bits are dropped", _wide_little("Q", 64))
    yield WrongSum("length-16", "the length is kept in 16 bits", lambda data: checksum(data[: len(data) & 0xFFFF]))
    yield WrongSum("length-15", "the length is kept in 15 bits", lambda data: checksum(data[: len(data) & 0x7FFF]))
    yield WrongSum("length-8", "the length is kept in 8 bits", lambda data: checksum(data[: len(data) & 0xFF]))


def _unusual() -> Iterator[WrongSum]:
    yield WrongSum("one-carry", "carries are added back as 1, however many there were", _one_carry)
    yield WrongSum("last-carry", "the carry of the last addition is dropped", _last_carry)
    yield WrongSum("late-carry", "a sum of exactly 0x10000 is not carried over", _late_carry)
    yield WrongSum(
        "wide-one-fold", "sums of 32 bits are folded once, and what that carries is dropped", _wide_one_fold
    )  # fmt: skip
    yield WrongSum(
        "halves", "high and low bytes are summed apart, without a carry between",
        lambda data: _halves(data, low_carries=False),
    )  # fmt: skip
    yield WrongSum(
        "halves", "high and low bytes are summed apart, and the high ones' carry is dropped",
        lambda data: _halves(data, low_carries=True),
    )  # fmt: skip
    yield WrongSum(
        "negated-16", "carries are dropped, and the sum is negated", lambda data: -_total(data) & 0xFFFF
    )  # fmt: skip


def _with_bytes() -> Iterator[WrongSum]:
    """Yield mistakes that only some bytes bring to light."""
    yield WrongSum("zero-ends", "summing ends at the first zero byte", lambda data: checksum(data.split(b"\0")[0]))
    yield WrongSum("zero-ends", "summing ends at the first zero word", _up_to_zero_word)
    yield WrongSum("seven-bits", "bytes lose their top bit", lambda data: checksum(bytes(one & 0x7F for one in data)))
    yield WrongSum(
        "odd-repeated", "an odd last byte is followed by itself instead of zero",
        lambda data: checksum(data + data[-1:] * (len(data) % 2)),
    )  # fmt: skip
    yield WrongSum(
        "odd-repeated", "an odd last byte is followed by the one in front of it instead of zero",
        lambda data: checksum(data + data[-2:-1] * (len(data) % 2)),
    )  # fmt: skip
    for byte in (0xFF, 0x20, 0x30, 0x55, 0x5A, 0xA5, 0xAA, 0xCC, 0xCD):
        yield WrongSum("odd-filled", f"an odd last byte is followed by {byte:#04x} instead of zero", _followed_by(byte))
    yield WrongSum("xor", "words are xored instead of added", _xored)
    yield WrongSum("bytes", "bytes are added instead of words", lambda data: fold(sum(data)) ^ 0xFFFF)
    yield WrongSum("empty-0", "the answer without data is 0", lambda data: checksum(data) if data else 0)
    yield WrongSum("zeros-0", "the answer for zeros is 0", lambda data: checksum(data) if any(data) else 0)


def _with_sizes() -> Iterator[WrongSum]:
    """Yield mistakes that only some lengths bring to light."""
    for size in (4, 8, 16, 32, 64):
        yield WrongSum(
            f"rest-{size}", f"what is left behind the last whole {size} bytes is left out", _without_rest(size)
        )  # fmt: skip
    for size in (1, 3, 5, 7, 9, 15, 31, 33, 63, 99, 101, 127, 255, 511, 999, 1023, 1499, 1501, 2047, 4095):
        yield WrongSum(
            "chunks-padded", f"chunks of odd length ({size} bytes) are padded each", _chunked(size, pads=True)
        )  # fmt: skip
        yield WrongSum(
            "chunks-unswapped", f"behind a chunk of odd length ({size} bytes) the sum is not byte-swapped",
            _chunked(size, pads=False),
        )  # fmt: skip
    for size in (1024, 1460, 1472, 1480, 1500, 1514, 2048, 4096, 8192, 9000, 16384, 32767, 32768):
        yield WrongSum("cut", f"only the first {size} bytes are summed", _first_only(size))
