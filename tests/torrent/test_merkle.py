"""Hash trees of version 2, held against a tree that is built the long way."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pktlab.torrent.merkle import BLOCK, block_hashes, merkle_root, padding_hash


def long_way(leaves: list[bytes]) -> bytes:
    """Return the root over leaves, zeros filled in, by the definition."""
    size = 1
    while size < len(leaves):
        size *= 2
    layer = leaves + [bytes(32)] * (size - len(leaves))
    while len(layer) > 1:
        layer = [hashlib.sha256(layer[at] + layer[at + 1]).digest() for at in range(0, len(layer), 2)]
    return layer[0]


HASHES = st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=40)


@given(HASHES)
def test_root(leaves: list[bytes]) -> None:
    assert merkle_root(leaves) == long_way(leaves)


@given(HASHES, st.integers(0, 3))
def test_a_layer_has_the_root_of_its_leaves(leaves: list[bytes], height: int) -> None:
    width = 1 << height
    layer = [merkle_root(leaves[at : at + width], width=width) for at in range(0, len(leaves), width)]
    if len(leaves) >= width:
        assert merkle_root(layer, height) == long_way(leaves)


def test_padding() -> None:
    assert padding_hash(3) == long_way([bytes(32)] * 8)
    with pytest.raises(ValueError, match="no hashes"):
        merkle_root([])
    for width in (1, 3):
        with pytest.raises(ValueError, match="balanced"):
            merkle_root([bytes(32)] * 2, width=width)


@settings(max_examples=5)
@given(st.integers(0, 3 * BLOCK))
def test_blocks(size: int) -> None:
    hashes = block_hashes(bytes(size))
    assert len(hashes) == -(-size // BLOCK)
    assert all(one == hashlib.sha256(bytes(BLOCK)).digest() for one in hashes[:-1])
