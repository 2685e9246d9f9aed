"""The kernel that tells by an Internet checksum whether bytes are as they were sent."""

from __future__ import annotations

import numpy as np

from pktlab.columns.compiled import called
from pktlab.columns.kernels_bits import folded, load64, reversed_bytes, sum_at, swapped

__all__ = ["ABSENT", "BAD", "GOOD", "PARTIAL", "UNVERIFIED", "judged_sum"]

GOOD, BAD, PARTIAL, ABSENT, UNVERIFIED = 1, 2, 3, 4, 6  # places in `scan.VERDICTS`


@called
def judged_sum(base, head, address, pos, stop, address_at, proto, flags):
    """Return the verdict on the checksum of a header, and the value that is right.

    base : address that offsets count from; head, address : HEAD, of the header and of the IP header in front of it
    pos, stop : where what is covered starts and ends; address_at : where the IP header starts
    proto : protocol number of the pseudo-header; flags : of the packet, as pcapng has them, or -1
    """
    whole, front = sum_at(base + pos, stop - pos), np.uint64(0)
    if head.sum_pseudo:
        address_len = np.int64(address.address_len)
        front = sum_at(base + address_at + address.source, address_len)
        front += sum_at(base + address_at + address.destination, address_len)
        front += swapped(proto) + swapped(stop - pos)
        whole += front
    word = load64(base + pos + head.sum_at)
    right = ~folded(whole - (word & np.uint64(0xFFFF))) & 0xFFFF
    if right == 0:
        right = np.int64(head.zero_as)
    verdict = BAD
    if folded(whole) == 0xFFFF:
        verdict = GOOD
    elif head.sum_pseudo:
        field = np.int64(reversed_bytes(word) >> np.uint64(48))
        if field == folded(front) or (flags >= 0 and flags & 0x200):
            verdict = PARTIAL
    return verdict, right
