"""`from_schema`: a Hypothesis strategy of the values of any header, drawn from its schema.

Fields are drawn in wire order, as they are parsed, so that an expression finds the numbers that it names. A field that
steers is often given one of the values that an expression compares it with, so that every case of a `Switch` is met.
Derived fields stay AUTO. What a bounded part may come to (at most 40 bytes of TCP options, always 8n + 6 of IPv6
options) is handed down as a `Room`, so that little is drawn in vain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, TypeVar

import construct
from hypothesis import reject
from hypothesis import strategies as st

from pktlab.testing.leaves import LEAVES, leaf
from pktlab.testing.plan import Plan, Room, is_header, nodes_in, number_range, plan_of, room_of
from pktlab.wire import AUTO, Bounded, Header, Items, Switch, View, When, expressions
from pktlab.wire.apps.nodes import AsFar, Counted, OrElse
from pktlab.wire.fields import BitsDecl, FieldDecl

__all__ = ["from_schema"]

H = TypeVar("H", bound=Header)
Draw = Callable[[st.SearchStrategy[Any]], Any]

MANY = 6
"""Items that a list is given before it may end; more only to fill its room."""
FEW = 3
"""Items that a list has at most of which each is large: records, questions."""
_TOO_MANY = 1 << 32  # bytes
MOST_BYTES = 64
"""Bytes that free data are given at most: what they hold steers nothing."""


def from_schema(
    header: type[H], *, faults: bool = False, fixed: Mapping[str, int] = MappingProxyType({}), most: int | None = None
) -> st.SearchStrategy[H]:
    r"""Return a strategy of values of `header` that build.

    Parameters
    ----------
    header : a `Header` class, pktlab's or your own
    faults : also give derived and checked fields (lengths, checksums, versions) values of their own, now and then;
        such a value still builds, but its bytes may not parse
    fixed : numbers of `header` that are not drawn, by attribute: ``{"type": 8}``
    most : bytes that the header may have; without it, any number

    Returns
    -------
    Strategy. Free fields take their full range, lengths and checksums are left AUTO, the key of a `Switch` is drawn
    together with its case.

    Raises
    ------
    TypeError : the schema holds a node outside the closed list of `pktlab.wire.fields.field`; `fixed` names no field

    >>> from construct import CString, GreedyBytes, Int8ub, this
    >>> from hypothesis import find
    >>> from pktlab.wire import field
    >>> class Note(Header, layer="note"):
    ...     kind: int = field(Int8ub)
    ...     length: int = field(Int8ub, default=AUTO)
    ...     text: bytes = field(Bounded(this.length, GreedyBytes))
    >>> find(from_schema(Note), lambda note: len(note.text) > 2).build()
    b'\x00\x03\x00\x00\x00'
    >>> find(from_schema(Note, fixed={"kind": 7}), bool).kind
    7
    >>> class Tale(Header, layer="tale"):
    ...     text: str = field(CString("utf8"))
    >>> from_schema(Tale)
    Traceback (most recent call last):
        ...
    TypeError: StringEncoded has no strategy (Tale.text)
    """
    _require_plans(header)
    unknown = [name for name in fixed if name not in header.schema.declared]
    if unknown:
        raise TypeError(f"{header.__name__} has no {', '.join(unknown)}")
    return _header(header, Room() if most is None else Room(most=most), faults, fixed).filter(_builds)


def _require_plans(header: type[Header]) -> None:
    plan_of(header)
    for declared in header.schema.fields:
        for node in nodes_in(declared.subcon):
            if is_header(node):
                _require_plans(node.header)


def _builds(header: Header) -> bool:
    try:
        header.build(b"", lambda length: b"")
    except ValueError:  # a length that cannot come out
        return False
    return True


def _value(view: View, raw: Any) -> Any:
    """Return what a header is given for `raw`: its value; `raw` where the view reads one way only (NTP times)."""
    value = view.decode(raw)
    try:
        view.encode(value)
    except ValueError:
        return raw
    return value


@st.composite
def _header(
    draw: Draw, header: type[Any], room: Room, faults: bool, fixed: Mapping[str, int], usual: bool = False
) -> Any:
    return _Drawing(draw, header, room, faults, fixed, usual).value()


@lru_cache(maxsize=1024)
def _nested(header: Any, room: Room, faults: bool, usual: bool = False) -> st.SearchStrategy[Any]:
    """Return the strategy of a header inside another; to make and check one takes longer than to draw from it."""
    return _header(header, room, faults, {}, usual)


@lru_cache(maxsize=1024)
def _named(values: tuple[Any, ...]) -> st.SearchStrategy[int]:
    return st.sampled_from(values).map(int)


@lru_cache(maxsize=1024)
def _numbers(low: int, high: int, step: int, telling: tuple[int, ...]) -> st.SearchStrategy[int]:
    """Return a strategy of numbers of `low` to `high` steps, of which those in `telling` are often drawn."""
    free = st.integers(low, high) if step == 1 else st.integers(low, high).map(lambda stored: stored * step)
    return st.sampled_from(telling) | free if telling else free


class _Drawing:
    """One header being drawn: the arguments so far, and the numbers that expressions see.

    `usual` : numbers that have names are drawn from those
    """

    def __init__(
        self, draw: Draw, header: type[Header], room: Room, faults: bool, fixed: Mapping[str, int], usual: bool
    ) -> None:
        self.draw = draw
        self.header = header
        self.plan: Plan = plan_of(header)
        self.room = room.after(header.HEADER_LEN)
        self.faults = faults
        self.fixed = fixed
        self.usual = usual
        self.arguments: dict[str, Any] = {}
        self.scope: dict[str, Any] = {}

    def value(self) -> Header:
        """Draw every field in wire order."""
        fields = self.header.schema.fields
        for declared in fields:
            if declared.attr.startswith("_") and declared.bits:
                self.word(declared)
            else:
                self.field(declared, last=declared is fields[-1])
        return self.header(**self.arguments)

    def spoil(self) -> bool:
        """Tell whether to give a fault here."""
        return self.faults and self.draw(st.integers(0, 3)) == 3

    def is_open(self, one: FieldDecl | BitsDecl) -> bool:
        """Tell whether to leave `one` to the builder."""
        return one.attr in self.plan.derived and one.attr not in self.fixed and not self.spoil()

    def word(self, declared: FieldDecl) -> None:
        """Draw the parts of a packed word that has no name of its own."""
        raw, drawn = 0, []
        for part in declared.bits:
            if self.is_open(part):
                self.arguments[part.attr] = AUTO
                continue
            self.arguments[part.attr] = value = self.number(part, part)
            raw = part.put(raw, value)
            drawn.append(part)
        self.scope.update({part.attr: part.number(raw) for part in drawn})

    def field(self, declared: FieldDecl, last: bool) -> None:
        """Draw a field with a name."""
        in_tail = declared in self.header.schema.tail
        if self.is_open(declared):
            there = not isinstance(declared.subcon, When) or declared.subcon.holds(self.scope)
            self.arguments[declared.attr] = AUTO if there else None
            if there and in_tail and isinstance(declared.inner, construct.FormatField):
                self.room = self.room.after(declared.inner.length)
            return
        room = self.room if last else Room(most=self.room.most)
        raw = self.node(declared.subcon, declared, room if in_tail else Room())
        for part in declared.bits if raw is not None else ():
            refused = part.equals is not None or part.min is not None
            if part.attr in self.fixed or refused or (part.attr in self.plan.telling and self.draw(st.booleans())):
                raw = part.put(raw, self.number(part, part))
        self.scope |= {part.attr: part.number(raw) for part in declared.parts}
        if isinstance(declared.as_, View) and raw is not None:
            self.arguments[declared.attr] = _value(declared.as_, raw)
        else:
            self.arguments[declared.attr] = raw
        if in_tail and raw is not None:
            self.room = self.room.after(self.size(declared.subcon, raw))

    def node(self, node: Any, declared: FieldDecl, room: Room) -> Any:
        """Draw what `node` reads, in `room` where its size is free."""
        if is_header(node):
            return self.draw(_nested(node.header, room, self.faults))
        if isinstance(node, When):
            return self.node(node.subcon, declared, room) if node.holds(self.scope) else None
        if isinstance(node, Bounded):
            return self.node(node.subcon, declared, room_of(self.header, node, self.scope).within(room))
        if isinstance(node, Switch):
            return self.node(node.case(self.scope), declared, room)
        if isinstance(node, OrElse):
            return self.node(node.other if self.draw(st.integers(0, 7)) == 7 else node.subcon, declared, room)
        if isinstance(node, Items):
            return self.list_of(node, declared, room)
        return self.plain(node, declared, room)

    def plain(self, node: Any, declared: FieldDecl, room: Room) -> Any:
        """Draw what `node` reads, which holds no other."""
        if isinstance(node, LEAVES):
            return self.draw(leaf(node))
        if node is construct.Pass:
            return None
        if node is construct.GreedyBytes:
            return self.data(room)
        if isinstance(node, construct.Bytes) and isinstance(declared.equals, bytes) and not self.spoil():
            return declared.equals
        if isinstance(node, construct.Bytes):
            size = expressions.evaluator(node.length)(self.scope)
            return declared.equals if declared.equals is not None else self.data(Room(size, size, 0))
        return self.number(declared, node)

    def list_of(self, node: Items, declared: FieldDecl, room: Room) -> tuple[Any, ...]:
        """Draw a list: of so many items as are drawn, as far as they look like it, or as many as fill the room."""
        if isinstance(node, Counted):
            return tuple(self.node(node.subcon, declared, Room()) for _ in range(self.draw(st.integers(0, FEW))))
        return self.as_far(node) if isinstance(node, AsFar) else self.items(node, declared, room)

    def data(self, room: Room) -> bytes:
        """Draw free bytes of a size that `room` allows; if there is none, the least: a list drops what is too long."""
        if room.least < 0:
            reject()
        steps = min(max(room.most - room.least, 0), MOST_BYTES) // room.step if room.step else 0
        size = room.least + room.step * self.draw(st.integers(0, steps))
        data: bytes = self.draw(st.binary(min_size=size, max_size=size))
        return data

    def items(self, node: Items, declared: FieldDecl, room: Room) -> tuple[Any, ...]:
        """Draw a list: a few items, and as many more as it takes to come to a size that `room` allows."""
        wanted = self.draw(st.integers(0, MANY))
        items: list[Any] = []
        used = 0
        while len(items) < wanted or not room.allows(used):
            item = self.node(node.subcon, declared, room.gap(used) if len(items) >= wanted else room.rest(used))
            size = self.size(node.subcon, item)
            if not size or used + size > room.most or len(items) > 4 * MANY:
                if room.allows(used) or room.most < room.least:  # then the list around drops all of it
                    break
                reject()
            items.append(item)
            used += size
            if node.stops_at is not None and node.stops_at(item):
                break
        return tuple(items)

    def as_far(self, node: AsFar) -> tuple[Header, ...]:
        """Draw headers that look like such: a reader takes any others for what follows the list."""
        header, items = node.subcon.header, list[Header]()
        for _ in range(self.draw(st.integers(node.least, FEW))):
            item = self.draw(_nested(header, Room(), self.faults, True))
            data = item.build(b"", lambda length: b"")
            if len(items) < node.least or header.looks_like(data, 0, len(data)):
                items.append(item)
        return tuple(items)

    def number(self, one: FieldDecl | BitsDecl, node: Any) -> Any:
        """Draw a number over the full range of its field, or one that an expression compares it with."""
        if one.attr in self.fixed:
            return self.fixed[one.attr]
        if isinstance(node, construct.FormatField) and node.fmtstr[-1] in "efd":
            return self.draw(st.floats(width=8 * node.length, allow_nan=False))
        low, high, step = number_range(one, node)
        if one.equals is not None and not self.spoil():
            return one.equals
        if one.min is not None and not self.spoil():
            low = max(low, -(-one.min // step) * step)
        if self.usual and one.names is not None and not self.spoil():
            return self.draw(_named(tuple(value for value in one.names if low <= value <= high)))
        telling = [value for value in self.plan.telling.get(one.attr, ()) if low <= value <= high]
        return self.draw(_numbers(low // step, high // step, step, tuple(telling)))

    def size(self, node: Any, value: Any) -> int:
        """Return how many bytes `node` builds of `value`; more than fit anywhere, if its length cannot say so many."""
        try:
            return len(node.build(value, **self.scope))
        except ValueError:
            return _TOO_MANY
