"""What errors are inserted into: 16-bit words in a row, with sums of any run of them at hand."""

from __future__ import annotations

import sys
import sysconfig
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pktlab.errors import PktlabError

__all__ = ["Source", "open_source"]

MOST_BYTES = 1 << 24
"""Bytes of a file that are used: its first 16 MiB."""
RANDOM_BYTES = 1 << 23
BASE = 0x9E3779B97F4A7C15
"""Of the polynomial by which runs of words are compared; odd, and else any number."""

Words = npt.NDArray[np.uint16]


class Source:
    """Data as 16-bit words.

    words : uint16, shape (N,), in network byte order's values
    before : int64, shape (N + 1,), the sum of the words before each; before[j] - before[i] is that of words i to j

    >>> source = Source("two", bytes.fromhex("0001f203"))
    >>> source.words.tolist(), source.before.tolist()
    ([1, 61955], [0, 1, 61956])
    """

    def __init__(self, name: str, data: bytes) -> None:
        self.name = name
        self.words: Words = np.frombuffer(data[: len(data) & ~1], ">u2").astype(np.uint16)
        self.before: npt.NDArray[np.int64] = np.concatenate(([0], np.cumsum(self.words, dtype=np.int64)))

    @cached_property
    def hashes(self) -> npt.NDArray[np.uint64]:
        """uint64, shape (N + 1,): the words before each as a polynomial in `BASE`, modulo 2**64."""
        powers = np.full(len(self.words), BASE, np.uint64)
        powers[0] = 1
        np.cumprod(powers, out=powers)
        summed = np.cumsum(self.words.astype(np.uint64) * powers, dtype=np.uint64)
        return np.concatenate((np.zeros(1, np.uint64), summed))


def open_source(name: str, size: int, seed: int = 0) -> Source:
    """Return the source that `name` stands for: ``random``, ``text``, ``elf`` or a file.

    ``text`` is the source text of Python's own library, ``elf`` the program that runs this.

    Raises
    ------
    PktlabError : it holds less than two segments of `size` bytes; OSError : the file cannot be read
    """
    if name == "random":
        data = np.random.default_rng([seed, 1]).bytes(RANDOM_BYTES)
    elif name == "text":
        folder = Path(sysconfig.get_paths()["stdlib"])
        data = b"".join(path.read_bytes() for path in sorted(folder.glob("*.py")))
    else:
        path = Path(sys.executable).resolve() if name == "elf" else Path(name)
        with path.open("rb") as file:
            data = file.read(MOST_BYTES)
    if len(data) < 2 * size + 8:
        raise PktlabError(f"{name} has {len(data):,} bytes; errors in segments of {size:,} need {2 * size + 8:,}")
    return Source(name, data[:MOST_BYTES])
