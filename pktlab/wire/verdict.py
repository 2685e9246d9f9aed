"""The verdict on each checksum of a packet, with the reason.

A verdict is one of seven words, not a boolean: whether a sum is wrong, was left to the network card, was never taken,
or cannot be judged from what was captured are different answers. A cause is given where one explains a wrong sum
exactly; what only fits is said to be "consistent with", and where nothing fits nothing is said.

Spec: RFC 1071; RFC 768 and RFC 8200 section 8.1 (a UDP checksum of zero); RFC 6935 and 6936 (tunnels over IPv6 that may
leave it out).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from pktlab.wire.causes import cause_of, crc_cause_of
from pktlab.wire.checksum import checksum, ones_sum
from pktlab.wire.coverage import FRAGMENT, Coverage, Doubt, checksum_field, coverage
from pktlab.wire.dissection import Dissection, Layer
from pktlab.wire.fills import Crc32c, InternetChecksum, crc32c_field
from pktlab.wire.header import Header
from pktlab.wire.ipsec import Esp
from pktlab.wire.udp import Udp

__all__ = ["STATUS", "Judgement", "Offload", "Verdict", "expected_checksum", "judge"]


class Verdict(StrEnum):
    """What can be said of a checksum."""

    good = "good"
    bad = "bad"
    partial = "partial"
    absent = "absent"
    illegal_zero = "illegal-zero"
    unverified = "unverified"
    malformed = "malformed"


STATUS = {
    Verdict.bad: 0, Verdict.partial: 0, Verdict.good: 1, Verdict.unverified: 2, Verdict.malformed: 2,
    Verdict.absent: 3, Verdict.illegal_zero: 4,
}  # fmt: skip
"""tshark's numbers for ``*.checksum.status``."""

ZERO_OVER_IPV6 = {4789: "VXLAN", 6081: "Geneve", 2152: "GTP-U", 4341: "LISP", 2268: "AMT", 6635: "MPLS-in-UDP"}
"""UDP ports of tunnels that may leave the checksum out over IPv6 (RFC 6935, 6936)."""


class Offload(StrEnum):
    """What the capture itself says of a packet's transport checksum (pcapng epb_flags, AF_PACKET auxiliary data)."""

    unknown = ""
    not_ready = "not ready"
    valid = "valid"


@dataclass(frozen=True)
class Judgement:
    """The verdict on one checksum.

    layer : index in the packet's layers; offset : of the field, bytes from the start of the packet, -1 if it was not
    read; found, expected : the stored value and the one a sender should have put there, None where not known;
    cause : what made a bad sum bad, empty if nothing explains it; note : anything else worth knowing
    """

    layer: int
    protocol: str
    offset: int
    verdict: Verdict
    found: int | None = None
    expected: int | None = None
    cause: str = ""
    note: str = ""

    def __str__(self) -> str:
        reason = self.cause or self.note
        return f"{self.protocol} checksum {self.verdict}" + (f": {reason}" if reason else "")


def judge(
    packet: Dissection, *, whole: bool = False, cut: bool = False, offload: Offload = Offload.unknown
) -> list[Judgement]:
    """Return the verdict on every checksum of a packet, outermost first; quoted packets get none.

    Parameters
    ----------
    packet : a dissected packet
    whole : it is a datagram put together from fragments
    cut : fewer bytes were captured than were on the wire
    offload : what the capture says of the innermost transport checksum

    >>> from pktlab.wire.dissection import dissect
    >>> from pktlab.wire.ipv4 import Ip
    >>> data = bytes.fromhex("4500001c000000004011 7ccf 7f0000017f000001 0035 0045 0008 fe1b".replace(" ", ""))
    >>> [str(one) for one in judge(dissect(data, Ip))]
    ['ip checksum good', 'udp checksum partial: the field holds the pseudo-header sum: left to the network card']
    """
    return list(_judgements(packet, whole, cut, offload))


def _judgements(packet: Dissection, whole: bool, cut: bool, offload: Offload) -> Iterator[Judgement]:
    for index, layer in enumerate(packet.layers):
        if layer.quoted or layer.header is None:
            continue
        if isinstance(layer.header, Esp):
            yield Judgement(index, "esp", -1, Verdict.unverified, note="encrypted: what is inside cannot be summed")
            continue
        if whole and index == 0:
            continue  # a header that was put together is nobody's; those of the fragments were judged
        covered = coverage(packet, index, whole=whole, cut=cut)
        if covered is not None:
            yield _judge_layer(packet, index, covered, offload)


def _judge_layer(packet: Dissection, index: int, covered: Coverage | Doubt, offload: Offload) -> Judgement:
    layer = packet.layers[index]
    assert layer.header is not None
    found = _stored(layer)
    at = _field_offset(layer.header, layer.start) if found is not None else -1
    if isinstance(covered, Doubt) and (covered.certain or found is None):
        verdict = Verdict.malformed if covered.certain else Verdict.unverified
        return Judgement(index, layer.protocol, at, verdict, found, note=covered.why)
    if found == 0 and covered is not FRAGMENT:
        zero = _zero(packet, index, at)
        if zero is not None:
            return zero
    if isinstance(covered, Doubt):
        return Judgement(index, layer.protocol, at, Verdict.unverified, found, note=covered.why)
    assert found is not None
    return _compare(packet, index, covered, found, offload)


def _stored(layer: Layer) -> int | None:
    field = None if layer.header is None else checksum_field(layer.header)
    if field is None or layer.header is None or field[0].index >= len(layer.header._raw):
        return None
    return int(layer.header._raw[field[0].index])


def _field_offset(header: Header, start: int) -> int:
    field = checksum_field(header)
    assert field is not None
    return start + (field[0].row.offset or 0)


def _zero(packet: Dissection, index: int, at: int) -> Judgement | None:
    """Return the verdict on a stored zero, where that says something else than a sum."""
    layer = packet.layers[index]
    field = None if layer.header is None else checksum_field(layer.header)
    rule = None if field is None else field[1]
    if isinstance(rule, InternetChecksum) and rule.zero_is_illegal:
        return Judgement(index, layer.protocol, at, Verdict.illegal_zero, 0, note="it must have a checksum")
    return _zero_in_udp(packet, index, at) if isinstance(layer.header, Udp) else None


def _zero_in_udp(packet: Dissection, index: int, at: int) -> Judgement:
    header = packet.layers[index].header
    assert isinstance(header, Udp)
    over = next((one.protocol for one in reversed(packet.layers[:index]) if one.protocol in ("ip", "ipv6")), "")
    if over != "ipv6":
        return Judgement(index, "udp", at, Verdict.absent, 0, note="the sender took no checksum")
    tunnel = ZERO_OVER_IPV6.get(header.dstport) or ZERO_OVER_IPV6.get(header.srcport)
    if tunnel:
        return Judgement(index, "udp", at, Verdict.absent, 0, note=f"{tunnel} may leave it out over IPv6")
    return Judgement(index, "udp", at, Verdict.illegal_zero, 0, note="UDP over IPv6 must have a checksum")


def expected_checksum(data: bytes, covered: Coverage) -> int:
    """Return what the field should hold: the checksum over everything covered, the field taken as zero.

    `data` are the packet's bytes.
    """
    width = covered.rule.width
    summed = data[covered.start : covered.at] + bytes(width) + data[covered.at + width : covered.end]
    if isinstance(covered.rule, Crc32c):
        return crc32c_field(summed)
    return checksum(summed, _pseudo_sum(covered)) or covered.rule.zero_as


def _pseudo_sum(covered: Coverage) -> int:
    return 0 if covered.pseudo is None else ones_sum(covered.pseudo.build())


def _compare(packet: Dissection, index: int, covered: Coverage, found: int, offload: Offload) -> Judgement:
    protocol = packet.layers[index].protocol
    pseudo = _pseudo_sum(covered)
    expected = expected_checksum(packet.data, covered)
    if isinstance(covered.rule, Crc32c):
        verdict = Verdict.good if found == expected else Verdict.bad
        cause = "" if found == expected else crc_cause_of(packet, covered, found)
        return Judgement(index, protocol, covered.at, verdict, found, expected, cause)
    notes = [covered.ends.note] if covered.ends is not None and covered.ends.note else []
    if ones_sum(packet.data[covered.start : covered.end], pseudo) == 0xFFFF:
        if found == 0xFFFF and expected == 0:
            notes.append("minus-zero: 0xffff stands for 0x0000; some receivers refuse it")
        return Judgement(index, protocol, covered.at, Verdict.good, found, expected, note="; ".join(notes))
    if covered.rule.pseudo and (found == pseudo or offload is Offload.not_ready):
        why = "the field holds the pseudo-header sum" if found == pseudo else "the capture says: not ready"
        notes.append(f"{why}: left to the network card")
        return Judgement(index, protocol, covered.at, Verdict.partial, found, expected, note="; ".join(notes))
    if offload is Offload.valid and covered.rule.pseudo:
        notes.append("although the capture says that the network card found it valid")
    cause = cause_of(packet, index, covered, found, expected)
    return Judgement(index, protocol, covered.at, Verdict.bad, found, expected, cause, "; ".join(notes))
