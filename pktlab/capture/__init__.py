"""How do packets lie in files? Reading and writing pcap and pcapng, plain or packed, from files, pipes and streams.

Rules

- A capture is known by its first bytes, never by its name.
- It is read front to back without seeking, in memory that does not grow with it; a pipe gives its packets as
  they come.
- Every length is held against what is there before anything is allocated for it.
- Nothing readable is lost: reading ends at the damage, and `CaptureReader.damage` says where and why. A
  `CaptureError` means that there is nothing to read.
- What is read and written again keeps bytes, lengths, times to the nanosecond, link types, interfaces,
  comments, flags.
- Times are whole numbers of nanoseconds, offsets and lengths bytes.

Imports `pktlab.errors` and `pktlab.ranges` only, and zstandard when a zstd file is met.

    source.py    paths, standard input, file objects -> chunks of bytes
    unpack.py    gzip and zstd on the way
    window.py    chunks -> the bytes that are being looked at
    pcap.py      the pcap format, both ways
    blocks.py    the framing of pcapng; options.py: its option lists
    pcapng.py    the pcapng format; pcapng_writer.py: the way back
    salvage.py   behind damage: which record is provable; pcap_salvage.py, pcapng_salvage.py: what records look like
    hexdump.py   texts that show packets in hexadecimal
    other_blocks.py   pcapng blocks without packets: names, statistics, secrets
    reader.py    `open_capture`         writer.py    `open_writer`
    tools.py     merge, slice, convert
    output.py    bytes -> files that are complete or not there
    records.py   `Record`, `Interface`, `Section`        linktypes.py    what packets start with
"""

from pktlab.capture.linktypes import LINK_TYPE_NAMES, canonical_link_type, link_type_name, max_packet_len
from pktlab.capture.other_blocks import Block
from pktlab.capture.reader import CaptureReader, open_capture
from pktlab.capture.records import Interface, Record, Section
from pktlab.capture.salvage import Hole
from pktlab.capture.tools import Merged, between, convert, merge, numbered, open_merged, picked
from pktlab.capture.writer import open_writer
from pktlab.capture.writing import CaptureWriter

__all__ = [
    "LINK_TYPE_NAMES",
    "Block",
    "CaptureReader",
    "CaptureWriter",
    "Hole",
    "Interface",
    "Merged",
    "Record",
    "Section",
    "between",
    "canonical_link_type",
    "convert",
    "link_type_name",
    "max_packet_len",
    "merge",
    "numbered",
    "open_capture",
    "open_merged",
    "open_writer",
    "picked",
]
