"""Capture filters over real packets: the same packets as tcpdump lets pass, of every link type."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

import pktlab
from pktlab.capture import canonical_link_type, open_capture
from pktlab.columns.where import Where

from .capfiles import Packet
from .samples import corpus_packets, needs_corpus

needs_tcpdump = pytest.mark.skipif(shutil.which("tcpdump") is None, reason="tcpdump is not installed")
FILTERS = (
    "ip", "ip6", "arp", "tcp", "udp", "icmp", "icmp6", "igmp", "sctp", "vlan", "mpls", "pppoes", "port 53",
    "src port 80", "dst port 443", "tcp port 80 or tcp port 443", "portrange 1-1023", "udp and not port 53",
    "net 10.0.0.0/8",
    "src net 192.168.0.0/16", "host 127.0.0.1", "ip6 net fe80::/10", "dst net 224.0.0.0/4", "ip multicast",
    "ip6 multicast", "greater 200", "less 80", "len = 60", "ip proto 47", "proto 50", "ip6 proto 17",
    "ip6 protochain 6", "ip protochain 17", "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
    "tcp[13] = 2", "ip[6:2] & 0x3fff != 0", "ip[0] & 0xf > 5", "ip[2:2] - ((ip[0] & 0xf) << 2) > 500",
    "icmp[icmptype] = icmp-echo", "icmp6[icmp6type] = 135", "udp[4:2] * 2 > 300", "ip[8] % 64 = 0 and ip[8] / 64 > 0",
    "not ip and not ip6", "ether multicast", "ether proto 0x88cc", "vlan and ip", "ether[6:4] & 0xff000000 = 0",
    "ether host ff:ff:ff:ff:ff:ff", "(tcp or udp) and (port 80 or port 53) and not net 10.0.0.0/8", "iso", "stp",
    "rarp",     "udp[8:2] = 0x1234 or tcp[len - 20] = 0", "geneve",
)  # fmt: skip


def write_pcap(path: Path, link_type: int, packets: list[Packet]) -> None:
    """Write packets whose times are their numbers."""
    parts = [struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, link_type)]
    parts += [
        struct.pack("<IIII", number, 0, len(one.data), one.length) + one.data for number, one in enumerate(packets, 1)
    ]
    path.write_bytes(b"".join(parts))


def tcpdump(path: Path, text: str) -> list[int] | None:
    """Return the numbers of the packets that tcpdump lets pass; None if it does not take the filter."""
    done = subprocess.run(["tcpdump", "-r", str(path), "-w", "-", text], capture_output=True, check=False)
    if done.returncode:
        return None
    found, at = [], 24
    while at < len(done.stdout):
        number, _, size, _ = struct.unpack_from("<IIII", done.stdout, at)
        found.append(number)
        at += 16 + size
    return found


def ours(path: Path, text: str) -> tuple[list[int], list[int]] | None:
    """Return what passes by libpcap, and by the kernel; None if the filter is refused."""
    try:
        chosen = pktlab.open(path).where(bpf=text)
        one_by_one = [packet.number for packet in chosen]
        with open_capture(path) as reader:
            bulk = [window.first + place for window, place, _ in Where(chosen.filter).passing(reader)]
    except pktlab.FilterError:
        return None
    return one_by_one, bulk


@needs_tcpdump
@needs_corpus
@pytest.mark.parametrize("each", [1, pytest.param(12, marks=pytest.mark.thorough)], ids=["part", "all"])
def test_the_same_packets_pass(each: int, tmp_path: Path) -> None:
    by_link: dict[int, list[Packet]] = {}
    for packet in corpus_packets(each, 2 * each):
        by_link.setdefault(canonical_link_type(packet.link_type), []).append(packet)
    passed = refused = 0
    for link_type, packets in sorted(by_link.items()):
        path = tmp_path / f"{link_type}.pcap"
        write_pcap(path, link_type, packets)
        for text in FILTERS if each > 1 else FILTERS[link_type % 5 :: 5]:
            theirs = tcpdump(path, text)
            assert ours(path, text) == (None if theirs is None else (theirs, theirs)), (link_type, text)
            passed, refused = passed + len(theirs or ()), refused + (theirs is None)
    assert passed > 500
    assert refused > 1
    assert len(by_link) > 4
