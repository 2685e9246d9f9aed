"""A builder of captures in every form that there is; the writers of pktlab write only little-endian ones."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from pathlib import Path

import pytest

from pktlab.capture import CaptureReader, Record, open_capture

PCAP_HEADER_LENS = {0xA1B2C3D4: 16, 0xA1B23C4D: 16, 0xA1B2CD34: 24}


@dataclass(frozen=True)
class Build:
    """The parts of capture files as bytes, in one byte order (`<` or `>`)."""

    endian: str = "<"

    def pack(self, fields: str, *values: int) -> bytes:
        return struct.pack(self.endian + fields, *values)

    # pcap

    def pcap_header(
        self, magic: int = 0xA1B2C3D4, version: tuple[int, int] = (2, 4), snaplen: int = 65535, link: int = 1
    ) -> bytes:
        return self.pack("IHHIIII", magic, *version, 0, 0, snaplen, link)

    def pcap_record(
        self,
        data: bytes,
        seconds: int = 1,
        fraction: int = 0,
        length: int | None = None,
        captured: int | None = None,
        magic: int = 0xA1B2C3D4,
    ) -> bytes:
        lengths = len(data) if captured is None else captured, len(data) if length is None else length
        patched = self.pack("IHBB", 3, 0x0800, 4, 0) if PCAP_HEADER_LENS[magic] == 24 else b""
        return self.pack("IIII", seconds, fraction, *lengths) + patched + data

    # pcapng

    def block(self, kind: int, body: bytes, total: int | None = None, last: int | None = None) -> bytes:
        body += bytes(-len(body) % 4)
        total = len(body) + 12 if total is None else total
        return self.pack("II", kind, total) + body + self.pack("I", total if last is None else last)

    def option(self, code: int, value: bytes) -> bytes:
        return self.pack("HH", code, len(value)) + value + bytes(-len(value) % 4)

    def section(self, options: bytes = b"", version: tuple[int, int] = (1, 0), **block: int) -> bytes:
        return self.block(0x0A0D0D0A, self.pack("IHHq", 0x1A2B3C4D, *version, -1) + options, **block)

    def interface(self, link: int = 1, snaplen: int = 0, options: bytes = b"", **block: int) -> bytes:
        return self.block(1, self.pack("HHI", link, 0, snaplen) + options, **block)

    def enhanced(
        self,
        data: bytes,
        interface: int = 0,
        ticks: int = 1_000_000,
        length: int | None = None,
        captured: int | None = None,
        options: bytes = b"",
        **block: int,
    ) -> bytes:
        lengths = len(data) if captured is None else captured, len(data) if length is None else length
        fixed = self.pack("IIIII", interface, ticks >> 32, ticks & 0xFFFFFFFF, *lengths)
        return self.block(6, fixed + data + bytes(-len(data) % 4) + options, **block)

    def obsolete(self, data: bytes, interface: int = 0, ticks: int = 1_000_000, options: bytes = b"") -> bytes:
        fixed = self.pack("HHIIII", interface, 7, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data))
        return self.block(2, fixed + data + bytes(-len(data) % 4) + options)

    def simple(self, data: bytes, length: int | None = None) -> bytes:
        return self.block(3, self.pack("I", len(data) if length is None else length) + data)


def read(data: bytes) -> tuple[list[Record], CaptureReader]:
    """Read a capture that is in memory: its packets, and the reader as it is afterwards."""
    reader = open_capture(io.BytesIO(data))
    return list(reader), reader


@pytest.fixture(scope="session")
def little() -> Build:
    return Build("<")


@pytest.fixture(scope="session", params=["<", ">"], ids=["little", "big"])
def build(request: pytest.FixtureRequest) -> Build:
    return Build(request.param)


@pytest.fixture(scope="session")
def builders() -> dict[str, Build]:
    return {"little": Build("<"), "big": Build(">")}


@pytest.fixture(scope="session")
def read_bytes():
    return read


@pytest.fixture(scope="session")
def samples() -> dict[str, bytes]:
    """Small captures, one of each form that is read."""
    found = {}
    for order, make in (("little", Build("<")), ("big", Build(">"))):
        for name, magic in (("us", 0xA1B2C3D4), ("ns", 0xA1B23C4D), ("kuznetsov", 0xA1B2CD34)):
            packets = (make.pcap_record(bytes(size), size, size, magic=magic) for size in (1, 60, 0, 7))
            found[f"pcap-{name}-{order}"] = make.pcap_header(magic) + b"".join(packets)
        other = Build(">" if order == "little" else "<")
        comment = make.option(1, b"hello") + make.option(2, make.pack("I", 1)) + make.option(0, b"")
        found[f"pcapng-{order}"] = (
            make.section(make.option(3, b"Linux") + make.option(0, b""))
            + make.interface(1, 96, make.option(2, b"eth0") + make.option(9, b"\x09") + make.option(0, b""))
            + make.enhanced(b"abcde", options=comment)
            + make.simple(b"simple")
            + make.block(4, bytes(4))
            + make.interface(101)
            + make.obsolete(b"old", interface=1, options=make.option(1, b"obsolete"))
            + other.section()
            + other.interface(113)
            + other.enhanced(b"x" * 33, length=1500)
        )
    return found


@pytest.fixture(scope="session")
def corpus() -> Path:
    import os

    folder = os.environ.get("PKTLAB_CORPUS")
    if not folder:
        pytest.skip("PKTLAB_CORPUS names no folder of captures")
    return Path(folder)
