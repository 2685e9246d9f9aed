"""How long small answers take: whole commands over 40, 1,000 and 4,000 packets, and the first run after installation.

Given is processor time besides wall time, the least of several runs: on a busy machine it says more. The capture is
the generated one of `captures`, whose kernels are used from a file size of 256 KiB on.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks import captures
from benchmarks.peers import TEN

__all__ = ["compare"]

SIZES = (40, 1_000, 4_000)
RUNS = 5
FIELDS = [part for name in TEN for part in ("-e", name)]
COMMANDS: dict[str, list[str]] = {
    "info": ["info", "{}"],
    "dissect": ["dissect", "{}"],
    "dissect -V": ["dissect", "{}", "-V"],
    "dissect -T fields": ["dissect", "{}", "-T", "fields", *FIELDS],
    "dissect -Y": ["dissect", "{}", "-Y", "udp.dstport < 45000 and ip.src == 10.0.1.0/24"],
    "checksum verify": ["checksum", "verify", "{}"],
    "query": ["query", "{}", "select ip.src, count(*) from packets group by all"],
    "export": ["export", "{}", "-o", "-", "--format", "arrow"],
}


class Took(NamedTuple):
    """Seconds that a command took."""

    wall: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.wall:.2f} ({self.cpu:.2f})"


def timed(command: Sequence[str], runs: int = RUNS, more: Mapping[str, str] | None = None) -> Took:
    """Return the least time of several runs; bytecode is kept, as it is where a package is installed."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    found = []
    for _ in range(runs):
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**environment, **(more or {})},
            check=False,
        )
        wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(Took(wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime))
    return Took(min(one.wall for one in found), min(one.cpu for one in found))


def compare() -> None:
    """Print a table of commands by size of capture."""
    pktlab = [sys.executable, "-m", "pktlab_cli"]
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{count}.pcap" for count in SIZES]
        whole = captures.generated()
        for path, count in zip(paths, SIZES, strict=True):
            captures.write(path, whole.first(count), 1)
        print(f"{'start-up, wall s (processor s)':32}" + "".join(f"{count:>14,}" for count in SIZES) + "  packets")
        print(f"{'python -c import click':32}{timed([sys.executable, '-c', 'import click'])!s:>14}")
        print(f"{'pktlab --help':32}{timed([*pktlab, '--help'])!s:>14}")
        for name, arguments in COMMANDS.items():
            each = [[*pktlab, *(one.format(path) for one in arguments)] for path in paths]
            timed(each[-1], 1)  # compiles what it needs
            print(f"{name:32}" + "".join(f"{timed(one)!s:>14}" for one in each))
        first = {"NUMBA_CACHE_DIR": folder}
        for name in ("dissect -T fields", "checksum verify"):
            command = [*pktlab, *(one.format(paths[-1]) for one in COMMANDS[name])]
            for old in Path(folder).glob("*.o"):
                old.unlink()
            print(f"{f'{name}, compiling':32}{'':28}{timed(command, 1, first)!s:>14}")
    print()


if __name__ == "__main__":
    compare()
