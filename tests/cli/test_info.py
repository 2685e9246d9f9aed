"""`pktlab info`: what kind of file, what is in it, its health."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any


def test_text(pktlab: Any, good: Path) -> None:
    status, out, err = pktlab("info", good)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == str(good)
    assert "  format         pcapng 1.0, little-endian" in lines
    assert "  interface      Ethernet" in lines
    assert "  packets        3" in lines
    assert "  first packet   2023-11-14 22:13:20.000000000 UTC" in lines
    assert "  time span      0.002000 s" in lines
    assert "  conversations  1" in lines
    assert "    udp           3    137  100.0%" in lines
    assert lines[-1] == "Right: all 6 checksums that could be judged."


def test_json(pktlab: Any, good: Path) -> None:
    document = json.loads(pktlab("info", good, "--json").out)
    assert document["format"] == "pcapng"
    assert document["compression"] is None
    assert (document["packets"], document["bytes"], document["captured_bytes"]) == (3, 137, 137)
    assert document["first_time_epoch"] == "1700000000.000000000"
    assert document["protocols"] == [
        {"protocols": path, "packets": 3, "bytes": 137} for path in ("eth", "eth:ip", "eth:ip:udp", "eth:ip:udp:data")
    ]
    assert document["checksums"]["udp"]["good"] == 3
    assert document["damage"] is None


def test_damage_is_in_both(pktlab: Any, cut: Path) -> None:
    assert "damaged at byte " in pktlab("info", cut).out
    damage = json.loads(pktlab("info", cut, "--json").out)["damage"]
    assert damage["packets"] == 2
    assert damage["offset"] > 0


def test_packed_files_say_so(pktlab: Any, good: Path, tmp_path: Path) -> None:
    packed = tmp_path / "good.gz"
    packed.write_bytes(gzip.compress(good.read_bytes()))
    assert "pcapng 1.0, little-endian, packed with gzip" in pktlab("info", packed).out
    assert json.loads(pktlab("info", packed, "--json").out)["compression"] == "gzip"


def test_several_files(pktlab: Any, good: Path, bad: Path) -> None:
    documents = json.loads(pktlab("info", good, "-r", bad, "--json").out)
    assert [one["file"] for one in documents] == [str(good), str(bad)]
    out = pktlab("info", good, bad).out
    assert out.index(str(good)) < out.index(f"\n\n{bad}\n")


def test_status_0_whatever_the_packets_hold(pktlab: Any, bad: Path) -> None:
    assert pktlab("info", bad).status == 0


def test_bytes_that_were_cut_are_told(pktlab: Any, tmp_path: Path, datagram: Any, write_capture: Any) -> None:
    record = datagram(b"a longer text")
    record.data = record.data[:-6]
    path = write_capture(tmp_path / "short.pcap", [record])
    assert f"  bytes          {record.length}, {record.length - 6} of them captured" in pktlab("info", path).out


def test_the_hierarchy_of_first_light(pktlab: Any, first_light: Path) -> None:
    document = json.loads(pktlab("info", first_light, "--json").out)
    found = {one["protocols"]: one["packets"] for one in document["protocols"]}
    assert found["eth"] == 40
    assert found["eth:ip:tcp"] == 11
    assert found["eth:vlan:ip:udp"] == 2
    assert found["eth:ip:icmp"] == 3
    assert "eth:ip:icmp:ip" not in found  # what an error quotes is no packet


def test_a_capture_without_times(pktlab: Any, tmp_path: Path, datagram: Any, write_capture: Any) -> None:
    record = datagram()
    record.time_ns = None
    document = json.loads(pktlab("info", write_capture(tmp_path / "a.pcapng", [record]), "--json").out)
    assert (document["first_time_epoch"], document["packets"]) == (None, 1)
