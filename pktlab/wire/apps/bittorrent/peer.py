"""The peer wire protocol: the handshake, and every message behind it.

Spec: BEP 3 (0 to 8), BEP 5 (9), BEP 6 (13 to 17), BEP 10 (20), BEP 52 (21 to 23). A message is its length in four
octets, its type in one, and what belongs to the type; a length of 0, without a type, keeps the connection alive. Each
is a header class of its own, so that ``Have(index=3).build()`` is what goes on the wire; `message_at` reads whichever
one stands at an offset. A length that its type cannot have is Malformed: "have" takes five octets, never six.
"""

from __future__ import annotations

from typing import Any

from construct import Bytes, GreedyBytes, Int8ub, Int16ub, Int32ub, this

from pktlab.errors import Malformed, Truncated
from pktlab.wire.apps.nodes import STRING
from pktlab.wire.cursor import BUFFER, Cursor
from pktlab.wire.fields import AUTO, field
from pktlab.wire.header import Header
from pktlab.wire.nodes import Bounded, Readable

__all__ = [
    "MAX_LEN", "MESSAGES", "PROTOCOL", "TYPES", "AllowedFast", "Bitfield", "Cancel", "Choke", "Extended", "Handshake",
    "HashReject", "HashRequest", "Hashes", "Have", "HaveAll", "HaveNone", "Interested", "KeepAlive", "NotInterested",
    "Piece", "Port", "Reject", "Request", "Suggest", "Unchoke", "Unknown", "message_at",
]  # fmt: skip

PROTOCOL = b"BitTorrent protocol"
TYPES = {
    0: "choke", 1: "unchoke", 2: "interested", 3: "not interested", 4: "have", 5: "bitfield", 6: "request", 7: "piece",
    8: "cancel", 9: "port", 13: "suggest piece", 14: "have all", 15: "have none", 16: "reject request",
    17: "allowed fast", 20: "extended", 21: "hash request", 22: "hashes", 23: "hash reject",
}  # fmt: skip
MAX_LEN = (1 << 20) + 13
"""Most that a message's length may say, octets. No BEP has a limit; libtorrent ends a connection over a message of more
than a mebibyte, which holds the bitfield of eight million pieces."""
EXTENSIONS = (
    (0, 0x80, "Azureus messages"), (5, 0x10, "extension protocol"), (7, 0x10, "version 2"), (7, 0x04, "fast"),
    (7, 0x01, "DHT"),
)  # fmt: skip
"""Bits of the reserved octets that say something: BEP 4, 10, 52, 6, 5."""


def length_field(exact: int | None = None) -> Any:
    """Declare the four octets of length; `exact` is the only one that the type can have."""
    default = AUTO if exact is None else exact
    return field(Int32ub, "Message Length", name="msg.length", default=default, equals=exact)


def type_field(number: int) -> Any:
    return field(Int8ub, "Message Type", name="msg.type", names=TYPES, default=number, equals=number)


def index_field() -> Any:
    return field(Int32ub, "Piece index", base="hex", name="piece.index")


def begin_field() -> Any:
    return field(Int32ub, "Begin offset of piece", base="hex", name="piece.begin")


def _wanted() -> Any:
    return field(Int32ub, "Piece Length", base="hex", name="piece.length")


class Handshake(Header, layer="bittorrent", label="Handshake"):
    """BEP 3: the first 68 octets of each side. Of a torrent of version 2 the hash is the first 20 octets (BEP 52)."""

    name_length: int = field(Int8ub, "Protocol Name Length", name="protocol.name.length", default=19, equals=19)
    name: str = field(Bytes(19), "Protocol Name", as_=STRING, name="protocol.name", default=PROTOCOL, equals=PROTOCOL)
    reserved: bytes = field(Bytes(8), "Reserved Extension Bytes", default=bytes(8))
    info_hash: bytes = field(Bytes(20), "SHA1 Hash of info dictionary")
    peer_id: bytes = field(Bytes(20), "Peer ID")

    @property
    def extensions(self) -> tuple[str, ...]:
        """What the reserved octets say that the sender can do."""
        return tuple(name for octet, bit, name in EXTENSIONS if self.reserved[octet] & bit)

    def summary(self) -> str:
        """Return ``Handshake 0123…cdef -LT2110-… (extension protocol, fast, DHT)``."""
        can = f" ({', '.join(self.extensions)})" if self.extensions else ""
        return f"Handshake {self.info_hash.hex()} {_id_text(self.peer_id)}{can}"


def _id_text(peer_id: bytes) -> str:
    """Return the part of a peer ID that people can read, which says whose program it is (BEP 20)."""
    text = "".join(chr(one) if 0x20 < one < 0x7F else "." for one in peer_id[:8])
    return f"{text}…"


class KeepAlive(Header, layer="bittorrent", label="Keep-alive"):
    """BEP 3: a length of 0 and nothing else."""

    size: int = length_field(0)

    def summary(self) -> str:
        """Return its name."""
        return "keep-alive"


class Message(Header, layer="bittorrent", label="Message"):
    """What messages have in common."""

    def summary(self) -> str:
        """Return what it says, as the BEPs call it."""
        return TYPES[self.type]  # type: ignore[attr-defined]


class Choke(Message, layer="bittorrent", label="Choke"):
    """BEP 3: no request will be served."""

    size: int = length_field(1)
    type: int = type_field(0)


class Unchoke(Message, layer="bittorrent", label="Unchoke"):
    """BEP 3: requests will be served."""

    size: int = length_field(1)
    type: int = type_field(1)


class Interested(Message, layer="bittorrent", label="Interested"):
    """BEP 3: the other side has something that this one lacks."""

    size: int = length_field(1)
    type: int = type_field(2)


class NotInterested(Message, layer="bittorrent", label="Not interested"):
    """BEP 3: it has nothing."""

    size: int = length_field(1)
    type: int = type_field(3)


class OfPiece(Message, layer="bittorrent"):
    """Messages about one piece."""

    def summary(self) -> str:
        """Return ``have 17``."""
        return f"{TYPES[self.type]} {self.index}"  # type: ignore[attr-defined]


class Have(OfPiece, layer="bittorrent", label="Have"):
    """BEP 3: a piece is complete, and its hash was right."""

    size: int = length_field(5)
    type: int = type_field(4)
    index: int = index_field()


class Bitfield(Message, layer="bittorrent", label="Bitfield"):
    """BEP 3: the pieces that are there, the first one the highest bit; spare bits are 0."""

    size: int = length_field()
    type: int = type_field(5)
    bitfield: bytes = field(Bounded(this.size - 1, GreedyBytes), "Bitfield data", name="msg.bitfield")

    def summary(self) -> str:
        """Return ``bitfield 5 of at most 16 pieces``."""
        count = int.from_bytes(self.bitfield, "big").bit_count()
        return f"bitfield {count} of at most {8 * len(self.bitfield)} pieces"


class OfBlock(Message, layer="bittorrent"):
    """Messages about one block."""

    def summary(self) -> str:
        """Return ``request 17 at 16384, 16384 bytes``."""
        return f"{TYPES[self.type]} {self.index} at {self.begin}, {self.length} bytes"  # type: ignore[attr-defined]


class Request(OfBlock, layer="bittorrent", label="Request"):
    """BEP 3: `length` octets of a piece, from `begin` on; all clients ask for 16 KiB, or what is left of the end."""

    size: int = length_field(13)
    type: int = type_field(6)
    index: int = index_field()
    begin: int = begin_field()
    length: int = _wanted()


class Piece(Message, layer="bittorrent", label="Piece"):
    """BEP 3: a block of a piece."""

    size: int = length_field()
    type: int = type_field(7)
    index: int = index_field()
    begin: int = begin_field()
    data: bytes = field(Bounded(this.size - 9, GreedyBytes), "Data in a piece", name="piece.data")

    def summary(self) -> str:
        """Return ``piece 17 at 16384, 16384 bytes``."""
        return f"piece {self.index} at {self.begin}, {len(self.data)} bytes"


class Cancel(OfBlock, layer="bittorrent", label="Cancel"):
    """BEP 3: the block is no longer wanted."""

    size: int = length_field(13)
    type: int = type_field(8)
    index: int = index_field()
    begin: int = begin_field()
    length: int = _wanted()


class Port(Message, layer="bittorrent", label="Port"):
    """BEP 5: the UDP port of the sender's DHT node."""

    size: int = length_field(3)
    type: int = type_field(9)
    port: int = field(Int16ub, "Port", name="port")

    def summary(self) -> str:
        """Return ``port 6881``."""
        return f"port {self.port}"


class Suggest(OfPiece, layer="bittorrent", label="Suggest piece"):
    """BEP 6: a piece that would be quick to serve."""

    size: int = length_field(5)
    type: int = type_field(13)
    index: int = index_field()


class HaveAll(Message, layer="bittorrent", label="Have all"):
    """BEP 6: in place of a bitfield full of ones."""

    size: int = length_field(1)
    type: int = type_field(14)


class HaveNone(Message, layer="bittorrent", label="Have none"):
    """BEP 6: in place of a bitfield of zeros."""

    size: int = length_field(1)
    type: int = type_field(15)


class Reject(OfBlock, layer="bittorrent", label="Reject request"):
    """BEP 6: the request will not be served."""

    size: int = length_field(13)
    type: int = type_field(16)
    index: int = index_field()
    begin: int = begin_field()
    length: int = _wanted()


class AllowedFast(OfPiece, layer="bittorrent", label="Allowed fast"):
    """BEP 6: a piece that is served even while choked."""

    size: int = length_field(5)
    type: int = type_field(17)
    index: int = index_field()


class Extended(Message, layer="bittorrent", label="Extended"):
    """BEP 10: `id` 0 is the handshake; any other means what the receiver's handshake said that it does."""

    size: int = length_field()
    type: int = type_field(20)
    id: int = field(Int8ub, "Extended Message ID", name="extended.id")
    payload: bytes = field(Bounded(this.size - 2, GreedyBytes), "Extended Message", name="extended", default=b"")

    def summary(self) -> str:
        """Return ``extended handshake`` or ``extended 3, 47 bytes``."""
        return f"extended {self.id}, {len(self.payload)} bytes" if self.id else "extended handshake"


class OfHashes(Message, layer="bittorrent"):
    """Messages about the hash tree of a file."""

    def summary(self) -> str:
        """Return ``hash request layer 0, 512 from 0``."""
        return f"{TYPES[self.type]} layer {self.base_layer}, {self.count} from {self.first}"  # type: ignore[attr-defined]


def _root() -> Any:
    return field(Bytes(32), "Pieces root", name="hashes.pieces_root")


def _layer(what: str, label: str) -> Any:
    return field(Int32ub, label, name=f"hashes.{what}", default=0)


class HashRequest(OfHashes, layer="bittorrent", label="Hash request"):
    """BEP 52: hashes of a file's tree; `base_layer` 0 are the blocks, `count` a power of two, from the `first` on."""

    size: int = length_field(49)
    type: int = type_field(21)
    pieces_root: bytes = _root()
    base_layer: int = _layer("base_layer", "Base layer")
    first: int = _layer("index", "First hash")
    count: int = _layer("length", "Hashes")
    proof_layers: int = _layer("proof_layers", "Proof layers")


class Hashes(OfHashes, layer="bittorrent", label="Hashes"):
    """BEP 52: the hashes asked for, then those of the uncles up to the layer that proves them, 32 octets each."""

    size: int = length_field()
    type: int = type_field(22)
    pieces_root: bytes = _root()
    base_layer: int = _layer("base_layer", "Base layer")
    first: int = _layer("index", "First hash")
    count: int = _layer("length", "Hashes")
    proof_layers: int = _layer("proof_layers", "Proof layers")
    hashes: bytes = field(Bounded(this.size - 49, GreedyBytes), "Hashes", name="hashes.hashes")


class HashReject(OfHashes, layer="bittorrent", label="Hash reject"):
    """BEP 52: the request will not be served."""

    size: int = length_field(49)
    type: int = type_field(23)
    pieces_root: bytes = _root()
    base_layer: int = _layer("base_layer", "Base layer")
    first: int = _layer("index", "First hash")
    count: int = _layer("length", "Hashes")
    proof_layers: int = _layer("proof_layers", "Proof layers")


class Unknown(Header, layer="bittorrent", label="Message of an unknown type"):
    """A type that no BEP gives a meaning; it is skipped by its length."""

    size: int = length_field()
    type: int = field(Int8ub, "Message Type", name="msg.type")
    payload: bytes = field(Bounded(this.size - 1, GreedyBytes), "Message data", name="msg.data", default=b"")

    def summary(self) -> str:
        """Return ``type 99, 12 bytes``."""
        return f"type {self.type}, {self.size} bytes"


MESSAGES: dict[int, type[Header]] = {
    0: Choke, 1: Unchoke, 2: Interested, 3: NotInterested, 4: Have, 5: Bitfield, 6: Request, 7: Piece, 8: Cancel,
    9: Port, 13: Suggest, 14: HaveAll, 15: HaveNone, 16: Reject, 17: AllowedFast, 20: Extended, 21: HashRequest,
    22: Hashes, 23: HashReject,
}  # fmt: skip
"""The messages by their type."""


class AnyMessage(Readable):
    """The message that the type behind the length says."""

    def read_from(self, cursor: Cursor, scope: Any) -> Header:
        """Read a message, as long as its length says and no longer than `MAX_LEN`."""
        kind = kind_at(cursor.data, cursor.pos, cursor.end, cursor.limit)
        header: Header = kind.schema.read_from(cursor, scope)
        return header

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        return obj.schema._build(obj, stream, context, path)


def kind_at(data: bytes, start: int, end: int, limit: str = BUFFER) -> Any:
    """Return the class of the message that stands at `start`.

    Raises
    ------
    Truncated : length and type are not there
    Malformed : the length is over `MAX_LEN`
    """
    left = end - start
    if left < 4:
        raise Truncated("bittorrent", start, 4, left, limit)
    length = int.from_bytes(data[start : start + 4], "big")
    if not length:
        return KeepAlive
    if length > MAX_LEN:
        raise Malformed("bittorrent", start, "bittorrent.msg.length", length, f"is over {MAX_LEN}")
    if left < 5:
        raise Truncated("bittorrent", start, 5, left, limit)
    return MESSAGES.get(data[start + 4], Unknown)


def message_at(data: bytes, offset: int = 0, end: int | None = None) -> Any:
    r"""Return the message at `offset`: one of `MESSAGES`, `KeepAlive`, or `Unknown`.

    Raises
    ------
    Truncated : it goes on behind `end`
    Malformed : its length is one that its type cannot have, or over `MAX_LEN`

    >>> message_at(b"\0\0\0\5\4\0\0\0\7")
    Have(size=5, type=4, index=7)
    """
    stop = len(data) if end is None else end
    return kind_at(data, offset, stop).parse(data, offset, stop)
