"""A rhythm in moments: which period, if any, explains that they keep certain distances."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

__all__ = ["Period", "infer_period"]

NS_PER_S = 1_000_000_000
NEAR_S = 0.35
"""How far a distance may be from a multiple: clients look once a second or less, and uplinks delay messages."""
LEAST_S, MOST_S, STEP_S = 4.0, 70.0, 0.05
MOST_TURNS = 6
"""Multiples of the period between two moments that still tell something about it."""
LEAST_HITS, LEAST_Z = 3, 3.0


class Period(NamedTuple):
    """A period, s; how many distances are multiples of it, `hits` of `n`."""

    seconds: float
    hits: int
    n: int


def infer_period(groups: Sequence[Sequence[int]]) -> Period | None:
    """Return the period that the distances between neighbours in each group are multiples of; None if none stands out.

    Of all periods that one wins by which most is explained beyond chance: half a period explains the same distances,
    but so would chance more of them.

    Parameters
    ----------
    groups : moments in ns, each group in order and of one clock

    >>> infer_period([[0, 10_020_000_000, 30_010_000_000, 31_500_000_000, 41_530_000_000, 51_500_000_000]])
    Period(seconds=10.0, hits=4, n=4)
    >>> infer_period([[0, 7_100_000_000, 19_000_000_000, 50_000_000_000]]) is None
    True
    """
    gaps = [(after - before) / NS_PER_S for group in groups for before, after in pairwise(group)]
    gaps = [gap for gap in gaps if gap > LEAST_S - NEAR_S]
    if not gaps:
        return None
    candidates = (LEAST_S + STEP_S * step for step in range(round((MOST_S - LEAST_S) / STEP_S) + 1))
    scored = [(_beyond_chance(gaps, period), period) for period in candidates]
    z, best = max(scored)
    hits = [gap for gap in gaps if _is_multiple(gap, best)]
    if z < LEAST_Z or len(hits) < LEAST_HITS:
        return None
    turns = sum(max(round(gap / best), 1) for gap in hits)
    return Period(round(sum(hits) / turns, 1), len(hits), len(gaps))


def _is_multiple(gap: float, period: float) -> bool:
    turns = round(gap / period)
    return 1 <= turns <= MOST_TURNS and abs(gap - turns * period) <= NEAR_S


def _beyond_chance(gaps: Sequence[float], period: float) -> float:
    """Return by how many standard deviations more distances are multiples than chance would have."""
    hits = sum(_is_multiple(gap, period) for gap in gaps)
    chance = 2 * NEAR_S / period
    return float((hits - len(gaps) * chance) / (len(gaps) * chance * (1 - chance)) ** 0.5)
