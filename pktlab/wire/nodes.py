"""The four Construct nodes that schemas need and stock Construct lacks: `Bounded`, `When`, `Switch`, `Items`.

Each is a real Construct object that also works inside a stock `Struct`. What they do differently: lengths are
checked against a limit that has a name, offsets stay absolute, nothing is left over silently, and nothing is
swallowed when a length ran out.

These, with `IntNN`, `Bytes(n)`, `GreedyBytes` and nested headers, are the closed list of nodes that every reader of
a schema (columns, strategy, diagram, Lua ...) knows.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import cached_property
from typing import Any

import construct

from pktlab.errors import Malformed, PktlabError, Truncated
from pktlab.wire import expressions
from pktlab.wire.cursor import Cursor

__all__ = ["Bounded", "Items", "Readable", "Reader", "Switch", "When", "reader_of", "subconstruct"]


Reader = Callable[[Cursor, Any], Any]


def subconstruct(node: Any) -> Any:
    """Return the Construct object of `node`: a header class stands for its schema."""
    return getattr(node, "schema", node)


def reader_of(node: Any) -> Reader:
    """Return the function that reads `node` from a `Cursor`.

    The nodes of the closed list read directly; any other Construct object is asked through Construct's own way.
    """
    if hasattr(node, "read_from"):
        read: Reader = node.read_from
        return read
    if isinstance(node, construct.FormatField):
        return _number_reader(node)
    if isinstance(node, construct.Bytes) and isinstance(node.length, int):
        length = node.length
        return lambda cursor, _: _read_bytes(cursor, length)
    if node is construct.GreedyBytes:
        return lambda cursor, _: cursor.read()
    return lambda cursor, scope: node._parsereport(cursor, scope, "")


def _read_bytes(cursor: Cursor, length: int) -> bytes:
    data = cursor.read(length)
    if len(data) < length:
        raise construct.StreamError("the bytes end")
    return data


def _number_reader(node: Any) -> Reader:
    unpack, length = struct.Struct(node.fmtstr).unpack_from, node.length

    def read(cursor: Cursor, _: Any) -> Any:
        start = cursor.pos
        if start + length > cursor.end:
            cursor.short = (start, length, cursor.end - start, cursor.limit)
            raise construct.StreamError("the bytes end")
        cursor.pos = start + length
        return unpack(cursor.data, start)[0]

    return read


class Readable(construct.Construct):
    """A Construct object that reads from a `Cursor` by `read_from`, and from any other stream through one.

    inside : header classes and rows that it may put into a trace, where no other node in it says so
    """

    inside: tuple[Any, ...] = ()

    def read_from(self, cursor: Cursor, scope: Any) -> Any:
        """Read the value at `cursor`; `scope` has the fields before it by attribute."""
        raise NotImplementedError

    def _parse(self, stream: Any, context: Any, path: str) -> Any:
        if isinstance(stream, Cursor):
            return self.read_from(stream, context)
        start = stream.tell()
        cursor = Cursor(stream.read())
        value = self.read_from(cursor, context)
        stream.seek(start + cursor.pos)
        return value


class Bounded(Readable, construct.Subconstruct):
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
        self.read_inner = reader_of(self.subcon)
        self.owner = "bounded"
        self.limit = f"{expressions.text(length)} bytes"
        self.empty: Any = None

    @cached_property
    def length_of(self) -> expressions.Evaluator:
        """The length as a function of the scope; compiled when first asked for, which few protocols ever are."""
        return expressions.evaluator(self.length)

    def adopt(self, owner: str, limit: str) -> None:
        """Take the names that errors use: the field it is the value of, and the length field."""
        self.owner, self.limit = owner, limit

    def read_from(self, cursor: Cursor, scope: Any) -> Any:
        """Read `subcon` under the limit that `scope` sets."""
        length = self.length_of(scope)
        if length == 0 and self.empty is not None:
            return self.empty
        start, stop = cursor.pos, cursor.pos + length
        if length < 0:
            raise Malformed(self.owner, start, self.limit, length, "bytes: a length cannot be negative")
        if stop > cursor.end:
            raise Truncated(self.owner, start, length, cursor.end - start, cursor.limit)
        outer = cursor.end, cursor.limit
        cursor.end, cursor.limit = stop, self.limit
        try:
            value = self.read_inner(cursor, scope)
        finally:
            cursor.end, cursor.limit = outer
        if cursor.pos != stop:
            left = stop - cursor.pos
            raise Malformed(self.owner, cursor.pos, self.limit, length, f"bytes leaves {left} unused")
        return value

    def keep_empty(self) -> None:
        """Read the value of no bytes once and keep it: values are immutable, and most headers have no options."""
        try:
            self.empty = self.read_inner(Cursor(b""), {})
        except (PktlabError, KeyError):
            self.empty = None  # it depends on other fields, or cannot be empty

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        return self.subcon._build(obj, stream, context, path)

    def _sizeof(self, context: Any, path: str) -> int:
        return int(self.length_of(context))


class When(Readable, construct.Subconstruct):
    """`subcon` if `condition` holds, else nothing (None).

    Building writes whatever value it is given and nothing for None: stock `If` would ask a length that is not
    filled in yet.
    """

    def __init__(self, condition: Any, subcon: Any) -> None:
        super().__init__(subconstruct(subcon))
        self.condition = condition
        self.read_inner = reader_of(self.subcon)

    @cached_property
    def holds(self) -> expressions.Evaluator:
        """The condition as a function of the scope."""
        return expressions.evaluator(self.condition)

    def _sizeof(self, context: Any, path: str) -> int:
        raise construct.SizeofError("it may be absent", path=path)

    def read_from(self, cursor: Cursor, scope: Any) -> Any:
        """Read `subcon`, or nothing."""
        return self.read_inner(cursor, scope) if self.holds(scope) else None

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        return None if obj is None else self.subcon._build(obj, stream, context, path)


class Switch(Readable):
    """The case of `cases` that `key` selects, or `default`, which has to be given: no case is dropped silently."""

    def __init__(self, key: Any, cases: dict[Any, Any], default: Any) -> None:
        super().__init__()
        self.key = key
        self.cases = {value: subconstruct(case) for value, case in cases.items()}
        self.default = subconstruct(default)
        self.readers = {value: reader_of(case) for value, case in self.cases.items()}
        self.read_default = reader_of(self.default)

    @cached_property
    def key_of(self) -> expressions.Evaluator:
        """The key as a function of the scope."""
        return expressions.evaluator(self.key)

    def case(self, scope: Any) -> Any:
        """Return the Construct object that `scope` selects."""
        return self.cases.get(self.key_of(scope), self.default)

    def read_from(self, cursor: Cursor, scope: Any) -> Any:
        """Read the case that `scope` selects."""
        return self.readers.get(self.key_of(scope), self.read_default)(cursor, scope)

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        return self.case(context)._build(obj, stream, context, path)


class Items(Readable, construct.Subconstruct):
    """A tuple of `subcon` up to the end of the region, or up to and with the item for which `stop` holds.

    `stop` is an expression over the item: ``Items(Option, stop=obj_.kind == 0)``. An item that needs no bytes would
    never end; it is Malformed.
    """

    def __init__(self, subcon: Any, stop: Any = None) -> None:
        super().__init__(subconstruct(subcon))
        self.stop = stop
        self.stops_at = None if stop is None else expressions.evaluator(stop, over_header=True)
        self.read_inner = reader_of(self.subcon)
        self.names_itself = getattr(self.subcon, "names_itself", False)

    def _sizeof(self, context: Any, path: str) -> int:
        raise construct.SizeofError("a list has no fixed size", path=path)

    def read_from(self, cursor: Cursor, scope: Any) -> Any:
        """Read items until the region ends or one of them stops the list."""
        read = self.read_inner if cursor.trace is None or not self.names_itself else self.read_group
        items: list[Any] = []
        while cursor.pos < cursor.end:
            at = cursor.pos
            item = read(cursor, scope)
            items.append(item)
            if cursor.pos == at:
                raise Malformed(f"item {len(items)}", at, "length", 0, "bytes: the list would never end")
            if self.stops_at is not None and self.stops_at(item):
                break
        return tuple(items)

    def read_group(self, cursor: Cursor, scope: Any) -> Any:
        """Read one item; in the trace a group entry with its name goes in front of its fields."""
        trace = cursor.trace
        assert trace is not None
        at, mark = cursor.pos, len(trace)
        try:
            item = self.read_inner(cursor, scope)
        except PktlabError:
            trace.insert(mark, self.subcon.group(at, max((entry[2] for entry in trace[mark:]), default=at), None))
            raise
        trace.insert(mark, self.subcon.group(at, cursor.pos, item))
        return item

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        for item in obj:
            self.subcon._build(item, stream, context, path)
        return obj
