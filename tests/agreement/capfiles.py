"""Captures for tshark: one pcapng with an interface for each link type, and a plain reader for the corpus.

Written here and not taken from `pktlab.capture`, so that a mistake there cannot hide one in the headers.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = ["Packet", "read_pcap", "write_pcapng"]


class Packet(NamedTuple):
    """Bytes as they were captured; `length` is what they were on the wire."""

    link_type: int
    data: bytes
    length: int


def read_pcap(path: Path) -> Iterator[Packet]:
    """Yield the packets of a classic pcap file up to its end or the first record that cannot be."""
    data = path.read_bytes()
    order = {b"\xd4\xc3\xb2\xa1": "<", b"\x4d\x3c\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">", b"\xa1\xb2\x3c\x4d": ">"}
    if data[:4] not in order or len(data) < 24:
        return
    mark = order[data[:4]]
    link_type = struct.unpack_from(mark + "I", data, 20)[0]
    at = 24
    while at + 16 <= len(data):
        size, length = struct.unpack_from(mark + "8x2I", data, at)
        if size > len(data) - at - 16:
            return
        yield Packet(link_type, data[at + 16 : at + 16 + size], length)
        at += 16 + size


def write_pcapng(path: Path, packets: Iterable[Packet]) -> None:
    """Write `packets` with an interface for each of their link types."""
    packets = list(packets)
    link_types = sorted({packet.link_type for packet in packets})
    with path.open("wb") as file:
        file.write(_block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)))
        for link_type in link_types:
            file.write(_block(1, struct.pack("<HHI", link_type, 0, 0)))
        for number, packet in enumerate(packets):
            head = (
                link_types.index(packet.link_type),
                0,
                number,
                len(packet.data),
                max(packet.length, len(packet.data)),
            )
            file.write(_block(6, struct.pack("<5I", *head) + packet.data))


def _block(kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    size = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + size + body + size
