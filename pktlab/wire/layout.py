"""`Layout`: the Construct object that a header's class body becomes.

The leading run of fields of fixed size (in one byte order) is read by a single `struct.unpack_from` and kept as a
plain tuple; bits are taken from the stored words when somebody asks. The rest, the tail, is interpreted by Construct
field by field. Both ways, and a stock `Struct` of the same fields, agree on any bytes; a test holds them to it.

Ranges are not recorded while parsing. They are made on demand, by parsing the same bytes once more with a trace:
headers with no tail just add their start to offsets that are known beforehand.
"""

from __future__ import annotations

import struct
from typing import Any

import construct

from pktlab.errors import Malformed, Truncated, WireError
from pktlab.wire import expressions
from pktlab.wire.cursor import BUFFER, Cursor
from pktlab.wire.fields import BitsDecl, FieldDecl
from pktlab.wire.nodes import Bounded, Readable, reader_of
from pktlab.wire.rows import Found, Row, Traced
from pktlab.wire.table import expressions_of, fixed_code, is_known, nodes_of, rows_for, static_size

__all__ = ["Layout"]

Header = Any
"""An instance of the `Header` class that the layout was made for; that class is in `header`, which imports this."""

_FOREIGN_ERRORS = (
    construct.ConstructError, ArithmeticError, LookupError, ValueError, TypeError, AttributeError, RuntimeError,
)  # fmt: skip
"""What a user's Construct objects and expressions may raise over hostile bytes; none of it leaves a parser."""


_PLAIN = (int, bytes, float, str)
_new = object.__new__
_GROUP = Row("", "", "", None, 0, None, 0, 1, False, "group", "dec", 0, None, None)


class Layout(Readable):
    """A header's fields as one Construct object.

    Parameters
    ----------
    header : the class that parsed values are instances of
    layer : dotted name that its field names start with
    fields : in wire order

    `rows` is the field table; `tail` are the fields after the fixed run; `lengths` maps the name of each length that
    the schema can solve to the field whose size it gives.
    """

    def __init__(self, header: type[Any], layer: str, fields: list[FieldDecl]) -> None:
        super().__init__()
        self.header = header
        self.layer = layer
        self.fields = fields
        self.declared: dict[str, FieldDecl | BitsDecl] = {}
        for position, declared in enumerate(fields):
            declared.index = position
            self.declared.update({one.attr: one for one in declared.parts})
        self._fuse()
        self._make_rows()
        self._bind_tail()
        self.names_itself = not vars(header).keys().isdisjoint(("summary", "says"))
        self._group_rows: dict[str, Row] = {}

    # ---- made once, from the declarations

    def _fuse(self) -> None:
        order, codes, count = "", "", 0
        for declared in self.fields:
            code = fixed_code(declared.subcon)
            if code is None or (code[0] and order and code[0] != order):
                break
            order = order or code[0]
            codes += code[1]
            count += 1
        self.fixed_count = count
        self.fixed = struct.Struct((order or ">") + codes)
        self.fixed_size = self.fixed.size
        self._fixed_readers = [reader_of(declared.subcon) for declared in self.fields[:count]]
        self.tail = self.fields[count:]
        self._checks = [
            one
            for declared in self.fields[:count]
            for one in declared.parts
            if one.min is not None or one.equals is not None
        ]

    def _make_rows(self) -> None:
        offset: int | None = 0
        self.rows: list[Row] = []
        self._rows_of: list[list[Row]] = []
        for declared in self.fields:
            rows = rows_for(self.layer, declared, offset)
            self._rows_of.append(rows)
            self.rows += rows
            size = static_size(declared.subcon)
            offset = None if offset is None or size is None else offset + size
        self._fixed_rows = [
            (row, row.offset or 0, (row.offset or 0) + row.width, index)
            for index, rows in enumerate(self._rows_of[: self.fixed_count])
            for row in rows
        ]

    def _bind_tail(self) -> None:
        fixed = self.fields[: self.fixed_count]
        known = {one.attr for declared in fixed for one in declared.parts}
        self.lengths: dict[str, tuple[FieldDecl, Bounded]] = {}
        needed: set[str] = set()
        for declared in self.tail:
            full_name = f"{self.layer}.{declared.wire_name}" if declared.wire_name else self.layer
            for expression in expressions_of(declared.subcon):
                expressions.check_names(full_name, expression, known)
                needed.update(expressions.names_in(expression))
            self._adopt_bounded(declared, full_name)
            known.update(one.attr for one in declared.parts)
        self._needed = [
            (name, one.index, one.row.mask, one.row.shift, one.row.scale)
            for name, one in ((name, self.declared[name]) for name in sorted(needed))
        ]
        self._foreign = not all(is_known(declared.subcon) for declared in self.tail)
        self._plan = [
            (declared, reader_of(declared.subcon), declared.attr, declared.parts if declared.has_parts else [])
            for declared in self.tail
        ]

    def _adopt_bounded(self, declared: FieldDecl, full_name: str) -> None:
        for node in nodes_of(declared.subcon):
            if not isinstance(node, Bounded):
                continue
            if is_known(node):
                node.keep_empty()
            name = expressions.target(node.length)
            if name is not None:
                wire_name = self.declared[name].wire_name or name
                node.adopt(full_name, f"{self.layer}.{wire_name}")
                if expressions.is_invertible(node.length):
                    self.lengths[name] = (declared, node)
            else:
                node.adopt(full_name, node.limit)

    def group(self, start: int, stop: int, item: Header | None) -> Traced:
        """Return the trace entry that holds the fields of one header of a list together."""
        label = self.header.label if item is None else item.summary()
        row = self._group_rows.get(label)
        if row is None:
            if len(self._group_rows) > 1000:  # a user's summary may say something new each time
                self._group_rows.clear()
            row = self._group_rows[label] = _GROUP._replace(label=label)
        return row, start, stop, None

    # ---- parsing

    def read_from(self, cursor: Cursor, scope: Any = None) -> Header:
        """Return the header at `cursor`, and leave the cursor behind it.

        `scope` is that of the header around it, for a tail that asks for it by ``this._``.

        Raises
        ------
        Truncated : a length ran out, of the buffer or of a field; says which
        Malformed : a value that cannot be
        """
        start = cursor.pos
        stop = start + self.fixed_size
        if stop > cursor.end:
            raise Truncated(self.layer, start, self.fixed_size, cursor.end - start, cursor.limit)
        raw = self.fixed.unpack_from(cursor.data, start)
        cursor.pos = stop
        if cursor.trace is not None:
            cursor.trace += [(row, start + low, start + high, raw[i]) for row, low, high, i in self._fixed_rows]
        if self._checks:
            self._check(raw, start)
        if self.tail:
            values = list(raw)
            if cursor.trace is None:
                self._read_tail(cursor, values, scope)
            else:
                self._read_tail_traced(cursor, values, scope)
            raw = tuple(values)
        header = _new(self.header)
        header._raw = raw
        header._origin = (cursor.data, start, cursor.pos, cursor.end, cursor.limit)
        return header

    def read_lax(self, cursor: Cursor) -> tuple[Header, WireError | None]:
        """Return what can be read of the header at `cursor`, and the error that ended it.

        The header then holds the fields before the error; reading any other raises AttributeError that says why.
        The cursor is left behind the last field that was read.
        """
        start = cursor.pos
        try:
            return self.read_from(cursor), None
        except WireError as error:
            again = Cursor(cursor.data, start, cursor.end, cursor.limit, [])
            header = _new(self.header)
            header._raw = self._rescue(again)
            header._error = error
            cursor.pos = max((entry[2] for entry in again.trace or ()), default=start)
            header._origin = (cursor.data, start, cursor.pos, cursor.end, cursor.limit)
            if cursor.trace is not None:
                cursor.trace[:] = again.trace or ()
            return header, error

    def _rescue(self, cursor: Cursor) -> tuple[Any, ...]:
        """Return the raw values of the fields that read, up to the first that does not; the trace has them too."""
        start = cursor.pos
        values: list[Any] = []
        for declared, read in zip(self.fields, self._fixed_readers, strict=False):
            at = cursor.pos
            if at + declared.row.width > cursor.end:
                return tuple(values)
            values.append(read(cursor, None))
            self._trace(declared, cursor, at, len(cursor.trace or ()), values[-1])
        try:
            self._check(tuple(values), start)
            if self.tail:
                self._read_tail_traced(cursor, values, None)
        except WireError:
            pass
        return tuple(values)

    def _scope(self, values: list[Any], context: Any) -> Any:
        count = len(values)
        scope = {}
        for name, index, mask, shift, scale in self._needed:
            if index < count:
                word = values[index]
                scope[name] = word if mask is None else ((word & mask) >> shift) * scale
        if not self._foreign:
            return scope
        return construct.Container(
            scope, _=context, _params=None, _root=None, _parsing=True, _building=False, _sizing=False, _io=None
        )

    def _read_tail(self, cursor: Cursor, values: list[Any], context: Any) -> None:
        scope = self._scope(values, context)
        at = cursor.pos
        try:
            for _, read, attr, parts in self._plan:
                at = cursor.pos
                value = read(cursor, scope)
                values.append(value)
                scope[attr] = value
                if parts and value is not None:
                    self._take_parts(parts, value, scope, cursor.pos)
        except _FOREIGN_ERRORS as error:
            failed = self.tail[len(values) - self.fixed_count]
            raise self._translate(error, failed, at, cursor) from None

    def _read_tail_traced(self, cursor: Cursor, values: list[Any], context: Any) -> None:
        """Do the same, and put what is found into the trace; twice as slow."""
        scope = self._scope(values, context)
        assert cursor.trace is not None
        for declared, read, attr, parts in self._plan:
            at, mark = cursor.pos, len(cursor.trace)
            try:
                value = read(cursor, scope)
            except _FOREIGN_ERRORS as error:
                raise self._translate(error, declared, at, cursor) from None
            values.append(value)
            scope[attr] = value
            if cursor.pos > at:
                self._trace(declared, cursor, at, mark, value)
            if parts and value is not None:
                self._take_parts(parts, value, scope, cursor.pos)

    def _take_parts(self, parts: list[FieldDecl | BitsDecl], value: Any, scope: Any, stop: int) -> None:
        """Give the bits of a tail word to the scope, and refuse values that cannot be."""
        for part in parts:
            number = scope[part.attr] = part.number(value)
            if part.min is not None or part.equals is not None:
                self._check_one(part, number, stop - part.row.width)

    def _trace(self, declared: FieldDecl, cursor: Cursor, at: int, mark: int, value: Any) -> None:
        """Put the rows of a tail field in front of those that were found inside it."""
        rows = self._rows_of[declared.index]
        if rows and cursor.trace is not None:
            shown = value if isinstance(value, _PLAIN) else bytes(cursor.data[at : cursor.pos])
            cursor.trace[mark:mark] = [(row, at, cursor.pos, shown) for row in rows]

    def _translate(self, error: Exception, declared: FieldDecl, at: int, cursor: Cursor) -> WireError:
        name = f"{self.layer}.{declared.wire_name}" if declared.wire_name else self.layer
        if cursor.short is not None and isinstance(error, construct.StreamError):
            return Truncated(name, *cursor.short)
        value = bytes(cursor.data[at : min(at + 8, cursor.end)])
        return Malformed(self.layer, at, name, value, f"does not read: {_first_line(error)}")

    def _check(self, raw: tuple[Any, ...], start: int) -> None:
        for one in self._checks:
            self._check_one(one, one.number(raw[one.index]), start + (one.row.offset or 0))

    def _check_one(self, one: FieldDecl | BitsDecl, value: int, at: int) -> None:
        if one.min is not None and value < one.min:
            raise Malformed(self.layer, at, one.row.name, value, f"is under {one.min}")
        if one.equals is not None and value != one.equals:
            raise Malformed(self.layer, at, one.row.name, value, f"is not {one.equals!r}")

    # ---- ranges

    def spans(self, data: bytes, start: int, end: int, limit: str = BUFFER) -> list[Found]:
        """Return every field of the header at `start` with its bytes and bits, in wire order.

        Fields that hold others come before them. Where the header cannot be read to its end, what comes before the
        error is returned.
        """
        trace: list[Traced] = []
        cursor = Cursor(data, start, end, limit, trace)
        try:
            self.read_from(cursor)
        except WireError:
            if not trace:
                self._rescue(Cursor(data, start, end, limit, trace))
        return [Found(*entry) for entry in trace]

    # ---- building

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        header = obj if isinstance(obj, self.header) else self._from_mapping(obj)
        if header._auto:
            header = header.filled()
        raw = header._raw
        stream.write(self.fixed.pack(*raw[: self.fixed_count]))
        if self.tail:
            scope = construct.Container(
                header._numbers(), _=context, _params=None, _root=None,
                _parsing=False, _building=True, _sizing=False, _io=None,
            )  # fmt: skip
            for declared, value in zip(self.tail, raw[self.fixed_count :], strict=True):
                if value is not None:  # absent, or still open
                    declared.subcon._build(value, stream, scope, path)
        return header

    def _from_mapping(self, obj: Any) -> Header:
        if isinstance(obj, dict):
            return self.header(**{key: value for key, value in obj.items() if not key.startswith("_")})
        raise TypeError(f"{self.layer} builds a {self.header.__name__} or a mapping, not {type(obj).__name__}")

    def _sizeof(self, context: Any, path: str) -> int:
        if self.tail:
            raise construct.SizeofError(f"{self.layer} has no fixed size", path=path)
        return self.fixed_size


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line and not line.startswith("Error in path")]
    return lines[0] if lines else type(error).__name__
