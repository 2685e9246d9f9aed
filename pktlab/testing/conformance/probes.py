"""For verifiers: packets that hold what a mistaken sender would write. Who makes the same mistake accepts them."""

from __future__ import annotations

from collections.abc import Iterator

from pktlab.testing.conformance.kinds import Kind, Made, Parts, case_of, place_of
from pktlab.testing.conformance.mistakes import blank, coverings, field
from pktlab.testing.conformance.wrong_sums import wrong_sums
from pktlab.wire.checksum import checksum, ones_sum, swap

__all__ = ["probes"]


def probes(kind: Kind, base: Parts) -> Iterator[Parts]:
    """Yield, for a verifier, the packet of `base` with every wrong checksum in turn; no two are the same.

    >>> from pktlab.testing.conformance.kinds import KINDS
    >>> [parts[-1].hex() for parts in probes(KINDS["verify-internet"], (b"a", b"", b""))][:3]
    ['9eff', '6100', '6161']
    """
    *plain, _, _ = base
    right = case_of(kind, (*plain, b"\0\0", b"\0\0")).made
    where = place_of(right.free, right.at)
    masks = dict.fromkeys(value ^ field(right) for value in _values(kind, blank(right)))
    yield from ((*plain, where, mask.to_bytes(2, "big")) for mask in masks if mask)


def _values(kind: Kind, made: Made) -> Iterator[int]:
    """Yield what the field might hold; `made` has zero in it."""
    right = made.checksum
    yield from (0, 0xFFFF, swap(right), right ^ 0xFFFF, right - 1 & 0xFFFF, right + 1 & 0xFFFF)
    if made.addresses:
        yield ones_sum(made.pseudo)
    yield from (checksum(covering(made)) for _, _, covering in coverings(kind.base))
    yield from (one.summing(made.summed) for one in wrong_sums())
