"""Where each message lies in a long stretch of bytes of one peer: lengths and types alone, nothing copied.

`frames` goes over whole messages and says of each what it is, where it starts, and the numbers in it; the data of a
"piece" are not touched. What is shorter than its length says, or has a length that its type cannot have, ends the walk,
and the error says which: more bytes, or never. `peer.message_at` reads the same bytes field by field; the lengths and
the numbers here are taken from those pages.

`find_chain` enters a stream in the middle: at the first place from which messages follow each other so that chance
does not explain it.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, NamedTuple

from pktlab.errors import Malformed, Truncated, WireError
from pktlab.wire.apps.bittorrent.peer import MAX_LEN, MESSAGES, PROTOCOL, Handshake
from pktlab.wire.bencode import read_lax

__all__ = [
    "BLOCK",
    "HANDSHAKE",
    "KEEP_ALIVE",
    "SURE",
    "Frame",
    "Frames",
    "are_messages",
    "find_chain",
    "frames",
    "proof",
]

HANDSHAKE, KEEP_ALIVE = -2, -1
"""What `Frame.type` says of what has no type."""
BLOCK = 1 << 14
"""Octets of a block, as all clients ask for them."""
REQUEST_MAX = 1 << 17
"""Most octets that anybody asks for at once: what BEP 3 calls the limit of old clients."""
PIECE = 7
SURE = 36
"""Bits that have to be other than chance has them where a message may start: those of a length and a type that fit."""
_OPENING = bytes([len(PROTOCOL)]) + PROTOCOL
_HEAD = struct.Struct(">IB").unpack_from


class Frame(NamedTuple):
    """A message by its place.

    type : of the message, `KEEP_ALIVE` or `HANDSHAKE`
    start, size : first byte and number of bytes, those of the length too
    fields : what stands in front of its data, in the order of its class: (index, begin) of a "piece", whose data are
        the bytes from ``start + 13`` on, (index, begin, length) of a "request", (info_hash, peer_id) of a handshake
    """

    type: int
    start: int
    size: int
    fields: tuple[Any, ...]


class Frames(NamedTuple):
    """What `frames` found.

    stop : where the first byte lies that is in no frame
    error : why it ended there: `Truncated` with the bytes that are needed, if more may come; `Malformed` if what
        stands there can be no message; None if nothing is left
    """

    frames: list[Frame]
    stop: int
    error: WireError | None


class _Rule(NamedTuple):
    """What the page of a type says: the least and the most that the length can be, and how its numbers are read."""

    least: int
    most: int
    numbers: Callable[[Any, int], tuple[Any, ...]] | None


def _rule(kind: int) -> _Rule:
    if kind not in MESSAGES:
        return _Rule(1, MAX_LEN, None)
    schema = MESSAGES[kind].schema
    numbers = schema.fixed.unpack_from if schema.fixed_count > 2 else None
    return _Rule(schema.fixed_size - 4, MAX_LEN if schema.tail else schema.fixed_size - 4, numbers)


_RULES = tuple(_rule(kind) for kind in range(256))


def frames(data: Any, offset: int = 0, end: int | None = None, *, most: int = -1) -> Frames:
    r"""Return the whole messages from `offset` on.

    Parameters
    ----------
    data : bytes, bytearray or memoryview
    offset, end : where a message or a handshake starts, and what is not looked at; bytes
    most : frames after which it is enough; all that there are if negative

    >>> found = frames(b"\0\0\0\1\1" + b"\0\0\0\5\4\0\0\0\7" + b"\0\0\0\r\6")
    >>> found.frames
    [Frame(type=1, start=0, size=5, fields=()), Frame(type=4, start=5, size=9, fields=(7,))]
    >>> found.stop, str(found.error)
    (14, 'bittorrent at byte 14 needs 17 bytes, but the data end after 5')
    """
    stop = len(data) if end is None else end
    found: list[Frame] = []
    add, at, rules, make = found.append, offset, _RULES, Frame
    while stop - at >= 5 and len(found) != most:
        length, kind = _HEAD(data, at)
        behind = at + 4 + length
        if not length:
            add(make(KEEP_ALIVE, at, 4, ()))
        elif length > MAX_LEN:
            if bytes(data[at : min(at + 20, stop)]) != _OPENING[: stop - at]:
                return Frames(found, at, _refused(at, length, f"is over {MAX_LEN}"))
            behind = at + Handshake.HEADER_LEN
            if behind > stop:
                break
            add(make(HANDSHAKE, at, behind - at, Handshake.schema.fixed.unpack_from(data, at)[3:]))
        else:
            rule = rules[kind]
            if not rule.least <= length <= rule.most:
                return Frames(found, at, _refused(at, length, f"is no length of type {kind}"))
            if behind > stop:
                break
            add(make(kind, at, length + 4, rule.numbers(data, at)[2:] if rule.numbers else ()))
        at = behind
    return _ended(data, found, at, stop, len(found) == most)


def _refused(at: int, length: int, why: str) -> Malformed:
    return Malformed("bittorrent", at, "bittorrent.msg.length", length, why)


def _ended(data: Any, found: list[Frame], at: int, stop: int, enough: bool) -> Frames:
    """Return what was found, and what the bytes that are left lack."""
    left = stop - at
    if not left or enough:
        return Frames(found, at, None)
    if left >= 4:
        length = int.from_bytes(data[at : at + 4], "big")
        if not length and left == 4:
            return Frames([*found, Frame(KEEP_ALIVE, at, 4, ())], stop, None)
        if length > MAX_LEN and bytes(data[at : at + 4]) != _OPENING[:4]:
            return Frames(found, at, _refused(at, length, f"is over {MAX_LEN}"))
        needed = Handshake.HEADER_LEN if length > MAX_LEN else length + 4
    else:
        needed = Handshake.HEADER_LEN if bytes(data[at:stop]) == _OPENING[:left] else 4
    return Frames(found, at, Truncated("bittorrent", at, needed, left, "buffer"))


# ---- where messages are that nobody announced


def proof(data: Any, found: Iterable[Frame]) -> int:
    r"""Return by how many bits the frames are other than chance would have them; negative if they cannot be right.

    A keep-alive says nothing: zeros are everywhere.

    >>> data = b"\0\0\0\0" + b"\0\0\0\5\4\0\0\0\7"
    >>> proof(data, frames(data).frames)
    36
    """
    return sum(_bits(data, frame) for frame in found)


def _bits(data: Any, frame: Frame) -> int:
    """Return the bits of a frame that it could not have otherwise: of its length and type, and of usual numbers."""
    kind = frame.type
    if kind == HANDSHAKE:
        return 8 * len(_OPENING)
    if kind == KEEP_ALIVE:
        return 0
    if kind not in MESSAGES:
        return -64
    rule = _RULES[kind]
    bits = 36 if rule.least == rule.most else 20
    if kind == PIECE:
        bits += 16 if frame.size == BLOCK + 13 else 3 if frame.size <= REQUEST_MAX + 13 else -64
    if kind in (6, 8, 16):
        bits += 16 if 0 < frame.fields[2] <= REQUEST_MAX else -64
    if kind in (6, PIECE, 8, 16) and not frame.fields[1] % BLOCK:
        bits += 14
    if kind == 20 and data[frame.start + 6 : frame.start + 7] == b"d":
        bits += 20 if read_lax(data, frame.start + 6, frame.start + frame.size).stop is None else 0
    if kind == 5 and frame.size >= 9:
        octets = bytes(data[frame.start + 5 : frame.start + frame.size])
        bits += 16 if 4 * (octets.count(0) + octets.count(255)) >= 3 * len(octets) else 0
    return bits


def are_messages(data: Any, start: int, end: int) -> bool:
    r"""Tell whether bytes that may start with a message are messages; the last may go on behind `end`.

    Parameters
    ----------
    data, start, end : as for `frames`

    >>> are_messages(b"\0\0\0\5\4\0\0\0\7", 0, 9), are_messages(bytes(9), 0, 9)
    (True, False)
    """
    found = frames(data, start, end)
    if isinstance(found.error, Malformed):
        return False
    bits = proof(data, found.frames)
    if found.error is None:  # others, too, have a length in front, but not in packets of less than 16 octets
        bits += 16 if end - start < 16 else 8
    if found.error is not None and end - found.stop >= 5:
        length, kind = _HEAD(data, found.stop)
        numbers = _RULES[kind].numbers
        if kind == PIECE and end - found.stop >= 13 and numbers:
            bits += _bits(data, Frame(PIECE, found.stop, length + 4, numbers(data, found.stop)[2:]))
        elif kind != PIECE and length <= MAX_LEN:
            bits += 36 if _RULES[kind].least == _RULES[kind].most else 20
        elif length > MAX_LEN:
            bits += 8 * min(end - found.stop, len(_OPENING))
    return bits >= SURE


def _start_of(kind: int) -> bytes:
    rule = _RULES[kind]
    if rule.least == rule.most:
        return re.escape(rule.least.to_bytes(4, "big") + bytes([kind]))
    return rb"\0[\0-\x0f].." + re.escape(bytes([kind]))


@cache
def _starts() -> re.Pattern[bytes]:
    """Return what a message may start with; compiled for who enters a stream, which few captures need."""
    return re.compile(b"(?=%s)" % b"|".join([re.escape(_OPENING), *map(_start_of, MESSAGES)]), re.DOTALL)


def find_chain(data: Any, offset: int = 0, end: int | None = None, *, bits: int = 72) -> int | None:
    r"""Return where the first messages stand that chance does not explain; None if there are none.

    Parameters
    ----------
    data, offset, end : where to look, as for `frames`
    bits : that they have to be other than chance; 40 where messages are expected at `offset` anyway

    >>> find_chain(b"some words" + b"\0\0\0\1\1" + b"\0\0\0\5\4\0\0\0\7" + b"\0\0\0\5\4\0\0\0\x08")
    10
    >>> find_chain(bytes(100)) is None
    True
    """
    stop = len(data) if end is None else end
    for match in _starts().finditer(data, offset, stop):
        found = frames(data, match.start(), stop, most=32)
        if not isinstance(found.error, Malformed) and proof(data, found.frames) >= bits:
            return match.start()
    return None
