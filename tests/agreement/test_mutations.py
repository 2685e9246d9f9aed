"""The comparison with tshark would see a mistake: every changed row of every schema is caught.

tshark's answers are recorded once. Then one thing of one row of the field table is changed (mask, shift, offset, width,
scale, byte order), every field of that row is read anew from the bytes with the changed row, and compared. A mutant is
killed if any of them no longer agrees.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from pktlab.wire import Found, Header, Row, dissect

from .capfiles import Packet
from .comparison import agreement, compare, nested_headers
from .differences import OWN_NAMES
from .tshark import COMPARED, Answers, Said, needs_tshark

pytestmark = needs_tshark

TOP = "mask without its top bit"
EQUIVALENT = {
    ("Ieee8023", "eth.len", TOP): "over 1500 it is a type",
    ("VlanLength", "vlan.len", TOP): "over 1500 it is a type",
    ("MldQueryV2", "icmpv6.mld.qqi", TOP): "from 128 on tshark shows the time that it is the code of",
    ("Null", "null.family", TOP): "tshark shows no family over 0xFFFF",
    ("Loop", "null.family", TOP): "tshark shows no family over 0xFFFF",
    ("IpOption", "ip.opt.len", TOP): "all options together have 40 bytes",
    ("IpOption", "ip.opt.type.class", "mask without its low bit"): "the options that tshark knows are of class 0 or 2",
    ("TcpOption", "tcp.option_len", TOP): "all options together have 40 bytes",
}
"""Mutants that no packet tells from the original in tshark's eyes."""


class Sighting(NamedTuple):
    """A field that agreed with tshark's reading."""

    found: Found
    data: bytes
    said: list[Said]
    what: str


def reread(row: Row, data: bytes, start: int, stop: int) -> Found | None:
    """Return the field that `row` describes at bytes `start` to `stop`; None if they are not there."""
    if not 0 <= start < stop <= len(data):
        return None
    piece = data[start:stop]
    if row.kind in {"bytes", "header", "mac", "ipv4", "ipv6"}:
        return Found(row, start, stop, piece)
    number = int.from_bytes(piece, "little" if row.little else "big", signed=row.kind == "int")
    return Found(row, start, stop, number)


def mutants(row: Row) -> Iterator[tuple[str, Row, int, int]]:
    """Yield every change of one thing: what it is, the row, and by how much start and stop move."""
    yield "offset -1", row, -1, -1
    yield "offset +1", row, 1, 1
    yield "width -1", row._replace(width=row.width - 1), 0, -1
    yield "width +1", row._replace(width=row.width + 1), 0, 1
    if row.kind in {"bytes", "header", "mac", "ipv4", "ipv6"}:
        return
    if row.mask is not None and row.kind != "bool":  # nothing else is scaled
        yield "scale * 2", row._replace(scale=row.scale * 2), 0, 0
    if row.scale > 1:
        yield "scale 1", row._replace(scale=1), 0, 0
    if row.width > 1:
        yield "byte order", row._replace(little=not row.little), 0, 0
    yield from ((name, changed, 0, 0) for name, changed in masks(row))


def masks(row: Row) -> Iterator[tuple[str, Row]]:
    """Yield the rows with another mask, or another shift."""
    full = (1 << 8 * row.width) - 1
    mask = full if row.mask is None else row.mask
    low = mask & -mask
    yield "shift +1", row._replace(mask=mask, shift=row.shift + 1)
    if row.shift and row.kind != "bool":  # the bits of a bool are only compared with zero
        yield "shift -1", row._replace(shift=row.shift - 1)
    yield "mask without its top bit", row._replace(mask=mask & mask >> 1 if mask != low else 0)
    yield "mask without its low bit", row._replace(mask=mask & ~low)
    if mask << 1 & full and mask != full:
        yield "mask one bit up", row._replace(mask=mask << 1 & full, shift=row.shift + 1)
    if row.shift:
        yield "mask one bit down", row._replace(mask=mask >> 1, shift=row.shift - 1)


def sightings(made: list[tuple[Packet, Answers]]) -> dict[tuple[type[Header], str], list[Sighting]]:
    """Return, for the rows of every header, what was read of them and agreed with tshark."""
    rows = {
        id(row): (header, row.attr)
        for protocol in COMPARED
        for header in nested_headers(protocol)
        for row in header.schema.rows
    }
    seen: dict[tuple[type[Header], str], list[Sighting]] = defaultdict(list)
    for number, (packet, answers) in enumerate(made):
        for outcome in compare(number, dissect(packet.data, packet.link_type), answers):
            if outcome.what in {"", "word", "empty"}:
                key = rows.get(id(outcome.found.row))
                if key is None:
                    continue  # of a page that is not compared here
                seen[key].append(Sighting(outcome.found, packet.data, outcome.said, outcome.what))
    return seen


def is_caught(row: Row, start: int, stop: int, seen: list[Sighting]) -> bool:
    """Tell whether any sighting disagrees if it is read as `row`, with its ends moved by `start` and `stop`."""
    for found, data, said, what in seen:
        changed = reread(row, data, found.start + start, found.stop + stop)
        if changed is None or agreement(changed, data, said) != what:
            return True
    return False


@pytest.mark.xdist_group("made")
def test_every_changed_row_is_caught(made: list[tuple[Packet, Answers]]) -> None:
    seen = sightings(made)
    tried, survived = 0, set()
    for header in dict.fromkeys(header for protocol in COMPARED for header in nested_headers(protocol)):
        for row in header.schema.rows:
            if not row.name or row.name in OWN_NAMES:
                continue
            for name, changed, start, stop in mutants(row):
                tried += 1
                if not is_caught(changed, start, stop, seen[header, row.attr]):
                    survived.add((header.__name__, row.name, name))
    print(f"{tried} mutants, {tried - len(survived)} killed, {len(EQUIVALENT)} equivalent")
    assert tried > 1_500
    assert survived == set(EQUIVALENT)
