"""Every capture of the corpus in one process: no traceback, no hang, little memory, and as many packets as tshark."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

pytest.importorskip("resource")  # how the peak of memory is asked for

ROOT = Path(__file__).parents[2]
LIMIT_S = 240  # for one command and one file: it says that there is no hang, not how fast it is
MAX_RSS_KIB = 300 << 10

COUNT_DIFFERS: Mapping[str, tuple[int, int, str]] = {}
"""Captures of which tshark reads another number of packets: ours, tshark's, and why."""


def frames_of_tshark(corpus: Path) -> dict[str, int]:
    """Return the frames that tshark found in each capture that it read to the end."""
    with (corpus / "STATUS.tsv").open(encoding="utf-8") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {row["path"]: int(row["frames"]) for row in rows if row["tshark_rc"] == "0"}


def run_over(corpus: Path, names: list[str], folder: Path) -> None:
    """Run the commands over these files in one process, and compare."""
    (folder / "names").write_text("\n".join(names), encoding="utf-8")
    script = Path(__file__).with_name("whole_corpus.py")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "cli")])}
    done = subprocess.run(
        [sys.executable, script, corpus, str(LIMIT_S), folder / "names"],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    *lines, peak_kib = done.stdout.splitlines()
    found = [json.loads(line) for line in lines]
    assert [one[0] for one in found] == names
    assert [one for one in found if one[1] not in (0, 2, 3) or one[2] not in (0, 1, 2, 3)] == []
    theirs = frames_of_tshark(corpus)
    differs = {
        name: (packets, theirs[name])
        for name, _, _, packets in found
        if name in theirs and (packets or 0) != theirs[name]
    }
    assert differs == {name: COUNT_DIFFERS[name][:2] for name in names if name in COUNT_DIFFERS}
    assert int(peak_kib) < MAX_RSS_KIB


def sizes(corpus: Path) -> dict[str, int]:
    with (corpus / "STATUS.tsv").open(encoding="utf-8") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {row["path"]: (corpus / row["path"]).stat().st_size for row in rows}


def test_a_part_of_the_corpus(corpus: Path, tmp_path: Path) -> None:
    small = [name for name, size in sizes(corpus).items() if size < 50_000]
    run_over(corpus, small[::12], tmp_path)


@pytest.mark.thorough
@pytest.mark.timeout(7200)
def test_the_whole_corpus(corpus: Path, tmp_path: Path) -> None:
    run_over(corpus, list(sizes(corpus)), tmp_path)
