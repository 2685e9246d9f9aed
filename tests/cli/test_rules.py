"""The rules of the command line: streams, colour, closed pipes, interrupts, and what must not reach a terminal."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from pktlab_cli.printing import Printer

ESC = "\x1b"


class TestStreams:
    def test_data_go_to_stdout_and_nothing_else_does(self, pktlab: Any, cut: Path) -> None:
        _, out, err = pktlab("dissect", cut, "-T", "jsonl")
        assert [json.loads(line)["frame"]["frame.number"] for line in out.splitlines()] == [1, 2]
        assert err.startswith("pktlab: ")

    @pytest.mark.parametrize("arguments", [["-"], ["-r", "-"], ["--read", "-"]])
    def test_dash_is_stdin(self, arguments: list[str], pktlab: Any, good: Path) -> None:
        assert pktlab("dissect", *arguments, stdin=good.read_bytes()).out == pktlab("dissect", good).out

    def test_dash_is_stdin_for_info_and_verify(self, pktlab: Any, good: Path) -> None:
        document = json.loads(pktlab("info", "--json", "-", stdin=good.read_bytes()).out)
        assert (document["file"], document["packets"]) == ("-", 3)
        assert json.loads(pktlab("checksum", "verify", "--json", "-", stdin=good.read_bytes()).out)["packets"] == 3

    def test_dash_is_stdout(self, program: Any, good: Path) -> None:
        packed = program("dissect", good, "-w", "-")
        assert (packed.returncode, packed.stderr) == (0, b"")
        assert program("dissect", "-", input=packed.stdout).stdout == program("dissect", good).stdout

    def test_a_closed_stdout_is_no_traceback(self, environment: dict[str, str], good: Path) -> None:
        command = f'"{sys.executable}" -m pktlab_cli dissect "{good}" >&-'
        done = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (0, b"")

    def test_a_narrow_encoding_is_spelled_out(self, program: Any, good: Path) -> None:
        done = program("dissect", good, env={"PYTHONIOENCODING": "ascii"})
        assert done.returncode == 0
        assert b"192.0.2.1 \\u2192 192.0.2.2" in done.stdout


class TestStreaming:
    @pytest.mark.parametrize("form", [[], ["-V"], ["-T", "jsonl"]], ids=["line", "tree", "jsonl"])
    def test_packets_of_a_pipe_are_printed_as_they_come(
        self, form: list[str], environment: dict[str, str], good: Path
    ) -> None:
        data = good.read_bytes()
        command = [sys.executable, "-m", "pktlab_cli", "dissect", "-", *form]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(data[:-40])  # two packets and a half
            process.stdin.flush()
            first = process.stdout.readline()  # comes although the pipe stays open
            process.stdin.write(data[-40:])
            process.stdin.close()
            rest = process.stdout.read()
        assert process.returncode == 0
        assert first
        assert b"192.0.2.1" in first + rest

    def test_a_named_pipe_streams_too(self, environment: dict[str, str], good: Path, tmp_path: Path) -> None:
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        command = [sys.executable, "-m", "pktlab_cli", "dissect", str(pipe)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process, pipe.open("wb") as writer:
            assert process.stdout is not None
            writer.write(good.read_bytes())
            writer.flush()
            assert [b"9999" in process.stdout.readline() for _ in range(3)] == [True] * 3  # although it stays open
            writer.close()
        assert process.returncode == 0

    def test_memory_does_not_grow_with_the_capture(self, environment: dict[str, str], good: Path) -> None:
        resource = pytest.importorskip("resource")
        assert resource is not None
        code = (
            "import resource, sys; from pktlab_cli.errors import run; from pktlab_cli.main import cli\n"
            "run(cli, ['dissect', '-', '-q'])\n"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        )
        sizes = []
        head, packet = good.read_bytes()[: -80 * 3], good.read_bytes()[-80:]
        assert packet[:4] == b"\x06\0\0\0"
        for count in (100, 20_000):
            done = subprocess.run(
                [sys.executable, "-c", code], input=head + packet * count, env=environment,
                capture_output=True, timeout=120, check=True,
            )  # fmt: skip
            sizes.append(int(done.stdout.split()[-1]))
        assert sizes[1] < 1.1 * sizes[0]


class TestColor:
    def test_none_in_a_pipe(self, program: Any, bad: Path) -> None:
        assert ESC.encode() not in program("dissect", bad).stdout

    def test_always_and_never(self, pktlab: Any, bad: Path) -> None:
        assert ESC in pktlab("dissect", bad, "--color", "always").out
        assert ESC not in pktlab("dissect", bad, "--color", "never").out

    @pytest.mark.parametrize(
        "command",
        [
            ["info"],
            ["dissect", "-V"],
            ["checksum", "verify"],
            ["checksum", "explain", "--frame", "2"],
            ["checksum", "flip", "--frame", "2"],
        ],
        ids=" ".join,
    )
    def test_colour_changes_nothing_else(self, command: list[str], pktlab: Any, bad: Path) -> None:
        import click

        plain, colored = pktlab(*command, bad), pktlab(*command, bad, "--color", "always")
        assert ESC in colored.out
        assert click.unstyle(colored.out) == plain.out
        assert colored.status == plain.status

    @pytest.mark.parametrize(
        ("extra", "is_colored"),
        [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
    )
    def test_a_terminal(self, extra: dict[str, str], is_colored: bool, environment: dict[str, str], bad: Path) -> None:
        shown = on_terminal(["dissect", str(bad)], environment | extra)
        assert (ESC in shown) is is_colored
        assert "checksum bad" in shown

    def test_an_explicit_wish_beats_no_color(self, pktlab: Any, bad: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NO_COLOR", "1")
        assert ESC in pktlab("dissect", bad, "--color", "always").out

    def test_no_style_no_colour(self) -> None:
        assert Printer("always").paint("text", "no such style") == "text"


def on_terminal(arguments: list[str], environment: dict[str, str]) -> str:
    """Return what ``pktlab ARGUMENTS`` shows on a terminal of its own."""
    pty = pytest.importorskip("pty")
    leader, follower = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "pktlab_cli", *arguments], stdin=follower, stdout=follower, stderr=follower,
        env=environment,
    ) as process:  # fmt: skip
        os.close(follower)
        shown = b""
        while True:
            try:
                piece = os.read(leader, 65536)
            except OSError:  # Linux says so when the other side is closed
                break
            if not piece:
                break
            shown += piece
    os.close(leader)
    assert process.returncode == 0
    return shown.decode()


class TestTerminal:
    def test_stdin_that_is_a_terminal_is_refused(self, environment: dict[str, str]) -> None:
        pty = pytest.importorskip("pty")
        leader, follower = pty.openpty()
        done = subprocess.run(
            [sys.executable, "-m", "pktlab_cli", "dissect", "-"], stdin=follower, env=environment,
            capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        os.close(leader)
        os.close(follower)
        assert done.returncode == 2
        assert b"terminal" in done.stderr

    def test_binary_is_not_written_to_one(self, environment: dict[str, str], good: Path) -> None:
        command = f'"{sys.executable}" -m pktlab_cli dissect "{good}" -w -; test $? = 2'
        pty = pytest.importorskip("pty")
        leader, follower = pty.openpty()
        done = subprocess.run(
            ["sh", "-c", command], stdout=follower, stderr=subprocess.PIPE, env=environment, check=False
        )
        os.close(leader)
        os.close(follower)
        assert done.returncode == 0
        assert b"terminal" in done.stderr


class TestClosedPipe:
    @pytest.mark.parametrize(
        "command",
        [
            ["dissect"],
            ["dissect", "-V", "-x"],
            ["dissect", "-T", "json"],
            ["info"],
            ["checksum", "verify"],
        ],
        ids=" ".join,
    )
    def test_ends_quietly(self, command: list[str], environment: dict[str, str], first_light: Path) -> None:
        process = subprocess.Popen(
            [sys.executable, "-m", "pktlab_cli", *command, str(first_light)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment | {"PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
        process.stderr.close()
        assert err == b""
        # `verify` may have printed all before the pipe was closed, and then says that a sum is wrong.
        assert process.wait(60) in ((0, 1) if "verify" in command else (0,))

    @pytest.mark.parametrize("arguments", [["--help"], ["dissect", "--help"], ["--version"], ["completion", "zsh"]])
    def test_help_too(self, arguments: list[str], environment: dict[str, str]) -> None:
        read_end, write_end = os.pipe()
        os.close(read_end)
        done = subprocess.run(
            [sys.executable, "-m", "pktlab_cli", *arguments], stdout=write_end, stderr=subprocess.PIPE,
            env=environment, timeout=60, check=False,
        )  # fmt: skip
        os.close(write_end)
        assert (done.returncode, done.stderr) == (0, b"")

    def test_a_capture_that_nobody_reads_on(self, environment: dict[str, str], first_light: Path) -> None:
        command = f'"{sys.executable}" -m pktlab_cli dissect "{first_light}" -w - | true'
        done = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, timeout=60, check=False)
        assert done.stderr == b""


def test_an_interrupt_ends_with_130_and_no_traceback(environment: dict[str, str], good: Path) -> None:
    command = [sys.executable, "-m", "pktlab_cli", "dissect", "-"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(good.read_bytes())
        process.stdin.flush()
        for _ in range(3):
            assert process.stdout.readline()
        time.sleep(0.1)  # it waits for more
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert process.stderr.read() == b""


class TestEscaping:
    """Nothing that a packet, a comment, an interface or a file name holds acts on a terminal."""

    COMMANDS = (
        ["info"],
        ["info", "--json"],
        ["dissect"],
        ["dissect", "-V", "-x", "--ranges"],
        ["dissect", "-x"],
        ["dissect", "-T", "json"],
        ["dissect", "-T", "jsonl", "-e", "frame.comment"],
        ["checksum", "verify"],
        ["checksum", "verify", "--json"],
        ["checksum", "explain", "--frame", "1"],
    )

    @pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
    def test_of_results(self, command: list[str], pktlab: Any, evil: Path) -> None:
        status, out, err = pktlab(*command, evil)
        assert status in (0, 1)
        assert err == ""
        assert out
        assert [char for char in out if not char.isprintable() and char != "\n"] == []

    @pytest.mark.parametrize(
        "arguments", [["dissect"], ["info"], ["dissect", "--frame", "9"], ["dissect", "--color", "always", "-c", "x"]]
    )
    def test_of_messages(self, arguments: list[str], pktlab: Any, evil: Path) -> None:
        missing = evil if "--frame" in arguments else evil.with_suffix(".none")
        status, out, err = pktlab(*arguments, missing)
        assert (status, out) == (2, "")
        assert err.endswith("\n")
        assert err[:-1].isprintable()

    def test_the_text_is_still_told(self, pktlab: Any, evil: Path) -> None:
        out = pktlab("dissect", "-V", evil).out
        assert r"see \x1b[2J\x9b1m\u202e" in out
        assert r"\x1b[2J" in pktlab("info", evil).out


@pytest.mark.skipif(shutil.which("setpriv") is None or os.geteuid() != 0, reason="only root can give it up, by setpriv")
@pytest.mark.parametrize(
    "command", ["send 'IP(dst=\"127.0.0.1\")/ICMP()'", "sniff -i lo --seconds 1", "replay FILE -i lo"]
)
def test_who_may_not_is_told_how(command: str, environment: dict[str, str], good: Path) -> None:
    line = f'"{sys.executable}" -m pktlab_cli {command.replace("FILE", str(good))}'
    done = subprocess.run(
        ["setpriv", "--bounding-set=-net_raw", "sh", "-c", line], env=environment, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    remedy = f"sudo setcap cap_net_raw,cap_net_admin+eip {os.path.realpath(sys.executable)}"
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"pktlab: raw sockets are not allowed here: run this with sudo, or once {remedy}\n"
