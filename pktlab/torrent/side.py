"""What one side of a connection has said, and what its next message can be at odds with.

Spec: BEP 3 (state of a connection, messages), BEP 6 (fast extension), BEP 10 (extension protocol), BEP 52 (version 2),
BEP 54 (donthave).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pktlab.torrent.events import Entry, Rule
from pktlab.torrent.pieces import MAX_PIECES, Pieces
from pktlab.wire.apps.bittorrent.framing import HANDSHAKE, REQUEST_MAX
from pktlab.wire.apps.bittorrent.peer import MESSAGES
from pktlab.wire.bencode import read_lax

__all__ = ["UPGRADE", "USUAL", "Block", "Geometry", "Side", "faults", "take", "take_piece", "take_usual"]

UPGRADE = 7, 0x10
"""The reserved bit of who shares a torrent of both versions: it may be answered with the hash of version 2 (BEP 52)."""
MAX_REQUESTS = 1 << 13
"""Requests that are kept of a side; libtorrent takes 2,000, Transmission 512."""
MAX_EXTENSIONS = 256
"""Numbers that an extended message can have."""
MAX_ABOUT = 1000
"""Values of an extended handshake that are read, and keys that are kept; the longest seen has 40."""
MAX_NOTED = 1 << 12
"""Pieces of which it is kept that they were suggested, allowed or taken back."""
Block = tuple[int, int, int]
"""A piece, the offset in it, and a length in bytes."""
(
    CHOKE, UNCHOKE, INTERESTED, NOT_INTERESTED, HAVE, BITFIELD, REQUEST, PIECE, CANCEL, SUGGEST, HAVE_ALL, HAVE_NONE,
    REJECT, FAST, EXTENDED,
) = 0, 1, 2, 3, 4, 5, 6, 7, 8, 13, 14, 15, 16, 17, 20  # fmt: skip
_OPENERS = frozenset((BITFIELD, HAVE_ALL, HAVE_NONE))
_OF_FAST = frozenset((SUGGEST, HAVE_ALL, HAVE_NONE, REJECT, FAST))
_OF_PIECE = frozenset((HAVE, REQUEST, PIECE, CANCEL, SUGGEST, REJECT, FAST))
_OF_BLOCK = frozenset((REQUEST, PIECE, CANCEL, REJECT))
USUAL = _OF_PIECE - _OF_FAST
"""What nearly all messages are."""
_BEFORE_OPENERS = frozenset((-1, 9, EXTENDED, FAST, SUGGEST))
"""What may stand in front of a bitfield: it says nothing of pieces that are there."""


@dataclass
class Geometry:
    """What is known of a torrent; None where it is not.

    pieces : how many; piece_length, length : bytes of each but the last, and of all
    """

    pieces: int | None = None
    piece_length: int | None = None
    length: int | None = None

    def size_of(self, index: int) -> int | None:
        """Return how many bytes a piece has."""
        if self.piece_length is None or self.length is None:
            return self.piece_length
        return max(min(self.piece_length, self.length - index * self.piece_length), 0)


class Side:
    """What one side has said.

    entered : where it was entered, None as long as it was not; of one that was not entered at its first byte it is not
        known what it said before: `is_choking` and `is_interested` are None until it says it again
    info_hash, peer_id, reserved : of its handshake; empty without one
    is_choking : it sends nothing; is_interested : it wants something
    pieces : that it has; has_all : it said so in a word, and it may not be known how many that are; lacks : those of
        them that it took back since
    requests : that it waits for, the oldest first, and when it asked, ns; dropped : those that the other side dropped
    allowed_fast, suggested : pieces that it grants to the other while choking, and that it proposes
    extensions : what the numbers of extended messages to it mean; about : its extended handshake, all of them together
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        self.entered: Entry | None = None
        self.is_sure = True
        """False from where bytes were missing, as what they said is not known."""
        self.info_hash = self.peer_id = self.reserved = b""
        self.is_choking: bool | None = True
        self.is_interested: bool | None = False
        self.pieces = Pieces()
        self.has_all = False
        self.requests: OrderedDict[Block, int] = OrderedDict()
        self.dropped: OrderedDict[Block, int] = OrderedDict()
        self.allowed_fast: set[int] = set()
        self.suggested: set[int] = set()
        self.lacks: set[int] = set()
        self.extensions: dict[int, str] = {}
        self.about: dict[bytes, Any] = {}
        self.has_opened = False  # it has said something that a bitfield may not follow
        self.room = MAX_PIECES
        """How many pieces there can be, as its bitfield has it."""

    @property
    def is_known(self) -> bool:
        """Whether all that it said is known."""
        return self.is_sure and self.entered in (Entry.handshake, Entry.exchange)

    def can(self, octet: int, bit: int) -> bool:
        """Tell whether its handshake has a reserved bit; one that was not seen may have."""
        return not self.reserved or bool(self.reserved[octet] & bit)

    def has(self, index: int) -> bool:
        """Tell whether it has a piece."""
        return (self.has_all and index not in self.lacks) or index in self.pieces

    def forget(self) -> None:
        """Bytes are missing: what they said is not known."""
        self.is_sure = False
        self.is_choking = self.is_interested = None
        self.has_opened = True


# ---- what is wrong with a message


def faults(mine: Side, other: Side, kind: int, fields: tuple[Any, ...], data: Any) -> Sequence[tuple[Rule, str]]:
    """Return what a message of `mine` is at odds with; nothing is changed.

    kind, fields : as `framing.Frame` has them; data : all bytes of the message
    """
    if kind in USUAL:
        return _of_piece(mine, other, kind, fields, len(data))
    return list(_faults(mine, other, kind, fields, data))


def _faults(mine: Side, other: Side, kind: int, fields: tuple[Any, ...], data: Any) -> Iterator[tuple[Rule, str]]:
    if kind == HANDSHAKE:
        yield from _of_handshake(mine, other, fields)
        return
    if kind < 0:
        return
    if kind not in MESSAGES:
        yield Rule.type, f"type {kind} has no meaning"
    if kind in _OF_FAST and not (mine.can(7, 4) and other.can(7, 4)):
        yield Rule.fast, "not both sides said that they know the fast extension"
    if kind in _OPENERS:
        yield from _of_opener(mine, kind, data)
    elif kind in _OF_PIECE:
        yield from _of_piece(mine, other, kind, fields, len(data))
    elif kind == EXTENDED:
        yield from _of_extended(mine, other, data)


def _of_handshake(mine: Side, other: Side, fields: tuple[Any, ...]) -> Iterator[tuple[Rule, str]]:
    if mine.entered is not None and (mine.info_hash or mine.has_opened):
        yield Rule.handshake, "a handshake is the first thing that is said"
    if other.info_hash and fields[0] != other.info_hash and not other.can(*UPGRADE):
        yield Rule.handshake, "it is of another torrent than that of the other side"
    if other.peer_id and fields[1] == other.peer_id:
        yield Rule.handshake, "both sides have the same peer ID"


def _of_opener(mine: Side, kind: int, data: Any) -> Iterator[tuple[Rule, str]]:
    if mine.has_opened and mine.is_known:
        yield Rule.first, "it comes behind messages that it has to come before"
    count, length = mine.geometry.pieces, len(data) - 5
    if kind != BITFIELD or count is None:
        return
    if length != (count + 7) // 8:
        yield Rule.bitfield, f"{length} bytes for {count} pieces"
    elif count % 8 and data[-1] & 0xFF >> count % 8:
        yield Rule.bitfield, "spare bits are set"


def _of_piece(
    mine: Side, other: Side, kind: int, fields: tuple[Any, ...], size: int
) -> Sequence[tuple[Rule, str]]:  # fmt: skip
    index, most = fields[0], mine.geometry.pieces
    most = min(mine.room, other.room) if most is None else most
    if index >= most:
        why = f"piece {index} of {most}" if most < MAX_PIECES else f"piece {index} is more than there can be"
        return [(Rule.piece, why)]
    if kind not in _OF_BLOCK:
        return ()
    found: list[tuple[Rule, str]] = []
    begin, length = fields[1], size - 13 if kind == PIECE else fields[2]
    whole = mine.geometry.size_of(index) if mine.geometry.piece_length else None
    if not 0 < length <= REQUEST_MAX:
        found.append((Rule.block, f"a block of {length} bytes"))
    elif whole is not None and begin + length > whole:
        found.append((Rule.block, f"bytes {begin} to {begin + length} of a piece of {whole}"))
    if kind in (PIECE, REJECT) and other.is_known:
        block = index, begin, length
        if block not in other.requests and block not in other.dropped:
            found.append((Rule.unasked, f"nobody asked for {length} bytes of piece {index} at {begin}"))
    if kind == REQUEST and len(mine.requests) >= MAX_REQUESTS:
        found.append((Rule.many, f"more than {MAX_REQUESTS} requests wait"))
    return found


def _of_extended(mine: Side, other: Side, data: Any) -> Iterator[tuple[Rule, str]]:
    if not (mine.can(5, 0x10) and other.can(5, 0x10)):
        yield Rule.extension, "not both sides said that they know the extension protocol"
    number = data[5]
    if number == 0:
        found = read_lax(data, 6, count=MAX_ABOUT)
        if found.value is None or found.stop is not None or found.value.kind != "dictionary":
            yield Rule.bencode, "the handshake is no dictionary"
        elif found.faults:
            yield Rule.bencode, str(found.faults[0])
    elif number not in other.extensions and other.is_known:
        yield Rule.extension, f"the other side has no number {number}"


# ---- what it changes


def take(mine: Side, other: Side, kind: int, fields: tuple[Any, ...], data: Any, now: int) -> None:
    """Change what is known of both sides by a message of `mine` that is not in `USUAL`."""
    if kind == HANDSHAKE:
        mine.info_hash, mine.peer_id = fields
        mine.reserved = bytes(data[20:28])
        return
    if kind in (CHOKE, UNCHOKE):
        mine.is_choking = kind == CHOKE
        if kind == CHOKE:
            _drop(mine, other)
    elif kind in (INTERESTED, NOT_INTERESTED):
        mine.is_interested = kind == INTERESTED
    elif kind == EXTENDED:
        _take_extended(mine, other, data)
    elif kind in _OPENERS:
        _take_opener(mine, kind, data)
    elif kind in _OF_PIECE and fields[0] < MAX_PIECES:  # of the fast extension
        take_piece(mine, other, kind, fields, len(data), now)
    mine.has_opened = mine.has_opened or kind not in _BEFORE_OPENERS


def _drop(mine: Side, other: Side) -> None:
    """Drop what was asked for at a choke; where both know the fast extension each is rejected instead (BEP 3, 6)."""
    if mine.can(7, 4) and other.can(7, 4) and mine.reserved and other.reserved:
        return
    for block, now in other.requests.items():
        _keep(other.dropped, block, now)
    other.requests.clear()


def _keep(blocks: OrderedDict[Block, int], block: Block, now: int) -> None:
    blocks[block] = now
    if len(blocks) > MAX_REQUESTS:
        blocks.popitem(last=False)


def _take_opener(mine: Side, kind: int, data: Any) -> None:
    count = mine.geometry.pieces
    mine.has_all = kind == HAVE_ALL
    if kind == BITFIELD:
        mine.room = 8 * (len(data) - 5)
        mine.pieces.fill(bytes(data[5:]), count)
    elif kind == HAVE_ALL and count is not None:
        mine.pieces.fill_all(count)
    elif kind == HAVE_NONE:
        mine.pieces.fill(b"")


def take_usual(
    mine: Side, other: Side, kind: int, fields: tuple[Any, ...], size: int, now: int
) -> Sequence[tuple[Rule, str]]:
    """Return what a message in `USUAL`, of `size` bytes, is at odds with, and take it."""
    wrong = _of_piece(mine, other, kind, fields, size)
    if fields[0] < MAX_PIECES:
        take_piece(mine, other, kind, fields, size, now)
    mine.has_opened = True
    return wrong


def take_piece(mine: Side, other: Side, kind: int, fields: tuple[Any, ...], size: int, now: int) -> None:
    """Take a message about a piece, of `size` bytes."""
    index = fields[0]
    if kind in (PIECE, REJECT):
        block = (index, fields[1], size - 13) if kind == PIECE else fields
        if other.requests.pop(block, None) is None:
            other.dropped.pop(block, None)
    elif kind == REQUEST:
        if fields in mine.requests:  # asked for twice, so it may come twice
            _keep(mine.dropped, fields, now)
        _keep(mine.requests, fields, now)
    elif kind == HAVE:
        mine.pieces.add(index)
        mine.lacks.discard(index)
    elif kind == CANCEL:
        when = mine.requests.pop(fields, None)
        if when is not None:
            _keep(mine.dropped, fields, when)
    else:
        _note(mine.allowed_fast if kind == FAST else mine.suggested, index)


def _take_extended(mine: Side, other: Side, data: Any) -> None:
    """Take an extended handshake: numbers are added, replaced, or switched off by 0 (BEP 10); or a "donthave" (54)."""
    if data[5]:
        if other.extensions.get(data[5]) == "lt_donthave" and len(data) == 10:
            index = int.from_bytes(data[6:10], "big")
            mine.pieces.remove(index)
            _note(mine.lacks, index)
        return
    value = read_lax(data, 6, count=MAX_ABOUT).value
    about = value.plain() if value is not None and value.kind == "dictionary" else {}
    for key, known in about.items():
        if key in mine.about or len(mine.about) < MAX_ABOUT:
            mine.about[key] = known
    numbers = about.get(b"m")
    for name, number in numbers.items() if isinstance(numbers, dict) else ():
        if isinstance(number, int) and 0 <= number < MAX_EXTENSIONS:
            text = name.decode("utf-8", "backslashreplace")
            mine.extensions = {one: known for one, known in mine.extensions.items() if known != text}
            if number:
                mine.extensions[number] = text


def _note(pieces: set[int], index: int) -> None:
    if len(pieces) < MAX_NOTED:
        pieces.add(index)
