"""Whether a filter makes sense: each name is a field, each literal says something of the kind it stands beside.

What comes out is the same tree with `Field`s for the names and `Constant`s for the literals. What may be compared with
what is Wireshark's (its dfilter/semcheck.c decides the same questions).
"""

from __future__ import annotations

import difflib
import re
import warnings
from dataclasses import dataclass

from pktlab.columns.filters import literals
from pktlab.columns.filters.literals import Wrong
from pktlab.columns.filters.nodes import (
    And,
    Arithmetic,
    Call,
    Compare,
    Constant,
    Exists,
    Field,
    Literal,
    Member,
    Negative,
    Not,
    Or,
    Range,
    Slice,
    Test,
    Value,
)
from pktlab.columns.registry import FieldType, Registry
from pktlab.errors import FilterError

__all__ = ["DOMAINS", "FUNCTIONS", "check", "regex"]

DOMAINS = {
    "uint": "number", "int": "number", "enum": "number", "flags": "number", "bool": "bool", "ipv4": "ipv4",
    "ipv6": "ipv6", "mac": "bytes", "bytes": "bytes", "header": "bytes", "protocol": "bytes", "str": "str",
    "timestamp": "time",
}  # fmt: skip
"""In which form values of each type of field are compared."""
FUNCTIONS = ("len", "upper", "lower", "count", "string", "max", "min", "abs")
_BOOLS = {"True": True, "TRUE": True, "Set": True, "False": False, "FALSE": False, "Not set": False}
_NOUNS = {
    "number": "a number", "bool": "a boolean", "ipv4": "an IPv4 address", "ipv6": "an IPv6 address",
    "bytes": "octets", "str": "text", "time": "a time",
}  # fmt: skip
_ALLOWED = {"&": ("number", "ipv4", "ipv6", "bytes"), "+": ("number", "time"), "-": ("number", "time")}


@dataclass(frozen=True)
class _Kind:
    """What a value is: the form in which it is compared and, as long as it is a field's, the field."""

    domain: str
    type: FieldType | None = None

    @property
    def is_mac(self) -> bool:
        return self.type is not None and self.type.kind == "mac"


def check(tree: Test, text: str, names: Registry) -> Test:
    """Return the checked tree of a filter.

    Parameters
    ----------
    tree : as `parse` made it
    text : the filter, for errors
    names : the fields that there are

    Raises
    ------
    FilterError : a name is unknown, a literal says nothing there, or two sides are of different kinds
    """
    return _Checker(text, names).test(tree)


def regex(pattern: bytes) -> re.Pattern[bytes]:
    """Return a regular expression that looks at octets and not at case; ``(?-i)`` in front turns case on.

    Python's engine, not PCRE2: POSIX classes are translated, what else it does not know raises `Wrong`.

    >>> bool(regex(b"get").search(b"GET /")), bool(regex(b"(?-i)get").search(b"GET /"))
    (True, False)
    """
    flags = re.IGNORECASE
    if pattern.startswith(b"(?-i)"):
        pattern, flags = pattern[5:], re.RegexFlag(0)
    for name, members in _POSIX.items():
        pattern = pattern.replace(b"[:" + name + b":]", members)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of sets in sets, which PCRE2 has not either
            return re.compile(pattern, flags)
    except (re.error, OverflowError, RecursionError) as error:
        raise Wrong(f"no regular expression: {error}") from None


_POSIX = {
    b"alpha": b"A-Za-z", b"digit": b"0-9", b"alnum": b"A-Za-z0-9", b"upper": b"A-Z", b"lower": b"a-z",
    b"space": rb"\s", b"xdigit": b"0-9A-Fa-f", b"word": rb"\w", b"print": rb"\x20-\x7e", b"cntrl": rb"\x00-\x1f\x7f",
    b"punct": rb"!-/:-@\[-`{-~", b"blank": rb" \t", b"graph": rb"\x21-\x7e",
}  # fmt: skip


class _Checker:
    def __init__(self, text: str, names: Registry) -> None:
        self.text = text
        self.names = names

    def wrong(self, at: int, why: str) -> FilterError:
        return FilterError(self.text, at, why)

    # ---- tests

    def test(self, node: Test) -> Test:
        match node:
            case And(parts):
                return And(tuple(self.test(one) for one in parts))
            case Or(parts):
                return Or(tuple(self.test(one) for one in parts))
            case Not(inner):
                return Not(self.test(inner))
            case Exists(value):
                return self.exists(value)
            case Member():
                return self.member(node)
        return self.compare(node)

    def exists(self, value: Value) -> Test:
        if isinstance(value, Call):
            raise self.wrong(value.at, f"what {value.function}() gives is always there; compare it with something")
        return Exists(self.known(value)[0])

    def compare(self, node: Compare) -> Test:
        left, kind = self.known(node.left, f"the left side of {node.op}")
        if node.op in ("contains", "matches") and kind.domain not in ("bytes", "str"):
            hint = "; string(…) makes text of it" if node.op == "matches" else ""
            raise self.wrong(left.at, f"{left} is {_NOUNS[kind.domain]}, in which nothing can be searched{hint}")
        if node.op == "matches":
            right: Value = self.pattern(node.right)
        elif node.op == "contains" and kind.is_mac:
            right = self.octets_in_mac(node.right)
        else:
            right = self.beside(node.right, kind)
        return Compare(node.op, left, right, node.quantifier, at=node.at)

    def pattern(self, value: Value) -> Constant:
        if not isinstance(value, Literal) or value.kind not in ("string", "raw"):
            raise self.wrong(value.at, "matches wants a regular expression in double quotes")
        try:
            pattern = literals.text_of(value)
            regex(pattern)
        except Wrong as error:
            raise self.wrong(value.at, str(error)) from None
        return Constant("regex", pattern, text=value.text, at=value.at)

    def octets_in_mac(self, value: Value) -> Value:
        if isinstance(value, Literal) and value.kind != "word":
            raise self.wrong(value.at, "octets are wanted, as in 00:1b, not text")
        return self.beside(value, _Kind("bytes"))

    def member(self, node: Member) -> Test:
        left, kind = self.known(node.left, "the left side of in")
        if not isinstance(left, Field):
            raise self.wrong(left.at, "only a field can be in a set")
        members: list[Value | Range] = []
        for one in node.members:
            if isinstance(one, Range):
                members.append(Range(self.beside(one.low, kind), self.beside(one.high, kind)))
            else:
                members.append(self.beside(one, kind))
        return Member(left, tuple(members), node.quantifier, at=node.at)

    # ---- values

    def known(self, value: Value, where: str = "a filter") -> tuple[Value, _Kind]:
        """Return a value that tells its kind itself: a field, or something made of fields."""
        match value:
            case Field(name, layers):
                return Field(name, layers, at=value.at), self.kind_of(self.field(name, value.at))
            case Literal(kind, text):
                if kind == "word" and (text in self.names or _is_name(text)):
                    return Field(text, at=value.at), self.kind_of(self.field(text, value.at))
                raise self.wrong(value.at, f"{where or 'it'} is a field, not {text}")
            case Slice(of, parts):
                inner, kind_ = self.known(of, where)
                if kind_.domain in ("number", "bool", "time"):
                    raise self.wrong(value.at, f"{inner} is {_NOUNS[kind_.domain]}, which has no slices")
                return Slice(inner, parts, at=value.at), _Kind("str" if kind_.domain == "str" else "bytes")
            case Call():
                return self.call(value)
            case Negative(of):
                inner, kind_ = self.known(of, where)
                if kind_.domain not in ("number", "time"):
                    raise self.wrong(value.at, f"{inner} is {_NOUNS[kind_.domain]}, which has no sign")
                return Negative(inner, at=value.at), kind_
            case Arithmetic():
                return self.arithmetic(value, where)
        raise self.wrong(value.at, f"{where} is a field")

    def field(self, name: str, at: int) -> FieldType:
        found = self.names.get(name)
        if found is None:
            near = self.names.near(name)
            raise self.wrong(at, f"no field is called {name[:60]}" + (f", did you mean {near}?" if near else ""))
        return found

    @staticmethod
    def kind_of(field: FieldType) -> _Kind:
        return _Kind(DOMAINS[field.kind], field)

    def arithmetic(self, value: Arithmetic, where: str) -> tuple[Value, _Kind]:
        if where and self.is_bare(value.left):
            raise self.wrong(value.at, f"{where} starts with a field, not with {value.left}")
        if self.is_bare(value.left) and not self.is_bare(value.right):
            right, kind = self.known(value.right, "")
            left = self.beside(value.left, kind)
        else:
            left, kind = self.known(value.left, where)
            right = self.beside(value.right, kind)
        if kind.domain not in _ALLOWED.get(value.op, ("number",)):
            raise self.wrong(value.at, f"{value.op} is not for {_NOUNS[kind.domain]}")
        return Arithmetic(value.op, left, right, at=value.at), kind

    def is_bare(self, value: Value) -> bool:
        """Tell whether nothing in `value` says of what kind it is."""
        match value:
            case Literal(kind, text):
                return kind != "word" or text not in self.names
            case Negative(of):
                return self.is_bare(of)
            case Arithmetic(_, left, right):
                return self.is_bare(left) and self.is_bare(right)
        return False

    def call(self, node: Call) -> tuple[Value, _Kind]:
        name = node.function
        if name not in FUNCTIONS:
            near = difflib.get_close_matches(name, FUNCTIONS, 1)
            hint = f", did you mean {near[0]}?" if near else f"; there are {', '.join(FUNCTIONS)}"
            raise self.wrong(node.at, f"no function is called {name[:60]}{hint}")
        if not node.arguments or (len(node.arguments) > 1 and name not in ("max", "min")):
            raise self.wrong(node.at, f"{name}() takes one field" + (" or more" if name in ("max", "min") else ""))
        given = [self.known(one, f"what {name}() takes") for one in node.arguments]
        for one, _ in given:
            if not isinstance(one, Field):
                raise self.wrong(one.at, f"{name}() takes a field, not {one}")
        kinds = [kind for _, kind in given]
        result = Call(name, tuple(one for one, _ in given), at=node.at)
        return result, self.kind_of_call(node, kinds)

    def kind_of_call(self, node: Call, kinds: list[_Kind]) -> _Kind:
        name, first = node.function, kinds[0]
        if name in ("len", "count"):
            return _Kind("number")
        if name in ("upper", "lower") and first.domain != "str":
            raise self.wrong(node.at, f"{name}() takes text, not {_NOUNS[first.domain]}")
        if name == "string":
            if first.domain in ("str", "bool", "time") or (first.domain == "bytes" and not first.is_mac):
                raise self.wrong(node.at, f"string() takes a number or an address, not {_NOUNS[first.domain]}")
            return _Kind("str")
        if name == "abs" and first.domain not in ("number", "time"):
            raise self.wrong(node.at, f"abs() takes a number or a time, not {_NOUNS[first.domain]}")
        if any(kind.domain != first.domain for kind in kinds):
            raise self.wrong(node.at, f"what {name}() takes is all of one kind")
        return first

    # ---- what stands beside a value of a known kind

    def beside(self, value: Value, kind: _Kind) -> Value:
        """Return `value` as one of the same kind."""
        if not isinstance(value, Literal) and self.is_bare(value):
            return self.bare(value, kind)
        if not isinstance(value, Literal) or (value.kind == "word" and value.text in self.names):
            known, other = self.known(value, "")
            if other.domain != kind.domain:
                raise self.wrong(
                    value.at, f"{known} is {_NOUNS[other.domain]}, it is compared with {_NOUNS[kind.domain]}"
                )
            return known
        return self.constant(value, kind)

    def bare(self, value: Value, kind: _Kind) -> Value:
        """Return arithmetic of literals only."""
        match value:
            case Negative(of) if kind.domain in ("number", "time"):
                return Negative(self.beside(of, kind), at=value.at)
            case Arithmetic(op, left, right) if kind.domain in _ALLOWED.get(op, ("number",)):
                return Arithmetic(op, self.beside(left, kind), self.beside(right, kind), at=value.at)
        raise self.wrong(value.at, f"there is no such arithmetic with {_NOUNS[kind.domain]}")

    def constant(self, literal: Literal, kind: _Kind) -> Constant:
        prefix: int | None = None
        result: int | bool | bytes
        try:
            match kind.domain:
                case "number":
                    result = self.number(literal, kind.type)
                case "bool":
                    result = _bool(literal)
                case "ipv4" | "ipv6":
                    result, prefix = literals.address(literal, int(kind.domain[-1]))
                case "bytes":
                    result = literals.mac(literal) if kind.is_mac else literals.octets(literal)
                case "str":
                    result = literals.text_of(literal)
                case _:
                    result = literals.time_ns(literal)
        except Wrong as error:
            raise self.wrong(literal.at, self.explained(str(error), literal, kind)) from None
        return Constant(kind.domain, result, prefix, text=literal.text, at=literal.at)

    def number(self, literal: Literal, field: FieldType | None) -> int:
        word = literals.text_of(literal).decode("utf-8", "replace")
        if field is not None and literal.kind != "char":
            named = field.values_named(word)
            if named:
                return named[0]
        value = literals.number(literal)
        most = (1 << 8 * (field.width if field is not None and field.width else 8)) - 1
        if value > most:
            raise Wrong(f"{literal.text[:40]} is too big, it is at most {most}")
        return value

    def explained(self, why: str, literal: Literal, kind: _Kind) -> str:
        """Return why a literal says nothing there, with what may have been meant."""
        choices: list[str] = []
        if kind.domain == "bool":
            choices = list(_BOOLS)
        elif kind.type is not None and kind.type.names is not None:
            names = kind.type.names
            choices = [one.name for one in names] if isinstance(names, type) else list(names.values())
        if literal.kind == "word" and _is_name(literal.text):
            choices += [one.name for one in self.names if DOMAINS[one.kind] == kind.domain and "." in literal.text]
        near = difflib.get_close_matches(literal.text.strip('"'), choices, 1, 0.7)
        return f"{why}, did you mean {near[0]}?" if near else why


def _bool(literal: Literal) -> bool:
    word = literals.text_of(literal).decode("utf-8", "replace")
    if literal.kind != "char" and word in _BOOLS:
        return _BOOLS[word]
    try:
        return bool(literals.number(literal))
    except Wrong:
        raise Wrong(f"{literal.text[:40]} is neither True nor False") from None


def _is_name(text: str) -> bool:
    """Tell whether `text` looks like the name of a field."""
    return re.fullmatch(r"[A-Za-z_][\w-]*(\.[\w-]+)*", text) is not None
