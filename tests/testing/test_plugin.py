"""The pytest plugin, in a pytest of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import pktlab

TESTS = """
from hypothesis import given, settings
from pktlab.testing import assert_checksum_conformant, packets

@settings(database=None, derandomize=True, max_examples=20)
@given(packets("ip/udp", fault="swapped"))
def test_drawn(packet):
    assert packet["udp.checksum.verdict"] == "good"

def test_kit():
    assert_checksum_conformant(lambda data: 0, kind="udp4")

def test_fine():
    pass

def test_other():
    assert 1 == 2
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Run tests that fail; return their folder and what pytest says."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "test_mine.py").write_text(TESTS)
    options = ["-p", "no:cacheprovider", "-p", "no:pktlab", "-p", "pktlab.testing.plugin", "-q", "--rootdir", folder]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, folder], cwd=folder, capture_output=True, text=True, check=False
    )
    assert "3 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    return folder, done.stdout


def test_a_failing_packet_is_written_and_explained(run: tuple[Path, str]) -> None:
    folder, said = run
    (packet,) = list(pktlab.open(str(folder / "pktlab-failures" / "test_mine.py-test_drawn.pcapng")))
    assert packet.judgements[-1].cause == "byte-swapped: the right bytes in the wrong order"
    assert packet.comments == ("fault: swapped",)
    assert "User Datagram Protocol" in said
    assert "IPv4 pseudo-header, not sent but summed" in said
    assert "verdict: bad: with the stored value the sum is not 0xffff; byte-swapped: the right" in said


def test_a_counter_example_is_written(run: tuple[Path, str]) -> None:
    folder, said = run
    written = list(pktlab.open(str(folder / "pktlab-failures" / "test_mine.py-test_kit.pcapng")))
    assert len(written) == 3
    assert "came back    0x0000" in said


def test_other_failures_are_left_alone(run: tuple[Path, str]) -> None:
    folder, said = run
    assert len(list((folder / "pktlab-failures").iterdir())) == 2
    assert said.count("- pktlab -") == 2
