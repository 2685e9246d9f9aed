"""Bytes as people paste them: plain hex in any grouping, or a dump with offsets in front and characters behind."""

from __future__ import annotations

import re

__all__ = ["read_hex"]

_DUMP_LINE = re.compile(r"\s*(?:0x)?([0-9A-Fa-f]{4,8}):?\s+((?:[0-9A-Fa-f]{2}){1,4}(?:\s.*)?)")
_SEPARATORS = re.compile(r"0x|\\x|[\s:,;|._-]+", re.IGNORECASE)


def read_hex(text: str) -> bytes:
    r"""Return the bytes that `text` stands for.

    Read are hex digits with or without spaces, colons, commas, dashes, ``0x`` and ``\x`` between the bytes; and dumps
    as tcpdump -x, tshark -x, xxd, hexdump -C and pktlab print them.

    Raises
    ------
    ValueError : something in it is no hex, or half a byte is left; says where

    >>> read_hex("45 00:001c"), read_hex("0x45, 0x00")
    (b'E\x00\x00\x1c', b'E\x00')
    >>> read_hex("\t0x0000:  4500 001c 0000  E.....\n\t0x0006:  4011  @.")
    b'E\x00\x00\x1c\x00\x00@\x11'
    """
    lines = [line for line in text.splitlines() if line.strip()]
    dump = _read_dump(lines)
    if dump is not None:
        return dump
    digits = _SEPARATORS.sub("", text)
    bad = re.search(r"[^0-9A-Fa-f ]", _SEPARATORS.sub(lambda found: " " * len(found[0]), text))
    if bad is not None:
        raise ValueError(f"{bad[0]!r} at character {bad.start() + 1} is no hex")
    if len(digits) % 2:
        raise ValueError(f"{len(digits)} hex digits are not whole bytes")
    return bytes.fromhex(digits)


def _read_dump(lines: list[str]) -> bytes | None:
    """Return the bytes of a dump; None if `lines` are none: its offsets have to count its bytes."""
    data = b""
    found = [_DUMP_LINE.fullmatch(line) for line in lines]
    offsets = [-1 if match is None else int(match[1], 16) for match in found]
    if not lines or offsets[0] != 0:
        return None
    for index, match in enumerate(found):
        if match is None or offsets[index] != len(data):
            is_end = match is None and index > 0 and not re.search(r"\w\w.*\w\w", lines[index])
            return data if is_end else _closed(lines[index:], offsets[index], data)
        upto = offsets[index + 1] - offsets[index] if index + 1 < len(lines) else 16
        if not 0 < upto <= 64:
            upto = 16
        data += _dump_bytes(match[2], upto)
    return data


def _closed(rest: list[str], offset: int, data: bytes) -> bytes | None:
    """Return `data` if all that is left is the offset behind them, as hexdump -C ends."""
    is_total = len(rest) == 1 and re.fullmatch(r"\s*[0-9A-Fa-f]{4,8}\s*", rest[0])
    return data if is_total and int(rest[0], 16) == len(data) else None


def _dump_bytes(text: str, most: int) -> bytes:
    """Return up to `most` bytes of a line; two spaces end them, except in the middle of 16."""
    data = b""
    for gap, group in re.findall(r"(\s*)(\S+)", text):
        is_over = len(gap) > 1 and len(data) != 8
        if is_over or len(data) >= most or not re.fullmatch(r"(?:[0-9A-Fa-f]{2})+", group):
            break
        data += bytes.fromhex(group)
    return data[:most]
