"""tshark and its family, as the recipes use them: checksums checked, datagrams reassembled, no names."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

__all__ = ["PREFERENCES", "ToolError", "missing", "rows", "run"]

TIMEOUT_S = 30.0
PREFERENCES = tuple(
    f"-o{name}:TRUE" for name in ("ip.check_checksum", "udp.check_checksum", "tcp.check_checksum", "ip.defragment")
)


class ToolError(Exception):
    """A program is missing or failed; the message says which and why."""


def missing(*programs: str) -> list[str]:
    """Return those of `programs` that are not installed.

    >>> missing("python-of-the-year-3000")
    ['python-of-the-year-3000']
    """
    return [program for program in programs if shutil.which(program) is None]


def run(*argv: str | Path) -> str:
    """Run a program and return what it printed.

    Raises
    ------
    ToolError : it is not installed, failed, or took longer than 30 s
    """
    command = [str(word) for word in argv]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolError(f"{command[0]}: {error}") from None
    if done.returncode != 0:
        raise ToolError(f"{command[0]} ended with status {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def rows(capture: Path, fields: Sequence[str], *options: str) -> list[dict[str, str]]:
    """Return a dictionary for each frame: the first occurrence of each field as tshark prints it, or ""."""
    wanted = [word for name in fields for word in ("-e", name)]
    how = [*PREFERENCES, *options, "-Tfields", "-Eoccurrence=f"]
    printed = run("tshark", "-n", "-r", capture, *how, *wanted)
    return [dict(zip(fields, line.split("\t"), strict=True)) for line in printed.splitlines()]
