"""Checksums put right, and nothing else touched.

Sums are repaired from the innermost out, since an outer one may cover an inner one; an outer sum that was right is
taken again when something under it changed, one that was absent stays absent. Packets in which every sum is good or
absent come out as they went in. A datagram in fragments is repaired in the fragment that holds the field, so its file
is read twice: the place of the field is known only when the last fragment has been seen.

What is malformed or unverified is left alone: nobody knows what its sum should be.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import Self

from pktlab.api import Capture, Protocols
from pktlab.flows import Whole, piece_of
from pktlab.packets import Packet
from pktlab.wire.coverage import Coverage, coverage
from pktlab.wire.dissection import Dissection
from pktlab.wire.verdict import Judgement, Verdict, expected_checksum

__all__ = ["REPAIRED", "Change", "Repair", "Repairs", "sums_put_right"]

REPAIRED = (Verdict.bad, Verdict.partial, Verdict.illegal_zero)
"""Verdicts that are repaired unless others are asked for; no other can be."""


@dataclass(frozen=True)
class Change:
    """One checksum put right: `before` and `after`, `width` bytes at `offset` of the frame, and the verdict it had."""

    protocol: str
    offset: int
    before: int
    after: int
    verdict: Verdict
    width: int = 2

    def write(self, data: bytearray) -> None:
        """Put the right value into the frame's bytes."""
        data[self.offset : self.offset + self.width] = self.after.to_bytes(self.width, "big")


@dataclass
class Repair:
    """A packet, its bytes with the sums right, what changed, and the verdicts that had to be left."""

    packet: Packet
    data: bytes
    changes: list[Change] = field(default_factory=list)
    left: list[Judgement] = field(default_factory=list)


class Repairs:
    """A capture whose packets come out repaired.

    Parameters
    ----------
    path : the capture; it is read twice, the first time at once
    only : verdicts to repair, of `REPAIRED`
    protocols, salvage : as for `pktlab.open`

    Raises
    ------
    ValueError : `only` holds a verdict that cannot be repaired
    CaptureError : there is nothing to read
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        only: Collection[Verdict] = REPAIRED,
        protocols: Protocols | None = None,
        salvage: bool = False,
    ) -> None:
        wrong = [str(verdict) for verdict in only if verdict not in REPAIRED]
        if wrong:
            raise ValueError(f"{', '.join(wrong)} cannot be repaired; only {', '.join(REPAIRED)} can")
        self.only = only
        in_fragments = _FragmentChanges(only)
        with Capture(path, protocols, salvage=salvage) as first:
            for packet in first:
                in_fragments.add(packet)
        self._in_fragments = in_fragments.changes
        self.capture = Capture(path, protocols, salvage=salvage)

    def __iter__(self) -> Iterator[Repair]:
        for packet in self.capture:
            yield _repaired(packet, self.only, self._in_fragments.get(packet.number, []))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.capture.close()


def _repaired(packet: Packet, only: Collection[Verdict], known: list[Change]) -> Repair:
    repair = Repair(packet, packet.data, list(known))
    data = bytearray(packet.data)
    for change in known:
        change.write(data)
    changes, left = sums_put_right(packet.dissection, packet.judgements, data, only, cut=packet.is_cut)
    repair.changes += changes
    repair.left = [one for one in left if not packet.is_fragment or one.verdict is not Verdict.unverified]
    repair.data = bytes(data)
    return repair


def sums_put_right(
    packet: Dissection, judgements: list[Judgement], data: bytearray, only: Collection[Verdict], *, cut: bool = False,
    whole: bool = False,
) -> tuple[list[Change], list[Judgement]]:  # fmt: skip
    """Write the right sums into `data`; return what changed and the verdicts that were left."""
    changes: list[Change] = []
    left = []
    for judgement in sorted(judgements, key=lambda one: one.layer, reverse=True):
        covered = coverage(packet, judgement.layer, whole=whole, cut=cut)
        if not isinstance(covered, Coverage) or judgement.found is None:
            left.append(judgement)
            continue
        touched = any(covered.start <= change.offset < covered.end for change in changes)
        if judgement.verdict in only or (touched and judgement.verdict is Verdict.good):
            right = expected_checksum(bytes(data), covered)
            width = covered.rule.width
            change = Change(judgement.protocol, covered.at, judgement.found, right, judgement.verdict, width)
            change.write(data)
            changes.append(change)
        elif judgement.verdict not in (Verdict.good, Verdict.absent):
            left.append(judgement)
    return changes, left


MAX_WAITING = 65_536
"""Fragments whose datagrams are not complete that are kept in mind."""


class _FragmentChanges:
    """What has to change in fragments, found out when their datagrams complete. `changes` is by frame number."""

    def __init__(self, only: Collection[Verdict]) -> None:
        self.only = only
        self.changes: dict[int, list[Change]] = {}
        self._waiting: dict[
            int, tuple[int, int, int]
        ] = {}  # by frame: offset in the datagram, length, offset in the frame

    def add(self, packet: Packet) -> None:
        """Take the next packet of the capture."""
        piece = piece_of(packet.dissection)
        if piece is None:
            return
        self._waiting[packet.number] = piece.offset, len(piece.payload), piece.start
        if packet.whole is not None and packet.whole_dissection is not None:
            if not packet.whole.overlapped:
                self._repair(packet.whole, packet.whole_dissection, packet.whole_judgements)
            for frame in packet.whole.frames:
                self._waiting.pop(frame, None)
        if len(self._waiting) > MAX_WAITING:
            self._waiting.pop(next(iter(self._waiting)))

    def _repair(self, whole: Whole, dissection: Dissection, judgements: list[Judgement]) -> None:
        changes, _ = sums_put_right(dissection, judgements, bytearray(whole.data), self.only, whole=True)
        for change in changes:
            at = change.offset - whole.head_len
            for frame in whole.frames:
                offset, length, start = self._waiting.get(frame, (0, 0, 0))
                if offset <= at < offset + length:
                    moved = replace(change, offset=start + at - offset)
                    self.changes.setdefault(frame, []).append(moved)
