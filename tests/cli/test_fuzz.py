"""``pktlab checksum fuzz``: the report, its statuses, the capture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import pktlab as package

MINE = """
from pktlab.wire.checksum import checksum

def right(data):
    return checksum(data)

def odd(data):
    return checksum(data[:len(data) & ~1])

def udp(packet):
    segment = packet[4 * (packet[0] & 15):]
    return checksum(packet[12:20] + bytes([0, 17]) + len(segment).to_bytes(2, "big") + segment)
"""


@pytest.fixture(autouse=True)
def _workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)


def test_a_right_one_survives(pktlab: Any) -> None:
    result = pktlab("checksum", "fuzz", "mine:right", "--max-examples", 1500)
    assert result == (0, "mine:right survived 1,500 examples of internet (seed 0)\n", "")


def test_a_wrong_one_is_shown_with_the_likely_mistake(pktlab: Any) -> None:
    result = pktlab("checksum", "fuzz", "mine:odd", "--seed", 5)
    assert (result.status, result.err) == (1, "")
    assert result.out.splitlines() == [
        "mine:odd is wrong for internet, found at example 3 (seed 5)",
        "given        01  (1 byte)",
        "came back    0xffff",
        "right        0xfeff",
        "likely       an odd last byte is left out",
        "capture      pktlab-fuzz-internet.pcapng",
    ]
    assert pktlab("checksum", "fuzz", "mine:odd", "--seed", 5) == result


def test_the_capture_and_json(pktlab: Any, tmp_path: Path) -> None:
    result = pktlab("checksum", "fuzz", "mine:udp", "--kind", "udp4", "-w", "out.pcapng", "--json")
    said = json.loads(result.out)
    assert result.status == 1
    assert (said["survived"], said["capture"]) == (False, "out.pcapng")
    assert said["counter_example"]["mistake"] == "a checksum of 0 is not sent as 0xffff"
    assert (said["counter_example"]["answer"], said["counter_example"]["right"]) == (0, 0xFFFF)
    packets = list(package.open(str(tmp_path / "out.pcapng")))
    assert packets[0].data.hex() == said["counter_example"]["given"][0]
    assert packets[1]["udp.checksum.verdict"] == "good"


def test_time_is_up(pktlab: Any) -> None:
    result = pktlab("checksum", "fuzz", "mine:right", "--max-seconds", 0)
    assert result.status == 0
    assert "time was up after" in result.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name a TARGET"), (["mine:right", "--kind", "tcp"], "there is no kind 'tcp'"),
        (["mine:none"], "has no attribute 'none'"), (["./none.so:f"], "there is no file"),
        (["no-such-program -x"], "there is no program no-such-program"), (["mine:right", "--seed", "x"], "--seed"),
    ],
)  # fmt: skip
def test_misuse_is_told_in_a_line(pktlab: Any, arguments: list[str], said: str) -> None:
    result = pktlab("checksum", "fuzz", *arguments)
    assert (result.status, result.out, len(result.err.splitlines())) == (2, "", 1)
    assert said in result.err


def test_known_mistakes_are_listed(pktlab: Any) -> None:
    out = pktlab("checksum", "fuzz", "--mistakes", "--kind", "udp4").out
    assert "a checksum of 0 is not sent as 0xffff" in out
    assert "131,076 bytes of 0xff are needed" in " ".join(out.split())
