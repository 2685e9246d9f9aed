"""Faults of whole packets: the known ways to get a checksum wrong, and lengths that cannot be.

They are put into a packet that is right, into its innermost checksum. Some show in few packets: a carry that is dropped
needs a sum that carries, so the packet is given data of odd length, or a word with which the sum carries. A fault that
still changes nothing (a sum that reads the same both ways) becomes a flipped bit.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

from pktlab.api import AS
from pktlab.capture import Record
from pktlab.packets import Packet
from pktlab.testing.conformance.wrong_sums import wrong_sums
from pktlab.wire.checksum import ones_sum, swap
from pktlab.wire.coverage import Coverage, coverage

__all__ = ["FAULTS", "data_for", "faults_of", "faulty"]

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
    return lambda data, covered: summing(_summed(_blank(data, covered), covered))


Wrong = Callable[[bytes, Coverage], int]

FAULTS: dict[str, Wrong | None] = {
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


TRANSPORTS = ("udp", "tcp", "icmp", "icmpv6")
_OF_PSEUDO = ("partial", "no-pseudo")
_OF_DATA = ("odd-dropped", "odd-low", "no-carry", "one-fold", "last-byte")


def faults_of(names: Sequence[str]) -> list[str]:
    """Return the faults that a stack of layers can have; none if it has no checksum.

    >>> faults_of(["ip", "icmp"])[3:]
    ['swapped', 'no-complement', 'zero', 'odd-dropped', 'odd-low', 'no-carry', 'one-fold', 'last-byte']
    """
    last = next((name for name in reversed(names) if name in (*TRANSPORTS, "ip")), None)
    without = (*_OF_PSEUDO, *_OF_DATA) if last == "ip" else _OF_PSEUDO if last == "icmp" else ()
    return [name for name in FAULTS if name not in without] if last else []


def data_for(fault: str | None, data: bytes) -> bytes:
    r"""Return data of a length, and with a last byte, on which `fault` can show.

    >>> data_for("odd-low", b""), data_for("one-fold", b"a"), data_for("bit", b"")
    (b'\x01', b'a\x01\x01\x01', b'')
    """
    if fault in ("odd-dropped", "odd-low", "last-byte"):
        data += b"" if len(data) % 2 else b"\1"
        return data if data[-1] else data[:-1] + b"\1"
    return data + b"\1" * (4 - len(data)) if fault in _OF_DATA else data


def _carrying(name: str, data: bytes, covered: Coverage) -> bytes:
    """Return a packet whose sum carries, and for `one-fold` carries again; its last four bytes are data."""
    at = covered.end - 2 - covered.length % 2
    data = data[: at - 2] + b"\xff\xff" + data[at:]
    if name != "one-fold":
        return data
    data = data[:at] + b"\0\0" + data[at + 2 :]
    summed = _summed(_blank(data, covered), covered)
    summed += b"\0" * (len(summed) % 2)
    total: int = sum(struct.unpack(f">{len(summed) // 2}H", summed))
    return data[:at] + (0xFFFF - (total & 0xFFFF)).to_bytes(2, "big") + data[at + 2 :]


def _summed(data: bytes, covered: Coverage) -> bytes:
    """Return all bytes that are summed, the pseudo-header's in front."""
    return _pseudo(covered) + data[covered.start : covered.end]


def innermost(packet: Packet) -> Coverage:
    """Return what the innermost checksum covers."""
    for index in range(len(packet.layers) - 1, -1, -1):
        covered = coverage(packet.dissection, index)
        if isinstance(covered, Coverage):
            return covered
    raise ValueError(f"{packet!r} has no checksum for a fault to be in")


@st.composite
def faulty(draw: Draw, packet: Packet, as_: str, name: str) -> Packet:
    """Draw `packet`, which starts with `as_`, with the fault `name` in it; its comment says which."""
    covered, data = innermost(packet), packet.data
    wrong = FAULTS[name]
    if wrong is not None:
        data = _with_wrong_sum(name, wrong, data, covered)
    elif name == "cut":
        data = data[: draw(st.integers(1, len(data) - 1))]
    elif name == "length":
        data = _with_length(draw, packet)
    if data == packet.data:
        name = "bit"
        at = draw(st.integers(covered.start, covered.end - 1))
        data = data[:at] + bytes((data[at] ^ 1 << draw(st.integers(0, 7)),)) + data[at + 1 :]
    record = Record(1, None, data, len(data), packet.link_type, comments=(f"fault: {name}",))
    return Packet(record, AS[as_])


def _with_wrong_sum(name: str, wrong: Wrong, data: bytes, covered: Coverage) -> bytes:
    """Return `data` with what the fault makes of the sum in the field; as they were if the sum is right so."""
    other = data
    for made in (data, _carrying(name, data, covered) if name in ("no-carry", "one-fold") else data):
        other = made[: covered.at] + wrong(made, covered).to_bytes(2, "big") + made[covered.at + 2 :]
        if ones_sum(_summed(other, covered)) != 0xFFFF:
            return other
    return data


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
