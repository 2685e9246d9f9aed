"""What a schema says about drawing it: which fields steer its parse, which are derived, and how much fits where.

A field *steers* if an expression of the schema names it, or if it has a `min` or `equals`. It is *derived* if the
builder makes it: a fill, or a length that is solved for and that nothing else depends on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

import construct
from construct import expr

from pktlab.testing.leaves import LEAVES
from pktlab.wire import Bounded, Fill, Header, Items, Switch, When, expressions
from pktlab.wire.apps.nodes import OrElse
from pktlab.wire.apps.quic import VarIntNode
from pktlab.wire.fields import BitsDecl, FieldDecl
from pktlab.wire.fills import Padding, Present

__all__ = ["Plan", "Room", "is_header", "nodes_in", "number_range", "plan_of", "room_of"]

_NUMBERS = (construct.FormatField, construct.BytesInteger)


class Plan(NamedTuple):
    """The roles of one header's fields, by attribute."""

    steering: frozenset[str]  # an expression names it, or the parser refuses some of its values
    derived: frozenset[str]  # the builder makes it: lengths and fills
    telling: Mapping[str, tuple[int, ...]]  # values at which an expression over the field changes its mind


def is_header(node: Any) -> bool:
    """Tell whether `node` is the schema of a nested header.

    >>> class Pair(Header, layer="pair"):
    ...     pass
    >>> is_header(Pair.schema), is_header(construct.GreedyBytes)
    (True, False)
    """
    return isinstance(getattr(node, "header", None), type)


def nodes_in(node: Any) -> Iterator[Any]:
    """Yield `node` and all nodes inside it, not what is inside a nested header.

    >>> [type(found).__name__ for found in nodes_in(Items(construct.Int8ub))]
    ['Items', 'FormatField']
    """
    yield node
    if isinstance(node, Switch):
        for case in (*node.cases.values(), node.default):
            yield from nodes_in(case)
    elif isinstance(node, construct.Subconstruct):
        yield from nodes_in(node.subcon)
    if isinstance(node, OrElse):
        yield from nodes_in(node.other)


def plan_of(header: type[Header]) -> Plan:
    """Return the plan of `header`; TypeError if it holds a node that cannot be drawn.

    >>> from pktlab.wire import AUTO, field
    >>> class Note(Header, layer="note"):
    ...     length: int = field(construct.Int8ub, default=AUTO)
    ...     text: bytes = field(Bounded(construct.this.length, construct.GreedyBytes))
    >>> plan = plan_of(Note)
    >>> sorted(plan.steering), sorted(plan.derived)
    (['length'], ['length'])
    """
    hashable: Any = header  # mypy takes a header's own __hash__ for that of its class
    return _plan(hashable)


@cache
def _plan(header: Any) -> Plan:
    lengths: list[str] = []
    others: list[Any] = []
    for declared in header.schema.fields:
        for node in nodes_in(declared.subcon):
            _require_known(header, declared, node)
            if isinstance(node, Bounded) and expressions.is_invertible(node.length):
                lengths += expressions.names_in(node.length)[:1]
                others += _other_names(node.length)
            elif not isinstance(declared.default, Padding):  # which the builder makes, whatever the length is
                others += _expressions_of(node)
    free = {name for expression in others for name in expressions.names_in(expression)}
    solved = {name for name in lengths if lengths.count(name) == 1} - free
    every = header.schema.declared
    filled = {  # a number that is only there or not is as free as any
        name for name, one in every.items() if isinstance(one.default, Fill) and not isinstance(one.default, Present)
    } - free
    rest = {name for name in [expressions.target(header.payload_len)] if name}
    checked = {name for name, one in every.items() if one.min is not None or one.equals is not None}
    return Plan(
        steering=frozenset({*lengths, *free, *checked, *rest}),
        derived=frozenset(solved | filled | rest),
        telling={name: tuple(_telling(name, others)) for name in free},
    )


def _require_known(header: type[Header], declared: FieldDecl, node: Any) -> None:
    known = (Bounded, When, Switch, Items, OrElse, construct.Bytes, *_NUMBERS, *LEAVES)
    if isinstance(node, known) or is_header(node) or node in (construct.GreedyBytes, construct.Pass):
        return
    raise TypeError(f"{type(node).__name__} has no strategy ({header.__name__}.{declared.attr})")


def _expressions_of(node: Any) -> list[Any]:
    held = [getattr(node, name, None) for name in ("length", "condition")]
    if isinstance(node, Switch):
        held += [node.key == case for case in node.cases if isinstance(case, int)] or [node.key]
    return [one for one in held if expressions.names_in(one)]


def _other_names(length: Any) -> list[Any]:
    """Return, as expressions, the names of a length beside the one that it is solved for."""
    return [getattr(construct.this, name) for name in expressions.names_in(length)[1:]]


def _telling(name: str, others: list[Any]) -> list[int]:
    """Return the numbers that `others` compare `name` with, and for an order those around them."""
    found: dict[int, None] = {}
    for comparison in (one for whole in others for one in _comparisons(whole)):
        if name in expressions.names_in(comparison.lhs) and isinstance(comparison.rhs, int):
            exact = comparison.op.__name__ in {"eq", "ne"}
            around = (0,) if exact else (0, 1, -1)
            found.update(dict.fromkeys(int(comparison.rhs) + step for step in around))
    return list(found)


def _comparisons(expression: Any) -> Iterator[Any]:
    if isinstance(expression, expr.BinExpr):
        if expression.op.__name__ in {"eq", "ne", "lt", "le", "gt", "ge"}:
            yield expression
        yield from _comparisons(expression.lhs)
        yield from _comparisons(expression.rhs)


def number_range(one: FieldDecl | BitsDecl, node: Any = None) -> tuple[int, int, int]:
    """Return (least, most, step) of the values that an integer field holds as expressions see them, checks apart.

    `node` is the Construct object if it is not the field's own. In the units of the field: 0, 60, 4 for a header
    length in bytes stored in 4 bits.
    """
    if isinstance(one, BitsDecl):
        return 0, (one.mask >> one.shift) * one.scale, one.scale
    node = one.inner if node is None else node
    if isinstance(node, VarIntNode):
        return 0, (1 << 62) - 1, 1
    width = 8 * node.length
    signed = node.fmtstr[-1].islower() if isinstance(node, construct.FormatField) else bool(node.signed)
    return (-(1 << width - 1), (1 << width - 1) - 1, 1) if signed else (0, (1 << width) - 1, 1)


HARDLY_ANY = 4
"""Bytes below which a gap is not filled by one item, which may need as many itself."""


class Room(NamedTuple):
    """Sizes that a part may have: from `least` to `most` bytes, in steps; `step` 0 is just `least`.

    >>> Room(6, 30, 8).allows(14), Room(6, 30, 8).allows(15), Room(6, 30, 8).after(2)
    (True, False, Room(least=4, most=28, step=8))
    """

    least: int = 0
    most: int = 1 << 16
    step: int = 1

    def allows(self, size: int) -> bool:
        """Tell whether a part of `size` bytes fits."""
        return self.least <= size <= self.most and (
            size == self.least or (size - self.least) % (self.step or size) == 0
        )

    def rest(self, used: int) -> Room:
        """Return what one more item of any size may take behind `used` bytes."""
        return Room(most=self.most - used)

    def gap(self, used: int) -> Room:
        """Return what one more item has to take, so that it is the last; a few bytes at least.

        >>> Room(6, 30, 8).gap(5), Room(6, 30, 8).gap(8)
        (Room(least=9, most=9, step=0), Room(least=6, most=6, step=0))
        """
        size = (self.least - used) % self.step if self.step else self.least - used
        if size < HARDLY_ANY:
            size += self.step
        return Room(size, size, 0) if HARDLY_ANY <= size <= self.most - used else self.rest(used)

    def after(self, used: int) -> Room:
        """Return the room that is left behind `used` bytes."""
        least = self.least - used
        if least < 0 and self.step:
            least %= self.step
        return Room(least, self.most - used, self.step)

    def within(self, outer: Room) -> Room:
        """Return this room cut to what `outer` leaves; the coarser of the two steps is kept."""
        most = min(self.most, outer.most)
        if self.step and (outer.step > self.step or not outer.step):
            return outer._replace(least=max(outer.least, 0), most=most)
        return self._replace(most=most) if self.step else self


def room_of(header: type[Header], node: Bounded, scope: Mapping[str, Any]) -> Room:
    """Return what the length of `node` can say, given the numbers in `scope`: exactly that if it is among them."""
    name = expressions.target(node.length)
    names = set(expressions.names_in(node.length))
    if names <= set(scope):
        exact = int(node.length_of(scope))
        return Room(exact, exact, 0)
    if name is None or not names - {name} <= set(scope):
        return Room()
    one = header.schema.declared[name]
    low, high, step = number_range(one)
    low = max(low, -(-(one.min or 0) // step) * step)
    first, second, last = (int(node.length_of({**scope, name: at})) for at in (low, low + step, high))
    stride = second - first
    if stride < 1:
        return Room(most=max(last, 0))
    return Room(first if first >= 0 else first % stride, last, stride)
