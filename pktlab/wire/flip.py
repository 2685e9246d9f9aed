"""One bit of a packet broken on its way: what the packet says then, what becomes of its sums, who notices.

`flip` looks at one bit; `pktlab.wire.flip_table` at all of them. A header can break as well as the data: a wrong
address or port is caught because the transport's sum has a pseudo-header, a wrong EtherType by nobody but the frame
check sequence, which is rarely captured and not looked at here.

Bit 0 is the most significant bit of byte 0, as in the figures of the RFCs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pktlab.wire import text
from pktlab.wire.dissection import Dissection, Layer
from pktlab.wire.reaction import react
from pktlab.wire.receiver import Outcome, Reaction, Receiver
from pktlab.wire.rows import Found
from pktlab.wire.verdict import Judgement, Verdict, judge

__all__ = ["Change", "Flip", "Flips", "Read", "SumChange", "flip", "flipped"]

Read = Callable[[bytes], Dissection]
_HELD = (Verdict.good, Verdict.absent, Verdict.unverified)
_BROKEN = (Verdict.bad, Verdict.partial, Verdict.illegal_zero)


@dataclass(frozen=True)
class Change:
    """A field that says something else: `before` and `after` as text; `after` is None if it is no longer there."""

    layer: int
    protocol: str
    name: str
    label: str
    before: str
    after: str | None


@dataclass(frozen=True)
class SumChange:
    """One checksum before and after; `after` is None if the packet no longer shows it."""

    before: Judgement
    after: Judgement | None

    @property
    def sees(self) -> bool:
        """Whether the sum held, or was not taken, and no longer holds."""
        return self.after is not None and self.before.verdict in _HELD and self.after.verdict in _BROKEN

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        place = {"layer": self.before.layer, "protocol": self.before.protocol, "offset": self.before.offset}
        return {**place, "before": _judged(self.before), "after": self.after and _judged(self.after)}


def _judged(one: Judgement) -> dict[str, Any]:
    return {"verdict": str(one.verdict), "found": one.found, "expected": one.expected}


@dataclass(frozen=True)
class Flip:
    """What one broken bit does.

    bit : place in the packet, 0 the most significant of byte 0; mask : the bit within its byte
    field : the innermost field that it lies in, with what that says before and after; None outside the headers
    before, after : the packet as sent and as received; sums : its checksums, outermost first
    was, now : what the receiver does with the one and with the other
    """

    bit: int
    field: Change | None
    before: Dissection = dataclasses.field(repr=False)
    after: Dissection = dataclasses.field(repr=False)
    sums: tuple[SumChange, ...]
    was: Reaction
    now: Reaction

    @property
    def byte(self) -> int:
        """The byte that the bit lies in, from 0."""
        return self.bit // 8

    @property
    def mask(self) -> int:
        """The bit within its byte."""
        return 0x80 >> self.bit % 8

    @property
    def place(self) -> str:
        """Where it lies: a field's name, or ``"data"`` or ``"trailer"``."""
        return self.field.name or self.field.label if self.field else _outside(self.before, self.byte)

    @property
    def seen_by(self) -> tuple[str, ...]:
        """Protocols whose checksum held and does not any more; a receiver may find another fault before it asks."""
        seen = [one.before.protocol for one in self.sums if one.sees]
        if self.now.check == "checksum" != self.was.check and self.now.layer not in seen:
            seen.append(self.now.layer)
        return tuple(seen)

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it; offsets and values of sums are numbers."""
        return {
            "bit": self.bit, "byte": self.byte, "mask": self.mask, "place": self.place,
            "field": None if self.field is None else dataclasses.asdict(self.field),
            "before": _says(self.before), "after": _says(self.after),
            "sums": [one.document() for one in self.sums], "seen_by": list(self.seen_by),
            "receiver": {"before": self.was.document(), "after": self.now.document()}, "sentence": self.sentence,
        }  # fmt: skip

    @property
    def sentence(self) -> str:
        """What the receiver makes of it, in a sentence."""
        said = self.now.text[0].upper() + self.now.text[1:] + _counted(self.now)
        if self.was == self.now and self.was.outcome is not Outcome.delivered:
            return f"{said}, as it is with the bit whole."
        if self.was.outcome is not Outcome.delivered:
            return f"{said}; with the bit whole it is {self.was.text}{_counted(self.was)}."
        if self.now.outcome is not Outcome.delivered:
            return f"{said}{self._second_sight()}."
        inside = " and ".join(self.seen_by)
        why = f"only the {inside} checksum inside sees it" if inside else "no checksum that is asked covers it"
        return f"Delivered although a bit is wrong: {self.now.text}; {why}."

    def _second_sight(self) -> str:
        """Say which sums above the field would have seen it as well: those with an address in the pseudo-header."""
        layer = self.field.layer if self.field else 0
        above = [one.before.protocol for one in self.sums if one.sees and one.before.layer > layer]
        others = " and ".join(name for name in above if name != self.now.layer)
        return f"; the {others} checksum has it in its pseudo-header, and sees it too" if others else ""


def _says(packet: Dissection) -> dict[str, Any]:
    stop = text.stop_text(packet.stop)
    return {"protocols": ":".join(one.protocol for one in packet.layers), "line": text.one_line(packet), "stop": stop}


def _counted(reaction: Reaction) -> str:
    if reaction.outcome is not Outcome.dropped:
        return ""
    return f" (Linux counts {' and '.join(reaction.counters)})" if reaction.counters else " (no counter moves)"


def flipped(data: bytes, bit: int) -> bytes:
    """Return `data` with one bit turned over; bit 0 is the most significant of byte 0.

    Raises
    ------
    ValueError : there is no such bit

    >>> flipped(bytes([0, 0]), 9).hex()
    '0040'
    """
    if not 0 <= bit < 8 * len(data):
        raise ValueError(f"bit {bit} is not in a packet of {len(data)} bytes, which has bits 0 to {8 * len(data) - 1}")
    broken = bytearray(data)
    broken[bit // 8] ^= 0x80 >> bit % 8
    return bytes(broken)


def flip(packet: Dissection, bit: int, read: Read, host: Receiver | None = None, *, cut: bool = False) -> Flip:
    """Return what it does to a packet that one bit breaks.

    Parameters
    ----------
    packet : as it was sent
    bit : which one; 0 is the most significant bit of byte 0
    read : dissects bytes as `packet` was dissected
    host : who receives it; the host that `packet` is for if None
    cut : fewer bytes were captured than were on the wire

    Raises
    ------
    ValueError : there is no such bit

    >>> from pktlab.wire.dissection import dissect
    >>> from pktlab.wire.ipv4 import Ip
    >>> data = bytes.fromhex("4500001e0000000040117ccd7f0000017f00000100350045000a98f46869")
    >>> one = flip(dissect(data, Ip), 191, lambda data: dissect(data, Ip))
    >>> one.field.name, one.field.before, one.field.after, one.seen_by
    ('udp.dstport', '69', '68', ('udp',))
    >>> one.sentence
    'Dropped by the UDP checksum (Linux counts UdpInCsumErrors and UdpInErrors).'
    """
    return Flips(packet, read, host, cut).at(bit)


class Flips:
    """What is the same for every bit of a packet: its fields, its verdicts, its receiver."""

    def __init__(self, packet: Dissection, read: Read, host: Receiver | None, cut: bool) -> None:
        self.packet = packet
        self.read = read
        self.host = host or Receiver.of(packet)
        self.cut = cut
        self.judged = judge(packet, cut=cut)
        self.was = react(packet, self.host, cut=cut)

    def at(self, bit: int) -> Flip:
        """Return what it does that `bit` breaks; ValueError if there is no such bit."""
        after = self.read(flipped(self.packet.data, bit))
        judged = judge(after, cut=self.cut)
        sums = tuple(SumChange(one, _same(one, judged)) for one in self.judged)
        now = react(after, self.host, cut=self.cut)
        return Flip(bit, self.change(bit, after), self.packet, after, sums, self.was, now)

    def change(self, bit: int, after: Dissection) -> Change | None:
        """Return the innermost field at `bit`, and what it says before and after."""
        place = self.place(bit)
        if place is None:
            return None
        index, layer, found = place
        now = next((one for one in _spans_of(after, index) if _is_same(one, found)), None)
        return Change(index, layer.protocol, found.name, found.row.label, text.value_text(found),
                      None if now is None else text.value_text(now))  # fmt: skip

    def place(self, bit: int) -> tuple[int, Layer, Found] | None:
        """Return the innermost field that `bit` lies in, with its layer."""
        for index, layer in enumerate(self.packet.layers):
            if layer.start <= bit // 8 < layer.stop:
                covering = [one for one in layer.spans() if _covers(one, bit)]
                if covering:
                    return index, layer, min(reversed(covering), key=lambda one: one.bit_range[2])
        return None


def _covers(found: Found, bit: int) -> bool:
    if found.row.kind in ("group", "header"):
        return False
    byte, lead, count = found.bit_range
    return 8 * byte + lead <= bit < 8 * byte + lead + count


def _spans_of(packet: Dissection, index: int) -> list[Found]:
    return packet.layers[index].spans() if index < len(packet.layers) else []


def _is_same(one: Found, other: Found) -> bool:
    return one.row.name == other.row.name and one.bit_range == other.bit_range


def _same(one: Judgement, among: list[Judgement]) -> Judgement | None:
    return next((other for other in among if (other.layer, other.protocol) == (one.layer, one.protocol)), None)


def _outside(packet: Dissection, byte: int) -> str:
    """Return where a byte lies that is in no field of a header."""
    if byte >= packet.trailer[0]:
        return "trailer"
    return next((one.protocol for one in packet.layers if one.start <= byte < one.stop), "data")
