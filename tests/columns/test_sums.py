"""The sum that kernels take is the scalar one, wherever the bytes lie and whatever lies around them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pktlab.columns.compiled import kernel
from pktlab.columns.kernels_bits import address_of, folded, sum_at
from pktlab.testing import assert_checksum_conformant
from pktlab.wire.checksum import combine, ones_sum

AROUND = 16


@kernel
def summed(buffer: Any, start: int, size: int) -> Any:
    return folded(sum_at(address_of(buffer) + start, size))


def bulk(data: bytes, shift: int = 0) -> int:
    """Return the sum by the kernel, with other bytes around the data."""
    buffer = np.full(len(data) + 3 * AROUND, 0xA5, np.uint8)
    start = AROUND + shift
    buffer[start : start + len(data)] = np.frombuffer(data, np.uint8)
    return int(summed(buffer, start, len(data)))


@pytest.mark.parametrize("shift", [0, 1, 7])
def test_the_bulk_sum_conforms(shift: int) -> None:
    assert_checksum_conformant(lambda data: bulk(data, shift) ^ 0xFFFF, max_examples=5000)


@given(st.binary(max_size=300), st.integers(0, 15))
def test_the_bulk_sum_is_the_scalar_one(data: bytes, shift: int) -> None:
    assert bulk(data, shift) == ones_sum(data)


def test_carries_of_more_than_a_packet_are_kept() -> None:
    for unit in (b"\xff", b"\xff\xfe", b"\0\1\xff"):
        data = unit * 80_000
        assert bulk(data, 3) == ones_sum(data)


@given(st.binary(max_size=200), st.integers(0, 200))
def test_bulk_sums_of_pieces_combine(data: bytes, cut: int) -> None:
    cut = min(cut, len(data))
    assert combine(bulk(data[:cut]), bulk(data[cut:]), cut) == ones_sum(data)
