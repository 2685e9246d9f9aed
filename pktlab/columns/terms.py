"""Expressions over a header's fields as arrays: numbers, and tests of them.

``this.len - this.hdr_len`` becomes a sum of two numbers, each a few bits of a word of the header, and
``this.type < 0x0600`` a number and its bounds. What cannot be said so raises `NoRule`, and its header is left to the
exact reader.

The numbers of one kind of header stand in a row, so that a kernel takes all of them in two loops without a branch:
first those that are fields, then, from `FIRST_SUM` on, sums of them. Elsewhere a number is named by its place.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from construct import expr

from pktlab.wire import expressions
from pktlab.wire.header import Header
from pktlab.wire.rows import Row

__all__ = ["FIELD", "FIRST_SUM", "SUM", "TEST", "NoRule", "Numbers", "as_array", "bits_of", "is_number", "term_of"]

FIELD = np.dtype([("offset", "i4"), ("little", "i4"), ("shift", "i8"), ("mask", "i8"), ("factor", "i8")])
"""Some bits of a word: 8 bytes are read at `offset`, shifted to the right, masked, multiplied."""
SUM = np.dtype([("constant", "i8"), ("header", "i8"), ("left", "i4"), ("right", "i4")])
"""A constant, the length of the header itself `header` times, and two numbers."""
TEST = np.dtype([("number", "i4"), ("group", "i4"), ("least", "i8"), ("most", "i8"), ("inside", "i8")])
"""A number has to be within bounds, or with `inside` 0 outside of them. A group holds if all its tests do."""
FIRST_SUM, ZERO, MOST_GROUPS = 16, 31, 32
"""Places of the first sum, and of a number that is always 0; most groups that a kind has."""

Array = np.ndarray[Any, Any]
Term = tuple[int, int, int, int, int]
Bounds = tuple[int, int, int]
_LEAST, _MOST = -(1 << 62), 1 << 62
_BOUNDS: dict[Any, Callable[[int], Bounds]] = {
    operator.lt: lambda number: (_LEAST, number - 1, 1),
    operator.le: lambda number: (_LEAST, number, 1),
    operator.gt: lambda number: (number + 1, _MOST, 1),
    operator.ge: lambda number: (number, _MOST, 1),
    operator.eq: lambda number: (number, number, 1),
    operator.ne: lambda number: (number, number, 0),
}


class NoRule(Exception):
    """Numbers cannot say it."""


class _Sum:
    """A sum in the making."""

    def __init__(self, terms: list[Term], constant: int = 0, header: int = 0) -> None:
        self.terms, self.constant, self.header = terms, constant, header

    def plus(self, other: _Sum, sign: int) -> _Sum:
        """Return the sum of both, the other one `sign` times."""
        scaled = other.times(sign)
        return _Sum(self.terms + scaled.terms, self.constant + scaled.constant, self.header + scaled.header)

    def times(self, factor: int) -> _Sum:
        """Return the sum `factor` times."""
        terms: list[Term] = [(*term[:4], term[4] * factor) for term in self.terms]
        return _Sum(terms, self.constant * factor, self.header * factor)

    def masked(self, mask: int) -> _Sum:
        """Return the bits `mask` of a sum that is one plain field."""
        if len(self.terms) != 1 or self.constant or self.header or self.terms[0][4] != 1:
            raise NoRule
        offset, little, shift, bits, factor = self.terms[0]
        return _Sum([(offset, little, shift, bits & mask, factor)])


class Numbers:
    """The arrays that grow while the expressions of kinds of headers are compiled."""

    def __init__(self) -> None:
        self.fields: list[tuple[int, ...]] = []
        self.sums: list[tuple[int, ...]] = []
        self.tests: list[tuple[int, ...]] = []
        self.start()

    def start(self) -> None:
        """Begin with a kind of header."""
        self._first = len(self.fields), len(self.sums), len(self.tests)
        self._fields: dict[Term, int] = {}
        self._sums: dict[tuple[int, ...], int] = {}
        self._groups = 0

    def run(self) -> dict[str, int]:
        """Finish a kind: return where its numbers and tests stand."""
        if len(self._fields) > FIRST_SUM or len(self._sums) > ZERO - FIRST_SUM or self._groups > MOST_GROUPS:
            raise NoRule
        self.fields += self._fields
        self.sums += self._sums
        last = len(self.fields), len(self.sums), len(self.tests)
        firsts = dict(zip(("field_first", "sum_first", "test_first"), self._first, strict=True))
        return {**firsts, **dict(zip(("field_last", "sum_last", "test_last"), last, strict=True))}

    def number(self, kind: type[Header], expression: Any) -> int:
        """Return the place of the number that `expression` over headers of `kind` is.

        Raises
        ------
        NoRule : it is no sum of one or two fields at fixed places
        """
        return self._place(_sum_of(kind, expression))

    def field(self, row: Row) -> int:
        """Return the place of the number that a field is."""
        return self._place(_Sum([_term(row)]))

    def all_of(self, kind: type[Header], condition: Any) -> int:
        """Compile comparisons that must all hold, and return the number of the group."""
        return self.group([(self._place(one), bounds) for one, bounds in _comparisons(kind, condition)])

    def group(self, tests: list[tuple[int, Bounds]]) -> int:
        """Return the number of the group of `tests`, each a number and its bounds; -1 for none."""
        if not tests:
            return -1
        self.tests += [(place, self._groups, *bounds) for place, bounds in tests]
        self._groups += 1
        return self._groups - 1

    def _place(self, one: _Sum) -> int:
        places = [self._fields.setdefault(term, len(self._fields)) for term in one.terms]
        if len(places) == 1 and not one.constant and not one.header:
            return places[0]
        if len(places) > 2:
            raise NoRule
        left, right = [*places, ZERO, ZERO][:2]
        return FIRST_SUM + self._sums.setdefault((one.constant, one.header, left, right), len(self._sums))


def as_array(rows: list[Any], dtype: np.dtype[Any]) -> Array:
    """Return rows as an array that has at least one, for kernels to be given."""
    array = np.zeros(max(len(rows), 1), dtype)
    for place, row in enumerate(rows):
        array[place] = row
    return array


def bits_of(row: Row) -> tuple[int, int, int, int]:
    """Return how the number of a row is taken from 8 bytes that start at its word: little, shift, mask, factor."""
    mask = (1 << 8 * row.width) - 1 if row.mask is None else row.mask
    shift = row.shift + (0 if row.little else 64 - 8 * row.width)
    return int(row.little), shift, mask >> row.shift, row.scale


def is_number(row: Row) -> bool:
    """Tell whether kernels can take the row as a number of 63 bits."""
    return row.offset is not None and 0 < row.width < 8 and row.kind in ("uint", "bool", "enum", "flags")


def term_of(kind: type[Header], expression: Any) -> tuple[Term, int]:
    """Return the one field, and the constant added to it, that `expression` over headers of `kind` is.

    A field is its offset, and how its number is taken from 8 bytes there: little, shift, mask, factor.

    Raises
    ------
    NoRule : it is none, or more than that
    """
    one = _sum_of(kind, expression)
    if len(one.terms) != 1 or one.header:
        raise NoRule(str(expression))
    return one.terms[0], one.constant


def _term(row: Row) -> Term:
    if not is_number(row):
        raise NoRule(row.name)
    return row.offset or 0, *bits_of(row)


def _sum_of(kind: type[Header], expression: Any) -> _Sum:
    if isinstance(expression, int):
        return _Sum([], int(expression))
    names = expressions.names_in(expression)
    if not isinstance(expression, expr.BinExpr):
        if len(names) != 1 or isinstance(expression, expr.UniExpr):
            raise NoRule(str(expression))
        if names[0] == "header_len":
            return _Sum([], header=1)
        return _Sum([_term(kind.schema.declared[names[0]].row)])
    left = _sum_of(kind, expression.lhs)
    if expression.op is operator.and_ and isinstance(expression.rhs, int):
        return left.masked(expression.rhs)
    right = _sum_of(kind, expression.rhs)
    if expression.op in (operator.add, operator.sub):
        return left.plus(right, 1 if expression.op is operator.add else -1)
    if expression.op is operator.mul and not right.terms and not right.header:
        return left.times(right.constant)
    if expression.op is operator.mul and not left.terms and not left.header:
        return right.times(left.constant)
    raise NoRule(str(expression))


def _comparisons(kind: type[Header], condition: Any) -> list[tuple[_Sum, Bounds]]:
    if not isinstance(condition, expr.BinExpr):
        raise NoRule(str(condition))
    if condition.op is operator.and_:
        return [*_comparisons(kind, condition.lhs), *_comparisons(kind, condition.rhs)]
    if condition.op not in _BOUNDS:
        raise NoRule(str(condition))
    one = _sum_of(kind, condition.lhs).plus(_sum_of(kind, condition.rhs), -1)
    return [(_Sum(one.terms, 0, one.header), _BOUNDS[condition.op](-one.constant))]
