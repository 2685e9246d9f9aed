"""Every bit of a packet broken in turn, counted by field: how many each checksum sees, and how many nobody does."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pktlab.wire.dissection import Dissection
from pktlab.wire.flip import Flip, Flips, Read
from pktlab.wire.receiver import Outcome, Receiver

__all__ = ["FieldCount", "flip_table"]


@dataclass
class FieldCount:
    """The bits of one field, counted: how many there are, how many each sum sees, how many nobody does.

    `sums` : protocol -> bits that its checksum sees; `other` : bits that no sum sees and that another check stops;
    `held` : bits of a fragment, whose sum is checked later; `unseen` : bits that are delivered wrong;
    `unknown` : bits that too little was captured for; `outcomes` : what the receiver says -> bits
    """

    name: str
    label: str
    bits: int = 0
    sums: Counter[str] = dataclasses.field(default_factory=Counter)
    other: int = 0
    held: int = 0
    unseen: int = 0
    unknown: int = 0
    counters: Counter[tuple[str, ...]] = dataclasses.field(default_factory=Counter)

    def add(self, one: Flip) -> None:
        """Count one bit."""
        self.bits += 1
        self.sums.update(one.seen_by)
        self.counters[one.now.counters] += one.now.outcome is Outcome.dropped
        if one.now.outcome is Outcome.delivered:
            self.unseen += not one.seen_by
        elif one.now.outcome is Outcome.dropped:
            self.other += not one.seen_by
        elif not one.seen_by:
            self.held += one.now.outcome is Outcome.held
            self.unknown += one.now.outcome is Outcome.unknown

    def document(self) -> dict[str, Any]:
        """Return the counts as JSON has them."""
        counters = [{"counters": list(names), "bits": bits} for names, bits in self.counters.items() if bits]
        return {
            "field": self.name, "label": self.label, "bits": self.bits, "sums": dict(self.sums), "other": self.other,
            "unseen": self.unseen, "held": self.held, "unknown": self.unknown, "dropped": counters,
        }  # fmt: skip


def flip_table(packet: Dissection, read: Read, host: Receiver | None = None, *, cut: bool = False) -> list[FieldCount]:
    """Return every bit of a packet counted by the field that it lies in, in wire order; parameters as for `flip`.

    Fields of one name in one layer are counted together, and so are bytes outside the headers.

    >>> from pktlab.wire.dissection import dissect
    >>> from pktlab.wire.ipv4 import Ip
    >>> data = bytes.fromhex("4500001e0000000040117ccd7f0000017f00000100350045000a98f46869")
    >>> table = {one.name: one for one in flip_table(dissect(data, Ip), lambda data: dissect(data, Ip))}
    >>> table["ip.dst"].bits, dict(table["ip.dst"].sums), table["udp.length"].unseen
    (32, {'ip': 32, 'udp': 32}, 0)
    """
    table: dict[tuple[int, str], FieldCount] = {}
    for one in _representatives(Flips(packet, read, host, cut)):
        at = one.field.layer if one.field else len(packet.layers)
        label = one.field.label if one.field else "bytes outside the headers"
        table.setdefault((at, one.place), FieldCount(one.place, label)).add(one)
    return list(table.values())


def _representatives(flips: Flips) -> Iterator[Flip]:
    """Yield a flip for every bit; in plain bytes one stands for all that move the sums alike.

    A sum moves by plus or minus one column, and there are 16 columns: so a long payload costs no more than a word.
    """
    known: dict[tuple[str, int, int, int], Flip] = {}
    packet = flips.packet
    for byte in range(len(packet.data)):
        plain = _plain_layer(packet, byte)
        for bit in range(8 * byte, 8 * byte + 8):
            if plain is None:
                yield flips.at(bit)
                continue
            key = (plain, byte % 2, bit % 8, packet.data[byte] & (0x80 >> bit % 8))
            if key not in known:
                known[key] = flips.at(bit)
            yield known[key]


def _plain_layer(packet: Dissection, byte: int) -> str | None:
    """Return which run of plain bytes `byte` lies in; None if that is a header."""
    if byte >= packet.trailer[0]:
        return "trailer"
    for index, layer in enumerate(packet.layers):
        if layer.start <= byte < layer.stop:
            return str(index) if layer.header is None else None
    return None
