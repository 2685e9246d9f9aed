"""A checked filter as a function over the columns of a window: for each packet yes, no, or that it cannot be told here.

What kernels can take (numbers, addresses, protocols, verdicts, what the capture says) is compared as arrays, every
occurrence of it. Of any other part of a filter (searches, slices, text, functions) only this is known: it does not hold
for a packet that has none of its fields. So ``tcp.port == 80 and http.host contains "x"`` leaves to the exact reader
the packets of port 80 that may have an HTTP header.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from pktlab.columns.filters.check import DOMAINS
from pktlab.columns.filters.nodes import (
    And,
    Arithmetic,
    Compare,
    Constant,
    Exists,
    Field,
    Member,
    Not,
    Or,
    Range,
    Test,
    Value,
    fields_of,
)
from pktlab.columns.filters.wanted import View, Wanted
from pktlab.columns.registry import FieldType
from pktlab.wire.verdict import Verdict

__all__ = ["Truth", "vectorised"]

Array = np.ndarray[Any, Any]
Parts = tuple[Any, ...]  # a number, or the two halves of an IPv6 address, most significant first
Occurrence = tuple[Any, Parts]  # which packets have it; its values
Values = Callable[[View], list[Occurrence]]


class Truth(NamedTuple):
    """What is known of each packet: that it passes for certain, and that it may pass; bool, shape (packets,)."""

    surely: Array
    maybe: Array


Holds = Callable[[View], Truth]


class _Unsaid(Exception):
    """Columns cannot say it."""


def vectorised(tree: Test, wanted: Wanted) -> Holds:
    """Return the function over windows that a checked filter is; what it asks for is noted in `wanted`."""
    return _Compiler(wanted).test(tree)


class _Compiler:
    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.unsaid_tests = 0

    def tests(self, nodes: Sequence[Test]) -> list[Holds]:
        """Return tests, first those that columns can say: after them the others may not matter."""
        found = []
        for place, node in enumerate(nodes):
            before = self.unsaid_tests
            test = self.test(node)
            found.append((self.unsaid_tests > before, place, test))
        return [test for _, _, test in sorted(found, key=lambda one: one[:2])]

    def test(self, node: Test) -> Holds:
        match node:
            case And(parts):
                return _joined(self.tests(parts), np.logical_and)
            case Or(parts):
                return _joined(self.tests(parts), np.logical_or)
            case Not(inner):
                return _negated(self.test(inner))
        try:
            holds = self.leaf(node)
        except _Unsaid:
            return self.unsaid(node)
        return _timed(holds) if any(name.startswith("frame.time_") for name in fields_of(node)) else _known(holds)

    def unsaid(self, node: Test) -> Holds:
        """Return the test of what columns cannot say: it may hold where one of its fields may be."""
        self.unsaid_tests += 1
        fields = [self.wanted.names.find(name) for name in fields_of(node)]
        keys = self.wanted.somewhere(fields)
        if keys is None:
            return lambda view: Truth(view.none(), view.all())
        return lambda view: Truth(view.none(), view.may_have(keys))

    def leaf(self, node: Test) -> Callable[[View], Array]:
        match node:
            case Exists(Field(name, ())) if self.wanted.names.find(name).source == "protocol":
                return self.protocol(name)
            case Exists(value):
                return self.exists(value)
            case Compare(op, Field(name, ()), Constant() as constant, _) if name.endswith(".checksum.verdict"):
                return self.verdict(name, op, [constant])
            case Member(Field(name, ()), members, _) if name.endswith(".checksum.verdict"):
                return self.verdict(name, "==", members)
            case Member():
                return self.member(node)
            case Compare():
                return self.compare(node)
        raise _Unsaid

    def protocol(self, name: str) -> Callable[[View], Array]:
        if name == "frame":
            return View.all
        if not self.wanted.layer(name):
            raise _Unsaid
        return lambda view: view.has_layer(name)

    def exists(self, value: Value) -> Callable[[View], Array]:
        if isinstance(value, Field) and value.name.endswith(".checksum.verdict") and not value.layers:
            protocol = self.wanted.checksum(value.name)
            return lambda view: view.codes(protocol) > 0
        values, counts_zero = self.values(value), isinstance(value, Field)

        def holds(view: View) -> Array:
            found = view.none()
            for has, parts in values(view):
                found |= has if counts_zero else has & _is_set(parts)
            return found

        return holds

    def verdict(self, name: str, op: str, members: Sequence[Value | Range]) -> Callable[[View], Array]:
        """Compare the name of a verdict: of each of them once, of packets by its code."""
        if op not in _COMPARISONS or not all(isinstance(one, Constant) for one in members):
            raise _Unsaid
        protocol, compare = self.wanted.checksum(name), _COMPARISONS[op]
        texts = [one.value for one in members if isinstance(one, Constant)]
        passes = np.array([False, *(any(compare(str(one).encode(), text) for text in texts) for one in Verdict)])
        return lambda view: passes[view.codes(protocol)]

    def compare(self, node: Compare) -> Callable[[View], Array]:
        if node.op not in _COMPARISONS:
            raise _Unsaid
        left, every = self.values(node.left), node.quantifier == "all"
        right, masks = self.beside(node.right, node.left)
        op = node.op

        def holds(view: View) -> Array:
            ours = left(view)
            theirs = right(view)
            return _quantified(
                view,
                [(has & other, _compared(op, _masked(one, masks), two)) for has, one in ours for other, two in theirs],
                every=every,
            )

        return holds

    def member(self, node: Member) -> Callable[[View], Array]:
        left, every = self.values(node.left), node.quantifier == "all"
        tests = [self.member_test(one, node.left) for one in node.members]

        def holds(view: View) -> Array:
            ours, found = left(view), view.none()
            for test in tests:
                found |= _quantified(view, [(has, test(parts)) for has, parts in ours], every=every)
            return found

        return holds

    def member_test(self, node: Value | Range, left: Value) -> Callable[[Parts], Array]:
        if isinstance(node, Range):
            low, high = (self.constant(one, left)[0] for one in (node.low, node.high))
            return lambda parts: _compared(">=", parts, low) & _compared("<=", parts, high)
        value, masks = self.constant(node, left, with_prefix=True)
        return lambda parts: _compared("==", _masked(parts, masks), value)

    # ---- values

    def beside(self, value: Value, left: Value) -> tuple[Values, Parts | None]:
        """Return what `left` is compared with, and the bits of both that are."""
        if not isinstance(value, Constant):
            return self.values(value), None
        parts, masks = self.constant(value, left, with_prefix=True)
        return (lambda view: [(True, parts)]), masks

    def constant(self, value: Value, left: Value, *, with_prefix: bool = False) -> tuple[Parts, Parts | None]:
        """Return a constant in the form of what it stands beside, and which bits of it count."""
        if not isinstance(value, Constant):
            raise _Unsaid
        size = self.size_of(left)
        if isinstance(value.value, bytes):
            if len(value.value) != size:
                raise _Unsaid
            masks = None
            if with_prefix and value.prefix is not None:
                masks = _halves((1 << 8 * size) - (1 << 8 * size - value.prefix), size)
            parts = _halves(int.from_bytes(value.value, "big"), size)
            return _masked(parts, masks), masks
        if size or abs(value.value) >= 1 << 63:
            raise _Unsaid
        return (int(value.value),), None

    def size_of(self, value: Value) -> int:
        """Return the octets of an address; 0 for a number."""
        if isinstance(value, Arithmetic):
            return self.size_of(value.left)
        if not isinstance(value, Field):
            raise _Unsaid
        return {"ipv4": 4, "mac": 6, "ipv6": 16}.get(self.wanted.names.find(value.name).kind, 0)

    def values(self, value: Value) -> Values:
        match value:
            case Field(name, ()):
                return self.field(self.wanted.names.find(name))
            case Arithmetic("&", left, Constant() as right):
                inner, (bits, _) = self.values(left), self.constant(right, left)
                return lambda view: [(has, _masked(parts, bits)) for has, parts in inner(view)]
        raise _Unsaid

    def field(self, field: FieldType) -> Values:
        """Return the occurrences of a field: one for each kind of header that has it."""
        wanted, name = self.wanted, field.name
        if field.source == "frame" and DOMAINS[field.kind] != "str":
            return lambda view: [_as_one(view.window.frame(name))]
        if name.endswith(".checksum.status"):
            protocol = wanted.checksum(name)
            return lambda view: [_as_one(view.status(protocol))]
        if name == "tcp.len" and wanted.layer("tcp"):
            wanted.has_lengths = True
            return lambda view: [_as_one(view.lengths())]
        if field.source == "flow":
            return lambda view: [_as_one(view.flow(name))]
        parts = field.parts if field.source == "either" else (name,)
        if field.source not in ("row", "either") or not all(map(wanted.field, parts)):
            raise _Unsaid
        if field.kind == "ipv6":
            return lambda view: [(has, _octets(values)) for part in parts for values, has in view.wide(part)]
        return lambda view: [(has, (values,)) for part in parts for values, has in view.numbers(part)]


# ---- tests


def _joined(tests: list[Holds], join: Any) -> Holds:
    def holds(view: View) -> Truth:
        surely, maybe = tests[0](view)
        for test in tests[1:]:
            if join is np.logical_and and not maybe.any():
                break
            other = test(view)
            surely, maybe = join(surely, other.surely), join(maybe, other.maybe)
        return Truth(surely, maybe)

    return holds


def _negated(test: Holds) -> Holds:
    def holds(view: View) -> Truth:
        surely, maybe = test(view)
        return Truth(~maybe, ~surely)

    return holds


def _known(test: Callable[[View], Array]) -> Holds:
    def holds(view: View) -> Truth:
        found = test(view)
        return Truth(found, found)

    return holds


def _timed(test: Callable[[View], Array]) -> Holds:
    """Return the test of times, which are not all known where packets were read one by one."""
    known = _known(test)
    return lambda view: known(view) if view.has_times else Truth(view.none(), view.all())


def _quantified(view: View, found: list[tuple[Any, Array]], *, every: bool) -> Array:
    """Return where one of some occurrences passes, or all that there are, at least one."""
    if not every:
        passes = view.none()
        for has, test in found:
            passes |= has & test
        return passes
    is_there, passes = view.none(), view.all()
    for has, test in found:
        is_there |= has
        passes &= ~has | test
    return is_there & passes


# ---- numbers and halves of addresses


def _as_one(found: tuple[Array, Array]) -> Occurrence:
    values, has = found
    return has, (values,)


def _octets(values: Array) -> Parts:
    halves = values.view(">u8").astype(np.uint64)
    return halves[:, 0], halves[:, 1]


def _halves(number: int, size: int) -> Parts:
    if size < 16:
        return (number,)
    return np.uint64(number >> 64), np.uint64(number & (1 << 64) - 1)


def _masked(parts: Parts, masks: Parts | None) -> Parts:
    return parts if masks is None else tuple(one & mask for one, mask in zip(parts, masks, strict=True))


def _is_set(parts: Parts) -> Array:
    found: Array = parts[0] != 0
    for one in parts[1:]:
        found = found | (one != 0)
    return found


def _compared(op: str, left: Parts, right: Parts) -> Any:
    if len(left) == 1:
        return _COMPARISONS[op](left[0], right[0])
    same = (left[0] == right[0]) & (left[1] == right[1])
    if op in ("==", "!="):
        return same if op == "==" else ~same
    less = (left[0] < right[0]) | ((left[0] == right[0]) & (left[1] < right[1]))
    return {"<": less, "<=": less | same, ">": ~(less | same), ">=": ~less}[op]


_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
