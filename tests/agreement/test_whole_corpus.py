"""Every capture of the corpus in one process: no traceback, no hang, little memory, and as many packets as tshark."""

from __future__ import annotations

import csv
import gzip
import json
import os
import random
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import zstandard

pytest.importorskip("resource")  # how the peak of memory is asked for

ROOT = Path(__file__).parents[2]
LIMIT_S = 240  # for one command and one file: it says that there is no hang, not how fast it is
MAX_RSS_KIB = 300 << 10

_CUSTOM = "tshark shows each custom block as a frame of data; it holds no packet"
COUNT_DIFFERS: Mapping[str, tuple[int, int, str]] = {
    f"pcapng-test-generator/output_{order}/{name}.pcapng": (ours, theirs, _CUSTOM)
    for order in ("be", "le")
    for name, ours, theirs in (("basic/test018", 4, 8), ("advanced/test102", 5, 8), ("difficult/test202", 8, 11))
}
"""Captures of which tshark reads another number of packets: ours, tshark's, and why."""


def frames_of_tshark(corpus: Path) -> dict[str, int]:
    """Return the frames that tshark found in each capture that it read to the end."""
    with (corpus / "STATUS.tsv").open(encoding="utf-8") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {row["path"]: int(row["frames"]) for row in rows if row["tshark_rc"] == "0"}


def run_over(folder: Path, names: list[str], workplace: Path, *options: str) -> dict[str, int]:
    """Run the commands over these files in one process; return how many packets each has."""
    (workplace / "names").write_text("\n".join(names), encoding="utf-8")
    script = Path(__file__).with_name("whole_corpus.py")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "cli")])}
    done = subprocess.run(
        [sys.executable, script, folder, str(LIMIT_S), workplace / "names", *options],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    *lines, peak_kib = done.stdout.splitlines()
    found = [json.loads(line) for line in lines]
    assert [one[0] for one in found] == names
    assert [one for one in found if one[1] not in (0, 2, 3) or one[2] not in (0, 1, 2, 3)] == []
    assert int(peak_kib) < MAX_RSS_KIB
    return {name: packets or 0 for name, *_, packets in found}


def check_counts(corpus: Path, found: dict[str, int]) -> None:
    theirs = frames_of_tshark(corpus)
    differs = {name: (count, theirs[name]) for name, count in found.items() if count != theirs.get(name, count)}
    assert differs == {name: COUNT_DIFFERS[name][:2] for name in found if name in COUNT_DIFFERS}


def sizes(corpus: Path) -> dict[str, int]:
    with (corpus / "STATUS.tsv").open(encoding="utf-8") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {row["path"]: (corpus / row["path"]).stat().st_size for row in rows}


def test_a_part_of_the_corpus(corpus: Path, tmp_path: Path) -> None:
    small = [name for name, size in sizes(corpus).items() if size < 50_000]
    check_counts(corpus, run_over(corpus, small[::12], tmp_path))


@pytest.mark.thorough
@pytest.mark.timeout(7200)
def test_the_whole_corpus(corpus: Path, tmp_path: Path) -> None:
    check_counts(corpus, run_over(corpus, list(sizes(corpus)), tmp_path))


# ---- changed files

NASTY = (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\x04\0")


def mutate(data: bytes, dice: random.Random) -> bytes:
    """Change a few places: other bytes, none, twice the same, nasty numbers."""
    mutant = bytearray(data)
    for _ in range(dice.randint(1, 6)):
        at, count = dice.randrange(len(mutant)), dice.choice((1, 2, 4, 16, 64, 1024))
        changes = (dice.randbytes(count), dice.choice(NASTY), b"", bytes(mutant[at : at + count]) * 2, bytes(count))
        mutant[at : at + count] = dice.choice(changes)
        mutant = mutant or bytearray(1)
    return bytes(mutant)


def seeds(corpus: Path) -> list[bytes]:
    """Return small captures of all formats: real ones, packed ones, and a hex dump."""
    small = [name for name, size in sizes(corpus).items() if 100 < size < 8000]
    real = [(corpus / name).read_bytes() for name in small[:: len(small) // 50]]
    dump = b"".join(b"0.5 IP\n" + b"\n".join(_dumped(data[:400])) + b"\n" for data in real)
    return [*real, *map(gzip.compress, real[::10]), *map(zstandard.compress, real[::10]), dump[:8000]]


def _dumped(data: bytes) -> list[bytes]:
    rows = range(0, len(data), 16)
    return [b"\t0x%04x:  " % at + data[at : at + 16].hex(" ", -2).encode() for at in rows]


def run_mutants(corpus: Path, count: int, workplace: Path) -> None:
    """Run the commands over changed files, with salvage and without it."""
    dice, known = random.Random(9), seeds(corpus)
    names = [f"{number}.pcap" for number in range(count)]
    for number, name in enumerate(names):
        (workplace / name).write_bytes(mutate(known[number % len(known)], dice))
    plain = run_over(workplace, names, workplace)
    salvaged = run_over(workplace, names, workplace, "--salvage")
    assert min(sum(plain.values()), sum(salvaged.values())) > 3 * count


def test_mutants(corpus: Path, tmp_path: Path) -> None:
    run_mutants(corpus, 120, tmp_path)


@pytest.mark.thorough
@pytest.mark.timeout(7200)
def test_ten_thousand_mutants(corpus: Path, tmp_path: Path) -> None:
    run_mutants(corpus, 10_000, tmp_path)
