"""The framing of pcapng: blocks that begin and end with their total length, in the byte order of their section.

    type (4 bytes)    total length (4)    body, padded to four bytes    total length again (4)

`Blocks` moves from block to block and knows nothing of what they mean, but for the one thing that framing
depends on: a section header block says by its magic number in which byte order it and all that follow are
written.

Spec: draft-ietf-opsawg-pcapng sections 3.1 and 4.1.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Literal, NamedTuple, NoReturn

from pktlab.capture.window import Window
from pktlab.errors import DamagedCapture

__all__ = [
    "ENHANCED_PACKET",
    "INTERFACE",
    "LAYOUTS",
    "MAX_OTHER_LEN",
    "OBSOLETE_PACKET",
    "SECTION_HEADER",
    "SIMPLE_PACKET",
    "Blocks",
    "Layout",
    "byte_order_of",
]

SECTION_HEADER, INTERFACE, OBSOLETE_PACKET, SIMPLE_PACKET, ENHANCED_PACKET = 0x0A0D0D0A, 1, 2, 3, 6

# Blocks that are held in memory whole: name and shortest total length. All others are passed over.
_HELD: dict[int, tuple[str, int]] = {
    SECTION_HEADER: ("section header block", 28),
    INTERFACE: ("interface description block", 20),
    OBSOLETE_PACKET: ("packet block", 32),
    SIMPLE_PACKET: ("simple packet block", 16),
    ENHANCED_PACKET: ("enhanced packet block", 32),
}
_PASSED_OVER: dict[int, str] = {
    4: "name resolution",
    5: "interface statistics",
    7: "IRIG timestamp",
    8: "ARINC 429",
    9: "systemd journal",
    10: "decryption secrets",
    0x0BAD: "custom",
    0x4000_0BAD: "custom",
}
_MIN_LEN = 12
_LENGTH_LEN = 4

# The longest block without a packet that is held: as much as TLS secrets of some 5,000 connections take.
MAX_OTHER_LEN = 1 << 20

# The longest packet of any link type with 128 KiB of options, as Wireshark's MAX_BLOCK_SIZE.
_MAX_HELD_LEN = (128 << 20) + (128 << 10) + 32

_BYTE_ORDERS: dict[bytes, Literal["little", "big"]] = {
    b"\x4d\x3c\x2b\x1a": "little",
    b"\x1a\x2b\x3c\x4d": "big",
}


class Layout(NamedTuple):
    """The numbers at the start of each kind of block in one byte order; each begins at the block's type.

    >>> Layout.of("big").interface.size
    16
    """

    byte_order: Literal["little", "big"]
    block: Struct  # type, total length
    length: Struct  # total length, at the end
    section: Struct  # major and minor version
    interface: Struct  # link type, snapshot length
    enhanced: Struct  # interface, time high and low, captured length, length
    simple: Struct  # length
    obsolete: Struct  # interface, time high and low, captured length, length
    option: Struct  # code, length

    @classmethod
    def of(cls, byte_order: Literal["little", "big"]) -> Layout:
        """Return the layout for a byte order."""
        fields = ("II", "I", "12xHH8x", "8xH2xI", "8xIIIII", "8xI", "8xH2xIIII", "HH")
        endian = "<" if byte_order == "little" else ">"
        return cls(byte_order, *(Struct(endian + each) for each in fields))


LAYOUTS = {order: Layout.of(order) for order in _BYTE_ORDERS.values()}


def byte_order_of(magic: bytes) -> Literal["little", "big"] | None:
    """Return the byte order that the magic number of a section header stands for; None if it is none.

    >>> byte_order_of(bytes.fromhex("4d3c2b1a")), byte_order_of(bytes(4))
    ('little', None)
    """
    return _BYTE_ORDERS.get(magic)


class Blocks:
    """The blocks of a pcapng stream, one after the other.

    Between two calls of `next` the present block lies in `window.data` from `window.pos` on, `total` bytes
    long.

    Parameters
    ----------
    name : the file as the user named it, for errors
    window : the stream, at the start of a section header block

    >>> import io
    >>> from pktlab.capture.source import FileChunks
    >>> header = bytes.fromhex("0a0d0d0a 0000001c 1a2b3c4d 00010000 ffffffff ffffffff 0000001c")
    >>> blocks = Blocks("x", Window(FileChunks(io.BytesIO(header))))
    >>> blocks.next() == SECTION_HEADER, blocks.layout.byte_order, blocks.next()
    (True, 'big', None)
    """

    def __init__(self, name: str, window: Window) -> None:
        self.window = window
        self.layout = LAYOUTS["little"]
        self.start = window.offset  # byte of the stream at which the present block starts
        self.total = 0  # its length in bytes, padding and all
        self.packets = 0  # packets that were read so far, counted by who reads them
        self.skipped: dict[str, int] = {}  # blocks passed over, by the name of their type
        self.salvages = False  # never give up bytes that were not proven
        self.on_other: Callable[[int, str, bytes], None] | None = None  # gets type, name and body of a passed block
        self._name = name

    def next(self) -> int | None:
        """Move to the next block that is held and return its type; None at the end of the stream.

        Raises
        ------
        DamagedCapture : a block is cut, or its lengths are impossible
        """
        window = self.window
        kind: int
        while True:
            window.pos += self.total
            self.total = 0
            if len(window.data) - window.pos < _MIN_LEN and not self._fetch_header():
                return None
            data, pos = window.data, window.pos
            self.start = window.base + pos
            kind, claimed = self.layout.block.unpack_from(data, pos)
            if kind == SECTION_HEADER:
                self._switch_order(data[pos + 8 : pos + 12])
                _, claimed = self.layout.block.unpack_from(data, pos)
            held = _HELD.get(kind)
            if held is None:
                self._pass_over(kind, claimed)
                continue
            total = claimed + -claimed % 4  # some writers leave the padding out of the length, as libpcap knows
            if total < held[1] or total > len(data) - pos:
                self._fetch(kind, total)
                data, pos = window.data, window.pos
            (last,) = self.layout.length.unpack_from(data, pos + total - _LENGTH_LEN)
            if last != claimed and last != total:
                self.fail(f"the {held[0]} begins with length {claimed} and ends with length {last}")
            self.total = total
            return kind

    def fail(self, why: str) -> NoReturn:
        """Say that the present block is damaged."""
        raise DamagedCapture(self._name, self.start, self.packets, why)

    def _fetch_header(self) -> bool:
        have = self.window.fill(_MIN_LEN)
        self.start = self.window.offset
        if have >= _MIN_LEN:
            return True
        if have:
            self.fail(self.window.shortfall("a block", _MIN_LEN))
        if self.window.trouble:
            self.fail(self.window.trouble)
        return False

    def _switch_order(self, magic: bytes) -> None:
        if magic not in _BYTE_ORDERS:
            self.fail(f"the byte-order magic of the section is {magic.hex()}, neither 1a2b3c4d nor 4d3c2b1a")
        self.layout = LAYOUTS[_BYTE_ORDERS[magic]]

    def _fetch(self, kind: int, total: int) -> None:
        """Get the whole block into the window, or say why that cannot be."""
        name, shortest = _HELD[kind]
        if total < shortest:
            self.fail(f"the {name} claims {total} bytes, {shortest} are the least it can have")
        if total > _MAX_HELD_LEN:
            self.fail(f"the {name} claims {total} bytes, {_MAX_HELD_LEN} are the most it can have")
        if self.window.fill(total) < total:
            self.fail(self.window.shortfall(f"the {name}", total))

    def _pass_over(self, kind: int, claimed: int) -> None:
        """Move behind a block without a packet; one that is very long is not even held, it may be of any length."""
        name = _PASSED_OVER.get(kind, f"unknown (0x{kind:08x})")
        if claimed < _MIN_LEN:
            self.fail(f"the {name} block claims {claimed} bytes, {_MIN_LEN} are the least it can have")
        total = claimed + -claimed % 4
        body = b""
        if total <= MAX_OTHER_LEN:
            self._check_end(name, claimed, total)
            pos = self.window.pos
            body = self.window.data[pos + 8 : pos + total - _LENGTH_LEN]
            self.window.pos += total
        elif self.salvages:
            self.fail(f"the {name} block claims {total} bytes, which nothing proves")
        else:
            self._skip(name, claimed, total)
        self.skipped[name] = self.skipped.get(name, 0) + 1
        if self.on_other and total <= MAX_OTHER_LEN:
            self.on_other(kind, name, body)

    def _check_end(self, name: str, claimed: int, total: int) -> None:
        there = self.window.fill(total)
        if there < total:
            self._fail_cut(name, total, there)
        (last,) = self.layout.length.unpack_from(self.window.data, self.window.pos + total - _LENGTH_LEN)
        if last not in (claimed, total):
            self.fail(f"the {name} block begins with length {claimed} and ends with length {last}")

    def _skip(self, name: str, claimed: int, total: int) -> None:
        window = self.window
        if not window.skip(total - _LENGTH_LEN) or window.fill(_LENGTH_LEN) < _LENGTH_LEN:
            self._fail_cut(name, total, window.offset - self.start + window.fill(_LENGTH_LEN))
        (last,) = self.layout.length.unpack_from(window.data, window.pos)
        if last not in (claimed, total):
            self.fail(f"the {name} block begins with length {claimed} and ends with length {last}")
        window.pos += _LENGTH_LEN

    def _fail_cut(self, name: str, total: int, there: int) -> NoReturn:
        reason = f": {self.window.trouble}" if self.window.trouble else ""
        self.fail(f"the {name} block needs {total} bytes, the file ends after {there}{reason}")
