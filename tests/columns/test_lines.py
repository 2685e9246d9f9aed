"""Lines in bulk against the exact reader's: the same octets, for every packet, whoever makes them."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from construct import Bytes, Int8ub, this
from hypothesis import given, settings
from hypothesis import strategies as st

import pktlab
from pktlab.capture import open_capture
from pktlab.columns.lines import LinePrinter
from pktlab.columns.rows import spliced
from pktlab.lines import Lines
from pktlab.wire import Header, field
from pktlab.wire.apps.rtp import Rtp
from pktlab.wire.bindings import bind
from pktlab.wire.ethernet import Ethernet, Ieee8021ad, Vlan
from pktlab.wire.glance import stands
from pktlab.wire.ipv4 import Ip
from pktlab.wire.ipv6 import Ipv6
from pktlab.wire.packet import FOLLOWS, build
from pktlab.wire.phrases import Given, Hexed
from pktlab.wire.tcp import Tcp
from pktlab.wire.udp import Udp
from pktlab.wire.values import IPV4

from .captures import Piece, captures, mutants, option, packet_block, pcap, pcapng, section
from .test_batches import corpus
from .test_engine import WINDOWS

ROOT = Path(__file__).resolve().parents[2]
PARTS = 96
ENDS = {"dst": "02:00:00:00:00:02", "src": "02:00:00:00:00:01"}
V4 = Ip(src="10.0.0.1", dst="192.168.100.255", proto=17)


@pytest.fixture(scope="module")
def printer() -> LinePrinter:
    return LinePrinter()


def exact(source: Any, protocols: dict[str, Any] | None = None) -> Iterator[bytes]:
    """Yield the line that the exact reader gives each packet."""
    capture = pktlab.open(source, protocols=protocols)
    for packet in capture:
        yield packet.line(capture.first_ns).encode() + b"\n"


def in_bulk(
    printer: LinePrinter, data: bytes, window_len: int = 1 << 16, protocols: dict[str, Any] | None = None
) -> list[bytes]:
    """Return the lines of a capture, however few it has, that are made in windows."""
    reader, capture = open_capture(io.BytesIO(data)), pktlab.open(io.BytesIO(data), protocols=protocols)
    found = b""
    for window, out, ends, asked in printer.windows(reader, window_len=window_len):

        def line(place: int, window: Any = window) -> bytes:
            packet = capture.packet_of(window.record(place))
            return packet.line(window.first_ns).encode() + b"\n"

        found += b"".join(spliced(out, ends, asked, line))
    return found.splitlines(keepends=True)


def left_to_the_exact_reader(printer: LinePrinter, *packets: bytes) -> list[bool]:
    data = pcap([Piece(one) for one in packets])
    [printed] = printer.windows(open_capture(io.BytesIO(data)))
    return [bool(one) for one in printed.asked]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("path", sorted((ROOT / "pcaps").glob("*.pcap*")), ids=lambda path: path.name)
def test_lines_of_the_projects_own_captures(path: Path, threads: int) -> None:
    made = Lines(pktlab.open(path), threads=threads, exact_first=0)
    assert b"".join(made) == b"".join(exact(path))
    assert [one.octets for one in Lines(pktlab.open(path), exact_first=0).each()] == list(exact(path))


@pytest.mark.skipif(not corpus(), reason="PKTLAB_CORPUS is not set")
@pytest.mark.parametrize("part", [pytest.param(n, marks=[pytest.mark.thorough] if n else []) for n in range(PARTS)])
def test_lines_of_the_corpus(part: int) -> None:
    found = []
    for path in corpus()[part::PARTS]:
        try:
            wanted = list(exact(path))
        except pktlab.PktlabError:
            continue
        if b"".join(Lines(pktlab.open(path), exact_first=0)) != b"".join(wanted):
            found.append(path.name)
    assert found == []


@settings(max_examples=40)
@given(captures(), st.sampled_from([1 << 16, *WINDOWS]))
def test_any_capture_however_it_is_cut(printer: LinePrinter, data: bytes, window_len: int) -> None:
    assert in_bulk(printer, data, window_len) == list(exact(io.BytesIO(data)))


@pytest.mark.thorough
@settings(max_examples=3000)
@given(captures(), st.sampled_from([1 << 16, *WINDOWS]))
def test_many_captures(printer: LinePrinter, data: bytes, window_len: int) -> None:
    assert in_bulk(printer, data, window_len) == list(exact(io.BytesIO(data)))


@pytest.mark.parametrize("seed", [pytest.param(n, marks=[pytest.mark.thorough] if n else []) for n in range(12)])
def test_changed_packets(printer: LinePrinter, seed: int) -> None:
    data = pcapng(mutants(seed, 800))
    assert in_bulk(printer, data) == list(exact(io.BytesIO(data)))


# ---- what kernels print, and what they leave alone


def ethernet(*layers: Header | bytes, kind: int = 0x0800) -> bytes:
    return build(Ethernet(**ENDS, type=kind), *layers)


PLAIN = {
    "udp": ethernet(V4, Udp(srcport=40000, dstport=40001), b"@data"),
    "empty udp on a known port": ethernet(V4, Udp(srcport=40000, dstport=53)),
    "tcp": ethernet(V4.replace(proto=6), Tcp(srcport=1, dstport=65535, flags=0x0FF, seq_raw=2**32 - 1, ack_raw=10)),
    "tcp without acknowledgment": ethernet(V4.replace(proto=6), Tcp(srcport=1, dstport=2, flags=0xE02)),
    "tcp with options": ethernet(
        V4.replace(proto=6),
        Tcp.parse(bytes.fromhex("00010002000000000000000080100000" + "00000000" + "0101080a0000000000000000"))
        .replace(checksum=Tcp.schema.declared["checksum"].default),
    ),
    "ipv6": ethernet(Ipv6(src="2001:db8::1", dst="::ffff:1.2.3.4", nxt=17), Udp(srcport=9, dstport=99), kind=0x86DD),
    "two tags": ethernet(
        Ieee8021ad(id=4095, etype=0x8100), Vlan(id=0, etype=0x0800), V4, Udp(srcport=100, dstport=1000), kind=0x88A8
    ),
    "no checksum": ethernet(V4, Udp(srcport=40000, dstport=40001, checksum=0), b"@data"),
    "ip alone": ethernet(V4.replace(proto=253), b"@data"),
    "6in4": ethernet(V4.replace(proto=41), Ipv6(src="::1", dst="::", nxt=17), Udp(srcport=1, dstport=2)),
    "high first byte": ethernet(V4, Udp(srcport=40000, dstport=40001), bytes.fromhex("80ee0001aabbccdd00112233")),
    "letters": ethernet(V4.replace(proto=6), Tcp(srcport=40000, dstport=40001, flags=0x18), b"GETTING\r\n"),
}  # fmt: skip
LEFT = {
    "dns": ethernet(V4, Udp(srcport=40000, dstport=53), b"\0\1\1\0\0\1\0\0\0\0\0\0\1a\0\0\1\0\1"),
    "http": ethernet(V4.replace(proto=6), Tcp(srcport=40000, dstport=40001, flags=0x18), b"GET / HTTP/1.1\r\n\r\n"),
    "bad sum": ethernet(V4, Udp(srcport=40000, dstport=40001, checksum=7), b"@data"),
    "fragment": ethernet(V4.replace(flags=1), b"data of a fragment.."),
    "link alone": ethernet(b"data", kind=0x88B5),
    "cut": PLAIN["udp"][:40],
    "broken options": PLAIN["tcp with options"].replace(b"\1\1\x08\x0a", b"\1\1\x08\x09"),
    "ip options": ethernet(
        Ip.parse(bytes.fromhex("46000018000000004011000001020304050607080101010 0".replace(" ", "")))
    ),
}


@pytest.mark.parametrize("name", PLAIN)
def test_plain_packets_are_printed_by_the_kernel(printer: LinePrinter, name: str) -> None:
    data = pcap([Piece(PLAIN[name]), Piece(PLAIN[name], time=100_000, fraction=999_999)])
    assert in_bulk(printer, data) == list(exact(io.BytesIO(data)))
    assert left_to_the_exact_reader(printer, PLAIN[name]) == [False]


@pytest.mark.parametrize("name", LEFT)
def test_other_packets_are_left_to_the_exact_reader(printer: LinePrinter, name: str) -> None:
    data = pcap([Piece(LEFT[name])])
    assert in_bulk(printer, data) == list(exact(io.BytesIO(data)))
    assert left_to_the_exact_reader(printer, LEFT[name]) == [True]


@given(st.lists(st.integers(0, 2**63 - 1) | st.integers(0, 10**7).map(lambda n: 500 * n), min_size=2, max_size=9))
def test_times_are_rounded_as_the_exact_reader_rounds_them(printer: LinePrinter, times: list[int]) -> None:
    """A clock of nanoseconds, forwards and backwards; ties, and times that floating point no longer tells apart."""
    nanoseconds = section("<", [(1, option("<", 9, b"\x09"))])
    blocks = [packet_block("<", 0, Piece(PLAIN["udp"], time=ns >> 32, fraction=ns & 0xFFFFFFFF)) for ns in times]
    data = nanoseconds + b"".join(blocks)
    assert in_bulk(printer, data) == list(exact(io.BytesIO(data)))


class Said(Header, layer="said", says=("SAID ", Hexed(this.code, 2), " of ", this.who, Given(this.more, " \x1b more"))):
    """A user's own protocol, that says in pieces what it holds."""

    code: int = field(Int8ub)
    who: str = field(Bytes(4), as_=IPV4)
    more: int = field(Int8ub)


@pytest.mark.parametrize("more", [0, 1])
def test_own_protocols_say_what_they_hold(more: int) -> None:
    packet = ethernet(V4, Udp(srcport=40000, dstport=9999), Said(code=10, who="10.0.0.9", more=more))
    protocols = {"udp.port=9999": Said, "udp.port=9998": Rtp}
    own = LinePrinter([bind(condition, protocol) for condition, protocol in protocols.items()])
    data = pcap([Piece(packet), Piece(PLAIN["udp"])])
    assert in_bulk(own, data, protocols=protocols) == list(exact(io.BytesIO(data), protocols))
    assert left_to_the_exact_reader(own, packet) == [False]


def test_a_glance_tells_nothing_away() -> None:
    """What looks like a protocol stands its glances: the exact reader and the kernel rest on the same ones."""
    rules = [rule for rule in FOLLOWS.values() if rule.first]
    kinds = {
        kind for rule in rules for several in (rule.table.values(), *(rule.first or {}).values()) for kind in several
    }
    assert any(kind.glances for kind in kinds)
    for packet in pktlab.open(io.BytesIO(pcap([Piece(one) for one in LEFT.values()]))):
        for layer in packet.layers:
            if layer.header is not None:
                assert stands(type(layer.header).glances, packet.data, layer.start, layer.end)


# ---- the first packets, parts of a capture, filters


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a capture with more packets than are read one by one."""
    path = tmp_path_factory.mktemp("lines") / "many.pcapng"
    dice = random.Random(7)
    path.write_bytes(pcapng([*mutants(3, 600), *(Piece(dice.choice(list(PLAIN.values()))) for _ in range(1200))]))
    return path


@pytest.mark.parametrize(
    "condition", ["udp", "udp.checksum.verdict == bad or tcp", "frame.number > 1500", "ip.id == 1"]
)
@pytest.mark.parametrize("exact_first", [0, 1000])
def test_lines_of_what_passes_a_filter(many: Path, condition: str, exact_first: int) -> None:
    selection = pktlab.open(many).where(condition)
    wanted = [packet.line(selection.first_ns).encode() + b"\n" for packet in selection]
    assert b"".join(Lines(pktlab.open(many).where(condition), exact_first=exact_first)) == b"".join(wanted)
    each = Lines(pktlab.open(many).where(condition), exact_first=exact_first).each()
    assert [one.octets for one in each] == wanted


@pytest.mark.parametrize("exact_first", [0, 1000])
@pytest.mark.parametrize("conditions", [["udp.stream >= 0"], ["udp", "frame.len > 50"]], ids=["stream", "twice"])
def test_lines_that_cannot_be_printed_in_bulk(many: Path, conditions: list[str], exact_first: int) -> None:
    def chosen() -> Any:
        found: Any = pktlab.open(many)
        for condition in conditions:
            found = found.where(condition)
        return found

    packets = chosen()
    wanted = [packet.line(packets.first_ns).encode() + b"\n" for packet in packets]
    assert len(wanted) > 10
    assert list(Lines(chosen(), exact_first=exact_first)) == wanted
    assert [one.octets for one in Lines(chosen(), exact_first=exact_first).each()] == wanted


def test_each_line_comes_with_its_packet(many: Path) -> None:
    wanted = [(packet.number, packet.time_ns, packet.record) for packet in pktlab.open(many)]
    found = Lines(pktlab.open(many)).each()
    assert [(one.number, one.time_ns, one.record) for one in found] == wanted


def test_no_more_is_read_than_is_wanted(many: Path) -> None:
    """A file that is cut in its last packet is whole for those who ask for the packets in front of it."""
    cut = io.BytesIO(many.read_bytes()[:-20])
    capture = pktlab.open(cut)
    found = list(islice(Lines(capture).each(), 1700))
    assert [one.octets for one in found] == list(islice(exact(many), 1700))
    assert capture.damage is None
