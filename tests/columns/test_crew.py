"""Work shared by threads: every item once, in order, in bounds; errors where they belong; no thread left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pktlab.columns.crew import in_order


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3), max_size=30), st.integers(1, 4), st.integers(1, 6))
def test_results_come_in_order_whoever_is_slow(delays: list[int], threads: int, most: int) -> None:
    in_use, lock, seen = 0, threading.Lock(), []

    def items() -> Iterator[tuple[int, int]]:
        nonlocal in_use
        for numbered in enumerate(delays):
            with lock:
                in_use += 1
                seen.append(in_use)
            yield numbered

    def work(item: tuple[int, int]) -> int:
        time.sleep(item[1] / 10_000)
        return item[0]

    for place, result in enumerate(in_order(items(), work, threads=threads, most=most)):
        assert result == place
        with lock:
            in_use -= 1  # what was given out last is still in use, so one more may be counted
    assert max(seen, default=0) <= most
    assert len(seen) == len(delays)


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_an_error_comes_where_its_result_would(threads: int) -> None:
    def work(item: int) -> int:
        return 60 // (5 - item)

    found: list[int] = []
    with pytest.raises(ZeroDivisionError):
        found.extend(in_order(iter(range(20)), work, threads=threads, most=threads + 1))
    assert found == [12, 15, 20, 30, 60]


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_an_error_in_reading_comes_behind_what_was_read(threads: int) -> None:
    def items() -> Iterator[int]:
        yield from range(5)
        raise OSError("the disk is gone")

    found: list[int] = []
    with pytest.raises(OSError, match="gone"):
        found.extend(in_order(items(), lambda item: item, threads=threads, most=threads + 1))
    assert found == [0, 1, 2, 3, 4]


def test_who_stops_early_leaves_no_thread() -> None:
    before = threading.active_count()
    results = in_order(iter(range(10**9)), lambda item: item, threads=4, most=5)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    results.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_an_interruption_of_who_asks_comes_at_once() -> None:
    def work(item: int) -> int:
        if threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt
        time.sleep(0.01)
        return item

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        list(in_order(iter(range(10**9)), work, threads=3, most=4))
    assert threading.active_count() == before
