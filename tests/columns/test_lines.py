"""Lines in bulk against the exact reader's: the same octets, for every packet, whoever makes them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pktlab
from pktlab.capture import open_capture
from pktlab.columns.lines import LinePrinter
from pktlab.columns.rows import spliced
from pktlab.lines import Lines
from pktlab.wire.ipv4 import Ip

from .captures import Piece, captures, mutants, pcap, pcapng
from .test_batches import PARTS, corpus
from .test_engine import WINDOWS

ROOT = Path(__file__).resolve().parents[2]
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


def in_bulk(printer: LinePrinter, data: bytes, window_len: int = 1 << 16, threads: int = 1) -> list[bytes]:
    """Return the lines of a capture, however few it has, that are made in windows."""
    reader, capture = open_capture(io.BytesIO(data)), pktlab.open(io.BytesIO(data))
    found = b""
    for window, out, ends, asked in printer.windows(reader, threads=threads, window_len=window_len):

        def line(place: int, window: Any = window) -> bytes:
            packet = capture.packet_of(window.record(place))
            return packet.line(window.first_ns).encode() + b"\n"

        found += b"".join(spliced(out, ends, asked, line))
    return found.splitlines(keepends=True)


def left_to_the_exact_reader(printer: LinePrinter, *packets: bytes, link_type: int = 1) -> list[bool]:
    data = pcap([Piece(one) for one in packets], link_type=link_type)
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


@settings(max_examples=100)
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
