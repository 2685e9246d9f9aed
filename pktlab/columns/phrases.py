"""What headers say, as arrays: `wire.phrases` and `wire.glance` compiled for the kernel that prints lines.

A phrase becomes a run of ops: a text, a field as a number, in hex, as an address or as a word of a table, or the skip
over what is said only if a number is not 0. What cannot be said so raises `NoRule`, and the packets with that header
are left to the exact reader.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from construct import expr

from pktlab.columns import kernels_text
from pktlab.columns.rules import WALKED, Rules
from pktlab.columns.terms import Array, NoRule, as_array, bits_of, term_of
from pktlab.wire import expressions
from pktlab.wire.glance import Glance
from pktlab.wire.header import Header
from pktlab.wire.nodes import Bounded
from pktlab.wire.packet import FOLLOWS
from pktlab.wire.phrases import Given, Hexed, Word
from pktlab.wire.rows import Row
from pktlab.wire.text import escape
from pktlab.wire.values import View

__all__ = ["Scripts", "compile_looks", "compile_scripts", "script_of"]

OP = np.dtype(
    [
        ("kind", "i4"),  # of `kernels_text`
        ("first", "i4"),  # place of a text, of the word for 0, or of the suggestion for 0
        ("last", "i4"),  # length of a text; digits of hex; ops to skip; how many suggestions there are
        ("offset", "i4"),
        ("little", "i4"),
        ("shift", "i8"),
        ("mask", "i8"),
        ("factor", "i8"),
        ("constant", "i8"),
    ]
)
"""A piece of a phrase; its number is taken from 8 bytes at `offset`."""
PHRASE = np.dtype(
    [
        ("op_first", "i4"),
        ("op_last", "i4"),
        ("judged", "i4"),  # row of the verdicts, or -1
        ("guesses", "i4"),  # what is behind it is guessed: by hints, and by its first byte
        ("size", "i4"),  # bytes in front of a tail
        ("tail", "i4"),  # hint whose number is the bytes of a tail, or -1
        ("steps", "i4"),  # of the table by which the tail is read, or -1
        ("hint_first", "i4"),
        ("hint_last", "i4"),
        ("by_byte", "i4"),  # place of the suggestions
    ]
)
"""What a kind of header says, and how what is behind it is guessed."""
GROUP = np.dtype([("first", "i4"), ("last", "i4"), ("other", "i4")])
"""Glances that all have to be stood, or those of the `other` group; 0 is none."""
GLANCE = np.dtype([("offset", "i4"), ("width", "i4"), ("first", "i4"), ("last", "i4")])
_ADDRESSES = {"ipv4": kernels_text.IPV4, "mac": kernels_text.MAC, "ipv6": kernels_text.IPV6}
_MAX_WORDS, _MAX_NUMBER = 1 << 14, 1 << 62
_PAD = 8  # texts are copied 8 bytes at a time


@dataclass(frozen=True)
class Scripts:
    """What the kernel is given; see `kernels_text.format_lines`.

    arrays : phrases, ops, words, texts, marks, hints, suggestions, groups, glances, ranges, steps
    most : bytes that no line is longer than, without the columns in front
    """

    arrays: tuple[Array, ...]
    most: int


def script_of(kind: type[Header]) -> bool:
    """Tell whether kernels can say what a header says.

    >>> from pktlab.wire.arp import Arp
    >>> from pktlab.wire.tcp import Tcp
    >>> script_of(Tcp), script_of(Arp)
    (True, False)
    """
    try:
        _Compiler().say(kind)
    except NoRule:
        return False
    return True


def compile_scripts(
    rules: Rules,
    said: Sequence[type[Header]],
    tails: Mapping[type[Header], Array],
    judged: Mapping[type[Header], int],
    marks: Sequence[Sequence[str]],
) -> Scripts:
    """Return the scripts of all headers that say something.

    Parameters
    ----------
    said : the headers, in the order of the rows of places; tails : by header, the steps through its options
    judged : by header, its row of verdicts
    marks : by row of verdicts and verdict, what a line ends in
    """
    compiler = _Compiler()
    phrases = np.zeros(len(said) + 1, PHRASE)
    widths = []
    for row, kind in enumerate(said):
        first, width = len(compiler.ops), compiler.say(kind)
        widths.append(width + 1)
        phrase = {"op_first": first, "op_last": len(compiler.ops), "judged": judged.get(kind, -1)}
        for name, value in {**phrase, **compiler.looks(rules, kind, tails.get(kind))}.items():
            phrases[name][row] = value
    marked = np.array([[compiler.text(mark) for mark in row] for row in marks], np.int32)
    longest = [max(len(mark.encode()) for mark in row) for row in marks]
    return Scripts((phrases, *compiler.arrays(marked)), sum(widths) + sum(longest))


def compile_looks(
    rules: Rules, kinds: Sequence[type[Header]], tails: Mapping[type[Header], Array]
) -> tuple[Array, ...]:
    """Return what `kernels_text.mark_odd` is given, for headers that need not say anything; as `compile_scripts`."""
    compiler = _Compiler()
    phrases = np.zeros(len(kinds) + 1, PHRASE)
    for row, kind in enumerate(kinds):
        for name, value in {"judged": -1, **compiler.looks(rules, kind, tails.get(kind))}.items():
            phrases[name][row] = value
    return phrases, *compiler.arrays(np.zeros((1, 1, 2), np.int32))[4:]


class _Compiler:
    def __init__(self) -> None:
        self.ops: list[tuple[int, ...]] = []
        self.words: list[tuple[int, int]] = []
        self.texts = bytearray()
        self.hints: list[tuple[int, ...]] = []
        self.suggestions: list[int] = []
        self.groups: list[tuple[int, int, int]] = [(0, 0, 0)]  # 0 stands for none
        self.glances: list[tuple[int, int, int, int]] = []
        self.ranges: list[tuple[int, int]] = []
        self.steps: list[Array] = []
        self._group_at: dict[tuple[tuple[Glance, ...], int], int] = {}
        self._text_at: dict[str, tuple[int, int]] = {}

    def arrays(self, marks: Array) -> tuple[Array, ...]:
        """Return what was compiled, in the order in which the kernel takes it."""
        return (
            as_array(self.ops, OP), np.array(self.words or [(0, 0)], np.int32),
            np.frombuffer(bytes(self.texts) + bytes(_PAD), np.uint8), marks, as_array(self.hints, OP),
            np.array(self.suggestions or [0], np.int16), as_array(self.groups, GROUP),
            as_array(self.glances, GLANCE), np.array(self.ranges or [(0, 0)], np.int64),
            np.array(self.steps or [np.zeros((256, 257))], np.uint8),
        )  # fmt: skip

    def text(self, text: str) -> tuple[int, int]:
        """Return where a text stands, and its length in bytes."""
        if text not in self._text_at:
            octets = escape(text).encode()
            self._text_at[text] = len(self.texts), len(octets)
            self.texts += octets
        return self._text_at[text]

    # ---- phrases

    def say(self, kind: type[Header]) -> int:
        """Compile what a header says; return the most bytes that takes."""
        if kind.says is None or "says" not in vars(kind) or kind.summary is not Header.summary:
            raise NoRule(kind.layer)
        return self.pieces(kind, kind.says.pieces)

    def pieces(self, kind: type[Header], pieces: Iterable[Any]) -> int:
        """Compile pieces; return the most bytes that they take."""
        return sum(self.piece(kind, piece) for piece in pieces)

    def piece(self, kind: type[Header], piece: Any) -> int:
        """Compile a piece."""
        if isinstance(piece, str):
            place, length = self.text(piece)
            self.ops.append((kernels_text.TEXT, place, length, 0, 0, 0, 0, 0, 0))
            return length
        if isinstance(piece, Given):
            at = len(self.ops)
            self.ops.append(())
            width = self.pieces(kind, piece.pieces)
            self.ops[at] = (kernels_text.SKIP, 0, len(self.ops) - at - 1, *self.number(kind, piece.number))
            return width
        if isinstance(piece, Hexed):
            number = self.number(kind, piece.number)
            if most_of(number) >= 1 << 4 * piece.digits or number[-1] < 0:
                raise NoRule(kind.layer)
            self.ops.append((kernels_text.HEX, 0, piece.digits, *number))
            return piece.digits + 2
        return self.word(kind, piece) if isinstance(piece, Word) else self.value(kind, piece)

    def word(self, kind: type[Header], piece: Word) -> int:
        """Compile a word: the words of all numbers that there can be."""
        number = self.number(kind, piece.number)
        if most_of(number) >= _MAX_WORDS or number[-1] < 0:
            raise NoRule(kind.layer)
        self.ops.append((kernels_text.WORD, len(self.words), 0, *number))
        found = [self.text(piece.words(value)) for value in range(most_of(number) + 1)]
        self.words += found
        return max(length for _, length in found)

    def value(self, kind: type[Header], expression: Any) -> int:
        """Compile a field as its number or its address, or a sum."""
        names = expressions.names_in(expression)
        row = kind.schema.declared[names[0]].row if isinstance(expression, expr.Path) and names else None
        if row is not None and row.kind in _ADDRESSES:
            op = _ADDRESSES[row.kind]
            if not is_fixed(kind, row):
                raise NoRule(row.name)
            self.ops.append((op, 0, 0, row.offset or 0, 0, 0, 0, 0, 0))
            return kernels_text.WIDTHS[op]
        if row is not None and row.kind not in ("uint", "enum"):
            raise NoRule(row.name)
        self.ops.append((kernels_text.DECIMAL, 0, 0, *self.number(kind, expression)))
        return kernels_text.WIDTHS[kernels_text.DECIMAL]

    def number(self, kind: type[Header], expression: Any) -> tuple[int, ...]:
        """Return how the number of an expression is taken."""
        rows = [kind.schema.declared[name].row for name in expressions.names_in(expression)]
        if any(isinstance(row.view, View) or not is_fixed(kind, row) for row in rows):
            raise NoRule(kind.layer)
        term, constant = term_of(kind, expression)
        number = (*term, constant)
        if term[-1] <= 0 or not -_MAX_NUMBER < constant <= most_of(number) < _MAX_NUMBER:
            raise NoRule(kind.layer)
        return number

    # ---- what is behind

    def looks(self, rules: Rules, kind: type[Header], steps: Array | None) -> dict[str, int]:
        """Compile how a header is told from one that only the exact reader can read."""
        assert rules.heads[rules.numbers[kind]]["walked"] == WALKED
        found = {"size": int(rules.heads[rules.numbers[kind]]["size"]), "steps": -1, "tail": -1}
        guess = self.guess(kind)
        return {**found, **guess, **(self.tail(kind, steps) if guess or steps is not None else {})}

    def tail(self, kind: type[Header], steps: Array | None) -> dict[str, int]:
        """Compile how long the tail of a header is, and how it is read."""
        bounded = [one.subcon for one in kind.schema.tail if isinstance(one.subcon, Bounded)]
        if not bounded:
            return {}
        self.hints.append((0, 0, 0, *self.number(kind, bounded[-1].length)))
        found = {"tail": len(self.hints) - 1}
        if steps is not None:
            found["steps"] = len(self.steps)
            self.steps.append(steps)
        return found

    def guess(self, kind: type[Header]) -> dict[str, int]:
        """Compile how what is behind a header is guessed."""
        rule = FOLLOWS.get(kind)
        if rule is None or rule.first is None:
            return {}
        found = {"guesses": 1, "by_byte": self.suggest(rule.first, 256), "hint_first": len(self.hints)}
        places = max(rule.table, default=-1) + 1
        table = self.suggest({value: (kind,) for value, kind in rule.table.items()}, places)
        for name in (rule.by,) if isinstance(rule.by, str) else rule.by:
            row = kind.schema.declared[name].row
            self.hints.append((0, table, places, row.offset or 0, *bits_of(row), 0))
        found["hint_last"] = len(self.hints)
        return found

    def suggest(self, table: Mapping[int, tuple[type[Header], ...]], size: int) -> int:
        """Return where the groups of glances of what a table suggests stand."""
        first = len(self.suggestions)
        self.suggestions += [self.either(table.get(value, ())) for value in range(size)]
        return first

    def either(self, kinds: Sequence[type[Header]]) -> int:
        """Return the group of what any of the headers has to look like; 0 if there is none."""
        group = 0
        for kind in reversed(kinds):
            group = self.group(kind.glances, group)
        return group

    def group(self, glances: tuple[Glance, ...], other: int) -> int:
        """Return the number of a group of glances, or of another group; an empty one is always stood."""
        if (glances, other) not in self._group_at:
            first = len(self.glances)
            for one in glances:
                self.glances.append((one.offset, one.width, len(self.ranges), len(self.ranges) + len(one.ranges)))
                self.ranges += one.ranges
            self._group_at[glances, other] = len(self.groups)
            self.groups.append((first, len(self.glances), other))
        return self._group_at[glances, other]


def is_fixed(kind: type[Header], row: Row) -> bool:
    """Tell whether a field lies in the part of a header that is always there."""
    return row.offset is not None and row.width > 0 and row.offset + row.width <= kind.schema.fixed_size


def most_of(number: tuple[int, ...]) -> int:
    """Return the highest value of a number, as `_Compiler.number` gives it."""
    *_, mask, factor, constant = number
    return mask * factor + constant
