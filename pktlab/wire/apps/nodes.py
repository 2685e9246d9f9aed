"""Construct nodes that application protocols need beside the closed list of `pktlab.wire.nodes`.

Text, counts, lists that a segment's end cuts off. They have a tree and a builder; columns do not reach into them.
What they leave on failure is what they found: position and trace are put back before another way is tried.
"""

from __future__ import annotations

from typing import Any

import construct

from pktlab.errors import Malformed, PktlabError
from pktlab.wire import expressions
from pktlab.wire.cursor import Cursor
from pktlab.wire.fields import Fill, Pseudo
from pktlab.wire.nodes import Bounded, Items, Readable, reader_of, subconstruct
from pktlab.wire.values import View

__all__ = [
    "DECIMAL",
    "STRING",
    "AsFar",
    "CountOf",
    "Counted",
    "Digits",
    "Literal",
    "Message",
    "OrElse",
    "Token",
    "UpTo",
]


def _encoded(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


STRING = View("str", lambda raw: raw.decode("utf-8", "backslashreplace"), _encoded)
"""Bytes shown as UTF-8; a byte that is none is written out as ``\\xNN``."""
DECIMAL = View("uint", int, lambda value: b"%d" % int(value))
"""ASCII digits shown as the number; read them with `Digits`."""


class Token(Readable):
    r"""Bytes up to the first of the bytes in `stops`, which is left for the next field; at most `limit` of them.

    >>> Token(b" \r").parse(b"GET /")
    b'GET'
    """

    def __init__(self, stops: bytes, *, limit: int = 8192) -> None:
        super().__init__()
        self.stops, self.limit = stops, limit

    def read_from(self, cursor: Cursor, scope: Any) -> bytes:
        """Read up to the stop; Malformed if there is none."""
        start, last = cursor.pos, min(cursor.end, cursor.pos + self.limit)
        found = [at for at in (cursor.data.find(bytes([stop]), start, last) for stop in self.stops) if at >= 0]
        if not found:
            raise Malformed("text", start, "text", cursor.data[start : start + 8], "has no end")
        cursor.pos = min(found)
        return bytes(cursor.data[start : cursor.pos])

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        stream.write(obj)
        return obj


class Literal(Readable):
    r"""One of a few byte strings, the first that fits.

    >>> Literal(b"\r\n", b"\n").parse(b"\nx")
    b'\n'
    """

    def __init__(self, *choices: bytes) -> None:
        super().__init__()
        self.choices = choices

    def read_from(self, cursor: Cursor, scope: Any) -> bytes:
        """Read the choice that is there; Malformed if none is."""
        for choice in self.choices:
            if cursor.data.startswith(choice, cursor.pos, cursor.end):
                cursor.pos += len(choice)
                return choice
        found = cursor.data[cursor.pos : min(cursor.pos + 8, cursor.end)]
        raise Malformed("text", cursor.pos, "text", bytes(found), f"is not {self.choices[0]!r}")

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        stream.write(obj)
        return obj


class Digits(Readable):
    """So many ASCII digits."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def read_from(self, cursor: Cursor, scope: Any) -> bytes:
        """Read the digits; Malformed for anything else."""
        start, data = cursor.pos, cursor.read(self.count)
        if len(data) < self.count or not (data.isascii() and data.isdigit()):
            raise Malformed("text", start, "number", data, f"is not {self.count} digits")
        return data

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        stream.write(obj)
        return obj


class Counted(Items):
    r"""`count` times `subcon`, as a tuple.

    >>> from construct import Byte, Struct, this
    >>> Struct("n" / Byte, "x" / Counted(this.n, Byte)).parse(b"\x02abc").x
    (97, 98)
    """

    def __init__(self, count: Any, subcon: Any) -> None:
        super().__init__(subcon)
        self.count = count
        self.count_of = expressions.evaluator(count)

    def read_from(self, cursor: Cursor, scope: Any) -> Any:
        """Read the items; every one of them needs bytes, so that the end of the bytes is the end of the work."""
        read = self.read_inner if cursor.trace is None or not self.names_itself else self.read_group
        return tuple([read(cursor, scope) for _ in range(self.count_of(scope))])


class CountOf(Fill):
    """A field that says how many items the field `items` has, filled when building."""

    phase = 0

    def __init__(self, items: str) -> None:
        self.items = items

    def compute(self, header: Any, name: str, payload: bytes, pseudo: Pseudo | None) -> int:
        """Return the number of items."""
        return len(getattr(header, self.items))


class AsFar(Items):
    """A tuple of header `subcon` as far as they look like it and read; what follows the last is left alone.

    `least` : with fewer than so many, what made the next one fail is the error.
    """

    def __init__(self, subcon: Any, *, least: int = 0) -> None:
        super().__init__(subcon)
        self.least = least

    def read_from(self, cursor: Cursor, scope: Any) -> Any:
        """Read items until the region ends or one does not read."""
        read = self.read_inner if cursor.trace is None or not self.names_itself else self.read_group
        items: list[Any] = []
        looks_like = self.subcon.header.looks_like
        while len(items) < self.least or looks_like(cursor.data, cursor.pos, cursor.end):
            at, mark = cursor.pos, len(cursor.trace or ())
            try:
                item = read(cursor, scope)
            except PktlabError:
                if len(items) < self.least:
                    raise
                _put_back(cursor, at, mark)
                break
            if cursor.pos == at:
                break
            items.append(item)
        return tuple(items)


class UpTo(Bounded):
    """`subcon` in `length` bytes, or in what there is of them: the end of a segment is no error."""

    def read_from(self, cursor: Cursor, scope: Any) -> Any:
        """Read `subcon`; it has to take all bytes."""
        length = self.length_of(scope)
        if length <= cursor.end - cursor.pos:
            return super().read_from(cursor, scope)
        value = self.read_inner(cursor, scope)
        if cursor.pos != cursor.end:
            raise Malformed(
                self.owner, cursor.pos, self.limit, length, f"bytes leaves {cursor.end - cursor.pos} unused"
            )
        return value


class Message(Bounded):
    """A `Bounded` message that counts the offsets inside it from its own start."""

    def read_from(self, cursor: Cursor, scope: Any) -> Any:
        """Read `subcon` with the base at its first byte."""
        outer, cursor.base = cursor.base, cursor.pos
        try:
            return super().read_from(cursor, scope)
        finally:
            cursor.base = outer


class OrElse(Readable, construct.Subconstruct):
    """`subcon` if it reads and takes all bytes of the region, else header `other`, which takes any."""

    def __init__(self, subcon: Any, other: Any) -> None:
        super().__init__(subconstruct(subcon))
        self.other = subconstruct(other)
        self.read_inner = reader_of(self.subcon)
        self.read_other = reader_of(self.other)

    def read_from(self, cursor: Cursor, scope: Any) -> Any:
        """Read one or the other."""
        at, mark = cursor.pos, len(cursor.trace or ())
        try:
            value = self.read_inner(cursor, scope)
            if cursor.pos == cursor.end:
                return value
        except (PktlabError, construct.ConstructError):
            pass  # it is not what the field before it says: shown as plain bytes
        _put_back(cursor, at, mark)
        return self.read_other(cursor, scope)

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        node = self.other if isinstance(obj, self.other.header) else self.subcon
        return node._build(obj, stream, context, path)


def _put_back(cursor: Cursor, at: int, mark: int) -> None:
    cursor.pos, cursor.short = at, None
    if cursor.trace is not None:
        del cursor.trace[mark:]
