"""Whether one packet passes a filter: a checked tree as a function, over every occurrence that the exact reader finds.

This is the truth that the columnar evaluation is held against: tunnels, quoted packets and options all count, a layer
is counted within its protocol, and a comparison holds for any pair of occurrences, or for all of them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from pktlab.columns.filters.check import DOMAINS, regex
from pktlab.columns.filters.nodes import (
    And,
    Arithmetic,
    Call,
    Compare,
    Constant,
    Exists,
    Field,
    Member,
    Negative,
    Not,
    Or,
    Part,
    Range,
    Slice,
    Test,
    Value,
    walk,
)
from pktlab.columns.filters.occurrences import Moments, Occurrences, PacketLike, plain_text
from pktlab.columns.registry import Registry
from pktlab.wire.values import ipv4_text, ipv6_text, mac_text

__all__ = ["compiled"]

Holds = Callable[[Occurrences], bool]
Values = Callable[[Occurrences], Sequence[Any]]


class Matches(Protocol):
    """Tells whether a packet passes."""

    def __call__(self, packet: PacketLike, moments: Moments | None = None) -> bool: ...


def compiled(tree: Test, names: Registry) -> Matches:
    """Return the function that tells whether a packet passes the filter `tree`."""
    holds = _Compiler(names).test(tree)
    return lambda packet, moments=None: holds(Occurrences(packet, names, moments))


class _Compiler:
    def __init__(self, names: Registry) -> None:
        self.names = names

    def test(self, node: Test) -> Holds:
        match node:
            case And(parts):
                tests = [self.test(one) for one in parts]
                return lambda packet: all(holds(packet) for holds in tests)
            case Or(parts):
                tests = [self.test(one) for one in parts]
                return lambda packet: any(holds(packet) for holds in tests)
            case Not(inner):
                holds = self.test(inner)
                return lambda packet: not holds(packet)
            case Exists(value):
                return self.exists(value)
            case Member():
                return self.member(node)
        return self.compare(node)

    def exists(self, value: Value) -> Holds:
        values = self.values(value)
        if isinstance(value, Field):
            return lambda packet: bool(values(packet))
        if isinstance(value, Slice):
            return lambda packet: any(map(len, values(packet)))
        return lambda packet: any(map(_is_set, values(packet)))

    def compare(self, node: Compare) -> Holds:
        left, right = self.values(node.left), self.values(node.right)
        if node.op in ("contains", "matches") and isinstance(node.left, Field):
            left = self.searched(node.left)
        every = node.quantifier == "all"
        if isinstance(node.right, Constant):
            return _one_sided(left, _Single(node.op, node.right), every=every)
        return _two_sided(left, right, self.comparison(node.op, node.left), every=every)

    def comparison(self, op: str, left: Value) -> Callable[[Any, Any], Any]:
        """Return the function that compares with `left`; unsigned numbers are compared as such."""
        plain = _COMPARISONS[op]
        if self.is_signed(left):
            return plain
        return lambda one, other: plain(one, _unsigned(other) if isinstance(one, int) and one >= 0 else other)

    def is_signed(self, value: Value) -> bool:
        """Tell whether numbers and times under 0 are what they seem, on the other side of `value` too."""
        names = [self.names.find(one.name) for one in walk(value) if isinstance(one, Field)]
        return any(one.kind in ("int", "timestamp") for one in names)

    def member(self, node: Member) -> Holds:
        left, every = self.values(node.left), node.quantifier == "all"
        members = [self.member_test(one, node.left) for one in node.members]
        quantified = all if every else any  # of each member by itself: all are in one range, or any is in any

        def holds(packet: Occurrences) -> bool:
            found = left(packet)
            return bool(found) and any(quantified(map(test(packet), found)) for test in members)

        return holds

    def member_test(self, node: Value | Range, left: Value) -> Callable[[Occurrences], Callable[[Any], bool]]:
        """Return, for a packet, the function that tells whether a value is that member."""
        if isinstance(node, Constant):
            one = _Single("==", node)
            return lambda packet: one
        if not isinstance(node, Range):
            values, equal = self.values(node), self.comparison("==", left)
            return lambda packet: lambda value: any(equal(value, one) for one in values(packet))
        low, high = self.values(node.low), self.values(node.high)
        over, under = self.comparison(">=", left), self.comparison("<=", left)

        def between(packet: Occurrences) -> Callable[[Any], bool]:
            lows, highs = low(packet), high(packet)
            return lambda value: any(over(value, one) for one in lows) and any(under(value, one) for one in highs)

        return between

    # ---- values

    def searched(self, field: Field) -> Values:
        """Return what a search of `field` looks through: of a protocol, all that is behind it too."""
        if self.names.find(field.name).kind != "protocol":
            return self.values(field)
        return lambda packet: packet.reaching(field.name, field.layers)

    def values(self, node: Value) -> Values:
        match node:
            case Constant(_, value):
                return lambda packet: (value,)
            case Field(name, layers):
                if layers:
                    return lambda packet: packet.within(name, layers)
                return lambda packet: packet.values(name)
            case Slice(of, parts):
                inner = self.values(of)
                return lambda packet: [_sliced(value, parts) for value in inner(packet)]
            case Negative(of):
                inner, most = self.values(of), self.most(of)
                return lambda packet: [-value for value in inner(packet) if _fits(-value, most)]
            case Arithmetic(op, left, right):
                return _calculated(_ARITHMETIC[op], self.values(left), self.values(right), self.most(node))
            case Call():
                return self.call(node)
        raise TypeError(f"{node!r} is in no checked tree")

    def most(self, value: Value) -> int:
        """Return what no result of arithmetic reaches: numbers have 32 bits unless a field has more."""
        names = [self.names.find(one.name) for one in walk(value) if isinstance(one, Field)]
        return 1 << (64 if any(one.width > 4 for one in names) else 32)

    def call(self, node: Call) -> Values:
        arguments = [self.values(one) for one in node.arguments]
        first = node.arguments[0]
        assert isinstance(first, Field)
        inner, field = arguments[0], self.names.find(first.name)
        width = 0 if DOMAINS[field.kind] in ("bool", "time") else field.width  # as Wireshark has it
        match node.function:
            case "count":
                return lambda packet: [len(found)] if (found := inner(packet)) else []
            case "len":
                return lambda packet: [len(one) if isinstance(one, bytes) else width for one in inner(packet)]
            case "upper":
                return lambda packet: [one.upper() for one in inner(packet)]
            case "lower":
                return lambda packet: [one.lower() for one in inner(packet)]
            case "abs":
                return lambda packet: [abs(one) for one in inner(packet)]
            case "string":
                text = _TEXTS.get(field.kind, _TEXTS.get(DOMAINS[field.kind], str))
                return lambda packet: [plain_text(text(one)) for one in inner(packet)]
        best = max if node.function == "max" else min

        def chosen(packet: Occurrences) -> list[Any]:
            found = [value for values in arguments for value in values(packet)]
            return [best(found)] if found else []

        return chosen


class _Single:
    """One comparison with a constant, as a function of the value on the left."""

    def __init__(self, op: str, constant: Constant) -> None:
        self.holds = _COMPARISONS[op] if op != "matches" else None
        self.value: Any = constant.value
        self.shift = 0
        if op == "matches":
            assert isinstance(constant.value, bytes)
            self.search = regex(constant.value).search
        elif constant.prefix is not None:
            assert isinstance(constant.value, bytes)
            self.shift = 8 * len(constant.value) - constant.prefix
            self.value = int.from_bytes(constant.value, "big") >> self.shift
        self.is_network = constant.prefix is not None

    def __call__(self, value: Any) -> bool:
        if self.holds is None:
            return self.search(value) is not None
        if self.is_network:
            value = int.from_bytes(value, "big") >> self.shift
        return bool(self.holds(value, self.value))


def _one_sided(left: Values, test: Callable[[Any], bool], *, every: bool) -> Holds:
    if every:
        return lambda packet: bool(found := left(packet)) and all(map(test, found))
    return lambda packet: any(map(test, left(packet)))


def _two_sided(left: Values, right: Values, test: Callable[[Any, Any], Any], *, every: bool) -> Holds:
    def holds(packet: Occurrences) -> bool:
        ours = left(packet)
        theirs = right(packet) if ours else ()
        passed = (bool(test(one, other)) for one in ours for other in theirs)
        return bool(theirs) and (all(passed) if every else any(passed))

    return holds


_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
    "contains": operator.contains,
}  # fmt: skip


# ---- arithmetic


def _unsigned(value: Any) -> Any:
    """Return what a number under 0 is beside one without a sign: Wireshark takes its 32 bits."""
    return value + (1 << 32) if isinstance(value, int) and value < 0 else value


def _fits(value: Any, most: int) -> bool:
    """Tell whether a result is there at all; what overflows is none."""
    return not isinstance(value, int) or -most // 2 <= value < most


def _calculated(op: Callable[[Any, Any], Any], left: Values, right: Values, most: int) -> Values:
    def values(packet: Occurrences) -> list[Any]:
        ours = left(packet)
        theirs = right(packet) if ours else ()
        found = (op(one, other) for one in ours for other in theirs)
        return [one for one in found if one is not None and _fits(one, most)]

    return values


def _both_bits(left: Any, right: Any) -> Any:
    """Return the bits that both have; octets where both have any."""
    if isinstance(left, bytes):
        return bytes(one & other for one, other in zip(left, right, strict=False))
    return left & right


def _quotient(left: int, right: int) -> int | None:
    """Return the quotient, towards zero; nothing if `right` is 0."""
    if right == 0:
        return None
    result = abs(left) // abs(right)
    return result if (left < 0) == (right < 0) else -result


def _rest(left: int, right: int) -> int | None:
    """Return what division leaves, with the sign of `left`."""
    quotient = _quotient(left, right)
    return None if quotient is None else left - quotient * right


_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": _quotient, "%": _rest, "&": _both_bits,
}  # fmt: skip


def _is_set(value: Any) -> bool:
    """Tell whether any bit is set."""
    return any(value) if isinstance(value, bytes) else bool(value)


# ---- octets and text


def _sliced(value: bytes, parts: Iterable[Part]) -> bytes:
    """Return the octets of `parts`; what reaches over the end ends it."""
    result = b""
    for part in parts:
        start = part.start if part.start >= 0 else len(value) + part.start
        if part.length is not None:
            stop = start + part.length
        elif part.last is not None:
            stop = (part.last if part.last >= 0 else len(value) + part.last) + 1
        else:
            stop = len(value)
        if not 0 <= start < stop <= len(value):
            break
        result += value[start:stop]
    return result


_TEXTS: dict[str, Callable[[Any], str]] = {
    "ipv4": ipv4_text, "ipv6": ipv6_text, "mac": mac_text, "number": lambda value: str(int(value)),
}  # fmt: skip
