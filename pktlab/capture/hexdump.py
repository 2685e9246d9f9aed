"""Read packets out of a text that shows them in hexadecimal.

    tcpdump -xx, -XX    a line that starts with the time, then "	0x0000:  4500 003c ...  E..<"
    tcpdump -x, -X      the same, but from the IP header on: then the line before says "IP" or "IP6", and the bytes
                        start with that version and hold no Ethernet type where one would stand
    tshark -x           "0000  45 00 00 3c ...   E..<", an empty line between packets
    od -Ax -tx1         "000000 45 00 00 3c ...", text2pcap's input; xxd: "00000000: 4500 003c ...  E..<"

A packet begins where the offset is 0 again. Lines without bytes are passed over, but a time in them is that of the
next packet (a time of day alone is taken as on 1970-01-01). A line whose offset does not go on where the one
before it ended is damage, as is one that has the next offset and then no bytes. A line "*" of od and xxd repeats
the one before it. The bytes of a line end at the first two blanks behind them, so that the text beside them is not
taken for bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Literal

from pktlab.capture.linktypes import MIN_LONGEST
from pktlab.capture.other_blocks import Block
from pktlab.capture.records import NS_PER_S, Interface, Record, Section
from pktlab.capture.salvage import Hole, note_hole
from pktlab.capture.window import Window
from pktlab.errors import DamagedCapture

__all__ = ["HexDumpDecoder", "is_hex_dump"]

_MAX_LINE = 4096  # bytes; longer lines are no dump
_ETHERNET, _RAW_IP = 1, 101

_TCPDUMP = re.compile(r"(?:\t| {0,8})0x([0-9a-f]{4,8}):\s\s?((?:[0-9a-f]{2,4}(?: |$))+)", re.IGNORECASE)
_XXD = re.compile(r"([0-9a-f]{7,8}): ((?:(?:[0-9a-f]{2}){1,8}(?: |$))+)", re.IGNORECASE)
_PLAIN = re.compile(
    r"\s*([0-9a-f]{3,8})(?:  ?| {3})((?:[0-9a-f]{2}(?: {1,2}(?=[0-9a-f]{2}(?: |$))| |$))+)", re.IGNORECASE
)
_OFFSET_ONLY = re.compile(r"\s*([0-9a-f]{6,8})\s*$", re.IGNORECASE)
_OFFSET = re.compile(r"\s*(?:0x)?([0-9a-f]{3,8})(?::|\s|$)", re.IGNORECASE)
_ETHERNET_TYPES = (b"\x08\x00", b"\x86\xdd", b"\x81\x00", b"\x88\xa8")
_BYTE_SOURCE = re.compile(r"(\S.*) \(\d+ bytes?\):$")  # as tshark heads the bytes of a frame, and of what it made of it
_IP_WORDS = {"IP": 4, "IP6": 6}
_TIME = re.compile(
    r"\s*(?:\d+ +)?(?:(\d{4}-\d\d-\d\d)[ T])?(?:(\d\d):(\d\d):(\d\d)|(\d{1,10}))[.,](\d{1,9})(?=\s|Z)\s*(?:Z\s*)?(\S*)"
)


def is_hex_dump(text: str) -> bool:
    r"""Say whether the start of a text shows the bytes of a packet.

    >>> is_hex_dump("0000  45 00 00 1c   E...\n"), is_hex_dump("0000 bottles of beer\n")
    (True, False)
    """
    return any(_bytes_of(line) is not None for line in text.splitlines())


def _bytes_of(line: str) -> tuple[int, bytes] | None:
    r"""Return the offset and the bytes that a line shows; None if it shows none.

    >>> _bytes_of("\t0x0010:  7f00 0001 00  .....")
    (16, b'\x7f\x00\x00\x01\x00')
    >>> _bytes_of("00000010: 7f00 0001                                ....")
    (16, b'\x7f\x00\x00\x01')
    """
    found = _TCPDUMP.match(line) or _XXD.match(line) or _PLAIN.match(line)
    if not found:
        return None
    digits = found[2].replace(" ", "")
    return (int(found[1], 16), bytes.fromhex(digits)) if len(digits) % 2 == 0 else None


class HexDumpDecoder:
    """The packets of a hex dump.

    Parameters
    ----------
    name : the file as the user named it, for errors
    window : the stream, at its start
    """

    format: Literal["pcap", "pcapng", "hex dump"] = "hex dump"
    version = (0, 0)
    snaplen = 0

    def __init__(self, name: str, window: Window) -> None:
        self._name = name
        self._window = window
        self.description = "hex dump, as tcpdump -xx, tshark -x, od or xxd print"
        self.interfaces: list[Interface] = []  # one for each link type
        self.sections = [Section("big", (0, 0), interfaces=self.interfaces)]
        self.blocks_skipped: dict[str, int] = {}
        self.blocks: list[Block] = []
        self.watchers: list[Callable[[Block], None]] = []
        self._reset()
        self._number = 0
        self._time_ns: int | None = None  # of the packet whose bytes come next
        self._is_other = False  # the bytes that come are not those of a frame, e.g. of a reassembled datagram
        self._ip_version = 0  # of that packet, if the text says so

    def _reset(self) -> None:
        self._data = bytearray()
        self._start = 0  # byte of the text at which the packet starts
        self._last = b""  # the bytes of the last line
        self._repeats = False  # a line "*" came behind it

    def records(self) -> Iterator[Record]:
        """Yield the packets in the order of the text.

        Raises
        ------
        DamagedCapture : a line with bytes does not go on where the one before it ended
        """
        for found in self._read():
            if isinstance(found, Hole):
                raise DamagedCapture(self._name, found.start, self._number, found.why)
            yield found

    def salvaged(self, holes: list[Hole]) -> Iterator[Record]:
        """Yield the packets whose lines go on one after the other; `holes` gets the lines that do not."""
        for found in self._read():
            if isinstance(found, Record):
                yield found
            else:
                note_hole(holes, found.start, found.end, found.why)

    def _read(self) -> Iterator[Record | Hole]:
        for number, start, line in self._lines():
            shown = _bytes_of(line)
            if shown:
                if shown[0] == 0:
                    yield from self._finish()
                    self._start = start
                why = self._add(*shown)
            else:
                why = self._flaw(line)
            if why:
                self._reset()
                yield Hole(start, self._window.offset, f"line {number} {why}")
            elif not shown and line.strip() == "*":
                self._repeats = True
            elif not shown and not _OFFSET_ONLY.match(line):
                yield from self._finish()
                self._take_heading(line)
        yield from self._finish()

    def _add(self, offset: int, data: bytes) -> str:
        """Add the bytes of a line to the packet; return what is wrong with it."""
        have = len(self._data)
        if offset + len(data) > MIN_LONGEST:
            return f"shows byte {offset}, no packet is longer than {MIN_LONGEST}"
        if self._repeats and offset > have and (offset - have) % len(self._last) == 0:
            self._data += self._last * ((offset - have) // len(self._last))
        elif offset != have:
            return f"shows bytes from {offset} on, where {have} were read"
        self._data += data
        self._last, self._repeats = data, False
        return ""

    def _flaw(self, line: str) -> str:
        """Return what is wrong with a line that shows no bytes: it has the offset that comes next."""
        found = _OFFSET.match(line)
        if self._data and found and int(found[1], 16) == len(self._data) and not _OFFSET_ONLY.match(line):
            return f"goes on at {len(self._data)}, but shows no hexadecimal bytes"
        return ""

    def _finish(self) -> Iterator[Record]:
        """Yield the packet whose bytes were read, if there is one."""
        if not self._data or self._is_other:
            self._reset()
            return
        self._number += 1
        data = bytes(self._data)
        link = self._link_of(data)
        known = [interface.link_type for interface in self.interfaces]
        if link not in known:
            self.interfaces.append(Interface(link, ticks_per_second=NS_PER_S, interface_id=len(known)))
            known.append(link)
        yield Record(self._number, self._time_ns, data, len(data), link, known.index(link), self._start)
        self._time_ns, self._ip_version = None, 0
        self._reset()

    def _link_of(self, data: bytes) -> int:
        is_ip = self._ip_version and data[0] >> 4 == self._ip_version and data[12:14] not in _ETHERNET_TYPES
        return _RAW_IP if is_ip else _ETHERNET

    def _take_heading(self, line: str) -> None:
        """Note the time that a line starts with, which version of IP it names, and if no frame comes next."""
        source = _BYTE_SOURCE.match(line)
        if source or (self._is_other and not line.strip()):
            self._is_other = source is not None and source[1] != "Frame"
        found = _TIME.match(line)
        if not found:
            return
        day, hours, minutes, seconds, epoch, fraction, word = found.groups()
        total = int(epoch) if epoch else int(hours) * 3600 + int(minutes) * 60 + int(seconds)
        if day:
            try:
                total += int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())
            except ValueError:
                return
        self._time_ns = total * NS_PER_S + int(fraction.ljust(9, "0"))
        self._ip_version = _IP_WORDS.get(word, 0)

    def _lines(self) -> Iterator[tuple[int, int, str]]:
        """Yield number, place and text of each line; what is behind the longest that is read is cut off."""
        window, number = self._window, 0
        while window.fill(1):
            end = window.data.find(b"\n", window.pos)
            while end < 0 and (have := len(window.data) - window.pos) < _MAX_LINE and window.fill(have + 1) > have:
                end = window.data.find(b"\n", window.pos)
            stop = end if end >= 0 else min(len(window.data), window.pos + _MAX_LINE)
            line = window.data[window.pos : min(stop, window.pos + _MAX_LINE)]
            start, number = window.offset, number + 1
            window.pos = stop + (end >= 0)
            yield number, start, line.decode("utf-8", "replace").rstrip("\r")
