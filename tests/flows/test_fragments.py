"""Reassembly against a bitmap that knows nothing of ranges, against Scapy's fragments, and against hostile ones."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, UDP, fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, fragment6
from scapy.packet import Raw

from pktlab.flows import Fragments, Whole, piece_of
from pktlab.ranges import RangeSet
from pktlab.wire import build, dissect
from pktlab.wire.ipv4 import Ip
from pktlab.wire.ipv6 import Ipv6
from pktlab.wire.verdict import Verdict, judge

SECOND = 1_000_000_000


def ip_fragments(payload: bytes, size: int = 48) -> list[bytes]:
    whole = IP(src="192.0.2.1", dst="192.0.2.2", id=7) / UDP(sport=1, dport=2) / Raw(payload)
    return [bytes(piece) for piece in fragment(whole, fragsize=size)]


def feed(fragments: Fragments, pieces: list[bytes], now: int = 0, first: type = Ip) -> list[Whole]:
    found = [fragments.add(dissect(piece, first), now, number) for number, piece in enumerate(pieces, 1)]
    return [whole for whole in found if whole is not None]


def raw_fragment(offset: int, payload: bytes, more: bool, ident: int = 1) -> bytes:
    return build(Ip(src="192.0.2.1", dst="192.0.2.2", proto=17, id=ident, flags=int(more), frag_offset=offset), payload)


@given(st.binary(min_size=100, max_size=600), st.randoms(use_true_random=False))
def test_any_order_with_repeats_gives_the_datagram_once_and_its_sum_is_good(
    payload: bytes, shuffle: random.Random
) -> None:
    pieces = ip_fragments(payload)
    order = list(range(len(pieces)))
    shuffle.shuffle(order)
    repeated = [i for i in order for _ in range(shuffle.choice((1, 1, 2)))]
    wholes = feed(Fragments(), [pieces[i] for i in repeated])
    assert wholes
    whole = wholes[0]
    assert whole.data[28:] == payload
    assert not whole.overlapped
    verdicts = judge(dissect(whole.data, whole.kind, whole=True), whole=True)
    assert [judgement.verdict for judgement in verdicts] == [Verdict.good]


def test_ipv6_fragments() -> None:
    packet = (
        IPv6(src="2001:db8::1", dst="2001:db8::2") / IPv6ExtHdrFragment(id=9) / UDP(sport=1, dport=2) / Raw(b"x" * 500)
    )
    pieces = [bytes(piece) for piece in fragment6(packet, 200)]
    assert len(pieces) > 2
    (whole,) = feed(Fragments(), pieces, first=Ipv6)
    reassembled = dissect(whole.data, whole.kind, whole=True)
    assert [layer.protocol for layer in reassembled.layers] == ["ipv6", "ipv6.fraghdr", "udp", "data"]
    assert [one.verdict for one in judge(reassembled, whole=True)] == [Verdict.good]


def test_a_damaged_fragment_makes_the_datagram_bad() -> None:
    pieces = ip_fragments(b"x" * 200)
    pieces[1] = pieces[1][:30] + b"y" + pieces[1][31:]
    (whole,) = feed(Fragments(), pieces)
    assert [one.verdict for one in judge(dissect(whole.data, Ip, whole=True), whole=True)] == [Verdict.bad]


def test_what_is_no_fragment_or_was_cut_is_passed_over() -> None:
    assert piece_of(dissect(build(Ip(src="192.0.2.1", dst="192.0.2.2", proto=17), b"x"), Ip)) is None
    cut = ip_fragments(b"x" * 200)[0][:40]
    assert piece_of(dissect(cut, Ip)) is None


@pytest.mark.parametrize(
    ("policy", "kept"), [("first", b"A" * 16 + b"B" * 8), ("last", b"A" * 8 + b"B" * 16), ("reject", None)]
)
def test_overlaps_follow_the_policy(policy: str, kept: bytes | None) -> None:
    pieces = [raw_fragment(0, b"A" * 16, more=True), raw_fragment(1, b"B" * 16, more=False)]
    fragments = Fragments(overlap=policy)  # type: ignore[arg-type]
    wholes = feed(fragments, pieces)
    if kept is None:
        assert (wholes, fragments.dropped) == ([], 1)
    else:
        assert (wholes[0].data[20:], wholes[0].overlapped) == (kept, True)


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(ValueError, match="'first', 'last' or 'reject'"):
        Fragments(overlap="newest")  # type: ignore[arg-type]


def test_a_datagram_that_waits_too_long_is_dropped() -> None:
    fragments = Fragments(timeout_ns=30 * SECOND)
    first, *rest = ip_fragments(b"x" * 200)
    assert fragments.add(dissect(first, Ip), 0, 1) is None
    assert feed(fragments, rest, now=31 * SECOND) == []
    assert fragments.dropped == 1


def test_a_ping_of_death_is_dropped() -> None:
    fragments = Fragments()
    feed(fragments, [raw_fragment(8191, b"x" * 100, more=False)])
    assert (fragments.dropped, fragments.pending) == (1, [])


@pytest.mark.parametrize("second", [raw_fragment(1, b"x" * 8, more=False), raw_fragment(4, b"y" * 8, more=False)])
def test_two_ends_that_differ_are_dropped(second: bytes) -> None:
    fragments = Fragments()
    feed(fragments, [raw_fragment(2, b"z" * 8, more=False), second])
    assert fragments.dropped == 1


def test_memory_is_bounded() -> None:
    fragments = Fragments(max_bytes=10_000)
    for ident in range(1000):
        feed(fragments, [raw_fragment(0, b"x" * 1000, more=True, ident=ident)])
        assert len(fragments.pending) <= 11
    assert fragments.dropped >= 989


def test_fragments_of_nothing_do_not_pile_up() -> None:
    fragments = Fragments()
    for ident in range(6000):
        feed(fragments, [raw_fragment(8, b"", more=True, ident=ident)])
    assert len(fragments.pending) <= 4096


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=30), st.integers(0, 60), st.integers(0, 60))
def test_range_set_equals_a_bitmap(adds: list[tuple[int, int]], low: int, high: int) -> None:
    ranges, bitmap = RangeSet(), [False] * 61
    for a, b in adds:
        start, stop = min(a, b), max(a, b)
        fresh = not all(bitmap[start:stop])
        assert ranges.add(start, stop) == (fresh and start < stop)
        bitmap[start:stop] = [True] * (stop - start)
    low, high = min(low, high), max(low, high)
    assert len(ranges) == sum(bitmap)
    assert ranges.covers(low, high) == all(bitmap[low:high])
    assert ranges.overlaps(low, high) == any(bitmap[low:high])
    in_gaps = {i for a, b in ranges.gaps(low, high) for i in range(a, b)}
    assert in_gaps == {i for i in range(low, high) if not bitmap[i]}
    listed = list(ranges)
    assert all(a < b for a, b in listed)
    assert all(first[1] < second[0] for first, second in itertools.pairwise(listed))


def test_a_range_that_runs_backwards_is_refused() -> None:
    with pytest.raises(ValueError, match="runs backwards"):
        RangeSet().add(3, 2)
