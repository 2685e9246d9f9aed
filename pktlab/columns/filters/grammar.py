"""From the text of a filter to its tree: Wireshark's display-filter language, as 4.0 has it.

The grammar is read by lark (LALR). What a word means, a field, an address, a number, is not its business: `check`
tells, by what the word stands beside.

Spec: wireshark-filter(4) of Wireshark 4.0.
"""

from __future__ import annotations

import re
import sys
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Any

from pktlab.columns import stored
from pktlab.columns.filters.nodes import (
    And,
    Arithmetic,
    Call,
    Compare,
    Exists,
    Field,
    Literal,
    Member,
    Negative,
    Not,
    Or,
    Part,
    Range,
    Slice,
    Test,
    Value,
)
from pktlab.errors import FilterError

if TYPE_CHECKING:
    from lark import Lark, Token, Tree

__all__ = ["KEYWORDS", "MAX_DEPTH", "parse"]

MAX_DEPTH = 100
"""How deep parentheses, signs and sums may lie in each other; nobody writes that, and recursion has an end."""

GRAMMAR = r"""
start: either
?either: both | both (_OR both)+    -> either
?both: one | one (_AND one)+        -> both
?one: NOT one            -> negation
    | "(" either ")"
    | [QUANTIFIER] value -> exists
    | [QUANTIFIER] value (COMPARE value)+                                -> comparison
    | [QUANTIFIER] value SEARCH value                                    -> search
    | [QUANTIFIER] value [NOT] _IN "{" member ("," member)* "}"          -> membership
?member: value
    | value ".." value   -> range
?value: sum | value BITAND sum            -> arithmetic
?sum: product | sum SIGN product          -> arithmetic
?product: signed | product FACTOR signed  -> arithmetic
?signed: SIGN signed     -> sign
    | part
?part: word
    | STRING             -> string
    | CHARACTER          -> character
    | word "(" [value ("," value)*] ")" -> call
    | part BRACKETS      -> slice
    | "{" value "}"
word: WORD [LAYERS] | ADDRESS

_OR.3: /\|\||or(?![\w.:-])/
_AND.3: /&&|and(?![\w.:-])/
NOT.3: /!(?!=)|not(?![\w.:-])/
_IN.3: /in(?![\w.:-])/
QUANTIFIER.3: /(any|all)(?![\w.:-])/
COMPARE.3: /===|!==|~=|==|!=|<=|>=|<|>|((any|all)_(eq|ne)|eq|ne|lt|le|gt|ge)(?![\w.:-])/
SEARCH.3: /~(?!=)|(contains|matches)(?![\w.:-])/
BITAND.3: /&(?!&)|bitwise_and(?![\w.:-])/
SIGN: /[+-]/
FACTOR: /[*\/%]/
STRING.4: /[rR]?"(\\.|[^"\\])*"/s
CHARACTER.4: /'(\\.|[^'\\])*'/s
BRACKETS: /\[[^\]]*\]/
LAYERS: /#(\d+|\[[^\]]*\])/
ADDRESS.2: /[0-9A-Fa-f:.]*[:.][0-9A-Fa-f:.]*\/[0-9]+/
WORD: /(::?)?\w(\w|[:-]|\.(?!\.))*|::/
%ignore /[ \t\r\n]+/
"""
_PLAIN = {
    "eq": "==", "any_eq": "==", "ne": "!=", "all_ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=",
    "~": "matches",
}  # fmt: skip
_QUANTIFIED = {
    "===": ("==", "all"), "all_eq": ("==", "all"), "!==": ("!=", "any"), "~=": ("!=", "any"), "any_ne": ("!=", "any"),
}  # fmt: skip
KEYWORDS = (
    "and", "or", "not", "in", "any", "all", "contains", "matches", "bitwise_and", "eq", "ne", "lt", "le", "gt", "ge",
    "any_eq", "all_eq", "any_ne", "all_ne",
)  # fmt: skip
"""Words that are operators."""


@cache
def _parser() -> Lark:
    """Return the parser: making it takes longer than parsing, so it is kept in a file."""
    import lark  # 0.03 s, which only a filter costs

    name = f"filter-{stored.digest(GRAMMAR.encode(), lark.__version__.encode(), sys.version.encode())}.lark"
    kept = stored.read(name)
    if kept is not None:
        return lark.Lark.load(BytesIO(kept))
    made = lark.Lark(GRAMMAR, parser="lalr", lexer="basic", propagate_positions=True, maybe_placeholders=True)
    made.save(file := BytesIO())
    stored.write(name, file.getvalue())
    return made


def parse(text: str) -> Test:
    """Return the tree of a filter, in which literals are as they were written.

    Raises
    ------
    FilterError : it does not read as a filter; names the place and, for a word, what may have been meant

    >>> print(parse("ip.src eq 10.0.0.0/8 && !(tcp.port==80)"))
    ip.src == 10.0.0.0/8 and not tcp.port == 80
    """
    from lark.exceptions import UnexpectedCharacters, UnexpectedToken

    from pktlab.columns.filters.mistakes import unexpected, unknown_character

    try:
        tree: Any = _parser().parse(text)
    except UnexpectedToken as error:
        raise unexpected(text, error) from None
    except UnexpectedCharacters as error:
        raise unknown_character(text, error.pos_in_stream or 0) from None
    return _Builder(text).test(tree.children[0], 0)


class _Builder:
    """Makes nodes of lark's tree, and refuses what lies too deep in it."""

    def __init__(self, text: str) -> None:
        self.text = text

    def deeper(self, tree: Any, depth: int) -> int:
        if depth >= MAX_DEPTH:
            at = getattr(getattr(tree, "meta", None), "start_pos", 0)
            raise FilterError(self.text, at, f"it is nested more than {MAX_DEPTH} deep")
        return depth + 1

    # ---- tests

    def test(self, tree: Tree[Token], depth: int) -> Test:
        """Return a test."""
        depth = self.deeper(tree, depth)
        children: list[Any] = tree.children
        if tree.data in ("either", "both"):
            return (Or if tree.data == "either" else And)(tuple(self.test(child, depth) for child in children))
        if tree.data == "negation":
            return Not(self.test(children[1], depth))
        if tree.data == "exists":
            return self.exists(children, depth)
        if tree.data == "membership":
            return self.membership(children, depth)
        return self.comparison(children, depth)

    def exists(self, children: list[Any], depth: int) -> Test:
        quantifier, value = children
        if quantifier is not None:
            raise FilterError(self.text, len(self.text), f"{quantifier} wants a comparison")
        return Exists(self.value(value, depth))

    def comparison(self, children: list[Any], depth: int) -> Test:
        """Return one comparison, or all of ``1st < 2nd < 3rd``."""
        quantifier, *rest = children
        values = [self.value(child, depth) for child in rest[::2]]
        parts = []
        for left, operator, right in zip(values, rest[1::2], values[1:], strict=False):
            op, usual = _QUANTIFIED.get(operator, (_PLAIN.get(operator, str(operator)), ""))
            usual = usual or ("all" if op == "!=" else "any")
            parts.append(Compare(op, left, right, str(quantifier or usual), at=operator.start_pos))
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def membership(self, children: list[Any], depth: int) -> Test:
        quantifier, left, negated, *members = children
        inside = tuple(self.member(child, depth) for child in members)
        value = self.value(left, depth)
        member = Member(value, inside, str(quantifier or "any"), at=value.at)
        return member if negated is None else Not(member)

    def member(self, tree: Tree[Token], depth: int) -> Value | Range:
        if tree.data == "range":
            children: list[Any] = tree.children
            return Range(self.value(children[0], depth), self.value(children[1], depth))
        return self.value(tree, depth)

    # ---- values

    def value(self, tree: Tree[Token], depth: int) -> Value:
        """Return a value."""
        depth = self.deeper(tree, depth)
        children: list[Any] = tree.children
        at = tree.meta.start_pos
        match str(tree.data):
            case "arithmetic":
                left, operator, right = children
                op = "&" if operator == "bitwise_and" else str(operator)
                return Arithmetic(op, self.value(left, depth), self.value(right, depth), at=operator.start_pos)
            case "sign":
                inner = self.value(children[1], depth)
                return inner if children[0] == "+" else Negative(inner, at=at)
            case "string":
                text = str(children[0])
                return Literal("raw" if text[0] in "rR" else "string", text, at=at)
            case "character":
                return Literal("char", str(children[0]), at=at)
            case "call":
                return self.call(children, depth, at)
            case "slice":
                return Slice(self.value(children[0], depth), self.ranges(children[1]), at=at)
        return self.word(children, at)

    def call(self, children: list[Any], depth: int, at: int) -> Value:
        name = self.word(children[0].children, at)
        arguments = tuple(self.value(child, depth) for child in children[1:] if child is not None)
        return Call(str(name), arguments, at=at)

    def word(self, children: list[Any], at: int) -> Field | Literal:
        """Return a word; which of the two kinds it is, `check` has to tell, so all without layers are literals."""
        layers = children[1] if len(children) > 1 else None
        if layers is None:
            return Literal("word", str(children[0]), at=at)
        inside = self.ranges(layers, "#") if "[" in layers else (self.layer(layers),)
        return Field(str(children[0]), inside, at=at)

    @staticmethod
    def layer(token: Token) -> Part:
        return Part(int(token[1:]), 1)

    def ranges(self, token: Token, lead: str = "") -> tuple[Part, ...]:
        """Return what stands in brackets."""
        inner = token[len(lead) + 1 : -1]
        parts = []
        for text in inner.split(","):
            part = _part(text)
            if isinstance(part, str):
                raise FilterError(self.text, token.start_pos or 0, part)
            parts.append(part)
        return tuple(parts)


_NUMBER = r"\s*(-?(?:0[xX][0-9A-Fa-f]+|\d+))\s*"
_FORMS = {
    "both": re.compile(rf"{_NUMBER}:{_NUMBER}"),
    "through": re.compile(rf"{_NUMBER}-{_NUMBER}"),
    "from": re.compile(rf"{_NUMBER}:\s*"),
    "to": re.compile(rf"\s*:{_NUMBER}"),
    "one": re.compile(_NUMBER),
}


def _number(text: str) -> int:
    """Return a number in a slice; too long a one is as good as one beyond every packet."""
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text)
    if len(digits) > 12:
        return sign * 10**12
    return sign * (int(digits, 16) if digits[1:2] in ("x", "X") else int(digits))


def _part(text: str) -> Part | str:
    """Return a part of a slice, or what is wrong with it."""
    for form, pattern in _FORMS.items():
        match = pattern.fullmatch(text)
        if match is not None:
            return _formed(form, [_number(one) for one in match.groups()])
    if text.strip() == ":":
        return Part(0)
    return f"{text.strip()[:20] or 'nothing'} is no slice; write [0], [0:4], [0-3], [4:] or [:4]"


def _formed(form: str, numbers: list[int]) -> Part | str:
    first = numbers[0]
    if form == "through":
        last = numbers[1]
        if first >= last and (first < 0) == (last < 0):
            return f"{first}-{last} does not end behind its start"
        return Part(first, None, last)
    if form in ("both", "to") and numbers[-1] <= 0:
        return f"a slice has 1 octet or more, not {numbers[-1]}"
    if form == "to":
        return Part(0, first)
    return Part(first, {"both": numbers[-1], "one": 1, "from": None}[form])
