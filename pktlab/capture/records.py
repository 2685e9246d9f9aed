"""What a capture file holds: packets, the interfaces that they were seen on, and the sections they lie in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Interface", "Record", "Section"]

NS_PER_S = 1_000_000_000


@dataclass(slots=True)
class Record:
    """One packet as a file holds it: its bytes and what the file says about them.

    Nothing here is interpreted: `data` may be shorter than `length` (cut by a snapshot length) and, in files
    that were made to do harm, longer.

    >>> record = Record(1, 1_700_000_000_000_000_000, b"abc", 60, 1)
    >>> record.captured, record.length, record.comments
    (3, 60, ())
    """

    number: int  # 1 for the first packet of the file, as `frame.number`
    time_ns: int | None  # nanoseconds since 1970-01-01 UTC; None where the file has none (simple packet block)
    data: bytes  # the captured bytes
    length: int  # bytes that the packet had on the wire
    link_type: int  # LINKTYPE_ number of the file or interface, as it is written there
    interface_id: int | None = None  # interface within the section, from 0; None in a pcap
    offset: int = 0  # byte of the (unpacked) stream at which the record's header starts
    flags: int | None = None  # epb_flags, see the pcapng draft 4.3.1; None if not given
    comments: tuple[str, ...] = ()  # opt_comment, in file order
    fcs_len: int | None = None  # bytes of frame check sequence that end a whole frame; None if not known
    section: int = 0  # section of the file, from 0; always 0 in a pcap

    @property
    def captured(self) -> int:
        """Bytes that were captured, as `frame.cap_len`."""
        return len(self.data)


@dataclass(slots=True, eq=False)
class Interface:
    """Where packets were captured; a pcap has one, which its file header describes.

    Spec: draft-ietf-opsawg-pcapng section 4.2.

    >>> wire = Interface(link_type=1, name="eth0", ticks_per_second=1000, ts_offset_s=10)
    >>> wire.time_ns(1500), wire.ticks(11_500_000_000)
    (11500000000, 1500)
    """

    link_type: int  # LINKTYPE_ number
    snaplen: int = 0  # most bytes that are kept of a packet; 0 = no limit
    name: str = ""  # if_name, e.g. "eth0"
    description: str = ""  # if_description
    ticks_per_second: int = 1_000_000  # if_tsresol: what a time stamp counts
    ts_offset_s: int = 0  # if_tsoffset: seconds to add to each time stamp
    fcs_len: int | None = None  # bytes of frame check sequence that end a whole frame; None if not known
    options: tuple[tuple[int, bytes], ...] = ()  # all other options: code and value, numbers little-endian
    interface_id: int | None = None  # within its section, from 0; None in a pcap
    section: int = 0  # from 0

    def time_ns(self, ticks: int) -> int:
        """Return the time in ns since the epoch of a stamp of `ticks`; what is finer than 1 ns is cut off."""
        return ticks * NS_PER_S // self.ticks_per_second + self.ts_offset_s * NS_PER_S

    def ticks(self, time_ns: int) -> int:
        """Return the stamp for a time in ns since the epoch; what is finer than a tick is cut off."""
        return (time_ns - self.ts_offset_s * NS_PER_S) * self.ticks_per_second // NS_PER_S


@dataclass(slots=True)
class Section:
    """A part of a pcapng file with its own byte order and interfaces; a pcap is one section.

    Spec: draft-ietf-opsawg-pcapng section 4.1.

    >>> Section("little", (1, 0), os="Linux 6.1").os
    'Linux 6.1'
    """

    byte_order: Literal["little", "big"]
    version: tuple[int, int]  # major, minor
    hardware: str = ""  # shb_hardware
    os: str = ""  # shb_os
    application: str = ""  # shb_userappl: the program that wrote it
    comments: tuple[str, ...] = ()  # opt_comment, in file order
    interfaces: list[Interface] = field(default_factory=list)  # as they appear; the place is the interface id
