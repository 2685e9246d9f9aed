"""Verdicts, addresses, ports and lengths over the whole corpus, held against what tshark 4.0.17 says of each frame.

Where tshark is a judge (spec of the corpus: whole frames whose lengths fit) the two have to agree. Every difference
falls under one of the reasons below, each of which is a test on the frame, not a list of files; what falls under none
fails. The reasons are tshark's choices or ours, or protocols that pktlab does not read yet.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pktlab
from pktlab.wire.verdict import STATUS

PARTS = 8
JUDGED = ("ip", "udp", "tcp")
FIELDS = ("ip.src", "ip.dst", "ip.proto", "udp.srcport", "udp.length", "tcp.srcport", "tcp.seq_raw")
OWN = {
    "eth", "ethertype", "vlan", "ieee8021ad", "sll", "null", "raw", "arp", "ip", "ipv6", "ipv6.hopopts",
    "ipv6.routing", "ipv6.fraghdr", "ipv6.dstopts", "ah", "esp", "icmp", "icmpv6", "udp", "tcp", "data",
    "ieee8021ah", "llc", "stp", "pppoed", "pppoes", "ppp", "mpls", "chdlc", "gre", "erspan", "vxlan", "geneve", "gtp",
    "etherip", "teredo", "igmp", "udplite", "sctp", "dccp", "mipv6", "ospf", "vrrp", "pim",
}  # fmt: skip
CHOPPED = "pcapng-test-generator/"

Row = dict[str, str]


def first(value: str | None) -> str:
    """Return the outermost of tshark's values."""
    return (value or "").split(",")[0]


def below(row: Row, layer: str) -> list[str]:
    """Return tshark's protocols in front of the first `layer`."""
    names = row["frame.protocols"].split(":")
    return names[: names.index(layer)] if layer in names else names


def unread_protocol(packet: pktlab.Packet, row: Row, name: str) -> bool:
    """Tell whether it lies behind a protocol that pktlab does not read (frame relay, 802.11, FDDI, sFlow ...)."""
    return any(protocol not in OWN for protocol in below(row, name.partition(".")[0]))


def quoted(packet: pktlab.Packet, row: Row, name: str) -> bool:
    """Tell whether it is in a packet quoted by an ICMP error: tshark judges those, pktlab gives no verdict."""
    return bool({"icmp", "icmpv6"} & set(below(row, name.partition(".")[0])))


def fragment(packet: pktlab.Packet, row: Row, name: str) -> bool:
    """Tell whether it is a fragment: tshark moves the transport to the frame that completes the datagram."""
    return packet.is_fragment or packet.whole is not None


def cut(packet: pktlab.Packet, row: Row, name: str) -> bool:
    """Tell whether the frame was cut, or its IP length exceeds it: tshark says sometimes bad, sometimes unverified."""
    overrun = any(layer.overrun is not None for layer in packet.layers)
    return row["frame.cap_len"] != row["frame.len"] or overrun


def stopped(packet: pktlab.Packet, row: Row, name: str) -> bool:
    """Tell whether a header is malformed: tshark then gives fewer fields, or goes on with what cannot be right."""
    return packet.stop is not None


def source_routed(packet: pktlab.Packet, row: Row, name: str) -> bool:
    """Tell whether it is the destination of a source-routed packet: tshark shows the final one, pktlab the header's."""
    return name == "ip.dst" and bool(packet.values("ip.src_rt"))


def offloaded(packet: pktlab.Packet, row: Row, name: str) -> bool:
    """Tell whether a length is 0 as segmentation offload leaves it: tshark 4.0 does not read BIG TCP."""
    return any("is 0: read to the end" in note for layer in packet.layers for note in layer.notes)


REASONS: tuple[Callable[[pktlab.Packet, Row, str], bool], ...] = (
    unread_protocol, quoted, fragment, cut, stopped, source_routed, offloaded,
)  # fmt: skip


def differences(packet: pktlab.Packet, row: Row) -> Iterator[tuple[str, str, str]]:
    """Return (field, theirs, ours) where the two do not agree."""
    verdicts: dict[str, str] = {}
    for judgement in (*packet.judgements, *packet.whole_judgements):
        verdicts.setdefault(judgement.protocol, str(STATUS[judgement.verdict]))
    for protocol in JUDGED:
        theirs, ours = first(row[f"{protocol}.checksum.status"]), verdicts.get(protocol, "")
        if theirs != ours:
            yield f"{protocol}.checksum.status", theirs, ours
    for name in FIELDS:
        value = packet.get(name)
        theirs, ours = first(row[name]), "" if value is None else str(value)
        if theirs != ours:
            yield name, theirs, ours


@pytest.fixture(scope="session")
def answers(corpus: Path) -> dict[str, list[Row]]:
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = ["path", "frame.protocols", "frame.cap_len", "frame.len", *FIELDS]
    columns += [f"{protocol}.checksum.status" for protocol in JUDGED]
    table: dict[str, list[Any]] = parquet.read_table(corpus / "tshark-4.0.17.parquet", columns=columns).to_pydict()
    rows: dict[str, list[Row]] = defaultdict(list)
    for values in zip(*(table[name] for name in columns), strict=True):
        row = dict(zip(columns, values, strict=True))
        rows[row["path"]].append(row)
    return rows


@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.thorough) for part in range(1, PARTS))])
def test_corpus(part: int, corpus: Path, answers: dict[str, list[Row]]) -> None:
    reasons: Counter[str] = Counter()
    unexplained: list[object] = []
    same = 0
    for path in sorted(answers)[part::PARTS]:
        if path.startswith(CHOPPED):
            continue  # tshark numbers custom blocks as if they were packets; tests/capture compares those
        try:
            capture = pktlab.open(corpus / path)
        except pktlab.CaptureError:
            continue  # tests/capture says which files cannot be read, and why
        for packet, row in zip(capture, answers[path], strict=False):
            same += len(JUDGED) + len(FIELDS)
            for name, theirs, ours in differences(packet, row):
                same -= 1
                reason = next((reason.__name__ for reason in REASONS if reason(packet, row, name)), None)
                reasons[reason or ""] += 1
                if reason is None:
                    unexplained.append((path, packet.number, name, theirs, ours, row["frame.protocols"]))
    assert unexplained == []
    assert same > 100 * sum(reasons.values())
