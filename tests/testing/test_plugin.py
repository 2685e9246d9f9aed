"""The pytest plugin, in a pytest of its own."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

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


def test_what_a_test_fails_on_is_written_crafted_and_explained(tmp_path: Path) -> None:
    """In a process of its own: pytester would take out of `sys.modules` what is imported here, Scapy too."""
    (tmp_path / "test_mine.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\npktlab_failures = failed\n")
    options = ["-p", "no:cacheprovider", "-p", "no:pktlab", "-p", "pktlab.testing.plugin", "-q"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    folder, said = tmp_path / "failed", done.stdout
    assert "3 failed, 1 passed" in said, said + done.stderr
    assert_drawn_packet_is_told(pktlab.open(folder / "test_mine.py-test_drawn.pcapng"), said)
    assert_counter_example_is_told(pktlab.open(folder / "test_mine.py-test_kit.pcapng"), said)
    assert len(list(folder.iterdir())) == 2
    assert said.count("- pktlab -") == 2  # what fails without a packet is left alone


def assert_drawn_packet_is_told(capture: pktlab.Capture, said: str) -> None:
    (packet,) = list(capture)
    assert packet.judgements[-1].cause == "byte-swapped: the right bytes in the wrong order"
    assert packet.comments == ("fault: swapped",)
    assert packet.data in crafted(said)
    assert "User Datagram Protocol" in said
    assert "IPv4 pseudo-header, not sent but summed" in said
    assert "verdict: bad: with the stored value the sum is not 0xffff; byte-swapped: the right" in said


def assert_counter_example_is_told(capture: pktlab.Capture, said: str) -> None:
    given, right, back = list(capture)
    assert right["udp.checksum.verdict"] == "good"
    assert back["udp.checksum.verdict"] == "absent"
    assert back.data in crafted(said)
    assert given.data == back.data
    assert "came back    0x0000" in said
    assert "the last of its packets, with the checksum that came back, 0x0000:" in said


def crafted(said: str) -> list[bytes]:
    """Return the packets that the commands in `said` make."""
    lines = [shlex.split(line)[2] for line in said.splitlines() if line.startswith("pktlab craft ")]
    made = [pktlab.craft(line) for line in lines]
    return [one.data for one in made if isinstance(one, pktlab.Packet)]
