"""What is told of a connection between two peers.

The events of one way tile it: each byte of the stream is in exactly one `Message`, `Broken`, `Unknown` or `Lost`.
Offsets are those of the stream; `frame` is the number of the frame that the last byte came in (0 with sockets),
`time_ns` when that was there in order.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple

from pktlab.wire.apps.bittorrent.peer import TYPES, Handshake, message_at

__all__ = [
    "Broken", "Closed", "Entered", "Entry", "KeyExchange", "Lost", "Message", "PeerEvent", "Rule", "Unknown",
    "Violation",
]  # fmt: skip


class Entry(StrEnum):
    """Where a way was entered."""

    handshake = "handshake"  # at its first byte
    exchange = "exchange"  # behind a key exchange (MSE) that chose plaintext
    middle = "middle"  # at the first messages that chance does not explain: what was before is not known
    gap = "gap"  # the same, behind bytes that are missing
    fault = "fault"  # the same, behind what is no message


class Entered(NamedTuple):
    """From `offset` on there are messages."""

    way: int
    how: Entry
    offset: int
    frame: int
    time_ns: int


class Message(NamedTuple):
    """A message, or a handshake.

    type : number of the message; `framing.HANDSHAKE` or `framing.KEEP_ALIVE` for what has none
    fields : the numbers in front of its data, see `framing.Frame`
    extension : of an extended message (20) what the receiver said that its number means, ``"handshake"`` for 0; empty
        if it did not say
    raw : all of its bytes
    """

    way: int
    type: int
    fields: tuple[Any, ...]
    extension: str
    raw: memoryview
    offset: int
    frame: int
    time_ns: int

    @property
    def name(self) -> str:
        """What it is called: ``"request"``, ``"handshake"``, ``"keep-alive"``; ``"type 99"`` of an unknown one."""
        if self.type < 0:
            return "keep-alive" if self.type == -1 else "handshake"
        return TYPES.get(self.type, f"type {self.type}")

    @property
    def size(self) -> int:
        """How many bytes it takes."""
        return len(self.raw)

    @property
    def header(self) -> Any:
        """All that it says, field by field: a header of `pktlab.wire.apps.bittorrent.peer`."""
        data = bytes(self.raw)
        return Handshake.parse(data) if self.name == "handshake" else message_at(data)


class Broken(NamedTuple):
    """A message whose length is known, and of which `missing` bytes are not there.

    type, fields : None and empty if they are among those
    """

    way: int
    type: int | None
    fields: tuple[Any, ...]
    offset: int
    size: int
    missing: int
    frame: int
    time_ns: int


class Lost(NamedTuple):
    """Bytes that are missing outside of a message; `size` is 0 where it is not known how many."""

    way: int
    offset: int
    size: int
    frame: int
    time_ns: int


class Unknown(NamedTuple):
    """Bytes that are no message, or the start of one that never ended.

    why : ``"exchange"`` (a key exchange), ``"before"`` the first messages, ``"fault"``, ``"cut"`` (a message that goes
        on in bytes that are missing, or behind the end), ``"other"`` (nothing here is BitTorrent)
    """

    way: int
    why: str
    offset: int
    size: int
    frame: int
    time_ns: int


class KeyExchange(NamedTuple):
    """Both sides begin with a Diffie-Hellman exchange (message stream encryption).

    is_sure : messages of BitTorrent follow it in plaintext; else it only looks like one: both begin with 96 to 608
        bytes, as if by chance, in turns
    flights : how many bytes each side sent before it heard the other
    """

    way: int
    is_sure: bool
    flights: tuple[int, int]
    offset: int
    frame: int
    time_ns: int


class Rule(StrEnum):
    """What a message can be at odds with."""

    length = "length"  # that its type cannot have: what follows is not read on from there
    type = "type"  # no BEP knows it
    handshake = "handshake"  # a second one, or of another torrent than that of the other side
    first = "first"  # bitfield, have all and have none come first
    bitfield = "bitfield"  # of the wrong length, or with spare bits
    piece = "piece"  # that the torrent does not have
    block = "block"  # a block that the piece does not have, or one that is too long or empty
    unasked = "unasked"  # a block that nobody asked for, or a rejection of one
    fast = "fast"  # BEP 6, and one side did not say that it knows that
    extension = "extension"  # BEP 10, and one side did not say that it knows that, or an unknown number
    bencode = "bencode"  # what is no bencoding
    many = "many"  # more requests than anybody keeps


class Violation(NamedTuple):
    """A message is not as it should be; `why` is a sentence without a full stop, about the message at `offset`."""

    way: int
    rule: Rule
    why: str
    offset: int
    frame: int
    time_ns: int


class Closed(NamedTuple):
    """A way is over; `why` as `pktlab.flows.streams.Why` has it."""

    way: int
    why: str
    offset: int
    frame: int
    time_ns: int


PeerEvent = Entered | Message | Broken | Lost | Unknown | KeyExchange | Violation | Closed
