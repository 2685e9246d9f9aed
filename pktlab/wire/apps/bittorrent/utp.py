"""uTP, the transport over UDP that BitTorrent yields with: the header and its extensions, versions 1 and 0.

Spec: BEP 29. Version 1 has 20 octets and then a chain of extensions, each of which says the type of the next and its
own length; version 0 has 23 octets, its type behind the rest. Where programs leave the text: a selective
acknowledgement of libtorrent is any length, not only a multiple of 4; it says why it closes in an extension of type 3;
and libutp answers an extension that it does not know with a reset of version 0, whose connection ID is the first four
octets of the packet.

Few bits of the header are fixed. A packet is known by what stands in it: the exact length of one without data, a window
under 16 MiB, and of one with data, messages between peers. Other data are known by the flow alone.
"""

from __future__ import annotations

from typing import Any

from construct import GreedyBytes, Int8ub, Int16ub, Int32ub, this

from pktlab.wire import expressions
from pktlab.wire.apps.bittorrent.framing import are_messages
from pktlab.wire.cursor import Cursor
from pktlab.wire.fields import AUTO, bits, field
from pktlab.wire.glance import Glance, stands
from pktlab.wire.header import Header
from pktlab.wire.nodes import Bounded, Readable

__all__ = ["TYPES", "BitExtension", "CloseReason", "Extension", "Sack", "Utp", "Utp0", "extensions_end"]

DATA, FIN, STATE, RESET, SYN = range(5)
TYPES = {DATA: "DATA", FIN: "FIN", STATE: "STATE", RESET: "RESET", SYN: "SYN"}
SACK, BITS, CLOSE = 1, 2, 3
EXTENSIONS = {0: "none", SACK: "selective acks", BITS: "extension bits", CLOSE: "close reason"}
REASONS = {
    **dict(enumerate((
        "none", "duplicate peer ID", "torrent removed", "no memory", "port blocked", "blocked", "upload to upload",
        "not interested in upload only", "timeout", "timed out: interest", "timed out: activity",
        "timed out: handshake", "timed out: request", "protocol blocked", "peer churn", "too many connections",
        "too many files",
    ))),
    **dict(enumerate((
        "encryption error", "invalid info hash", "self connection", "invalid metadata", "metadata too big",
        "message too big", "invalid message ID", "invalid message", "invalid piece", "invalid have",
        "invalid bitfield", "invalid choke", "invalid unchoke", "invalid interested", "invalid not interested",
        "invalid request", "invalid reject", "invalid allowed fast", "invalid extended", "invalid cancel",
        "invalid DHT port", "invalid suggest", "invalid have all", "invalid don't have", "invalid have none",
        "invalid PEX", "invalid metadata request", "invalid metadata message", "invalid metadata offset",
        "request when choked", "corrupt pieces", "PEX too big", "PEX too frequent",
    ), 256)),
}  # fmt: skip
"""Why libtorrent 2.1 closes, from its `close_reason_t`."""
WINDOW_MAX = (1 << 24) - 1
"""Octets of a window beyond which a header is not taken for one: programs have a mebibyte or a few."""


class Extension(Header, layer="bt-utp", label="Extension"):
    """BEP 29: the type of the extension behind this one, the length of this one, and what it holds."""

    following: int = field(
        Int8ub, "Next Extension Type", name="next_extension_type", names=EXTENSIONS, default=0
    )  # fmt: skip
    length: int = field(Int8ub, "Extension Length", name="extension_len", default=AUTO)
    data: bytes = field(Bounded(this.length, GreedyBytes), "Extension Unknown", name="extension_unknown", default=b"")

    def summary(self) -> str:
        """Return ``unknown extension``."""
        return "unknown extension"


class Sack(Header, layer="bt-utp", label="Selective acknowledgement"):
    """BEP 29: bit 0 of the first octet is the packet two behind the one acknowledged, the lowest bit first."""

    following: int = field(Int8ub, "Next Extension Type", name="next_extension_type", names=EXTENSIONS, default=0)
    length: int = field(Int8ub, "Extension Length", name="extension_len", default=AUTO)
    bitmask: bytes = field(Bounded(this.length, GreedyBytes), "Extension Bitmask", name="extension_bitmask")

    def sequence_numbers(self, ack_nr: int) -> list[int]:
        r"""Return the numbers of the packets that it says have come, given the header's `ack_nr`.

        >>> Sack(bitmask=b"\x05\x80").sequence_numbers(65534)
        [0, 2, 15]
        """
        bits = int.from_bytes(self.bitmask, "little")
        return [ack_nr + 2 + place & 0xFFFF for place in range(bits.bit_length()) if bits >> place & 1]

    def summary(self) -> str:
        """Return ``selective ack of 3``."""
        return f"selective ack of {int.from_bytes(self.bitmask, 'big').bit_count()}"


class BitExtension(Header, layer="bt-utp", label="Extension bits"):
    """Eight octets of libutp: what else the sender understands."""

    following: int = field(Int8ub, "Next Extension Type", name="next_extension_type", names=EXTENSIONS, default=0)
    length: int = field(Int8ub, "Extension Length", name="extension_len", default=AUTO)
    bits: bytes = field(Bounded(this.length, GreedyBytes), "Extension bits", name="extension_bits", default=bytes(8))

    def summary(self) -> str:
        """Return its name."""
        return "extension bits"


class CloseReason(Header, layer="bt-utp", label="Close reason"):
    """Four octets of libtorrent: why it ends the connection."""

    following: int = field(Int8ub, "Next Extension Type", name="next_extension_type", names=EXTENSIONS, default=0)
    length: int = field(Int8ub, "Extension Length", name="extension_len", default=4, equals=4)
    reserved: int = field(Int16ub, "Reserved", name="close_reserved", default=0)
    reason: int = field(Int16ub, "Close reason", name="close_reason", names=REASONS, default=0)

    def summary(self) -> str:
        """Return ``close reason: torrent removed``."""
        return f"close reason: {REASONS.get(self.reason, self.reason)}"


_PAGES: dict[int, type[Header]] = {SACK: Sack, BITS: BitExtension, CLOSE: CloseReason}


class Chain(Readable):
    """The extensions: `key` is the type of the first, that of each other stands in the one before it."""

    def __init__(self, key: Any) -> None:
        super().__init__()
        self.key = key
        self.key_of = expressions.evaluator(key)
        self.inside = (*_PAGES.values(), Extension)

    def read_from(self, cursor: Cursor, scope: Any) -> tuple[Header, ...]:
        """Read extensions up to the one that says none follows."""
        kind, found = self.key_of(scope), []
        while kind:
            schema = _PAGES.get(kind, Extension).schema
            if kind == CLOSE and cursor.data[cursor.pos + 1 : min(cursor.pos + 2, cursor.end)] not in (b"\4", b""):
                schema = Extension.schema
            at, mark = cursor.pos, len(cursor.trace or ())
            one = schema.read_from(cursor)
            if cursor.trace is not None:
                cursor.trace.insert(mark, schema.group(at, cursor.pos, one))
            found.append(one)
            kind = one.following
        return tuple(found)

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        for one in obj:
            one.schema._build(one, stream, context, path)
        return obj


def extensions_end(data: bytes, at: int, end: int, kind: int) -> int:
    """Return where the extensions from `at` on end; -1 if they pass `end`."""
    while kind:
        if at + 2 > end:
            return -1
        kind, at = data[at], at + 2 + data[at + 1]
    return at if at <= end else -1


class Utp(Header, layer="bt-utp", label="uTorrent Transport Protocol"):
    """BEP 29, version 1; times in microseconds, the window in octets."""

    _type_version = field(Int8ub)
    type: int = bits(_type_version, 0xF0, "Type", names=TYPES)
    ver: int = bits(_type_version, 0x0F, "Version", equals=1, default=1)
    extension: int = field(Int8ub, "Next Extension Type", name="next_extension_type", names=EXTENSIONS, default=0)
    connection_id: int = field(Int16ub, "Connection ID")
    timestamp_us: int = field(Int32ub, "Timestamp Microseconds", default=0)
    timestamp_diff_us: int = field(Int32ub, "Timestamp Difference Microseconds", default=0)
    wnd_size: int = field(Int32ub, "Window Size", default=1 << 20)
    seq_nr: int = field(Int16ub, "Sequence number")
    ack_nr: int = field(Int16ub, "ACK number", default=0)
    extensions: tuple[Header, ...] = field(Chain(this.extension), name="", default=())

    glances = (
        Glance(0, 1, tuple((kind << 4 | 1,) * 2 for kind in TYPES)), Glance(1, 1, ((0, 8),)),
        Glance(12, 4, ((0, WINDOW_MAX),)),
    )  # fmt: skip

    @classmethod
    def looks_like(cls, data: bytes, start: int, end: int) -> bool:
        """Tell whether extensions and length fit, and what is behind a header of data are messages between peers."""
        if end - start < cls.HEADER_LEN or not stands(cls.glances, data, start, end):
            return False
        behind = extensions_end(data, start + cls.HEADER_LEN, end, data[start + 1])
        if data[start] >> 4 == DATA:
            return start < behind < end and are_messages(data, behind, end)
        if data[start] >> 4 == SYN and any(data[start + 8 : start + 12] + data[start + 18 : start + 20]):
            return False
        return behind == end

    def summary(self) -> str:
        """Return ``uTP DATA id=29769 seq=61010 ack=46954``."""
        said = "".join(f", {one.summary()}" for one in self.extensions)
        return (
            f"uTP {TYPES.get(self.type, self.type)} id={self.connection_id} seq={self.seq_nr} ack={self.ack_nr}{said}"
        )


class Utp0(Header, layer="bt-utp", label="uTorrent Transport Protocol version 0"):
    """BEP 29's forerunner; the window in units of 350 octets. The type stands where the flags do."""

    connection_id: int = field(Int32ub, "Connection ID")
    timestamp_sec: int = field(Int32ub, "Timestamp seconds", default=0)
    timestamp_us: int = field(Int32ub, "Timestamp Microseconds", default=0)
    timestamp_diff_us: int = field(Int32ub, "Timestamp Difference Microseconds", default=0)
    wnd_size: int = field(Int8ub, "Window Size", default=0)
    extension: int = field(Int8ub, "Next Extension Type", name="next_extension_type", names=EXTENSIONS, default=0)
    type: int = field(Int8ub, "Flags", name="flags", names=TYPES)
    seq_nr: int = field(Int16ub, "Sequence number")
    ack_nr: int = field(Int16ub, "ACK number", default=0)
    extensions: tuple[Header, ...] = field(Chain(this.extension), name="", default=())

    glances = (Glance(8, 4, ((0, 999_999),)), Glance(17, 1, ((0, 2),)), Glance(18, 1, ((FIN, SYN),)))

    @classmethod
    def looks_like(cls, data: bytes, start: int, end: int) -> bool:
        """Tell whether it is a packet without data whose length fits; one with data is not told from others."""
        if end - start < cls.HEADER_LEN or not stands(cls.glances, data, start, end):
            return False
        return extensions_end(data, start + cls.HEADER_LEN, end, data[start + 17]) == end

    @property
    def answers(self) -> Utp | None:
        """The start of the packet of version 1 that its connection ID may repeat, as libutp has it in a reset."""
        start = self.connection_id.to_bytes(4, "big")
        if self.type != RESET or start[0] & 0x0F != 1 or start[0] >> 4 > SYN:
            return None
        return Utp(type=start[0] >> 4, extension=start[1], connection_id=self.connection_id & 0xFFFF, seq_nr=0)

    def summary(self) -> str:
        """Return ``uTP v0 RESET id=0x21032a46 seq=0 ack=978``."""
        kind, answered = TYPES.get(self.type, self.type), self.answers
        what = "" if answered is None else f", to a {TYPES[answered.type]} of {answered.connection_id}"
        return f"uTP v0 {kind} id={self.connection_id:#010x} seq={self.seq_nr} ack={self.ack_nr}{what}"
