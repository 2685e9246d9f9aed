"""`field` and `bits`: the two declarations that a header's class body is made of.

`field` wraps one Construct object; `bits` names a part of a packed word that a `field` read whole. Both are
descriptors: on the class they are the declaration, on a header they are the value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import construct

from pktlab.wire.nodes import Bounded, When, subconstruct
from pktlab.wire.rows import Names, Row
from pktlab.wire.values import Flags, View

__all__ = ["AUTO", "BitsDecl", "FieldDecl", "Fill", "bits", "field"]

As = View | type[Flags] | type[bool]


class _Auto:
    def __repr__(self) -> str:
        return "AUTO"


AUTO: Any = _Auto()
"""Default of a length: when building, it is solved from the expression that the parser evaluates."""
REQUIRED: Any = object()


class Fill:
    """A rule that computes a field when building; as a field's default it says how an absent value is made.

    `phase` orders the rules: 0 for padding (before lengths are taken), 1 for checksums (after all else is there).
    """

    phase = 1

    def compute(self, header: Any, name: str, payload: bytes, pseudo: Pseudo | None) -> Any:
        """Return the value of field `name` of `header`, in which every rule of an earlier phase is done."""
        raise NotImplementedError


Pseudo = Callable[[int], bytes]
"""Given the length that the transport header and its data have, in bytes: the pseudo-header in front of them."""


def _kind(subcon: Any, as_: As | None, names: Names | None) -> str:
    if isinstance(as_, View):
        return as_.kind
    if as_ is bool:
        return "bool"
    if as_ is not None:
        return "flags"
    if names is not None:
        return "enum"
    if isinstance(subcon, construct.FormatField):
        return "int" if subcon.fmtstr[-1].islower() else "uint"
    if isinstance(subcon, construct.BytesInteger):
        return "int" if subcon.signed else "uint"
    if isinstance(subcon, construct.Bytes) or subcon is construct.GreedyBytes:
        return "bytes"
    return "header"


class FieldDecl:
    """What `field` returns: one Construct object with its names, its default and its checks."""

    def __init__(self, subcon: Any, label: str, *, default: Any, as_: As | None, names: Names | None, **more: Any):
        self.subcon = subconstruct(subcon)
        self.label = label
        self.default = default
        self.as_ = as_
        self.names = names
        self.base: str = more["base"]
        self.digits: int | None = more["digits"]
        self.min: int | None = more["min"]
        self.equals: int | bytes | None = more["equals"]
        self.wire_name: str | None = more["name"]
        self.bits: list[BitsDecl] = []
        self.index = -1  # place in the header's tuple of raw values
        self.kind = _kind(self.inner, as_, names)
        self.row: Row

    def __set_name__(self, owner: type, name: str) -> None:
        self.attr = name
        if self.wire_name is None:
            self.wire_name = "" if name.startswith("_") else name.rstrip("_")
        self.label = self.label or name.strip("_").replace("_", " ").capitalize()

    @property
    def inner(self) -> Any:
        """The Construct object without `When` and `Bounded` around it."""
        node = self.subcon
        while isinstance(node, When | Bounded):
            node = node.subcon
        return node

    def __get__(self, obj: Any, owner: type | None = None) -> Any:
        if obj is None:
            return self
        try:
            raw = obj._raw[self.index]
        except IndexError:
            raise obj._not_read(self.attr) from None
        return raw if self.as_ is None else self.row.value(raw)

    @property
    def parts(self) -> list[FieldDecl | BitsDecl]:
        """The field and the bits declared of it."""
        return [self, *self.bits]

    @property
    def has_parts(self) -> bool:
        """Whether a reader has to look into it: bits are declared of it, or values of it refused."""
        return bool(self.bits) or self.min is not None or self.equals is not None

    def number(self, raw: Any) -> Any:
        """Return the value that expressions see."""
        return raw

    def encode(self, value: Any) -> Any:
        """Return the raw form of `value`; ValueError if it does not fit."""
        if value is None:
            return None
        if isinstance(self.as_, View):
            return self.as_.encode(value)
        node = self.subcon.subcon if isinstance(self.subcon, When) else self.subcon
        if isinstance(node, construct.FormatField | construct.BytesInteger):
            return self._encode_number(node, value)
        if isinstance(node, construct.Bytes) and isinstance(node.length, int):
            if not isinstance(value, bytes | bytearray) or len(value) != node.length:
                raise ValueError(f"{self.attr} takes {node.length} bytes, not {value!r}")
            return bytes(value)
        return tuple(value) if isinstance(value, list) else value

    def _encode_number(self, node: Any, value: Any) -> Any:
        if isinstance(node, construct.FormatField) and node.fmtstr[-1] in "efd":
            return float(value)
        signed = self.kind == "int"
        width = 8 * node.length
        low, high = (-(1 << width - 1), (1 << width - 1) - 1) if signed else (0, (1 << width) - 1)
        number = int(value)
        if not low <= number <= high:
            raise ValueError(f"{self.attr} = {number} does not fit: {low} to {high}")
        return number


class BitsDecl:
    """What `bits` returns: a part of a packed word."""

    def __init__(self, word: FieldDecl, mask: int, label: str, *, as_: As | None, names: Names | None, **more: Any):
        if not mask:
            raise TypeError(f"bits {label!r}: the mask is empty")
        self.word = word
        self.mask = mask
        self.shift = (mask & -mask).bit_length() - 1
        self.label = label
        self.as_ = as_
        self.names = names
        self.scale: int = more["scale"]
        self.default = more["default"]
        self.base: str = more["base"]
        self.digits: int | None = more["digits"]
        self.min: int | None = more["min"]
        self.equals: int | bytes | None = more["equals"]
        self.wire_name: str | None = more["name"]
        self.kind = _kind(word.inner, as_, names)
        self.row: Row
        word.bits.append(self)

    def __set_name__(self, owner: type, name: str) -> None:
        self.attr = name
        if self.wire_name is None:
            self.wire_name = "" if name.startswith("_") else name.rstrip("_")
        self.label = self.label or name.strip("_").replace("_", " ").capitalize()

    def __get__(self, obj: Any, owner: type | None = None) -> Any:
        if obj is None:
            return self
        try:
            return self.row.value(obj._raw[self.word.index])
        except IndexError:
            raise obj._not_read(self.attr) from None

    @property
    def index(self) -> int:
        """Place of the word in the header's tuple of raw values."""
        return self.word.index

    def number(self, raw: Any) -> Any:
        """Return the value that expressions see: the bits, scaled."""
        return None if raw is None else ((raw & self.mask) >> self.shift) * self.scale

    def put(self, word: int, value: Any) -> int:
        """Return `word` with these bits set to `value`; ValueError if it does not fit."""
        stored, left_over = divmod(int(value), self.scale)
        top = self.mask >> self.shift
        if left_over or not 0 <= stored <= top:
            step = f" in steps of {self.scale}" if self.scale > 1 else ""
            raise ValueError(f"{self.attr} = {int(value)} does not fit: 0 to {top * self.scale}{step}")
        return word & ~self.mask | stored << self.shift


def field(
    subcon: Any,
    label: str = "",
    *,
    default: Any = REQUIRED,
    as_: As | None = None,
    names: Names | None = None,
    base: str = "dec",
    digits: int | None = None,
    min: int | None = None,
    equals: int | bytes | None = None,
    name: str | None = None,
) -> Any:
    """Declare one field.

    Parameters
    ----------
    subcon : Construct object or header class; `IntNN`, `Bytes(n)`, `Bounded`, `When`, `Switch`, `Items`,
        `GreedyBytes` are known to every reader, other Construct objects to the tree and the builder
    label : what people call it; made from the attribute's name if empty
    default : value when none is given; `AUTO` for a length that is solved when building; a `Fill` rule. A field
        without a default has to be given
    as_ : `View` (`IPV4`, `IPV6`, `MAC`) or `Flags` class: how raw bytes or numbers read
    names : names of the values of an enumeration
    base, digits : ``"dec"`` or ``"hex"``, and the number of hex digits, in text
    min, equals : parsing refuses (Malformed) less than `min`, or all but `equals`
    name : Wireshark's name after the layer's, where it differs from the attribute's; ``""`` for none
    """
    return FieldDecl(
        subcon, label, default=default, as_=as_, names=names,
        base=base, digits=digits, min=min, equals=equals, name=name,
    )  # fmt: skip


def bits(
    word: Any,
    mask: int,
    label: str = "",
    *,
    scale: int = 1,
    default: Any = REQUIRED,
    as_: As | None = None,
    names: Names | None = None,
    base: str = "dec",
    digits: int | None = None,
    min: int | None = None,
    equals: int | bytes | None = None,
    name: str | None = None,
) -> Any:
    """Declare the bits `mask` of the packed `word` (a `field` above it in the same class body).

    The value is ``((word & mask) >> shift) * scale``: a header length stored in words of 4 bytes has ``scale=4`` and
    reads in bytes, as in Wireshark. The other parameters are those of `field`.
    """
    return BitsDecl(
        word, mask, label, scale=scale, default=default, as_=as_, names=names,
        base=base, digits=digits, min=min, equals=equals, name=name,
    )  # fmt: skip
