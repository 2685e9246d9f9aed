"""The arithmetic against its laws, the RFCs' vectors, and three implementations that are not ours."""

from __future__ import annotations

import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pktlab.wire.checksum import checksum, combine, fold, ones_sum, swap, update, verify

words = st.integers(0, 0xFFFF)
data = st.binary(max_size=300)
even = data.filter(lambda piece: len(piece) % 2 == 0)


def naive_sum(octets: bytes) -> int:
    """RFC 1071's loop, carry by carry."""
    total = 0
    for high, low in zip(octets[::2], (octets + b"\0")[1::2], strict=False):
        total += (high << 8) + low
        total = (total & 0xFFFF) + (total >> 16)
    return total


def test_rfc_1071_section_3_example() -> None:
    octets = bytes.fromhex("0001f203f4f5f6f7")
    assert (ones_sum(octets), checksum(octets)) == (0xDDF2, 0x220D)


@pytest.mark.parametrize(
    ("octets", "total", "result"), [("666055558f0c", 0x4AC2, 0xB53D), ("e666d555", 0xBBBC, 0x4443)]
)
def test_kurose_and_ross_examples(octets: str, total: int, result: int) -> None:
    assert (ones_sum(bytes.fromhex(octets)), checksum(bytes.fromhex(octets))) == (total, result)


def test_rfc_1624_example_where_rfc_1141_errs() -> None:
    assert update(0xDD2F, bytes.fromhex("5555"), bytes.fromhex("3285")) == 0x0000


@given(data)
@example(b"")
@example(b"\xff")
@example(bytes(64))
@example(b"\xff" * 70_000)
@example(b"\xff\xfe" * 40_000)
def test_equals_naive_loop_and_big_integer(octets: bytes) -> None:
    padded = octets + b"\0" * (len(octets) % 2)
    assert ones_sum(octets) == naive_sum(octets)
    assert ones_sum(octets) % 0xFFFF == int.from_bytes(padded, "big") % 0xFFFF


@given(data)
def test_equals_scapy(octets: bytes) -> None:
    from scapy.utils import checksum as scapy_checksum

    assert checksum(octets) == scapy_checksum(octets)


@given(words, words, words)
def test_one_s_complement_addition_is_a_group_but_for_the_two_zeros(a: int, b: int, c: int) -> None:
    def add(x: int, y: int) -> int:
        return fold(x + y)

    assert 0 <= add(a, b) <= 0xFFFF
    assert add(a, b) == add(b, a)
    assert add(add(a, b), c) == add(a, add(b, c))
    assert add(a, a ^ 0xFFFF) == 0xFFFF
    assert add(a, 0xFFFF) in (a, 0xFFFF)


@given(data)
def test_sum_is_plus_zero_only_for_zeros(octets: bytes) -> None:
    assert (ones_sum(octets) == 0) == (not any(octets))


@given(data, data)
def test_pieces_combine_at_even_and_odd_offsets(first: bytes, second: bytes) -> None:
    assert combine(ones_sum(first), ones_sum(second), len(first)) == ones_sum(first + second)


@given(even)
def test_byte_order_does_not_matter(octets: bytes) -> None:
    count = len(octets) // 2
    swapped = struct.pack(f"<{count}H", *struct.unpack(f">{count}H", octets))
    assert swap(ones_sum(swapped)) == ones_sum(octets)


@given(data)
def test_data_with_their_checksum_verify(octets: bytes) -> None:
    padded = octets + b"\0" * (len(octets) % 2)
    assert verify(padded + checksum(octets).to_bytes(2, "big"))


@given(data, st.data())
def test_update_equals_a_full_sum_for_any_change(octets: bytes, draw: st.DataObject) -> None:
    start = draw.draw(st.integers(0, len(octets)))
    stop = draw.draw(st.integers(start, len(octets)))
    new = draw.draw(st.binary(min_size=stop - start, max_size=stop - start))
    changed = octets[:start] + new + octets[stop:]
    if not any(octets) or not any(changed):
        return  # the two zeros: an all-zero sum is +0, which no update can reach (RFC 1624 section 3)
    assert update(checksum(octets), octets[start:stop], new, start) == checksum(changed)


def test_update_refuses_to_change_the_length() -> None:
    with pytest.raises(ValueError, match="old has 1 bytes and new 2"):
        update(0, b"a", b"ab")


@given(st.binary(min_size=2, max_size=200), st.data())
def test_every_flipped_bit_is_detected(octets: bytes, draw: st.DataObject) -> None:
    whole = octets + b"\0" * (len(octets) % 2)
    whole += checksum(whole).to_bytes(2, "big")
    bit = draw.draw(st.integers(0, 8 * len(whole) - 1))
    broken = bytearray(whole)
    broken[bit // 8] ^= 0x80 >> bit % 8
    assert not verify(bytes(broken))


@given(st.lists(words, min_size=2, max_size=40), st.data())
def test_what_the_sum_cannot_see(values: list[int], draw: st.DataObject) -> None:
    """Swapped words, 0000 for ffff, and +1 with -1 leave the sum as it was."""
    i, j = draw.draw(st.lists(st.integers(0, len(values) - 1), min_size=2, max_size=2, unique=True))

    def total(items: list[int]) -> int:
        return ones_sum(struct.pack(f">{len(items)}H", *items)) % 0xFFFF

    swapped = list(values)
    swapped[i], swapped[j] = values[j], values[i]
    other_zero = [0xFFFF if value == 0 else 0 if value == 0xFFFF else value for value in values]
    shifted = list(values)
    if values[i] < 0xFFFF and values[j] > 0:
        shifted[i], shifted[j] = values[i] + 1, values[j] - 1
    assert total(swapped) == total(other_zero) == total(shifted) == total(values)


@given(st.binary(min_size=4, max_size=100), st.data())
def test_every_burst_of_up_to_15_bits_is_detected(octets: bytes, draw: st.DataObject) -> None:
    whole = octets + b"\0" * (len(octets) % 2)
    whole += checksum(whole).to_bytes(2, "big")
    bits = 8 * len(whole)
    length = draw.draw(st.integers(1, 15))
    start = draw.draw(st.integers(0, bits - length))
    pattern = draw.draw(st.integers(0, (1 << length) - 1)) | 1 | 1 << (length - 1)
    broken = int.from_bytes(whole, "big") ^ pattern << (bits - start - length)
    assert not verify(broken.to_bytes(len(whole), "big"))
