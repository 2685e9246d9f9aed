"""``pktlab sniff`` as a shell sees it: lines at once, sums at the end however it ends, one line where it may not."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pktlab as package
from pktlab.live import Sandbox
from pktlab.live.inside import inside

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(box: Sandbox, environment: dict[str, str]) -> Start:
    """Start ``pktlab sniff`` on the server, and return when it listens."""

    def call(*arguments: object, **options: Any) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "pktlab_cli", "sniff", "-i", "eth0", *arguments]
        env = environment | options.pop("env", {})
        process = box["server"].popen(command, stderr=subprocess.PIPE, env=env, **options)
        assert process.stderr is not None
        said = ""
        while "listening" not in said:
            said = process.stderr.readline()
            assert said
        return process

    return call


def talk(box: Sandbox, *payloads: bytes) -> None:
    with inside(box["client"], socket.socket, socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for data in payloads:
            sender.sendto(data, (str(box["server"].ipv4), 9))


def ended(box: Sandbox, process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return box["server"].stop(process), out, err


ONLY = ("-f", "udp dst port 9")


@pytest.mark.parametrize("more", [(), ("-Y", "udp.length > 8"), ("--color", "always")], ids=["", "-Y", "one by one"])
def test_a_line_comes_with_its_packet_and_ctrl_c_ends_with_the_sums(
    more: tuple[str, ...], box: Sandbox, start: Start
) -> None:
    process = start(*ONLY, *more)
    assert process.stdout is not None
    for number in (1, 2):
        talk(box, b"x" * number)
        assert process.stdout.readline().rstrip().endswith(f"→ 9 Len={number}")  # while it goes on
    process.send_signal(signal.SIGINT)
    assert ended(box, process) == (0, "", "pktlab: eth0: 2 packets captured, 2 received, 0 dropped\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["int", "term"])
def test_a_file_is_whole_when_it_is_ended(number: signal.Signals, box: Sandbox, start: Start, tmp_path: Path) -> None:
    process = start(*ONLY, "-w", tmp_path / "out.pcapng")
    talk(box, b"one", b"two", b"three")
    process.send_signal(number)
    assert ended(box, process) == (0, "", "pktlab: eth0: 3 packets captured, 3 received, 0 dropped\n")
    assert [packet.data[42:].rstrip(b"\0") for packet in package.open(tmp_path / "out.pcapng")] == [
        b"one", b"two", b"three",
    ]  # fmt: skip


def test_to_standard_output_and_on(box: Sandbox, start: Start, program: Any, tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as file:
        process = start(*ONLY, "-c", 2, "-w", "-", stdout=file)
    talk(box, b"one", b"two")
    assert ended(box, process)[0] == 0
    out = (tmp_path / "out").read_bytes()
    assert program("dissect", "-", "-q", input=out).returncode == 0
    assert program("dissect", "-", input=out).stdout.count(b"UDP") == 2


def test_lines_and_a_file(box: Sandbox, start: Start, tmp_path: Path) -> None:
    process = start(
        *ONLY, "-c", 1, "-T", "jsonl", "-e", "udp.length", "-w", tmp_path / "out.pcap", "-Y", "udp.length == 12"
    )
    talk(box, b"one", b"four")
    status, out, err = ended(box, process)
    assert (status, out) == (0, '{"udp.length": 12}\n')
    assert err.startswith("pktlab: eth0: 1 packet captured, 2 received, 0 dropped")
    assert [packet["udp.length"] for packet in package.open(tmp_path / "out.pcap")] == [12]


def test_a_tree(box: Sandbox, start: Start) -> None:
    process = start(*ONLY, "-V", "-x", "-c", 1)
    talk(box, b"tree")
    status, out, _ = ended(box, process)
    assert status == 0
    assert 'Data: 4 bytes "tree"' in out


def test_a_closed_pipe_ends_quietly(box: Sandbox, start: Start) -> None:
    process = start(*ONLY)
    assert process.stdout is not None
    talk(box, b"one")
    assert process.stdout.readline()
    process.stdout.close()
    talk(box, b"two", b"three")
    assert process.wait(60) == 0
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()
    box["server"].stop(process)


def test_privileges_are_dropped_to_who_typed_sudo(box: Sandbox, start: Start) -> None:
    with tempfile.TemporaryDirectory() as name:  # a folder of pytest's lies in one that only its user can enter
        os.chown(name, 12_345, 12_345)
        path = Path(name, "out.pcapng")
        process = start(*ONLY, "-w", path, env={"SUDO_UID": "12345", "SUDO_GID": "12345"})
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
        fields = dict(line.split(":", 1) for line in status.splitlines())
        assert fields["Uid"].split() == ["12345"] * 4
        assert int(fields["CapEff"], 16) == 0
        talk(box, b"one")
        process.send_signal(signal.SIGINT)
        assert ended(box, process) == (0, "", "pktlab: eth0: 1 packet captured, 1 received, 0 dropped\n")
        assert path.stat().st_uid == 12_345


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-i", "lo0"], "there is no interface lo0, did you mean lo?"),
        ([], "which interface? Give -i NAME, of lo"),
        (["-i", "lo", "-w", "-", "-V"], "-w - takes standard output"),
        (["-i", "lo", "-e", "udp.length", "-T", "tree"], "-e chooses fields of -T json"),
        (["-i", "lo", "-e", "udp.lenght"], "did you mean udp.length?"),
        (["-i", "lo", "-f", "udp prot 9"], "filter, column"),
        (["-i", "lo", "-Y", "udp.prot == 9"], "filter, column 1"),
        (["-i", "lo", "-c", "0"], "-c"),
        (["-i", "lo", "-w", "/no/such/folder/out.pcap"], "/no/such/folder/out.pcap: cannot be written"),
    ],
    ids=range(9),
)
def test_misuse_is_a_line(arguments: list[str], said: str, pktlab: Any) -> None:
    if sys.platform != "linux":
        pytest.skip("interfaces are Linux's here")
    status, out, err = pktlab("sniff", *arguments)
    assert (status, out) == (2, "")
    assert err.startswith("pktlab: ")
    assert err.count("pktlab: ") == 1
    assert said in err
