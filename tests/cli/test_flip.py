"""`pktlab checksum flip`: one bit, all bits, and what it says when there is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

HEX = "4500001e0000000040117ccd7f0000017f00000100350045000a98f46869"


def test_one_bit(pktlab: Any, good: Path) -> None:
    result = pktlab("checksum", "flip", good, "--frame", 2, "--bit", 303)
    assert (result.status, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0] == "bit 303: byte 37, mask 0x01, in udp.dstport"
    assert lines[1] == "  Destination Port: 9999 -> 9998"
    assert "40000 → 9998 Len=3" in lines[3]
    assert result.out.endswith("Dropped by the UDP checksum (Linux counts UdpInCsumErrors and UdpInErrors).\n")


def test_the_document_says_the_same(pktlab: Any, good: Path) -> None:
    said = json.loads(pktlab("checksum", "flip", good, "--frame", 2, "--bit", 303, "--json").out)
    assert list(said) == [
        "frame.number", "bit", "byte", "mask", "place", "field", "before", "after", "sums", "seen_by", "receiver",
        "sentence",
    ]  # fmt: skip
    assert (said["frame.number"], said["place"], said["seen_by"]) == (2, "udp.dstport", ["udp"])
    assert (said["field"]["before"], said["field"]["after"]) == ("9999", "9998")
    assert [one["after"]["verdict"] for one in said["sums"]] == ["good", "bad"]
    assert said["receiver"]["after"] == {
        "outcome": "dropped", "layer": "udp", "check": "checksum", "text": "dropped by the UDP checksum",
        "counters": ["UdpInCsumErrors", "UdpInErrors"],
    }  # fmt: skip


def test_all_bits(pktlab: Any, good: Path) -> None:
    out = pktlab("checksum", "flip", good, "--frame", 1).out
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines()[3:]}
    assert rows["ip.dst"] == ["32", "32", "32", "0", "0"]
    assert rows["eth.src"] == ["48", "0", "0", "0", "48"]
    said = json.loads(pktlab("checksum", "flip", good, "--frame", 1, "--json").out)
    assert said["bits"] == sum(one["bits"] for one in said["fields"]) == 8 * 45
    assert {one["field"]: [str(one["bits"]), str(one["unseen"])] for one in said["fields"]} == {
        name: [row[0], row[-1]] for name, row in rows.items()
    }


def test_pasted_bytes(pktlab: Any) -> None:
    result = pktlab("checksum", "flip", "--as", "ip", "--hex", HEX, "--bit", 191)
    assert result.status == 0
    assert "Destination Port: 69 -> 68" in result.out


def test_status_0_whatever_it_finds(pktlab: Any, bad: Path) -> None:
    result = pktlab("checksum", "flip", bad, "--frame", 2, "--bit", 340)
    assert result.status == pktlab("checksum", "flip", bad, "--frame", 2).status == 0
    assert "as it is with the bit whole" in " ".join(result.out.split())


def test_a_partial_sum_is_pointed_out(pktlab: Any, first_light: Path) -> None:
    assert "`pktlab checksum fix`" in pktlab("checksum", "flip", first_light, "--frame", 39, "--bit", 400).out


def test_a_held_fragment_has_a_column(pktlab: Any, first_light: Path) -> None:
    heading = pktlab("checksum", "flip", first_light, "--frame", 23).out.splitlines()[2]
    assert heading.split()[-2:] == ["unseen", "held"]


@pytest.mark.parametrize("bit", [-1, 8 * 45, 10**30, "x"], ids=str)
def test_no_such_bit(pktlab: Any, good: Path, bit: object) -> None:
    result = pktlab("checksum", "flip", good, "--frame", 1, "--bit", bit)
    assert (result.status, result.out, len(result.err.splitlines())) == (2, "", 1)


def test_no_such_packet(pktlab: Any, good: Path) -> None:
    assert pktlab("checksum", "flip", good, "--bit", 1).status == 2
    assert pktlab("checksum", "flip", good, "--frame", 9, "--bit", 1).status == 2


def test_nothing_acts_on_a_terminal(pktlab: Any, evil: Path) -> None:
    for options in (["--bit", 340], []):
        out = pktlab("checksum", "flip", evil, "--frame", 1, *options).out
        assert "\x1b" not in out
        assert "\u202e" not in out
