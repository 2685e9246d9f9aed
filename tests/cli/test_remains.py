"""What is broken off leaves nothing behind, and what is killed leaves nothing that the next start does not remove."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pktlab.live import Sandbox

UNAVAILABLE = Sandbox.available()
pytestmark = pytest.mark.skipif(UNAVAILABLE is not None, reason=UNAVAILABLE or "")
PATIENCE_S = 20
COMMANDS = {"lab run": ("lab", "run", "backlog"), "demux": ("demux", "--experiment", "backlog")}
"""The longest experiment: a client asks again after a second, so there is time to break it off."""


def namespaces(pid: int) -> list[str]:
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    return re.findall(rf"^pktlab-{pid}-\S+", listed, re.MULTILINE)


def processes_of(netns: str) -> list[str]:
    return subprocess.run(["ip", "netns", "pids", netns], capture_output=True, text=True, check=False).stdout.split()


def outer_links() -> set[str]:
    shown = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"^\d+: ([^:@]+)", shown, re.MULTILINE))


@contextmanager
def at_work(words: tuple[str, ...], environment: dict[str, str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Give an experiment that is under way, its hosts made and its clients waiting."""
    command = [sys.executable, "-m", "pktlab_cli", *words]
    with subprocess.Popen(
        command, env=environment | {"TMPDIR": str(folder)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    ) as run:  # fmt: skip
        try:
            until = time.monotonic() + PATIENCE_S
            while not _has_waiting_client(run.pid) and run.poll() is None:
                assert time.monotonic() < until
                time.sleep(0.01)
            yield run
        finally:
            run.kill()


def _has_waiting_client(pid: int) -> bool:
    """Tell whether a client of the experiment is in SYN_SENT, state 02 of /proc/net/tcp."""
    client = next((one for one in namespaces(pid) if one.endswith("-client")), None)
    if client is None:
        return False
    table = subprocess.run(
        ["ip", "netns", "exec", client, "cat", "/proc/net/tcp"], capture_output=True, text=True, check=False
    )
    return re.search(r":2EE0 02 ", table.stdout) is not None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-C", "kill"])
@pytest.mark.parametrize("name", COMMANDS)
def test_an_experiment_that_is_broken_off_leaves_nothing(
    name: str, number: signal.Signals, environment: dict[str, str], tmp_path: Path
) -> None:
    before = outer_links()
    with at_work(COMMANDS[name], environment, tmp_path) as run:
        assert len(namespaces(run.pid)) == 2
        os.killpg(run.pid, number)
        out, err = run.communicate(timeout=PATIENCE_S)
    assert (run.returncode, out, err) == (130, "", "")
    assert namespaces(run.pid) == []
    until = time.monotonic() + PATIENCE_S  # other tests may have links there for a moment
    while not outer_links() <= before and time.monotonic() < until:
        time.sleep(0.1)
    assert outer_links() <= before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", COMMANDS)
def test_what_kill_9_leaves_the_next_start_removes(
    name: str, environment: dict[str, str], tmp_path: Path, pktlab: Any
) -> None:
    with at_work(COMMANDS[name], environment, tmp_path) as run:
        run.kill()
        run.wait(PATIENCE_S)
    left = namespaces(run.pid)
    assert len(left) == 2
    assert [processes_of(one) for one in left] == [[], []]
    assert pktlab("lab", "run", "client-port", "-o", tmp_path / "out").status == 0
    assert namespaces(run.pid) == []
    assert {one.name for one in tmp_path.iterdir()} == {"out"}


def test_echo_leaves_no_process(environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "pktlab_cli", "echo", "tcp-server", "--port", "0", "--trace"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True) as run:
        assert run.stdout is not None
        assert "socket(" in run.stdout.readline()
        os.killpg(run.pid, signal.SIGINT)
        assert "close(" in run.communicate(timeout=PATIENCE_S)[0]
    assert run.returncode == 0
    with pytest.raises(ProcessLookupError):
        os.killpg(run.pid, 0)
