"""Open a file to write packets to: which format and packing it gets, and what is known about its interfaces."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import PurePath
from typing import Literal

from pktlab.capture.output import Output, Target
from pktlab.capture.pcap import PcapWriter
from pktlab.capture.pcapng_writer import PcapngWriter
from pktlab.capture.records import NS_PER_S, Interface
from pktlab.capture.writing import CaptureWriter, Described
from pktlab.errors import CaptureError

__all__ = ["open_writer"]

_PACKED_SUFFIXES = {".gz": "gzip", ".zst": "zstd"}


def open_writer(
    target: Target,
    *,
    format: Literal["pcap", "pcapng"] | None = None,
    compression: Literal["gzip", "zstd"] | None = None,
    link_type: int | None = None,
    nanoseconds: bool | None = None,
    snaplen: int = 0,
    like: Described | None = None,
    flush: bool = False,
) -> CaptureWriter:
    """Open a capture for writing; used with `with`, a failure leaves no half file behind.

    Parameters
    ----------
    target : a path, `"-"` for standard output, or a binary file object, which is left open
    format : if not given, pcap where the name ends in .pcap (.pcap.gz, .pcap.zst), else pcapng
    compression : if not given, gzip where the name ends in .gz, zstd where it ends in .zst, else none
    link_type : of a capture that may stay empty; if not given, that of `like`, or of the first packet
    nanoseconds : whether times keep them, True if not given; in a pcap that is written `like` a pcap, as
        there
    snaplen : most bytes that were kept of a packet; 0 = no limit
    like : the capture that the packets come from: its interfaces and section are described again, in their
        order
    flush : pass on each packet at once, and write to the named file directly, for a live capture

    Raises
    ------
    CaptureError : the target cannot be written to, or the zstandard package is missing

    >>> import io
    >>> from pktlab.capture import Record, open_capture
    >>> file = io.BytesIO()
    >>> with open_writer(file, format="pcapng") as writer:
    ...     writer.write(Record(1, 1_700_000_000_123_456_789, b"abc", 60, 1, comments=("hello",)))
    >>> [(r.number, r.time_ns, r.data, r.comments) for r in open_capture(io.BytesIO(file.getvalue()))]
    [(1, 1700000000123456789, b'abc', ('hello',))]
    """
    named_format, named_compression = _by_name(target)
    output = Output(target, compression or named_compression, live=flush)
    try:
        if (format or named_format) == "pcap":
            return _open_pcap(output, link_type, nanoseconds, snaplen, like, flush)
        return _open_pcapng(output, link_type, nanoseconds, snaplen, like, flush)
    except (CaptureError, BrokenPipeError):
        output.discard()
        raise


def _open_pcap(
    output: Output,
    link_type: int | None,
    nanoseconds: bool | None,
    snaplen: int,
    like: Described | None,
    flush: bool,
) -> PcapWriter:
    likely = like.interfaces if like else []
    is_like_pcap = like is not None and like.format == "pcap"
    if nanoseconds is None:
        nanoseconds = not is_like_pcap or likely[0].ticks_per_second == NS_PER_S
    known = likely[0] if is_like_pcap else None
    if link_type is not None:
        known = Interface(link_type, snaplen)
    return PcapWriter(output, flush=flush, interface=known, like=like, snaplen=snaplen, nanoseconds=nanoseconds)


def _open_pcapng(
    output: Output,
    link_type: int | None,
    nanoseconds: bool | None,
    snaplen: int,
    like: Described | None,
    flush: bool,
) -> PcapngWriter:
    template = Interface(1, snaplen, ticks_per_second=1_000_000 if nanoseconds is False else NS_PER_S)
    known = None if link_type is None else replace(template, link_type=link_type)
    return PcapngWriter(output, flush=flush, interface=known, template=template, like=like)


def _by_name(target: Target) -> tuple[Literal["pcap", "pcapng"], str | None]:
    """Return the format and the compression that the suffixes of a path stand for.

    >>> _by_name("a.pcap"), _by_name("a.pcap.gz"), _by_name("a.zst"), _by_name("-")
    (('pcap', None), ('pcap', 'gzip'), ('pcapng', 'zstd'), ('pcapng', None))
    """
    if not isinstance(target, (str, os.PathLike)):
        return "pcapng", None
    path = PurePath(target)
    compression = _PACKED_SUFFIXES.get(path.suffix.lower())
    if compression:
        path = path.with_suffix("")
    return "pcap" if path.suffix.lower() == ".pcap" else "pcapng", compression
