"""The hash trees of version 2: SHA-256 over blocks of 16 KiB, pairs of hashes hashed again, up to the root of a file.

Spec: BEP 52. A file's tree is balanced: leaves behind the end of the file are 32 zero octets. A piece layer holds the
hashes at the height of a piece; behind its end stand the hashes of subtrees of zeros.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

__all__ = ["BLOCK", "block_hashes", "merkle_root", "padding_hash"]

BLOCK = 1 << 14
"""Octets of a leaf."""
_ZEROS = [bytes(32)]


def padding_hash(height: int) -> bytes:
    """Return the hash of a subtree of `height` levels over leaves of zeros; 0 is a leaf.

    >>> padding_hash(0) == bytes(32), padding_hash(1) == hashlib.sha256(bytes(64)).digest()
    (True, True)
    """
    while len(_ZEROS) <= height:
        _ZEROS.append(hashlib.sha256(_ZEROS[-1] * 2).digest())
    return _ZEROS[height]


def block_hashes(data: bytes) -> list[bytes]:
    """Return the hashes of the blocks of a file or a piece; the last one is of what is left.

    >>> [one.hex()[:8] for one in block_hashes(bytes(BLOCK + 1))]
    ['4fe7b59a', '6e340b9c']
    """
    return [hashlib.sha256(data[at : at + BLOCK]).digest() for at in range(0, len(data), BLOCK)]


def merkle_root(hashes: Sequence[bytes], height: int = 0, width: int = 0) -> bytes:
    """Return the root over `hashes`.

    Parameters
    ----------
    hashes : of one layer, from the left, 32 octets each; at least one
    height : of that layer above the blocks, for what is filled in behind the last hash
    width : hashes that the layer has, filled ones too, a power of two; the next one that holds them if 0

    >>> root = merkle_root([bytes([1]) * 32, bytes([2]) * 32, bytes([3]) * 32])
    >>> root == merkle_root([merkle_root([bytes([1]) * 32, bytes([2]) * 32]), merkle_root([bytes([3]) * 32], width=2)])
    True
    """
    if not hashes:
        raise ValueError("no hashes have no root")
    layer = list(hashes)
    wanted = width or 1 << (len(layer) - 1).bit_length()
    if wanted < len(layer) or wanted & (wanted - 1):
        raise ValueError(f"a layer of {wanted} does not hold {len(layer)} hashes in a balanced tree")
    while wanted > 1:
        if len(layer) % 2:
            layer.append(padding_hash(height))
        layer = [hashlib.sha256(layer[at] + layer[at + 1]).digest() for at in range(0, len(layer), 2)]
        height, wanted = height + 1, wanted // 2
    return layer[0]
