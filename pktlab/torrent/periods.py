"""A rhythm in moments: which period, if any, explains that they keep certain distances."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import comb
from typing import NamedTuple

__all__ = ["SLOWER", "Period", "Rhythms", "infer_period", "infer_rhythms"]

NS_PER_S = 1_000_000_000
NEAR_S = 0.35
"""How far a distance may be from a multiple: clients look once a second or less, and uplinks delay messages."""
LEAST_S, MOST_S = 4.0, 70.0
MOST_TURNS = 6
"""Multiples of the period between two moments that still tell something about it."""
LEAST_HITS = 3
"""Distances that a period has to explain at least."""
SURE = 0.05
"""How likely it may be at most that chance alone explains as much, of all the periods that could be tried."""


SLOWER = 1.5
"""How many periods the period of something slower has at least."""
FAST_S = 7.5
"""Below this a period is looked at again, s."""
ON_BEAT, BEAT_S = 0.65, 0.6
"""Share of all moments that are in step with the first rhythm of two, and how far from it one may be, s."""


class Period(NamedTuple):
    """A period, s; how many distances are multiples of it, `hits` of `n`."""

    seconds: float
    hits: int
    n: int


def infer_period(groups: Sequence[Sequence[int]], *, near: float | None = None) -> Period | None:
    """Return the period that the distances between neighbours in each group are multiples of; None if none stands out.

    Of all periods that one wins of which chance would explain as much least likely: half a period explains the same
    distances, but so would chance more of them.

    Parameters
    ----------
    groups : moments in ns, each group in order and of one clock
    near : only a period within a twentieth of this one, s, which others tell: so chance has one try

    >>> infer_period([[0, 10_020_000_000, 30_010_000_000, 31_500_000_000, 41_530_000_000, 51_500_000_000]])
    Period(seconds=10.0, hits=4, n=4)
    >>> infer_period([[0, 7_100_000_000, 19_000_000_000, 50_000_000_000]]) is None
    True
    """
    gaps = [(after - before) / NS_PER_S for group in groups for before, after in pairwise(group)]
    gaps = [gap for gap in gaps if gap > LEAST_S - NEAR_S]
    candidates = {gap / turns for gap in gaps for turns in range(1, MOST_TURNS + 1) if LEAST_S <= gap / turns <= MOST_S}
    if not candidates:
        return None
    if near is not None:
        candidates = {one for one in candidates if abs(one - near) <= near / 20}
        if not candidates:
            return None
    tries = 1.0 if near is not None else (MOST_S - LEAST_S) / (2 * NEAR_S)
    chance, best = min((_by_chance(gaps, period), period) for period in candidates)
    hits = [gap for gap in gaps if _is_multiple(gap, best)]
    if chance * tries > SURE or len(hits) < LEAST_HITS:
        return None
    turns = sum(max(round(gap / best), 1) for gap in hits)
    return Period(round(sum(hits) / turns, 1), len(hits), len(gaps))


class Rhythms(NamedTuple):
    """A period, and the moments of each group that are out of step with it, if something slower goes on beside it."""

    first: Period | None
    second: tuple[frozenset[int], ...]


def infer_rhythms(groups: Sequence[Sequence[int]]) -> Rhythms:
    """Return the period of moments; where it is a fast one, see whether it is a slower one with something between.

    Of rounds every 10 s, and something else every 20 s in the middle between two of them, all distances are multiples
    of 5 s. Nobody should choke that often (BEP 3: once in ten seconds), and if it were so, half of the moments would be
    in step with twice the period. Of two rhythms most are.

    >>> groups = [[round(one * 1e9) for one in (10, 15, 20, 30, 35, 40, 50, 55, 60, 70, 80, 90)]]
    >>> first, (second,) = infer_rhythms(groups)
    >>> infer_period(groups).seconds, first.seconds, sorted(second)
    (5.0, 10.0, [15000000000, 35000000000, 55000000000])
    """
    alone = infer_period(groups)
    if alone is None:
        return Rhythms(None, tuple(frozenset() for _ in groups))
    if alone.seconds < FAST_S:
        beats = [_on_beat(group, 2 * alone.seconds) for group in groups]
        first = infer_period([sorted(one) for one in beats], near=2 * alone.seconds)
        if first is not None and sum(map(len, beats)) >= ON_BEAT * sum(map(len, groups)):
            return Rhythms(first, tuple(frozenset(group) - beat for group, beat in zip(groups, beats, strict=True)))
    beats = [_on_beat(group, alone.seconds) for group in groups]
    rest = tuple(frozenset(group) - beat for group, beat in zip(groups, beats, strict=True))
    slower = infer_period([sorted(one) for one in rest])
    is_other = slower is not None and slower.seconds >= SLOWER * alone.seconds
    return Rhythms(alone, rest if is_other else tuple(frozenset() for _ in groups))


def _on_beat(moments: Sequence[int], period: float) -> set[int]:
    """Return those that most of them are in step with."""
    step, near = period * NS_PER_S, BEAT_S * NS_PER_S
    beats = [{one for one in moments if min((one - start) % step, (start - one) % step) <= near} for start in moments]
    return max(beats, key=len, default=set())


def _is_multiple(gap: float, period: float) -> bool:
    turns = round(gap / period)
    return 1 <= turns <= MOST_TURNS and abs(gap - turns * period) <= NEAR_S


def _by_chance(gaps: Sequence[float], period: float) -> float:
    """Return how likely it is that as many distances or more are multiples of a period by chance."""
    n, hits = len(gaps), sum(_is_multiple(gap, period) for gap in gaps)
    chance = 2 * NEAR_S / period
    return float(sum(comb(n, k) * chance**k * (1 - chance) ** (n - k) for k in range(hits, n + 1)))
