"""No kernel reads where it may not: a page that nobody may touch behind the buffer, and Numba's own bounds checks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHECKED = """
import io
from pktlab.columns.lines import LinePrinter
from tests.columns.captures import mutants, pcapng
from tests.columns.compare import column_differences, verdict_differences
from tests.columns.test_batches import NAMES
from tests.columns.test_lines import exact, in_bulk
data = pcapng(mutants(9, 400))
assert in_bulk(LinePrinter(), data) == list(exact(io.BytesIO(data)))
print(verdict_differences(data) + column_differences(data, NAMES) + verdict_differences(data, window_len=200))
"""


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    found = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), **environment}
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=found, capture_output=True, text=True, timeout=280, check=False
    )


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mprotect is called as Linux has it")
def test_kernels_stay_in_front_of_a_page_that_nobody_may_touch() -> None:
    done = run("-m", "tests.columns.guarded", "kernels")
    assert done.returncode == 0, done.stderr
    assert all(int(count) > 1000 for count in done.stdout.split())
    assert run("-m", "tests.columns.guarded", "touch").returncode < 0  # the guard bites


@pytest.mark.thorough
def test_no_index_is_out_of_bounds(tmp_path: Path) -> None:
    """With a cache of its own: from a warm one the kernels come without checks."""
    done = run("-c", CHECKED, NUMBA_BOUNDSCHECK="1", NUMBA_CACHE_DIR=str(tmp_path))
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr
    assert list(tmp_path.rglob("*.nbi"))
