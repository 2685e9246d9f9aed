"""QUIC: long headers, as far as they are not encrypted; a datagram may hold several packets.

Spec: RFC 9000 sections 16 and 17.2; RFC 9369 section 3 (version 2 has other packet types); RFC 9368 (version
negotiation). Recognised by a version that is known, with connection IDs that fit, on any UDP port. Short headers say
nothing that could be recognised, and Google's own versions have other headers: both are data.
"""

from __future__ import annotations

from typing import Any

from construct import GreedyBytes, Int8ub, Int32ub, this

from pktlab.errors import Truncated
from pktlab.wire.apps.nodes import UpTo
from pktlab.wire.cursor import Cursor
from pktlab.wire.fields import AUTO, bits, field
from pktlab.wire.glance import Glance, stands
from pktlab.wire.header import Header
from pktlab.wire.nodes import Bounded, Items, Readable, When
from pktlab.wire.values import View

__all__ = ["Quic", "VarInt"]

V1, V2 = 0x00000001, 0x6B3343CF
DRAFTS = range(0xFF000017, 0xFF000023)
"""Drafts 23 to 34: since 22 the header is that of version 1."""
VERSIONS = {V1: "v1", V2: "v2", 0: "version negotiation"}
INITIAL, ZERO_RTT, HANDSHAKE, RETRY = range(4)
TYPES = {INITIAL: "Initial", ZERO_RTT: "0-RTT", HANDSHAKE: "Handshake", RETRY: "Retry"}
CID_MAX = 20


class VarInt(int):
    """A number that knows in how many bytes it was written: the same number may take more than it needs.

    >>> VarInt(1).width, VarInt(70_000).width
    (1, 4)
    """

    width: int

    def __new__(cls, value: int, width: int = 0) -> VarInt:
        """Return the number; ValueError if it does not fit 62 bits."""
        if not 0 <= value < 1 << 62:
            raise ValueError(f"{value} does not fit 62 bits")
        number = super().__new__(cls, value)
        number.width = width or next(size for size in (1, 2, 4, 8) if value < 1 << 8 * size - 2)
        return number


VARINT = View("uint", int, VarInt)


class VarIntNode(Readable):
    """RFC 9000 section 16: two bits say how many bytes there are."""

    def read_from(self, cursor: Cursor, scope: Any) -> VarInt:
        """Read the number."""
        start = cursor.pos
        left = cursor.end - start
        width = 1 << (cursor.data[start] >> 6) if left else 1
        if left < width:
            raise Truncated("quic", start, width, left, cursor.limit)
        cursor.pos = start + width
        value = int.from_bytes(cursor.data[start : cursor.pos], "big") & (1 << 8 * width - 2) - 1
        return VarInt(value, width)

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        marks = obj.width.bit_length() - 1
        stream.write((int(obj) | marks << 8 * obj.width - 2).to_bytes(obj.width, "big"))
        return obj


class Supported(Header, layer="quic"):
    """One version that a server speaks."""

    supported_version: int = field(Int32ub, "Supported Version", base="hex")


_other = (this.version != 0) & (this.version != V2)
_is_initial = (_other & (this.packet_type == INITIAL)) | ((this.version == V2) & (this.packet_type == 1))
_has_length = (_other & (this.packet_type != RETRY)) | ((this.version == V2) & (this.packet_type != 0))


def is_known(version: int) -> bool:
    """Tell whether a version has the long header of RFC 9000.

    >>> is_known(1), is_known(0xFF00001D), is_known(int.from_bytes(b"Q046", "big"))
    (True, True, False)
    """
    return version in (V1, V2) or version in DRAFTS


class Quic(Header, layer="quic", label="QUIC"):
    """RFC 9000 section 17.2. The number of the packet and all behind it are protected: `payload`."""

    _first = field(Int8ub)
    header_form: int = bits(_first, 0x80, "Header Form", equals=1, default=1)
    fixed_bit: bool = bits(_first, 0x40, "Fixed Bit", as_=bool, default=True)
    packet_type: int = bits(_first, 0x30, "Packet Type", name="long.packet_type", default=0)
    low: int = bits(_first, 0x0F, "Protected bits", name="", default=0)
    version: int = field(Int32ub, "Version", base="hex", names=VERSIONS, default=V1)
    dcil: int = field(Int8ub, "Destination Connection ID Length", default=AUTO)
    dcid: bytes = field(Bounded(this.dcil, GreedyBytes), "Destination Connection ID", default=b"")
    scil: int = field(Int8ub, "Source Connection ID Length", default=AUTO)
    scid: bytes = field(Bounded(this.scil, GreedyBytes), "Source Connection ID", default=b"")
    versions: tuple[Supported, ...] | None = field(When(this.version == 0, Items(Supported)), name="", default=None)
    token_length: int | None = field(When(_is_initial, VarIntNode()), "Token Length", as_=VARINT, default=None)
    token: bytes | None = field(When(_is_initial, Bounded(this.token_length, GreedyBytes)), "Token", default=None)
    length: int | None = field(When(_has_length, VarIntNode()), "Length", as_=VARINT, default=None)
    payload: bytes | None = field(
        When(_has_length, UpTo(this.length, GreedyBytes)), "Protected payload", name="", default=None
    )

    glances = (
        Glance(0, 1, ((0x80, 0xFF),)), Glance(1, 4, ((0, 0), (V1, V1), (V2, V2), (DRAFTS.start, DRAFTS.stop - 1))),
        Glance(5, 1, ((0, CID_MAX),)),
    )  # fmt: skip

    @classmethod
    def looks_like(cls, data: bytes, start: int, end: int) -> bool:
        """Tell whether there is a long header of a known version whose connection IDs fit."""
        if end - start < 7 or not stands(cls.glances, data, start, end):
            return False
        version = int.from_bytes(data[start + 1 : start + 5], "big")
        second = start + 6 + data[start + 5]
        if second >= end or data[second] > CID_MAX:
            return False
        if version:
            return data[start] >= 0xC0
        offered = second + 1 + data[second]
        return any(is_known(int.from_bytes(data[at : at + 4], "big")) for at in range(offered, end - 3, 4))

    @property
    def kind(self) -> str:
        """Name of the packet's type."""
        if not self.version:
            return "version negotiation"
        return TYPES[(self.packet_type - 1) % 4 if self.version == V2 else self.packet_type]

    def summary(self) -> str:
        """Return ``QUIC Initial v1 dcid=8394c8f03e515708``."""
        draft = f"draft {self.version & 0xFF}" if self.version in DRAFTS else f"{self.version:#010x}"
        version = f" {VERSIONS.get(self.version, draft)}" if self.version else ""
        source = f" scid={self.scid.hex()}" if self.scid else ""
        return f"QUIC {self.kind}{version} dcid={self.dcid.hex()}{source}"
