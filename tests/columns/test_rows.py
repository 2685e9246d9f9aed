"""Rows by the kernel against those of the exact reader, byte for byte: tables and JSON, of all packets and of some."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pktlab
from pktlab import rows
from pktlab.columns.printing import JsonLayout, Layout
from pktlab.columns.registry import registry
from pktlab.health import Health
from pktlab.jsontext import json_text
from pktlab.judging import judge_capture
from pktlab.rows import Rows

from .captures import Piece, captures, mutants, pcap, pcapng

CORPUS = os.environ.get("PKTLAB_CORPUS")
USUAL = (
    "frame.number", "frame.time_epoch", "frame.time_epoch_ns", "frame.interface_id", "frame.comment", "eth.src",
    "ip.src", "ipv6.dst", "ip.addr", "ip.flags.df", "ip.checksum", "tcp.flags", "tcp.flags.syn", "tcp.port",
    "udp.length", "udp.checksum.verdict", "udp.checksum.status", "udp.checksum.cause", "tcp.seq_raw", "dns.qry.name",
)  # fmt: skip
PLAIN = tuple(name for name in USUAL if name not in ("frame.comment", "udp.checksum.cause", "dns.qry.name"))
LAYOUTS = (
    Layout(), Layout(";", '"'), Layout(",", '"', doubled=True), Layout(occurrence="a"), JsonLayout(), JsonLayout(True),
)  # fmt: skip


@cache
def every_field() -> tuple[str, ...]:
    """Return the names that a row may have."""
    return tuple(one.name for one in registry() if one.source in ("row", "either", "checksum"))


def printed(
    data: bytes, names: tuple[str, ...], layout: Layout | JsonLayout, exact_first: int, condition: str | None = None
) -> bytes:
    """Return the rows of a capture, so many of them by the exact reader."""
    capture = pktlab.open(io.BytesIO(data))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "exact_first", lambda _: exact_first)
        return b"".join(Rows(capture.where(condition) if condition else capture, names, layout))


@pytest.mark.parametrize("layout", LAYOUTS, ids=range(len(LAYOUTS)))
@pytest.mark.parametrize(
    "condition", [None, "udp.checksum.verdict == good or ip.ttl > 70", "frame.number > 999", "tcp"]
)
def test_rows_are_the_same_in_bulk(layout: Layout | JsonLayout, condition: str | None) -> None:
    data = pcapng(mutants(2, 400))
    for names in (USUAL, PLAIN):
        exact = printed(data, names, layout, 1 << 40, condition)
        assert printed(data, names, layout, 0, condition) == exact
        assert bool(exact) == (condition != "frame.number > 999")


@settings(max_examples=60)
@given(captures(), st.sampled_from(LAYOUTS), st.lists(st.sampled_from(every_field()), min_size=1, max_size=12))
def test_rows_of_any_capture(data: bytes, layout: Layout | JsonLayout, names: list[str]) -> None:
    chosen = tuple(names)
    assert printed(data, chosen, layout, 0) == printed(data, chosen, layout, 1 << 40)


@pytest.mark.skipif(CORPUS is None, reason="PKTLAB_CORPUS is not set")
def test_rows_of_the_corpus() -> None:
    paths = sorted(path for path in Path(CORPUS or "").rglob("*.pcap*") if path.stat().st_size < 8_000)[::120]
    assert len(paths) > 5
    for path in paths:
        try:
            capture = pktlab.open(path)
        except pktlab.CaptureError:
            continue
        capture.close()
        for layout in LAYOUTS[-3:]:
            data = path.read_bytes()
            assert printed(data, USUAL, layout, 0) == printed(data, USUAL, layout, 1 << 40), path


@settings(max_examples=40)
@given(captures(), st.lists(st.sampled_from(every_field()), min_size=1, max_size=12))
def test_objects_are_those_of_the_packets(data: bytes, names: list[str]) -> None:
    lines = printed(data, tuple(names), JsonLayout(), 0).decode().splitlines()
    assert lines == [json_text(packet.flat(names)) for packet in pktlab.open(io.BytesIO(data))]
    items = printed(data, tuple(names), JsonLayout(is_item=True), 0).decode()
    array = [packet.flat(names) for packet in pktlab.open(io.BytesIO(data))]
    assert (f"[{items[1:]}\n]" if items else "[]") == json_text(array, indent=2)


# ---- what comes while it is waited for


def rows_of(capture: pktlab.Capture) -> Iterator[int]:
    """Yield the number of each row's packet."""
    for some in Rows(capture, ("frame.number", "ip.src"), Layout()):
        yield int(some.split(b"\t")[0])


def objects_that_pass(capture: pktlab.Capture) -> Iterator[int]:
    """Yield the number of each object's packet."""
    for some in Rows(capture.where("eth.type == 0x800", bpf="ip"), ("frame.number", "ip.src"), JsonLayout()):
        yield json.loads(some)["frame.number"]


def packets_that_pass(capture: pktlab.Capture) -> Iterator[int]:
    """Yield the numbers of packets that a filter lets pass."""
    chosen = capture.where("eth.type == 0x800", bpf="ip")
    chosen.exact_first = 2
    return (packet.number for packet in chosen)


def tables(capture: pktlab.Capture) -> Iterator[int]:
    """Yield the number of each table's only packet."""
    return (one["frame.number"].to_list()[-1] for one in capture.where(bpf="ip").batches("frame.number"))


def verdicts(capture: pktlab.Capture) -> Iterator[int]:
    """Yield the packet of the last finding at each step of `checksum verify`."""
    health = Health(1000)
    for _ in judge_capture(capture, health, exact_first=2):
        yield health.findings[-1]["frame.number"]


@pytest.mark.parametrize("asked", [rows_of, objects_that_pass, packets_that_pass, tables, verdicts])
def test_a_live_pipe_is_answered_packet_by_packet(
    asked: Callable[[pktlab.Capture], Iterator[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "exact_first", lambda _: 2)
    is_bad = bytes.fromhex("ffffffffffff02000000000108004500001c0001000040110000c0000201c00002020035003500080000")
    whole = pcap([Piece(is_bad)] * 7)
    size = 16 + len(is_bad)
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", buffering=0) as source, os.fdopen(writing, "wb", buffering=0) as sink:
        sink.write(whole[: 24 + size])
        answers = asked(pktlab.open(source))
        for number in range(1, 8):
            assert next(answers) == number
            sink.write(whole[24 + number * size : 24 + (number + 1) * size])
        sink.close()
        assert list(answers) == []
