"""A Scapy layer out of any schema: its fields by the schema's names, its bytes by the schema's own reader and builder.

    Note = pktlab.as_layer(schema)
    bytes(IP(src="10.0.0.1", dst="10.0.0.2") / UDP(dport=9999) / Note(kind=1, text=b"hi"))

No offset is written down again: reading is the header's `parse`, building its `build`, so lengths and checksums that
are not given are filled as there. A field that is itself a header takes a layer of that header, or bytes.

Importing this module imports Scapy.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from functools import cache
from typing import Any

from scapy.fields import Field
from scapy.packet import Packet, bind_top_down
from scapy.volatile import RandBin, RandIP, RandIP6, RandMAC, RandNum

from pktlab.errors import SchemaError
from pktlab.wire.bindings import Binding
from pktlab.wire.cursor import Cursor
from pktlab.wire.fields import AUTO, REQUIRED, BitsDecl, FieldDecl, Fill
from pktlab.wire.header import Header
from pktlab.wire.nodes import When, reader_of
from pktlab.wire.packet import FOLLOWS, PROTOCOLS
from pktlab.wire.pseudo import Ends, pseudo_header
from pktlab.wire.values import View

__all__ = ["SchemaLayer", "as_layer"]

_BLANKS = {"ipv4": "0.0.0.0", "ipv6": "::", "mac": "00:00:00:00:00:00"}
_BELOW = {
    "Ethernet": ("layers.l2", "Ether", "type"), "Vlan": ("layers.l2", "Dot1Q", "type"),
    "Ieee8021ad": ("layers.l2", "Dot1AD", "type"), "Sll": ("layers.l2", "CookedLinux", "proto"),
    "Null": ("layers.l2", "Loopback", "type"), "Gre": ("layers.l2", "GRE", "proto"),
    "Ppp": ("layers.ppp", "PPP", "proto"),
    "Ip": ("layers.inet", "IP", "proto"), "Ipv6": ("layers.inet6", "IPv6", "nh"),
    "HopByHop": ("layers.inet6", "IPv6ExtHdrHopByHop", "nh"), "Routing": ("layers.inet6", "IPv6ExtHdrRouting", "nh"),
    "Fragment": ("layers.inet6", "IPv6ExtHdrFragment", "nh"),
    "DestinationOptions": ("layers.inet6", "IPv6ExtHdrDestOpt", "nh"),
    "Udp": ("layers.inet", "UDP", "dport"), "Tcp": ("layers.inet", "TCP", "dport"),
}  # fmt: skip
"""Scapy's class of each header that says what follows, where it is, and its field that says so."""


_TAKEN = frozenset(Packet.__slots__)
"""Words of Scapy's packets themselves; a field of that name gets a ``_`` behind it."""


class SchemaField(Field):
    """One field of a schema as Scapy sees it: a name, a default, how it is shown and drawn.

    The layout is the schema's: `SchemaLayer` reads and builds all fields of a header together.
    """

    __slots__ = ["declared", "islist"]

    def __init__(self, declared: FieldDecl | BitsDecl) -> None:
        taken = declared.attr in _TAKEN or hasattr(Packet, declared.attr)
        super().__init__(f"{declared.attr}_" if taken else declared.attr, _default(declared), "H")
        self.declared = declared
        self.islist = int(declared.kind == "header")  # so that Scapy takes a list for one value

    def any2i(self, pkt: Any, x: Any) -> Any:
        """Return the value as it is: the header's own encoding looks at it when building."""
        return x

    h2i = i2h = m2i = any2i

    def i2repr(self, pkt: Any, x: Any) -> str:
        """Return the value with the name that it is registered under."""
        name = self.declared.row.value_name(x) if isinstance(x, int) else None
        return f"{x!r} ({name})" if name else repr(x)

    def randval(self) -> Any:
        """Return a random value that fits."""
        row = self.declared.row
        drawn = {"ipv4": RandIP, "ipv6": RandIP6, "mac": RandMAC}.get(row.kind)
        if drawn is not None:
            return drawn()
        if row.kind in ("bytes", "header") or not row.width:
            return RandBin(RandNum(row.width, row.width or 32))
        top = (1 << 8 * row.width) - 1 if row.mask is None else row.mask >> row.shift
        return RandNum(0, top) if row.scale == 1 else 0


def _default(declared: FieldDecl | BitsDecl) -> Any:
    """Return Scapy's default: None for what the builder fills, something that builds where a value is needed."""
    default = declared.default
    if default is AUTO or isinstance(default, Fill) or declared.kind == "header":
        return None
    if default is not REQUIRED:
        return default
    if isinstance(declared, FieldDecl) and isinstance(declared.subcon, When):
        return None
    if declared.kind in _BLANKS:
        return _BLANKS[declared.kind]
    return bytes(declared.row.width) if declared.kind == "bytes" else 0


class SchemaLayer(Packet):
    """Base of the layers that `as_layer` makes."""

    header: type[Header]

    def do_dissect(self, s: bytes) -> bytes:
        """Read the header at the start of `s`; return what is behind it.

        Raises
        ------
        Truncated, Malformed : it does not read, for which Scapy takes the bytes as they are
        """
        read = self.header.parse(s)
        for field in self.fields_desc:
            self.fields[field.name] = _held(read, field.declared)
        return s[read.header_len :]

    def extract_padding(self, s: bytes) -> tuple[bytes, bytes | None]:
        """Return the payload that the header's length gives it, and what is behind."""
        read = self.to_header()
        if read.payload_len is None or read.schema.lengths.keys() & read._auto:
            return s, None
        length = read._payload_len_of(read)
        return (s[:length], s[length:]) if 0 <= length < len(s) else (s, None)

    def to_header(self) -> Header:
        """Return the header of pktlab that has the fields' values; what is None is filled when it is built.

        Raises
        ------
        ValueError, TypeError, Truncated, Malformed : a value does not fit
        """
        given = {field.declared.attr: _plain(self.getfieldval(field.name)) for field in self.fields_desc}
        values = {name: value for name, value in given.items() if value is not None}
        nested = [name for name, value in values.items() if _is_nested(self.header, name) and isinstance(value, bytes)]
        needed = [one.attr for one in self.header.schema.fields if one.default is REQUIRED and one.attr in given]
        blank = {name: None for name in (*needed, *nested) if name not in values or name in nested}
        made = self.header(**(values | blank))
        for name in nested:
            made = made.replace(**{name: _read_nested(made, name, values[name])})
        return made

    def self_build(self) -> bytes:
        """Return nothing: the header is built together with what it carries."""
        return b""

    def post_build(self, pkt: bytes, pay: bytes) -> bytes:
        """Return the header in front of `pay`, with lengths and checksums filled.

        A checksum over addresses is left 0 where there is no IP below, as with Scapy's own layers.
        """
        made, ends = self.to_header(), _ends(self)
        if ends is not None:
            return made.build(pay, lambda length: pseudo_header(ends, length).build())
        needing = [name for name in made._auto if getattr(made.schema.declared[name].default, "pseudo", False)]
        return made.replace(**dict.fromkeys(needing, 0)).build(pay)

    def mysummary(self) -> str:
        """Return the header in a line."""
        return self.header.label


def _plain(value: Any) -> Any:
    """Return a value as a header takes it: layers as headers, lists as tuples."""
    if isinstance(value, SchemaLayer):
        return value.to_header()
    return tuple(map(_plain, value)) if type(value) in (list, tuple) else value


def _held(header: Header, declared: FieldDecl | BitsDecl) -> Any:
    """Return what a Scapy field holds of a header's value: what builds the same bytes again."""
    raw, value = header._raw[declared.index], getattr(header, declared.attr)
    if isinstance(declared, BitsDecl):
        return value if isinstance(value, bool) else int(value)
    if declared.attr.startswith("_") and declared.bits:
        return raw & _rest_mask(declared)
    if isinstance(declared.as_, View):
        return value if _reads_back(declared.as_, value, raw) else raw
    return raw


def _reads_back(view: View, value: Any, raw: Any) -> bool:
    if type(raw) not in (int, bytes, str):
        return False  # a number that knows how wide it was, or the like
    try:
        return value is not None and bool(view.encode(value) == raw)
    except (TypeError, ValueError, AttributeError):
        return False


def _is_nested(header: type[Header], name: str) -> bool:
    return header.schema.declared[name].kind == "header"


def _read_nested(header: Header, name: str, data: bytes) -> Any:
    """Return what `data` say as the value of a field that holds headers."""
    declared = header.schema.declared[name]
    assert isinstance(declared, FieldDecl)
    return reader_of(declared.inner)(Cursor(data), header._numbers())


def _ends(layer: Any) -> Ends | None:
    """Return the ends for a pseudo-header out of the IP layer below; None if there is none.

    Source routes and routing headers below are not looked through.
    """
    protocol = None
    below = layer.underlayer
    while below is not None:
        names = {field.name for field in below.fields_desc}
        if protocol is None:
            protocol = next((below.getfieldval(name) for name in ("nh", "proto") if name in names), None)
        kind = below.__class__.__name__
        if kind in ("IP", "IPv6") and protocol is not None:
            return Ends(4 if kind == "IP" else 6, str(below.src), str(below.dst), int(protocol))
        below = below.underlayer
    return None


def _rest_mask(declared: FieldDecl) -> int:
    """Return the bits of a word that no declaration names; all of them where none does."""
    named = 0
    for part in declared.bits:
        named |= part.mask
    return ((1 << 8 * declared.row.width) - 1) & ~named


def _fields_of(declared: FieldDecl) -> list[SchemaField]:
    """Return the fields that one declaration becomes; a word without a name is its parts, and the bits between."""
    if not declared.attr.startswith("_"):
        return [SchemaField(declared)]
    parts = [SchemaField(one) for one in declared.bits]
    return [*parts, SchemaField(declared)] if not parts or _rest_mask(declared) else parts


@cache
def _layer(header: Any) -> Any:
    fields = [field for declared in header.schema.fields for field in _fields_of(declared)]
    made = type(header.__name__, (SchemaLayer,), {"name": header.label, "fields_desc": fields, "header": header})
    for below, rule in FOLLOWS.items():
        values = [value for value, above in rule.table.items() if above is header]
        if values and below.__name__ in _BELOW:
            _stack_on(below, made, values[0])
    return made


def _stack_on(below: type[Header], layer: Any, value: Any) -> None:
    """Have Scapy's class for `below` say `value` of what follows, when `layer` is put on it."""
    module, name, field = _BELOW[below.__name__]
    bind_top_down(getattr(importlib.import_module(f"scapy.{module}"), name), layer, **{field: value})


def as_layer(schema: Any, bindings: Sequence[Binding] = ()) -> Any:
    """Return the Scapy layer of a schema: a class that stacks with Scapy's own, the same each time.

    Parameters
    ----------
    schema : a `Header` class, a user's own too, or its `schema`
    bindings : where it is found; Scapy's layer below says so when this one is put on it

    Raises
    ------
    SchemaError : `schema` is none

    >>> from pktlab.wire.udplite import UdpLite
    >>> layer = as_layer(UdpLite)
    >>> [field.name for field in layer.fields_desc]
    ['srcport', 'dstport', 'checksum_coverage', 'checksum']
    >>> layer(bytes(layer(srcport=1, dstport=2, checksum=3))).dstport
    2
    """
    header = getattr(schema, "header", schema)
    if not (isinstance(header, type) and issubclass(header, Header)):
        raise SchemaError(f"{schema!r} is no schema; give a class made with pktlab.wire.Header")
    hashable: Any = header  # mypy takes a header's own __hash__ for that of its class
    layer = _layer(hashable)
    for binding in bindings:
        for below in PROTOCOLS:
            if below.layer == binding.layer and below.__name__ in _BELOW:
                _stack_on(below, layer, binding.value)
    return layer
