"""Which pieces somebody has, beside a plain set."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pktlab.torrent.pieces import MAX_PIECES, Pieces

INDEX = st.integers(0, 40) | st.sampled_from([100_000, MAX_PIECES - 1, MAX_PIECES, 2**32 - 1])


@given(
    st.lists(
        st.tuples(st.just("fill"), st.binary(max_size=4), st.none() | st.integers(0, 40))
        | st.tuples(st.sampled_from(["add", "remove"]), INDEX, st.none())
        | st.tuples(st.just("fill_all"), st.integers(0, 40), st.none()),
        max_size=20,
    )
)
def test_it_is_a_set(steps: list[tuple[str, Any, int | None]]) -> None:
    pieces, model = Pieces(), set[int]()
    for step, value, count in steps:
        if step == "fill":
            pieces.fill(value, count)
            most = 8 * len(value) if count is None else count
            model = {one for one in range(8 * len(value)) if value[one // 8] & 0x80 >> one % 8 and one < most}
        elif step == "fill_all":
            pieces.fill_all(value)
            model = set(range(value))
        elif step == "add":
            assert pieces.add(value) is (value not in model and value < MAX_PIECES)
            model |= {value} if value < MAX_PIECES else set()
        else:
            assert pieces.remove(value) is (value in model)
            model.discard(value)
        assert (list(pieces), len(pieces)) == (sorted(model), len(model))
        assert all((one in pieces) == (one in model) for one in range(50))
        assert Pieces().bitfield(9) == bytes(2)
        small = {one for one in model if one < 32}
        assert int.from_bytes(pieces.bitfield(32), "big") == sum(1 << 31 - one for one in small)


def test_many_loose_ones_become_bits() -> None:
    pieces = Pieces()
    for index in range(0, 200_000, 2):
        pieces.add(index)
    assert (len(pieces), 100_000 in pieces, 100_001 in pieces) == (100_000, True, False)
    assert len(pieces._loose) < 1 << 15
    assert len(pieces._bits) <= 25_000
