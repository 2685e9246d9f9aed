"""Faults of whole packets: the known ways to get a checksum wrong, and lengths that cannot be.

They are put into a packet that is right, into its innermost checksum; a fault that would change nothing there (a sum
that reads the same both ways) becomes a flipped bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from pktlab.api import AS
from pktlab.capture import Record
from pktlab.packets import Packet
from pktlab.testing.conformance.wrong_sums import wrong_sums
from pktlab.wire.checksum import ones_sum, swap
from pktlab.wire.coverage import Coverage, coverage

__all__ = ["FAULTS", "faulty"]

Draw = Callable[[st.SearchStrategy[Any]], Any]
_SUMS = {one.name: one.summing for one in wrong_sums()}


def _stored(data: bytes, covered: Coverage) -> int:
    return int.from_bytes(data[covered.at : covered.at + 2], "big")


def _blank(data: bytes, covered: Coverage) -> bytes:
    return data[: covered.at] + b"\0\0" + data[covered.at + 2 :]


def _pseudo(covered: Coverage) -> bytes:
    return b"" if covered.pseudo is None else covered.pseudo.build()


def _without_pseudo(data: bytes, covered: Coverage) -> int:
    return ones_sum(_blank(data, covered)[covered.start : covered.end]) ^ 0xFFFF


def _summed_wrongly(name: str) -> Callable[[bytes, Coverage], int]:
    summing = _SUMS[name]
    return lambda data, covered: summing(_pseudo(covered) + _blank(data, covered)[covered.start : covered.end])


FAULTS: dict[str, Callable[[bytes, Coverage], int] | None] = {
    "bit": None,
    "cut": None,
    "length": None,
    "swapped": lambda data, covered: swap(_stored(data, covered)),
    "no-complement": lambda data, covered: _stored(data, covered) ^ 0xFFFF,
    "partial": lambda data, covered: ones_sum(_pseudo(covered)),
    "zero": lambda data, covered: 0,
    "no-pseudo": _without_pseudo,
    **{name: _summed_wrongly(name) for name in ("odd-dropped", "odd-low", "no-carry", "one-fold", "last-byte")},
}
"""Names of the faults; what the field holds then, None for those that are elsewhere."""


def innermost(packet: Packet) -> Coverage:
    """Return what the innermost checksum covers."""
    for index in range(len(packet.layers) - 1, -1, -1):
        covered = coverage(packet.dissection, index)
        if isinstance(covered, Coverage):
            return covered
    raise ValueError(f"{packet!r} has no checksum for a fault to be in")


@st.composite
def faulty(draw: Draw, packet: Packet, as_: str, fault: str | None) -> Packet:
    """Draw `packet`, which starts with `as_`, with `fault` in it, any if None; its comment says which."""
    name = draw(st.sampled_from(list(FAULTS))) if fault is None else fault
    covered, data = innermost(packet), packet.data
    wrong = FAULTS[name]
    if wrong is not None:
        changed = data[: covered.at] + wrong(data, covered).to_bytes(2, "big") + data[covered.at + 2 :]
    elif name == "cut":
        changed = data[: draw(st.integers(0, len(data) - 1))]
    elif name == "length":
        changed = _with_length(draw, packet)
    else:
        changed = data
    if changed == data:
        name = "bit"
        at = draw(st.integers(covered.start, covered.end - 1))
        changed = data[:at] + bytes((data[at] ^ 1 << draw(st.integers(0, 7)),)) + data[at + 1 :]
    record = Record(1, None, changed, len(changed), packet.link_type, comments=(f"fault: {name}",))
    return Packet(record, AS[as_])


def _with_length(draw: Draw, packet: Packet) -> bytes:
    """Return the bytes with the innermost length field off by a few."""
    names = ("udp.length", "ip.len", "ipv6.plen", "tcp.hdr_len", "ip.hdr_len")
    found = [one for layer in packet.layers if layer.header for one in layer.spans() if one.name in names]
    if not found:
        return packet.data
    one = draw(st.sampled_from(found[::-1]))
    row, data = one.row, packet.data
    mask = row.mask or (1 << 8 * (one.stop - one.start)) - 1
    word = int.from_bytes(data[one.start : one.stop], "big")
    value = (word & mask) >> row.shift
    new = max(min(value + draw(st.sampled_from([1, -1, 2, 8, -8])), mask >> row.shift), 0)
    changed = (word & ~mask | new << row.shift).to_bytes(one.stop - one.start, "big")
    return bytes(data[: one.start] + changed + data[one.stop :])
