"""``pktlab bt``: what each command prints, writes, and says when it cannot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pktlab.jsontext import json_schema

SWARMS = Path(__file__).resolve().parents[2] / "pcaps" / "swarms"
MAGNET, TCP = str(SWARMS / "magnet.pcap.zst"), str(SWARMS / "tcp.pcap.zst")


@pytest.mark.parametrize("name", ["swarm", "choking", "rarest"])
def test_json_is_as_its_schema_says(name: str, pktlab: Any) -> None:
    result = pktlab("bt", name, MAGNET, "--json")
    assert (result.status, result.err) == (0, "")
    jsonschema.validate(json.loads(result.out), json_schema(f"bt-{name}"))


@pytest.mark.parametrize("name", ["swarm", "choking", "rarest"])
def test_a_capture_without_peers(name: str, pktlab: Any, first_light: Path) -> None:
    result = pktlab("bt", name, str(first_light))
    assert (result.status, result.out) == (0, "no BitTorrent peers are heard in this capture\n")
    assert json.loads(pktlab("bt", name, str(first_light), "--json").out) == {"torrents": []}


def test_all_messages_of_a_capture_are_there(pktlab: Any) -> None:
    lines = pktlab("bt", "dissect", TCP, "-T", "jsonl").out.splitlines()
    documents = [json.loads(line) for line in lines]
    blocks = [one for one in documents if one.get("type") == "piece"]
    told = json.loads(pktlab("bt", "swarm", TCP, "--json").out)["torrents"][0]
    assert len(blocks) == sum(one["blocks"] for one in told["transfers"])
    assert {one["kind"] for one in documents} <= {"message", "violation", "unknown", "missing", "note"}
    first = next(one for one in documents if one.get("type") == "handshake")
    assert first["fields"]["bittorrent.info_hash"] == told["info_hash"]


def test_chosen_messages(pktlab: Any) -> None:
    choked = pktlab("bt", "dissect", TCP, "--type", "choke", "-c", "2").out.splitlines()
    assert [line.split()[-1] for line in choked] == ["choke", "choke"]
    tree = pktlab("bt", "dissect", TCP, "--type", "request", "-c", "1", "-V").out
    assert "Begin offset of piece: 0x" in tree
    wrong = pktlab("bt", "dissect", TCP, "--type", "chocke")
    assert wrong.status == 2
    assert "--type chocke: take one of choke, unchoke" in wrong.err


def test_the_files_and_what_is_said_of_them(pktlab: Any, tmp_path: Path) -> None:
    result = pktlab("bt", "extract", MAGNET, "-o", str(tmp_path))
    assert result.status == 0
    assert "12 of 12 pieces have the right hash" in result.out
    assert sorted(path.name for path in (tmp_path / "shared").rglob("*.bin")) == ["one.bin", "three.bin", "two.bin"]
    unchecked = pktlab("bt", "extract", TCP, "-o", str(tmp_path)).out
    assert "16 of 16 pieces are whole, not checked: no hashes are known" in unchecked
    other = pktlab("bt", "extract", TCP, "-o", str(tmp_path), "--torrent", str(SWARMS / "magnet.torrent"))
    assert (other.status, other.out) == (2, "")
    assert "no blocks of" in other.err
    wrong = pktlab("bt", "extract", TCP, "-o", str(tmp_path), "--torrent", TCP)
    assert (wrong.status, wrong.err.count("\n")) == (2, 1)
    assert f"{TCP} is no .torrent file: " in wrong.err


@pytest.mark.parametrize("name", ["swarm", "choking"])
def test_pictures(name: str, pktlab: Any, tmp_path: Path, first_light: Path) -> None:
    target = tmp_path / "out.svg"
    assert pktlab("bt", name, TCP, "--plot", str(target)).status == 0
    assert target.read_text(encoding="utf-8").startswith("<svg ")
    assert pktlab("bt", name, TCP, "--plot", str(tmp_path / "out.png")).status == 0
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")
    wrong = pktlab("bt", name, TCP, "--plot", str(tmp_path / "out.jpg"))
    assert (wrong.status, wrong.out) == (2, "")
    nothing = pktlab("bt", name, str(first_light), "--plot", str(target))
    assert nothing.status == 2
    assert "nothing to draw" in nothing.err


def test_a_capture_from_standard_input(program: Any) -> None:
    done = program("bt", "swarm", "-", "--json", input=Path(MAGNET).read_bytes())
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(json.loads(done.stdout)["torrents"][0]["peers"]) == 4
