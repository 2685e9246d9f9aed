"""Why a sum is wrong: each cause is an exact test on one packet, tried in the order of how much it explains.

The first ones recompute the sum as a known mistake would and compare; only the last, one flipped bit, is no proof
(any single wrong word could be it) and is said to be "consistent with".
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

from pktlab.wire.checksum import checksum, swap
from pktlab.wire.coverage import Coverage
from pktlab.wire.dissection import Dissection
from pktlab.wire.ipv4 import Ip
from pktlab.wire.ipv6 import Ipv6
from pktlab.wire.pseudo import Ends, pseudo_header

__all__ = ["cause_of", "crc_cause_of"]

TRIVIAL = (0x0000, 0xFFFF, 0xABAB)
"""Values that senders leave in a field that the network card was to fill."""


def cause_of(packet: Dissection, index: int, covered: Coverage, found: int, expected: int) -> str:
    """Return what explains the wrong value `found`, or an empty string.

    Parameters
    ----------
    packet, index : the packet, and the layer in it whose checksum is wrong
    covered : what a right sum covers
    found, expected : the stored value and the right one
    """
    for test in _TESTS:
        cause = test(packet, index, covered, found, expected)
        if cause:
            return cause
    return ""


def crc_cause_of(packet: Dissection, covered: Coverage, found: int) -> str:
    """Return what explains the wrong CRC `found`, or an empty string; parameters as for `cause_of`."""
    if not found:
        return "zero-filled, as a sender leaves it to the network card"
    data = packet.data[covered.start : covered.at] + bytes(4) + packet.data[covered.at + 4 : covered.end]
    if found == zlib.adler32(data):
        return "an Adler-32, which SCTP had before RFC 3309"
    return ""


def _taken(packet: Dissection, covered: Coverage, *, end: int, ends: Ends | None, length: int) -> int:
    """Return the checksum as a sender takes it who covers up to `end`, between `ends`, with `length`."""
    data = packet.data[covered.start : covered.at] + b"\0\0" + packet.data[covered.at + 2 : end]
    front = b"" if ends is None else pseudo_header(ends, length).build()
    return checksum(front + data) or getattr(covered.rule, "zero_as", 0)


def _byte_swapped(packet: Dissection, index: int, covered: Coverage, found: int, expected: int) -> str:
    if found == swap(expected) and found != expected:
        return "byte-swapped: the right bytes in the wrong order"
    return ""


def _header_ends(packet: Dissection, index: int, covered: Coverage, found: int, expected: int) -> str:
    ends = covered.ends
    if ends is None or not ends.note:
        return ""
    ip = next(one.header for one in reversed(packet.layers[:index]) if isinstance(one.header, Ip | Ipv6))
    assert isinstance(ip, Ip | Ipv6)
    mistakes = (
        (ip.dst, ends.src, "taken with the destination of the IP header, not the final one"),
        (ends.dst, ip.src, "taken without the Home Address, with the source of the IP header"),
        (ip.dst, ip.src, "taken with both addresses of the IP header"),
    )
    for dst, src, what in mistakes:
        if (dst, src) == (ends.dst, ends.src):
            continue
        wrong = Ends(ends.version, src, dst, ends.proto)
        if _taken(packet, covered, end=covered.end, ends=wrong, length=covered.length) == found:
            return what
    return ""


def _too_much(packet: Dissection, index: int, covered: Coverage, found: int, expected: int) -> str:
    enclosing = max((one.end for one in packet.layers[:index] if isinstance(one.header, Ip | Ipv6)), default=0)
    for end, what in (
        (enclosing, "taken over the surplus area behind udp.length too"),
        (len(packet.data), "taken over the Ethernet padding or trailer too"),
    ):
        if end <= covered.end:
            continue
        for length in (covered.length, end - covered.start):
            if _taken(packet, covered, end=end, ends=covered.ends, length=length) == found:
                return what
    return ""


def _other_length(packet: Dissection, index: int, covered: Coverage, found: int, expected: int) -> str:
    if covered.ends is None:
        return ""
    enclosing = next((one for one in reversed(packet.layers[:index]) if isinstance(one.header, Ip | Ipv6)), None)
    if enclosing is None:
        return ""
    total = enclosing.end - enclosing.start
    lengths = (
        (enclosing.end - covered.start, "the pseudo-header was given the length of the IP payload"),
        (total, "the pseudo-header was given the total length of the IP packet"),
        (0, "the pseudo-header was given no length"),
    )
    for length, what in lengths:
        taken = _taken(packet, covered, end=covered.end, ends=covered.ends, length=length)
        if length != covered.length and taken == found:
            return what
    return ""


def _trivial(packet: Dissection, index: int, covered: Coverage, found: int, expected: int) -> str:
    if found in TRIVIAL:
        return f"the field is {found:#06x}, as offload leaves it that fills nothing in"
    return ""


def _one_bit(packet: Dissection, index: int, covered: Coverage, found: int, expected: int) -> str:
    difference = (found - expected) % 0xFFFF
    for column in range(16):
        if difference in (1 << column, 0xFFFF - (1 << column)):
            return f"consistent with one flipped bit in column {column}"
    return ""


_Test = Callable[[Dissection, int, Coverage, int, int], str]
_TESTS: tuple[_Test, ...] = (_byte_swapped, _header_ends, _too_much, _other_length, _trivial, _one_bit)
