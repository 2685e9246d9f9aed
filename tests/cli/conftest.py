"""Two ways to run the command line: in this process, for what it says; as a program, for what a shell sees."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pktlab_cli.errors import run
from pktlab_cli.main import cli

from pktlab.capture import Interface, Record, open_writer
from pktlab.live import Sandbox
from pktlab.wire import build
from pktlab.wire.ethernet import Ethernet
from pktlab.wire.ipv4 import Ip
from pktlab.wire.udp import Udp

ROOT = Path(__file__).parents[2]
START_NS = 1_700_000_000_000_000_000


class Result(NamedTuple):
    status: int
    out: str
    err: str


Pktlab = Callable[..., Result]


@pytest.fixture
def pktlab(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Pktlab:
    """Run ``pktlab ARGUMENTS`` in this process."""

    def call(*arguments: object, stdin: bytes = b"") -> Result:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        status = run(cli, [str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Result(status, captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """The environment of a program that runs as this one does, with no wish about colour."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "cli")])
    kept = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLUMNS", "PYTHONPATH")}
    return {**kept, "PYTHONPATH": paths, "TERM": "xterm"}


@pytest.fixture
def program(environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Run ``pktlab ARGUMENTS`` as a program to its end."""

    def call(*arguments: object, **options: Any) -> subprocess.CompletedProcess[bytes]:
        extra = options.pop("env", {})
        command = [sys.executable, "-m", "pktlab_cli", *map(str, arguments)]
        options.setdefault("capture_output", True)
        return subprocess.run(command, env=environment | extra, timeout=60, check=False, **options)

    return call


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    """Two hosts on a wire; the server says that a port is closed as often as it is asked."""
    if (why := Sandbox.available()) is not None:
        pytest.skip(why)
    with Sandbox(ipv6=None) as made:
        made["server"].sysctl("net/ipv4", {"icmp_ratelimit": 0})
        yield made


def make_datagram(payload: bytes = b"hi", number: int = 1, **udp: int) -> Record:
    """One UDP datagram in Ethernet."""
    data = build(
        Ethernet(dst="02:00:00:00:00:02", src="02:00:00:00:00:01", type=0x0800),
        Ip(src="192.0.2.1", dst="192.0.2.2", proto=17),
        Udp(srcport=40000, dstport=9999, **udp),
        payload,
    )
    return Record(number, START_NS + (number - 1) * 1_000_000, data, len(data), 1)


def save(path: Path, records: list[Record]) -> Path:
    with open_writer(path) as writer:
        for index, record in enumerate(records):
            writer.write(replace(record, number=index + 1))
    return path


@pytest.fixture(scope="session")
def datagram() -> Callable[..., Record]:
    """Make one UDP datagram in Ethernet: ``datagram(payload, number, checksum=...)``."""
    return make_datagram


@pytest.fixture(scope="session")
def write_capture() -> Callable[[Path, list[Record]], Path]:
    """Write packets to a file, numbered as they come."""
    return save


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """Three datagrams with right sums."""
    return save(tmp_path / "good.pcapng", [make_datagram(b"one"), make_datagram(b"two", 2), make_datagram(b"three", 3)])


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    """A right sum and a wrong one, in frame 2."""
    return save(tmp_path / "bad.pcapng", [make_datagram(), make_datagram(checksum=0x1234)])


@pytest.fixture
def cut(tmp_path: Path, good: Path) -> Path:
    """The capture `good` without its last four bytes."""
    path = tmp_path / "cut.pcapng"
    path.write_bytes(good.read_bytes()[:-4])
    return path


EVIL = "\x1b[2J\x9b1m\u202e"
"""Clears a terminal, in two ways, and turns the writing round."""


@pytest.fixture
def evil(tmp_path: Path) -> Path:
    """A capture whose name, interface, comment and payload would act on a terminal."""
    path = tmp_path / f"evil{EVIL}.pcapng"
    interface = Interface(1, name=f"eth{EVIL}", ticks_per_second=1_000_000_000)
    record = make_datagram(EVIL.encode(), checksum=0x1234)
    with open_writer(path) as writer:
        writer.write(replace(record, comments=(f"see {EVIL}",)), interface)
    return path


@pytest.fixture(scope="session")
def first_light(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's own capture; where that is not there yet, one with as many frames."""
    path = ROOT / "pcaps" / "first-light.pcapng"
    if path.is_file():
        return path
    return save(tmp_path_factory.mktemp("pcaps") / path.name, [make_datagram(b"x", n + 1) for n in range(40)])
