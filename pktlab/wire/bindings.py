"""A user's own protocols: which header is read behind which value of which field.

`bind("udp.port=9999", Echo)` is what ``--on udp.port=9999`` and ``protocols={"udp.port=9999": Echo}`` become.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Any

from pktlab.errors import SchemaError
from pktlab.wire.header import Header
from pktlab.wire.packet import PROTOCOLS

__all__ = ["EITHER_END", "Binding", "bind"]

_EITHER = {"port": ("srcport", "dstport"), "addr": ("src", "dst")}
"""Names that stand for either end, as in Wireshark."""

EITHER_END = {
    "ip.addr": ("ip.src", "ip.dst"),
    "ipv6.addr": ("ipv6.src", "ipv6.dst"),
    "eth.addr": ("eth.src", "eth.dst"),
    "tcp.port": ("tcp.srcport", "tcp.dstport"),
    "udp.port": ("udp.srcport", "udp.dstport"),
}
"""Names that stand for two fields, the first of which comes first."""


@dataclass(frozen=True)
class Binding:
    """`protocol` follows a header of layer `layer` in which any of `fields` equals `value`."""

    layer: str
    fields: tuple[str, ...]
    value: Any
    protocol: type[Header]

    def matches(self, header: Header) -> bool:
        """Tell whether the protocol follows `header`."""
        if header.layer != self.layer:
            return False
        return any(getattr(header, name, None) == self.value for name in self.fields)


def bind(condition: str, protocol: Any) -> Binding:
    """Return the binding that a condition like ``"udp.port=9999"`` describes.

    Parameters
    ----------
    condition : a field by its full name, ``=`` or ``==``, and a number, decimal or hex, or an address
    protocol : a `Header` class, or its schema

    Raises
    ------
    SchemaError : the condition does not read so, or `protocol` is no header

    >>> class Echo(Header, layer="echo"):
    ...     pass
    >>> binding = bind("udp.port=9999", Echo)
    >>> binding.layer, binding.fields, binding.value
    ('udp', ('srcport', 'dstport'), 9999)
    """
    header = getattr(protocol, "header", protocol)
    if not (isinstance(header, type) and issubclass(header, Header)):
        raise SchemaError(f"{condition}: {protocol!r} is no protocol; give a class made with pktlab.wire.Header")
    match = re.fullmatch(r"\s*([\w.]+)\.(\w+)\s*={1,2}\s*([\w.:-]+)\s*", condition)
    if match is None:
        raise SchemaError(f"{condition!r} does not say where the protocol is found; write for example udp.port=9999")
    layer, name, text = match.groups()
    _check_field(condition, layer, name)
    try:
        value: Any = int(text, 0)
    except ValueError:
        value = text
    return Binding(layer, _EITHER.get(name, (name,)), value, header)


def _check_field(condition: str, layer: str, name: str) -> None:
    """Raise SchemaError if no header has such a field, with the nearest that one has."""
    names = {
        attr
        for header in PROTOCOLS
        if header.layer == layer
        for attr in header.schema.declared
        if not attr.startswith("_")
    }
    names |= {either for either, ends in _EITHER.items() if names.issuperset(ends)}
    if name in names:
        return
    if not names:
        layers = sorted({header.layer for header in PROTOCOLS})
        near = difflib.get_close_matches(layer, layers, 1)
        raise SchemaError(f"{condition}: no protocol is called {layer}{_hint(near)}")
    raise SchemaError(f"{condition}: {layer} has no field {name}{_hint(difflib.get_close_matches(name, names, 1))}")


def _hint(near: list[str]) -> str:
    return f"; did you mean {near[0]}?" if near else ""
