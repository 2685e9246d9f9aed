"""Open a capture, whatever it is: find out by its first bytes, then read it packet by packet."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Literal, Protocol

from pktlab.capture.other_blocks import Block, block_names, interface_drops
from pktlab.capture.pcap import PCAP_MAGICS, PcapDecoder
from pktlab.capture.pcapng import PCAPNG_MAGIC, PcapngDecoder
from pktlab.capture.records import Interface, Record, Section
from pktlab.capture.salvage import Hole
from pktlab.capture.source import Source, open_source
from pktlab.capture.unpack import UnpackedChunks, detect_compression
from pktlab.capture.window import Window
from pktlab.errors import CaptureError, DamagedCapture

__all__ = ["CaptureReader", "open_capture"]

MAGIC_LEN = 4

# What is taken for a capture and is none, by its first bytes; no entry starts with another.
_LOOKALIKES: dict[bytes, str] = {
    b"snoop\0\0\0": "a Solaris snoop file: `editcap -F pcapng` converts it",
    b"RTSS": "a Microsoft Network Monitor 1 file: `editcap -F pcapng` converts it",
    b"GMBU": "a Microsoft Network Monitor 2 file: `editcap -F pcapng` converts it",
    b"iptrace ": "an AIX iptrace file: `editcap -F pcapng` converts it",
    b"btsnoop\0": "a Bluetooth btsnoop file: `editcap -F pcapng` converts it",
    b"\x1c\0\x01\xac": "an Ixia lcap file: `editcap -F pcapng` converts it",
    b"\xac\x01\0\x1c": "an Ixia lcap file: `editcap -F pcapng` converts it",
    b"\x7fELF": "an ELF program",
    b"MZ": "a Windows program",
    b"BZh": "bzip2 data: unpack them first, `bzip2 -dc FILE | pktlab ... -`",
    b"\xfd7zXZ\0": "xz data: unpack them first, `xz -dc FILE | pktlab ... -`",
    b"\x04\x22\x4d\x18": "lz4 data: unpack them first, `lz4 -dc FILE | pktlab ... -`",
    b"7z\xbc\xaf": "a 7-Zip archive: unpack it first",
    b"\x1f\x8b": "gzip data once more: unpack them first",
    b"\x28\xb5\x2f\xfd": "zstd data once more: unpack them first",
    b"%PDF": "a PDF document",
    b"\x89PNG": "a PNG picture",
    b"SQLite format 3": "an SQLite database",
    b"PAR1": "a Parquet file",
    b"ARROW1": "an Arrow file",
}
_SAMPLE_LEN = 512
_DUMP_SAMPLE_LEN = 65536  # of a text, in which the bytes of a packet may be shown


class _Decoder(Protocol):
    format: Literal["pcap", "pcapng", "hex dump"]
    description: str
    version: tuple[int, int]
    interfaces: list[Interface]
    sections: list[Section]
    blocks_skipped: dict[str, int]
    blocks: list[Block]
    watchers: list[Callable[[Block], None]]

    @property
    def snaplen(self) -> int: ...

    def records(self) -> Iterator[Record]: ...

    def salvaged(self, holes: list[Hole]) -> Iterator[Record]: ...


class CaptureReader:
    """The packets of a capture, in file order, one at a time; memory does not grow with the file.

    Iterating ends at the end of the file or at a damaged place; which of the two it was, `damage` says
    afterwards.

    Attributes
    ----------
    name : the file as the user named it
    format : `"pcap"`, `"pcapng"` or `"hex dump"`
    description : the format in words, e.g. `"pcap 2.4, little-endian, nanoseconds"`
    compression : `"gzip"`, `"zstd"` or None
    version : major and minor version of the format
    interfaces : what the packets were captured on; a pcapng describes them on the way, so this list grows
    sections : the sections that were met; this list grows too
    blocks_skipped : pcapng blocks that hold no packet, counted by the name of their type
    blocks : these blocks themselves, the first 16 MiB of them, without any that is longer than 1 MiB
    damage : why and where reading ended early; None so far, or if it did not; with `salvage` the first hole
    holes : with `salvage`, the parts from which no packet could be proven; at most 10,000 are listed

    >>> import io
    >>> header = bytes.fromhex("d4c3b2a1 02000400 00000000 00000000 ffff0000 01000000")
    >>> with CaptureReader(io.BytesIO(header + bytes(3))) as capture:
    ...     packets = list(capture)
    >>> capture.description, packets
    ('pcap 2.4, little-endian, microseconds', [])
    >>> print(capture.damage)
    <stream>: damaged at byte 24, after 0 packets: the record header needs 16 bytes, the file ends after 3
    """

    def __init__(self, source: Source, *, salvage: bool = False) -> None:
        self.name, self._file = open_source(source)
        self.damage: DamagedCapture | None = None
        self.holes: list[Hole] = []
        self._salvage = salvage
        with ExitStack() as unless_opened:
            unless_opened.callback(self._file.close)
            window, self.compression = self._unpack(Window(self._file))
            self._decoder = _find_decoder(self.name, window, self.compression)
            unless_opened.pop_all()
        self.format = self._decoder.format
        self.description = self._decoder.description
        self.version = self._decoder.version
        self.interfaces = self._decoder.interfaces
        self.sections = self._decoder.sections
        self.blocks_skipped = self._decoder.blocks_skipped
        self.blocks = self._decoder.blocks
        self._records = self._read()

    def _unpack(self, window: Window) -> tuple[Window, str | None]:
        have = window.fill(MAGIC_LEN)
        if not have:
            raise CaptureError(f"{self.name}: {window.trouble or 'is empty: a capture has at least a file header'}")
        compression = detect_compression(window.data)
        if compression is None:
            return window, None
        try:
            return Window(UnpackedChunks(self._file, window.data, compression)), compression
        except ImportError:
            raise CaptureError(f"{self.name}: {compression} data need a package: pip install zstandard") from None

    def _read(self) -> Generator[Record, None, None]:
        try:
            yield from self._read_on() if self._salvage else self._decoder.records()
        except DamagedCapture as damage:
            self.damage = damage.with_traceback(None)  # whose frames would keep the window alive
        finally:
            self._file.close()

    def _read_on(self) -> Iterator[Record]:
        """Yield what can be proven, and make the first hole the damage."""
        packets = 0
        for record in self._decoder.salvaged(self.holes):
            if self.holes and self.damage is None:
                self._blame(packets)
            packets += 1
            yield record
        if self.holes and self.damage is None:
            self._blame(packets)

    def _blame(self, packets: int) -> None:
        first = self.holes[0]
        self.damage = DamagedCapture(self.name, first.start, packets, first.why)

    def __iter__(self) -> Iterator[Record]:
        return self._records  # not self: a generator is iterated in C, with no call of __next__ for each packet

    def __next__(self) -> Record:
        return next(self._records)

    @property
    def names(self) -> dict[str, str]:
        """The names of addresses that the name resolution blocks met so far give."""
        return block_names(self.blocks)

    @property
    def drops(self) -> dict[tuple[int, int], dict[str, int]]:
        """Packets received, dropped and so on by (section, interface id), of the statistics blocks met so far."""
        return interface_drops(self.blocks)

    @property
    def decoder(self) -> _Decoder:
        """What reads the format; for who finds the packets in another way."""
        return self._decoder

    @property
    def is_plain_file(self) -> bool:
        """Whether all bytes are there for the asking: a file on a disk, packed or not."""
        return self._file.is_regular

    @property
    def size(self) -> int | None:
        """Bytes of a file on a disk, packed as they are there; None for a pipe, whose end is not known."""
        return self._file.size

    @property
    def salvages(self) -> bool:
        """Whether reading goes on behind damage."""
        return self._salvage

    def taking(self, records: Iterator[Record]) -> Iterator[Record]:
        """Yield `records` of the decoder; note the damage that ends them."""
        try:
            yield from records
        except DamagedCapture as damage:
            self.damage = damage.with_traceback(None)

    def watch_blocks(self, watcher: Callable[[Block], None]) -> None:
        """Have each block without a packet told, beginning with those that are kept already."""
        for block in self.blocks:
            watcher(block)
        self._decoder.watchers.append(watcher)

    @property
    def link_types(self) -> list[int]:
        """The link types of the interfaces met so far, each once, in order of appearance."""
        return list(dict.fromkeys(interface.link_type for interface in self.interfaces))

    @property
    def snaplen(self) -> int:
        """The snapshot length of the first interface in bytes; 0 = no limit, or no interface met yet."""
        return self._decoder.snaplen

    @property
    def bytes_read(self) -> int:
        """Bytes taken from the file so far, packed as they are there: how far reading has come."""
        return self._file.taken

    def interface_of(self, record: Record) -> Interface:
        """Return the interface that a packet of this capture was seen on."""
        return self.sections[record.section].interfaces[record.interface_id or 0]

    def close(self) -> None:
        """Close the file, if it was opened by name, and end the iteration."""
        self._records.close()
        self._file.close()

    def __enter__(self) -> CaptureReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_capture(source: Source, *, salvage: bool = False) -> CaptureReader:
    """Open a capture: pcap or pcapng, plain or packed with gzip or zstd, found out by its first bytes.

    Parameters
    ----------
    source : a path, `"-"` for standard input, or a binary file object; it is read from where it stands,
        without seeking, so packets of a pipe come as they are written
    salvage : behind damage, find the next record that is provable and go on; what lies between is told in
        `CaptureReader.holes`

    Raises
    ------
    CaptureError : nothing can be read: no such file, a directory, no permission, empty, no capture, or the
        file header is cut. Damage behind the header is no error: what is readable is read, see
        `CaptureReader.damage`

    >>> open_capture(__file__)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    pktlab.errors.CaptureError: ...reader.py: is not a capture (pcap, pcapng): it looks like text
    """
    return CaptureReader(source, salvage=salvage)


def _find_decoder(name: str, window: Window, compression: str | None) -> _Decoder:
    have = window.fill(MAGIC_LEN)
    head = window.data[window.pos : window.pos + _SAMPLE_LEN]
    if head[:MAGIC_LEN] in PCAP_MAGICS:
        return PcapDecoder(name, window)
    if head[:MAGIC_LEN] == PCAPNG_MAGIC:
        return PcapngDecoder(name, window)
    if window.trouble and have < MAGIC_LEN:
        raise CaptureError(f"{name}: {window.trouble}")
    if _is_text(head) and window.fill(_DUMP_SAMPLE_LEN):
        from pktlab.capture.hexdump import HexDumpDecoder, is_hex_dump  # whose patterns take 5 ms to compile

        if is_hex_dump(_text_at(window)):
            return HexDumpDecoder(name, window)
    inside = f"holds {compression} data of something that " if compression else ""
    raise CaptureError(f"{name}: {inside}is not a capture (pcap, pcapng): {_looks_like(head)}")


def _text_at(window: Window) -> str:
    return window.data[window.pos : window.pos + _DUMP_SAMPLE_LEN].decode("utf-8", "replace")


def _looks_like(head: bytes) -> str:
    if len(head) < MAGIC_LEN:
        return f"it has only {len(head)} byte{'' if len(head) == 1 else 's'}"
    if head.startswith(b"PK\x03\x04"):
        return f"it looks like {_zip_archive(head)}"
    for magic, what in _LOOKALIKES.items():
        if head.startswith(magic):
            return f"it looks like {what}"
    if not head.strip(b"\0"):
        return "it starts with zeros only"
    if _is_text(head):
        return "it looks like text"
    if _is_erf(head):
        return "it looks like an Endace ERF file: `editcap -F pcapng` converts it"
    return f"it starts with {head[:MAGIC_LEN].hex(' ')}"


def _zip_archive(head: bytes) -> str:
    """Say what is in a ZIP archive, by its first entry (APPNOTE.TXT section 4.3.7)."""
    name = head[30 : 30 + int.from_bytes(head[26:28], "little")].decode("utf-8", "replace")
    if not name.isprintable() or not name or len(head) < 30:
        return "a ZIP archive: unpack it first"
    return f"a ZIP archive that holds {name}: unpack it first, `unzip -p FILE | pktlab ... -`"


def _is_erf(head: bytes) -> bool:
    """Say whether two ERF records, or one that is longer than the sample, stand at the start.

    Each begins with a time (little-endian), type, flags, its own length, a loss counter and the length on the wire.
    """
    at, before = 0, 0
    for _ in range(2):
        if at + 16 > len(head):
            return at > 16
        seconds, kind, length = (
            int.from_bytes(head[at + 4 : at + 8], "little"),
            head[at + 8] & 0x7F,
            head[at + 10 : at + 12],
        )
        is_near = abs(seconds - before) < 86_400 if before else seconds > 600_000_000
        if not (is_near and 0 < kind <= 48 and int.from_bytes(length, "big") >= 16):
            return False
        at, before = at + int.from_bytes(length, "big"), seconds
    return True


def _is_text(head: bytes) -> bool:
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)  # which lets a last character be cut
    except UnicodeDecodeError:
        return False
    return all(character.isprintable() or character in "\t\n\r\f" for character in text)
