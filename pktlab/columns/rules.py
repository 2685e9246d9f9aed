"""`Rules`: the layer rules of `pktlab.wire` as arrays, for kernels that know no protocol.

The exact reader walks a packet by the schemas and the tables of `wire.packet`; the kernels walk by the same, compiled
here: where a header's size, payload length and next protocol are read, what its fields may not be, which other header
stands in its place. No offset, header length or protocol number stands in a kernel.

A header that terms cannot say (a tail that has to be interpreted before the next header is known) is not walked: if
something that is wanted can lie in it or behind it, the packet goes to the exact reader, else the walk is over. What
can lie behind what is the closure of the same tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pktlab.columns.terms import FIELD, SUM, TEST, Array, NoRule, Numbers, as_array
from pktlab.wire.bindings import Binding
from pktlab.wire.coverage import IN_PIECES, checksum_field
from pktlab.wire.fills import InternetChecksum
from pktlab.wire.header import Header
from pktlab.wire.ipv4 import Ip
from pktlab.wire.nodes import Bounded
from pktlab.wire.packet import FOLLOWS, INSTEAD, LINK_TYPES, PROTOCOLS, Follows
from pktlab.wire.pseudo import NEXT_FIELD, PSEUDO_HEADERS
from pktlab.wire.table import static_size

__all__ = ["HEAD", "Rules", "compile_rules"]

BRANCH = np.dtype([("group", "i4"), ("kind", "i4")])
"""Where a group of tests holds: another header, of `kind`."""
LOOKUP = np.dtype([("number", "i4"), ("table", "i4"), ("size", "i4")])
"""A number looked up in the `size` entries of `tables` from `table` on: the next header, 0 for none."""
OWN = np.dtype([("number", "i4"), ("kind", "i4"), ("value", "i8")])
"""A user's own protocol: `kind` follows if the number is `value`; one of -1 cannot be told here."""
HEAD = np.dtype(
    [
        ("walked", "i4"),  # 0: the exact reader has to; LEAF: only its fixed part is known; WALKED: all of it
        ("size", "i4"),  # bytes in front of a tail of varying length
        ("hides", "i4"),  # in those lie fields that are not the same in every header
        ("field_first", "i4"),
        ("field_last", "i4"),
        ("sum_first", "i4"),
        ("sum_last", "i4"),
        ("test_first", "i4"),
        ("test_last", "i4"),
        ("tail", "i4"),  # number: bytes of that tail
        ("payload", "i4"),  # number: bytes behind the header that belong to it
        ("number", "i4"),  # number: the protocol number of what follows
        ("need", "i4"),  # group: holds, or the header is malformed
        ("open", "i4"),  # group: the length is left open
        ("unless", "i4"),  # group: nothing follows
        ("branch_first", "i4"),
        ("branch_last", "i4"),  # headers that stand in its place
        ("piece_first", "i4"),
        ("piece_last", "i4"),  # branches: it is that of a fragment
        ("own_first", "i4"),
        ("own_last", "i4"),
        ("next_first", "i4"),
        ("next_last", "i4"),  # lookups of what follows
        ("version", "i4"),  # table of 16: what follows by the first four bits behind
        ("first_byte", "i4"),  # table of 256: what the first byte behind suggests
        ("otherwise", "i4"),
        ("quotes", "i4"),
        ("source", "i4"),
        ("destination", "i4"),
        ("address_len", "i4"),  # of an IP header; 0 in any other
        ("may_leave_out", "i4"),  # a transport over it may have no checksum
        ("sum_at", "i4"),  # where the checksum is, bytes, if kernels judge it
        ("sum_header", "i4"),  # it covers the header alone
        ("sum_pseudo", "i4"),
        ("zero_as", "i4"),
        ("zero_special", "i4"),  # a stored zero is no sum
    ]
)
"""What is known of a kind of header; numbers, groups and tables that it has none of are -1."""
LEAF, WALKED = 1, 2
_NOTHING = dict.fromkeys(("tail", "payload", "number", "need", "open", "unless", "version", "first_byte", "sum_at"), -1)


@dataclass(frozen=True)
class Rules:
    """What kernels are given; kinds of headers are numbered from 1, and 0 is none.

    heads : HEAD, shape (kinds + choices + 1,); its numbers point into the arrays that follow. A choice is what a first
        byte suggests, one header or several; it is numbered as a kind, but never walked
    tables : int16, kinds of headers by the values that lookups have
    kinds : the header class of each number, None for 0 and for choices
    starts : by link type, (kind, 0) or (0, table by version)
    followers : by kind, what can lie right behind it or in its place
    """

    heads: Array
    fields: Array
    sums: Array
    tests: Array
    branches: Array
    lookups: Array
    own: Array
    tables: Array
    kinds: tuple[type[Header] | None, ...]
    numbers: Mapping[type[Header], int]
    starts: Mapping[int, tuple[int, int]]
    followers: tuple[frozenset[int], ...]

    @property
    def arrays(self) -> tuple[Array, ...]:
        """The arrays in the order in which kernels take them."""
        return (
            self.heads, self.fields, self.sums, self.tests, self.branches, self.lookups, self.own, self.tables,
        )  # fmt: skip

    def reach(self, masks: Sequence[int]) -> Array:
        """Return for each kind the bits of its own mask and of all that can lie behind it.

        masks : one a kind, as many as `heads`; the result is int64 of the same shape
        """
        reached = list(masks)
        changed = True
        while changed:
            changed = False
            for kind, behind in enumerate(self.followers):
                mask = reached[kind]
                for other in behind:
                    mask |= reached[other]
                changed = changed or mask != reached[kind]
                reached[kind] = mask
        return np.array(reached, np.int64)


def compile_rules(bindings: Sequence[Binding] = ()) -> Rules:
    """Return the rules of all protocols, and of a user's own in `bindings`.

    >>> rules = compile_rules()
    >>> head = rules.heads[rules.numbers[Ip]]
    >>> int(head["size"]), int(head["walked"]) == WALKED
    (20, True)
    """
    return _Compiler(bindings).rules()


class _Compiler:
    def __init__(self, bindings: Sequence[Binding]) -> None:
        self.bindings = bindings
        kinds = dict.fromkeys([*PROTOCOLS, *(binding.protocol for binding in bindings)])
        self.numbers = {kind: number for number, kind in enumerate(kinds, 1)}
        several = dict.fromkeys(some for rule in FOLLOWS.values() for some in (rule.first or {}).values())
        self.choices = {some: number for number, some in enumerate(several, len(kinds) + 1)}
        self.kinds: tuple[type[Header] | None, ...] = (None, *kinds, *(None for _ in several))
        self.known = Numbers()
        self.branches: list[tuple[int, int]] = []
        self.lookups: list[tuple[int, int, int]] = []
        self.own: list[tuple[int, int, int]] = []
        self.tables: list[Array] = [np.zeros(1, np.int16)]
        self._tables_len = 1
        self._table_at: dict[tuple[int, int], int] = {}

    def rules(self) -> Rules:
        """Compile every header."""
        heads = np.zeros(len(self.kinds), HEAD)
        for number, kind in enumerate(self.kinds):
            if kind is None:
                continue
            for name, value in self.head(kind).items():
                heads[name][number] = value
        starts = {link_type: self.start(first) for link_type, first in LINK_TYPES.items()}
        return Rules(
            heads,
            as_array(self.known.fields, FIELD),
            as_array(self.known.sums, SUM),
            as_array(self.known.tests, TEST),
            as_array(self.branches, BRANCH),
            as_array(self.lookups, LOOKUP),
            as_array(self.own, OWN),
            np.concatenate(self.tables),
            self.kinds,
            self.numbers,
            starts,
            tuple(map(frozenset, self.all_followers())),
        )

    def all_followers(self) -> Iterator[Iterable[int]]:
        """Yield by number what can follow a kind, and what a choice is between."""
        chosen = {number: [self.numbers[kind] for kind in some] for some, number in self.choices.items()}
        for number, kind in enumerate(self.kinds):
            yield chosen.get(number, ()) if kind is None else self.followers(kind)

    def start(self, first: type[Header] | Mapping[int, type[Header]]) -> tuple[int, int]:
        """Return the kind that packets of a link type start with, or the table that tells by version."""
        return (0, self.table(first, 16)) if isinstance(first, Mapping) else (self.numbers[first], 0)

    def head(self, kind: type[Header]) -> dict[str, int]:
        """Return the row of a header."""
        for extent, walked in ((self.extent, WALKED), (self.fixed_part, LEAF)):
            self.known.start()
            try:
                more = {**extent(kind), **self.walk(kind), **self.addresses(kind), **self.checksum(kind)}
                more |= self.known.run()
            except NoRule:
                continue
            return {**_NOTHING, **more, "walked": walked}
        return _NOTHING

    def walk(self, kind: type[Header]) -> dict[str, int]:
        """Return what bounds a header, and what follows it."""
        head: dict[str, int] = {}
        if kind.payload_len is not None:
            head["payload"] = self.known.number(kind, kind.payload_len)
        if kind.open_if is not None:
            head["open"] = self.known.all_of(kind, kind.open_if)
        head["need"] = self.needs(kind)
        instead = [(self.known.all_of(kind, test), self.numbers[other]) for test, other in INSTEAD.get(kind, ())]
        head["branch_first"], head["branch_last"] = _extend(self.branches, instead)
        pieces = [(self.known.all_of(kind, test), 0) for test in IN_PIECES.get(kind, ())]
        head["piece_first"], head["piece_last"] = _extend(self.branches, pieces)
        head["own_first"], head["own_last"] = _extend(self.own, self.own_of(kind))
        rule = FOLLOWS.get(kind)
        return head if rule is None else {**head, **self.next(kind, rule)}

    def extent(self, kind: type[Header]) -> dict[str, int]:
        """Return how a header's length is found: a part of fixed size, then at most one tail that has a length."""
        size, tail = kind.schema.fixed_size, -1
        for place, declared in enumerate(kind.schema.tail, 1):
            width = static_size(declared.subcon)
            if width is not None:
                size += width
            elif place == len(kind.schema.tail) and isinstance(declared.subcon, Bounded):
                tail = self.known.number(kind, declared.subcon.length)
            else:
                raise NoRule(declared.attr)
        return {"size": size, "tail": tail, "hides": int(size > kind.schema.fixed_size)}

    def fixed_part(self, kind: type[Header]) -> dict[str, int]:
        """Return the fixed part of a header whose end only the exact reader can tell."""
        if kind.payload_len is not None:
            raise NoRule(kind.layer)
        return {"size": kind.schema.fixed_size}

    def needs(self, kind: type[Header]) -> int:
        """Compile the least values and the constants that fields are held to."""
        fixed = kind.schema.fields[: kind.schema.fixed_count]
        held = [one for declared in fixed for one in declared.parts if (one.min, one.equals) != (None, None)]
        tests = []
        for one in held:
            if one.min is not None:
                tests.append((self.known.field(one.row), (one.min, 1 << 62, 1)))
            if isinstance(one.equals, bytes):
                raise NoRule(one.attr)
            if one.equals is not None:
                tests.append((self.known.field(one.row), (one.equals, one.equals, 1)))
        return self.known.group(tests)

    def own_of(self, kind: type[Header]) -> list[tuple[int, int, int]]:
        """Return a row for each field by which a user's own protocol follows a header."""
        rows = []
        for binding in self.bindings:
            if binding.layer != kind.layer:
                continue
            for name in binding.fields:
                declared = kind.schema.declared.get(name)
                if declared is None:
                    continue
                try:
                    number = self.known.field(declared.row) if isinstance(binding.value, int) else -1
                except NoRule:
                    number = -1
                rows.append((number, self.numbers[binding.protocol], binding.value if number >= 0 else 0))
        return rows

    def next(self, kind: type[Header], rule: Follows) -> dict[str, int]:
        """Return how what follows a header is found."""
        head: dict[str, int] = {"otherwise": 0 if rule.otherwise is None else self.numbers[rule.otherwise]}
        if rule.unless is not None:
            head["unless"] = self.known.all_of(kind, rule.unless)
        names = (rule.by,) if isinstance(rule.by, str) else rule.by
        if not all(name in kind.schema.declared for name in names):
            raise NoRule(kind.layer)
        rows = [kind.schema.declared[name].row for name in names]
        size = max(rule.table, default=-1) + 1
        lookups = [(self.known.field(row), self.table(rule.table, size), size) for row in rows]
        head["next_first"], head["next_last"] = _extend(self.lookups, lookups)
        if rule.version is not None:
            head["version"] = self.table(rule.version, 16)
        if rule.first is not None:
            head["first_byte"] = self.choice_table(rule.first)
        head["quotes"] = int(rule.quotes)
        return head

    def table(self, entries: Mapping[int, type[Header]], size: int) -> int:
        """Return where the kinds of `entries` stand in `tables`; tables that headers share stand there once."""
        key = id(entries), size
        if key not in self._table_at:
            table = np.zeros(size, np.int16)  # of all ports, say: nothing that is made value by value
            for value, follower in entries.items():
                if 0 <= value < size:
                    table[value] = self.numbers[follower]
            self.put(key, table)
        return self._table_at[key]

    def choice_table(self, entries: Mapping[int, tuple[type[Header], ...]]) -> int:
        """Return where the choices that first bytes leave stand in `tables`."""
        key = id(entries), 256
        if key not in self._table_at:
            table = np.zeros(256, np.int16)
            for value, some in entries.items():
                table[value] = self.choices[some]
            self.put(key, table)
        return self._table_at[key]

    def put(self, key: tuple[int, int], table: Array) -> None:
        """Add a table, to be found under `key`."""
        self._table_at[key] = self._tables_len
        self.tables.append(table)
        self._tables_len += len(table)

    def addresses(self, kind: type[Header]) -> dict[str, int]:
        """Return what a pseudo-header takes from a header."""
        head: dict[str, int] = {}
        if kind in NEXT_FIELD:
            head["number"] = self.known.field(kind.schema.declared[NEXT_FIELD[kind]].row)
        if kind in PSEUDO_HEADERS:
            source, destination = (kind.schema.declared[name].row for name in ("src", "dst"))
            head |= {"source": source.offset or 0, "destination": destination.offset or 0}
            head |= {"address_len": source.width, "may_leave_out": int(kind is Ip)}
        return head

    def checksum(self, kind: type[Header]) -> dict[str, int]:
        """Return the checksum that kernels judge; a CRC, and a sum over a part, are left to the exact reader."""
        declared, rule = checksum_field(kind) or (None, None)
        if declared is None or not isinstance(rule, InternetChecksum) or rule.part is not None:
            return {}
        at = declared.row.offset
        if at is None or at % 2 or at + 2 > kind.schema.fixed_size:
            return {}
        return {
            "sum_at": at,
            "sum_header": int(rule.covers == "header"),
            "sum_pseudo": int(rule.pseudo),
            "zero_as": rule.zero_as,
            "zero_special": int(rule.zero_is_absent or rule.zero_is_illegal),
        }

    def followers(self, kind: type[Header]) -> set[int]:
        """Return all that can lie right behind a header, or stand in its place."""
        found = {other for _, other in INSTEAD.get(kind, ())}
        found |= {binding.protocol for binding in self.bindings if binding.layer == kind.layer}
        rule = FOLLOWS.get(kind)
        if rule is not None:
            found |= {*rule.table.values(), *(rule.version or {}).values()}
            found |= {other for several in (rule.first or {}).values() for other in several}
            found |= {rule.otherwise} if rule.otherwise is not None else set()
        return {self.numbers[other] for other in found}


def _extend(rows: list[Any], more: list[Any]) -> tuple[int, int]:
    """Add rows; return where the first of them is, and where the last ends."""
    first = len(rows)
    rows += more
    return first, len(rows)
