"""The Internet checksum's arithmetic: RFC 1071, with the incremental update of RFC 1624.

A checksum is the complement of the one's-complement sum of the data as 16-bit big-endian words. In one's complement
a carry out of the top bit is added at the bottom, which is arithmetic modulo 65535 in which zero has two forms: 0x0000
(+0) and 0xFFFF (-0). The sum of data that are not all zero is never +0; that is what tells "no checksum" from "a sum
of zero" in UDP. So the whole of it is one remainder of a big integer, and a choice between the two zeros.

What a verdict is made of (fields, pseudo-headers, cuts, offload) is in `verdict`; here are only numbers.

SCTP has a CRC instead (`crc32c`), which also sees what a sum cannot: words that changed places.
"""

from __future__ import annotations

__all__ = ["checksum", "combine", "crc32c", "fold", "ones_sum", "swap", "update", "verify"]

_MODULUS = 0xFFFF


def fold(total: int) -> int:
    """Return `total` with its carries added in until 16 bits are left; 0 only for 0.

    >>> hex(fold(0x2DDF0)), hex(fold(0xFFFF)), hex(fold(0x1FFFE))
    ('0xddf2', '0xffff', '0xffff')
    """
    return total % _MODULUS or (_MODULUS if total else 0)


def ones_sum(data: bytes, initial: int = 0) -> int:
    """Return the 16-bit one's-complement sum of `data`, not complemented.

    Parameters
    ----------
    data : any length; an odd last byte is the high half of a word
    initial : sum carried in, e.g. of a pseudo-header

    Returns
    -------
    int in 0..0xFFFF; 0 only if everything summed is zero

    Spec: RFC 1071 section 1; the worked example is that of section 3.

    >>> hex(ones_sum(bytes.fromhex("0001f203f4f5f6f7")))
    '0xddf2'
    """
    number = int.from_bytes(data, "big")
    return fold((number << 8 if len(data) % 2 else number) + initial)


def checksum(data: bytes, initial: int = 0) -> int:
    """Return the 16-bit Internet checksum of `data`: the complement of `ones_sum`.

    Parameters and source as for `ones_sum`. Over data that hold their own right checksum it is 0. UDP sends 0xFFFF
    where this gives 0 (RFC 768); that rule is UDP's, not the checksum's.

    >>> hex(checksum(bytes.fromhex("0001f203f4f5f6f7")))
    '0x220d'
    >>> hex(checksum(bytes.fromhex("666055558f0c")))        # Kurose & Ross, 3.3.2
    '0xb53d'
    """
    return ones_sum(data, initial) ^ 0xFFFF


def verify(data: bytes, initial: int = 0) -> bool:
    """Tell whether `data`, which hold their checksum at an even offset, sum to 0xFFFF.

    >>> verify(bytes.fromhex("0001f203f4f5f6f7220d"))
    True
    """
    return ones_sum(data, initial) == 0xFFFF


def swap(word: int) -> int:
    """Return `word` with its two bytes exchanged.

    >>> hex(swap(0x220D))
    '0xd22'
    """
    return (word & 0xFF) << 8 | word >> 8


def combine(first: int, second: int, first_length: int) -> int:
    """Return the sum of two pieces from the sum of each.

    `first_length` is the length of the first piece in bytes: if it is odd, the second piece was summed one byte out of
    step, and its sum is byte-swapped before it is added (RFC 1071 section 2(B)).

    >>> data = bytes.fromhex("0001f203f4f5f6f7")
    >>> hex(combine(ones_sum(data[:3]), ones_sum(data[3:]), 3))
    '0xddf2'
    """
    return fold(first + (swap(second) if first_length % 2 else second))


def update(old_checksum: int, old: bytes, new: bytes, offset: int = 0) -> int:
    """Return the checksum after the bytes `old` were replaced by `new`, without the rest of the data.

    Parameters
    ----------
    old_checksum : as stored before, 0..0xFFFF
    old, new : what was there and what is there now, of the same length
    offset : where they start in the data that are summed, bytes; only whether it is odd matters

    Raises
    ------
    ValueError : `old` and `new` differ in length

    Spec: RFC 1624 section 3, equation 3, whose example this is; equation 2 (RFC 1141) gives 0xffff here, wrongly.

    >>> hex(update(0xDD2F, bytes.fromhex("5555"), bytes.fromhex("3285")))
    '0x0'
    """
    if len(old) != len(new):
        raise ValueError(f"old has {len(old)} bytes and new {len(new)}; an update replaces as many as it removes")
    before, after = (ones_sum(b"\0" * (offset % 2) + piece) for piece in (old, new))
    return fold((old_checksum ^ 0xFFFF) + (before ^ 0xFFFF) + after) ^ 0xFFFF


def _crc32c_table() -> tuple[int, ...]:
    """Return the remainders of all octets by the reversed polynomial 0x82F63B78 (RFC 9260 appendix A)."""
    table = []
    for octet in range(256):
        for _ in range(8):
            octet = octet >> 1 ^ (0x82F63B78 if octet & 1 else 0)
        table.append(octet)
    return tuple(table)


_CRC32C = _crc32c_table()


def crc32c(data: bytes) -> int:
    """Return the 32-bit CRC of Castagnoli's polynomial over `data`, any length.

    Spec: RFC 9260 appendix A; the check value is that of RFC 3720's generator.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    register = 0xFFFFFFFF
    for octet in data:
        register = register >> 8 ^ _CRC32C[(register ^ octet) & 0xFF]
    return register ^ 0xFFFFFFFF
