"""Run commands over many captures in this one process, and say of each what came of it; a test starts this.

Arguments: the folder, the seconds that a command may take, a list of files, and options for the commands. Printed is
a JSON line a file: its path, the exit statuses of `dissect -V` and `checksum verify`, and the packets counted; then the
peak of resident memory in KiB.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import sys
from pathlib import Path

from pktlab_cli.errors import run
from pktlab_cli.main import cli

COMMANDS = (["dissect", "-V"], ["checksum", "verify", "--json", "--limit", "0"])


def hang(*_: object) -> None:
    """End a command that takes too long."""
    raise TimeoutError


def status_of(words: list[str], out: io.TextIOBase, limit_s: int) -> tuple[object, str]:
    """Run a command, its output going to `out`; return its exit status, or what it raised, and what it said."""
    said = io.StringIO()
    signal.alarm(limit_s)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(said):
            return run(cli, words), said.getvalue()
    except BaseException as error:
        return f"{type(error).__name__}: {error}", said.getvalue()
    finally:
        signal.alarm(0)


def main(folder: str, limit_s: str, names: str, *more: str) -> None:
    """Run both commands over every file."""
    signal.signal(signal.SIGALRM, hang)
    for name in Path(names).read_text(encoding="utf-8").splitlines():
        found: list[object] = [name]
        packets = None
        for words in COMMANDS:
            with Path(os.devnull).open("w", encoding="utf-8") if words[0] == "dissect" else io.StringIO() as out:
                found.append(status_of([*words, *more, str(Path(folder) / name)], out, int(limit_s))[0])
                if isinstance(out, io.StringIO) and out.getvalue():
                    packets = json.loads(out.getvalue())["packets"]
        print(json.dumps([*found, packets]), flush=True)
    status = Path("/proc/self/status").read_text(encoding="ascii")  # ru_maxrss starts with that of the parent
    print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))


if __name__ == "__main__":
    main(*sys.argv[1:])
