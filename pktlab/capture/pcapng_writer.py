"""Write pcapng: one little-endian section, and each interface before the first packet that was seen on it.

Carried over from a capture that is read: bytes, lengths, times to the ns, link types, interfaces with their
options, the comments and flags of packets, what the first section says, and blocks that hold no packet (names,
statistics, secrets). Not carried over: other options of packets (hashes, drop counts), and blocks that may not
be copied or whose byte order cannot be changed. Several sections become one, since then their byte orders do
not matter and each packet still names the interface that it was seen on. A packet without a time
keeps that only on interface 0, of which simple packet blocks are; on others it gets time stamp 0.

Spec: draft-ietf-opsawg-pcapng sections 3 and 4.
"""

from __future__ import annotations

from dataclasses import replace
from struct import Struct

from pktlab.capture import options as opt
from pktlab.capture.blocks import ENHANCED_PACKET, INTERFACE, SECTION_HEADER, SIMPLE_PACKET
from pktlab.capture.other_blocks import INTERFACE_STATISTICS, Block, little_endian_body
from pktlab.capture.output import Output
from pktlab.capture.records import NS_PER_S, Interface, Record, Section
from pktlab.capture.writing import CaptureWriter, Described
from pktlab.errors import CaptureError

__all__ = ["PcapngWriter"]

_SECTION = Struct("<IHHq")
_INTERFACE = Struct("<HHI")
_ENHANCED = Struct("<IIIII")
_BYTE_ORDER_MAGIC = 0x1A2B3C4D
_UNKNOWN_LEN = -1  # of a section: how long it gets is not known when it starts
_NOT_TO_COPY = (19372, 19373)  # custom options that only their maker may copy (section 3.5.1)
_TSRESOL = {10**exponent: exponent for exponent in range(10)}  # down to ns, what times are kept in


class PcapngWriter(CaptureWriter):
    """Write pcapng 1.0, one little-endian section; `open_writer` makes these."""

    format = "pcapng"

    def __init__(
        self,
        output: Output,
        *,
        flush: bool,
        interface: Interface | None,
        template: Interface,
        like: Described | None,
    ) -> None:
        super().__init__(output, flush=flush)
        self._template = template  # an interface of which nothing is known but the link type
        self._like = like
        self._like_described = 0  # how many of the interfaces of `like` have been described
        self._interfaces: dict[tuple[int, int | None, int, int | None], Interface] = {}
        self._described: dict[Interface, tuple[int, Interface]] = {}  # number, and what was written of it
        self._finer: dict[Interface, Interface] = {}  # a copy that counts ns
        self._pending = [_section_header(like.sections[0] if like else Section("little", (1, 0)))]
        if like:
            like.watch_blocks(self._copy)
        if interface:
            self._interfaces[0, None, interface.link_type, None] = interface
            self._describe(interface)
        if flush:
            output.write(self._take_pending())
            output.flush()

    def _take_pending(self) -> bytes:
        blocks = b"".join(self._pending)
        self._pending.clear()
        return blocks

    def _first_headers(self) -> bytes:
        self._describe_like(1)
        return self._take_pending()

    def _last_headers(self) -> bytes:
        if self._like:  # interfaces without packets are kept as well
            self._describe_like(len(self._like.interfaces))
        return self._take_pending()

    def _build(self, record: Record, interface: Interface | None) -> bytes:
        if interface is None:
            interface = self._interface_of(record)
        number, written = self._described.get(interface) or self._describe(interface)
        if record.time_ns is None and _is_simple(record, number, written):
            fixed = record.length.to_bytes(4, "little")
            block = _block(SIMPLE_PACKET, fixed + _padded(record.data))
        else:
            ticks = 0 if record.time_ns is None else written.ticks(record.time_ns)
            if record.time_ns and written.time_ns(ticks) != record.time_ns:
                number, written = self._describe_finer(interface)
                ticks = written.ticks(record.time_ns)
            if not 0 <= ticks < 1 << 64:
                self._refuse(record, f"a time {ticks // written.ticks_per_second} s after its interface's origin")
            fixed = _ENHANCED.pack(number, ticks >> 32, ticks & 0xFFFF_FFFF, len(record.data), record.length)
            block = _block(ENHANCED_PACKET, fixed + _padded(record.data) + _packet_options(record))
        return self._take_pending() + block

    def _interface_of(self, record: Record) -> Interface:
        key = (record.section, record.interface_id, record.link_type, record.fcs_len)
        interface = self._interfaces.get(key)
        if interface is None:
            if self._like:
                interface = self._like.interface_of(record)
                self._describe_up_to(interface)
            else:
                interface = replace(self._template, link_type=record.link_type, fcs_len=record.fcs_len)
            self._interfaces[key] = interface
        return interface

    def _copy(self, block: Block) -> None:
        """Write a block without a packet, where it was met; statistics get the number that their interface has."""
        body = little_endian_body(block)
        if not self._is_open or self._like is None:
            return
        if body is None:
            self.lost[f"{block.name} block"] += 1
            return
        if block.kind == INTERFACE_STATISTICS:
            here = self._like.sections[block.section].interfaces
            if block.number(0) >= len(here):
                return
            interface = here[block.number(0)]
            self._describe_up_to(interface)
            body = self._described[interface][0].to_bytes(4, "little") + body[4:]
        self._pending.append(_block(block.kind, _padded(body)))
        self._output.write(self._take_pending())

    def _describe_up_to(self, interface: Interface) -> None:
        """Describe an interface of the reader, after those that come before it there."""
        count = len(self._like.interfaces) if self._like else 0
        while interface not in self._described and self._like_described < count:
            self._describe_like(self._like_described + 1)
        if interface not in self._described:
            self._describe(interface)

    def _describe_like(self, count: int) -> None:
        """Describe the first `count` interfaces of the reader, in its order, so that they keep their numbers."""
        if self._like:
            for interface in self._like.interfaces[self._like_described : count]:
                if interface not in self._described:
                    self._describe(interface)
            self._like_described = count

    def _describe_finer(self, interface: Interface) -> tuple[int, Interface]:
        """Describe an interface anew, for times that its clock is too coarse for."""
        if interface not in self._finer:
            self._finer[interface] = replace(interface, ticks_per_second=NS_PER_S)
        finer = self._finer[interface]
        return self._described.get(finer) or self._describe(finer)

    def _describe(self, interface: Interface) -> tuple[int, Interface]:
        if interface.link_type > 0xFFFF:
            raise CaptureError(f"{self._output.name}: pcapng cannot hold link type {interface.link_type}")
        written = interface
        if interface.ticks_per_second not in _TSRESOL:
            written = replace(interface, ticks_per_second=NS_PER_S)
        fixed = _INTERFACE.pack(written.link_type, 0, written.snaplen)
        self._pending.append(_block(INTERFACE, fixed + _interface_options(written)))
        self._described[interface] = (len(self._described), written)
        return self._described[interface]


def _block(kind: int, body: bytes) -> bytes:
    total = (len(body) + 12).to_bytes(4, "little")
    return kind.to_bytes(4, "little") + total + body + total


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _section_header(section: Section) -> bytes:
    found = [(opt.ANY_COMMENT, comment.encode("utf-8", "replace")) for comment in section.comments]
    found += _texts(
        (opt.SHB_HARDWARE, section.hardware),
        (opt.SHB_OS, section.os),
        (opt.SHB_APPLICATION, section.application or "pktlab"),
    )
    fixed = _SECTION.pack(_BYTE_ORDER_MAGIC, 1, 0, _UNKNOWN_LEN)
    return _block(SECTION_HEADER, fixed + opt.build_options(found))


def _interface_options(interface: Interface) -> bytes:
    found = _texts((opt.IF_NAME, interface.name), (opt.IF_DESCRIPTION, interface.description))
    found.append((opt.IF_TSRESOL, bytes([_TSRESOL[interface.ticks_per_second]])))
    if interface.ts_offset_s:
        found.append((opt.IF_TSOFFSET, interface.ts_offset_s.to_bytes(8, "little", signed=True)))
    if interface.fcs_len is not None:
        found.append((opt.IF_FCSLEN, bytes([interface.fcs_len * 8])))  # bits, as the draft says
    found += [option for option in interface.options if option[0] not in _NOT_TO_COPY]
    return opt.build_options(found)


def _packet_options(record: Record) -> bytes:
    found = [(opt.ANY_COMMENT, comment.encode("utf-8", "replace")) for comment in record.comments]
    if record.flags is not None:
        found.append((opt.EPB_FLAGS, record.flags.to_bytes(4, "little")))
    return opt.build_options(found)


def _texts(*texts: tuple[int, str]) -> list[opt.Option]:
    return [(code, text.encode("utf-8", "replace")) for code, text in texts if text]


def _is_simple(record: Record, number: int, interface: Interface) -> bool:
    """Say whether a simple packet block holds all there is: it has no options, no interface, no captured length."""
    captured = min(record.length, interface.snaplen or record.length)
    return number == 0 and captured == len(record.data) and not record.comments and record.flags is None
