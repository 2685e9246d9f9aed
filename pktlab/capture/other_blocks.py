"""The pcapng blocks that hold no packet: what they say, and how they are written again.

    4    name resolution         addresses and names, with options
    5    interface statistics    how many packets were received and dropped
    9    systemd journal         text
    10   decryption secrets      e.g. TLS keys
    0xBAD, 0x40000BAD            custom: of a maker who has a number; the latter is not to be copied

Everything is written little-endian. A block of a big-endian section is turned round number by number where its
form is known, and left out where it is not.

Spec: draft-ietf-opsawg-pcapng sections 4.5 to 4.8.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from struct import Struct
from typing import Literal

from pktlab.capture.options import Option, parse_options

__all__ = [
    "INTERFACE_STATISTICS",
    "MAX_KEPT_LEN",
    "MIN_KEPT_LEN",
    "Block",
    "block_names",
    "interface_drops",
    "little_endian_body",
]

NAME_RESOLUTION, INTERFACE_STATISTICS, JOURNAL, SECRETS = 4, 5, 9, 10
CUSTOM, CUSTOM_NOT_COPIED = 0x0BAD, 0x4000_0BAD
MAX_KEPT_LEN = 16 << 20  # bytes of blocks that a reader holds in all
MIN_KEPT_LEN = 200  # bytes that a block takes in memory beside its body
_MAX_NAMES = 100_000

_COUNTERS = {4: "received", 5: "dropped", 6: "accepted", 7: "os_dropped", 8: "delivered"}
_HEAD_LENS = {INTERFACE_STATISTICS: 12}
_IPV4_RECORD, _IPV6_RECORD = 1, 2


@dataclass(frozen=True, slots=True)
class Block:
    """A block that holds no packet, as it stands in the file.

    >>> Block(10, "decryption secrets", 0, 48, bytes(8), "little").options
    ()
    """

    kind: int  # block type
    name: str  # of the type, e.g. "name resolution"
    section: int  # from 0
    offset: int  # byte of the (unpacked) stream at which it starts
    body: bytes  # without type and lengths, in the byte order of its section
    byte_order: Literal["little", "big"]

    @property
    def options(self) -> tuple[Option, ...]:
        """Its options, as far as they can be read; none for types whose form is not known."""
        at = self._options_at()
        if at is None:
            return ()
        return tuple(parse_options(self.body, at, len(self.body), self.pair)[0])

    @property
    def pair(self) -> Struct:
        """Two 16-bit numbers in its byte order: how options and name records begin."""
        return Struct("<HH" if self.byte_order == "little" else ">HH")

    def number(self, at: int) -> int:
        """Return the 32-bit number at a place of the body; 0 if the body ends before."""
        return int.from_bytes(self.body[at : at + 4], self.byte_order) if at + 4 <= len(self.body) else 0

    def _options_at(self) -> int | None:
        if self.kind == NAME_RESOLUTION:
            return _names_end(self)
        if self.kind == SECRETS:
            length = self.number(4)
            return 8 + length + -length % 4
        return _HEAD_LENS.get(self.kind)


def _name_records(block: Block) -> Iterator[tuple[int, int, bytes]]:
    """Yield place, type and value of the records of a name resolution block; the last one is of type 0."""
    at = 0
    while at + 4 <= len(block.body):
        kind, length = block.pair.unpack_from(block.body, at)
        yield at, kind, block.body[at + 4 : at + 4 + length]
        if kind == 0:
            return
        at += 4 + length + -length % 4


def _names_end(block: Block) -> int:
    ends = [at + 4 for at, kind, _ in _name_records(block) if kind == 0]
    return ends[0] if ends else len(block.body)


def block_names(blocks: Iterable[Block]) -> dict[str, str]:
    """Return what name resolution blocks say: address -> its first name; at most 100,000 of them.

    >>> body = bytes.fromhex("01000a00 c0000201 686f7374 31000000 00000000")
    >>> block_names([Block(4, "name resolution", 0, 0, body, "little")])
    {'192.0.2.1': 'host1'}
    """
    names: dict[str, str] = {}
    for block in blocks:
        if block.kind != NAME_RESOLUTION:
            continue
        for _, kind, value in _name_records(block):
            size = {_IPV4_RECORD: 4, _IPV6_RECORD: 16}.get(kind)
            if size is None or len(value) <= size or len(names) >= _MAX_NAMES:
                continue
            address = str(ipaddress.ip_address(value[:size]))
            names.setdefault(address, value[size:].partition(b"\0")[0].decode("utf-8", "replace"))
    return names


def interface_drops(blocks: Iterable[Block]) -> dict[tuple[int, int], dict[str, int]]:
    """Return the counters of interface statistics blocks, the last ones if there are several.

    Returns
    -------
    (section, interface id) -> `received`, `dropped`, `accepted`, `os_dropped`, `delivered`: packets, as far as
    given

    >>> body = bytes(12) + bytes.fromhex("05000800 0700000000000000 00000000")
    >>> interface_drops([Block(5, "interface statistics", 0, 0, body, "little")])
    {(0, 0): {'dropped': 7}}
    """
    counters: dict[tuple[int, int], dict[str, int]] = {}
    for block in blocks:
        if block.kind == INTERFACE_STATISTICS:
            here = counters.setdefault((block.section, block.number(0)), {})
            for code, value in block.options:
                if code in _COUNTERS and len(value) == 8:
                    here[_COUNTERS[code]] = int.from_bytes(value, block.byte_order)
    return counters


def little_endian_body(block: Block) -> bytes | None:
    """Return the body of a block for a little-endian section; None if it may not be copied or is of unknown form.

    >>> Block(4, "name resolution", 0, 0, bytes.fromhex("00010006 c0000201 61000000 00000000"), "big").pair.size
    4
    >>> little_endian_body(Block(4, "", 0, 0, bytes.fromhex("00010006 c0000201 61000000 00000000"), "big")).hex(" ", 4)
    '01000600 c0000201 61000000 00000000'
    """
    if block.kind == CUSTOM_NOT_COPIED:
        return None
    if block.byte_order == "little" or block.kind == JOURNAL:
        return block.body
    body = bytearray(block.body)
    if block.kind == NAME_RESOLUTION:
        for at, _, _ in _name_records(block):
            _swap(body, at, 2, 2)
        _swap_options(block, body, _names_end(block))
    elif block.kind == INTERFACE_STATISTICS:
        _swap(body, 0, 4, 4, 4)
        _swap_options(block, body, 12)
    elif block.kind == SECRETS:
        _swap(body, 0, 4, 4)
        _swap_options(block, body, 8 + block.number(4) + -block.number(4) % 4)
    elif block.kind == CUSTOM:
        _swap(body, 0, 4)
    else:
        return None
    return bytes(body)


def _swap(body: bytearray, at: int, *sizes: int) -> None:
    """Turn round the numbers of these sizes that stand at `at`."""
    for size in sizes:
        body[at : at + size] = body[at : at + size][::-1]
        at += size


def _swap_options(block: Block, body: bytearray, at: int) -> None:
    for code, value in parse_options(block.body, at, len(block.body), block.pair)[0]:
        _swap(body, at, 2, 2)
        if block.kind == INTERFACE_STATISTICS and code in (2, 3):
            _swap(body, at + 4, 4, 4)  # a time: its high and its low half
        elif block.kind == INTERFACE_STATISTICS and code in _COUNTERS:
            _swap(body, at + 4, len(value))
        elif code in (2988, 2989, 19372, 19373):
            _swap(body, at + 4, 4)  # the number of the maker
        at += 4 + len(value) + -len(value) % 4
