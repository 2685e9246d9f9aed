"""What one segment of a connection between peers says: the handshake, whole messages, and what goes on in the next.

A segment is known by the handshake in front of it, or by messages that follow each other so that chance does not
explain them (`framing.are_messages`); no port says anything. What starts in the middle of a message is `data`: that
takes the stream. Of a message that goes on in the next segment, what is here is shown.
"""

from __future__ import annotations

from typing import Any, ClassVar

from construct import Bytes, GreedyBytes, Int8ub

from pktlab.wire.apps.bittorrent import framing
from pktlab.wire.apps.bittorrent.extended import Said
from pktlab.wire.apps.bittorrent.peer import (
    MAX_LEN,
    MESSAGES,
    PROTOCOL,
    TYPES,
    Extended,
    Handshake,
    KeepAlive,
    Piece,
    Unknown,
    begin_field,
    index_field,
    kind_at,
    length_field,
    type_field,
)
from pktlab.wire.apps.nodes import STRING
from pktlab.wire.cursor import Cursor
from pktlab.wire.fields import field
from pktlab.wire.glance import Glance, stands
from pktlab.wire.header import Header
from pktlab.wire.nodes import Readable

__all__ = ["Bittorrent", "BittorrentIdle"]

SHOWN = 4
"""Messages that a line names."""
_OPENING = bytes([len(PROTOCOL)]) + PROTOCOL


class HandshakePart(Header, layer="bittorrent", label="Handshake"):
    """The start of a handshake that goes on in the next segment."""

    name_length: int = field(Int8ub, "Protocol Name Length", name="protocol.name.length", default=19, equals=19)
    name: str = field(Bytes(19), "Protocol Name", as_=STRING, name="protocol.name", default=PROTOCOL, equals=PROTOCOL)
    rest: bytes = field(GreedyBytes, name="", default=b"")

    def summary(self) -> str:
        """Return ``start of a handshake``."""
        return "start of a handshake"


class PiecePart(Header, layer="bittorrent", label="Piece"):
    """The start of a block that goes on in the next segment."""

    size: int = length_field()
    type: int = type_field(7)
    index: int = index_field()
    begin: int = begin_field()
    data: bytes = field(GreedyBytes, "Data in a piece", name="piece.data", default=b"")

    def summary(self) -> str:
        """Return ``piece 17 at 16384, 1380 of 16384 bytes``."""
        return f"piece {self.index} at {self.begin}, {len(self.data)} of {self.size - 9} bytes"


class Part(Header, layer="bittorrent", label="Message"):
    """The start of any other message that goes on."""

    size: int = length_field()
    type: int = field(Int8ub, "Message Type", name="msg.type", names=TYPES)
    rest: bytes = field(GreedyBytes, name="", default=b"")

    def summary(self) -> str:
        """Return ``start of bitfield, 100 of 2048 bytes``."""
        return f"start of {TYPES.get(self.type, f'type {self.type}')}, {len(self.rest) + 1} of {self.size} bytes"


class Messages(Readable):
    """Messages and handshakes up to the end; the last may be the start of one."""

    inside = (Handshake, KeepAlive, *MESSAGES.values(), Said, Unknown, HandshakePart, PiecePart, Part)

    def read_from(self, cursor: Cursor, scope: Any) -> tuple[Header, ...]:
        """Read them; what is less than a length and a type is left."""
        items: list[Header] = []
        while (kind := _kind(cursor)) is not None:
            items.append(_one(kind, cursor))
        return tuple(items)

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        for item in obj:
            item.schema._build(item, stream, context, path)
        return obj


def _kind(cursor: Cursor) -> Any:
    """Return the class of what stands at the cursor; None where too little does."""
    data, start, end = cursor.data, cursor.pos, cursor.end
    if data.startswith(_OPENING, start, end):
        return Handshake if end - start >= Handshake.HEADER_LEN else HandshakePart
    if (end - start < 5 and data[start:end] != bytes(4)) or _OPENING.startswith(data[start:end]):
        return None
    kind = kind_at(data, start, end, cursor.limit)
    kind = Said if kind is Extended else kind
    if kind is KeepAlive or int.from_bytes(data[start : start + 4], "big") <= end - start - 4:
        return kind
    return PiecePart if kind is Piece and end - start >= Piece.HEADER_LEN else Part


def _one(kind: Any, cursor: Cursor) -> Header:
    """Read a message; in the trace, an entry that names it goes in front of its fields."""
    at, mark = cursor.pos, len(cursor.trace or ())
    item: Header = kind.schema.read_from(cursor)
    if cursor.trace is not None:
        cursor.trace.insert(mark, kind.schema.group(at, cursor.pos, item))
    return item


class Bittorrent(Header, layer="bittorrent", label="BitTorrent"):
    """BEP 3: what peers say over TCP or uTP, as far as it stands in one segment."""

    messages: tuple[Header, ...] = field(Messages(), name="")
    rest: bytes = field(GreedyBytes, name="", default=b"")

    glances: ClassVar[tuple[Glance, ...]] = (
        Glance(0, 4, ((1, MAX_LEN), (int.from_bytes(_OPENING[:4], "big"),) * 2)),
        Glance(4, 1, ((0, max(TYPES)), (_OPENING[4], _OPENING[4]))),
    )

    @classmethod
    def looks_like(cls, data: bytes, start: int, end: int) -> bool:
        """Tell whether there is a handshake, or messages that are not there by chance."""
        return stands(cls.glances, data, start, end) and framing.are_messages(data, start, end)

    def summary(self) -> str:
        """Return ``BitTorrent have 3, have 4``."""
        said = [one.summary() for one in self.messages]
        more = f", … ({len(said)} messages)" if len(said) > SHOWN else ""
        return f"BitTorrent {', '.join(said[:SHOWN])}{more}"


class BittorrentIdle(Bittorrent, layer="bittorrent", label="BitTorrent"):
    """The same with a keep-alive in front, told apart so that zeros are none at a glance."""

    glances = (Glance(0, 4, ((0, 0),)), Glance(4, 4, ((1, MAX_LEN),)), Glance(8, 1, ((0, max(TYPES)),)))
