"""A command run once, and what it took."""

from __future__ import annotations

import os
import subprocess
import time
from typing import NamedTuple

__all__ = ["Took", "timed"]


class Took(NamedTuple):
    """What a command took: s by the clock, s of processors, MB of memory at most."""

    wall: float
    cpu: float
    peak: float


def timed(command: list[str]) -> Took:
    """Run a command once; what it prints is thrown away."""
    started = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(command)}: ended with {child.returncode}")
    return Took(time.perf_counter() - started, used.ru_utime + used.ru_stime, used.ru_maxrss / 1000)
