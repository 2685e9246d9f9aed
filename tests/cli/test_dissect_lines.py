"""Lines of captures with more packets than are read one by one: what is printed in bulk is what was printed before."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest

import pktlab
from pktlab.capture import Record, open_capture, open_writer

COUNT = 1300
DISSECT = [sys.executable, "-m", "pktlab_cli", "dissect"]
Program = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory, first_light: Path) -> Path:
    """Return a capture of the project's packets again and again, a second later each time."""
    path = tmp_path_factory.mktemp("lines") / "many.pcap"
    with open_capture(first_light) as reader:
        records = [record for record in reader if record.link_type == 1]
    with open_writer(path) as writer:
        for number in range(COUNT):
            rounds, place = divmod(number, len(records))
            found = records[place]
            writer.write(Record(number + 1, (found.time_ns or 0) + rounds * 10**9, found.data, found.length, 1))
    return path


@pytest.fixture(scope="module")
def lines(many: Path) -> list[bytes]:
    """Return what the exact reader says of it."""
    capture = pktlab.open(many)
    return [packet.line(capture.first_ns).encode() for packet in capture]


def test_a_large_capture(program: Program, many: Path, lines: list[bytes]) -> None:
    assert program("dissect", str(many)).stdout.splitlines() == lines


@pytest.mark.parametrize(
    ("arguments", "first", "last"),
    [(["-c", "1200"], 1, 1200), (["--frames", "990-", "-c", "30"], 990, 1019)],
)
def test_a_part_of_it(
    program: Program, many: Path, lines: list[bytes], arguments: list[str], first: int, last: int
) -> None:
    assert program("dissect", str(many), *arguments).stdout.splitlines() == lines[first - 1 : last]


def test_what_passes_a_filter_is_printed_and_written(
    program: Program, many: Path, lines: list[bytes], tmp_path: Path
) -> None:
    out = tmp_path / "out.pcap"
    done = program("dissect", str(many), "-Y", "tcp", "-T", "text", "-w", str(out))
    assert done.stdout.splitlines() == [line for line in lines if b" TCP " in line]
    numbers = [int(line.split()[0]) for line in done.stdout.splitlines()]
    with open_capture(many) as reader, open_capture(out) as written:
        data = [record.data for record in reader]
        assert [record.data for record in written] == [data[number - 1] for number in numbers]


def test_latin_text_and_colours_are_left_to_the_exact_reader(
    environment: dict[str, str], many: Path, lines: list[bytes]
) -> None:
    ascii_only = subprocess.run(
        [*DISSECT, str(many)], env={**environment, "PYTHONIOENCODING": "ascii"}, capture_output=True, check=True
    )
    assert ascii_only.stdout.splitlines() == [line.replace("→".encode(), b"\\u2192") for line in lines]
    colored = subprocess.run(
        [*DISSECT, str(many), "--color", "always"], env=environment, capture_output=True, check=True
    )
    assert b"\x1b[" in colored.stdout
    assert len(colored.stdout.splitlines()) == COUNT


def test_a_pipe_is_answered_packet_by_packet_behind_the_first_thousand(
    environment: dict[str, str], many: Path, lines: list[bytes]
) -> None:
    data = many.read_bytes()
    ends = list(islice(_ends(data), COUNT))
    with subprocess.Popen([*DISSECT, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(data[: ends[1099]])
        process.stdin.flush()
        assert [process.stdout.readline().rstrip() for _ in range(1100)] == lines[:1100]
        for place in (1100, 1101):
            process.stdin.write(data[ends[place - 1] : ends[place]])
            process.stdin.flush()
            assert process.stdout.readline().rstrip() == lines[place]
        process.stdin.close()
        assert process.wait(60) == 0


def _ends(data: bytes) -> Iterator[int]:
    at = 24
    while at < len(data):
        at += 16 + int.from_bytes(data[at + 8 : at + 12], "little")
        yield at


def test_a_closed_pipe_ends_it_quietly(environment: dict[str, str], many: Path) -> None:
    with subprocess.Popen(
        [*DISSECT, str(many)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
