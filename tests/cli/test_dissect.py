"""`pktlab dissect`: lines, trees, JSON, bytes instead of a file, own protocols, and packets written on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pktlab.capture import open_capture

UDP = "4500001e00000000401166cb0a0000010a0000020001000200080000" + "6869"
MINE = """
from construct import GreedyBytes, Int8ub, this
from pktlab.wire import AUTO, Bounded, Header, field

class NOTE(Header, layer="note"):
    kind: int = field(Int8ub, "Kind")
    length: int = field(Int8ub, "Length", default=AUTO)
    text: bytes = field(Bounded(this.length, GreedyBytes), "Text")

class OTHER(Header, layer="other"):
    first: int = field(Int8ub, "First")
"""


class TestLines:
    def test_a_line_a_packet(self, pktlab: Any, good: Path) -> None:
        assert pktlab("dissect", good).out.splitlines() == [
            "    1     0.000000  192.0.2.1 → 192.0.2.2 UDP 40000 → 9999 Len=3",
            "    2     0.001000  192.0.2.1 → 192.0.2.2 UDP 40000 → 9999 Len=3",
            "    3     0.002000  192.0.2.1 → 192.0.2.2 UDP 40000 → 9999 Len=5",
        ]

    def test_a_checksum_that_is_not_good_is_named(self, pktlab: Any, bad: Path) -> None:
        right, wrong = pktlab("dissect", bad).out.splitlines()
        assert "checksum" not in right
        assert "[udp checksum bad" in wrong

    def test_hex_below(self, pktlab: Any, good: Path) -> None:
        lines = pktlab("dissect", good, "-x", "-c", 1).out.splitlines()
        assert lines[1] == "      0000  02 00 00 00 00 02 02 00  00 00 00 01 08 00 45 00  ..............E."
        assert lines[-1] == ""

    def test_limit(self, pktlab: Any, good: Path) -> None:
        assert pktlab("dissect", good, "-c", 2).out.count("\n") == 2
        assert pktlab("dissect", good, "-c", 0).out == ""

    def test_quiet(self, pktlab: Any, good: Path) -> None:
        assert pktlab("dissect", good, "-q") == (0, "", "")

    def test_letters_of_tshark_that_change_nothing(self, pktlab: Any, good: Path) -> None:
        assert pktlab("dissect", "-n", "-l", "-r", good).out == pktlab("dissect", good).out

    def test_first_light_reads_like_the_story_that_it_tells(self, pktlab: Any, first_light: Path) -> None:
        lines = pktlab("dissect", first_light).out.splitlines()
        assert len(lines) == 40
        assert lines[0].endswith("ARP who has 192.0.2.2? tell 192.0.2.1")
        assert "[completes the datagram of frames 22, 23, 24: udp checksum good]" in lines[23]
        assert "[udp checksum bad: consistent with one flipped bit" in lines[27]
        assert "[udp checksum partial]" in lines[38]


class TestTree:
    def test_beside_each_field_its_bytes(self, pktlab: Any, good: Path) -> None:
        out = pktlab("dissect", good, "--frame", 1, "-V", "-x").out
        assert out == pktlab("dissect", good, "--frame", 1, "-T", "tree", "-x").out
        assert "  Source Port: 40000                              0022  9c 40\n" in out
        assert "    verdict: good\n" in out
        assert "  002a  6f 6e 65                                          one\n" in out

    def test_ranges_in_front(self, pktlab: Any, good: Path) -> None:
        lines = pktlab("dissect", good, "--frame", 1, "-V", "--ranges").out.splitlines()
        assert "    34-35    Source Port: 40000" in lines
        assert "    14-33  Internet Protocol Version 4: 192.0.2.1 → 192.0.2.2" in lines

    def test_comments_are_wrapped(self, pktlab: Any, first_light: Path) -> None:
        out = pktlab("dissect", first_light, "--frame", 28, "-V").out
        notes = [line for line in out.splitlines() if line.startswith("  ")]
        assert any("comment: One bit of the last byte" in line for line in notes)
        assert max(map(len, notes)) <= 90


class TestJson:
    def test_an_array(self, pktlab: Any, good: Path) -> None:
        documents = json.loads(pktlab("dissect", good, "-T", "json").out)
        assert [one["frame"]["frame.number"] for one in documents] == [1, 2, 3]
        first = documents[0]
        assert [layer["protocol"] for layer in first["layers"]] == ["eth", "ip", "udp", "data"]
        assert first["layers"][2]["fields"]["udp.srcport"] == 40000
        assert "ranges" not in first["layers"][0]

    def test_every_byte_is_in_a_layer_or_the_trailer(self, pktlab: Any, first_light: Path) -> None:
        data = [record.data.hex() for record in open_capture(first_light)]
        lines = pktlab("dissect", first_light, "-T", "jsonl").out.splitlines()
        for line, expected in zip(lines, data, strict=True):
            document = json.loads(line)
            assert "".join(layer["bytes"] for layer in document["layers"]) + document["trailer"] == expected

    def test_ranges(self, pktlab: Any, good: Path) -> None:
        (document,) = json.loads(pktlab("dissect", good, "-T", "json", "--ranges", "--frame", 2).out)
        assert document["layers"][1]["ranges"]["ip.hdr_len"] == [14, 4, 4]

    def test_chosen_fields_are_flat(self, pktlab: Any, good: Path) -> None:
        flat = {
            "frame.number": 1, "ip.src": "192.0.2.1", "udp.port": 40000, "udp.checksum.verdict": "good",
            "tcp.seq_raw": None,
        }  # fmt: skip
        wish = [word for name in flat for word in ("-e", name)]
        out = pktlab("dissect", good, "-c", 1, "-T", "jsonl", *wish).out
        assert json.loads(out) == flat
        assert pktlab("dissect", good, "-c", 1, *wish).out == out  # jsonl is what -e stands for
        assert json.loads(pktlab("dissect", good, "-c", 1, "-T", "json", *wish).out) == [flat]

    def test_a_wrong_field_name_is_answered_with_the_nearest(self, pktlab: Any, good: Path) -> None:
        assert pktlab("dissect", good, "-e", "udp.scrport").err == (
            "pktlab: no field is called 'udp.scrport', did you mean udp.srcport?\n"
        )


class TestHex:
    def test_as_text(self, pktlab: Any) -> None:
        out = pktlab("dissect", "--hex", UDP, "--as", "ip").out
        assert out.startswith("    1            -  10.0.0.1 → 10.0.0.2 UDP 1 → 2 Len=0")

    def test_ethernet_if_not_said(self, pktlab: Any) -> None:
        assert "ARP" in pktlab("dissect", "--hex", "ff" * 6 + "02" * 6 + "0806" + "0001080006040001" + "00" * 20).out

    def test_from_stdin_and_from_a_file(self, pktlab: Any, tmp_path: Path) -> None:
        shown = pktlab("dissect", "--hex", UDP, "--as", "ip", "-V").out
        (tmp_path / "dump.txt").write_text(UDP)
        assert pktlab("dissect", "--hex", "-", "--as", "ip", "-V", stdin=UDP.encode()).out == shown
        assert pktlab("dissect", "--hex", f"@{tmp_path / 'dump.txt'}", "--as", "ip", "-V").out == shown

    def test_what_dissect_prints_can_be_pasted(self, pktlab: Any, good: Path) -> None:
        dump = "\n".join(pktlab("dissect", good, "-x", "-c", 1).out.splitlines()[1:])
        (pasted,) = json.loads(pktlab("dissect", "--hex", dump, "-T", "json").out)
        (original,) = json.loads(pktlab("dissect", good, "-c", 1, "-T", "json").out)
        assert pasted["layers"] == original["layers"]

    def test_an_unknown_protocol_lists_the_known_ones(self, pktlab: Any) -> None:
        from pktlab.api import AS

        err = pktlab("dissect", "--hex", "00", "--as", "nonsense").err
        assert all(f" {name}" in err for name in AS)


class TestOwnProtocol:
    @pytest.fixture
    def mine(self, tmp_path: Path) -> Path:
        path = tmp_path / "mine.py"
        path.write_text(MINE)
        return path

    def test_is_read_where_the_user_says(self, pktlab: Any, good: Path, mine: Path) -> None:
        own = ["--schema", f"{mine}:NOTE", "--on", "udp.port=9999"]
        (document,) = json.loads(pktlab("dissect", good, "-c", 1, "-T", "json", *own).out)
        assert document["layers"][3]["fields"]["note.kind"] == ord("o")
        assert document["stop"]["limit"] == "udp.length"  # "ne" says that 110 bytes follow
        assert "Kind: 111" in pktlab("dissect", good, "--frame", 1, "-V", *own).out
        assert json.loads(pktlab("dissect", good, "-c", 1, "-e", "note.kind", *own).out) == {"note.kind": ord("o")}

    def test_one_schema_in_several_places(self, pktlab: Any, good: Path, mine: Path) -> None:
        own = ["--schema", f"{mine}:OTHER", "--on", "udp.port=1", "--on", "udp.dstport=9999"]
        assert json.loads(pktlab("dissect", good, "-c", 1, "-e", "other.first", *own).out) == {"other.first": ord("o")}

    def test_several_schemas_each_in_its_place(self, pktlab: Any, good: Path, mine: Path) -> None:
        own = ["--schema", f"{mine}:OTHER", "--on", "udp.port=1", "--schema", f"{mine}:NOTE", "--on", "udp.port=9999"]
        assert json.loads(pktlab("dissect", good, "-c", 1, "-e", "note.kind", *own).out) == {"note.kind": ord("o")}

    def test_a_file_that_fails_says_where(self, pktlab: Any, good: Path, tmp_path: Path) -> None:
        (tmp_path / "bad.py").write_text("x = 1\nraise KeyError('no')\n")
        status, out, err = pktlab("dissect", good, "--schema", f"{tmp_path / 'bad.py'}:X", "--on", "udp.port=1")
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert "line 2" in err

    def test_a_condition_on_no_field(self, pktlab: Any, good: Path, mine: Path) -> None:
        status, _, err = pktlab("dissect", good, "--schema", f"{mine}:NOTE", "--on", "udp.porrt=1")
        assert (status, err.count("\n")) == (2, 1)


class TestWrite:
    @pytest.mark.parametrize("name", ["copy.pcapng", "copy.pcap", "copy.pcap.gz", "copy.pcapng.zst"])
    def test_the_copy_has_the_same_packets(self, name: str, pktlab: Any, good: Path, tmp_path: Path) -> None:
        if name.endswith("zst"):
            pytest.importorskip("zstandard")
        assert pktlab("dissect", good, "-w", tmp_path / name) == (0, "", "")
        assert pktlab("dissect", tmp_path / name).out == pktlab("dissect", good).out

    def test_comments_and_interfaces_are_kept(self, pktlab: Any, first_light: Path, tmp_path: Path) -> None:
        pktlab("dissect", first_light, "-w", tmp_path / "copy.pcapng")
        with open_capture(first_light) as old, open_capture(tmp_path / "copy.pcapng") as new:
            assert [(one.data, one.comments, one.time_ns) for one in old] == [
                (one.data, one.comments, one.time_ns) for one in new
            ]
            assert [one.name for one in old.interfaces] == [one.name for one in new.interfaces]

    def test_one_frame_or_the_first_few(self, pktlab: Any, good: Path, tmp_path: Path) -> None:
        pktlab("dissect", good, "--frame", 3, "-w", tmp_path / "one.pcap")
        pktlab("dissect", good, "-c", 2, "-w", tmp_path / "two.pcap")
        with open_capture(tmp_path / "one.pcap") as one, open_capture(tmp_path / "two.pcap") as two:
            assert [record.data[-5:] for record in one] == [b"three"]
            assert [record.data[-3:] for record in two] == [b"one", b"two"]

    def test_it_may_be_shown_too(self, pktlab: Any, good: Path, tmp_path: Path) -> None:
        assert "Source Port" in pktlab("dissect", good, "-V", "-w", tmp_path / "copy.pcap").out

    def test_what_could_be_read_of_a_damaged_file_is_written(self, pktlab: Any, cut: Path, tmp_path: Path) -> None:
        assert pktlab("dissect", cut, "-w", tmp_path / "saved.pcap").status == 3
        assert pktlab("dissect", tmp_path / "saved.pcap").out.count("\n") == 2


def test_one_frame_of_a_stream(pktlab: Any, good: Path) -> None:
    named = pktlab("dissect", good, "--frame", 2)
    assert pktlab("dissect", "-", "--frame", 2, stdin=good.read_bytes()) == named


def test_only_what_passes_a_filter_is_shown_counted_and_written(pktlab: Any, first_light: Path, tmp_path: Path) -> None:
    shown = pktlab("dissect", first_light, "-Y", "udp.checksum.verdict == bad", "-T", "jsonl", "-e", "frame.number")
    assert shown.status == 0
    count = len(shown.out.splitlines())
    assert 0 < count < 40
    written = tmp_path / "bad.pcap"
    assert pktlab("dissect", first_light, "-Y", "udp.checksum.verdict == bad", "-w", written).status == 0
    assert len(pktlab("dissect", written).out.splitlines()) == count
    verified = json.loads(pktlab("checksum", "verify", first_light, "-Y", "udp.checksum.verdict == bad", "--json").out)
    assert verified["packets"] == count
    assert (
        json.loads(pktlab("info", first_light, "-Y", "udp.checksum.verdict == bad", "--json").out)["packets"] == count
    )
    assert len(pktlab("dissect", first_light, "-Y", "udp", "-c", 2).out.splitlines()) == 2


def test_times_count_from_the_first_packet_whether_it_passes_or_not(pktlab: Any, first_light: Path) -> None:
    everything = pktlab("dissect", first_light).out.splitlines()
    assert pktlab("dissect", first_light, "-Y", "frame.number == 28").out.splitlines() == [everything[27]]


def test_a_mistake_in_a_filter_is_pointed_at(pktlab: Any, first_light: Path) -> None:
    result = pktlab("dissect", first_light, "-Y", "udp and tcp.prot == 80")
    assert result.status == 2
    assert result.err.splitlines() == [
        "pktlab: filter, column 9: no field is called tcp.prot, did you mean tcp.port?",
        "  udp and tcp.prot == 80",
        "          ^~~~~~~~",
    ]
    assert pktlab("dissect", first_light, "-Y", "udp", "--frame", 3).status == 2
