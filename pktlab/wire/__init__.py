"""What does one packet say?

Construct schemas, one file a protocol: bytes to values and back, the checksum's arithmetic, and the verdicts. Nothing
here keeps state, reads files, or knows of a clock; it imports only `errors`, `lazy` and `ranges`.

A protocol of your own is a class body:

    from construct import GreedyBytes, Int8ub, this
    from pktlab.wire import AUTO, Bounded, Header, field

    class Note(Header, layer="note"):
        kind: int = field(Int8ub, "Kind")
        length: int = field(Int8ub, "Length", default=AUTO)
        text: bytes = field(Bounded(this.length, GreedyBytes), "Text")

`Note.schema` is a Construct object, ``Note(kind=1, text=b"hi").build()`` its bytes, and ``bind("udp.port=9999", Note)``
makes `dissect` read it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pktlab.lazy import lazy_names

if TYPE_CHECKING:
    from pktlab.wire.bindings import Binding, bind
    from pktlab.wire.dissection import Dissection, Layer, dissect
    from pktlab.wire.fields import AUTO, Fill, bits, field
    from pktlab.wire.fills import internet_checksum, padding
    from pktlab.wire.header import Header
    from pktlab.wire.nodes import Bounded, Items, Switch, When
    from pktlab.wire.packet import FOLLOWS, LINK_TYPES, PROTOCOLS, build
    from pktlab.wire.rows import Found, Row
    from pktlab.wire.values import IPV4, IPV6, MAC, Flags, View, flag

_HOME = {
    "bindings": ("Binding", "bind"),
    "dissection": ("Dissection", "Layer", "dissect"),
    "fields": ("AUTO", "Fill", "bits", "field"),
    "fills": ("internet_checksum", "padding"),
    "header": ("Header",),
    "nodes": ("Bounded", "Items", "Switch", "When"),
    "packet": ("FOLLOWS", "LINK_TYPES", "PROTOCOLS", "build"),
    "rows": ("Found", "Row"),
    "values": ("IPV4", "IPV6", "MAC", "Flags", "View", "flag"),
}
"""Which module a public name lives in: it is imported when the name is first used, so that sums alone are quick."""

__all__ = [
    "AUTO",
    "FOLLOWS",
    "IPV4",
    "IPV6",
    "LINK_TYPES",
    "MAC",
    "PROTOCOLS",
    "Binding",
    "Bounded",
    "Dissection",
    "Fill",
    "Flags",
    "Found",
    "Header",
    "Items",
    "Layer",
    "Row",
    "Switch",
    "View",
    "When",
    "bind",
    "bits",
    "build",
    "dissect",
    "field",
    "flag",
    "internet_checksum",
    "padding",
]

__getattr__, __dir__ = lazy_names(__name__, _HOME)
