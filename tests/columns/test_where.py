"""Filters over columns against the exact filter: the same packets pass, whoever is asked."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import pktlab
from pktlab.capture import open_capture
from pktlab.columns.filters import Filter, compile_filter
from pktlab.columns.where import Where

from ..agreement.filterlist import ACCEPTED, ASKED

ROOT = Path(__file__).resolve().parents[2]
FIRST_LIGHT = ROOT / "pcaps" / "first-light.pcapng"
CORPUS = os.environ.get("PKTLAB_CORPUS")
PARTS = 16
OWN = (
    "frame.number > 20 and udp.checksum.verdict == bad",
    "udp.checksum.verdict in {bad, partial} or tcp.checksum.verdict != good",
    "not udp.checksum.verdict",
    "tcp.port == 80 and tcp.payload contains \"x\"",
    "not (tcp.port == 80 and tcp.payload contains \"x\")",
    "frame.time_relative > 0.5 or frame.time_delta > 0.1",
    "frame.time_epoch > 1000000000 and not frame.comment",
    "frame.interface_id == 0",
    "tcp.options.mss_val == 1460 or udp.port == 53",
    "ipv6.addr & ffff:: == fe80::",
    "udp.checksum.cause",
    "ntp.xmt or dns.flags.response == 1 or ip.opt.type",
    "data.len > 100",
    "tcp.flags.syn == 1 and tcp.seq_raw > 1000 and not tcp.options.wscale.shift == 7",
    "icmp.checksum.status == 1 and ip.ttl#1 > 10",
)  # fmt: skip
FILTERS = tuple(dict.fromkeys((*ASKED, *ACCEPTED, *OWN)))


def corpus() -> list[Path]:
    """Return the captures of the corpus, in a fixed order."""
    if CORPUS is None:
        return []
    return sorted(path for path in Path(CORPUS).rglob("*") if path.is_file())


def chosen(path: Path, one: Filter, threads: int = 1) -> list[int]:
    """Return the numbers of the packets that pass, of columns from the first packet on."""
    where = Where(one)
    return [window.first + place for window, place, _ in where.passing(open_capture(path), threads=threads)]


def differences(path: Path, filters: tuple[str, ...]) -> list[str]:
    """Return the filters for which columns and exact filter choose other packets."""
    try:
        packets = list(pktlab.open(path))
    except pktlab.PktlabError:
        return []
    found = []
    for text in filters:
        one = compile_filter(text)
        wanted = [packet.number for packet in one.select(packets)]
        got = chosen(path, one)
        if got != wanted:
            found.append(f"{path.name} {text}: frames {sorted(set(got) ^ set(wanted))[:5]}")
    return found


@pytest.mark.parametrize("text", FILTERS, ids=range(len(FILTERS)))
def test_columns_choose_what_the_exact_filter_chooses(text: str) -> None:
    assert differences(FIRST_LIGHT, (text,)) == []


@pytest.mark.skipif(CORPUS is None, reason="PKTLAB_CORPUS is not set")
@pytest.mark.parametrize("part", [pytest.param(n, marks=[pytest.mark.thorough] if n else []) for n in range(PARTS)])
def test_columns_choose_the_same_of_the_corpus(part: int) -> None:
    paths = corpus()[part::PARTS]
    assert [one for path in paths for one in differences(path, FILTERS)] == []
