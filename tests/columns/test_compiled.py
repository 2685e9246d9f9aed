"""Compiled kernels: their answers, the files that they lie in, and what happens when those cannot be used."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pktlab.columns import compiled
from pktlab.columns.compiled import Kernel

PAIR = np.dtype([("small", "i4"), ("large", "i8")])


def totals(grid, pairs, doubles, least, out):  # type: ignore[no-untyped-def]
    """Return the sum of a grid, and a sum over records, once or twice."""
    total, large = 0, 0
    for row in range(grid.shape[0]):
        for column in range(grid.shape[1]):
            total += grid[row, column]
    for place in range(len(pairs)):
        if pairs[place].small >= least:
            large += pairs[place].large
    out[0] = total
    return total, large * 2 if doubles else large


class _Own(np.ndarray):  # type: ignore[type-arg]
    """Arrays of a kind of their own."""


def owner(numbers):  # type: ignore[no-untyped-def]
    """Return a sum, taken over an array of its own, which object code alone cannot make."""
    copied = np.zeros(len(numbers), np.int64)
    for place in range(len(numbers)):
        copied[place] = numbers[place]
    return copied.sum()


def wide(numbers):  # type: ignore[no-untyped-def]
    """Return the last number."""
    return numbers[len(numbers) - 1]


GRID = np.arange(24, dtype=np.uint16).reshape(4, 6)
PAIRS = np.array([(1, 10), (5, 100), (7, 1 << 40)], PAIR)


def ask(kernel: Kernel, grid: Any = GRID) -> tuple[Any, int]:
    out = np.zeros(1, np.int64)
    return kernel(grid, PAIRS, True, 5, out), int(out[0])


def wanted(grid: Any = GRID) -> tuple[Any, int]:
    return (int(grid.sum()), 2 * (100 + (1 << 40))), int(grid.sum())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in which compiled kernels may lie."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    return tmp_path


def refuse(*_: Any) -> None:
    raise AssertionError("it was to be loaded")


def test_a_kernel_is_compiled_once_and_then_loaded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Kernel(totals)
    assert not first.is_stored
    assert ask(first) == wanted()
    assert first.is_stored
    assert len(list(folder.iterdir())) == 1
    with monkeypatch.context() as context:
        context.setattr(compiled, "_compiled", refuse)
        assert ask(Kernel(totals)) == wanted()
        assert ask(Kernel(totals), GRID + 1) == wanted(GRID + 1)
    assert ask(first, GRID[1:, ::2]) == wanted(GRID[1:, ::2])  # a layout of its own
    assert len(list(folder.iterdir())) == 2
    assert ask(first, GRID.astype(np.int32)) == wanted()
    assert len(list(folder.iterdir())) == 3


@pytest.mark.parametrize("harm", ["cut", "flipped", "empty"])
def test_a_damaged_file_is_compiled_anew(folder: Path, harm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = np.array([3, 4], np.int64)
    assert Kernel(wide)(numbers) == 4
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    broken = {"cut": whole[:-7], "flipped": whole[:90] + bytes([whole[90] ^ 1]) + whole[91:], "empty": b""}
    file.write_bytes(broken[harm])
    assert Kernel(wide)(numbers) == 4
    monkeypatch.setattr(compiled, "_compiled", refuse)
    assert Kernel(wide)(numbers) == 4


def test_what_needs_numba_s_runtime_is_left_to_numba(folder: Path) -> None:
    kernel = Kernel(owner)
    assert kernel(np.array([3, 4], np.int64)) == 7
    assert not kernel.is_stored


def test_arrays_that_are_not_plain_are_left_to_numba(folder: Path) -> None:
    shifted = np.zeros(17, np.uint8)[1:].view(np.int64)
    shifted[1] = 9
    assert not shifted.flags.aligned
    kernel = Kernel(wide)
    assert kernel(shifted) == 9
    assert [kernel(np.array([5, 6], kind).view(_Own)) for kind in (np.int64, np.int16)] == [6, 6]
    assert not kernel.is_stored


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file"))
    assert Kernel(wide)(np.array([3, 4], np.int64)) == 4


def test_threads_may_call_a_kernel_first_together(folder: Path) -> None:
    kernel = Kernel(totals)
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: ask(kernel), range(16))) == {wanted()}
    assert len(list(folder.iterdir())) == 1


def test_large_arguments_and_none(folder: Path) -> None:
    kernel = Kernel(_put)
    out = np.zeros(1, np.int64)
    for value in (-(1 << 63), (1 << 63) - 1, np.int64(-5), np.uint8(200), True):
        assert kernel(value, out) is None
        assert out[0] == value


def _put(value, out):  # type: ignore[no-untyped-def]
    out[0] = value
