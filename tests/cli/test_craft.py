"""`pktlab craft`: what it prints, what it writes, and what it says to a mistake."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import pktlab as package

LINE = 'IP(dst="127.0.0.1")/UDP(dport=53)/b"hi"'
BYTES = "4500001e0001000040117ccc7f0000017f00000100350035000a99046869"


def test_a_tree_with_bytes_is_what_is_shown(pktlab: Any) -> None:
    status, out, err = pktlab("craft", LINE)
    assert (status, err) == (0, "")
    assert out.startswith("Frame 1: 30 bytes\nInternet Protocol Version 4: 127.0.0.1 → 127.0.0.1\n")
    assert "  Destination Port: 53                            0016  00 35\n" in out
    assert out.count("verdict: good") == 2


def test_hex_is_read_by_dissect(pktlab: Any) -> None:
    assert pktlab("craft", LINE, "--hex") == (0, f"{BYTES}\n", "")
    assert "UDP 53 → 53 Len=2" in pktlab("dissect", "--hex", BYTES, "--as", "ip").out


def test_python_is_python(pktlab: Any) -> None:
    out = pktlab("craft", 'IP(ttl=(1, 2))/UDP()/(b"x" * 40)', "--python").out
    names: dict[str, Any] = {}
    exec(out, names)
    assert [names["packet_1"][8], names["packet_2"][8]] == [1, 2]
    assert names["packet_1"][-40:] == b"x" * 40


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_c_is_c(pktlab: Any, tmp_path: Path) -> None:
    source = pktlab("craft", 'IP()/UDP()/b"*/\\\\hi"', "--c").out
    (tmp_path / "packet.c").write_text(
        f"#include <stdio.h>\n{source}int main(void) {{ fwrite(packet_1, 1, sizeof packet_1, stdout); return 0; }}\n"
    )
    subprocess.run(["cc", "-Wall", "-Werror", "-o", tmp_path / "packet", tmp_path / "packet.c"], check=True)
    made = subprocess.run([tmp_path / "packet"], check=True, capture_output=True).stdout
    assert made.hex() == pktlab("craft", 'IP()/UDP()/b"*/\\\\hi"', "--hex").out.strip()


@pytest.mark.parametrize("name", ["out.pcap", "out.pcapng", "out.pcapng.gz"])
def test_a_file_holds_them(name: str, pktlab: Any, tmp_path: Path) -> None:
    path = tmp_path / name
    assert pktlab("craft", "IP(ttl=(1, 3))/UDP()", "-w", path) == (0, "", "")
    packets = list(package.open(path))
    assert [(packet["ip.ttl"], packet.time_ns, packet.link_type) for packet in packets] == [
        (1, 0, 101), (2, 0, 101), (3, 0, 101),
    ]  # fmt: skip


def test_a_pipe_takes_them(program: Any) -> None:
    made = program("craft", LINE, "-w", "-")
    assert (made.returncode, made.stderr) == (0, b"")
    assert b"UDP 53 \xe2\x86\x92 53 Len=2" in program("dissect", "-", input=made.stdout).stdout


def test_what_starts_with_no_link_layer_is_said(pktlab: Any, tmp_path: Path) -> None:
    status, _, err = pktlab("craft", "UDP()", "-w", tmp_path / "out")
    assert status == 0
    assert err == "pktlab: packet 1 starts with no link layer: written with link type 147, for users\n"


@pytest.mark.parametrize(
    ("wish", "said"),
    [("good", ""), ("bad", " [udp checksum bad]"), ("zero", " [udp checksum absent]"),
     ("partial", " [udp checksum partial]"), ("0x9904", ""), ("1", " [udp checksum bad")],
)  # fmt: skip
def test_the_checksum_that_is_asked_for(wish: str, said: str, pktlab: Any, tmp_path: Path) -> None:
    pktlab("craft", LINE, "--checksum", wish, "-w", tmp_path / "out")
    line = pktlab("dissect", tmp_path / "out").out
    assert f"Len=2{said}" in line


def test_near_misses(pktlab: Any, tmp_path: Path) -> None:
    assert pktlab("craft", LINE, "--mutate", "-w", tmp_path / "out") == (0, "", "")
    packets = list(package.open(tmp_path / "out"))
    assert packets[0].data.hex() == BYTES
    assert packets[0].comments == ()
    assert all(packet.comments for packet in packets[1:])
    assert len(packets) > 10
    titles = pktlab("craft", LINE, "--mutate", "--python").out
    assert "(udp checksum bad)\npacket_2 = " in titles


def test_the_seed_decides(pktlab: Any) -> None:
    line = ("craft", "IP(id=RandShort(), dst=RandIP())", "--hex")
    assert pktlab(*line, "--seed", 7) == pktlab(*line, "--seed", 7)
    assert pktlab(*line, "--seed", 7) != pktlab(*line, "--seed", 8)


def test_a_protocol_of_ones_own(pktlab: Any, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from construct import Int8ub\nfrom pktlab.wire import Header, field\n"
        "class Echo(Header, layer='echo'):\n    kind: int = field(Int8ub)\n"
    )
    own = ("--schema", f"{tmp_path / 'mine.py'}:Echo", "--on", "udp.port=9999")
    out = pktlab("craft", "IP()/UDP()/Echo(kind=7)", *own).out
    assert "Destination Port: 9999" in out
    assert "  Kind: 7 " in out


class TestJson:
    @pytest.mark.parametrize("form", ["json", "jsonl"])
    def test_what_dissect_prints_comes_back(self, form: str, pktlab: Any, first_light: Path, tmp_path: Path) -> None:
        printed = pktlab("dissect", first_light, "-T", form).out
        assert pktlab("craft", "-", "-w", tmp_path / "out", stdin=printed.encode()) == (0, "", "")
        there, here = list(package.open(first_light)), list(package.open(tmp_path / "out"))
        assert [(one.data, one.length, one.time_ns, one.link_type) for one in here] == [
            (one.data, one.length, one.time_ns, one.link_type) for one in there
        ]

    def test_an_edit_arrives_and_fix_puts_right_what_it_broke(self, pktlab: Any, good: Path) -> None:
        documents = json.loads(pktlab("dissect", good, "-T", "json").out)
        documents[0]["layers"][2]["fields"]["udp.dstport"] = 7
        text = json.dumps(documents[:1]).encode()
        assert pktlab("craft", "-", "--hex", stdin=text).out[72:76] == "0007"
        assert "verdict: bad" in pktlab("craft", "-", stdin=text).out
        assert "verdict: bad" not in pktlab("craft", "-", "--fix", stdin=text).out

    def test_no_packets_are_an_empty_capture(self, pktlab: Any, tmp_path: Path) -> None:
        assert pktlab("craft", "-", "-w", tmp_path / "out", stdin=b"[]") == (0, "", "")
        assert list(package.open(tmp_path / "out")) == []

    @pytest.mark.parametrize("text", [b"nonsense", b'[{"layers": 1}]', b"\xff", b'[{"layers": [{"bytes": "0"}]}]'])
    def test_what_does_not_read_is_one_line(self, text: bytes, pktlab: Any, tmp_path: Path) -> None:
        status, out, err = pktlab("craft", "-", "-w", tmp_path / "out", stdin=text)
        assert (status, out) == (2, "")
        assert err.startswith("pktlab: packet 1 of the JSON")
        assert err.count("\n") == 1
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("IP(tll=1)", "expression, column 4: IP has no field tll, did you mean ttl?\n  IP(tll=1)\n     ^~~~~~"),
        ("IPP()", "expression, column 1: no layer is called IPP, did you mean IP?\n  IPP()\n  ^~~~~"),
        ("IP(ttl=x.y)", "expression, column 8: an attribute is not read: only layers, fields and literals are read\n"
                        "  IP(ttl=x.y)\n         ^~~~"),
        ("IP(\x1b[2J)", "expression, column 4: invalid non-printable character U+001B\n  IP( [2J)\n     ^"),
    ],
)  # fmt: skip
def test_a_refused_expression_is_status_2_and_its_place(expression: str, said: str, pktlab: Any) -> None:
    assert pktlab("craft", expression) == (2, "", f"pktlab: {said}\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["IP()", "--fix"], "--fix is about packets from JSON"),
        (["-", "--seed", "1"], "--seed is about expressions"),
        (["IP()", "--checksum", "worse"], "--checksum 'worse' is none of good, bad, zero, partial"),
        (["IP()", "--checksum", "bad"], "no transport checksum"),
        (["IP()", "-w", "-", "--hex"], "print nothing else there"),
        ([], "missing argument"),
        (["IP()", "UDP()"], "unexpected extra argument"),
    ],
)
def test_misuse_is_one_line_and_status_2(arguments: list[str], said: str, pktlab: Any) -> None:
    status, out, err = pktlab("craft", *arguments)
    assert (status, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
