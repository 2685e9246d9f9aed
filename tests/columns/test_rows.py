"""Rows by the kernel against those of the exact reader, byte for byte: tables and JSON, of all packets and of some."""

from __future__ import annotations

import io
import os
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pktlab
from pktlab import rows
from pktlab.columns.printing import JsonLayout, Layout
from pktlab.columns.registry import registry
from pktlab.jsontext import json_text
from pktlab.rows import Rows

from .captures import captures, mutants, pcapng

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
        patch.setattr(rows, "EXACT_FIRST", exact_first)
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
    assert f"[{items[1:]}\n]" == json_text(array, indent=2)
