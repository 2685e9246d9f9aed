"""A capture judged in bulk says what it says packet by packet: counts, findings and diagnosis."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

import pktlab
from pktlab.capture import open_writer
from pktlab.columns import judging
from pktlab.columns.scan import Scan
from pktlab.health import Health
from pktlab.judging import judge_capture

PARTS = 64


def document(path: Path, exact_first: int, limit: int, threads: int = 1) -> dict[str, Any]:
    """Return what `checksum verify --json` says, with so many packets judged one by one."""
    health = Health(limit)
    with pktlab.open(path) as capture:
        for _ in judge_capture(capture, health, threads=threads, exact_first=exact_first):
            pass
        return {**health.document("x"), "damage": str(capture.damage), "unknown": capture.unknown_link_types}


def check(path: Path) -> None:
    """Compare all ways to judge a capture."""
    try:
        wanted = document(path, 1 << 40, 7)
    except pktlab.CaptureError:
        return
    assert document(path, 0, 7) == wanted, path.name
    assert document(path, 3, 7, threads=2) == wanted, path.name


def test_first_light(first_light: Path) -> None:
    check(first_light)


@pytest.mark.parametrize("part", [pytest.param(n, marks=[pytest.mark.thorough] if n else []) for n in range(PARTS)])
def test_the_corpus(corpus: Path, part: int) -> None:
    for path in sorted(one for one in corpus.rglob("*") if one.is_file())[part::PARTS]:
        check(path)


def test_a_large_capture_is_judged_on_every_thread(
    first_light: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "Scan", partial(Scan, window_len=1 << 16))  # eight windows of it
    large = tmp_path / "large.pcap"
    with pktlab.open(first_light) as capture:
        packets = [packet.record for packet in capture if packet.link_type == 1]
    with open_writer(large) as writer:
        for _ in range(60):
            for record in packets:
                writer.write(record)
    assert document(large, 1000, 1000, threads=2) == document(large, 1 << 40, 1000)
