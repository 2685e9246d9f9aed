"""Streams beside those of tshark's `follow`: the same bytes in the same order, up to the first that are missing."""

from __future__ import annotations

import csv
import os
import re
import subprocess
from collections import defaultdict
from itertools import chain
from pathlib import Path

import pytest

import pktlab
from pktlab.columns.streams import read_streams
from pktlab.flows.stream_table import StreamTable
from pktlab.flows.streams import Data, Gap, Overlap
from pktlab.wire.tcp import TcpFlags

from .tshark import needs_tshark

pytestmark = needs_tshark

SWARMS = os.environ.get("PKTLAB_SWARMS")
PARTS = 240
MOST = 64
"""Streams of a capture that are compared."""

Runs = list[tuple[int, bytes]]
"""What one way says until the other one does: way and bytes."""


def add(runs: Runs, way: int, data: bytes) -> None:
    if runs and runs[-1][0] == way:
        runs[-1] = way, runs[-1][1] + data
    elif data:
        runs.append((way, data))


def ours(path: Path) -> tuple[dict[int, tuple[str, Runs]], set[int]]:
    """Return by stream its ends, and what was said up to the first gap; and in which streams there is one."""
    found: dict[int, tuple[str, Runs]] = {}
    holes: set[int] = set()
    capture, table = pktlab.open(path), StreamTable()
    for stream, event in chain.from_iterable(read_streams(capture, table, exact_first=1 << 62)):
        _, runs = found.setdefault(stream.number, (str(stream.key), []))
        if isinstance(event, Data) and stream.number not in holes:
            add(runs, event.way, bytes(event.data))
        elif isinstance(event, Gap | Overlap):
            holes.add(stream.number)
    return found, holes


def theirs(path: Path, numbers: list[int]) -> dict[int, tuple[str, Runs]]:
    """Return the same of tshark."""
    wishes = chain.from_iterable(("-z", f"follow,tcp,raw,{number}") for number in numbers)
    command = ["tshark", "-r", str(path), "-q", *wishes]
    text = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False).stdout
    found: dict[int, tuple[str, Runs]] = {}
    for part in re.split(r"^=+\nFollow: tcp,raw\nFilter: tcp.stream eq ", text, flags=re.MULTILINE)[1:]:
        number, first, second, *lines = part.splitlines()
        runs: Runs = []
        for line in lines:
            if line and not line.startswith("="):
                add(runs, int(line.startswith("\t")), bytes.fromhex(line))
        ends = [one.partition(": ")[2] for one in (first, second)]
        found[int(number)] = f"tcp {ends[0]} → {ends[1]}", runs
    return found


def keep_alives(path: Path) -> dict[int, int]:
    """Return how many segments of a byte each stream has; and no count of one whose RST has data, or none is right."""
    found: dict[int, int] = defaultdict(int)
    for packet in pktlab.open(path):
        for seen in packet.flows:
            if seen.flow is None or seen.flow.key.protocol != "tcp":
                continue
            layer = packet.layers[seen.layer]
            if layer.end - layer.stop == 1:
                found[seen.flow.stream] += 1
            if seen.flags & TcpFlags.reset.mask and layer.end > layer.stop:
                found[seen.flow.stream] = -1 << 30
    return found


def extra_bytes(mine: bytes, other: bytes) -> int | None:
    """Return how many bytes `other` has between those of `mine`; None if it has not all of them in order."""
    at = extra = 0
    for byte in other:
        if at < len(mine) and mine[at] == byte:
            at += 1
        else:
            extra += 1
    return extra if at == len(mine) else None


def differences(path: Path) -> list[str]:
    """Return where the two differ for no reason.

    Reasons: in a stream of which bytes are missing, only what comes before those is compared, as tshark leaves out what
    waits behind a hole that nobody acknowledges. tshark takes the byte of a keep-alive for data, and that of a RST.
    """
    try:
        found, holes = ours(path)
    except pktlab.PktlabError:
        return []
    numbers = sorted(found)[:MOST]
    others, ones = (theirs(path, numbers), keep_alives(path)) if numbers else ({}, {})
    wrong = []
    for number in numbers:
        (ends, mine), (their_ends, other) = found[number], others[number]
        if ends != their_ends or mine == other or ones.get(number, 0) < 0:
            continue  # the ends differ where packets before are read in another way; see `test_flows`
        for way in (0, 1):
            said = b"".join(data for one, data in mine if one == way)
            their_said = b"".join(data for one, data in other if one == way)
            if number in holes and their_said.startswith(said):
                continue
            extra = extra_bytes(said, their_said[: len(said) + 50] if number in holes else their_said)
            if extra is None or (extra > ones.get(number, 0) and number not in holes):
                wrong.append(f"{path.name} stream {number} way {way}: {len(said)} bytes, {len(their_said)} to tshark")
    return wrong


@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.thorough) for part in range(1, PARTS))])
@pytest.mark.timeout(900)
def test_corpus(part: int, corpus: Path) -> None:
    with (corpus / "INDEX.tsv").open(newline="", encoding="utf-8") as file:
        paths = [row["path"] for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]
    assert [one for path in paths[part::PARTS] for one in differences(corpus / path)] == []


@pytest.mark.skipif(SWARMS is None, reason="PKTLAB_SWARMS is not set")
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "name",
    ["mseplain", *(pytest.param(one, marks=pytest.mark.thorough) for one in ("magnet", "plain", "udptrk", "v2"))],
)
def test_a_swarm(name: str) -> None:
    assert differences(Path(SWARMS or "") / f"{name}.pcap.zst") == []
