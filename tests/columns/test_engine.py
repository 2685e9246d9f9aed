"""The engine equals the exact reader: any packet, any capture, any cut, a user's own protocols."""

from __future__ import annotations

import io
import os
import random
from pathlib import Path

import pytest
from construct import Int8ub, Int16ub, Int24ub, Int32ul, this
from hypothesis import given, settings
from hypothesis import strategies as st

from pktlab.capture import open_capture
from pktlab.columns.batches import Columns
from pktlab.columns.registry import registry
from pktlab.testing import from_schema
from pktlab.wire import Header, bits, field
from pktlab.wire.bindings import bind
from pktlab.wire.ethernet import Ethernet
from pktlab.wire.ipv4 import Ip
from pktlab.wire.packet import build
from pktlab.wire.tcp import Tcp
from pktlab.wire.udp import Udp

from .captures import Piece, captures, first_light, mutants, option, pcap, pcapng
from .compare import column_differences, verdict_differences
from .test_batches import NAMES

WINDOWS = (64, 100, 150, 257, 400)


def differences(data: bytes, *, window_len: int = 1 << 16, threads: int = 1) -> list[str]:
    return [
        *verdict_differences(data, window_len=window_len, threads=threads),
        *column_differences(data, NAMES, window_len=window_len, threads=threads),
    ]


@settings(max_examples=150)
@given(captures())
def test_any_capture(data: bytes) -> None:
    assert differences(data) == []


@pytest.mark.thorough
@settings(max_examples=3000)
@given(captures(), st.sampled_from(WINDOWS))
def test_many_captures_however_they_are_cut(data: bytes, window_len: int) -> None:
    assert differences(data, window_len=window_len) == []


@settings(max_examples=50)
@given(captures(), st.sampled_from(WINDOWS))
def test_a_capture_however_it_is_cut_into_windows(data: bytes, window_len: int) -> None:
    assert differences(data, window_len=window_len) == []


@pytest.mark.parametrize("seed", [pytest.param(n, marks=[pytest.mark.thorough] if n else []) for n in range(12)])
def test_changed_packets(seed: int) -> None:
    assert differences(pcapng(mutants(seed, 800))) == []


@pytest.mark.parametrize("window_len", [64, 200, 400, 3000])
@pytest.mark.parametrize("order", "<>")
def test_every_cut_of_a_capture(window_len: int, order: str) -> None:
    found = mutants(1, 150)
    ethernet = [one for one in found if one.link_type == 1]
    for data in (pcapng(found, order=order), pcap(ethernet, order=order, nanoseconds=True)):
        for length in range(window_len, window_len + 3):
            assert verdict_differences(data, window_len=length) == []
    assert column_differences(data, NAMES, window_len=window_len, threads=2) == []


@settings(max_examples=100)
@given(captures(), st.data())
def test_damaged_and_truncated_files(data: bytes, more: st.DataObject) -> None:
    changed = bytearray(data)
    for _ in range(more.draw(st.integers(0, 2))):
        at = more.draw(st.integers(28, len(data)))
        changed[at : at + 4] = more.draw(st.sampled_from([b"\xff\xff\xff\xff", bytes(4), b"\x7f", b"\x01"]))
    keep = more.draw(st.integers(28, len(data)) | st.just(len(data)))
    window_len = more.draw(st.sampled_from([*WINDOWS, 1 << 16]))
    assert verdict_differences(bytes(changed[:keep]), window_len=window_len) == []


# ---- where the bytes come from


@pytest.mark.parametrize("kind", ["file", "buffered", "memory"])
def test_no_byte_is_lost_wherever_they_come_from(tmp_path: Path, kind: str) -> None:
    """Windows that are no multiple of what a source gives at a time."""
    path = tmp_path / "many.pcap"
    path.write_bytes(pcap(Piece(bytes(1000), fraction=n) for n in range(400)))
    with path.open("rb") as buffered:
        source = {"file": path, "buffered": buffered, "memory": io.BytesIO(path.read_bytes())}[kind]
        reader = open_capture(source)
        batches = Columns(["frame.time_epoch"]).read(reader, lambda _: None, window_len=100_000)
        times = [time for batch, _ in batches for time in batch.values["frame.time_epoch"]]
    assert times == [10**9 + 1000 * n for n in range(400)]


@pytest.mark.parametrize("as_pcapng", [False, True])
@pytest.mark.parametrize("together", [1, 3])
def test_a_live_pipe_is_answered_packet_by_packet(as_pcapng: bool, together: int) -> None:
    """What came in one write is answered before the next one; the head comes with the first packets."""
    found = [one for one in first_light() if one.link_type == 1][:7]
    stream = pcapng(found) if as_pcapng else pcap(found)
    sizes = [(32 + -(-len(one.data) // 4) * 4) if as_pcapng else 16 + len(one.data) for one in found]
    head = len(stream) - sum(sizes)
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", buffering=0) as source, os.fdopen(writing, "wb", buffering=0) as sink:
        at = head + sum(sizes[:together])
        sink.write(stream[:at])
        batches = Columns(["frame.number", "ip.src"]).read(open_capture(source), lambda _: None)
        numbers: list[int] = []
        for place in range(together, len(found) + 1, together):
            while len(numbers) < place:
                numbers += next(batches)[0].values["frame.number"].tolist()
            assert numbers == list(range(1, place + 1))
            sink.write(stream[at : at + sum(sizes[place : place + together])])
            at += sum(sizes[place : place + together])
        sink.close()
        for batch, _ in batches:
            numbers += batch.values["frame.number"].tolist()
    assert numbers == list(range(1, len(found) + 1))


@pytest.mark.parametrize("threads", [1, 2])
def test_sections_in_either_byte_order_keep_their_comments(threads: int, tmp_path: Path) -> None:
    """A window is asked for its options when the reader may be in the next section already."""
    path = tmp_path / "sections.pcapng"
    piece = [Piece(bytes(60), options=option(order, 1, b"hello")) for order in "<>"]
    path.write_bytes(b"".join(pcapng([piece[n % 2]] * 5 + [Piece(bytes(60))], order="<>"[n % 2]) for n in range(6)))
    batches = Columns(["frame.comment"]).read(open_capture(path), lambda _: None, threads=threads)
    assert [one for batch, _ in batches for one in batch.values["frame.comment"]] == ([b"hello"] * 5 + [None]) * 6


def test_only_packets_with_options_are_asked_for_comments() -> None:
    data = pcapng([Piece(bytes(60))] * 9 + [Piece(bytes(60), options=option("<", 1, b"hello"))])
    batches = Columns(["frame.comment"]).read(open_capture(io.BytesIO(data)), lambda _: None)
    assert [int(one) for batch, _ in batches for one in batch.exact] == [0] * 9 + [1]


def test_a_time_that_64_bits_do_not_hold_is_none() -> None:
    data = pcapng([Piece(b"", time=(1 << 31) + 5, link_type=1), Piece(b"", link_type=1)])
    batches = Columns(["frame.time_epoch", "frame.number"]).read(open_capture(io.BytesIO(data)), lambda _: None)
    assert [bool(has) for batch, _ in batches for has in batch.has["frame.time_epoch"]] == [False, True]


# ---- a user's own protocols


class Meter(Header, layer="meter", payload_len=this.size):
    """A protocol with what kernels can take: packed bits, a scale, little-endian words."""

    _head = field(Int8ub)
    version: int = bits(_head, 0xF0, default=2)
    unit: int = bits(_head, 0x0F, scale=4, default=8)
    size: int = field(Int8ub)
    serial: int = field(Int24ub)
    reading: int = field(Int32ul)


class Turned(Header, layer="meter", payload_len=this.size):
    """The same with other masks, offsets, scales."""

    size: int = field(Int8ub)
    reading: int = field(Int32ul)
    _head = field(Int16ub)
    unit: int = bits(_head, 0x7F00, scale=2, default=8)
    version: int = bits(_head, 0x00FC, default=2)
    serial: int = field(Int16ub)


LOWER = (
    Ethernet(dst="02:00:00:00:00:02", src="02:00:00:00:00:01", type=0x0800),
    Ip(proto=17, src="10.0.0.1", dst="10.0.0.2"),
)
METER = ["meter.version", "meter.unit", "meter.size", "meter.serial", "meter.reading", "udp.srcport", "ip.src"]


@pytest.mark.parametrize("protocol", [Meter, Turned])
@settings(max_examples=20)
@given(data=st.data())
def test_own_protocols_are_columns(protocol: type[Header], data: st.DataObject) -> None:
    dice = random.Random(3)
    found = []
    for own in data.draw(st.lists(from_schema(protocol), min_size=1, max_size=5)):
        udp = Udp(srcport=dice.choice([9999, 53, 4711]), dstport=dice.choice([9999, 4712]))
        packet = build(*LOWER, udp, own, bytes(3))
        found.append(Piece(packet[: len(packet) - dice.choice([0, 0, 1, 5, 9])]))
    stream = pcap(found)
    for condition in ("udp.port=9999", "udp.dstport=4712", "ip.proto=17", "ip.dst=10.0.0.2"):
        protocols = {condition: protocol}
        assert verdict_differences(stream, protocols=protocols) == []
        assert column_differences(stream, METER, protocols=protocols) == []


def test_own_columns_are_not_left_to_the_exact_reader() -> None:
    packet = build(
        *LOWER, Udp(srcport=9999, dstport=9999),
        Meter(unit=12, size=0, serial=77, reading=123456),
    )  # fmt: skip
    columns = Columns(METER, (bind("udp.port=9999", Meter),))
    [(batch, _)] = columns.read(open_capture(io.BytesIO(pcap([Piece(packet)]))), lambda _: None)
    assert not batch.exact.any()
    assert [int(batch.values[name][0]) for name in METER[:5]] == [2, 12, 0, 77, 123456]


@pytest.mark.parametrize("address_len", [0, 3, 4, 6, 8, 9])
def test_an_address_whose_length_says_what_it_is(address_len: int) -> None:
    version_1 = bytes([0, 0, 0, 1, 0, address_len, *range(1, 9), 0x08, 0x00])
    version_2 = bytes([0x08, 0x00, 0, 0, 0, 0, 0, 1, 0, 1, 0, address_len, *range(1, 9)])
    inner = build(Ip(src="10.0.0.1", dst="10.0.0.2", proto=99), bytes(9))
    data = pcapng([Piece(version_1 + inner, link_type=113), Piece(version_2 + inner, link_type=276)])
    names = ["sll.src.eth", "sll.src.ipv4", "sll.src.other", "sll.unused", "sll.etype", "ip.src"]
    assert column_differences(data, names) == []


def test_more_fields_than_a_kernel_can_tell_apart() -> None:
    ends = Ethernet(dst="02:00:00:00:00:02", src="02:00:00:00:00:01", type=0x0800)
    segment = build(
        ends, Ip(src="10.0.0.1", dst="10.0.0.2", proto=6), Tcp(srcport=1, dstport=2), b"GET / HTTP/1.1\r\n\r\n"
    )
    fields = [one.name for one in registry() if one.source == "row" and not one.name.startswith("http")]
    assert len(fields) > 200
    assert column_differences(pcapng([Piece(segment)]), [*fields[::3], "http.request.method"]) == []
