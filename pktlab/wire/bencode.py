r"""Bencode, in which BitTorrent says all that is not a fixed layout: strict or lax, and every value knows its bytes.

Spec: BEP 3, "bencoding". ``i-3e`` is a number, ``4:spam`` a string of octets, ``l...e`` a list, ``d...e`` a dictionary
whose keys are strings, each once and in the order of their octets.

The hash that names a torrent is that of the octets of its ``info`` as they stand, so a value that was read keeps its
place (`Value.raw`) and is never written again to be hashed. Strict reading takes only what `encode` would write:
``encode(decode(x)) == x``. Lax reading takes what clients take too (leading zeros, keys out of order or twice) and what
is there of a text that was cut, and lists what is wrong with it.

Depth, number of values and digits are bounded, and nothing here calls itself: a kilobyte of ``l`` costs an error.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from pktlab.errors import Malformed, Truncated, WireError
from pktlab.wire.bencoded import Value
from pktlab.wire.cursor import BUFFER

__all__ = ["COUNT", "DEPTH", "DIGITS", "Lax", "Value", "decode", "encode", "read", "read_lax"]

DEPTH = 100
"""Most values inside each other; libtorrent's bound too. A file tree of version 2 needs one a folder."""
COUNT = 200_000
"""Most values of a text: about 40 MB of memory. A torrent of so many files is read with a larger bound."""
DIGITS = 1_000
"""Most digits of a number. BEP 3 has no bound; clients keep 64 bits."""
FAULTS = 100
"""Most faults that are listed."""
_INTEGER = re.compile(rb"i(-?)(\d{1,%d})e" % DIGITS).match
_PART_OF_INTEGER = re.compile(rb"i-?\d{0,%d}" % DIGITS).match
_LENGTH = re.compile(rb"(\d{1,19}):").match
_PART_OF_LENGTH = re.compile(rb"\d{1,19}").match
_END, _INT, _LIST, _DICT = b"eild"


class Lax(NamedTuple):
    """What lax reading gives.

    value : what could be read; None if not even the first octet could
    faults : what is wrong with it, in the order of the bytes; the first hundred
    stop : what ended the reading early, if something did
    """

    value: Value | None
    faults: tuple[Malformed, ...]
    stop: WireError | None


def read(
    data: Any, offset: int = 0, end: int | None = None, *, limit: str = BUFFER, depth: int = DEPTH, count: int = COUNT
) -> Value:
    r"""Return the value at `offset`; bytes behind it are left alone: ``value.stop`` says where they start.

    Parameters
    ----------
    data : bytes, bytearray or memoryview
    offset, end : where it starts, and what it may not pass; bytes
    limit : name of the length that set `end`, for errors
    depth, count : most values inside each other, and in all

    Raises
    ------
    Truncated : it goes on behind `end`
    Malformed : it is not as BEP 3 has it, or passes a bound

    >>> value = read(b"d4:infod6:lengthi3eee, and more")
    >>> value.get(b"info").raw, value.stop
    (b'd6:lengthi3ee', 21)
    >>> read(b"i03e")
    Traceback (most recent call last):
    ...
    pktlab.errors.Malformed: bencode at byte 0: bencode.integer = 03 has a leading zero
    """
    reader = _Reader(data, offset, len(data) if end is None else end, limit, depth, count)
    value = reader.run()
    if reader.stop is not None or reader.faults:
        raise reader.stop if not reader.faults else reader.faults[0]  # type: ignore[misc]
    assert value is not None
    return value


def read_lax(
    data: Any, offset: int = 0, end: int | None = None, *, limit: str = BUFFER, depth: int = DEPTH, count: int = COUNT
) -> Lax:
    r"""Return what can be read of the value at `offset`; parameters as for `read`. Nothing is raised.

    >>> found = read_lax(b"d1:bi7e1:ai07e5:unfin")
    >>> found.value.plain(), [one.why for one in found.faults], type(found.stop).__name__
    ({b'b': 7, b'a': 7}, ['is not behind the key before it', 'has a leading zero'], 'Truncated')
    """
    reader = _Reader(data, offset, len(data) if end is None else end, limit, depth, count)
    return Lax(reader.run(), tuple(reader.faults), reader.stop)


def decode(data: bytes, *, depth: int = DEPTH, count: int = COUNT) -> Any:
    r"""Return the value that `data` is, as int, bytes, list or dict.

    Raises
    ------
    Truncated, Malformed : as for `read`; octets behind the value are Malformed too

    >>> decode(b"li1e4:spame")
    [1, b'spam']
    """
    value = read(data, depth=depth, count=count)
    if value.stop < len(data):
        raise Malformed("bencode", value.stop, "bencode", bytes(data[value.stop : value.stop + 8]), "is left over")
    return value.plain()


class _Reader:
    """One pass over a text: the values that are open, innermost last, and what is wrong."""

    def __init__(self, data: Any, at: int, end: int, limit: str, depth: int, count: int) -> None:
        self.data, self.at, self.end, self.limit = data, at, end, limit
        self.depth, self.count = depth, count
        self.faults: list[Malformed] = []
        self.stop: WireError | None = None
        self.open: list[Value] = []
        self.keys: list[Value | None] = []  # of each open value, the key that waits for its value
        self.names: list[set[bytes] | None] = []  # of each, all its keys, once one of them was out of order

    def run(self) -> Value | None:
        """Read one value; what is still open when the reading ends is closed there."""
        root: Value | None = None
        try:
            while root is None or self.open:
                value = self.step()
                root = value if root is None else root
        except WireError as error:
            self.stop = error
            for value in self.open:
                value.stop = max(self.at, value.start + 1)
        return root

    def step(self) -> Value | None:
        """Read the next token: a value, the start of one, or the end of the innermost."""
        if self.at >= self.end:
            raise self.short(self.at, 1)
        first = self.data[self.at]
        if first == _END and self.open:
            return self.close()
        self.count -= 1
        if self.count < 0:
            raise self.wrong("bencode", self.at, self.data[self.at : self.at + 1], "passes the bound on values")
        wants_key = bool(self.open) and self.open[-1].kind == "dictionary" and self.keys[-1] is None
        if 0x30 <= first <= 0x39:
            value = self.string()
            if wants_key:
                self.check_order(value)
                self.keys[-1] = value
                return value
        elif wants_key:
            raise self.wrong("bencode.key", self.at, self.data[self.at : self.at + 1], "is no string")
        elif first in (_LIST, _DICT):
            return self.enter(first)
        else:
            value = self.integer()
        self.attach(value)
        return value

    def attach(self, value: Value) -> None:
        """Put a value into the one that is open."""
        if not self.open:
            return
        inside, key = self.open[-1], self.keys[-1]
        inside.content.append(value if key is None else (key, value))
        self.keys[-1] = None

    def enter(self, first: int) -> Value:
        """Open a list or a dictionary."""
        if len(self.open) >= self.depth:
            raise self.wrong("bencode", self.at, self.data[self.at : self.at + 1], f"is nested over {self.depth} deep")
        kind = "list" if first == _LIST else "dictionary"
        value = Value(self.data, kind, self.at, self.at + 1, self.at + 1, [])
        self.attach(value)
        self.open.append(value)
        self.keys.append(None)
        self.names.append(None)
        self.at += 1
        return value

    def close(self) -> Value:
        """Close the innermost value."""
        key = self.keys[-1]
        if key is not None:
            raise self.wrong("bencode.key", key.start, key.octets[:32], "has no value")
        self.at += 1
        self.keys.pop()
        self.names.pop()
        value = self.open.pop()
        value.stop = self.at
        return value

    def integer(self) -> Value:
        """Read ``i...e``."""
        start = self.at
        found = _INTEGER(self.data, start, self.end)
        if found is None:
            part = _PART_OF_INTEGER(self.data, start, self.end)
            if part is not None and part.end() == self.end:
                raise self.short(start, self.end - start + 1)
            raise self.wrong("bencode", start, self.data[start : min(start + 8, self.end)], "is no value")
        sign, digits = found.groups()
        if digits[0] == 0x30 and (sign or len(digits) > 1):
            why = "has a leading zero" if len(digits) > 1 else "has a sign"
            self.note("bencode.integer", start, (sign + digits).decode(), why)
        self.at = found.end()
        return Value(self.data, "integer", start, self.at, self.at, int(sign + digits))

    def string(self) -> Value:
        """Read a length, a colon and as many octets."""
        start = self.at
        found = _LENGTH(self.data, start, self.end)
        if found is None:
            part = _PART_OF_LENGTH(self.data, start, self.end)
            if part is not None and part.end() == self.end:
                raise self.short(start, self.end - start + 1)
            raise self.wrong("bencode", start, self.data[start : min(start + 8, self.end)], "is no length and colon")
        digits = found.group(1)
        body, length = found.end(), int(digits)
        if length > self.end - body:
            raise self.short(start, body - start + length)
        if digits[0] == 0x30 and len(digits) > 1:
            self.note("bencode.length", start, digits.decode(), "has a leading zero")
        self.at = body + length
        return Value(self.data, "string", start, self.at, body, None)

    def check_order(self, key: Value) -> None:
        """Note a key that does not come behind the one before it."""
        pairs = self.open[-1].content
        if not pairs:
            return
        last, name = pairs[-1][0].octets, key.octets
        names = self.names[-1]
        if names is None and name > last:
            return
        if names is None:
            names = self.names[-1] = {one.octets for one, _ in pairs}
        if name in names:
            self.note("bencode.key", key.start, name[:32], "is there twice")
        elif name < last:
            self.note("bencode.key", key.start, name[:32], "is not behind the key before it")
        names.add(name)

    def note(self, name: str, start: int, value: Any, why: str) -> None:
        """Note what only strict reading refuses."""
        if len(self.faults) < FAULTS:
            self.faults.append(self.wrong(name, start, value, why))

    def short(self, start: int, needed: int) -> Truncated:
        """Return the error of bytes that are not there."""
        return Truncated("bencode", start, needed, max(self.end - start, 0), self.limit)

    def wrong(self, name: str, start: int, value: Any, why: str) -> Malformed:
        """Return the error of bytes that cannot be."""
        return Malformed("bencode", start, name, value if isinstance(value, str) else bytes(value), why)


def encode(value: Any) -> bytes:
    r"""Return `value` bencoded, keys in their order.

    Parameters
    ----------
    value : int, bytes, str (as UTF-8), list or tuple, or dict with keys that are bytes or str, of the same; a `Value`
        that was read stands for the octets that it was read from

    Raises
    ------
    TypeError : something else is in it
    ValueError : two keys of a dictionary are the same octets

    >>> encode({"b": [1, -2], "a": b"\xff"})
    b'd1:a1:\xff1:bli1ei-2eee'
    """
    parts: list[bytes] = []
    todo: list[Any] = [value]
    while todo:
        one = todo.pop()
        if isinstance(one, list | tuple):
            parts.append(b"l")
            todo += [_END_MARK, *reversed(one)]
        elif isinstance(one, dict):
            parts.append(b"d")
            todo.append(_END_MARK)
            for key, inside in sorted(_pairs(one).items(), reverse=True):
                todo += [inside, key]
        else:
            parts.append(_one(one))
    return b"".join(parts)


class _Mark:
    """Stands for the end of a list or a dictionary among what is still to be written."""


_END_MARK = _Mark()


def _pairs(given: dict[Any, Any]) -> dict[bytes, Any]:
    """Return a dictionary with its keys as octets."""
    pairs = {key.encode() if isinstance(key, str) else key: value for key, value in given.items()}
    if not all(isinstance(key, bytes) for key in pairs):
        raise TypeError("the keys of a dictionary are bytes or str")
    if len(pairs) < len(given):
        raise ValueError("two keys of a dictionary are the same octets")
    return pairs


def _one(value: Any) -> bytes:
    """Return a number or a string bencoded."""
    if isinstance(value, _Mark):
        return b"e"
    if isinstance(value, Value):
        return value.raw
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes | bytearray | memoryview):
        return b"%d:%b" % (len(value), bytes(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return b"i%de" % value
    raise TypeError(f"bencode has no {type(value).__name__}")
