"""`Plan`: what a query wants, as the bit masks and tables that the kernels are given.

A wanted field is a bit. Each kind of header has the bits that it gives at fixed places, those that its tail may give,
and, over the closure of what follows what, those that it or anything behind it may give. With these a kernel knows in
each header whether the walk is over, goes on, or has to be handed to the exact reader.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from pktlab.columns.rules import Rules
from pktlab.columns.terms import is_number
from pktlab.wire.coverage import checksum_field
from pktlab.wire.header import Header
from pktlab.wire.ipsec import Esp
from pktlab.wire.rows import Row
from pktlab.wire.table import is_known, is_layout, nodes_of

__all__ = ["Place", "Plan", "plan_for", "plan_for_headers", "rows_inside"]

Array = np.ndarray[Any, Any]
_MAX_BITS = 62
_ADDRESSES = {"ipv4": 4, "mac": 6, "ipv6": 16}
"""Bytes of what kernels can take besides numbers."""


class Place(NamedTuple):
    """Where a header of a kind has a field: the row of `places`, and the row of its field table."""

    slot: int
    row: Row


@dataclass(frozen=True)
class Plan:
    """What the walk is given for a query.

    here, deep, reach : int64 by kind; slots, judged : int32 by kind; need : all bits; see `kernels_walk.walk`
    places : by wanted field, where it can be taken from
    protocols : of the rows of `verdicts`
    pieces : fragments go to the exact reader, as they have to where checksums are judged
    """

    rules: Rules
    here: Array
    deep: Array
    reach: Array
    slots: Array
    judged: Array
    need: int
    every: bool
    places: dict[str, list[Place]]
    protocols: tuple[str, ...]
    pieces: bool


def plan_for(
    rules: Rules,
    names: Sequence[str] = (),
    *,
    layers: Iterable[str] = (),
    sums: Iterable[str] | None = (),
    every: bool = False,
    pieces: bool = False,
) -> Plan:
    """Return the plan for a query.

    Parameters
    ----------
    names : of fields; layers : of protocols of which it is asked whether they are there
    sums : protocols whose checksums are judged; None for all that have one
    every : all occurrences matter, not only the outermost
    pieces : fragments go to the exact reader even if no checksum is judged
    """
    return _Planner(rules, every).plan(names, tuple(layers), sums, pieces)


def plan_for_headers(
    rules: Rules,
    said: Sequence[type[Header]],
    *,
    silent: Iterable[type[Header]] = (),
    guessed: Iterable[type[Header]] = (),
    tails: Iterable[type[Header]] = (),
    names: Sequence[str] = (),
) -> Plan:
    """Return the plan that walks every header and judges every checksum.

    Parameters
    ----------
    said : headers that have a row of `Plan.slots` of their own, in that order; all others share the row behind them,
        but those that are `silent`, which have none
    guessed : headers that are not looked for; tails : headers whose tail is looked after elsewhere, or says nothing
    names : of fields whose places are wanted
    """
    planner = _Planner(rules, every=True)
    return planner.plan_for_headers(list(said), frozenset(silent), frozenset(guessed), frozenset(tails), names)


class _Planner:
    def __init__(self, rules: Rules, every: bool) -> None:
        count = len(rules.kinds)
        self.rules, self.every = rules, every
        self.here, self.deep = [0] * count, [0] * count
        self.slots, self.judged = np.full(count, -1, np.int32), np.full(count, -1, np.int32)
        self.slot_count = 0
        self.bits = 0
        self._inside: dict[type[Header], tuple[frozenset[str], bool]] = {}

    def plan(self, names: Sequence[str], layers: Sequence[str], sums: Iterable[str] | None, pieces: bool) -> Plan:
        """Give each wanted thing its bit."""
        places = {name: self.field(name) for name in dict.fromkeys(names)}
        for layer in layers:
            places[layer] = self.layer(layer)
        protocols = self.checksums(sums if sums is None else set(sums))
        reach = self.rules.reach([here | deep for here, deep in zip(self.here, self.deep, strict=True)])
        self.part_shared()
        return Plan(
            self.rules, np.array(self.here, np.int64), np.array(self.deep, np.int64), reach, self.slots, self.judged,
            (1 << min(self.bits, _MAX_BITS)) - 1, self.every, places, protocols,
            pieces or bool(protocols),
        )  # fmt: skip

    def plan_for_headers(
        self, said: list[type[Header]], silent: frozenset[type[Header]], guessed: frozenset[type[Header]],
        tails: frozenset[type[Header]], names: Sequence[str],
    ) -> Plan:  # fmt: skip
        """Give each header the same bit: all that matters is whether any is left."""
        self.slot_count = len(said) + 1
        for number, kind in self.kinds():
            if kind in said:
                self.slots[number] = said.index(kind)
            elif kind not in guessed | silent:
                self.slots[number] = len(said)
        places = {name: self.field(name) for name in names}
        protocols = self.checksums(None)
        for number, kind in self.kinds():
            self.here[number] = int(kind not in guessed)
            has_tail = not self.rules.heads[number]["hides"] or self.rules.heads[number]["tail"] >= 0
            self.deep[number] = int(has_tail and kind not in guessed and kind not in tails)
        reach = self.rules.reach(self.here)
        return Plan(
            self.rules, np.array(self.here, np.int64), np.array(self.deep, np.int64), reach, self.slots, self.judged,
            1, True, places, protocols, True,
        )  # fmt: skip

    def new_bit(self) -> int:
        """Return a mask of its own, or the last one, which then stands for several."""
        self.bits += 1
        return 1 << min(self.bits, _MAX_BITS) - 1

    def part_shared(self) -> None:
        """See to it that what is wanted is not thought found when one of several things that share a bit is."""
        if self.bits > _MAX_BITS:
            last = 1 << _MAX_BITS - 1
            self.here = [here & ~last for here in self.here]

    def kinds(self) -> Iterator[tuple[int, type[Header]]]:
        """Yield each kind with its number."""
        for number, kind in enumerate(self.rules.kinds):
            if kind is not None:
                yield number, kind

    def field(self, name: str) -> list[Place]:
        """Find the headers that have a field of that name."""
        bit, found = self.new_bit(), []
        for number, kind in self.kinds():
            row = self.fixed_row(number, kind, name)
            if row is not None:
                self.here[number] |= bit
                found.append(Place(self.slot_of(number), row))
            elif self.may_have(kind, name):
                self.deep[number] |= bit
        return found

    def may_have(self, kind: type[Header], name: str) -> bool:
        """Tell whether the tail of a header may have a field; of nodes that no reader knows all is thought."""
        if kind not in self._inside:
            is_known_tail = all(is_known(declared.subcon) for declared in kind.schema.tail)
            self._inside[kind] = frozenset(row.name for row in rows_inside(kind)), is_known_tail
        names, is_known_tail = self._inside[kind]
        return name in names or (not is_known_tail and name.startswith(f"{kind.schema.layer}."))

    def fixed_row(self, number: int, kind: type[Header], name: str) -> Row | None:
        """Return the row of a field that a kernel can take."""
        head = self.rules.heads[number]
        if not head["walked"]:
            return None
        for row in kind.schema.rows:
            if row.name != name or row.offset is None or row.offset + row.width > head["size"]:
                continue
            if is_number(row) or _ADDRESSES.get(row.kind) == row.width:
                return row
        return None

    def layer(self, layer: str) -> list[Place]:
        """Find the headers of a protocol."""
        bit, found = self.new_bit(), []
        for number, kind in self.kinds():
            if kind.layer == layer and self.rules.heads[number]["walked"]:
                self.here[number] |= bit
                found.append(Place(self.slot_of(number), kind.schema.rows[0]))
            elif kind.layer == layer:
                self.deep[number] |= bit
        return found

    def slot_of(self, number: int) -> int:
        """Return the row of `places` in which a kind of header is noted."""
        if self.slots[number] < 0:
            self.slots[number] = self.slot_count
            self.slot_count += 1
        return int(self.slots[number])

    def checksums(self, wanted: set[str] | None) -> tuple[str, ...]:
        """Give each protocol that has a checksum a row of verdicts; what is encrypted has a verdict too."""
        bits: dict[str, tuple[int, int]] = {}  # by protocol, its bit and its row
        for number, kind in self.kinds():
            if (checksum_field(kind) is None and kind is not Esp) or (wanted is not None and kind.layer not in wanted):
                continue
            if kind.layer not in bits:
                bits[kind.layer] = self.new_bit(), len(bits)
            bit, self.judged[number] = bits[kind.layer]
            self.here[number] |= bit
        return tuple(bits)


def rows_inside(kind: type[Header]) -> Iterator[Row]:
    """Yield every row of a header, those of the headers nested in it too."""
    seen: set[int] = set()
    waiting: list[Any] = [kind.schema]
    while waiting:
        layout = waiting.pop()
        if id(layout) in seen:
            continue
        seen.add(id(layout))
        yield from layout.rows
        waiting += [node for declared in layout.fields for node in nodes_of(declared.subcon) if is_layout(node)]
