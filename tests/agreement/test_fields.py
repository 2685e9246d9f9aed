"""`dissect -T fields` beside `tshark -T fields`: the same bytes, for every field that both have.

Held are all frames with one network header, no fragment and nothing that either of the two could not read to its end;
what lies in tunnels and in quoted packets is compared in `test_corpus_fields`, occurrence by occurrence.
"""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path

import pytest

import pktlab
from pktlab.columns.printing import Layout
from pktlab.rows import Rows

from .capfiles import write_pcapng
from .reasons import Disagreement, empty_length, reason_for, source_routed
from .samples import corpus_packets, needs_corpus
from .test_corpus_fields import no_length, second_vxlan
from .tshark import needs_tshark

PARTS = 40
NAMES = [
    "frame.number", "frame.len", "frame.cap_len", "frame.time_epoch", "eth.src", "eth.dst", "eth.type", "vlan.id",
    "arp.opcode", "ip.hdr_len", "ip.dsfield.dscp", "ip.len", "ip.id", "ip.flags", "ip.flags.df", "ip.frag_offset",
    "ip.ttl", "ip.proto", "ip.checksum", "ip.checksum.status", "ip.src", "ip.dst", "ipv6.plen", "ipv6.nxt",
    "ipv6.hlim", "ipv6.flow", "ipv6.src", "ipv6.dst", "icmp.type", "icmp.code", "icmpv6.type", "udp.srcport",
    "udp.dstport", "udp.length", "udp.checksum", "udp.checksum.status", "tcp.srcport", "tcp.dstport", "tcp.seq_raw",
    "tcp.ack_raw", "tcp.hdr_len", "tcp.flags", "tcp.flags.syn", "tcp.window_size_value", "tcp.checksum",
    "tcp.checksum.status", "tcp.urgent_pointer", "tcp.len",
]  # fmt: skip
SETTINGS = [
    "ip.check_checksum:TRUE", "udp.check_checksum:TRUE", "tcp.check_checksum:TRUE", "ip.defragment:FALSE",
    "ipv6.defragment:FALSE", "tcp.desegment_tcp_streams:FALSE",
]  # fmt: skip
PLAIN = {
    "eth", "ethertype", "vlan", "ieee8021ad", "sll", "null", "raw", "arp", "ip", "ipv6", "ipv6.hopopts",
    "ipv6.dstopts", "icmp", "icmpv6", "udp", "tcp", "igmp",
}  # fmt: skip
REASONS = (empty_length, source_routed, no_length, second_vxlan)
QUOTING = {"icmp": {"3", "4", "5", "11", "12"}, "icmpv6": {"1", "2", "3", "4", "137"}}


def tshark(path: Path) -> list[list[str]]:
    """Return tshark's rows, with the protocols and the sign of a malformed packet behind the fields."""
    command = ["tshark", "-n", "-r", str(path), "-T", "fields", "-E", "occurrence=f"]
    for setting in SETTINGS:
        command += ["-o", setting]
    for name in (*NAMES, "frame.protocols", "_ws.malformed"):
        command += ["-e", name]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    return [line.split("\t") for line in done.stdout.split("\n")[:-1]]


def is_plain(packet: pktlab.Packet, row: list[str]) -> bool:
    """Tell whether both read the frame to its end, one network header in it."""
    protocols, malformed = row[-2].split(":"), row[-1]
    end = next((n for n, one in enumerate(protocols) if one in ("udp", "tcp", "icmp", "icmpv6", "igmp", "arp")), 0)
    inside = protocols[end + 1 :]
    told = dict(zip(NAMES, row, strict=False))
    return (
        not malformed
        and packet.stop is None
        and not packet.is_cut
        and not any(layer.overrun for layer in packet.layers)
        and set(protocols[: end + 1]) <= PLAIN
        and not {"ip", "ipv6", "eth", "udp", "tcp"} & set(inside)
        and not packet.is_fragment
        and not any(told[f"{name}.type"] in types for name, types in QUOTING.items())
    )


def compare(path: Path, counts: Counter[str]) -> list[str]:
    """Return the plain frames on which the two differ, but for known reasons."""
    try:
        capture = pktlab.open(path)
        rows = b"".join(Rows(capture, NAMES, Layout())).decode().split("\n")[:-1]
        packets = list(pktlab.open(path))
    except pktlab.CaptureError:
        return []
    said = tshark(path)
    if len(said) != len(rows):
        counts["file"] += 1  # a file that the two end at different places; see test_corpus
        return []
    found = []
    for packet, ours, theirs in zip(packets, rows, said, strict=True):
        if not is_plain(packet, theirs):
            counts["other"] += 1
            continue
        counts["plain"] += 1
        values = zip(NAMES, ours.split("\t"), theirs[:-2], strict=True)
        differ = [Disagreement(packet, theirs[-2], name, other, mine) for name, mine, other in values if mine != other]
        odd = [(one.name, one.ours, one.theirs) for one in differ if not reason_for(one, REASONS)]
        found += [f"{path.name} frame {packet.number}: {odd}"] if odd else []
    return found


@needs_tshark
@needs_corpus
def test_rows_are_tshark_s_byte_for_byte(tmp_path: Path) -> None:
    path, counts = tmp_path / "starts.pcapng", Counter[str]()
    write_pcapng(path, corpus_packets(common=3, rare=9))
    assert compare(path, counts) == []
    assert counts["plain"] > counts["other"]
    assert not counts["file"]


@needs_tshark
@pytest.mark.thorough
@pytest.mark.parametrize("part", range(PARTS))
def test_of_whole_files_too(corpus: Path, part: int) -> None:
    counts: Counter[str] = Counter()
    files = sorted(path for path in corpus.rglob("*") if path.is_file() and path.suffix != ".parquet")
    differs = [one for path in files[part::PARTS] for one in compare(path, counts)]
    assert differs == []
    assert counts["plain"] > counts["other"]
