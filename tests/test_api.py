"""The Python interface as a user meets it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from construct import GreedyBytes, Int8ub, Int16ub, this

import pktlab
from pktlab.capture import Record, open_writer
from pktlab.health import health_of
from pktlab.wire import AUTO, Bounded, Header, bits, build, field
from pktlab.wire.ipv4 import Ip
from pktlab.wire.udp import Udp

ENDS = {"src": "192.0.2.1", "dst": "192.0.2.2"}


class Note(Header, layer="note", label="A note"):
    """A protocol of the user's own."""

    _kind_urgent = field(Int8ub)
    kind: int = bits(_kind_urgent, 0xFE, "Kind", default=0)
    urgent: bool = bits(_kind_urgent, 0x01, "Urgent", as_=bool, default=False)
    length: int = field(Int16ub, "Length", default=AUTO)
    text: bytes = field(Bounded(this.length - 3, GreedyBytes), "Text", default=b"")


@pytest.fixture
def noted(tmp_path: Path) -> Path:
    """Return a capture of one note on UDP port 9999, and one that is cut short."""
    path = tmp_path / "noted.pcap"
    note = Note(kind=5, urgent=True, text=b"hello").build()
    with open_writer(path, link_type=101) as writer:
        for number, payload in enumerate((note, note[:5]), 1):
            data = build(Ip(proto=17, **ENDS), Udp(srcport=9999, dstport=4711), payload)
            writer.write(Record(number, number * 10**9, data, len(data), 101))
    return path


def test_a_packet_by_name_and_by_attribute(first_light: Path) -> None:
    packet = pktlab.open(first_light).frame(7)
    assert packet["udp.dstport"] == packet.udp.dstport == 12000
    assert packet["ip.src"] == packet.ip.src == packet["ip.addr"] == "192.0.2.1"
    assert packet["udp.checksum.verdict"] == "good"
    assert packet["udp.checksum.status"] == 1
    assert packet["frame.number"] == 7
    assert packet.values("udp.port") == [packet.udp.srcport, 12000]
    assert "udp" in packet
    assert "tcp" not in packet
    assert packet.get("tcp.srcport", -1) == -1
    with pytest.raises(KeyError, match=r"packet 7 has no tcp\.srcport"):
        packet["tcp.srcport"]
    with pytest.raises(AttributeError, match="packet 7 has no tcp; it has eth, ip, udp, data"):
        _ = packet.tcp


def test_indexing_counts_from_0_and_frames_from_1(first_light: Path) -> None:
    cap = pktlab.open(first_light)
    assert cap[0].number == cap.frame(1).number == 1
    assert cap[-1].number == cap.count() == 40
    with pytest.raises(IndexError, match="has no frame 41; it has 40"):
        cap.frame(41)
    with pytest.raises(IndexError, match="has no frame 0"):
        cap.frame(0)


def test_iterating_twice_and_a_stream_once(first_light: Path) -> None:
    cap = pktlab.open(first_light)
    assert len(list(cap)) == len(list(cap)) == 40
    stream = pktlab.open(io.BytesIO(first_light.read_bytes()))
    assert len(list(stream)) == 40
    with pytest.raises(pktlab.CaptureError, match="can be read once"):
        list(stream)


def test_own_protocol_gives_tree_ranges_json_and_build(noted: Path) -> None:
    whole, cut = pktlab.open(noted, protocols={"udp.port=9999": Note})
    assert (whole["note.kind"], whole.note.urgent, whole["note.text"]) == (5, True, b"hello")
    assert whole.note.build() == whole.data[28:]
    document = whole.document(ranges=True)["layers"][2]
    assert document["fields"] == {"note.kind": 5, "note.urgent": True, "note.length": 8, "note.text": b"hello".hex()}
    assert document["ranges"] == {
        "note.kind": [28, 0, 7], "note.urgent": [28, 7, 1], "note.length": [29, 0, 16], "note.text": [31, 0, 40],
    }  # fmt: skip
    assert [line.label for line in whole.tree()][-5:] == ["A note", "Kind", "Urgent", "Length", "Text"]
    assert isinstance(cut.stop, pktlab.Truncated)
    assert (cut.stop.layer, cut.stop.offset, cut.stop.needed, cut.stop.available, cut.stop.limit) == (
        "note.text", 31, 5, 2, "udp.length",
    )  # fmt: skip
    assert cut.note.kind == 5
    with pytest.raises(AttributeError, match=r"note\.text was not read"):
        _ = cut.note.text


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("udp.prt=1", "udp has no field prt; did you mean port"),
        ("upd.port=1", "no protocol is called upd; did you mean udp"),
        ("9999", "write for example udp.port=9999"),
    ],
)
def test_a_condition_that_names_nothing(noted: Path, condition: str, message: str) -> None:
    with pytest.raises(pktlab.SchemaError, match=message):
        pktlab.open(noted, protocols={condition: Note})


def test_a_schema_from_a_file(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(
        "from construct import Int8ub\nfrom pktlab.wire import Header, field\n"
        "class Echo(Header, layer='echo'):\n    kind: int = field(Int8ub, 'Kind')\n"
    )
    assert pktlab.load_schema(f"{mine}:Echo").layer == "echo"
    with pytest.raises(pktlab.SchemaError, match=r"has no schema called Ecco; it has Echo"):
        pktlab.load_schema(f"{mine}:Ecco")
    with pytest.raises(pktlab.SchemaError, match="there is no file"):
        pktlab.load_schema(f"{tmp_path}/none.py:Echo")
    with pytest.raises(pktlab.SchemaError, match=r"write for example mine\.py:ECHO"):
        pktlab.load_schema("mine")
    mine.write_text("x = 1\n1 / 0\n")
    with pytest.raises(pktlab.SchemaError, match=r"line 2: ZeroDivisionError"):
        pktlab.load_schema(f"{mine}:Echo")
    mine.write_text("x = (\n")
    with pytest.raises(pktlab.SchemaError, match=r"line 1: SyntaxError"):
        pktlab.load_schema(f"{mine}:Echo")


def test_every_byte_is_in_one_layer_or_the_trailer(first_light: Path) -> None:
    for packet in pktlab.open(first_light):
        document = packet.document()
        joined = "".join(layer["bytes"] for layer in document["layers"]) + document["trailer"]
        assert bytes.fromhex(joined) == packet.data
        json.dumps(document)


def test_flat_fields(first_light: Path) -> None:
    packet = pktlab.open(first_light).frame(39)
    names = ["frame.number", "ip.src", "ip.flags", "ip.flags.df", "udp.checksum.verdict", "tcp.srcport"]
    assert list(packet.flat(names).values()) == [39, "127.0.0.1", "0x02", True, "partial", None]


def test_the_fragment_that_completes_carries_the_verdict(first_light: Path) -> None:
    packets = list(pktlab.open(first_light))
    assert packets[21]["udp.checksum.verdict"] == "unverified"
    assert packets[22].get("udp.checksum.verdict") is None
    assert packets[23]["udp.checksum.verdict"] == "good"
    assert packets[23]["udp.checksum.status"] == 1
    assert "completes the datagram of frames 22, 23, 24: udp checksum good" in packets[23].line()
    assert packets[23].document()["layers"][-2]["notes"] == [
        "completes the datagram of frames 22, 23, 24: udp checksum good"
    ]


def test_a_datagram_counts_once(first_light: Path) -> None:
    packets = list(pktlab.open(first_light))
    whole = health_of(packets[21:24])
    assert whole.counts["udp"] == {"good": 1}
    incomplete = pktlab.open(first_light)
    lonely = health_of([packet for packet in incomplete if packet.number in (22, 23)])
    assert lonely.counts["udp"] == {"unverified": 1}


def test_epb_flags_are_used(tmp_path: Path) -> None:
    path = tmp_path / "flags.pcapng"
    data = build(Ip(proto=17, **ENDS), Udp(srcport=1, dstport=2, checksum=0x1234), b"x")
    with open_writer(path) as writer:
        writer.write(Record(1, 0, data, len(data), 101, flags=0x200))
        writer.write(Record(2, 0, data, len(data), 101, flags=0x400))
    not_ready, valid = pktlab.open(path)
    assert not_ready["udp.checksum.verdict"] == "partial"
    assert valid["udp.checksum.verdict"] == "bad"


def test_explain_and_show(first_light: Path, capsys: pytest.CaptureFixture[str]) -> None:
    packet = pktlab.open(first_light).frame(28)
    text = packet.explain("udp")
    assert "IPv4 pseudo-header" in text
    assert "verdict: bad: with the stored value the sum is not 0xffff; consistent with one flipped bit" in text
    assert packet.explain("tcp") == "packet 28 has no tcp checksum"
    packet.show()
    shown = capsys.readouterr().out
    assert "Source Port: 40000" in shown
    assert "verdict: bad, should be" in shown


def test_a_notebook_shows_the_tree_and_escapes_it() -> None:
    data = build(Ip(proto=17, **ENDS), Udp(srcport=1, dstport=2), b"<script>\x1b[2J")
    page = pktlab.packet(data, as_="ip")._repr_html_()
    assert "User Datagram Protocol" in page
    assert "<script>" not in page
    assert "\x1b" not in page


def test_packet_from_bytes_refuses_an_unknown_start() -> None:
    with pytest.raises(ValueError, match="it is one of"):
        pktlab.packet(b"", as_="ipx")
    assert [layer.protocol for layer in pktlab.packet(b"abc", as_="data").layers] == ["data"]


def test_checksum_family() -> None:
    assert pktlab.checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0x220D
    assert pktlab.checksum.sum(b"\x00\x01") == 1
    assert pktlab.checksum.verify(b"\xff\xff")
    assert "sum 0x91ce" in pktlab.checksum.explain(b"hello world")


def test_public_names_are_there_and_wrong_ones_are_named() -> None:
    assert all(getattr(pktlab, name) is not None for name in pktlab.__all__)
    assert set(pktlab.__all__) <= set(dir(pktlab))
    with pytest.raises(AttributeError, match="no attribute 'opne'"):
        pktlab.opne  # noqa: B018


def test_importing_pktlab_is_cheap() -> None:
    code = "import sys, pktlab; print(*sorted({'construct', 'click', 'scapy', 'numpy', 'rich'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"


def test_dissecting_needs_nothing_of_linux(first_light: Path) -> None:
    """macOS and Windows lack these modules; reading a capture does not miss them."""
    code = (
        "import sys\n"
        "for name in ('fcntl', 'pwd', 'grp', 'termios', 'resource', 'scapy', 'pyroute2'): sys.modules[name] = None\n"
        "import pktlab\n"
        f"print(sum(1 for packet in pktlab.open({str(first_light)!r}) if packet.judgements and packet.tree()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stderr, done.stdout) == ("", "36\n")
