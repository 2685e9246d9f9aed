"""Columns against the exact reader: no value, verdict or record may differ, whoever gave it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pktlab
from pktlab.capture import open_capture
from pktlab.columns.batches import VERDICTS, Batch, Columns
from pktlab.columns.filters.occurrences import Moments, Occurrences
from pktlab.columns.registry import registry
from pktlab.wire import build
from pktlab.wire.ipv4 import Ip
from pktlab.wire.tcp import Tcp

from ..agreement.capfiles import Packet as Bytes
from ..agreement.capfiles import write_pcapng
from ..agreement.samples import corpus_packets, needs_corpus

ROOT = Path(__file__).resolve().parents[2]
CORPUS = os.environ.get("PKTLAB_CORPUS")
PARTS = 64
NAMES = [
    "frame.number", "frame.len", "frame.cap_len", "frame.time_epoch", "frame.time_relative", "frame.time_delta",
    "frame.interface_id", "frame.comment", "eth.src", "eth.dst", "eth.type", "eth.len", "vlan.id", "vlan.etype",
    "sll.etype", "sll.src.eth", "sll.unused", "null.family", "arp.opcode", "ip.hdr_len", "ip.dsfield.dscp", "ip.len",
    "ip.id", "ip.flags", "ip.flags.df", "ip.frag_offset", "ip.ttl", "ip.proto", "ip.checksum", "ip.src", "ip.dst",
    "ip.checksum.status", "ip.checksum.verdict", "ipv6.tclass", "ipv6.flow", "ipv6.plen", "ipv6.nxt", "ipv6.hlim",
    "ipv6.src", "ipv6.dst", "icmp.type", "icmp.code", "icmp.checksum.status", "icmpv6.type",
    "icmpv6.checksum.verdict", "igmp.checksum.status", "udp.srcport", "udp.dstport", "udp.port", "udp.length",
    "udp.checksum", "udp.checksum.status", "udp.checksum.verdict", "udp.checksum.cause", "tcp.srcport", "tcp.dstport",
    "tcp.seq_raw", "tcp.ack_raw", "tcp.hdr_len", "tcp.flags", "tcp.flags.syn", "tcp.window_size_value", "tcp.len",
    "tcp.checksum.status", "tcp.checksum.verdict", "tcp.options.mss_val", "sctp.srcport", "gre.proto",
    "ip.addr", "ipv6.fraghdr.ident",
]  # fmt: skip


def corpus() -> list[Path]:
    """Return the captures of the corpus, in a fixed order."""
    if CORPUS is None:
        return []
    return sorted(path for path in Path(CORPUS).rglob("*") if path.is_file())


def by_packet(batch: Batch) -> Iterator[dict[str, Any]]:
    """Yield the values of each packet, in the form in which the exact reader has them."""
    for place in range(batch.count):
        yield {
            column.name: plain(column.store, column.type.kind, batch.values[column.name][place])
            for column in batch.columns
            if batch.has[column.name][place]
        }


def plain(store: str, kind: str, value: Any) -> Any:
    """Return a column's value as the exact reader has it."""
    if store == "verdict":
        return str(VERDICTS[value]).encode()
    if store == "wide":
        return value.tobytes()
    if kind in ("ipv4", "mac"):
        return int(value).to_bytes(4 if kind == "ipv4" else 6, "big")
    return int(value) if store == "number" else value


def exact_values(path: Path, names: list[str]) -> Iterator[dict[str, Any]]:
    """Yield what the exact reader says of each packet."""
    known = registry()
    first = previous = None
    for packet in pktlab.open(path):
        now = packet.time_ns
        first = now if first is None else first
        moments = Moments(first, now if previous is None else previous)
        previous = now
        asked = Occurrences(packet, known, moments)
        yield {name: found[0] for name in names if (found := asked.values(name))}


def differences(path: Path, names: list[str], threads: int = 1) -> list[str]:
    """Return where columns and exact reader differ."""
    try:
        reader = open_capture(path)
    except pktlab.PktlabError:
        return []
    batches = Columns(names).read(reader, lambda _: None, threads=threads)
    columns = (values for batch, _ in batches for values in by_packet(batch))
    found = []
    for number, wanted in enumerate(exact_values(path, names), 1):
        got = next(columns, None)
        if got != wanted:
            named = {key for key in names if (got or {}).get(key) != wanted.get(key)}
            found.append(
                f"{path.name} frame {number}: {[(k, (got or {}).get(k), wanted.get(k)) for k in sorted(named)]}"
            )
    if next(columns, None) is not None:
        found.append(f"{path.name}: more packets in columns")
    return found


@pytest.mark.parametrize("threads", [1, 2])
def test_columns_of_first_light_are_what_the_exact_reader_says(threads: int) -> None:
    assert differences(ROOT / "pcaps" / "first-light.pcapng", NAMES, threads) == []


def test_several_bits_of_a_truth_are_one(tmp_path: Path) -> None:
    path, ends = tmp_path / "reserved.pcapng", Ip(src="192.0.2.1", dst="192.0.2.2", proto=6)
    segments = [build(ends, Tcp(srcport=1, dstport=2, flags=bits << 9)) for bits in range(8)]
    write_pcapng(path, [Bytes(101, data, len(data)) for data in segments])
    assert differences(path, ["tcp.flags", "tcp.flags.res"]) == []
    batches = Columns(["tcp.flags.res"]).read(open_capture(path), lambda _: None)
    assert [value for batch, _ in batches for value in batch.values["tcp.flags.res"]] == [0, *[1] * 7]


@needs_corpus
def test_columns_of_the_start_of_every_capture(tmp_path: Path) -> None:
    path = tmp_path / "starts.pcapng"
    write_pcapng(path, corpus_packets(common=1, rare=4))
    assert differences(path, NAMES) == []


@needs_corpus
@pytest.mark.parametrize("part", [pytest.param(n, marks=[pytest.mark.thorough] if n else []) for n in range(PARTS)])
def test_columns_of_the_corpus_are_what_the_exact_reader_says(part: int) -> None:
    assert [one for path in corpus()[part::PARTS] for one in differences(path, NAMES)] == []
