"""Changed captures through the engine: verdicts, findings, rows and end as by the exact reader, and no crash."""

from __future__ import annotations

import io
import random
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import pktlab
from pktlab.columns.printing import JsonLayout, Layout
from pktlab.columns.registry import registry
from pktlab.health import Health
from pktlab.judging import judge_capture

from ..columns.test_rows import printed
from .test_whole_corpus import mutate, seeds

ALL = 1 << 40
NAMES = [one.name for one in registry() if one.source in ("row", "either", "checksum", "frame")]
GROUPS = [("frame.number", *NAMES[start::40]) for start in range(40)]
"""Every name in one of the groups that are asked for together."""


@cache
def originals(corpus: Path) -> tuple[bytes, ...]:
    """Return the captures that are changed."""
    return tuple(seeds(corpus))


def verified(data: bytes, exact_first: int) -> tuple[dict[str, Any], str]:
    """Return what is said of a capture's checksums, and how it ended."""
    health = Health(1000)
    with pktlab.open(io.BytesIO(data)) as capture:
        list(judge_capture(capture, health, exact_first=exact_first))
        return health.document(""), str(capture.damage)


def differences(data: bytes, group: tuple[str, ...], layout: Layout | JsonLayout) -> list[str]:
    """Return in what the engine and the exact reader differ."""
    try:
        pktlab.open(io.BytesIO(data)).close()
    except pktlab.CaptureError:
        return []
    found = ["verify"] if verified(data, 0) != verified(data, ALL) else []
    return found + (["rows"] if printed(data, group, layout, 0) != printed(data, group, layout, ALL) else [])


@pytest.mark.timeout(7200)
@pytest.mark.parametrize(
    ("part", "count"),
    [(0, 20), *(pytest.param(part, 1000, marks=pytest.mark.thorough) for part in range(1, 11))],
    ids=range(11),
)
def test_changed_captures(corpus: Path, part: int, count: int) -> None:
    """Ten parts of a thousand, each with the next kind of row and the next group of names."""
    dice, known, found = random.Random(part), originals(corpus), []
    for number in range(count):
        data = mutate(known[number % len(known)], dice)
        layout = (Layout(), JsonLayout(), Layout(occurrence="a"))[number % 3]
        unlike = differences(data, GROUPS[(number + part) % len(GROUPS)], layout)
        found += [f"{part} {number}: {one}" for one in unlike]
    assert found == []
