"""`Header`: a class body of declarations that is a Construct schema, a typed value, a parser and a builder.

    class Udp(Header, layer="udp", payload_len=this.length - 8):
        srcport: int = field(Int16ub, "Source Port")
        dstport: int = field(Int16ub, "Destination Port")
        length: int = field(Int16ub, "Length", default=AUTO)
        checksum: int = field(Int16ub, "Checksum", default=internet_checksum(pseudo=True, zero_as=0xFFFF))

`Udp.schema` is a real Construct object; `Udp.parse(data)` gives a `Udp`; ``Udp(srcport=1, dstport=2)`` makes one, and
`build` fills in what was left open: first padding, then lengths (solved from the expressions that parsing evaluates),
checksums last.
"""

from __future__ import annotations

import difflib
import io
from typing import Any, ClassVar, Self, dataclass_transform

from pktlab.errors import WireError
from pktlab.wire import expressions
from pktlab.wire.cursor import BUFFER, Cursor
from pktlab.wire.fields import AUTO, REQUIRED, BitsDecl, FieldDecl, Fill, Pseudo, bits, field
from pktlab.wire.glance import Glance, stands
from pktlab.wire.layout import Layout
from pktlab.wire.phrases import Phrase
from pktlab.wire.rows import Found

__all__ = ["Header"]

_Origin = tuple[bytes, int, int, int, str]  # data, start, stop, end of the limit, its name


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field, bits))
class Header:
    """Base of every protocol header; see the module's text for how one is written.

    Class keywords
    --------------
    layer : what the names of its fields start with, e.g. ``"udp"``
    payload_len : expression over its fields: how many bytes belong to it behind the header; `this.header_len` is
        there too, the bytes of the header itself
    open_if : expression: holds where `payload_len` says nothing and the payload runs to the end of what there is
    label : what people call the protocol
    says : what it says in a line, in pieces (see `pktlab.wire.phrases`), unless it has a `summary` of its own
    prefix : what the names of its fields start with, where that is not `layer`: mDNS has the names of DNS

    A subclass of a header class that declares no field of its own has those of its parent.

    Headers are values: equal if their fields are, never changed by building; `replace` makes a changed one.
    """

    schema: ClassVar[Layout]
    layer: ClassVar[str]
    label: ClassVar[str]
    payload_len: ClassVar[Any] = None
    open_if: ClassVar[Any] = None
    says: ClassVar[Phrase | None] = None
    glances: ClassVar[tuple[Glance, ...]] = ()
    """What its first bytes have to be, where a port or a first byte alone suggests it."""
    _length_name: ClassVar[str | None]
    _payload_len_of: ClassVar[Any]
    _open_if_of: ClassVar[Any]
    HEADER_LEN: ClassVar[int]
    """Bytes of the fixed part, the least that a header can have."""

    _raw: tuple[Any, ...]
    _auto: frozenset[str] = frozenset()
    _origin: _Origin | None = None
    _error: WireError | None = None

    def __init_subclass__(
        cls, *, layer: str, label: str = "", payload_len: Any = None, open_if: Any = None, prefix: str = "",
        says: tuple[Any, ...] = (),
    ) -> None:  # fmt: skip
        own = [one for one in vars(cls).values() if isinstance(one, FieldDecl)]
        inherited = getattr(cls, "schema", None)
        declared = own or ([] if inherited is None else inherited.fields)
        taken = [one.attr for one in own if hasattr(Header, one.attr) or one.attr in Header.__annotations__]
        if taken:
            raise TypeError(f"{cls.__name__}: {', '.join(taken)} is a word of Header itself; use {taken[0]}_")
        cls.layer = layer
        cls.label = label or cls.__name__
        if says:
            cls.says = Phrase(says)
        cls.schema = Layout(cls, prefix or layer, declared)
        cls.HEADER_LEN = cls.schema.fixed_size
        cls.payload_len = payload_len
        cls.open_if = open_if
        cls._length_name = expressions.target(payload_len)
        cls._payload_len_of = staticmethod(expressions.evaluator(payload_len, over_header=True))
        cls._open_if_of = staticmethod(expressions.evaluator(open_if, over_header=True))
        for expression in (payload_len, open_if, *(cls.says.numbers if says and cls.says else ())):
            expressions.check_names(layer, expression, [*cls.schema.declared, "header_len"])

    def __init__(self, **values: Any) -> None:
        unknown = [name for name in values if name not in self.schema.declared]
        if unknown:
            raise TypeError(f"{type(self).__name__} has no {_unknown(unknown, self.schema.declared)}")
        auto: set[str] = set()
        raw = [self._first_raw(declared, values, auto) for declared in self.schema.fields]
        self._raw = tuple(raw)
        self._auto = frozenset(auto)

    def _first_raw(self, declared: FieldDecl, values: dict[str, Any], auto: set[str]) -> Any:
        """Return the raw value of `declared`, taking what `values` gives for it and its bits."""
        private = declared.attr.startswith("_")
        given = values.pop(declared.attr, 0 if private else declared.default)
        if given is REQUIRED:
            raise TypeError(f"{type(self).__name__} needs {declared.attr}=")
        if given is AUTO or isinstance(given, Fill):
            auto.add(declared.attr)
            raw = _blank(declared, self.schema.fixed_count)
        else:
            raw = declared.encode(given)
        for part in declared.bits:
            value = values.pop(part.attr, part.default if private else REQUIRED)
            if value is AUTO or isinstance(value, Fill):
                auto.add(part.attr)
            elif value is not REQUIRED and value is not None:
                raw = part.put(raw, value)
            elif value is REQUIRED and private:
                raise TypeError(f"{type(self).__name__} needs {part.attr}=")
        return raw

    # ---- reading

    @classmethod
    def parse(cls, data: bytes, offset: int = 0, end: int | None = None, limit: str = BUFFER) -> Self:
        """Return the header at `offset`; bytes behind it are left alone.

        Parameters
        ----------
        data : the whole buffer; errors and ranges count from its start
        offset, end : where the header starts, and what it may not pass (the end of `data` if None), bytes
        limit : name of the length that set `end`, for errors

        Raises
        ------
        Truncated, Malformed : see `pktlab.errors`
        """
        header = cls.schema.read_from(Cursor(bytes(data), offset, end, limit))
        assert isinstance(header, cls)
        return header

    @classmethod
    def looks_like(cls, data: bytes, start: int, end: int) -> bool:
        """Tell at a glance whether the bytes from `start` to `end` may be such a header.

        Only asked where nothing but a port or a first byte suggests it. A protocol whose fields alone refuse hardly
        anything says here and in `glances` what else has to hold; reading is still what decides.
        """
        return end - start >= cls.HEADER_LEN and stands(cls.glances, data, start, end)

    def _not_read(self, name: str) -> AttributeError:
        """Return the error for a field behind the place where reading ended."""
        return AttributeError(f"{self.layer}.{name} was not read: {self._error}")

    def spans(self) -> list[Found]:
        """Return every field with its bytes and bits, absolute in the buffer it was parsed from.

        A header that was made, not parsed, has none: ValueError.
        """
        if self._origin is None:
            raise ValueError(f"this {type(self).__name__} was not parsed from bytes; build it and parse those")
        data, start, _, end, limit = self._origin
        return self.schema.spans(data, start, end, limit)

    @property
    def header_len(self) -> int:
        """Bytes of the header as it was parsed, or as it would be built."""
        return self._origin[2] - self._origin[1] if self._origin is not None else len(self._bytes())

    def summary(self) -> str:
        """Return the header in a line, as a person would say it."""
        return self.label if self.says is None else self.says.text(self)

    def _numbers(self) -> dict[str, Any]:
        """Return what expressions see: every field and part by attribute, as numbers."""
        return {name: one.number(self._raw[one.index]) for name, one in self.schema.declared.items()}

    # ---- building

    def replace(self, **values: Any) -> Self:
        """Return a header with `values` in place of its own."""
        raw, auto = list(self._raw), set(self._auto)
        for name, value in values.items():
            one = self.schema.declared.get(name)
            if one is None:
                raise TypeError(f"{type(self).__name__} has no {_unknown([name], self.schema.declared)}")
            if value is AUTO or isinstance(value, Fill):
                auto.add(name)
                raw[one.index] = self._blanked(one, raw[one.index])
                continue
            auto.discard(name)
            if isinstance(one, BitsDecl):
                raw[one.word.index] = one.put(raw[one.word.index], value)
            else:
                raw[one.index] = one.encode(value)
        new = object.__new__(type(self))
        new._raw, new._auto = tuple(raw), frozenset(auto)
        return new

    def _blanked(self, one: FieldDecl | BitsDecl, raw: Any) -> Any:
        """Return the raw value with what `one` says taken out, so that equal open headers are equal."""
        return raw & ~one.mask if isinstance(one, BitsDecl) else _blank(one, self.schema.fixed_count)

    def filled(self, payload: bytes = b"", pseudo: Pseudo | None = None) -> Self:
        """Return a header in which every field has a value.

        Parameters
        ----------
        payload : bytes behind the header, which lengths count and checksums cover
        pseudo : given the number of bytes that the header and `payload` have, the pseudo-header

        Raises
        ------
        ValueError : a length cannot come out, a value does not fit, or a pseudo-header is needed and not given
        """
        header = self._with_filled_parts()
        header = header._run_fills(0, payload, pseudo)
        for name, (declared, node) in header.schema.lengths.items():
            if name in header._auto and header._raw[declared.index] is not None:
                size = header._size_of(declared)
                header = header.replace(**{name: expressions.solve(node.length, size, header._numbers())})
        rest = header._length_name
        if rest is not None and rest in header._auto:
            scope = {**header._numbers(), "header_len": header.header_len}
            value = expressions.solve(header.payload_len, len(payload), scope)
            header = header.replace(**{rest: value})
        return header._run_fills(1, payload, pseudo)

    def _with_filled_parts(self) -> Self:
        parts: dict[str, Any] = {}
        for declared, value in zip(self.schema.fields, self._raw, strict=True):
            if isinstance(value, Header):
                parts[declared.attr] = value.filled()
            elif isinstance(value, tuple):
                parts[declared.attr] = tuple(v.filled() if isinstance(v, Header) else v for v in value)
        return self.replace(**parts) if parts else self

    def _run_fills(self, phase: int, payload: bytes, pseudo: Pseudo | None) -> Self:
        header = self
        for name, one in self.schema.declared.items():
            rule = one.default
            if name in header._auto and isinstance(rule, Fill) and rule.phase == phase:
                header = header.replace(**{name: rule.compute(header, name, payload, pseudo)})
        return header

    def _size_of(self, declared: FieldDecl) -> int:
        stream = io.BytesIO()
        declared.subcon._build(self._raw[declared.index], stream, self._numbers(), "")
        return stream.tell()

    def _bytes(self) -> bytes:
        """Return the header's bytes as they stand; what is still open is zero or left out."""
        stream = io.BytesIO()
        plain = object.__new__(type(self))
        plain._raw = self._raw
        self.schema._build(plain, stream, None, "")
        return stream.getvalue()

    def build(self, payload: bytes = b"", pseudo: Pseudo | None = None) -> bytes:
        """Return the header's bytes followed by `payload`, open fields filled; parameters as for `filled`."""
        return (self.filled(payload, pseudo) if self._auto else self)._bytes() + payload

    def __bytes__(self) -> bytes:
        return self.build()

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other) or not isinstance(other, Header):
            return NotImplemented
        return self._raw == other._raw and self._auto == other._auto

    def __hash__(self) -> int:
        return hash((type(self), self._raw, self._auto))

    def __repr__(self) -> str:
        shown = []
        for name, one in self.schema.declared.items():
            if not name.startswith("_") and one.index < len(self._raw):
                shown.append(f"{name}={AUTO if name in self._auto else getattr(self, name)!r}")
        return f"{type(self).__name__}({', '.join(shown)})"


def _blank(declared: FieldDecl, fixed_count: int) -> Any:
    """Return what stands in for a value that is filled later: zero bits in the fixed part, nothing in the tail."""
    if declared.index >= fixed_count:
        return None
    return bytes(declared.row.width) if declared.kind in {"bytes", "ipv4", "ipv6", "mac"} else 0


def _unknown(names: Any, declared: dict[str, Any]) -> str:
    name = next(iter(names))
    near = difflib.get_close_matches(name, [one for one in declared if not one.startswith("_")], 1)
    return f"{name}; did you mean {near[0]}?" if near else f"{name}"
