"""The one thing that Wireshark's tools can't do to a capture: take the name of the machine out of it.

dumpcap writes the processor and the kernel of the machine into every file. Here both options are left out;
every other byte stays. Only little-endian files are read, which is what dumpcap writes on today's machines.

Spec: draft-ietf-opsawg-pcapng sections 3.1 (blocks), 3.5 (options), 4.1 (section header), 4.2 (interface).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

__all__ = ["without_machine"]

BLOCK_HEAD = struct.Struct("<II")  # type, length of the whole block
OPTION_HEAD = struct.Struct("<HH")  # code, length of the value
LENGTH = struct.Struct("<I")
SECTION_HEADER, INTERFACE = 0x0A0D0D0A, 1
OPTIONS_AT = {SECTION_HEADER: 24, INTERFACE: 16}
MACHINE_OPTIONS = {SECTION_HEADER: {2, 3}, INTERFACE: {12}}  # shb_hardware, shb_os; if_os


def options(area: bytes) -> Iterator[tuple[int, bytes]]:
    r"""Yield the code of each option and all its bytes, head and padding included.

    >>> list(options(bytes.fromhex("02000300 41424300 00000000")))
    [(2, b'\x02\x00\x03\x00ABC\x00'), (0, b'\x00\x00\x00\x00')]
    """
    offset = 0
    while offset < len(area):
        code, length = OPTION_HEAD.unpack_from(area, offset)
        end = offset + OPTION_HEAD.size + -(-length // 4) * 4
        yield code, area[offset:end]
        offset = end


def blocks(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the type of each block and all its bytes."""
    offset = 0
    while offset < len(content):
        kind, length = BLOCK_HEAD.unpack_from(content, offset)
        yield kind, content[offset : offset + length]
        offset += length


def without_machine(content: bytes) -> bytes:
    """Return a pcapng file without the options that describe the machine it was captured on."""
    kept = []
    for kind, block in blocks(content):
        if kind in OPTIONS_AT:
            start, end = OPTIONS_AT[kind], len(block) - LENGTH.size
            left = b"".join(o for code, o in options(block[start:end]) if code not in MACHINE_OPTIONS[kind])
            length = start + len(left) + LENGTH.size
            block = BLOCK_HEAD.pack(kind, length) + block[8:start] + left + LENGTH.pack(length)
        kept.append(block)
    return b"".join(kept)
