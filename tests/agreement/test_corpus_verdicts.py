"""Verdicts, addresses, ports and lengths over the whole corpus, held against what tshark 4.0.17 said of each frame.

What it said stands beside the corpus, with IP and TCP reassembly on. Where tshark is a judge the two have to agree;
every difference falls under one of the `reasons`, and what falls under none fails.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import pktlab
from pktlab.wire.verdict import STATUS

from .reasons import COMMON, Disagreement, Reason, reason_for

PARTS = 32
JUDGED = ("ip", "udp", "tcp")
FRAME = ("frame.cap_len", "frame.len")
FIELDS = (
    "eth.type", "ip.src", "ip.dst", "ip.proto", "ipv6.src", "ipv6.dst", "udp.srcport", "udp.dstport", "udp.length",
    "udp.checksum", "tcp.srcport", "tcp.dstport", "tcp.seq_raw", "tcp.flags", "tcp.checksum",
)  # fmt: skip
CHOPPED = "pcapng-test-generator/"
"""tshark numbers custom blocks as if they were packets; tests/capture compares those."""
SUN_ATM = 123

Row = dict[str, str]


def first(value: str | None) -> str:
    """Return the outermost of tshark's values."""
    return (value or "").split(",")[0]


def past_a_signed_word(one: Disagreement) -> bool:
    """Tell whether a fuzzed file says that a frame had 2 GiB and more, which tshark brings down to 2**31 - 1."""
    return one.name in FRAME and one.theirs == str((1 << 31) - 1) and int(one.ours) >= 1 << 31


def sun_atm(one: Disagreement) -> bool:
    """Tell whether tshark takes the four octets of SunATM's own header out of the captured length."""
    return one.packet.link_type == SUN_ATM and int(one.ours) - int(one.theirs) == 4


def other_record_header(one: Disagreement) -> bool:
    """Tell whether tshark took records to have Kuznetsov's header, 8 octets longer, where the file's mark says not."""
    return one.name == "eth.type" and one.theirs == f"0x{one.packet.data[20:22].hex()}" and one.packet.stop is not None


def contradicting_fragments(one: Disagreement) -> bool:
    """Tell whether tshark puts fragments together of which one goes past the end of the last; pktlab drops those."""
    transport = one.name.startswith(("tcp.", "udp."))
    return one.packet.is_fragment and one.packet.whole is None and transport


REASONS: tuple[Reason, ...] = (*COMMON, past_a_signed_word, sun_atm, other_record_header, contradicting_fragments)


def disagreements(packet: pktlab.Packet, row: Row) -> Iterator[Disagreement]:
    """Return the fields on which the two do not agree."""
    for name, ours in said(packet):
        theirs = first(row[name])
        if theirs != ours:
            yield Disagreement(packet, row["frame.protocols"], name, theirs, ours)


def said(packet: pktlab.Packet) -> Iterator[tuple[str, str]]:
    """Return what pktlab says of the outermost field of each name."""
    verdicts: dict[str, str] = {}
    for judgement in (*packet.judgements, *packet.whole_judgements):
        verdicts.setdefault(judgement.protocol, str(STATUS[judgement.verdict]))
    for protocol in JUDGED:
        yield f"{protocol}.checksum.status", verdicts.get(protocol, "")
    for name in FRAME:
        yield name, str(packet[name])
    for name in FIELDS:
        found = packet.dissection.found(name)
        yield name, found[0].text if found else ""


def answers(corpus: Path, part: int) -> dict[str, list[Row]]:
    """Return tshark's rows for every so many captures."""
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = ["path", "frame.protocols", *FRAME, *FIELDS, *(f"{protocol}.checksum.status" for protocol in JUDGED)]
    recorded = corpus / "tshark-4.0.17.parquet"
    paths = parquet.read_table(recorded, columns=["path"])["path"].unique().to_pylist()
    wanted = [path for path in sorted(paths)[part::PARTS] if not path.startswith(CHOPPED)]
    rows: dict[str, list[Row]] = {path: [] for path in wanted}
    for row in parquet.read_table(recorded, columns=columns, filters=[("path", "in", wanted)]).to_pylist():
        rows[row["path"]].append(row)
    return rows


@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.thorough) for part in range(1, PARTS))])
def test_corpus(part: int, corpus: Path) -> None:
    reasons: Counter[str] = Counter()
    unexplained: list[object] = []
    same = 0
    for path, rows in answers(corpus, part).items():
        try:
            capture = pktlab.open(corpus / path)
        except pktlab.CaptureError:
            continue  # tests/capture says which files cannot be read, and why
        for packet, row in zip(capture, rows, strict=False):
            same += len(JUDGED) + len(FRAME) + len(FIELDS)
            for one in disagreements(packet, row):
                same -= 1
                reason = reason_for(one, REASONS)
                reasons[reason] += 1
                if not reason:
                    unexplained.append((path, packet.number, *one[1:]))
    print(f"{same} values agree, {sum(reasons.values())} differ: {dict(reasons)}")
    assert unexplained == []
    assert same > 500 * sum(reasons.values())
