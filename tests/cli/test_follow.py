"""`pktlab follow`: what streams carried, in every form, as files, and safe for terminals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pktlab.capture import Record
from pktlab.wire import build
from pktlab.wire.ipv4 import Ip
from pktlab.wire.ipv6 import Ipv6
from pktlab.wire.tcp import Tcp

EVIL = "\x1b[2J\u202e"


def segment(way: str, seq: int, ack: int, data: bytes = b"", flags: int = 0x10, **more: Any) -> Record:
    """Return a segment of way ``>`` or ``<``, in a record."""
    ports = {"srcport": 1000, "dstport": 80} if way == ">" else {"srcport": 80, "dstport": 1000}
    hosts = more.get("hosts", ("192.0.2.1", "192.0.2.2"))[:: 1 if way == ">" else -1]
    kind = Ipv6(nxt=6, src=hosts[0], dst=hosts[1]) if ":" in hosts[0] else Ip(proto=6, src=hosts[0], dst=hosts[1])
    packet = build(kind, Tcp(seq_raw=seq, ack_raw=ack, flags=flags, **ports), data)
    return Record(1, 1_700_000_000_000_000_000, packet, len(packet) + more.get("cut", 0), 101)


TALK = [
    segment(">", 0, 0, flags=2),
    segment("<", 0, 1, flags=0x12),
    segment(">", 1, 1, b"GET /\r\nsecond "),
    segment(">", 15, 1, b"line\n"),
    segment("<", 1, 20, f"{EVIL}é\xff".encode("utf-8", "surrogateescape") + b"\xfe"),
    segment(">", 26, 1, b"late"),
    segment("<", 100, 30, b"later"),
    segment(">", 30, 105, flags=0x11),
]


@pytest.fixture
def talk(tmp_path: Path, write_capture: Any) -> Path:
    return write_capture(tmp_path / "talk.pcap", TALK)


def test_lines(pktlab: Any, talk: Path) -> None:
    status, out, err = pktlab("follow", talk)
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        "tcp 0  192.0.2.1:1000 → 192.0.2.2:80",
        "> GET /",
        "> second line",
        "< \\x1b[2J\\u202eéÿ\\xfe",
        "* out: 6 bytes missing: the receiver has them, the capture does not",
        "> late",
        "* out: no more will be sent",
        f"* back: {99 - len(TALK[4].data) + 40:,} bytes missing: the receiver has them, the capture does not",
        "< later",
        "* back: the capture ends, and it is open",
    ]


def test_hex_counts_from_the_start_of_the_stream(pktlab: Any, talk: Path) -> None:
    lines = pktlab("follow", talk, "-T", "hex", "--way", "out").out.splitlines()
    assert lines[1].startswith("> 0000  47 45 54 20 2f 0d 0a 73  65 63 6f 6e 64 20 6c 69  GET /..second li")
    assert lines[2].startswith("> 0010  6e 65 0a  ")
    assert lines[4].startswith("> 0019  6c 61 74 65  ")


def test_raw_is_the_bytes(program: Any, talk: Path) -> None:
    assert program("follow", talk, "--stream", 0, "--way", "out", "-T", "raw").stdout == b"GET /\r\nsecond line\nlate"
    done = program("follow", talk, "-T", "raw")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"name it with --stream N" in done.stderr


def test_jsonl(pktlab: Any, talk: Path) -> None:
    events = [json.loads(line) for line in pktlab("follow", talk, "-T", "jsonl").out.splitlines()]
    data = [one for one in events if one["event"] == "data" and one["way"] == "out"]
    assert b"".join(bytes.fromhex(one["data"]) for one in data) == b"GET /\r\nsecond line\nlate"
    assert [frame for one in data for frame in one["frames"]] == [3, 4, 6]
    assert [one["offset"] for one in data] == [0, 14, 25]
    (gap,) = [one for one in events if one["event"] == "gap" and one["way"] == "out"]
    assert (gap["length"], gap["why"], gap["offset"], gap["frame"]) == (6, "acknowledged", 19, 7)
    ends = [(one["why"], one["frame"]) for one in events if one["event"] == "end"]
    assert ends == [("fin", 8), ("open", None)]


def test_files(pktlab: Any, talk: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    status, out, err = pktlab("follow", talk, "-o", folder)
    assert (status, err) == (0, "")
    first, second = sorted(folder.iterdir())
    assert first.name == "tcp-0_192.0.2.1.1000_192.0.2.2.80.bin"
    assert first.read_bytes() == b"GET /\r\nsecond line\n" + bytes(6) + b"late"
    assert second.read_bytes().endswith(b"\0later")
    assert f"{first}: 23 bytes, 6 bytes missing" in out.splitlines()
    status, out, err = pktlab("follow", talk, "-o", folder)
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert "is there already" in err


def test_ipv6_ends_make_names_that_any_system_takes(pktlab: Any, tmp_path: Path, write_capture: Any) -> None:
    hosts = ("2001:db8::1", "2001:db8::2")
    path = write_capture(tmp_path / "six.pcap", [segment(">", 5, 5, b"six", hosts=hosts)])
    assert pktlab("follow", path).out.splitlines()[:2] == [
        "tcp 0  [2001:db8::1]:1000 → [2001:db8::2]:80", "* out: begins in the middle: what was before was not captured",
    ]  # fmt: skip
    assert pktlab("follow", path, "-o", tmp_path / "out").status == 0
    assert [one.name for one in (tmp_path / "out").iterdir()] == ["tcp-0_2001-db8--1.1000_2001-db8--2.80.bin"]


def test_one_of_several(pktlab: Any, tmp_path: Path, write_capture: Any) -> None:
    others = [segment(">", 5, 5, b"other", hosts=("192.0.2.7", "192.0.2.8"))]
    path = write_capture(tmp_path / "two.pcap", [*TALK[:3], *others, *TALK[3:]])
    headings = [line for line in pktlab("follow", path).out.splitlines() if line.startswith("tcp")]
    assert [line.split()[1] for line in headings] == ["0", "1", "0", "1", "0"]
    assert pktlab("follow", path, "--stream", 1).out.splitlines()[2] == "> other"
    assert "other" not in pktlab("follow", path, "--stream", 0).out
    assert pktlab("follow", path, "--stream", 9).out == ""
    assert pktlab("follow", path, "-Y", "ip.addr == 192.0.2.7").out.splitlines()[2] == "> other"


def test_which_of_two_stays(pktlab: Any, tmp_path: Path, write_capture: Any) -> None:
    parts = [
        segment(">", 0, 0, flags=2),
        *(segment(">", *one) for one in ((4, 1, b"abc"), (4, 1, b"xyz"), (1, 1, b"012"))),
    ]
    path = write_capture(tmp_path / "two.pcap", parts)
    assert "> 012abc" in pktlab("follow", path).out
    out = pktlab("follow", path, "--overlap", "last").out.splitlines()
    assert out[1:3] == ["* out: 3 bytes came twice and differ, from byte 3, again in frame 3", "> 012xyz"]


def test_a_damaged_file_is_followed_up_to_the_damage(pktlab: Any, talk: Path) -> None:
    talk.write_bytes(talk.read_bytes()[:-3])
    status, out, err = pktlab("follow", talk)
    assert (status, err.count("\n")) == (3, 1)
    assert "< later" in out


def test_a_stream_that_is_not_there_is_said_to_be(pktlab: Any, talk: Path) -> None:
    status, out, err = pktlab("follow", talk, "--stream", 0, "--stream", 7, "--utp", 1)
    assert status == 2
    assert out.startswith("tcp 0  ")
    assert err == f"pktlab: {talk} has no stream tcp 7, utp 1; pktlab flows shows those of TCP\n"
