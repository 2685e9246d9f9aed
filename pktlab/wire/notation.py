"""Scapy's notation for packets, read into plain data; nothing in it is ever evaluated.

    IP(dst="10.0.0.1", ttl=(1, 4)) / UDP(dport=[53, 5353]) / b"hi"

Python's own parser makes a syntax tree of the text, and what is in the tree is allowed one by one: layers, their
fields, and literals: numbers, text, bytes, ``b"x" * 100``, tuples, lists, ``range(1, 9)``, ``Net("10.0.0.0/30")``,
nested layers, and random values such as ``RandShort()``. Everything else is refused, with its place. What a text can
ask for is bounded: its length, its depth, the bytes and the copies that repetition makes.

Operators are Python's, so ``IP() / b"x" * 3`` is three packets, as in Scapy, and ``IP() / (b"x" * 3)`` is one.

Which layers and fields there are is not known here: `pktlab.live.craft` looks the names up when it builds.
"""

from __future__ import annotations

import ast
import builtins
from dataclasses import dataclass
from typing import Any, NoReturn

from pktlab.errors import ExpressionError
from pktlab.wire.syntax import Places, parsed

__all__ = ["MAX_BYTES", "MAX_PACKETS", "Expression", "Given", "Layer", "Random", "Stack", "read_expression"]

MAX_DEPTH = 24
"""How deep braces, lists and layers in fields may nest."""
MAX_LINKS = 500
"""Operators in a row: layers of one packet."""
MAX_BYTES = 262_144
"""Bytes that one repetition may make, and that a packet may have: readers of captures take no longer one."""
MAX_MADE = 4 * MAX_BYTES
"""Bytes that all repetitions of an expression may make together."""
MAX_PACKETS = 65_536
"""Packets that an expression may stand for."""
MAX_NUMBER = 1 << 128
"""Numbers are below it: no field that takes a number is wider than an IPv6 address."""


@dataclass(frozen=True, slots=True)
class Random:
    """A value that is drawn anew for each packet: ``RandShort()``."""

    name: str
    args: tuple[Any, ...]
    at: int  # character at which it stands, from 0


@dataclass(frozen=True, slots=True)
class Given:
    """A field and the value it is given: a literal, a `Stack` or a `Random`, or lists and tuples of these."""

    name: str
    value: Any
    name_at: int
    at: int  # character at which the value stands


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer with its fields; `data` are the bytes it is to be read from first."""

    name: str
    data: bytes | None
    fields: tuple[Given, ...]
    at: int


@dataclass(frozen=True, slots=True)
class Stack:
    """A packet: layers and bytes, from the outermost in."""

    parts: tuple[Layer | bytes, ...]
    at: int


@dataclass(frozen=True, slots=True)
class Expression:
    """What a text says: packets, which may each stand for a set; `is_list` if it is written as several."""

    text: str
    stacks: tuple[Stack, ...]
    is_list: bool

    def error(self, at: int, why: str) -> ExpressionError:
        """Return an error with its place in the text."""
        return ExpressionError(self.text, at, why)


RANDOM: dict[str, tuple[str, ...]] = {
    "RandByte": (), "RandShort": (), "RandInt": (), "RandLong": (), "RandNum": ("min", "max"),
    "RandIP": ("iptemplate",), "RandIP6": ("ip6template",), "RandMAC": ("template",), "RandString": ("size",),
    "RandBin": ("size",),
}  # fmt: skip
"""Random values and the names of their arguments."""
_NEEDED = {"RandNum": 2}

_REFUSED: dict[type[ast.AST], str] = {
    ast.Attribute: "an attribute", ast.Subscript: "a subscript", ast.Lambda: "a function", ast.IfExp: "a condition",
    ast.ListComp: "a comprehension", ast.SetComp: "a comprehension", ast.DictComp: "a comprehension",
    ast.GeneratorExp: "a comprehension", ast.Await: "an await", ast.Yield: "a yield", ast.YieldFrom: "a yield",
    ast.NamedExpr: "an assignment", ast.JoinedStr: "an f-string", ast.Compare: "a comparison",
    ast.BoolOp: "an and or or", ast.Dict: "a dictionary", ast.Set: "a set", ast.Starred: "a star",
    ast.Slice: "a slice",
}  # fmt: skip
_ALLOWED = "only layers, fields and literals are read"


def read_expression(text: str) -> Expression:
    """Return what `text` says; it is read, never evaluated.

    Raises
    ------
    ExpressionError : it is no such expression, or asks for too much; with the place

    >>> found = read_expression('IP(ttl=(1, 4))/UDP(dport=53)/b"hi"')
    >>> [part if isinstance(part, bytes) else part.name for part in found.stacks[0].parts]
    ['IP', 'UDP', b'hi']
    >>> found.stacks[0].parts[0].fields
    (Given(name='ttl', value=(1, 4), name_at=3, at=7),)
    >>> read_expression("IP()/UDP(dport=open('x'))")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    pktlab.errors.ExpressionError: expression, column 16: open is a function of Python: ...
    """
    root, lead = parsed(text)
    reader = _Reader(text, lead)
    if isinstance(root, ast.List | ast.Tuple):
        stacks = [one for item in root.elts for one in reader.packets(item)]
        if not stacks:
            raise reader.error(root, "an empty list is no packet")
        if len(stacks) > MAX_PACKETS:
            raise reader.error(root, f"more than {MAX_PACKETS:,} packets")
        return Expression(text, tuple(stacks), True)
    stacks = reader.packets(root)
    return Expression(text, tuple(stacks), reader.is_repeated)


class _Reader:
    """Turns nodes of the syntax tree into plain data, and counts what they ask for."""

    def __init__(self, text: str, lead: int) -> None:
        self.text = text
        self.lead = lead
        self.places = Places(text[lead:])
        self.made = 0
        self.is_repeated = False

    # ---- places and errors

    def at(self, node: ast.AST) -> int:
        """Return the character at which `node` stands."""
        return self.lead + self.places.find(getattr(node, "lineno", 1), getattr(node, "col_offset", 0))

    def error(self, node: ast.AST, why: str) -> ExpressionError:
        """Return an error at the place of `node`."""
        return ExpressionError(self.text, self.at(node), why)

    def refuse(self, node: ast.AST) -> NoReturn:
        """Raise the error for a node that is not read."""
        if isinstance(node, ast.Name):
            raise self.error(node, f"{node.id} is no value; a layer is written {node.id}()")
        if isinstance(node, ast.BinOp | ast.UnaryOp):
            raise self.error(node, f"of the operators only / and * are read, {_ALLOWED}")
        raise self.error(node, f"{_REFUSED.get(type(node), 'this')} is not read: {_ALLOWED}")

    # ---- packets

    def packets(self, node: ast.expr) -> list[Stack]:
        """Return the packets that `node` stands for; several if one is repeated."""
        found = self.value(node, 0)
        if isinstance(found, _Copies):
            self.is_repeated = True
            return [found.stack] * found.count
        if isinstance(found, str | bytes):
            found = Stack((_encoded(found),), self.at(node))
        if not isinstance(found, Stack):
            raise self.error(node, "no packet: write layers such as IP()/UDP(dport=53), or bytes such as b'hi'")
        return [found]

    def value(self, node: ast.expr, depth: int) -> Any:
        """Return the value of a node: a literal, a `Stack`, a `Random`."""
        if depth > MAX_DEPTH:
            raise self.error(node, f"nested more than {MAX_DEPTH} deep")
        if isinstance(node, ast.Constant):
            return self.constant(node)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            return self.signed(node)
        if isinstance(node, ast.Tuple):
            return tuple(self.item(one, depth + 1) for one in node.elts)
        if isinstance(node, ast.List):
            return [self.item(one, depth + 1) for one in node.elts]
        if isinstance(node, ast.Call):
            return self.call(node, depth + 1)
        if not isinstance(node, ast.BinOp):
            self.refuse(node)
        return self.chain(node, depth + 1)

    def item(self, node: ast.expr, depth: int) -> Any:
        """Return the value of a node inside a field, where a packet cannot be repeated."""
        found = self.value(node, depth)
        if isinstance(found, _Copies):
            raise self.error(node, "a packet is repeated as a whole, not inside a field")
        return found

    def constant(self, node: ast.Constant) -> Any:
        """Return a literal; numbers are bounded."""
        value = node.value
        if isinstance(value, int) and abs(value) >= MAX_NUMBER:
            raise self.error(node, "a number too large: no field takes 128 bits")
        if value is ... or isinstance(value, complex):
            raise self.error(node, f"{value!r} is not read: {_ALLOWED}")
        return value

    def signed(self, node: ast.UnaryOp) -> int | float:
        """Return a number with its sign."""
        inner = node.operand
        if not isinstance(inner, ast.Constant) or type(inner.value) not in (int, float):
            self.refuse(node)
        number: int | float = self.constant(inner)
        return -number if isinstance(node.op, ast.USub) else number

    def chain(self, node: ast.BinOp, depth: int) -> Any:
        """Return what a row of ``/`` and ``*`` makes; such a row leans left, so it is walked, not recursed into."""
        steps: list[tuple[ast.BinOp, ast.expr]] = []
        first: ast.expr = node
        while isinstance(first, ast.BinOp):
            if not isinstance(first.op, ast.Div | ast.Mult):
                self.refuse(first)
            steps.append((first, first.right))
            first = first.left
        if len(steps) > MAX_LINKS:
            raise self.error(node, f"more than {MAX_LINKS} layers")
        made = self.value(first, depth)
        for step, right in reversed(steps):
            other = self.value(right, depth)
            join = self.stacked if isinstance(step.op, ast.Div) else self.repeated
            made = join(made, other, first, right)
        return made

    def stacked(self, below: Any, above: Any, left: ast.expr, right: ast.expr) -> Stack:
        """Return one part on top of another."""
        parts: list[Layer | bytes] = []
        for one, node in ((below, left), (above, right)):
            if isinstance(one, _Copies):
                raise self.error(node, "nothing goes on a packet that was repeated; braces say what * is about")
            if not isinstance(one, Stack | str | bytes):
                raise self.error(node, "/ puts layers and bytes on layers")
            parts += one.parts if isinstance(one, Stack) else [_encoded(one)]
        return Stack(tuple(parts), below.at if isinstance(below, Stack) else self.at(left))

    def repeated(self, what: Any, count: Any, left: ast.expr, right: ast.expr) -> Any:
        """Return bytes, text or a packet several times."""
        if isinstance(what, int):
            what, count = count, what
        if type(count) is not int or not isinstance(what, Stack | str | bytes):
            raise self.error(right, "* repeats bytes, text or a packet by a number")
        if isinstance(what, Stack):
            if not 0 < count <= MAX_PACKETS:
                raise self.error(right, f"a packet is repeated 1 to {MAX_PACKETS:,} times")
            return _Copies(what, count)
        size = len(what) * max(count, 0)
        self.made += size
        if size > MAX_BYTES or self.made > MAX_MADE:
            raise self.error(right, f"repetition makes at most {MAX_BYTES:,} bytes, in all {MAX_MADE:,}")
        return what * count

    # ---- calls

    def call(self, node: ast.Call, depth: int) -> Any:
        """Return a layer, a range, a network or a random value."""
        if not isinstance(node.func, ast.Name):
            self.refuse(node.func)
        name = node.func.id
        for argument in (*node.args, *node.keywords):
            if isinstance(argument, ast.Starred) or (isinstance(argument, ast.keyword) and argument.arg is None):
                raise self.error(argument, f"a star is not read: {_ALLOWED}")
        if name == "range":
            return self.range_of(node, depth)
        if name in ("Net", "Net6"):
            return self.network(node, depth)
        if name in RANDOM:
            return self.random(node, name, depth)
        if name.startswith("_") or hasattr(builtins, name):
            raise self.error(node, f"{name} is a function of Python: {_ALLOWED}")
        return Stack((self.layer(node, name, depth),), self.at(node))

    def layer(self, node: ast.Call, name: str, depth: int) -> Layer:
        """Return a layer with its fields; their names are looked up later."""
        values = [self.item(one, depth) for one in node.args]
        if len(values) > 1 or not all(isinstance(one, str | bytes) for one in values):
            raise self.error(node, f"{name}() takes fields by name, and at most one value in front: its bytes")
        fields: dict[str, Given] = {}
        for keyword in node.keywords:
            field = str(keyword.arg)
            if field in fields:
                raise self.error(keyword, f"{field} is given twice")
            fields[field] = Given(field, self.item(keyword.value, depth), self.at(keyword), self.at(keyword.value))
        return Layer(name, _encoded(values[0]) if values else None, tuple(fields.values()), self.at(node))

    def range_of(self, node: ast.Call, depth: int) -> range:
        """Return a range of numbers, which a field goes through packet by packet."""
        values = [self.item(one, depth) for one in node.args]
        if node.keywords or not 1 <= len(values) <= 3 or any(type(one) is not int for one in values):
            raise self.error(node, "range() takes one to three numbers")
        if len(values) == 3 and values[2] == 0:
            raise self.error(node, "range() takes no step of 0")
        found = range(*values)
        if not 0 < _length(found) <= MAX_PACKETS:
            raise self.error(node, f"a range has 1 to {MAX_PACKETS:,} numbers")
        return found

    def network(self, node: ast.Call, depth: int) -> Any:
        """Return a network as the text that address fields take; with a last address, as the pair."""
        values = [self.item(one, depth) for one in node.args]
        if node.keywords or not 1 <= len(values) <= 2 or not all(isinstance(one, str) for one in values):
            raise self.error(node, "Net() takes a network such as '10.0.0.0/30', or a first and a last address")
        return values[0] if len(values) == 1 else tuple(values)

    def random(self, node: ast.Call, name: str, depth: int) -> Random:
        """Return a value to be drawn; its arguments are literals."""
        names = RANDOM[name]
        given = dict(zip(names, [self.item(one, depth) for one in node.args], strict=False))
        for keyword in node.keywords:
            if keyword.arg not in names or keyword.arg in given:
                raise self.error(keyword, f"{name}() takes {', '.join(names) or 'nothing'}")
            given[str(keyword.arg)] = self.item(keyword.value, depth)
        takes_numbers = names and names[0] in ("min", "size")
        kind = int if takes_numbers else str
        if len(node.args) > len(names) or not _NEEDED.get(name, 0) <= len(given):
            raise self.error(node, f"{name}() takes {', '.join(names) or 'nothing'}")
        if any(type(one) is not kind for one in given.values()):
            raise self.error(node, f"{name}() takes {'numbers' if takes_numbers else 'text'}")
        if not 0 <= given.get("size", 0) <= MAX_BYTES or given.get("min", 0) > given.get("max", 0):
            raise self.error(node, f"{name}() with these bounds has no value, or more than {MAX_BYTES:,} bytes")
        return Random(name, tuple(given[one] for one in names if one in given), self.at(node))


@dataclass(frozen=True, slots=True)
class _Copies:
    """A packet several times."""

    stack: Stack
    count: int


def _encoded(value: str | bytes) -> bytes:
    return value.encode(errors="surrogatepass") if isinstance(value, str) else value


def _length(numbers: range) -> int:
    """Return how many numbers a range has, however large: `len` fails beyond the size of memory."""
    return max(0, -(-(numbers.stop - numbers.start) // numbers.step))
