"""Packets that are wrong on purpose: a checksum set to a given value, and near misses, in which one thing is off.

What a change makes wrong elsewhere is put right again: the sums of tunnels around a changed checksum, and the sums over
a changed length. So a receiver that takes a near miss for right has missed just that one thing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pktlab.errors import CraftError
from pktlab.packets import Packet
from pktlab.patches import apply_patches, patch_of
from pktlab.repair import REPAIRED, sums_put_right
from pktlab.wire.checksum import ones_sum
from pktlab.wire.coverage import Coverage, Doubt, coverage
from pktlab.wire.dissection import Layer
from pktlab.wire.rows import Found
from pktlab.wire.verdict import Judgement, Verdict, expected_checksum

__all__ = ["WISHES", "near_misses", "with_checksum"]

WISHES = ("good", "bad", "zero", "partial")
"""What a checksum may be asked to be, beside a number."""
_MASKS = (0x5555, 0x0F0F, 0x1234)
"""What is put over a right sum to have a wrong one; the first that is not right in another way is taken."""


def with_checksum(packet: Packet, wish: str | int) -> Packet:
    """Return `packet` with the checksum of its innermost transport header set on purpose.

    Parameters
    ----------
    packet : what to change; it stays as it is
    wish : one of `WISHES`, or the very value

    Raises
    ------
    CraftError : it has no such checksum, the value does not fit, or there is no pseudo-header to be left with
    ValueError : `wish` is none of these

    >>> import pktlab
    >>> packet = pktlab.packet(bytes.fromhex("4500001c0000000040117ccf7f0000017f000001003500450008fe1b"), as_="ip")
    >>> [with_checksum(packet, wish)["udp.checksum.verdict"] for wish in (*WISHES, 0x1234)]
    ['good', 'bad', 'absent', 'partial', 'bad']
    """
    if not isinstance(wish, int) and wish not in WISHES:
        raise ValueError(f"{wish!r}: a checksum is made {', '.join(WISHES)}, or a number such as 0x1234")
    judgement, covered = _innermost(packet)
    right = expected_checksum(packet.data, covered)
    if wish == "bad":
        made = (_with_value(packet, judgement, covered, right ^ mask) for mask in _MASKS)
        return next(one for one in made if _verdict(one, judgement.layer) is Verdict.bad)
    value = right if wish == "good" else 0 if wish == "zero" else wish
    if wish == "partial":
        if covered.pseudo is None:
            raise CraftError(f"packet {packet.number}: {judgement.protocol} has no pseudo-header to sum in advance")
        value = ones_sum(covered.pseudo.build())
    assert isinstance(value, int)
    if not 0 <= value < 1 << 8 * covered.rule.width:
        raise CraftError(f"the checksum {value:#x} does not fit {covered.rule.width} bytes")
    return _with_value(packet, judgement, covered, value)


def _innermost(packet: Packet) -> tuple[Judgement, Coverage]:
    """Return the verdict on the innermost checksum that is not of an IP header, and what that covers."""
    found = next((one for one in reversed(packet.judgements) if one.protocol != "ip" and one.offset >= 0), None)
    if found is None:
        raise CraftError(f"packet {packet.number} has no transport checksum to set")
    covered = coverage(packet.dissection, found.layer, cut=packet.is_cut)
    if not isinstance(covered, Coverage):
        why = covered.why if isinstance(covered, Doubt) else "it was left out"
        raise CraftError(f"packet {packet.number}: the {found.protocol} checksum cannot be set: {why}")
    return found, covered


def _verdict(packet: Packet, layer: int) -> Verdict | None:
    return next((one.verdict for one in packet.judgements if one.layer == layer), None)


def _with_value(packet: Packet, judgement: Judgement, covered: Coverage, value: int) -> Packet:
    """Return the packet with the field set, and the sums around that cover it taken again if they were right."""
    data = bytearray(packet.data)
    data[covered.at : covered.at + covered.rule.width] = value.to_bytes(covered.rule.width, "big")
    for outer in reversed([one for one in packet.judgements if one.layer < judgement.layer]):
        around = coverage(packet.dissection, outer.layer, cut=packet.is_cut)
        if outer.verdict is Verdict.good and isinstance(around, Coverage) and around.start <= covered.at < around.end:
            width = around.rule.width
            data[around.at : around.at + width] = expected_checksum(bytes(data), around).to_bytes(width, "big")
    return packet.with_data(bytes(data))


# ---- near misses


def near_misses(packet: Packet) -> Iterator[Packet]:
    """Yield variants of `packet` in each of which one thing is off; its comment says what.

    >>> import pktlab
    >>> data = bytes.fromhex("450000200000000040117ccb7f0000017f00000100350045000cfbd061626364")
    >>> packet = pktlab.packet(data, as_="ip")
    >>> for one in list(near_misses(packet))[:4]:
    ...     print(one.comments[0], "|", one["udp.checksum.verdict"])
    udp checksum bad | bad
    udp checksum zero | absent
    udp checksum partial | partial
    udp checksum byte-swapped | bad
    """
    seen = {packet.data}
    number = packet.number
    for what, data in _variants(packet):
        if data not in seen:
            seen.add(data)
            number += 1
            made = packet.with_data(data).record
            yield packet.with_record(replace(made, number=number, comments=(*made.comments, what)))


def _variants(packet: Packet) -> Iterator[tuple[str, bytes]]:
    yield from _wrong_sums(packet)
    for index, layer in enumerate(packet.layers):
        if layer.header is not None and layer.error is None and not layer.quoted:
            yield from _wrong_steering(packet, index, layer)
    yield from _wrong_payload(packet)
    yield "the last byte missing", packet.data[:-1]
    yield "a byte too many", packet.data + b"\0"


def _wrong_sums(packet: Packet) -> Iterator[tuple[str, bytes]]:
    try:
        judgement, covered = _innermost(packet)
    except CraftError:
        return
    name = f"{judgement.protocol} checksum"
    right = expected_checksum(packet.data, covered)
    wishes: dict[str, str | int] = {"bad": "bad", "zero": "zero"}
    if covered.pseudo is not None:
        wishes["partial"] = "partial"
    width = covered.rule.width
    wishes["byte-swapped"] = int.from_bytes(right.to_bytes(width, "big"), "little")
    wishes["off by one"] = (right + 1) & ((1 << 8 * width) - 1)
    wishes["all ones"] = (1 << 8 * width) - 1
    for what, wish in wishes.items():
        yield f"{name} {what}", with_checksum(packet, wish).data


def _wrong_steering(packet: Packet, index: int, layer: Layer) -> Iterator[tuple[str, bytes]]:
    """Yield the packet with each field that steers its reading one step up and down."""
    for found in layer.spans():
        if found.row.kind not in ("uint", "enum") or not _steers(layer, found):
            continue
        for step in (found.row.scale, -found.row.scale):
            try:
                patch = patch_of(found, found.value + step)
            except (TypeError, ValueError):
                continue  # it is at the end of what fits
            data = apply_patches(packet.data, [patch], 0, found.name)
            yield f"{found.name} {found.value} -> {found.value + step}", _with_right_sums(packet, data)


def _steers(layer: Layer, found: Found) -> bool:
    """Tell whether a field says how the header or what follows is read: it is in an expression, or has few values."""
    assert layer.header is not None
    header = layer.header
    declared = header.schema.declared.get(found.row.attr)
    if declared is None or found.row is not declared.row:
        return False
    lengths = {*header.schema.lengths, header._length_name}
    return found.row.attr in lengths or declared.min is not None or declared.equals is not None


def _with_right_sums(packet: Packet, data: bytes) -> bytes:
    changed = packet.with_data(data)
    fixed = bytearray(data)
    sums_put_right(changed.dissection, changed.judgements, fixed, REPAIRED, cut=changed.is_cut)
    return bytes(fixed)


def _wrong_payload(packet: Packet) -> Iterator[tuple[str, bytes]]:
    """Yield the packet with a damaged payload: once so that the sum sees it, once so that it cannot."""
    body = next((one for one in reversed(packet.layers) if one.header is None and one.stop > one.start), None)
    if body is None:
        return
    data = bytearray(packet.data)
    data[body.start] ^= 0x80
    yield f"a bit of byte {body.start} flipped", bytes(data)
    first = body.start + body.start % 2
    if first + 4 <= body.stop:
        words = packet.data[first : first + 2], packet.data[first + 2 : first + 4]
        swapped = packet.data[:first] + words[1] + words[0] + packet.data[first + 4 :]
        yield f"the words at bytes {first} and {first + 2} swapped, which no sum sees", swapped
