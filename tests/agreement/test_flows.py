"""Conversations beside tshark's: the number of each, relative sequence numbers, packets and bytes both ways."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path

import pytest

import pktlab
from pktlab.wire import build
from pktlab.wire.icmp import Icmp, Unused
from pktlab.wire.ipv4 import Ip
from pktlab.wire.tcp import Tcp
from pktlab.wire.udp import Udp

from .capfiles import Packet, write_pcapng
from .tshark import needs_tshark, streams

pytestmark = needs_tshark

NAMES = ["tcp.stream", "udp.stream", "tcp.seq", "tcp.ack"]
PARTS = 240
A, B = "192.0.2.1", "192.0.2.2"
BITS = {"S": 2, "A": 0x10, "F": 1, "R": 4}
SI = {"bytes": 1, "kB": 1000, "MB": 1000**2, "GB": 1000**3}

Row = tuple[tuple[str, str], tuple[int, ...]]


def segment(told: str) -> bytes:
    """Return the segment that ``> SA 500 101`` tells of: sent by A, SYN and ACK, both numbers."""
    way, flags, seq, ack = told.split()
    ends = {"src": A, "dst": B} if way == ">" else {"src": B, "dst": A}
    ports = {"srcport": 1000, "dstport": 80} if way == ">" else {"srcport": 80, "dstport": 1000}
    tcp = Tcp(seq_raw=int(seq), ack_raw=int(ack), flags=sum(BITS[one] for one in flags), **ports)
    return build(Ip(proto=6, **ends), tcp, b"")


def quote(data: bytes, size: int) -> bytes:
    """Return an ICMP error that quotes some bytes of a packet."""
    return build(Ip(proto=1, src="192.0.2.9", dst=A), Icmp(type=3, code=3, body=Unused()), data[:size])


def datagram(port: int = 1000, **more: int) -> bytes:
    """Return a UDP datagram."""
    return build(Ip(proto=17, src=A, dst=B), Udp(srcport=port, dstport=53, **more), b"text")


SYN = segment("> S 100 0")
TRACES: dict[str, list[bytes]] = {
    "plain": [SYN, *map(segment, ["< SA 500 101", "> A 101 501", "< A 501 103", "> FA 103 501", "< R 501 0"])],
    "two SYNs": [SYN, *map(segment, ["> S 100 0", "> S 200 0", "< SA 500 201", "> A 201 501"])],
    "the same SYN after FIN and RST": [SYN, *map(segment, ["> FA 101 1", "> S 100 0", "< R 1 0", "> S 100 0"])],
    "SYN in the middle": [*map(segment, ["> A 1000 2000", "< A 2000 1001", "> S 5000 0", "< SA 9000 5001"])],
    "SYN of a side of which ACK told": [*map(segment, ["> A 1000 2000", "< S 7000 0", "> SA 9000 7001"])],
    "SYN behind SYN and ACK": [*map(segment, ["< SA 500 101", "> S 100 0", "> A 101 501"])],
    "two SYN and ACK": [SYN, *map(segment, ["< SA 500 101", "< SA 900 101", "> A 101 901"])],
    "late SYN and ACK": [SYN, *map(segment, ["< SA 500 101", "> S 200 0", "< SA 500 101", "> A 201 901"])],
    "SYN and FIN": [*map(segment, ["> SF 100 0", "> S 100 0", "> S 101 0"])],
    "no ACK": [*map(segment, ["> R 100 50", "< S 200 0", "> R 100 50"])],
    "round": [*map(segment, ["> A 0 0", "< A 4294967295 0", "> S 4294967295 0"])],
    "quotes": [quote(SYN, size) for size in (28, 35, 36, 39, 40)] + [SYN, quote(segment("> S 9 0"), 40), SYN],
    "quoted SYN and ACK": [segment("> SA 100 7"), quote(segment("> SA 60 7"), 40), segment("> A 101 5")],
    "datagrams": [datagram(), quote(datagram(7), 28), quote(datagram(8), 27), datagram(8), datagram(7)],
    "lengths": [datagram(1, length=4), datagram(1), datagram(2, length=99), datagram(3, length=0), datagram(3)],
    "short headers": [SYN[:32] + b"\x40" + SYN[33:], SYN[:32] + b"\x90" + SYN[33:], segment("> A 101 501")],
    "fragments": [SYN[:6] + b"\x20\x00" + SYN[8:], segment("> A 90 5"), SYN[:6] + b"\x20\x00" + SYN[8:]],
    "cut": [*(SYN[:size] for size in (34, 35, 36, 38, 39)), segment("> A 101 7")],
}


@pytest.mark.parametrize("trace", TRACES)
def test_a_trace(trace: str, tmp_path: Path) -> None:
    path = tmp_path / "packets.pcapng"
    write_pcapng(path, [Packet(101, data, len(data)) for data in TRACES[trace]])
    assert differences(path, tmp_path) == []


@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.thorough) for part in range(1, PARTS))])
@pytest.mark.timeout(900)
def test_corpus(part: int, corpus: Path, tmp_path: Path) -> None:
    with (corpus / "INDEX.tsv").open(newline="", encoding="utf-8") as file:
        paths = [row["path"] for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]
    assert [one for path in paths[part::PARTS] for one in differences(corpus / path, tmp_path)] == []


def differences(path: Path, folder: Path) -> list[str]:
    """Return where pktlab and tshark differ about the conversations of a capture.

    It is looked at up to the first packet in which the two do not read the same transport headers (one that is
    malformed further out, BIG TCP, a quote in a redirect's option): other tests are about what they read.
    """
    try:
        capture = pktlab.open(path)
    except pktlab.PktlabError:
        return []
    packets = list(capture)
    rows, lines = streams(path, ["frame.protocols", *NAMES], folder)
    found = []
    for packet, (protocols, *row) in zip(packets, rows, strict=False):
        if headers(protocols.split(":")) != headers([layer.protocol for layer in packet.layers]):
            return found
        for name, theirs in zip(NAMES, row, strict=True):
            ours = ",".join(map(str, packet.values(name)))
            if ours != theirs:
                found.append(f"{path.name} frame {packet.number}: {name} is {ours}, {theirs} to tshark")
    if len(rows) == len(packets):
        ours, theirs = Counter(our_conversations(path)), Counter(map(conversation, lines))
        found += [f"{path.name}: {ours - theirs}, {theirs - ours} to tshark"] if ours != theirs else []
    return found


def headers(protocols: list[str]) -> list[str]:
    """Return the transport headers among the protocols of a packet."""
    return [one for one in protocols if one in ("tcp", "udp", "udplite")]


def our_conversations(path: Path) -> list[Row]:
    """Return the ends of each conversation, and packets and bytes from the first to the second and back."""
    found = []
    for one in pktlab.open(path).flows().to_rows():
        ends = f"{one['src']}:{one['srcport']}", f"{one['dst']}:{one['dstport']}"
        figures = one["packets_out"], one["packets_back"], one["bytes_out"], one["bytes_back"]
        found.append(turned(ends, figures))
    return found


def turned(ends: tuple[str, str], figures: tuple[int, ...]) -> Row:
    """Return a conversation told from its smaller end."""
    out, back, bytes_out, bytes_back = figures
    if ends[0] <= ends[1]:
        return ends, (out, back, plain(bytes_out), plain(bytes_back))
    return ends[::-1], (back, out, plain(bytes_back), plain(bytes_out))


def plain(size: int) -> int:
    """Return a size as precisely as tshark tells it: from 10,000 bytes on in kB, and so on."""
    for unit in (1000**3, 1000**2, 1000):
        if size >= 10 * unit:
            return size // unit * unit
    return size


def conversation(words: list[str]) -> Row:
    """Return what a line of tshark says: packets and bytes to the first end stand before those to the second."""
    first, _, second = words[:3]
    back, back_size, back_unit, out, out_size, out_unit = words[3:9]
    sizes = [int(re.sub(r"\D", "", size)) * SI[unit] for size, unit in ((out_size, out_unit), (back_size, back_unit))]
    return turned((first, second), (int(out), int(back), *sizes))
