"""The syntax tree of a filter, and its text.

A filter is a *test*; a test compares *values*. What stands where:

    test    And(parts)  Or(parts)  Not(test)
            Exists(value)                           ``udp``, ``tcp.flags & 2``, ``frame[0:2]``
            Compare(op, left, right, quantifier)    ``tcp.port == 80``, ``all tcp.port > 1024``, ``http contains "GET"``
            Member(left, members, quantifier)       ``tcp.port in {80, 8000..8080}``
    value   Field(name, layers)                     ``ip.src``, ``ip.src#2``
            Slice(of, parts)                        ``eth.src[0:3]``
            Call(function, arguments)               ``len(http.host)``
            Arithmetic(op, left, right)             ``udp.srcport + 1``, ``tcp.flags & 0x12``
            Negative(of)                            ``-tcp.len``
            Literal(kind, text)                     as it was written
            Constant(kind, value, prefix)           what a literal became beside a field of that kind

`parse` makes a tree with literals, `check` one in which each literal has become a constant of the kind that it is
compared with; so a reader of checked trees meets no `Literal`. Values of a packet are compared in one form for each
kind, the form that constants have:

    "number"   int      uint, int, enum and flags fields; arithmetic of them
    "bool"     bool
    "ipv4" "ipv6"  bytes, 4 or 16; `prefix` is the number of bits compared, None for all
    "bytes"    bytes    mac and bytes fields, protocols, slices
    "str"      bytes    UTF-8
    "time"     int      nanoseconds

A test over several occurrences holds if it does for **any** (pair of) them, or for **all** with that quantifier; and
never where one side has no value at all. `!=` has the quantifier all, `!==` any.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = [
    "And", "Arithmetic", "Call", "Compare", "Constant", "Exists", "Field", "Literal", "Member", "Negative", "Not",
    "Or", "Part", "Range", "Slice", "Test", "Value", "fields_of", "walk",
]  # fmt: skip


def _place() -> int:
    """Declare where in the filter's text a node stands; nodes are equal wherever they do."""
    place: int = field(default=0, compare=False, repr=False, kw_only=True)
    return place


@dataclass(frozen=True, slots=True)
class Part:
    """Octets of a value, or layers: `start` and how many, `stop` and the last one, or to the end if both are None.

    Written ``[start:length]``, ``[start-last]``, ``[start:]``. Numbers under 0 count from the end.
    """

    start: int
    length: int | None = None
    last: int | None = None

    def __str__(self) -> str:
        if self.last is not None:
            return f"{self.start}-{self.last}"
        return f"{self.start}:{'' if self.length is None else self.length}"


@dataclass(frozen=True, slots=True)
class Field:
    """A field or protocol, in any layer or only in those counted from 1 by `layers`."""

    name: str
    layers: tuple[Part, ...] = ()
    at: int = _place()

    def __str__(self) -> str:
        if not self.layers:
            return self.name
        return f"{self.name}#[{','.join(map(str, self.layers))}]"


@dataclass(frozen=True, slots=True)
class Slice:
    """Octets of a value, those of each part one after another."""

    of: Value
    parts: tuple[Part, ...]
    at: int = _place()

    def __str__(self) -> str:
        return f"{_grouped(self.of)}[{','.join(map(str, self.parts))}]"


@dataclass(frozen=True, slots=True)
class Call:
    """A function of fields: ``len upper lower count string max min abs``."""

    function: str
    arguments: tuple[Value, ...]
    at: int = _place()

    def __str__(self) -> str:
        return f"{self.function}({', '.join(map(str, self.arguments))})"


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`op` is one of ``+ - * / % &``; numbers, times (``+ -`` only), and octets and addresses (``&`` only)."""

    op: str
    left: Value
    right: Value
    at: int = _place()

    def __str__(self) -> str:
        return f"{_grouped(self.left)} {self.op} {_grouped(self.right)}"


@dataclass(frozen=True, slots=True)
class Negative:
    """The value with the other sign."""

    of: Value
    at: int = _place()

    def __str__(self) -> str:
        return f"-{_grouped(self.of)}"


@dataclass(frozen=True, slots=True)
class Literal:
    """A value as it was written. `kind` is ``"word"``, ``"string"``, ``"raw"`` or ``"char"``; `text` has the quotes."""

    kind: str
    text: str
    at: int = _place()

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Constant:
    """A value of a known kind; see the table above."""

    kind: str
    value: int | bool | bytes
    prefix: int | None = None
    text: str = field(default="", compare=False)
    at: int = _place()

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Range:
    """From `low` to `high`, both included; a member of a set."""

    low: Value
    high: Value

    def __str__(self) -> str:
        return f"{self.low} .. {self.high}"


Value = Field | Slice | Call | Arithmetic | Negative | Literal | Constant


@dataclass(frozen=True, slots=True)
class Exists:
    """The packet has the field or the octets; a result of arithmetic is not zero."""

    value: Value

    def __str__(self) -> str:
        return str(self.value)


@dataclass(frozen=True, slots=True)
class Compare:
    """`op` is one of ``== != < <= > >= contains matches``; `quantifier` is ``"any"`` or ``"all"``."""

    op: str
    left: Value
    right: Value
    quantifier: str = "any"
    at: int = _place()

    def __str__(self) -> str:
        spelled = {("==", "all"): "===", ("!=", "any"): "!=="}.get((self.op, self.quantifier))
        plain = (self.quantifier == "all") == (self.op == "!=")
        prefix = "" if spelled or plain else f"{self.quantifier} "
        return f"{prefix}{self.left} {spelled or self.op} {self.right}"


@dataclass(frozen=True, slots=True)
class Member:
    """The field is one of the values, or in one of the ranges."""

    left: Value
    members: tuple[Value | Range, ...]
    quantifier: str = "any"
    at: int = _place()

    def __str__(self) -> str:
        prefix = "all " if self.quantifier == "all" else ""
        return f"{prefix}{self.left} in {{{', '.join(_grouped(one) for one in self.members)}}}"


@dataclass(frozen=True, slots=True)
class Not:
    """What `test` does not hold for."""

    test: Test

    def __str__(self) -> str:
        return f"not ({self.test})" if isinstance(self.test, And | Or) else f"not {self.test}"


@dataclass(frozen=True, slots=True)
class And:
    """All of `parts` hold."""

    parts: tuple[Test, ...]

    def __str__(self) -> str:
        return " and ".join(f"({one})" if isinstance(one, And | Or) else str(one) for one in self.parts)


@dataclass(frozen=True, slots=True)
class Or:
    """One of `parts` holds."""

    parts: tuple[Test, ...]

    def __str__(self) -> str:
        return " or ".join(f"({one})" if isinstance(one, Or) else str(one) for one in self.parts)


Test = Exists | Compare | Member | Not | And | Or
Node = Test | Value | Range


def _grouped(value: Value | Range) -> str:
    """Return the text of a value so that it stays one beside an operator."""
    return f"{{{value}}}" if isinstance(value, Arithmetic | Negative) else str(value)


def _children(node: Node) -> tuple[Node, ...]:
    match node:
        case And(parts) | Or(parts):
            return parts
        case Not(inner) | Exists(inner) | Negative(inner) | Slice(inner):
            return (inner,)
        case Compare(_, left, right) | Arithmetic(_, left, right) | Range(left, right):
            return (left, right)
        case Member(left, members):
            return (left, *members)
        case Call(_, arguments):
            return arguments
    return ()


def walk(node: Node) -> Iterator[Node]:
    """Yield `node` and all that is in it, a node before what is inside."""
    yield node
    for child in _children(node):
        yield from walk(child)


def fields_of(node: Node) -> tuple[str, ...]:
    """Return the names of the fields and protocols that a filter asks for, each once, in the order of the text."""
    return tuple(dict.fromkeys(one.name for one in walk(node) if isinstance(one, Field)))
