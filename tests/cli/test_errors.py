"""Each kind of bad input gives one line on standard error and its status; what could be read is printed."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest

READERS = (["info"], ["dissect"], ["checksum", "verify"])


def claims_4_gib() -> bytes:
    header = struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    return header + struct.pack("<IIII", 1, 0, 0xFFFFFFFF, 0xFFFFFFFF) + b"few"


UNREADABLE = {
    "empty": (b"", "is empty"),
    "text": (b"hello, I am a text\n" * 9, "it looks like text"),
    "header-cut": (struct.pack("<IHHI", 0xA1B2C3D4, 2, 4, 0), "header"),
    "zeros": (bytes(100), "zeros"),
    "pdf": (b"%PDF-1.7 and so on", "a PDF document"),
}


@pytest.mark.parametrize("command", READERS, ids=lambda words: words[-1])
class TestNothingCanBeRead:
    def test_no_file(self, command: list[str], pktlab: Any) -> None:
        assert pktlab(*command, "/no/such.pcap") == (2, "", "pktlab: /no/such.pcap: no such file\n")

    def test_a_directory(self, command: list[str], pktlab: Any, tmp_path: Path) -> None:
        status, out, err = pktlab(*command, tmp_path)
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert "is a directory" in err

    @pytest.mark.parametrize("kind", UNREADABLE)
    def test_no_capture(self, command: list[str], kind: str, pktlab: Any, tmp_path: Path) -> None:
        data, reason = UNREADABLE[kind]
        path = tmp_path / kind
        path.write_bytes(data)
        status, out, err = pktlab(*command, path)
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert err.startswith(f"pktlab: {path}: ")
        assert reason in err

    def test_no_file_named(self, command: list[str], pktlab: Any) -> None:
        status, out, err = pktlab(*command)
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert "name a capture FILE" in err


class TestDamagedInput:
    def test_dissect_prints_what_could_be_read(self, pktlab: Any, cut: Path) -> None:
        status, out, err = pktlab("dissect", cut)
        assert (status, out.count("\n"), err.count("\n")) == (3, 2, 1)
        assert err.startswith(f"pktlab: {cut}: damaged at byte ")
        assert "after 2 packets" in err

    def test_json_is_complete_all_the_same(self, pktlab: Any, cut: Path) -> None:
        import json

        status, out, _ = pktlab("dissect", cut, "-T", "json")
        assert (status, len(json.loads(out))) == (3, 2)

    def test_info_and_verify(self, pktlab: Any, cut: Path) -> None:
        assert pktlab("info", cut)[0] == 3
        assert pktlab("checksum", "verify", cut)[0] == 3

    def test_damage_beats_a_wrong_checksum(self, pktlab: Any, bad: Path) -> None:
        whole = bad.read_bytes()
        bad.write_bytes(whole + whole[-40:-4])  # a block that is cut behind the wrong sum
        assert pktlab("checksum", "verify", bad)[0] == 3

    def test_a_record_that_claims_4_gib(self, pktlab: Any, tmp_path: Path) -> None:
        path = tmp_path / "huge.pcap"
        path.write_bytes(claims_4_gib())
        status, out, err = pktlab("dissect", path)
        assert (status, out, err.count("\n")) == (3, "", 1)

    def test_a_frame_before_the_damage_can_be_had(self, pktlab: Any, cut: Path) -> None:
        assert pktlab("dissect", cut, "--frame", 1).status == 0

    def test_a_frame_behind_it_cannot(self, pktlab: Any, cut: Path) -> None:
        status, out, err = pktlab("dissect", cut, "--frame", 3)
        assert (status, out) == (3, "")
        assert "damaged at byte" in err


class TestNothingWrong:
    def test_an_unknown_link_type_is_listed_as_bytes(self, pktlab: Any, tmp_path: Path) -> None:
        path = tmp_path / "odd.pcap"
        header = struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 147)
        path.write_bytes(header + struct.pack("<IIII", 1, 0, 3, 3) + b"abc")
        status, out, err = pktlab("dissect", path)
        assert status == 0
        assert '3 bytes "abc"' in out
        assert err == f"pktlab: {path}: packet 1: link type 147 is not read, such packets are shown as bytes\n"

    def test_a_capture_without_packets(self, pktlab: Any, tmp_path: Path) -> None:
        path = tmp_path / "none.pcap"
        path.write_bytes(struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        assert pktlab("dissect", path) == (0, "", "")
        assert pktlab("dissect", path, "-T", "json") == (0, "[]\n", "")
        assert pktlab("info", path).status == 0
        assert pktlab("checksum", "verify", path).status == 0

    def test_a_malformed_layer_in_a_whole_record(self, pktlab: Any) -> None:
        status, out, err = pktlab("dissect", "--hex", "45", "--as", "ip")
        assert (status, err) == (0, "")
        assert "needs 20 bytes" in out


class TestMisuse:
    @pytest.mark.parametrize(
        "arguments",
        [
            ["dissect", "--foo"],
            ["dissect", "-c", "x", "FILE"],
            ["dissect", "-T", "xml", "FILE"],
            ["checksum", "verify", "FILE", "-r", "FILE"],
            ["dissect", "FILE", "--frame", "4"],
            ["dissect", "FILE", "--frame", "0"],
            ["dissect", "FILE", "-e", "ip.srcc"],
            ["dissect", "FILE", "-V", "-T", "json"],
            ["dissect", "FILE", "-T", "text", "-e", "ip.src"],
            ["dissect", "FILE", "-V", "-w", "-"],
            ["dissect", "FILE", "--hex", "00"],
            ["dissect", "--hex", "0"],
            ["dissect", "--hex", ""],
            ["dissect", "--hex", "00", "--as", "nonsense"],
            ["dissect", "--hex", "00", "-w", "x.pcap"],
            ["dissect", "FILE", "--as", "ip"],
            ["dissect", "FILE", "--schema", "mine.py:ECHO"],
            ["dissect", "FILE", "--on", "udp.port=1"],
            ["dissect", "FILE", "--schema", "/no.py:ECHO", "--on", "udp.port=1"],
            ["checksum", "explain", "FILE"],
            ["checksum", "explain", "FILE", "--frame", "1", "--protocol", "tcp"],
            ["checksum", "compute"],
            ["checksum", "compute", "--hex", "00", "--text", "a"],
            ["checksum", "compute", "--hex", "00", "--initial", "65536"],
            ["checksum", "compute", "/no/such/file"],
            ["checksum", "verify", "FILE", "--limit", "-1"],
            ["schema", "show", "nonsense"],
            ["schema", "show"],
            ["schema", "show", "/no.py:ECHO"],
            ["completion", "tcsh"],
        ],
        ids=" ".join,
    )
    def test_one_line_and_status_2(self, arguments: list[str], pktlab: Any, good: Path) -> None:
        status, out, err = pktlab(*(str(good) if word == "FILE" else word for word in arguments))
        assert (status, out) == (2, "")
        assert err.startswith("pktlab: ")
        assert err.count("\n") == 1
        assert "Traceback" not in err

    def test_a_frame_that_is_not_there_says_how_many_are(self, pktlab: Any, good: Path) -> None:
        assert pktlab("dissect", good, "--frame", 4).err == f"pktlab: {good} has no frame 4; it has 3\n"


def test_the_other_files_are_read_if_one_cannot_be(pktlab: Any, good: Path) -> None:
    status, out, err = pktlab("info", "/no/such", good)
    assert status == 2
    assert str(good) in out
    assert err == "pktlab: /no/such: no such file\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_is_one_line(program: Any, good: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = program("dissect", good, stdout=full, stderr=subprocess.PIPE, capture_output=False)
    assert done.returncode == 2
    assert done.stderr == b"pktlab: standard output: No space left on device\n"


def test_a_failed_write_leaves_what_was_there(pktlab: Any, cut: Path, tmp_path: Path) -> None:
    target = tmp_path / "no" / "such" / "folder.pcap"
    status, _, err = pktlab("dissect", cut, "-w", target)
    assert status == 2
    assert "cannot be written" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["export", "FILE", "-o", "DIR/none/o.parquet"],
        ["demux", "FILE", "-q", "--plot", "DIR/none/o.svg"],
    ],
    ids=["export", "demux"],
)
def test_a_folder_that_is_not_there_is_named(arguments: list[str], pktlab: Any, good: Path, tmp_path: Path) -> None:
    words = [word.replace("FILE", str(good)).replace("DIR", str(tmp_path)) for word in arguments]
    done = pktlab(*words)
    assert done.status == 2
    assert done.err == f"pktlab: {words[-1]}: there is no folder {tmp_path}/none\n"


def test_a_file_where_a_folder_is_to_be(pktlab: Any, good: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    said = f"pktlab: {tmp_path}/file: is there already, and no folder\n"
    assert pktlab("follow", good, "-o", tmp_path / "file") == (2, "", said)
