"""The four Construct nodes that schemas need and stock Construct lacks: `Bounded`, `When`, `Switch`, `Items`.

Each is a real Construct object that also works inside a stock `Struct`. What they do differently: lengths are
checked against a limit that has a name, offsets stay absolute, nothing is left over silently, and nothing is
swallowed when a length ran out.

These, with `IntNN`, `Bytes(n)`, `GreedyBytes` and nested headers, are the closed list of nodes that every reader of
a schema (columns, strategy, diagram, Lua ...) knows.
"""

from __future__ import annotations

import operator
from typing import Any

import construct

from pktlab.errors import Malformed, Truncated
from pktlab.wire import expressions
from pktlab.wire.cursor import Cursor

__all__ = ["Bounded", "Items", "Switch", "When", "subconstruct"]


def subconstruct(node: Any) -> Any:
    """Return the Construct object of `node`: a header class stands for its schema."""
    return getattr(node, "schema", node)


def as_cursor(stream: Any) -> Cursor:
    """Return `stream` if it is a `Cursor`, else one over the rest of it; `give_back` moves the stream along."""
    return stream if isinstance(stream, Cursor) else Cursor(stream.read())


def give_back(stream: Any, start: int, cursor: Cursor) -> None:
    """Leave a foreign `stream` where `cursor` ended."""
    if stream is not cursor:
        stream.seek(start + cursor.pos)


class Bounded(construct.Subconstruct):
    r"""`subcon` in exactly `length` bytes; left-overs are an error.

    Parameters
    ----------
    length : int or `this` expression, bytes
    subcon : Construct object or header class that reads to the end of its bytes

    Raises
    ------
    Truncated : the bytes are not there; `limit` names the length that ran out
    Malformed : the length is negative, or `subcon` leaves bytes over

    >>> from construct import Byte, GreedyBytes, Struct, this
    >>> Struct("n" / Byte, "text" / Bounded(this.n, GreedyBytes)).parse(b"\x02abc").text
    b'ab'
    """

    def __init__(self, length: Any, subcon: Any) -> None:
        super().__init__(subconstruct(subcon))
        self.length = length
        self.length_of = expressions.evaluator(length)
        self.owner = "bounded"
        self.limit = f"{expressions.text(length)} bytes"

    def adopt(self, owner: str, limit: str) -> None:
        """Take the names that errors use: the field it is the value of, and the length field."""
        self.owner, self.limit = owner, limit

    def _parse(self, stream: Any, context: Any, path: str) -> Any:
        cursor = as_cursor(stream)
        start = 0 if cursor is stream else stream.tell()
        value = self.read(cursor, context, path)
        give_back(stream, start, cursor)
        return value

    def read(self, cursor: Cursor, scope: Any, path: str) -> Any:
        """Read `subcon` under the limit that `scope` sets."""
        length = self.length_of(scope)
        start, stop = cursor.pos, cursor.pos + length
        if length < 0:
            raise Malformed(self.owner, start, self.limit, length, "bytes: a length cannot be negative")
        if stop > cursor.end:
            raise Truncated(self.owner, start, length, cursor.end - start, cursor.limit)
        outer = cursor.end, cursor.limit
        cursor.end, cursor.limit = stop, self.limit
        try:
            value = self.subcon._parsereport(cursor, scope, path)
        finally:
            cursor.end, cursor.limit = outer
        if cursor.pos != stop:
            left = stop - cursor.pos
            raise Malformed(self.owner, cursor.pos, self.limit, length, f"bytes leaves {left} unused")
        return value

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        return self.subcon._build(obj, stream, context, path)

    def _sizeof(self, context: Any, path: str) -> int:
        return int(self.length_of(context))


class When(construct.Subconstruct):
    """`subcon` if `condition` holds, else nothing (None).

    Building writes whatever value it is given and nothing for None: stock `If` would ask a length that is not
    filled in yet.
    """

    def __init__(self, condition: Any, subcon: Any) -> None:
        super().__init__(subconstruct(subcon))
        self.condition = condition
        self.holds = expressions.evaluator(condition)

    def _parse(self, stream: Any, context: Any, path: str) -> Any:
        return self.subcon._parsereport(stream, context, path) if self.holds(context) else None

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        return None if obj is None else self.subcon._build(obj, stream, context, path)


class Switch(construct.Construct):
    """The case of `cases` that `key` selects, or `default`, which has to be given: no case is dropped silently."""

    def __init__(self, key: Any, cases: dict[Any, Any], default: Any) -> None:
        super().__init__()
        self.key = key
        self.key_of = expressions.evaluator(key)
        self.cases = {value: subconstruct(case) for value, case in cases.items()}
        self.default = subconstruct(default)

    def case(self, scope: Any) -> Any:
        """Return the Construct object that `scope` selects."""
        return self.cases.get(self.key_of(scope), self.default)

    def _parse(self, stream: Any, context: Any, path: str) -> Any:
        return self.case(context)._parsereport(stream, context, path)

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        return self.case(context)._build(obj, stream, context, path)


class Items(construct.Subconstruct):
    """A tuple of `subcon` up to the end of the region, or up to and with the item for which `stop` holds.

    `stop` is an expression over the item: ``Items(Option, stop=obj_.kind == 0)``. An item that needs no bytes would
    never end; it is Malformed.
    """

    def __init__(self, subcon: Any, stop: Any = None) -> None:
        super().__init__(subconstruct(subcon))
        self.stop = stop
        self.stops_at = None if stop is None else expressions.evaluator(stop, operator.attrgetter)

    def _parse(self, stream: Any, context: Any, path: str) -> Any:
        cursor = as_cursor(stream)
        start = 0 if cursor is stream else stream.tell()
        items: list[Any] = []
        while cursor.pos < cursor.end:
            at = cursor.pos
            items.append(self._read_item(cursor, context, path))
            if cursor.pos == at:
                raise Malformed(f"item {len(items)}", at, "length", 0, "bytes: the list would never end")
            if self.stops_at is not None and self.stops_at(items[-1]):
                break
        give_back(stream, start, cursor)
        return tuple(items)

    def _read_item(self, cursor: Cursor, context: Any, path: str) -> Any:
        """Read one item; a trace gets a group entry in front of its fields if the item can name itself."""
        trace = cursor.trace
        if trace is None or not getattr(self.subcon, "names_itself", False):
            return self.subcon._parsereport(cursor, context, path)
        at, mark, item = cursor.pos, len(trace), None
        try:
            item = self.subcon._parsereport(cursor, context, path)
        finally:
            stop = max([cursor.pos, *(found.stop for found in trace[mark:])])
            trace.insert(mark, self.subcon.group(at, stop, item))
        return item

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        for item in obj:
            self.subcon._build(item, stream, context, path)
        return obj
