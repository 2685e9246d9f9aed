"""``--salvage``: every command that reads captures goes on behind damage, says what it skipped, and ends with 3."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pktlab import api

PACKET_LEN = 80  # bytes of a block in the capture below


@pytest.fixture
def holed(tmp_path: Path, datagram: Any, write_capture: Any) -> Path:
    """Forty datagrams, the sixth and the twenty-sixth damaged."""
    path = write_capture(tmp_path / "holed.pcapng", [datagram(b"%06d" % n, n) for n in range(1, 41)])
    with api.open(path) as capture:
        places = [packet.record.offset for packet in capture]
    data = bytearray(path.read_bytes())
    for place in (places[5], places[25]):
        data[place + 4 : place + 8] = b"\xff" * 4
    path.write_bytes(data)
    return path


COMMANDS: list[list[Any]] = [
    ["info", "--json"],
    ["dissect", "-T", "jsonl"],
    ["checksum", "verify", "--json"],
    ["checksum", "fix", "--dry-run"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[1] if words[0] == "checksum" else words[0])
def test_what_was_skipped_is_said(command: list[Any], pktlab: Any, holed: Path) -> None:
    status, _, err = pktlab(*command, holed, "--salvage")
    lines = [line for line in err.splitlines() if "put right" not in line]
    assert status == 3
    assert [line.partition(": bytes")[0] for line in lines] == [f"pktlab: {holed}: skipped {PACKET_LEN} bytes"] * 2
    assert pktlab(*command, "-", "--salvage", stdin=holed.read_bytes()).status == 3


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[1] if words[0] == "checksum" else words[0])
def test_a_whole_file_is_read_as_without(command: list[Any], pktlab: Any, good: Path) -> None:
    assert pktlab(*command, good, "--salvage") == pktlab(*command, good)


def test_the_packets_behind_the_damage_are_there(pktlab: Any, holed: Path) -> None:
    assert pktlab("dissect", holed).out.count("\n") == 5
    assert pktlab("dissect", holed, "--salvage").out.count("\n") == 38
    assert json.loads(pktlab("info", "--json", holed, "--salvage").out)["packets"] == 38
    assert json.loads(pktlab("checksum", "verify", "--json", holed, "--salvage").out)["udp"]["good"] == 38


def test_a_packet_behind_the_damage_is_explained(pktlab: Any, holed: Path) -> None:
    assert pktlab("checksum", "explain", holed, "--frame", 20).status == 3
    status, out, _ = pktlab("checksum", "explain", holed, "--frame", 20, "--salvage")
    assert (status, "verdict: good" in out) == (0, True)


def test_salvaged_packets_are_written(pktlab: Any, holed: Path, tmp_path: Path) -> None:
    assert pktlab("dissect", holed, "--salvage", "-w", tmp_path / "saved.pcapng").status == 3
    assert pktlab("dissect", tmp_path / "saved.pcapng") == (0, pktlab("dissect", holed, "--salvage").out, "")


def test_many_skipped_parts_take_a_few_lines(pktlab: Any, tmp_path: Path, datagram: Any, write_capture: Any) -> None:
    path = write_capture(tmp_path / "many.pcapng", [replace(datagram(b"%06d" % n, n)) for n in range(1, 201)])
    with api.open(path) as capture:
        places = [packet.record.offset for packet in capture]
    data = bytearray(path.read_bytes())
    for place in places[5::8]:
        data[place + 4 : place + 8] = b"\xff" * 4
    path.write_bytes(data)
    status, out, err = pktlab("dissect", path, "--salvage")
    skipped = len(places[5::8])
    assert (status, out.count("\n"), len(err.splitlines())) == (3, 200 - skipped, 11)
    assert err.splitlines()[-1] == f"pktlab: {path}: skipped {80 * (skipped - 10):,} bytes in {skipped - 10} more parts"


def test_the_library_lists_the_holes(holed: Path) -> None:
    with api.open(holed, salvage=True) as capture:
        assert len(list(capture)) == 38
        assert [hole.end - hole.start for hole in capture.holes] == [PACKET_LEN] * 2
        assert capture.damage is not None
        assert capture.damage.packets == 5
    assert api.open(holed, salvage=True)[20]["udp.dstport"] == 9999
