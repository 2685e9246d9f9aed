"""Read and write pcap: a file header of 24 bytes, then for each packet a record header and its bytes.

    file header     magic, version major and minor, zone, accuracy, snapshot length, link type and FCS length
    record header   seconds, microseconds or nanoseconds, captured length, length on the wire

What is held against a record, and what is not. A captured length over `max_packet_len` is damage: there is no
way to find the next record behind it. A captured length over the snapshot length or over the length on the
wire, and a fraction of a second of more than a second, are read as they stand, as Wireshark does: the records
behind them are whole. libpcap cuts a packet at the snapshot length; nothing is cut here.

Spec: draft-ietf-opsawg-pcap; pcap-savefile(5); the older versions as in libpcap's sf-pcap.c. Not read: record
headers that Red Hat 6.1, SuSE 6.3 and Nokia wrote in 1999 without a magic number of their own (Wireshark
guesses them).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from struct import Struct
from typing import Literal

from pktlab.capture.linktypes import link_type_name, max_packet_len
from pktlab.capture.other_blocks import Block
from pktlab.capture.output import Output
from pktlab.capture.pcap_salvage import PcapSalvage, RecordHeader
from pktlab.capture.records import NS_PER_S, Interface, Record, Section
from pktlab.capture.salvage import Hole
from pktlab.capture.window import Window
from pktlab.capture.writing import CaptureWriter, Described
from pktlab.errors import CaptureError, DamagedCapture

__all__ = ["FILE_HEADER_LEN", "PCAP_MAGICS", "PcapDecoder", "PcapWriter"]

FILE_HEADER_LEN = 24

# Magic number -> (nanoseconds that one fraction counts, bytes of a record header, what is special about it).
_VARIANTS: dict[int, tuple[int, int, str]] = {
    0xA1B2C3D4: (1000, 16, "microseconds"),
    0xA1B23C4D: (1, 16, "nanoseconds"),
    0xA1B2CD34: (1000, 24, "microseconds, Kuznetsov's record headers"),  # 16 bytes, then interface and packet type
}
_ORDERS: tuple[Literal["little", "big"], ...] = ("little", "big")
PCAP_MAGICS = {magic.to_bytes(4, order): (magic, order) for magic in _VARIANTS for order in _ORDERS}

# The field that holds the link type, from the top: 4 bits FCS length in 16-bit words, a reserved bit, a bit
# that says whether that length is given, 26 bits link type. The draft reserves the upper ten of these; a file
# that sets them has a link type that nobody knows, which is also how libpcap reads it (LT_LINKTYPE).
_LINK_TYPE_MASK = 0x03FF_FFFF
_HAS_FCS_LEN = 0x0400_0000

_MAX_FCS_LEN = 30  # bytes: 15 words

_FILE_HEADER = Struct("<IHHIIII")
_RECORD_HEADER = Struct("<IIII")
_MICROSECONDS, _NANOSECONDS = 0xA1B2C3D4, 0xA1B23C4D

# Version 2.3 changed the order of the two lengths; some files say 2.3 and have the old order, and DG/UX wrote
# the old order as version 543.0.
_NEVER, _IF_ABSURD, _ALWAYS = 0, 1, 2


class PcapDecoder:
    """The records behind a pcap file header.

    Parameters
    ----------
    name : the file as the user named it, for errors
    window : the stream, at the start of the file

    Raises
    ------
    CaptureError : the file header is cut, or of a version before 2.0
    """

    format: Literal["pcap", "pcapng", "hex dump"] = "pcap"

    def __init__(self, name: str, window: Window) -> None:
        self._name = name
        self.window = window
        if window.fill(FILE_HEADER_LEN) < FILE_HEADER_LEN:
            raise CaptureError(f"{name}: {window.shortfall('the pcap file header', FILE_HEADER_LEN)}")
        magic, order = PCAP_MAGICS[window.data[window.pos : window.pos + 4]]
        self._fraction_ns, self._header_len, unit = _VARIANTS[magic]
        self._endian = "<" if order == "little" else ">"
        fields = Struct(self._endian + "4xHH8xII").unpack_from(window.data, window.pos)
        self.version, self.snaplen = (fields[0], fields[1]), fields[2]
        if self.version[0] < 2:
            raise CaptureError(f"{name}: pcap version {fields[0]}.{fields[1]} is unknown: versions from 2.0 are read")
        window.pos += FILE_HEADER_LEN
        self.description = f"pcap {fields[0]}.{fields[1]}, {order}-endian, {unit}"
        self.interfaces = [_interface(fields[3], self.snaplen, NS_PER_S // self._fraction_ns)]
        self.sections = [Section(order, self.version, interfaces=self.interfaces)]
        self.blocks_skipped: dict[str, int] = {}
        self.blocks: list[Block] = []  # a pcap has none, nor anything to watch for
        self.watchers: list[Callable[[Block], None]] = []

    @property
    def plain(self) -> tuple[bool, int] | None:
        """What finding the records without this reader takes: (little-endian, ns a fraction); None if it takes more."""
        if self._header_len != 16 or _length_order(self.version):
            return None
        return self._endian == "<", self._fraction_ns

    def records(self, number: int = 0) -> Iterator[Record]:
        """Yield the packets in file order, from the one at the window's place on, before which are `number`.

        Raises
        ------
        DamagedCapture : a record is cut or impossible; all before it were yielded
        """
        window = self.window
        unpack_header, header_len = Struct(self._endian + "IIII").unpack_from, self._header_len
        fraction_ns, swaps = self._fraction_ns, _length_order(self.version)
        interface = self.interfaces[0]
        link_type, fcs_len = interface.link_type, interface.fcs_len
        longest = max_packet_len(link_type)
        data, pos, base = window.data, window.pos, window.offset - window.pos
        while True:
            wanted = header_len
            if len(data) - pos >= header_len:
                seconds, fraction, captured, length = unpack_header(data, pos)
                if swaps and (swaps == _ALWAYS or captured > length):
                    captured, length = length, captured
                wanted += captured
                if wanted <= len(data) - pos and captured <= longest:
                    number += 1
                    time_ns = seconds * NS_PER_S + fraction * fraction_ns
                    packet = data[pos + header_len : pos + wanted]
                    offset = base + pos
                    window.pos = pos = pos + wanted
                    yield Record(number, time_ns, packet, length, link_type, None, offset, None, (), fcs_len)
                    continue
            window.pos = pos
            if not self._fetch(wanted, longest, number):
                return
            data, pos, base = window.data, window.pos, window.offset - window.pos

    def salvaged(self, holes: list[Hole]) -> Iterator[Record]:
        """Yield the packets that can be proven, whatever is damaged; `holes` gets what lies between them."""
        interface = self.interfaces[0]
        header = RecordHeader(self._endian, self._header_len, self._fraction_ns, _length_order(self.version))
        longest = max_packet_len(interface.link_type)
        return PcapSalvage(self.window, header, interface, longest, holes).records()

    def _fetch(self, wanted: int, longest: int, number: int) -> bool:
        """Get `wanted` bytes of the record after packet `number`; return False if the file ends well before it."""
        window = self.window
        captured = wanted - self._header_len
        if captured > longest:
            why = f"the record claims {captured} captured bytes, {longest} are the most there can be"
        elif (have := window.fill(wanted)) >= wanted:
            return True
        elif not have:
            if not window.trouble:
                return False
            why = window.trouble
        elif captured:
            why = window.shortfall("the record", wanted)
        else:
            why = window.shortfall("the record header", wanted)
        raise DamagedCapture(self._name, window.offset, number, why)


def _interface(field: int, snaplen: int, ticks_per_second: int) -> Interface:
    fcs_len = (field >> 28) * 2 if field & _HAS_FCS_LEN else None
    link_type = field & _LINK_TYPE_MASK
    return Interface(link_type, snaplen, ticks_per_second=ticks_per_second, fcs_len=fcs_len)


def _length_order(version: tuple[int, int]) -> int:
    if version[0] == 543 or version < (2, 3):
        return _ALWAYS
    return _IF_ABSURD if version == (2, 3) else _NEVER


class PcapWriter(CaptureWriter):
    """Write pcap 2.4, little-endian; `open_writer` makes these."""

    format = "pcap"

    def __init__(
        self,
        output: Output,
        *,
        flush: bool,
        interface: Interface | None,
        like: Described | None,
        snaplen: int,
        nanoseconds: bool,
    ) -> None:
        super().__init__(output, flush=flush)
        self._interface = interface  # what the file header describes; None until the first packet tells
        self._like = like
        self._snaplen = snaplen
        self._nanoseconds = nanoseconds
        self._has_header = False
        if like:
            like.watch_blocks(self._leave_out)
        if flush and interface:
            output.write(self._header(interface))
            output.flush()

    def _header(self, interface: Interface) -> bytes:
        if self._has_header:
            return b""
        self._has_header = True
        field = interface.link_type & _LINK_TYPE_MASK
        if interface.fcs_len is not None:
            field |= _HAS_FCS_LEN | interface.fcs_len // 2 << 28
        magic = _NANOSECONDS if self._nanoseconds else _MICROSECONDS
        snaplen = self._snaplen or interface.snaplen or max_packet_len(interface.link_type)
        return _FILE_HEADER.pack(magic, 2, 4, 0, 0, snaplen, field)

    def _last_headers(self) -> bytes:
        likely = self._like.interfaces if self._like else []  # of a capture that turned out to have no packets
        for interface in likely:
            self.lost["interface name"] += bool(interface.name or interface.description)
        for section in self._like.sections if self._like else []:
            self.lost["section comment"] += len(section.comments)
        return self._first_headers()

    def _first_headers(self) -> bytes:
        likely = self._like.interfaces if self._like else []
        return self._header(self._interface or (likely[0] if likely else Interface(1)))

    def _leave_out(self, block: Block) -> None:
        if self._is_open:
            self.lost[f"{block.name} block"] += 1

    def _build(self, record: Record, interface: Interface | None) -> bytes:
        if self._interface is None or not self._has_header:
            self._interface = replace(self._interface or Interface(record.link_type), fcs_len=record.fcs_len)
        mine = self._interface
        if record.link_type != mine.link_type:
            this, that = link_type_name(record.link_type), link_type_name(mine.link_type)
            self._refuse(record, f"link type {this} after {that}")
        if record.fcs_len != mine.fcs_len:
            self._refuse(record, f"{_fcs(record.fcs_len)} after {_fcs(mine.fcs_len)}")
        if record.fcs_len and (record.fcs_len % 2 or record.fcs_len > _MAX_FCS_LEN):
            self._refuse(record, _fcs(record.fcs_len))
        seconds, fraction = divmod(record.time_ns or 0, NS_PER_S)
        if not 0 <= seconds < 1 << 32:
            self._refuse(record, f"a time of {seconds} s since 1970")
        if not self._nanoseconds:
            fraction //= 1000
        if record.time_ns is None or record.flags is not None or record.comments:
            self.lost["unknown time"] += record.time_ns is None
            self.lost["set of packet flags"] += record.flags is not None
            self.lost["packet comment"] += len(record.comments)
        fixed = _RECORD_HEADER.pack(seconds, fraction, len(record.data), record.length)
        return self._header(mine) + fixed + record.data


def _fcs(fcs_len: int | None) -> str:
    return "a frame check sequence of " + ("unknown length" if fcs_len is None else f"{fcs_len} bytes")
