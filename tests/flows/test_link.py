"""The link: rates and delays to the nanosecond, shares within what chance allows, and a fate for every packet."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pktlab.flows.link import Arrival, Fate, Link, through

NS = 1_000_000_000


def drive(link: Link, packets: list[tuple[int, bytes]]) -> tuple[list[Fate], list[Arrival]]:
    events = list(through(link, iter(packets)))
    return [fate for fate, _ in events if fate], [arrival for _, arrival in events if arrival]


def test_the_rate_is_that_of_the_wire() -> None:
    packets = [(0, bytes(1250))] * 1000
    _, arrivals = drive(Link(rate=10_000_000, delay=20_000_000), packets)
    assert arrivals[-1].time_ns == NS + 20_000_000
    assert [later.time_ns - one.time_ns for one, later in itertools.pairwise(arrivals)] == [1_000_000] * 999


@pytest.mark.parametrize("name", ["loss", "reorder", "duplicate", "corrupt"])
@pytest.mark.parametrize("share", [0.01, 0.25])
def test_shares_are_what_was_asked_for(name: str, share: float) -> None:
    number = 20_000
    fates, _ = drive(Link(**{name: share}, seed=7), [(n * 1000, b"data") for n in range(number)])  # type: ignore[arg-type]
    seen = {
        "loss": sum(one.dropped == "loss" for one in fates), "reorder": sum(one.held for one in fates),
        "duplicate": sum(len(one.out_ns) > 1 for one in fates),
        "corrupt": sum(one.corrupted_bit is not None for one in fates),
    }  # fmt: skip
    assert abs(seen.pop(name) - number * share) < 4 * math.sqrt(number * share * (1 - share))
    assert set(seen.values()) == {0}


def test_a_full_queue_drops_and_says_how_long_it_was() -> None:
    fates, arrivals = drive(Link(rate=8000, queue=3), [(0, bytes(100))] * 5)
    assert [(one.queue, one.dropped) for one in fates] == [(0, ""), (1, ""), (2, ""), (3, "queue"), (3, "queue")]
    assert [one.time_ns for one in arrivals] == [100_000_000, 200_000_000, 300_000_000]


def test_jitter_alone_changes_no_order_and_reorder_does() -> None:
    packets = [(n * 1_000_000, n.to_bytes(4, "big")) for n in range(1000)]
    _, arrivals = drive(Link(delay=10_000_000, jitter=9_000_000, seed=1), packets)
    assert [one.number for one in arrivals] == list(range(1, 1001))
    assert len({one.time_ns - packets[one.number - 1][0] for one in arrivals}) > 500
    _, arrivals = drive(Link(delay=10_000_000, reorder=0.1, seed=1), packets)
    overtaken = [one for one, later in itertools.pairwise(arrivals) if later.number < one.number]
    assert len(overtaken) > 50


def test_a_corrupted_packet_differs_in_the_bit_that_is_named() -> None:
    fates, arrivals = drive(Link(corrupt=1, seed=3), [(0, b"\0" * 10)] * 50)
    for fate, arrival in zip(fates, arrivals, strict=True):
        assert fate.corrupted_bit is not None
        assert int.from_bytes(arrival.data, "big") == 1 << (79 - fate.corrupted_bit)


@given(
    st.lists(st.tuples(st.integers(0, 10**8), st.binary(max_size=40)), max_size=40).map(sorted),
    st.builds(
        Link, rate=st.sampled_from((0, 1e4, 1e7)), delay=st.integers(0, 10**7), jitter=st.integers(0, 10**7),
        loss=st.floats(0, 1), reorder=st.floats(0, 1), duplicate=st.floats(0, 1), corrupt=st.floats(0, 1),
        queue=st.integers(0, 5), seed=st.integers(),
    ),
)  # fmt: skip
def test_the_truth_accounts_for_every_packet(packets: list[tuple[int, bytes]], link: Link) -> None:
    fates, arrivals = drive(link, packets)
    assert [one.number for one in fates] == list(range(1, len(packets) + 1))
    expected = Counter((one.number, time_ns) for one in fates for time_ns in one.out_ns)
    assert Counter((one.number, one.time_ns) for one in arrivals) == expected
    assert [one.time_ns for one in arrivals] == sorted(one.time_ns for one in arrivals)
    assert all(bool(one.out_ns) != bool(one.dropped) for one in fates)
    assert all(time_ns >= one.in_ns for one in fates for time_ns in one.out_ns)


def test_the_same_seed_gives_the_same_fates() -> None:
    packets = [(n, b"x") for n in range(200)]
    one, same, other = (drive(Link(loss=0.5, seed=seed), packets)[0] for seed in (1, 1, 2))
    assert one == same
    assert one != other


@pytest.mark.parametrize(("name", "value"), [("loss", 1.1), ("corrupt", -0.1), ("delay", -1), ("rate", -1)])
def test_what_no_link_can_be_is_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        Link(**{name: value})  # type: ignore[arg-type]
