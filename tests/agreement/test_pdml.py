"""Every field's bytes and value are tshark's, over real packets, built ones, damaged ones and random bytes."""

from __future__ import annotations

from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from pktlab.wire import Layer, Row, dissect

from .capfiles import Packet
from .comparison import Outcome, compare, nested_headers
from .differences import DIFFERENCES, OWN_NAMES, TABLE_DIFFERENCES, explanation
from .samples import corpus_packets, needs_corpus
from .tshark import COMPARED, Answers, FieldEntry, field_table, needs_tshark, pdml

pytestmark = needs_tshark


def read(packets: list[Packet], folder: Path) -> list[tuple[Packet, Answers]]:
    """Return packets, and what tshark says of them."""
    return list(zip(packets, pdml(packets, folder), strict=True))


def compared(said: list[tuple[Packet, Answers]], *, made: bool = False) -> tuple[Counter[str], Counter[str]]:
    """Compare packets with what tshark says; return how often each field agreed, each listed difference was met.

    Of `made` packets, what is in or behind a page in `YET` is left out.
    """
    agreed: Counter[str] = Counter()
    listed: Counter[str] = Counter()
    unexplained = []
    for number, (packet, answers) in enumerate(said):
        for outcome in compare(number, dissect(packet.data, packet.link_type), answers):
            if made and any(layer.header and type(layer.header) not in COMPARED for layer in before(outcome)):
                continue
            if not outcome.what:
                agreed[outcome.found.name] += 1
                continue
            reason = explanation(outcome, answers)
            listed[reason or ""] += 1
            if reason is None:
                unexplained.append((number, outcome.what, outcome.found, outcome.said, packet.data.hex()))
    assert unexplained == []
    return agreed, listed


def before(outcome: Outcome) -> list[Layer]:
    """Return the layers up to and with that of `outcome`."""
    return [layer for layer in outcome.packet.layers if layer.start <= outcome.layer.start]


@needs_corpus
def test_real_packets_read_as_tshark_reads_them(tmp_path: Path) -> None:
    agreed, listed = compared(read(corpus_packets(common=2, rare=6), tmp_path))
    assert agreed.total() > 120_000
    assert listed.total() < agreed.total() / 20


@needs_corpus
@pytest.mark.thorough
@pytest.mark.timeout(1800)
def test_every_packet_of_the_corpus_reads_as_tshark_reads_it(tmp_path: Path) -> None:
    packets = corpus_packets(common=1 << 20, rare=1 << 20)
    for start in range(0, len(packets), 20_000):
        agreed, _ = compared(read(packets[start : start + 20_000], tmp_path))
        assert agreed.total() > 10_000


@pytest.mark.xdist_group("made")
def test_made_packets_read_as_tshark_reads_them_and_no_field_is_left_out(made: list[tuple[Packet, Answers]]) -> None:
    agreed, _ = compared(made, made=True)
    assert agreed.total() > 40_000
    named = {row.name for row in all_rows() if row.name}
    by_word = {name for name in named if explained_as(name, "word") or explained_as(name, "empty")}
    assert named - set(agreed) - by_word == set(OWN_NAMES)


def explained_as(name: str, what: str) -> bool:
    """Tell whether `name` is listed as always differing in that way; its value was compared all the same."""
    return any(one.what == what and fnmatchcase(name, one.fields) for one in DIFFERENCES)


def all_rows() -> list[Row]:
    """Return the rows of every protocol page, nested headers too."""
    headers = dict.fromkeys(header for protocol in COMPARED for header in nested_headers(protocol))
    return [row for header in headers for row in header.schema.rows]


KINDS = {
    "uint": "FT_UINT", "enum": "FT_UINT", "flags": "FT_UINT", "int": "FT_INT", "bool": "FT_BOOLEAN", "ipv4": "FT_IPv4",
    "ipv6": "FT_IPv6", "mac": "FT_ETHER", "bytes": "FT_BYTES", "header": "FT_BYTES",
}  # fmt: skip


def matches(row: Row, entry: FieldEntry) -> bool:
    """Tell whether Wireshark's `entry` has the row's type, base, digits and (as a run of bits) mask."""
    if not entry.kind.startswith(KINDS[row.kind]):
        return False
    if row.kind == "bool" or entry.kind.startswith("FT_UINT"):
        bits = (row.mask or 0) >> row.shift
        theirs = entry.mask // (entry.mask & -entry.mask) if entry.mask else 0
        if bits != theirs:
            return False
    if not entry.kind.startswith("FT_UINT"):
        return True
    if row.base == "dec":
        return not entry.base.startswith("BASE_HEX")
    return entry.base.startswith("BASE_HEX") and 4 * row.digits == int(entry.kind.removeprefix("FT_UINT"))


def test_every_name_is_wiresharks_with_its_type_base_and_mask() -> None:
    table = field_table()
    rows = [row for row in all_rows() if row.name]
    assert {row.name for row in rows if row.name not in table} == set(OWN_NAMES)
    known = [row for row in rows if row.name in table]
    other = {row.name for row in known if not any(matches(row, entry) for entry in table[row.name])}
    assert other == set(TABLE_DIFFERENCES)
