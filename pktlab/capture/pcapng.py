"""Read pcapng: sections, their interfaces, and the packets that were seen on them.

    section header    the byte order, the version, and what made the file
    interface         link type, snapshot length, clock; numbered from 0 in each section, in order of
    appearance packet            enhanced (interface, time, options), simple (length only) or the obsolete
    packet block

All other blocks are counted and, up to a bound, kept as they are. A block that contradicts itself ends the
reading, but a packet whose bytes are whole while its options are not is given out before that.

Spec: draft-ietf-opsawg-pcapng section 4 and appendix A.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

from pktlab.capture import options as opt
from pktlab.capture.blocks import (
    ENHANCED_PACKET,
    INTERFACE,
    LAYOUTS,
    OBSOLETE_PACKET,
    SECTION_HEADER,
    SIMPLE_PACKET,
    Blocks,
    Layout,
)
from pktlab.capture.linktypes import MIN_LONGEST, max_packet_len
from pktlab.capture.other_blocks import MAX_KEPT_LEN, MIN_KEPT_LEN, Block
from pktlab.capture.pcapng_salvage import PcapngForm, doubts
from pktlab.capture.records import Interface, Record, Section
from pktlab.capture.salvage import REPEATED, Clock, Hole, Recent, Search, note_hole
from pktlab.capture.window import Window
from pktlab.errors import CaptureError, DamagedCapture

__all__ = ["PCAPNG_MAGIC", "PcapngDecoder"]

PCAPNG_MAGIC = b"\x0a\x0d\x0d\x0a"  # the type of the section header block, the same in both byte orders

# Versions that are read. Some writers put 1.2, which means 1.0 (draft, section 4.1); so does Wireshark.
_VERSIONS = ((1, 0), (1, 2))

# Options of an interface that are numbers, with their bytes: kept little-endian, whatever the section is.
# Of the custom options it is the enterprise number in front (section 3.5.1).
_NUMBERS = {8: 8, 10: 4, 16: 8, 17: 8}  # if_speed, if_tzone, if_txspeed, if_rxspeed
_CUSTOM = (2988, 2989, 19372, 19373)


class PcapngDecoder:
    """The records of a pcapng stream.

    Parameters
    ----------
    name : the file as the user named it, for errors
    window : the stream, at the start of the file

    Raises
    ------
    CaptureError : the first section header is cut, contradicts itself, or is of an unknown version
    """

    format: Literal["pcap", "pcapng", "hex dump"] = "pcapng"

    def __init__(self, name: str, window: Window) -> None:
        self._blocks = Blocks(name, window)
        self._here: list[Interface] = []  # the interfaces of the present section
        self.sections: list[Section] = []
        self.interfaces: list[Interface] = []
        self.blocks_skipped = self._blocks.skipped
        self.blocks: list[Block] = []
        self.watchers: list[Callable[[Block], None]] = []  # told of each block, kept or not
        self._kept_len = 0  # bytes of `blocks`
        self._blocks.on_other = self._keep
        self._doubts: Callable[..., str] | None = None  # what is held against a packet block that looks whole
        try:
            self._blocks.next()
            self._read_section()
        except DamagedCapture as damage:
            raise CaptureError(f"{name}: the first pcapng block is damaged: {damage.why}") from None
        first = self.sections[0]
        self.version = first.version
        self.description = f"pcapng {first.version[0]}.{first.version[1]}, {first.byte_order}-endian"

    @property
    def snaplen(self) -> int:
        """The snapshot length of the first interface in bytes; 0 if it has none or is not known yet."""
        return self.interfaces[0].snaplen if self.interfaces else 0

    @property
    def window(self) -> Window:
        """The stream, at the present block."""
        return self._blocks.window

    @property
    def here(self) -> list[Interface]:
        """The interfaces of the present section, so far."""
        return self._here

    @property
    def plain(self) -> tuple[bool, int]:
        """What the packets of the present section need to be found without this reader: (little-endian, section)."""
        return self._blocks.layout.byte_order == "little", len(self.sections) - 1

    def leave(self) -> None:
        """Move behind the present block, for somebody else to read on from there."""
        self.window.pos += self._blocks.total
        self._blocks.total = 0

    @property
    def layout(self) -> Layout:
        """How numbers lie in the present section; for packets that somebody else finds."""
        return self._blocks.layout

    def records(self, number: int | None = None) -> Iterator[Record]:
        """Yield the packets in file order; sections and interfaces are noted on the way.

        number : packets that somebody else has read in front of the window's place

        Raises
        ------
        DamagedCapture : a block is cut or impossible; all packets before it were yielded
        """
        blocks = self._blocks
        blocks.packets = blocks.packets if number is None else number
        packets: dict[int, Callable[[], tuple[Record, str]]] = {
            ENHANCED_PACKET: self._read_enhanced,
            OBSOLETE_PACKET: self._read_obsolete,
            SIMPLE_PACKET: self._read_simple,
        }
        while (kind := blocks.next()) is not None:
            read_packet = packets.get(kind)
            if read_packet:
                if self._doubts and (
                    why := self._doubts(blocks.layout, blocks.window.data, blocks.window.pos, kind, blocks.total)
                ):
                    blocks.fail(why)
                record, flaw = read_packet()
                blocks.packets += 1
                yield record
                if flaw:
                    blocks.fail(flaw)
            elif kind == INTERFACE:
                self._read_interface()
            elif kind == SECTION_HEADER:
                self._read_section()

    def salvaged(self, holes: list[Hole]) -> Iterator[Record]:
        """Yield the packets that can be proven, whatever is damaged; `holes` gets what lies between them.

        A packet whose options alone are damaged is given out, and its hole is its block.
        """
        blocks, window, clock, recent = self._blocks, self._blocks.window, Clock(), Recent()
        self._doubts, blocks.salvages = doubts, True
        while True:
            try:
                for record in self.records():
                    if recent.repeats(record, clock.order_ns):
                        blocks.packets -= 1
                        note_hole(holes, blocks.start, blocks.start + blocks.total, REPEATED)
                        continue
                    clock.note(record.time_ns)
                    recent.note(record)
                    yield record
                return
            except DamagedCapture as damage:
                why = damage.why
            blocks.layout = LAYOUTS[self.sections[-1].byte_order]
            blocks.total = 0
            is_found = Search(window, PcapngForm(blocks.layout, self._here), clock).run(1)
            note_hole(holes, blocks.start, window.offset, why)
            recent.after_hole()
            if not is_found:
                return

    def _keep(self, kind: int, name: str, body: bytes) -> None:
        """Keep a block without a packet while there is room, and pass it on."""
        blocks = self._blocks
        block = Block(kind, name, len(self.sections) - 1, blocks.start, body, blocks.layout.byte_order)
        self._kept_len += len(body) + MIN_KEPT_LEN
        if self._kept_len <= MAX_KEPT_LEN:
            self.blocks.append(block)
        for watcher in self.watchers:
            watcher(block)

    def _read_section(self) -> None:
        blocks = self._blocks
        layout = blocks.layout
        version = layout.section.unpack_from(blocks.window.data, blocks.window.pos)
        if version not in _VERSIONS:
            blocks.fail(f"pcapng version {version[0]}.{version[1]} is unknown: 1.0 is read")
        found = self._options(layout.section.size)
        section = Section(
            layout.byte_order,
            version,
            _text(found, opt.SHB_HARDWARE),
            _text(found, opt.SHB_OS),
            _text(found, opt.SHB_APPLICATION),
            _comments(found),
        )
        self.sections.append(section)
        self._here = section.interfaces

    def _read_interface(self) -> None:
        blocks = self._blocks
        layout = blocks.layout
        link_type, snaplen = layout.interface.unpack_from(blocks.window.data, blocks.window.pos)
        found = self._options(layout.interface.size)
        interface = Interface(
            link_type,
            snaplen,
            _text(found, opt.IF_NAME),
            _text(found, opt.IF_DESCRIPTION),
            _ticks_per_second(found),
            _signed(found, opt.IF_TSOFFSET, layout.byte_order),
            _fcs_len(found),
            _other_options(found, layout.byte_order),
            interface_id=len(self._here),
            section=len(self.sections) - 1,
        )
        self._here.append(interface)
        self.interfaces.append(interface)

    def _options(self, fixed_len: int) -> list[opt.Option]:
        """Return the options behind the first `fixed_len` bytes of the block; a list that overruns it is damage."""
        blocks = self._blocks
        pos, end = blocks.window.pos + fixed_len, blocks.window.pos + blocks.total - 4
        found, flaw = opt.parse_options(blocks.window.data, pos, end, blocks.layout.option)
        if flaw:
            blocks.fail(flaw)
        return found

    def _read_enhanced(self) -> tuple[Record, str]:
        layout, window = self._blocks.layout.enhanced, self._blocks.window
        interface_id, high, low, captured, length = layout.unpack_from(window.data, window.pos)
        return self._packet(interface_id, high << 32 | low, layout.size, captured, length)

    def _read_obsolete(self) -> tuple[Record, str]:
        layout, window = self._blocks.layout.obsolete, self._blocks.window
        interface_id, high, low, captured, length = layout.unpack_from(window.data, window.pos)
        return self._packet(interface_id, high << 32 | low, layout.size, captured, length)

    def _read_simple(self) -> tuple[Record, str]:
        """Read a simple packet block: it is of interface 0 and has no time (section 4.4)."""
        layout, window = self._blocks.layout.simple, self._blocks.window
        (length,) = layout.unpack_from(window.data, window.pos)
        snaplen = self._here[0].snaplen if self._here else 0
        captured = min(length, snaplen or length)
        record, _ = self._packet(0, None, layout.size, captured, length)
        return record, ""

    def _packet(
        self, interface_id: int, ticks: int | None, fixed_len: int, captured: int, length: int
    ) -> tuple[Record, str]:
        """Return the packet of the present block, and what is wrong with its options."""
        blocks, window = self._blocks, self._blocks.window
        if interface_id >= len(self._here):
            blocks.fail(f"interface {interface_id} is not described, this section has {len(self._here)}")
        interface = self._here[interface_id]
        start = window.pos + fixed_len
        end = window.pos + blocks.total - 4
        stop = start + captured
        if stop > end:
            blocks.fail(f"the packet claims {captured} captured bytes, the block has room for {end - start}")
        if captured > MIN_LONGEST and captured > (longest := max_packet_len(interface.link_type)):
            blocks.fail(f"the packet claims {captured} captured bytes, {longest} are the most there can be")
        record = Record(
            blocks.packets + 1,
            None if ticks is None else interface.time_ns(ticks),
            window.data[start:stop],
            length,
            interface.link_type,
            interface_id,
            blocks.start,
            None,
            (),
            interface.fcs_len,
            interface.section,
        )
        options_at = stop + -captured % 4
        if options_at >= end:
            return record, ""
        found, flaw = opt.parse_options(window.data, options_at, end, blocks.layout.option)
        apply_options(record, found, blocks.layout)
        return record, flaw


def apply_options(record: Record, found: list[opt.Option], layout: Layout) -> None:
    """Give a packet what the options of its block say."""
    record.comments = _comments(found)
    for code, value in found:
        if code == opt.EPB_FLAGS and len(value) == 4:
            record.flags = int.from_bytes(value, layout.byte_order)
            record.fcs_len = record.flags >> 5 & 0xF or record.fcs_len  # bits 5 to 8, section 4.3.1


def _text(found: list[opt.Option], code: int) -> str:
    return next((opt.option_text(value) for each, value in found if each == code), "")


def _comments(found: list[opt.Option]) -> tuple[str, ...]:
    return tuple(opt.option_text(value) for code, value in found if code == opt.ANY_COMMENT)


def _signed(found: list[opt.Option], code: int, byte_order: Literal["little", "big"]) -> int:
    values = [value for each, value in found if each == code and len(value) == 8]
    return int.from_bytes(values[0], byte_order, signed=True) if values else 0


def _ticks_per_second(found: list[opt.Option]) -> int:
    """Return what `if_tsresol` says: a negative power of 10, or of 2 where the top bit is set; else microseconds."""
    for code, value in found:
        if code == opt.IF_TSRESOL and len(value) == 1:
            return int((2 if value[0] & 0x80 else 10) ** (value[0] & 0x7F))
    return 1_000_000


def _fcs_len(found: list[opt.Option]) -> int | None:
    """Return what `if_fcslen` says, in bytes.

    The draft counts bits, gives 4 as its example, and Wireshark takes the number for bytes. No check sequence
    is shorter than 8 bits or as long as 8 bytes, so either can be told from the other.
    """
    for code, value in found:
        if code == opt.IF_FCSLEN and len(value) == 1:
            return value[0] if value[0] < 8 else value[0] // 8
    return None


def _other_options(found: list[opt.Option], byte_order: str) -> tuple[opt.Option, ...]:
    """Return the options that have no field of their own in `Interface`, ready to be written again."""
    known = (opt.IF_NAME, opt.IF_DESCRIPTION, opt.IF_TSRESOL, opt.IF_FCSLEN, opt.IF_TSOFFSET)
    others = [(code, value) for code, value in found if code not in known]
    if byte_order == "little":
        return tuple(others)
    return tuple((code, _swapped(code, value)) for code, value in others)


def _swapped(code: int, value: bytes) -> bytes:
    if code in _CUSTOM:
        return value[:4][::-1] + value[4:]
    return value[::-1] if _NUMBERS.get(code) == len(value) else value
